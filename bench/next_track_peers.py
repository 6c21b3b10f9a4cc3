"""What ours is measured against: popularity, artist, co-occurrence, session neighbours, their combination. After: next_track.

Letters: N plays, T tracks, G signals, C candidates of a step, W weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.next_track_sessions import TOP, Bools, Floats, Indices, Plays

NEIGHBOURS = 200
FADING = 0.8
"""How much less each earlier track of a session counts than the one after it."""
HISTORY_FADING = 0.95
SIGNALS = (
    *("popularity", "same artist", "co-occurrence", "session kNN", "artists of the session"),
    *("own history", "own order", "in session"),
)
"""`own order`: what the listener had played after earlier plays of the newest track. The first four are peers of their own."""
FLOOR = 0.003
CANDIDATES_PER_SIGNAL = 40
ROUNDS = 20
RIDGE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Lists:
    """For each key its values with weights, one after another."""

    start_K: Indices
    value_E: Indices
    weight_E: Floats

    @classmethod
    def of(cls, key_E: Indices, value_E: Indices, weight_E: Floats, keys: int) -> Lists:
        """Equal pairs are added up."""
        values = int(value_E.max(initial=0)) + 1
        pair, place = np.unique(key_E * values + value_E, return_inverse=True)
        return cls(
            start_K=np.searchsorted(pair // values, np.arange(keys + 1)),
            value_E=pair % values,
            weight_E=np.bincount(place, weight_E, len(pair)).astype(np.float64),
        )

    def __getitem__(self, key: int) -> tuple[Indices, Floats]:
        listed = slice(self.start_K[key], self.start_K[key + 1])
        return self.value_E[listed], self.weight_E[listed]


@dataclass(kw_only=True)
class Counts:
    """Everything counted in what may be learnt from."""

    plays: Plays
    popularity_T: Floats
    of_artist: Lists
    together: Lists
    """Tracks of one session, whatever lies between."""
    tracks_of: Lists
    """Of each session."""
    sessions_of: Lists
    """Of each track."""
    session_size_S: Floats

    @classmethod
    def of(cls, plays: Plays) -> Counts:
        """Of the learnt part alone."""
        learnt = plays.learnt_N
        track_N, session_N = plays.track_N[learnt], plays.session_N[learnt]
        tracks, sessions = len(plays.artist_T), int(plays.session_N.max()) + 1
        once = np.unique(np.stack([session_N, track_N]), axis=1)
        ones = np.ones(once.shape[1])
        tracks_of = Lists.of(once[0], once[1], ones, sessions)
        pairs = []
        for session in range(sessions):
            members = tracks_of[session][0]
            left, right = np.meshgrid(members, members)
            pairs.append(np.stack([left.ravel(), right.ravel()])[:, left.ravel() != right.ravel()])
        together = np.concatenate(pairs, axis=1)
        return cls(
            plays=plays,
            popularity_T=np.bincount(track_N, minlength=tracks).astype(np.float64),
            of_artist=Lists.of(plays.artist_T[track_N], track_N, np.ones(len(track_N)), int(plays.artist_T.max()) + 1),
            together=Lists.of(together[0], together[1], np.ones(together.shape[1]), tracks),
            tracks_of=tracks_of,
            sessions_of=Lists.of(once[1], once[0], ones, tracks),
            session_size_S=np.maximum(1.0, np.bincount(once[0], minlength=sessions)),
        )

    def signals(self, at: int) -> Floats:
        """signals_GT before a play, each at most 1, from what its listener had played until then."""
        plays, tracks = self.plays, len(self.popularity_T)
        before = np.flatnonzero(plays.session_N[plays.first_of(at) : at] == plays.session_N[at]) + plays.first_of(at)
        newest_first = plays.track_N[before][::-1]
        found = np.zeros((len(SIGNALS), tracks))
        found[0] = self.popularity_T
        _add(found[1], *self.of_artist[plays.artist_T[newest_first[0]]])
        _add(found[2], *self.together[newest_first[0]])
        found[3] = self._of_neighbours(newest_first)
        for place, artist in enumerate(plays.artist_T[newest_first[:TOP]]):
            values, weights = self.of_artist[artist]
            _add(found[4], values, FADING**place * weights / max(1.0, weights.sum()))
        own = plays.track_N[plays.first_of(at) : at][::-1]
        np.add.at(found[5], own, HISTORY_FADING ** np.arange(len(own)))
        np.add.at(found[6], own[:-1][own[1:] == own[0]], 1.0)
        found[7, newest_first] = 1.0
        scaled: Floats = found / np.maximum(found.max(axis=1, keepdims=True), 1e-12)
        return scaled

    def _of_neighbours(self, newest_first: Indices) -> Floats:
        """Sessions that share tracks, recent ones counting most, vote for theirs (Jannach & Ludewig 2017)."""
        alike_S = np.zeros(len(self.session_size_S))
        for place, track in enumerate(newest_first.tolist()):
            alike_S[self.sessions_of[track][0]] += FADING**place
        alike_S /= np.sqrt(self.session_size_S)
        votes_T = np.zeros(len(self.popularity_T))
        nearest = np.argpartition(-alike_S, min(NEIGHBOURS, len(alike_S) - 1))[:NEIGHBOURS]
        for session in nearest[alike_S[nearest] > 0]:
            votes_T[self.tracks_of[session][0]] += alike_S[session]
        return votes_T


def _add(total_T: Floats, values: Indices, weights: Floats) -> None:
    total_T[values] += weights


def by_one(signals_GT: Floats, name: str) -> Floats:
    """One signal; where it is silent the last track's artist speaks, then popularity."""
    chosen: Floats = signals_GT[SIGNALS.index(name)] + 1e-4 * signals_GT[1] + 1e-8 * signals_GT[0]
    return chosen


