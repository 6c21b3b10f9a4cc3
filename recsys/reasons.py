"""Words for why a track is in a slate. Before: a policy explains its scores. After: recommending.py logs them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsys.learning.explanation import LATELY, MOMENT, OF_ONE_STYLE, SINGLE
from recsys.learning.features import ListenerState
from recsys.learning.policy import Reason
from recsys.models import Feedback, Track

Kind = Feedback.Kind
SMALLEST_SHARE = 0.1
"""Causes of one kind that together make up less than this share of what speaks for a track are not named; of many small ones
the strongest is."""
MOST_REASONS = 5
"""Of one position that are told one by one."""
OTHERS: Mapping[str, str] = {
    **dict.fromkeys((SINGLE, OF_ONE_STYLE, LATELY), "other_heard"),
    "declared": "other_declared",
    **dict.fromkeys(MOMENT, "other_moment"),
}
"""What causes beyond these are gathered as. Which they are follows from the log: all that are not told one by one."""
LATE_AFTER_PLAYS = 5
"""From so many on a session is no longer at its start."""
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
NOTHING_NAMED = "something new to try"


def in_words(explained: Sequence[Sequence[Reason]], state: ListenerState) -> list[list[dict[str, Any]]]:
    """The reasons of each position as they are logged, the strongest first; those worth naming come before others and have a
    `text`. Causes beyond MOST_REASONS are gathered by kind, so that the `residual`, the last, is V(s) alone, the same for all
    candidates. Together they are the track's score.

    Says only what the policy said and the log holds: “you liked” is written where the listener's rows say so.
    """
    causes = {reason.track_id for reasons in explained for reason in reasons if reason.track_id is not None}
    titles = dict(Track.objects.filter(pk__in=causes).values_list("pk", "title")) if causes else {}
    words = Words(titles=titles, verbs=_verbs(state), state=state)
    return [_of_position(reasons, words) for reasons in explained]


@dataclass(frozen=True, kw_only=True)
class Words:
    """What reasons are told by."""

    titles: Mapping[int, str]
    verbs: Mapping[int, str]
    """What was done with each heard track."""
    state: ListenerState


def _of_position(reasons: Sequence[Reason], words: Words) -> list[dict[str, Any]]:
    ranked = sorted(reasons, key=lambda reason: -reason.contribution)
    # The residual, V(s), speaks for every track alike.
    causes = [reason for reason in ranked if reason.kind != "residual"]
    speaking = sum(max(0.0, reason.contribution) for reason in causes)
    of_kind: defaultdict[str, float] = defaultdict(float)
    for reason in causes:
        of_kind[reason.kind] += max(0.0, reason.contribution)
    worded: list[tuple[Reason, str]] = []
    for reason in causes:
        # Taken away for the first, the strongest of its kind: it stands for all of them.
        together = of_kind.pop(reason.kind, reason.contribution) if reason.carries else 0.0
        is_strong = reason.contribution > 0 and together >= SMALLEST_SHARE * speaking and reason.carries
        worded.append((reason, _text(reason, words) if is_strong else ""))
    # Causes before chance, whatever their size: "something new" says least.
    worded.sort(key=lambda each: (not each[1], each[0].kind == "chance"))
    if not worded or not worded[0][1]:
        worded.insert(0, (Reason(kind="chance", contribution=0.0), NOTHING_NAMED))
    listed = [*worded[:MOST_REASONS], *_gathered(worded[MOST_REASONS:])]
    listed += [(reason, "") for reason in ranked if reason.kind == "residual"]
    return [_logged(*each) for each in listed]


def _gathered(worded: Sequence[tuple[Reason, str]]) -> list[tuple[Reason, str]]:
    """Causes of one kind as one, without words; one that is alone of its kind stays itself."""
    of_kind: defaultdict[str, list[tuple[Reason, str]]] = defaultdict(list)
    for reason, text in worded:
        of_kind[OTHERS.get(reason.kind, reason.kind)].append((reason, text))
    gathered = []
    for kind, each in of_kind.items():
        together = Reason(kind=kind, contribution=math.fsum(reason.contribution for reason, _ in each))
        gathered.append(each[0] if len(each) == 1 else (together, ""))
    return gathered


def _logged(reason: Reason, text: str) -> dict[str, Any]:
    """Without what is empty: the log grows by one of these for each cause of each position."""
    about = {"track": reason.track_id, "tracks": list(reason.track_ids), "style": reason.style}
    told = {name: value for name, value in about.items() if value}
    return {"kind": reason.kind, "text": text, "contribution": reason.contribution, **told}


def _text(reason: Reason, words: Words) -> str:
    if reason.kind == "declared" and reason.style:
        return f"you chose {plural(reason.style)}"
    if reason.kind == "heard_style" and reason.style:
        return f"because of the {plural(reason.style)} you {_together(reason.track_ids, words.verbs)}"
    if reason.kind == "heard_lately":
        return f"like much of what you {_together(reason.track_ids, words.verbs)}"
    if reason.kind == "heard" and reason.track_id is not None and reason.track_id in words.titles:
        return f"because you {words.verbs.get(reason.track_id, 'heard')} {words.titles[reason.track_id]}"
    if reason.kind == "weekday":
        return f"suits {WEEKDAYS[int(words.state.weekday) % 7]}"
    if reason.kind == "session":
        is_late = words.state.session_position >= LATE_AFTER_PLAYS
        return "suits a session that has gone on" if is_late else "suits the start of a session"
    return _SAME_WORDS.get(reason.kind, "")


_SAME_WORDS: Mapping[str, str] = {
    "popular": "popular with listeners",
    "chance": NOTHING_NAMED,
    "hour": "suits this hour of the day",
    "history": "suits listeners who have heard as much as you",
}
"""Of kinds that are told alike to everybody."""


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
