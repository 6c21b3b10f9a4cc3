"""How fast pieces of 32 bars are composed, alone and 64 at once, beside a plain loop over the same network. After: make bench.

The plain loop is what one would write first: read the whole melody again for every note, no masks, no rules, no G. It writes as
many notes as ours did, alone; of 64 pieces the first 64 notes, which are its fastest. For a listener whose taste is known the
service writes several candidates of each piece, which takes longer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from bench.report import Report, make_parser, read_options
from bench.trained_composer import add_composer_options, policies, read_tunes, set_up

if TYPE_CHECKING:
    from composer.learning.condition import Taste
    from composer.learning.policy import ComposerPolicy
    from composer.steering import Steering


BARS = 32
MOST_NOTES = {1: 1000, 64: 64}
"""Notes after which the plain loop stops. With 64 pieces it would take minutes; the first notes are its fastest."""
TARGETS = {1: 1500.0, 64: 19_000.0}
"""Notes per second, alone and 64 pieces at once."""
TARGET_RATIO = 10.0
TARGET_MILLISECONDS = 250.0
FOR_A_TASTE = "ours, for a taste"


def plain_loop(prior: ComposerPolicy, steering: Steering, *, count: int, notes: int, seed: int) -> int:
    """Samples ``count`` melodies of so many notes each, note by note; gives the number of all."""
    import torch

    from composer.learning.features import observe_melodies
    from composer.learning.network import View
    from composer.tokens import DURATIONS, LOWEST
    from music.notes import Melody, Note

    network = prior.writer.prior
    generator = torch.Generator().manual_seed(seed)
    lines: list[list[Note]] = [[] for _ in range(count)]
    for _ in range(notes):
        melodies = [
            Melody(notes=(*line, Note(60, DURATIONS[9])), metre=steering.metre, tonic=0, mode=steering.mode) for line in lines
        ]
        index_BNF = torch.from_numpy(observe_melodies(melodies, [1] * count)["index"])
        with torch.inference_mode():
            everything = network.look(index_BNF)
            view = View(*(each[:, -1:] for each in everything))
            pitch_B1 = torch.multinomial(network.pitch_logits(view)[:, 0].softmax(-1), 1, generator=generator)
            duration_B1 = torch.multinomial(network.duration_logits(view, pitch_B1)[:, 0].softmax(-1), 1, generator=generator)
        for line, pitch, duration in zip(lines, pitch_B1[:, 0].tolist(), duration_B1[:, 0].tolist(), strict=True):
            # Token 0 is the rest; the others are pitches from LOWEST on.
            sounding = None if pitch == 0 else min(127, max(0, LOWEST + pitch - 1))
            line.append(Note(sounding, DURATIONS[min(duration, len(DURATIONS) - 1)]))
    return sum(len(line) for line in lines)


def main() -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=3)
    add_composer_options(parser)
    options = read_options(parser)
    set_up()
    import torch

    from composer.learning.replay_dataset import MelodyDataset
    from composer.steering import Steering
    from recsys.taste_population import population

    torch.set_num_threads(1)
    options.prior_seconds, options.policy_seconds = min(options.prior_seconds, 20.0), min(options.policy_seconds, 20.0)
    report = Report("composing_speed", options)
    ours, prior = policies(options, MelodyDataset(()) if options.checkpoint else read_tunes(30))
    bars = 8 if options.quick else BARS
    steering = Steering.from_json({"style": "reel", "bars": bars})
    tastes = [population().draw(np.random.default_rng([seed, 13])) for seed in range(options.seeds + 1)]
    for taste in (None, tastes[0]):
        ours.compose(steering, taste, seed=0)
    plain_loop(prior, steering, count=1, notes=2, seed=0)
    milliseconds: dict[str, list[float]] = {"ours": [], FOR_A_TASTE: []}
    for count in (1, 64):
        plain, batched = [], []
        for seed in range(1, options.seeds + 1):
            notes, seconds = _timed(ours, steering, count, seed)
            batched.append(notes / seconds)
            if count == 1:
                milliseconds["ours"].append(1000 * seconds)
                milliseconds[FOR_A_TASTE].append(1000 * _timed(ours, steering, 1, seed, tastes[seed])[1])
            started = time.process_time()
            again = plain_loop(prior, steering, count=count, notes=min(round(notes / count), MOST_NOTES[count]), seed=seed)
            plain.append(again / (time.process_time() - started))
        report.add_samples("plain loop", f"notes_per_second_at_{count}", plain)
        report.add_samples("ours", f"notes_per_second_at_{count}", batched, target=TARGETS[count])
        ratios = np.array(batched) / np.array(plain)
        report.add_samples("ours over plain loop", f"ratio_at_{count}", ratios, target=TARGET_RATIO)
    for name, each in milliseconds.items():
        report.add_samples(name, f"milliseconds_for_{bars}_bars", each, target=TARGET_MILLISECONDS, smaller_is_better=True)
    report.note(
        "processor time of one thread, which is what an idle core's clock would show; loop and ours in turn, seed by seed"
    )
    return report.finish()


def _timed(policy: ComposerPolicy, steering: Steering, count: int, seed: int, taste: Taste = None) -> tuple[int, float]:
    """Notes of so many pieces and the processor seconds they took."""
    started = time.process_time()
    if count == 1:
        pieces = [policy.compose(steering, taste, seed=seed)]
    else:
        pieces = policy.compose_many([steering] * count, [taste] * count, seeds=[100 * seed + n for n in range(count)])
    seconds = time.process_time() - started
    return sum(len(piece.melody.notes) for piece in pieces), seconds


if __name__ == "__main__":
    raise SystemExit(main())