@dataclass(frozen=True, kw_only=True)
class Combination:
    """A track's log chance is linear in each signal and in its logarithm; the weights are those of the likeliest choices."""

    weight_W: Floats

    @classmethod
    def of(cls, counts: Counts, steps_M: Indices) -> Combination:
        """Conditional logit (McFadden 1974) over the candidates of each step, by Newton's method with a small ridge."""
        seen = []
        for at in steps_M:
            signals_GT = counts.signals(at)
            candidates = candidates_of(signals_GT)
            found = np.flatnonzero(candidates == counts.plays.track_N[at])
            if len(found):
                seen.append((described(signals_GT[:, candidates]), int(found[0])))
        weight_W: Floats = np.zeros(2 * len(SIGNALS))
        step_W: Floats = np.zeros_like(weight_W)
        best = -np.inf
        for _ in range(ROUNDS):
            worth, slope_W, curve_WW = _likelihood(seen, weight_W + step_W)
            if worth < best:
                step_W = step_W / 4
                continue
            weight_W, best = weight_W + step_W, worth
            step_W = np.asarray(np.linalg.solve(curve_WW, slope_W), dtype=np.float64)
        return cls(weight_W=weight_W)

    def top(self, signals_GT: Floats) -> Indices:
        """The likeliest tracks, best first."""
        candidates = candidates_of(signals_GT)
        best: Indices = candidates[np.argsort(-(described(signals_GT[:, candidates]) @ self.weight_W))[:TOP]]
        return best


def _likelihood(seen: list[tuple[Floats, int]], weight_W: Floats) -> tuple[float, Floats, Floats]:
    """Log likelihood of the choices less a small ridge, its slope, and its curvature downwards."""
    ridge = RIDGE * len(seen)
    worth = -0.5 * ridge * float(weight_W @ weight_W)
    slope_W, curve_WW = -ridge * weight_W, ridge * np.eye(len(weight_W))
    for x_CW, taken in seen:
        chance_C = _softmax(x_CW @ weight_W)
        mean_W = chance_C @ x_CW
        worth += float(np.log(chance_C[taken] + 1e-300))
        slope_W = slope_W + x_CW[taken] - mean_W
        curve_WW = curve_WW + (x_CW * chance_C[:, None]).T @ x_CW - np.outer(mean_W, mean_W)
    return worth, slope_W, curve_WW


def candidates_of(signals_GT: Floats) -> Indices:
    """The best tracks of each signal, together."""
    count = min(CANDIDATES_PER_SIGNAL, signals_GT.shape[1] - 1)
    best_GC = np.argpartition(-signals_GT, count, axis=1)[:, :count]
    return np.unique(best_GC[np.take_along_axis(signals_GT, best_GC, axis=1) > 0])


def described(signals_GC: Floats) -> Floats:
    """x_CW."""
    x_CW: Floats = np.concatenate([signals_GC, np.log(signals_GC + FLOOR)]).T
    return x_CW


def top_of(score_T: Floats, open_T: Bools) -> Indices:
    """The best tracks, best first."""
    score_T = np.where(open_T, score_T, -np.inf)
    best = np.argpartition(-score_T, TOP)[:TOP]
    ordered: Indices = best[np.argsort(-score_T[best])]
    return ordered


def _softmax(logit_C: Floats) -> Floats:
    raised: Floats = np.exp(logit_C - logit_C.max())
    chance_C: Floats = raised / raised.sum()
    return chance_C
