"""How fast pieces are composed, one alone and 64 at once, beside a plain loop over the same network. After: make bench.

The plain loop is what one would write first: read the whole melody again for every note, no masks, no rules, no G."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from bench.report import Report, make_parser, read_options
from bench.trained_composer import add_composer_options, policies, read_tunes, set_up

if TYPE_CHECKING:
    from composer.learning.policy import ComposerPolicy
    from composer.steering import Steering


def plain_loop(prior: ComposerPolicy, steering: Steering, *, count: int, seed: int) -> int:
    """Samples ``count`` melodies note by note; gives the number of notes."""
    import torch

    from composer.learning.features import observe_melodies
    from composer.tokens import DURATIONS, LOWEST
    from music.notes import Melody, Note

    network = prior.writer.prior
    generator = torch.Generator().manual_seed(seed)
    lines: list[list[Note]] = [[] for _ in range(count)]
    for _ in range(64):
        melodies = [
            Melody(notes=(*line, Note(60, DURATIONS[9])), metre=steering.metre, tonic=0, mode=steering.mode) for line in lines
        ]
        index_BNF = torch.from_numpy(observe_melodies(melodies, [1] * count)["index"])
        with torch.inference_mode():
            view, _ = network.look(index_BNF)
            pitch_B = torch.multinomial(network.pitch_logits(view)[:, -1].softmax(-1), 1, generator=generator)
            pitch_BN = pitch_B.expand(-1, index_BNF.shape[1])
            duration_B = torch.multinomial(network.duration_logits(view, pitch_BN)[:, -1].softmax(-1), 1, generator=generator)
        for line, pitch, duration in zip(lines, pitch_B[:, 0].tolist(), duration_B[:, 0].tolist(), strict=True):
            # Token 0 is the rest; the others are pitches from LOWEST on.
            sounding = None if pitch == 0 else min(127, max(0, LOWEST + pitch - 1))
            line.append(Note(sounding, DURATIONS[min(duration, len(DURATIONS) - 1)]))
    return sum(len(line) for line in lines)


def main() -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=5)
    add_composer_options(parser)
    options = read_options(parser)
    set_up()
    import torch

    from composer.steering import Steering

    torch.set_num_threads(1)
    options.prior_seconds, options.policy_seconds = min(options.prior_seconds, 20.0), min(options.policy_seconds, 20.0)
    report = Report("composing_speed", options)
    ours, prior = policies(options, read_tunes(30))
    steering = Steering.from_json({"style": "reel", "bars": 16})
    long_steering = Steering.from_json({"style": "reel", "bars": 32})
    ours.compose(steering, None, seed=0)
    for count in (1, 64):
        plain, batched = [], []
        for seed in range(1, options.seeds + 1):
            started = time.perf_counter()
            plain.append(plain_loop(prior, steering, count=count, seed=seed) / (time.perf_counter() - started))
            started = time.perf_counter()
            pieces = ours.compose_many([steering] * count, [None] * count, seeds=[100 * seed + n for n in range(count)])
            batched.append(sum(len(piece.melody.notes) for piece in pieces) / (time.perf_counter() - started))
        report.add_samples("plain loop", f"notes_per_second_at_{count}", plain)
        report.add_samples("ours", f"notes_per_second_at_{count}", batched)
    milliseconds = []
    for seed in range(options.seeds):
        started = time.perf_counter()
        ours.compose(long_steering, None, seed=seed)
        milliseconds.append(1000 * (time.perf_counter() - started))
    report.add_samples("ours", "milliseconds_for_32_bars", np.array(milliseconds), smaller_is_better=True)
    return report.finish()


if __name__ == "__main__":
    raise SystemExit(main())
