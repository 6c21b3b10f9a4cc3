"""Do pieces composed for a listener please this listener more than unpersonalised ones? Before: composer, taste.

Simulated listeners, whose hidden tastes are over patterns and interactions that the preference model lacks, rate tunes
(20 % of the answers are noise); the taste learned from their first 5, 10, 20, 40 answers conditions the composer. A win is a
piece whose hidden liking is above that of the piece of the same wish and seed composed for nobody."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.report import Report, make_parser, read_options, say
from bench.trained_composer import add_composer_options, policies, read_tunes, set_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.learning.policy import ComposerPolicy
    from composer.steering import Steering
    from music.notes import Melody

Floats = NDArray[np.float64]
ANSWERS = (5, 10, 20, 40)
NOISE = 0.2
CHARACTERS = 8
WISHES = (("reel", 4, 4, "major", 2), ("jig", 6, 8, "major", 7), ("air", 3, 4, "minor", 9), ("hornpipe", 4, 4, "major", 0))
PIECES_PER_LISTENER = 4
BATCH = 64


@dataclass(frozen=True)
class HiddenEar:
    """What simulated listeners hear: hashed patterns of three notes and products of φ’s values, standardised."""

    pattern_centre: Floats
    pattern_spread: Floats
    projection: Floats
    pairs: NDArray[np.int64]
    centre: Floats
    spread: Floats

    @classmethod
    def of(cls, melodies: Sequence[Melody], seed: int) -> HiddenEar:
        """An ear that heard these melodies."""
        generator = np.random.default_rng([seed, 7])
        patterns = np.sqrt(np.stack([_patterns(melody) for melody in melodies]))
        centre, spread = patterns.mean(axis=0), np.maximum(patterns.std(axis=0), 1e-3)
        projection = generator.normal(size=(patterns.shape[1], CHARACTERS)) / np.sqrt(patterns.shape[1])
        features = len(_standardised_features(melodies[0]))
        pairs = generator.integers(features, size=(CHARACTERS, 2))
        raw = cls(centre, spread, projection, pairs, np.zeros(2 * CHARACTERS), np.ones(2 * CHARACTERS))
        heard = np.stack([raw.hear(melody) for melody in melodies])
        return cls(centre, spread, projection, pairs, heard.mean(axis=0), np.maximum(heard.std(axis=0), 1e-6))

    def hear(self, melody: Melody) -> Floats:
        """The hidden character of a melody."""
        patterns = (np.sqrt(_patterns(melody)) - self.pattern_centre) / self.pattern_spread
        phi = np.tanh(_standardised_features(melody))
        interactions = phi[self.pairs[:, 0]] * phi[self.pairs[:, 1]] + 0.5 * phi[self.pairs[:, 0]]
        heard: Floats = (np.concatenate([patterns @ self.projection, interactions]) - self.centre) / self.spread
        return np.clip(heard, -4, 4)


def _patterns(melody: Melody) -> Floats:
    from music.notes import Score, Voice
    from recsys.simulation import pattern_counts

    counts: Floats = pattern_counts(Score(title="", voices=(Voice(name="", melody=melody),)))
    return counts


def _standardised_features(melody: Melody) -> Floats:
    from music.features import features
    from recsys.taste_answers import standardise

    return np.asarray(standardise(features(melody)[None])[0], dtype=np.float64)


def answers(likings_T: Floats, features_TF: Floats, seconds_T: Floats, generator: np.random.Generator, count: int) -> list[Any]:
    """Ratings of ``count`` tunes in a random order, one to five stars by the listener's own fifths, a fifth of them noise.

    Gives the learner's `Answers` after each number in ANSWERS."""
    from recsys.taste_answers import answers_from

    edges = np.quantile(likings_T, [0.2, 0.4, 0.6, 0.8])
    chosen = generator.choice(len(likings_T), size=count, replace=False)
    stars = 1.0 + np.searchsorted(edges, likings_T[chosen])
    noisy = generator.random(count) < NOISE
    stars[noisy] = generator.integers(1, 6, size=int(noisy.sum()))
    rows = [(int(track), "rate", float(star)) for track, star in zip(chosen, stars, strict=True)]
    tracks = {int(track): (features_TF[track], float(seconds_T[track])) for track in chosen}
    return [answers_from(rows[:number], tracks) for number in ANSWERS]


def wishes() -> list[Steering]:
    """One wish of each kind."""
    from composer.steering import Steering

    return [
        Steering.from_json({"style": style, "metre": [beats, unit], "mode": mode, "tonic": tonic, "bars": 8})
        for style, beats, unit, mode, tonic in WISHES
    ]


def compose(policy: ComposerPolicy, asked: list[tuple[Steering, Floats | None, int]]) -> list[Melody]:
    """A piece for each (wish, taste, seed), in batches."""
    melodies: list[Melody] = []
    for start in range(0, len(asked), BATCH):
        part = asked[start : start + BATCH]
        steerings, tastes, seeds = ([row[column] for row in part] for column in range(3))
        melodies += [composed.melody for composed in policy.compose_many(steerings, tastes, seeds=seeds)]
        if start // BATCH % 10 == 0:
            say(f"{start + len(part)} of {len(asked)} pieces")
    return melodies


