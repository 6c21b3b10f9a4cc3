"""Are melodies of chorales that nobody learned from harmonised as Bach would, and led without faults? Before: the accompanist.

Each seed trains an accompanist with the product's code on the chorales of the train split; those of the test split are
measured, half bar by half bar, beside what Bach wrote, a hidden Markov model of chords, and retrieval of the nearest spot."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.report import Report, bootstrap_ratio, make_parser, read_options, say
from bench.run_context import Context
from bench.split_tunes import add_split_option, read_split, read_tunes
from bench.trained_composer import set_up

if TYPE_CHECKING:
    from composer.accompaniment.policy import ChordPolicy
    from composer.accompaniment.replay_dataset import Chorale, ChoraleDataset
    from composer.accompaniment.state import Task
    from music.notes import Score

Whole = NDArray[np.int64]
CHOIR = ("Soprano", "Alto", "Tenor", "Bass")
FOLK = ("oneills1850", "airdsAirs", "essenFolksong")
FOLK_EVERY = 40
MORE_THAN_BACH = 1.1
DISSONANT = (1, 2, 6)
"""Interval classes in semitones: seconds, sevenths, tritones."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=3)
    add_split_option(parser)
    options = read_options(parser, arguments)
    set_up()
    report = Report("accompaniment", options)
    dataset, tests = _read(options)
    say(f"{len(dataset.chorales)} chorales to learn from, {len(tests)} to measure")
    rows: dict[str, list[dict[str, Any]]] = {"bach": [], "ours": [], "prior": [], "hidden markov": [], "retrieval": []}
    rows["bach"] = [_measured(c, c.task, c.chords_T, c.score) for c in tests]
    markov, retrieval = Markov(dataset.chorales), Retrieval(dataset.chorales)
    for chorale in tests:
        for name, chords_T in (
            ("hidden markov", markov.harmonise(chorale.task)),
            ("retrieval", retrieval.harmonise(chorale.task)),
        ):
            rows[name].append(_measured(chorale, chorale.task, chords_T, _plainly_voiced(chorale.task, chords_T)))
    for seed in range(options.seeds):
        policy = _train(options, dataset, seed)
        for name, one in (("ours", policy), ("prior", replace(policy, advantage=None))):
            rows[name] += [_harmonised(one, chorale, 1000 * seed + n) for n, chorale in enumerate(tests)]
    _report(report, rows)
    return report.finish()


def _read(options: Any) -> tuple[ChoraleDataset, list[Chorale]]:
    from composer.accompaniment.replay_dataset import chorale_of, dataset_of

    split = read_split(options.split)
    learnt, tests = [], []
    every = 5 if options.quick else 1
    for tune in read_tunes(split, ("bach",), lambda n: n % every == 0):
        if tune.split == "train":
            learnt.append((tune.source, tune.score))
        elif tune.split == "test" and (choir := _choir(tune.score)) is not None:
            tests.append(chorale_of(tune.source, choir))
    folk = [tune.score.melody for tune in read_tunes(split, FOLK, lambda n: n % FOLK_EVERY == 0) if tune.split == "train"]
    return dataset_of(learnt, folk), tests[:8] if options.quick else tests


def _choir(score: Score) -> Score | None:
    """The four voices that sing, without horns and drums."""
    named = {voice.name: voice for voice in score.voices}
    return replace(score, voices=tuple(named[name] for name in CHOIR)) if set(CHOIR) <= set(named) else None


def _train(options: Any, dataset: ChoraleDataset, seed: int) -> ChordPolicy:
    from composer.accompaniment.configuration import AccompanistConfiguration
    from composer.accompaniment.policy import KIND, load_policy
    from composer.accompaniment.training import train

    configuration = AccompanistConfiguration(epochs=6, rollouts=4) if options.quick else AccompanistConfiguration()
    with tempfile.TemporaryDirectory() as folder:
        run = Context(configuration=configuration, folder=Path(folder), seed=seed)
        return load_policy(KIND, train(run, dataset).checkpoint)


def _harmonised(policy: ChordPolicy, chorale: Chorale, seed: int) -> dict[str, Any]:
    """Chords and four voices as the product makes them."""
    from composer.accompaniment.accompany import VOICES, accompany
    from music.notes import Score

    task, chords_T, _ = policy.harmonise(chorale.score.melody, seed=seed)
    voices, _ = accompany(policy, chorale.score.melody, VOICES, seed=seed, motion=0.5, colour=0.5, program=0)
    return _measured(chorale, task, chords_T, Score(title="", voices=voices))


