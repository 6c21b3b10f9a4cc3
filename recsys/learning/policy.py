"""Policies that serve, in numpy only. Before: training.py exports towers. After: recommending.py draws slates from the scores.

Letters: H heads, n candidates, E causes, N listed tracks, T all tracks, d dimensions of the towers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from recsys.learning.choice import Choices
from recsys.learning.features import ListenerState, TrackTable, track_table
from recsys.learning.popularity import OwnRows, Popularity, popularity_as_of
from recsys.models import Feedback

DECLARED_STYLE_BONUS = 0.15
"""What popularity adds to tracks of a declared style, in units of reward: a new listener starts with what they chose."""

TIE_BREAK = 1e-6
"""Less than what one play moves a mean: decides between equals alone."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One share of a score; the reasons of a track and their residual sum to its score (mean over heads)."""

    kind: str
    """`heard` (one track), `heard_style` (all heard tracks of one style), `heard_lately` (all of them), `declared`, `hour`,
    `weekday`, `session`, `history` (how much was heard before), `popular`, `chance` or `residual` (what belongs to no single
    cause)."""
    contribution: float
    track_id: int | None = None
    track_ids: tuple[int, ...] = ()
    """All tracks that were heard, of a cause that is one or more."""
    style: str | None = None
    carries: bool = True
    """False where the track keeps its rank among the candidates without it."""


def falls(score_n: NDArray[np.float64], left_En: NDArray[np.float64], listed: Sequence[int]) -> NDArray[np.bool_]:
    """Whether each listed candidate, once a cause is gone, is overtaken or caught up, and scores less above the others' mean,
    [E, listed]. Equal scores count half of each other."""
    at = np.array(listed, dtype=np.int64)
    lost_above_En = score_n - score_n.mean() - (left_En - left_En.mean(axis=1, keepdims=True))
    found: NDArray[np.bool_] = (_ahead(left_En, at) > _ahead(score_n[None], at)) & (lost_above_En[:, at] > 0)
    return found


