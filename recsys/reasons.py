"""Words for why a track is in a slate. Before: a policy explains its scores. After: recommending.py logs them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from recsys.learning.features import ListenerState
from recsys.learning.policy import Reason
from recsys.models import Feedback, Track

Kind = Feedback.Kind
SMALLEST_SHARE = 0.1
"""Causes of one kind that together make up less than this share of what speaks for a track are not named; of many small ones
the strongest is."""
MOST_REASONS = 6
NOTHING_NAMED = "something new to try"


def in_words(explained: Sequence[Sequence[Reason]], state: ListenerState) -> list[list[dict[str, Any]]]:
    """The reasons of each position as they are logged, the strongest first; those worth naming have a `text`.

    Says only what the policy said and the log holds: “you liked” is written where the listener's rows say so.
    """
    causes = {reason.track_id for reasons in explained for reason in reasons if reason.track_id is not None}
    titles = dict(Track.objects.filter(pk__in=causes).values_list("pk", "title")) if causes else {}
    verbs = _verbs(state)
    return [_of_position(reasons, titles, verbs) for reasons in explained]


def _of_position(reasons: Sequence[Reason], titles: Mapping[int, str], verbs: Mapping[int, str]) -> list[dict[str, Any]]:
    ranked = sorted(reasons, key=lambda reason: -reason.contribution)
    speaking = sum(max(0.0, reason.contribution) for reason in ranked)
    of_kind: defaultdict[str, float] = defaultdict(float)
    for reason in ranked:
        of_kind[reason.kind] += max(0.0, reason.contribution)
    worded: list[tuple[Reason, str]] = []
    for reason in ranked:
        # Taken away for the first, the strongest of its kind: it stands for all of them.
        together = of_kind.pop(reason.kind, reason.contribution) if reason.carries else 0.0
        is_strong = reason.contribution > 0 and together >= SMALLEST_SHARE * speaking and reason.carries
        worded.append((reason, _text(reason, titles, verbs) if is_strong else ""))
    # Causes before chance, whatever their size: "something new" says least.
    worded.sort(key=lambda each: (not each[1], each[0].kind == "chance"))
    if not worded or not worded[0][1]:
        worded.insert(0, (Reason(kind="chance", contribution=0.0), NOTHING_NAMED))
    return [_logged(*each) for each in worded[:MOST_REASONS]]


def _logged(reason: Reason, text: str) -> dict[str, Any]:
    return {
        "kind": reason.kind,
        "text": text,
        "contribution": reason.contribution,
        "track": reason.track_id,
        "tracks": list(reason.track_ids),
        "style": reason.style,
    }


def _text(reason: Reason, titles: Mapping[int, str], verbs: Mapping[int, str]) -> str:
    if reason.kind == "declared" and reason.style:
        return f"you chose {plural(reason.style)}"
    if reason.kind == "popular":
        return "popular with listeners"
    if reason.kind == "chance":
        return NOTHING_NAMED
    if reason.kind == "heard_style" and reason.style:
        return f"because of the {plural(reason.style)} you {_together(reason.track_ids, verbs)}"
    if reason.kind == "heard_lately":
        return f"like much of what you {_together(reason.track_ids, verbs)}"
    if reason.kind == "heard" and reason.track_id is not None and reason.track_id in titles:
        return f"because you {verbs.get(reason.track_id, 'heard')} {titles[reason.track_id]}"
    return ""


def _together(track_ids: Sequence[int], verbs: Mapping[int, str]) -> str:
    """What was done with all of these tracks."""
    done = {verbs.get(track_id, "heard") for track_id in track_ids}
    return f"{done.pop() if len(done) == 1 else 'heard'} lately"


_VERBS: tuple[tuple[str, str], ...] = (
    (Kind.LIKE, "liked"),
    (Kind.DISLIKE, "disliked"),
    (Kind.RATE, "rated"),
    (Kind.SKIP, "skipped"),
)
_TAKEN_BACK_BY: Mapping[str, frozenset[str]] = {
    Kind.LIKE: frozenset({Kind.UNLIKE, Kind.DISLIKE}),
    Kind.DISLIKE: frozenset({Kind.UNDISLIKE, Kind.LIKE}),
    Kind.RATE: frozenset({Kind.UNRATE}),
}


def _verbs(state: ListenerState) -> dict[int, str]:
    """What the listener did with each remembered track: the first of the verbs that still stands, or heard."""
    standing: dict[int, set[str]] = {}
    for row in state.rows:
        kinds = standing.setdefault(row.track_id, set())
        kinds.add(row.kind)
        for kind, undone_by in _TAKEN_BACK_BY.items():
            if row.kind in undone_by:
                kinds.discard(kind)
    return {track_id: next((verb for kind, verb in _VERBS if kind in kinds), "heard") for track_id, kinds in standing.items()}


def plural(style: str) -> str:
    """`reels` of `reel`, `German folk tunes` of `german folk`."""
    if style.endswith(" folk"):
        return f"{style[:1].upper()}{style[1:]} tunes"
    if style.endswith("s"):
        return style
    return f"{style}es" if style.endswith(("ch", "tz")) else f"{style}s"
