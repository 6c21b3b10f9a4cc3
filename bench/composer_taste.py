"""Do pieces composed for a listener please this listener more than unpersonalised ones? Before: composer, taste.

Simulated listeners, whose hidden tastes are over patterns and interactions that the preference model lacks, rate tunes
(20 % of the answers are noise); the taste learned from their first 5, 10, 20, 40 answers conditions the composer. A win is a
piece whose hidden liking is above that of the piece of the same wish and seed composed for nobody. Differences are paired by
listener: each one's share of wins of ours less that of best of n."""

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
TARGETS = {5: 0.60, 10: 0.68, 20: 0.75, 40: 0.80}
"""Share of wins against the unpersonalised composer after so many answers."""
ANSWERS = tuple(TARGETS)
NOISE = 0.2
CHARACTERS = 10
PRODUCTS = ((0, 5), (2, 9), (1, 6), (4, 5), (7, 8))
"""Interactions: what is liked in a winding tune need not be liked in one that repeats itself."""
OTHER_LISTENERS = 150
"""From whose answers the population is learnt, as the product's maintenance task does."""
WISHES = (("reel", 4, 4, "major", 2), ("jig", 6, 8, "major", 7), ("air", 3, 4, "minor", 9), ("hornpipe", 4, 4, "major", 0))
PIECES_PER_LISTENER = 4
BATCH = 64


@dataclass(frozen=True)
class HiddenEar:
    """What simulated listeners hear, standardised over the catalogue: ten characters that φ lacks, and products of them."""

    centre: Floats
    spread: Floats

    @classmethod
    def of(cls, melodies: Sequence[Melody]) -> HiddenEar:
        """An ear that heard these melodies."""
        heard = np.stack([_characters(melody) for melody in melodies])
        return cls(heard.mean(axis=0), np.maximum(heard.std(axis=0), 1e-3))

    def hear(self, melody: Melody) -> Floats:
        """The hidden character of a melody."""
        plain = np.clip((_characters(melody) - self.centre) / self.spread, -3, 3)
        return np.concatenate([plain, plain[list(PRODUCTS)].prod(axis=1)])