def main() -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=1)
    parser.add_argument("--listeners", type=int, default=100)
    add_composer_options(parser)
    options = read_options(parser)
    set_up()
    report = Report("composer_taste", options)
    dataset = read_tunes(30 if options.quick else 3)
    ours, prior = policies(options, dataset)
    for seed in range(options.seeds):
        measure(report, options, dataset, ours, prior, seed)
    return report.finish()


def measure(report: Report, options: Any, dataset: Any, ours: ComposerPolicy, prior: ComposerPolicy, seed: int) -> None:
    """The rows of one seed."""
    from music.features import features

    listeners = max(4, options.listeners // (8 if options.quick else 1))
    pool = 16 if options.quick else 64
    catalogue = [tune.melody for tune in dataset.tunes[:: max(1, len(dataset.tunes) // 1500)]]
    ear = HiddenEar.of(catalogue, seed)
    heard_TC = np.stack([ear.hear(melody) for melody in catalogue])
    features_TF = np.stack([features(melody) for melody in catalogue])
    seconds_T = np.array([melody.seconds for melody in catalogue])
    kinds = wishes()
    generator = np.random.default_rng([seed, 11])
    tastes_LC = generator.normal(size=(listeners, 2 * CHARACTERS)) / np.sqrt(2 * CHARACTERS)

    learned = [
        [_vector(a) for a in answers(heard_TC @ taste_C, features_TF, seconds_T, generator, max(ANSWERS))]
        for taste_C in tastes_LC
    ]
    numbers = [[1000 * seed + number for number in range(PIECES_PER_LISTENER)] for _ in kinds]
    nobody, nobody_seconds = _timed(
        ours, [(kind, None, number) for kind, seeds in zip(kinds, numbers, strict=True) for number in seeds]
    )
    candidates, candidate_seconds = _timed(prior, [(kind, None, 10_000 + number) for kind in kinds for number in range(pool)])
    best_of = max(1, round(nobody_seconds / candidate_seconds))
    report.note(f"best of n: one piece of ours takes as long as {best_of} of the bare prior, so n = {best_of}")
    if pool < 64:
        report.note(f"--quick: best of 64 is a best of {pool}")
    nobody_KPC = np.stack([ear.hear(m) for m in nobody]).reshape(len(kinds), PIECES_PER_LISTENER, -1)
    candidate_KNC = np.stack([ear.hear(m) for m in candidates]).reshape(len(kinds), pool, -1)
    candidate_KNF = np.stack([_standardised_features(m) for m in candidates]).reshape(len(kinds), pool, -1)
    for column, number in enumerate(ANSWERS):
        vectors = [learned[row][column] for row in range(listeners)]
        asked = [
            (kinds[(row + piece) % len(kinds)], vectors[row], numbers[(row + piece) % len(kinds)][piece])
            for row in range(listeners)
            for piece in range(PIECES_PER_LISTENER)
        ]
        pieces = compose(ours, asked)
        wins, few, many = (np.zeros((listeners, PIECES_PER_LISTENER)) for _ in range(3))
        for index, melody in enumerate(pieces):
            row, piece = divmod(index, PIECES_PER_LISTENER)
            kind = (row + piece) % len(kinds)
            against = float(nobody_KPC[kind, piece] @ tastes_LC[row])
            wins[row, piece] = _win(float(ear.hear(melody) @ tastes_LC[row]), against)
            for table, count in ((few, best_of), (many, pool)):
                # The candidates' order is turned with the piece, so that few candidates are not always the same ones.
                order = (np.arange(count) + piece * best_of) % pool
                vector = vectors[row]
                chosen = order[0] if vector is None else order[int(np.argmax(candidate_KNF[kind, order] @ vector))]
                table[row, piece] = _win(float(candidate_KNC[kind, chosen] @ tastes_LC[row]), against)
        for name, table in (("ours", wins), ("best of n", few), ("best of 64", many)):
            report.add_samples(name, f"win_rate_after_{number}", table.mean(axis=1))


def _timed(policy: ComposerPolicy, asked: list[tuple[Steering, Floats | None, int]]) -> tuple[list[Melody], float]:
    """Pieces and processor seconds per piece."""
    started = time.process_time()
    melodies = compose(policy, asked)
    return melodies, (time.process_time() - started) / len(melodies)


def _vector(given: Any) -> Floats | None:
    """What the product would condition on after these answers: nothing while it abstains."""
    from recsys.taste import taste_from

    taste = taste_from(given)
    return None if taste.abstains else np.asarray(taste.mean_D, dtype=np.float64)


def _win(mine: float, other: float) -> float:
    return 0.5 if abs(mine - other) < 1e-12 else float(mine > other)


if __name__ == "__main__":
    raise SystemExit(main())
