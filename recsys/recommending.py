"""Draws one slate and logs it with exact probabilities. Before: feedback.py, learning/policy.py. After: evaluation, replay.

Letters: n candidates, H heads."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain
from time import monotonic
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from numpy.typing import NDArray

from accounts.models import Listener
from dqn.policy import draw_sequentially
from recsys.learning.features import ListenerState, TrackTable, build_state, one_track_table, track_table
from recsys.learning.policy import RecommenderPolicy
from recsys.listener_lock import lock_listener
from recsys.models import Preferences, Recommendation
from recsys.preferences import preferences_as_of
from recsys.reasons import in_words
from recsys.slates import slate_gain
from training import checkpoints, promotion
from training.models import PolicyVersion

logger = logging.getLogger(__name__)

SLOT = "recommender"
MOST_CANDIDATES = 256
UNIFORM_CANDIDATES = 64
"""Drawn from the open catalogue without looking at the policy: a quarter of the candidates."""
MOST_TRACKS = 100
PLAYS_LOOKED_BACK = 20
"""The last N heard tracks are looked for among 20·N plays: what was heard before is no longer lately."""
ASKED_AGAIN_AFTER_SECONDS = 60.0
"""So long a version that couldn't be loaded is passed over without trying."""
NOTHING_LEFT = "Nothing is left to recommend: every track is disliked, banned, heard lately or of another style."
NO_MUSIC_YET = "There is no music yet: the catalogue is still arriving."


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """What this listener must not get now."""

    banned: frozenset[int]
    """Banned or disliked."""
    heard: frozenset[int]
    """The last N tracks they heard, of their newest PLAYS_LOOKED_BACK · N plays."""


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A logged request, scored again."""

    scores: NDArray[np.float64]
    logged: NDArray[np.float64]

    @property
    def largest_difference(self) -> float:
        """0 where the slate is empty."""
        return float(np.abs(self.scores - self.logged).max(initial=0.0))


@one_track_table()
def recommend(
    listener: Listener,
    *,
    count: int,
    surface: str,
    context: Mapping[str, Any] | None = None,
    styles: Sequence[str] = (),
    moment: datetime | None = None,
    seed: int | None = None,
) -> Recommendation:
    """One slate, drawn and logged. Fewer open tracks than `count` give a shorter one, none an empty one with a word.

    `styles` filters; declared tastes only lean. `moment` is given by simulations, which have a clock of their own.
    """
    if not 1 <= count <= MOST_TRACKS:
        raise ValueError(f"count is {count}; it must lie between 1 and {MOST_TRACKS}")
    with transaction.atomic():
        moment = moment or lock_listener(listener, shared=True)
        version, policy, is_canary = policy_for(listener)
        table = track_table()
        dials = preferences_as_of(listener, moment)
        excluded = excluded_tracks(listener, moment, window=heard_window(dials, table))
        state = build_state(listener, moment, styles=dials.styles)
        seed = secrets.randbits(63) if seed is None else seed
        slate = draw_slate(policy, state, table, excluded, dials, styles, count, seed)
        return Recommendation.objects.create(
            listener=listener,
            created_at=moment,
            slot=SLOT,
            policy_version=version,
            is_canary=is_canary,
            seed=seed,
            epsilon=settings.ENCORE_EPSILON,
            context={**(context or {}), **_context(state, surface, styles, slate, table)},
            dials={
                "diversity": dials.diversity,
                "recently_heard": dials.recently_heard,
                "styles": dials.styles,
                "is_private_session": dials.is_private_session,
            },
            banned=sorted(excluded.banned),
            candidates=slate.candidates,
            tracks=slate.tracks,
            scores=slate.scores,
            probabilities=slate.probabilities,
            reasons=slate.reasons,
        )


def policy_for(listener: Listener) -> tuple[PolicyVersion, RecommenderPolicy, bool]:
    """The version that serves this listener now with its policy, and whether it is a canary. Reads the slot on each request."""
    serving = promotion.serving(SLOT, listener.pk)
    versions = [] if serving is None else chain([serving.version], checkpoints.stand_ins(serving.version))
    for version in versions:
        # Music goes on when a checkpoint is damaged or gone: what served before does again, and is what the log names.
        policy = _loaded_or_none(version)
        if policy is not None:
            return version, policy, serving is not None and serving.is_canary and version == serving.version
    first = PolicyVersion.objects.filter(slot=SLOT, kind="popularity").order_by("id").first()
    first = first or PolicyVersion.objects.create(slot=SLOT, kind="popularity")
    return first, _loaded(first), False


_asked_again_at: dict[int, float] = {}
"""When a version that couldn't be loaded is tried again, by its id, on this process's clock."""


def _loaded_or_none(version: PolicyVersion) -> RecommenderPolicy | None:
    """None where it can't be loaded, which is found out once a while: hashing a large folder would slow each request."""
    if monotonic() < _asked_again_at.get(version.pk, 0.0):
        return None
    try:
        return _loaded(version)
    except Exception:
        logger.exception("policy version %s can't be loaded; the one before serves instead", version.pk)
        _asked_again_at[version.pk] = monotonic() + ASKED_AGAIN_AFTER_SECONDS
        return None