def _measured(chorale: Chorale, task: Task, chords_T: Whole, score: Score) -> dict[str, Any]:
    """Counts of one harmonisation."""
    from composer.accompaniment.counterpoint import beats, count_parallels, sounding_at
    from composer.accompaniment.evaluation import agreement, clashes

    strong = [sounding_at(score, half.start) for half in task.cut]
    return {
        "half_bars": len(task.cut),
        "beats": beats(score),
        "agreeing": int(agreement(chords_T, chorale.chords_T).sum()),
        "equal": int((chords_T == chorale.chords_T).sum()),
        "foreign": int(clashes(task, chords_T).sum()),
        "dissonant": sum(_is_dissonant(pitches) for pitches in strong),
        "parallels": count_parallels(score),
    }


def _is_dissonant(pitches: Sequence[int | None]) -> bool:
    sounding = [pitch for pitch in pitches if pitch is not None]
    return any(min((a - b) % 12, (b - a) % 12) in DISSONANT for a, b in combinations(sounding, 2))


def _plainly_voiced(task: Task, chords_T: Whole) -> Score:
    """The baselines' chords in the closest position below the melody: a pattern of the product, which leads no voices."""
    from composer.accompaniment.patterns import PATTERNS, realise
    from music.notes import Score, Voice

    below = realise(PATTERNS["block"], task.melody, task.cut, [int(chord) for chord in chords_T])
    return Score(title="", voices=(Voice(name="Melody", melody=task.melody), *below))


class Markov:
    """Chords as a hidden Markov chain whose states sound pitch classes of the melody; decoded by Viterbi."""

    def __init__(self, chorales: Sequence[Chorale]) -> None:
        from composer.accompaniment.chords import COUNT

        steps_AA, sounds_AP, starts_A = np.full((COUNT, COUNT), 0.1), np.full((COUNT, 12), 0.05), np.full(COUNT, 0.1)
        for chorale in chorales:
            np.add.at(steps_AA, (chorale.chords_T[:-1], chorale.chords_T[1:]), 1.0)
            np.add.at(sounds_AP, chorale.chords_T, chorale.task.heard.weights_TP)
            starts_A[chorale.chords_T[0]] += 1
        self._steps_AA = np.log(steps_AA / steps_AA.sum(axis=1, keepdims=True))
        self._sounds_AP = np.log(sounds_AP / sounds_AP.sum(axis=1, keepdims=True))
        self._starts_A = np.log(starts_A / starts_A.sum())

    def harmonise(self, task: Task) -> Whole:
        """The likeliest chords of a melody."""
        sounds_TA = 3.0 * task.heard.weights_TP @ self._sounds_AP.T
        best_A, back = self._starts_A + sounds_TA[0], []
        for sounds_A in sounds_TA[1:]:
            reached_AA = best_A[:, None] + self._steps_AA
            back.append(reached_AA.argmax(axis=0))
            best_A = reached_AA.max(axis=0) + sounds_A
        path = [int(best_A.argmax())]
        for pointer_A in reversed(back):
            path.append(int(pointer_A[path[-1]]))
        return np.array(path[::-1])


class Retrieval:
    """Each half bar takes the chord of the half bar of the train split whose surroundings look most alike."""

    def __init__(self, chorales: Sequence[Chorale]) -> None:
        self._features_NF = np.concatenate([chorale.task.features_TF for chorale in chorales])
        self._chords_N = np.concatenate([chorale.chords_T for chorale in chorales])

    def harmonise(self, task: Task) -> Whole:
        """The chords found."""
        found = [((self._features_NF - seen_F) ** 2).sum(axis=1).argmin() for seen_F in task.features_TF]
        chords_T: Whole = self._chords_N[found]
        return chords_T


def _report(report: Report, rows: dict[str, list[dict[str, Any]]]) -> None:
    def share(name: str, above: str, below: str, scale: float = 1.0) -> tuple[float, float, float]:
        value, low, high = bootstrap_ratio([row[above] for row in rows[name]], [row[below] for row in rows[name]])
        return scale * value, scale * low, scale * high

    most_parallels = MORE_THAN_BACH * share("bach", "parallels", "beats", 100)[0]
    for name in rows:
        if name != "bach":
            report.add(name, "chord_agreement", *share(name, "agreeing", "half_bars"))
            report.add(name, "same_chord", *share(name, "equal", "half_bars"))
        report.add(name, "foreign_to_chord_on_strong_beats", *share(name, "foreign", "half_bars"))
        report.add(name, "dissonance_on_strong_beats", *share(name, "dissonant", "half_bars"))
        target = most_parallels if name == "ours" else None
        parallels = share(name, "parallels", "beats", 100)
        report.add(name, "parallels_per_100_beats", *parallels, target=target, smaller_is_better=True)
    report.note("chord_agreement: root and third are Bach's; the baselines' chords are voiced in close position")


if __name__ == "__main__":
    sys.exit(main())
