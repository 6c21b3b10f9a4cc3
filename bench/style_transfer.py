"""Is a melody told in another style recognised as of that style, and still as itself? Before: composer, style_transfer.

Sources are tunes of the test split, or of the valid one; the classifier learned from people's tunes of the train split alone.
It sees neither tempo, nor length, pickup, register or the last note, which the composer is told or always does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.report import Report, make_parser, read_options, say
from bench.split_tunes import SplitTune, add_part_option, add_split_option, read_split, read_tunes
from bench.trained_composer import add_composer_options, policies, set_up

if TYPE_CHECKING:
    from composer.learning.policy import ComposerPolicy
    from music.notes import Melody

Floats = NDArray[np.float64]
STYLES = ("reel", "jig", "slip jig", "german folk", "chinese folk", "chorale")
EVERY = {"oneills1850": 5, "essenFolksong": 12, "bach": 4}
"""One tune of so many is read: reading all of them takes longer than measuring."""
BLENDS = (0.0, 0.25, 0.5, 0.75, 1.0)
TARGET_RECOGNISED = 0.8
TARGET_CONTENT = 0.8
HIDDEN_FROM_CLASSIFIER = (
    "has_pickup",
    "tempo_quarters_per_minute_over_240",
    "notes_per_second_over_8",
    "length_in_64_bars",
    "mean_pitch_midi_36_to_96",
    "range_over_36_semitones",
    "ends_on_tonic",
)
STEPS = 400


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=1)
    parser.add_argument("--sources", type=int, default=3, help="tunes of each style that are told in every other style")
    add_split_option(parser)
    add_part_option(parser)
    add_composer_options(parser)
    options = read_options(parser, arguments)
    set_up()
    report = Report("style_transfer", options)
    tunes = _read(options)
    classifier = Classifier([tune for tune in tunes if tune.split == "train"])
    unseen = [tune for tune in tunes if tune.split == options.part]
    report.add_samples("human", "recognised", [classifier.style(t.score.melody) == t.style for t in unseen])
    policy = _policy(options, tunes)
    chosen = _sources(unseen, 1 if options.quick else options.sources)
    told = [row for seed in range(options.seeds) for row in _tell(policy, classifier, chosen, seed, options.quick)]
    _report(report, told)
    return report.finish()


def _read(options: Any) -> list[SplitTune]:
    split = read_split(options.split)
    factor = 8 if options.quick else 1
    found = []
    for name, every in EVERY.items():
        found += list(read_tunes(split, (name,), lambda number, every=every: number % (every * factor) == 0))  # type: ignore[misc]
    tunes = [tune for tune in found if tune.style in STYLES and sum(n.pitch is not None for n in tune.score.melody.notes) >= 8]
    say(f"{len(tunes)} tunes of {len(STYLES)} styles")
    return tunes


def _policy(options: Any, tunes: Sequence[SplitTune]) -> ComposerPolicy:
    """The composer given, of whichever kind it is, or one trained here on tunes of the train split."""
    from composer.learning.policy import policy_of
    from composer.learning.replay_dataset import MelodyDataset, Tune, group_of
    from dqn.checkpoint import read_checkpoint

    if options.checkpoint:
        checkpoint = read_checkpoint(options.checkpoint)
        return policy_of("dqn" if checkpoint.configuration["stage"] == "policy" else "prior", checkpoint)
    learnt = [tune for tune in tunes if tune.split == "train"]
    melodies = [(tune.score.melody, tune.style) for tune in learnt]
    return policies(options, MelodyDataset(tuple(Tune(melody=m, style=s, group=group_of(m)) for m, s in melodies)))[0]


def _sources(unseen: Sequence[SplitTune], count: int) -> list[SplitTune]:
    """The first tunes of each style that are neither tiny nor endless."""
    fitting = [tune for tune in unseen if 6 <= tune.score.melody.bars <= 24 and 1 <= tune.score.melody.bar_quarters <= 8]
    return [tune for style in STYLES for tune in [tune for tune in fitting if tune.style == style][:count]]


def _tell(
    policy: ComposerPolicy, classifier: Classifier, sources: Sequence[SplitTune], seed: int, is_quick: bool
) -> list[dict[str, Any]]:
    """Every source in every other style at every blend."""
    from composer.melody_tasks import MelodyTask
    from composer.performing import perform_task
    from composer.style_transfer import content

    rows = []
    for number, tune in enumerate(sources):
        others = [style for style in STYLES if style != tune.style]
        for style in others[:: 3 if is_quick else 1]:
            row: dict[str, Any] = {"source": number}
            for blend in BLENDS:
                task = MelodyTask(kind="transfer", melody=tune.score.melody, source_style=tune.style, style=style, blend=blend)
                score, _ = perform_task(task, task.steering({}), None, policy, seed=1000 * seed + number)
                row[f"recognised_{blend}"] = float(classifier.style(score.melody) == style)
                row[f"content_{blend}"] = content(tune.score.melody, score.melody)
            rows.append(row)
        at = {blend: f"{np.mean([row[f'recognised_{blend}'] for row in rows]):.2f}" for blend in BLENDS}
        near = f"{np.mean([row['content_0.5'] for row in rows]):.2f}"
        say(f"{number + 1} of {len(sources)} sources: recognised {at}, content at half {near}")
    return rows


def _report(report: Report, rows: list[dict[str, Any]]) -> None:
    means: dict[str, list[float]] = {"recognised": [], "content": []}
    for blend in BLENDS:
        for metric, aim, at in (("recognised", TARGET_RECOGNISED, 1.0), ("content", TARGET_CONTENT, 0.5)):
            # Rows of one source are told from the same melody: the interval is over sources.
            by_source: dict[int, list[float]] = {}
            for row in rows:
                by_source.setdefault(row["source"], []).append(row[f"{metric}_{blend}"])
            samples = [float(np.mean(values)) for values in by_source.values()]
            means[metric].append(float(np.mean(samples)))
            name = f"{metric}_at_{round(100 * blend)}_percent"
            report.add_samples("ours", name, samples, target=aim if blend == at else None)
    rising = [after >= before for before, after in zip(means["recognised"], means["recognised"][1:], strict=False)]
    falling = [after <= before for before, after in zip(means["content"], means["content"][1:], strict=False)]
    report.add("ours", "monotone_steps", float(np.mean(rising + falling)), target=1.0)


class Classifier:
    """Logistic regression over what people's tunes of each style are like."""

    def __init__(self, tunes: Sequence[SplitTune]) -> None:
        import torch

        seen_nF = np.stack([_traits(tune.score.melody) for tune in tunes])
        self._mean_F, self._spread_F = seen_nF.mean(axis=0), seen_nF.std(axis=0) + 1e-3
        inputs = torch.from_numpy((seen_nF - self._mean_F) / self._spread_F)
        wanted = torch.tensor([STYLES.index(tune.style) for tune in tunes])
        # Each style counts the same, however many tunes it has.
        counts = torch.bincount(wanted, minlength=len(STYLES)).double()
        weights = torch.zeros((seen_nF.shape[1] + 1, len(STYLES)), dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.Adam([weights], lr=0.03)
        for _ in range(STEPS):
            logits = inputs @ weights[:-1] + weights[-1]
            loss = torch.nn.functional.cross_entropy(logits, wanted, weight=1 / counts.clamp(min=1))
            loss = loss + 3e-3 * (weights**2).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        self._weights_FS = weights.detach().numpy()

    def style(self, melody: Melody) -> str:
        """The likeliest style."""
        seen_F = (_traits(melody) - self._mean_F) / self._spread_F
        return STYLES[int(np.argmax(seen_F @ self._weights_FS[:-1] + self._weights_FS[-1]))]


def _traits(melody: Melody) -> Floats:
    """Features without what is hidden, histograms of lengths and intervals, and where in the bar notes begin."""
    from music.features import NAMES, features

    shown = [number for number, name in enumerate(NAMES) if name not in HIDDEN_FROM_CLASSIFIER]
    pitches = np.array([note.pitch for note in melody.notes if note.pitch is not None])
    lengths = np.array([float(note.quarters) for note in melody.notes])
    places = [float((start - melody.pickup) % melody.bar_quarters / melody.bar_quarters) for start, _ in melody.onsets()]
    edges = np.array([0.0, 0.2, 0.3, 0.4, 0.6, 0.9, 1.1, 1.6, 2.1, 3.1, 99.0])
    histograms = [
        np.histogram(lengths, bins=edges)[0] / max(len(lengths), 1),
        np.bincount(np.minimum(np.abs(np.diff(pitches)), 12), minlength=13) / max(len(pitches) - 1, 1),
        np.histogram(places, bins=np.linspace(0, 1, 13))[0] / max(len(places), 1),
    ]
    return np.concatenate([features(melody)[shown], *histograms])


if __name__ == "__main__":
    sys.exit(main())