@lru_cache(maxsize=8)
def _loaded(version: PolicyVersion) -> RecommenderPolicy:
    policy: RecommenderPolicy = checkpoints.policy_of(version)
    return policy


def heard_window(dials: Preferences, table: TrackTable) -> int:
    """How many of the last heard tracks stay away: at most half of the catalogue, so that a small one never runs dry."""
    return min(dials.recently_heard, int(table.recommendable_T.sum()) // 2)


_EXCLUDED = """
SELECT track_id, TRUE FROM (
    SELECT DISTINCT ON (track_id) track_id, kind FROM recsys_feedback
    WHERE listener_id = %(listener)s AND received_at <= %(moment)s AND kind IN ('like', 'dislike', 'undislike')
    ORDER BY track_id, occurred_at DESC, id DESC
) AS opinion WHERE kind = 'dislike'
UNION ALL
SELECT track_id, TRUE FROM (
    SELECT DISTINCT ON (track_id) track_id, kind FROM recsys_feedback
    WHERE listener_id = %(listener)s AND received_at <= %(moment)s AND kind IN ('ban', 'unban')
    ORDER BY track_id, occurred_at DESC, id DESC
) AS ban WHERE kind = 'ban'
UNION ALL
(SELECT track_id, FALSE FROM (
    SELECT track_id, occurred_at FROM recsys_feedback
    WHERE listener_id = %(listener)s AND received_at <= %(moment)s AND kind = 'play'
    ORDER BY occurred_at DESC, id DESC LIMIT %(plays)s
 ) AS newest GROUP BY track_id ORDER BY max(occurred_at) DESC, track_id LIMIT %(window)s)
"""


def excluded_tracks(listener: Listener, moment: datetime, *, window: int) -> Excluded:
    """Banned, disliked and last heard tracks from the rows received until the moment. One query, which needs no more time
    the longer somebody has listened: opinions are read from an index of theirs, plays newest first."""
    plays = PLAYS_LOOKED_BACK * window
    with connection.cursor() as cursor:
        cursor.execute(_EXCLUDED, {"listener": listener.pk, "moment": moment, "window": window, "plays": plays})
        rows = cursor.fetchall()
    return Excluded(
        banned=frozenset(track_id for track_id, is_banned in rows if is_banned),
        heard=frozenset(track_id for track_id, is_banned in rows if not is_banned),
    )


@dataclass(frozen=True, kw_only=True)
class Slate:
    """What one request gets, before it is logged."""

    candidates: list[int]
    tracks: list[int]
    scores: list[float]
    probabilities: list[float]
    reasons: list[list[dict[str, Any]]]


def draw_slate(
    policy: RecommenderPolicy,
    state: ListenerState,
    table: TrackTable,
    excluded: Excluded,
    dials: Preferences,
    styles: Sequence[str],
    count: int,
    seed: int,
) -> Slate:
    """Candidates, picks with their exact probabilities, and why."""
    generator = np.random.default_rng(seed)
    candidates = _candidates(policy, state, table, excluded.banned | excluded.heard, styles, generator)
    if not candidates:
        return Slate(candidates=[], tracks=[], scores=[], probabilities=[], reasons=[])
    scores_Hn = policy.score(state, candidates)
    gain = slate_gain(policy, state, scores_Hn, table, candidates, count=count, diversity=dials.diversity)
    drawn = draw_sequentially(gain, count, epsilon=settings.ENCORE_EPSILON, temperature=policy.temperature, generator=generator)
    picked = [candidates[pick] for pick in drawn.picks]
    return Slate(
        candidates=candidates,
        tracks=picked,
        scores=[float(score) for score in scores_Hn.mean(axis=0)[list(drawn.picks)]],
        probabilities=list(drawn.probabilities),
        reasons=in_words(policy.explain(state, picked, candidates), state),
    )


def _candidates(
    policy: RecommenderPolicy,
    state: ListenerState,
    table: TrackTable,
    excluded: frozenset[int],
    styles: Sequence[str],
    generator: np.random.Generator,
) -> list[int]:
    """All open tracks where they are few; else uniform draws first, then the policy's best of the others."""
    open_T = open_tracks(table, excluded, styles)
    open_ids = table.ids_T[open_T]
    if len(open_ids) <= MOST_CANDIDATES:
        return [int(track_id) for track_id in open_ids]
    uniform = [int(track_id) for track_id in generator.choice(open_ids, UNIFORM_CANDIDATES, replace=False)]
    closed = table.ids_T[table.recommendable_T & ~open_T].tolist()
    best = policy.top(state, MOST_CANDIDATES - UNIFORM_CANDIDATES, [*closed, *uniform])
    return [*best, *uniform]


def open_tracks(table: TrackTable, excluded: frozenset[int], styles: Sequence[str]) -> NDArray[np.bool_]:
    """Which tracks of the table may be recommended: none of the excluded, only those of the styles where there are some."""
    open_T: NDArray[np.bool_] = table.recommendable_T.copy()
    if styles:
        open_T &= np.isin(table.style_T, [place for place, style in enumerate(table.styles) if style in styles])
    rows = table.rows_of(list(excluded))
    open_T[rows[rows >= 0]] = False
    return open_T


def _context(state: ListenerState, surface: str, styles: Sequence[str], slate: Slate, table: TrackTable) -> dict[str, Any]:
    context: dict[str, Any] = {"surface": surface, "hour": state.hour, "weekday": state.weekday, "styles": list(styles)}
    if not slate.tracks:
        context["word"] = why_empty(table)
    return context


def why_empty(table: TrackTable) -> str:
    """What is said where no track is open."""
    return NOTHING_LEFT if table.recommendable_T.any() else NO_MUSIC_YET


def radio(listener: Listener, *, context: Mapping[str, Any] | None = None, styles: Sequence[str] = ()) -> Recommendation:
    """The next track of an endless stream: a slate of one."""
    return recommend(listener, count=1, surface="radio", context=context, styles=styles)


def replay(recommendation_id: int) -> Replayed:
    """Rebuilds the state as of a logged request and scores its slate again with the version that served it."""
    row = Recommendation.objects.select_related("policy_version", "listener__account").get(pk=recommendation_id)
    logged = np.array(row.scores, dtype=np.float64)
    if not row.tracks:
        return Replayed(scores=logged, logged=logged)
    scores_Hn = _loaded(row.policy_version).score(build_state(row.listener, row.created_at), row.tracks)
    return Replayed(scores=scores_Hn.mean(axis=0), logged=logged)