def _ahead(score_En: NDArray[np.float64], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many scores of a row stand above each of these, and as many again where they are equal or above, [E, listed]."""
    of_these = score_En[:, at, None]
    found: NDArray[np.int64] = (score_En[:, None] > of_these).sum(axis=2) + (score_En[:, None] >= of_these).sum(axis=2)
    return found


class RecommenderPolicy(Protocol):
    """What recommending asks of a policy."""

    temperature: float
    """Of the softmax over the scores."""

    def score(self, state: ListenerState, track_ids: Sequence[int]) -> NDArray[np.float64]:
        """scores_HN: one row per head."""

    def choices(self, state: ListenerState, track_ids: Sequence[int], scores_HN: NDArray[np.float64]) -> Choices | None:
        """How likely the listener is to choose each, or nothing; `scores_HN` are those of `score`. None: it does not know."""

    def top(self, state: ListenerState, count: int, excluded: Collection[int]) -> list[int]:
        """The best recommendable tracks by the mean over heads, best first."""

    def explain(self, state: ListenerState, track_ids: Sequence[int], candidates: Sequence[int]) -> list[list[Reason]]:
        """Per track, which is one of the candidates, reasons whose contributions sum to the mean score."""


def best_open(scores_T: NDArray[Any], table: TrackTable, count: int, excluded: Collection[int]) -> list[int]:
    """Ids of the best recommendable tracks, best first; equal scores by id. No full sort of a catalogue: where the best begin
    is found first."""
    if not len(table):
        return []
    scores_T = scores_T.copy()
    scores_T[table.closed_rows] = -np.inf
    if excluded:
        # In order they are found in half the time.
        rows = table.rows_of(np.sort(np.fromiter(excluded, dtype=np.int64, count=len(excluded))))
        scores_T[rows[rows >= 0]] = -np.inf
    first = max(0, len(scores_T) - count)
    least = max(np.partition(scores_T, first)[first], np.finfo(scores_T.dtype).min)
    listed = np.flatnonzero(scores_T >= least)  # ascending by id
    order = np.argsort(-scores_T[listed], kind="stable")[:count]
    best: list[int] = table.ids_T[listed[order]].tolist()
    return best


class KnowsNoChoices:
    """What a policy without a choice model answers: its slates are drawn by the scores alone."""

    def choices(self, state: ListenerState, track_ids: Sequence[int], scores_HN: NDArray[np.float64]) -> Choices | None:
        """Nothing is known."""
        return None


class PopularityPolicy(KnowsNoChoices):
    """The first policy version: what everybody liked, refreshed each full hour so that a logged request can be replayed, and
    the styles of what the listener liked, at once."""

    temperature = 0.15

    def __init__(self) -> None:
        self._seen: tuple[ListenerState, Popularity] | None = None
        self._own: tuple[ListenerState, OwnRows] | None = None

    def popularity(self, state: ListenerState) -> Popularity:
        """The popularity that a request of this moment sees; looked up once per request."""
        seen = self._seen
        if seen is None or seen[0] is not state:
            seen = self._seen = (state, self._as_of(state))
        return seen[1]

    def own_rows(self, state: ListenerState, table: TrackTable) -> OwnRows:
        """What the listener's rows say; worked out once per request, which asks for candidates, scores and reasons."""
        kept = self._own
        if kept is None or kept[0] is not state or kept[1].table is not table:
            kept = self._own = (state, OwnRows.of(state, table, self.popularity(state)))
        return kept[1]

    @staticmethod
    def _as_of(state: ListenerState) -> Popularity:
        hour = state.moment.replace(minute=0, second=0, microsecond=0)
        before = Feedback.objects.filter(received_at__lt=hour).order_by("-received_at").values_list("id", flat=True).first()
        return popularity_as_of(hour, settings.ENCORE_SIMULATED, before or 0)

    def score(self, state: ListenerState, track_ids: Sequence[int]) -> NDArray[np.float64]:
        """scores_1N: popularity, and what speaks for the style."""
        table = track_table()
        own = self.own_rows(state, table)
        leaning_C = _declared(state, table) + own.by_style()[0]
        return (own.others_N[0].of(track_ids) + _at_styles(leaning_C, table, track_ids))[None]

    def top(self, state: ListenerState, count: int, excluded: Collection[int]) -> list[int]:
        """The most popular recommendable tracks, declared and liked styles preferred; among equals, every style in turn.

        Most of a young catalogue is equal, and one style may be most of it: by number, everybody would get the same few of it.
        """
        table = track_table()
        own = self.own_rows(state, table)
        scores = own.others_N[0].of(table.ids_T)
        scores += (_declared(state, table) + own.by_style()[0])[table.style_T]
        return best_open(scores - TIE_BREAK * _turns(table, state), table, count, excluded)

    def explain(self, state: ListenerState, track_ids: Sequence[int], candidates: Sequence[int]) -> list[list[Reason]]:
        """Popularity, the declared style where it is one, and what the listener's own rows say of the style."""
        table, popularity = track_table(), self.popularity(state)
        own = self.own_rows(state, table)
        added_C, heard = own.by_style()[0], own.tracks_by_style()
        styles = list(heard)
        # Without a style's tracks older rows come into the window, which may say something of the others.
        left = OwnRows.of(state, table, popularity, [heard[style] for style in styles])
        means_n, declared_C = own.others_N[0].of(candidates), _declared(state, table)
        score_n = means_n + _at_styles(declared_C + added_C, table, candidates)
        left_En = np.array(
            [
                others.of(candidates) + _at_styles(declared_C + left_C, table, candidates)
                for others, left_C in zip(left.others_N, left.by_style(), strict=True)
            ]
        )
        place = {track_id: at for at, track_id in enumerate(candidates)}
        listed = [place[track_id] for track_id in track_ids]
        carries_EN = falls(score_n, left_En.reshape(-1, len(candidates)), listed)
        reasons = []
        for at, row in enumerate(table.rows_of(track_ids)):
            mean = float(means_n[listed[at]])
            # A track that nobody played yet has the average outcome, which is no popularity of its own.
            is_popular = mean > own.others_N[0].overall + TIE_BREAK
            told = [Reason(kind="popular" if is_popular else "chance", contribution=mean)]
            style = int(table.style_T[row]) if row >= 0 else -1
            if style >= 0 and declared_C[style]:
                told.append(Reason(kind="declared", contribution=DECLARED_STYLE_BONUS, style=table.styles[style]))
            if style in heard:
                carries = bool(carries_EN[styles.index(style), at])
                told.append(_of_heard(heard[style], table.styles[style], float(added_C[style]), carries))
            reasons.append(told)
        return reasons


def _of_heard(track_ids: tuple[int, ...], style: str, contribution: float, carries: bool) -> Reason:
    is_one = len(track_ids) == 1
    return Reason(
        kind="heard" if is_one else "heard_style",
        contribution=contribution,
        track_id=track_ids[0] if is_one else None,
        track_ids=track_ids,
        style=None if is_one else style,
        carries=carries,
    )


def _declared(state: ListenerState, table: TrackTable) -> NDArray[np.float64]:
    """bonus_C."""
    return np.where(np.isin(table.styles, list(state.styles)), DECLARED_STYLE_BONUS, 0.0)


def _at_styles(given_C: NDArray[np.float64], table: TrackTable, track_ids: Sequence[int]) -> NDArray[np.float64]:
    """What the style of each track is given, 0 for tracks that are gone."""
    style_N = np.append(table.style_T, len(given_C))[table.rows_of(track_ids)]
    given_N: NDArray[np.float64] = np.append(given_C, 0.0)[style_N]
    return given_N


def _generator(state: ListenerState) -> np.random.Generator:
    """The same draws for the same listener and moment."""
    return np.random.default_rng([state.listener_id, int(state.moment.timestamp() * 1000)])


def _turns(table: TrackTable, state: ListenerState) -> NDArray[np.float64]:
    """Each track's turn within its style, 0 … 1, in an order drawn for this request."""
    order = _generator(state).permutation(len(table))
    # Of 16 bits a stable sort counts instead of comparing.
    by_style = order[np.argsort(table.style_T[order].astype(np.int16), kind="stable")]
    sizes = np.bincount(table.style_T, minlength=1)
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    turns_T = np.empty(len(table))
    turns_T[by_style] = np.arange(len(table)) - first
    return turns_T / max(len(table), 1)


class RandomPolicy(KnowsNoChoices):
    """Every open track alike: what the others are measured against."""

    temperature = 1.0

    def score(self, state: ListenerState, track_ids: Sequence[int]) -> NDArray[np.float64]:
        """Zeros_1N."""
        return np.zeros((1, len(track_ids)))

    def top(self, state: ListenerState, count: int, excluded: Collection[int]) -> list[int]:
        """A uniform draw, the same for the same listener and moment."""
        table = track_table()
        return best_open(_generator(state).random(len(table)), table, count, excluded)

    def explain(self, state: ListenerState, track_ids: Sequence[int], candidates: Sequence[int]) -> list[list[Reason]]:
        """Chance."""
        return [[Reason(kind="chance", contribution=0.0)] for _ in track_ids]


def _load_dqn(folder: Path | None) -> RecommenderPolicy:
    from recsys.learning.dqn_policy import DqnPolicy  # imports dqn.checkpoint, which popularity does without

    if folder is None:
        raise FileNotFoundError("a policy of kind 'dqn' needs its checkpoint folder")
    return DqnPolicy.load(folder)


KINDS: dict[str, Callable[[Path | None], RecommenderPolicy]] = {
    "popularity": lambda folder: PopularityPolicy(),
    "random": lambda folder: RandomPolicy(),
    "dqn": _load_dqn,
}
"""What loads each kind of policy version; benchmarks add the peers they measure against."""


def load_policy(kind: str, folder: Path | None) -> RecommenderPolicy:
    """The policy of a version, from its checkpoint folder where it has one."""
    if kind not in KINDS:
        raise KeyError(f"no policy of kind {kind!r}; there are {', '.join(sorted(KINDS))}")
    return KINDS[kind](folder)
