"""What would be recommended without exploration. Before: slates.py searches. After: views/recommendations.py shows it.

Nothing is drawn here, so nothing is logged: a slate without exact probabilities has no place among recommendations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from accounts.models import Listener
from recsys.learning.features import build_state, one_track_table, track_table
from recsys.preferences import preferences_as_of
from recsys.reasons import in_words
from recsys.recommending import MOST_CANDIDATES, excluded_tracks, heard_window, open_tracks, policy_for, why_empty
from recsys.slates import best_picks
from training.models import PolicyVersion


@dataclass(frozen=True, kw_only=True)
class BestSlate:
    """The best tracks for a listener now, best slate first position first. It has no id: it was not recommended."""

    policy_version: PolicyVersion
    tracks: list[int]
    scores: list[float]
    reasons: list[list[dict[str, Any]]]
    word: str
    """Why it is empty."""


@one_track_table()
def best_slate(listener: Listener, *, count: int, styles: Sequence[str] = ()) -> BestSlate:
    """The slate of the highest worth by the version that serves this listener, out of its MOST_CANDIDATES best open tracks."""
    moment = timezone.now()
    version, policy, _ = policy_for(listener)
    table = track_table()
    dials = preferences_as_of(listener, moment)
    excluded = excluded_tracks(listener, moment, window=heard_window(dials, table))
    open_T = open_tracks(table, excluded.banned | excluded.heard, styles)
    if not open_T.any():
        return BestSlate(policy_version=version, tracks=[], scores=[], reasons=[], word=why_empty(table))
    state = build_state(listener, moment, styles=dials.styles)
    candidates = policy.top(state, MOST_CANDIDATES, table.ids_T[table.recommendable_T & ~open_T].tolist())
    scores_Hn = policy.score(state, candidates)
    picks = best_picks(policy, state, scores_Hn, candidates, count=count)
    tracks = [candidates[pick] for pick in picks]
    return BestSlate(
        policy_version=version,
        tracks=tracks,
        scores=[float(score) for score in scores_Hn.mean(axis=0)[picks]],
        reasons=in_words(policy.explain(state, tracks, candidates), state),
        word="",
    )