def _characters(melody: Melody) -> Floats:
    """How a melody winds, swings, comes back and leans on its chord: ten numbers."""
    notes = [(start, note.pitch, note.quarters) for start, note in melody.onsets() if note.pitch is not None]
    if len(notes) < 4:
        return np.zeros(CHARACTERS)
    pitches = np.array([pitch for _, pitch, _ in notes], dtype=np.float64)
    lengths = np.array([float(quarters) for _, _, quarters in notes])
    steps = np.diff(pitches)
    turns = np.sign(steps[1:]) != np.sign(steps[:-1])
    in_bars: dict[int, list[tuple[float, float]]] = {}
    for start, pitch, _ in notes:
        number, place = divmod(start - melody.pickup, melody.bar_quarters)
        in_bars.setdefault(int(number), []).append((float(place), float(pitch)))
    motifs = [tuple(steps[place : place + 3]) for place in range(len(steps) - 2)]
    triad = {
        (melody.tonic + step) % 12 for step in ((0, 4, 7) if melody.mode in ("major", "mixolydian", "lydian") else (0, 3, 7))
    }
    on_beat = [pitch % 12 in triad for start, pitch, _ in notes if (start - melody.pickup) % 1 == 0]
    quarter = max(1, len(pitches) // 4)
    return np.array(
        [
            len(steps) / (1 + turns.sum()),
            np.abs(np.diff(steps)).mean(),
            np.mean((np.abs(steps[1:]) > 2) & (np.abs(steps[:-1]) > 2) & ~turns),
            np.mean(lengths >= 1.5 * lengths.mean()),
            len({tuple(place for place, _ in bar) for bar in in_bars.values()}) / len(in_bars),
            1 - len(set(motifs)) / max(len(motifs), 1),
            np.mean([np.ptp([pitch for _, pitch in bar]) for bar in in_bars.values()]),
            np.mean(on_beat) if on_beat else 0.0,
            pitches[-quarter:].mean() - pitches[:quarter].mean(),
            np.mean(lengths[:-1] >= 1.4 * lengths[1:]),
        ],
        dtype=np.float64,
    )


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
        steerings, tastes = [steering for steering, _, _ in part], [taste for _, taste, _ in part]
        composed = policy.compose_many(steerings, tastes, seeds=[seed for _, _, seed in part])
        melodies += [piece.melody for piece in composed]
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
    shares: dict[tuple[str, int], list[Floats]] = {}
    for seed in range(options.seeds):
        for key, share_L in measure(report, options, dataset, ours, prior, seed).items():
            shares.setdefault(key, []).append(share_L)
    for (name, number), each in shares.items():
        target = TARGETS[number] if name == "ours" else None
        report.add_samples(name, f"win_rate_after_{number}", np.concatenate(each), target=target)
    for number in ANSWERS:
        ours_L, best_L = (np.concatenate(shares[name, number]) for name in ("ours", "best of n"))
        report.add_samples("ours minus best of n", f"difference_after_{number}", ours_L - best_L)
    return report.finish()


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Simulated listeners: what they like, and what was learned of it."""

    ear: HiddenEar
    tastes_LC: Floats
    learned: list[list[Floats | None]]
    """By listener, then after each number in ANSWERS; None while the model abstains."""

    @classmethod
    def of(cls, catalogue: Sequence[Melody], listeners: int, seed: int) -> Audience:
        """Listeners who rated tunes of the catalogue, as OTHER_LISTENERS did, from whom the population is known."""
        from music.features import features
        from recsys.taste_population import fit

        ear = HiddenEar.of(catalogue)
        heard_TC = np.stack([ear.hear(melody) for melody in catalogue])
        features_TF = np.stack([features(melody) for melody in catalogue])
        seconds_T = np.array([melody.seconds for melody in catalogue])
        generator = np.random.default_rng([seed, 11])
        size = CHARACTERS + len(PRODUCTS)
        tastes_LC = generator.normal(size=(listeners + OTHER_LISTENERS, size)) / np.sqrt(size)
        told = [answers(heard_TC @ taste_C, features_TF, seconds_T, generator, max(ANSWERS)) for taste_C in tastes_LC]
        known = fit(row[-1] for row in told[listeners:])
        learned = [[_vector(given, known) for given in row] for row in told[:listeners]]
        say(
            f"the taste learned from {max(ANSWERS)} answers agrees with the hidden one at "
            f"r = {_agreement(learned, tastes_LC, heard_TC, features_TF):.2f} over the catalogue"
        )
        return cls(ear=ear, tastes_LC=tastes_LC[:listeners], learned=learned)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """N pieces of the bare prior for each of the K wishes, among which the best for a taste is chosen."""

    heard_KNC: Floats
    features_KNF: Floats

    def chosen(self, kind: int, count: int, first: int, vector: Floats | None) -> Floats:
        """What is heard of the best of so many; the first of them where no taste is known."""
        order = (np.arange(count) + first) % self.heard_KNC.shape[1]
        best = 0 if vector is None else int(np.argmax(self.features_KNF[kind, order] @ vector))
        return np.asarray(self.heard_KNC[kind, order[best]])


def measure(
    report: Report, options: Any, dataset: Any, ours: ComposerPolicy, prior: ComposerPolicy, seed: int
) -> dict[tuple[str, int], Floats]:
    """Share of wins of each listener of one seed, L, by contestant and number of answers."""
    listeners = max(4, options.listeners // (8 if options.quick else 1))
    size = 16 if options.quick else 64
    catalogue = [tune.melody for tune in dataset.tunes[:: max(1, len(dataset.tunes) // 1500)]]
    audience = Audience.of(catalogue, listeners, seed)
    kinds = wishes()
    nobody = compose(ours, [(kind, None, 1000 * seed + number) for kind in kinds for number in range(PIECES_PER_LISTENER)])
    nobody_KPC = _by_kind([audience.ear.hear(melody) for melody in nobody])
    pool, best_of = _rivals(audience, ours, prior, size)
    report.note(f"best of n: one piece of ours takes as long as {best_of} of the bare prior, so n = {best_of}")
    if size < 64:
        report.note(f"--quick: best of 64 is a best of {size}")
    shares: dict[tuple[str, int], Floats] = {}
    for column, number in enumerate(ANSWERS):
        vectors = [row[column] for row in audience.learned]
        wins, few, many = (np.zeros((listeners, PIECES_PER_LISTENER)) for _ in range(3))
        places = [(row, piece) for row in range(listeners) for piece in range(PIECES_PER_LISTENER)]
        asked = [(kinds[(row + piece) % len(kinds)], vectors[row], 1000 * seed + piece) for row, piece in places]
        for (row, piece), melody in zip(places, compose(ours, asked), strict=True):
            kind, taste_C = (row + piece) % len(kinds), audience.tastes_LC[row]
            against = float(nobody_KPC[kind, piece] @ taste_C)
            wins[row, piece] = _win(float(audience.ear.hear(melody) @ taste_C), against)
            for table, count in ((few, best_of), (many, size)):
                # The candidates' order is turned with the piece, so that few candidates are not always the same ones.
                heard_C = pool.chosen(kind, count, piece * best_of, vectors[row])
                table[row, piece] = _win(float(heard_C @ taste_C), against)
        shares |= {
            (name, number): table.mean(axis=1) for name, table in (("ours", wins), ("best of n", few), ("best of 64", many))
        }
    return shares


def _rivals(audience: Audience, ours: ComposerPolicy, prior: ComposerPolicy, size: int) -> tuple[Pool, int]:
    """Candidates of the bare prior, and how many of them are written in the time of one piece of ours."""
    kinds = wishes()
    heard = [vector for row in audience.learned if (vector := row[-1]) is not None]
    _, our_seconds = _timed(ours, [(kinds[at % len(kinds)], vector, at) for at, vector in enumerate(heard[:16])])
    candidates, seconds = _timed(prior, [(kind, None, 10_000 + number) for kind in kinds for number in range(size)])
    pool = Pool(
        heard_KNC=_by_kind([audience.ear.hear(melody) for melody in candidates]),
        features_KNF=_by_kind([_standardised_features(melody) for melody in candidates]),
    )
    return pool, min(size, max(1, round(our_seconds / seconds)))


def _by_kind(vectors: Sequence[Floats]) -> Floats:
    """Vectors of pieces written wish by wish, with the wish as first dimension."""
    return np.stack(vectors).reshape(len(WISHES), len(vectors) // len(WISHES), -1)


def _timed(policy: ComposerPolicy, asked: list[tuple[Steering, Floats | None, int]]) -> tuple[list[Melody], float]:
    """Pieces and processor seconds per piece."""
    started = time.process_time()
    melodies = compose(policy, asked)
    return melodies, (time.process_time() - started) / len(melodies)


def _vector(given: Any, known: Any) -> Floats | None:
    """What the product would condition on after these answers: nothing while it abstains."""
    from recsys.taste import taste_from

    taste = taste_from(given, known)
    return None if taste.abstains else np.asarray(taste.mean_D, dtype=np.float64)


def _agreement(learned: list[list[Floats | None]], tastes_LC: Floats, heard_TC: Floats, features_TF: Floats) -> float:
    """Mean correlation between what the model expects and what listeners feel, where the model does not abstain."""
    from recsys.taste_answers import standardise

    z_TF = standardise(features_TF)
    return float(
        np.mean(
            [
                np.corrcoef(z_TF @ row[-1], heard_TC @ taste_C)[0, 1]
                for row, taste_C in zip(learned, tastes_LC, strict=False)
                if row[-1] is not None
            ]
            or [0.0]
        )
    )


def _win(mine: float, other: float) -> float:
    return 0.5 if abs(mine - other) < 1e-12 else float(mine > other)


if __name__ == "__main__":
    raise SystemExit(main())
