"""What listeners made of logged slates: what was chosen, what was passed over. Before: log.py, states.py. After:
replay_dataset.py."""

from __future__ import annotations

import zoneinfo
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from recsys.feedback import SESSION_GAP, FeedbackRow
from recsys.learning.behaviour import Behaviour
from recsys.learning.features import ListenerState, TrackTable, local_clock, state_of_rows
from recsys.learning.log import Log, LoggedSlate, Versions, is_remembered, styles_as_of
from recsys.learning.offers import MOST_OFFERS, Offer, Offers
from recsys.learning.states import States
from recsys.learning.windows import WINDOW

LOOKED_BEYOND = 4
"""Positions behind the last played one that were looked at, presumably."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One logged slate of a held-out session, with what each shown track brought."""

    recommendation_id: int
    listener_id: int
    state: ListenerState
    diversity: float
    candidates: tuple[int, ...]
    tracks: tuple[int, ...]
    probabilities: tuple[float, ...]
    epsilon: float
    policy_version_id: int
    rewards: tuple[float, ...]
    """Reward of each position's track; 0 where it was not played."""
    returns: tuple[float, ...]
    """The same with what came after it in the session, discounted; 0 where it was not played."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What states of one listener are made of."""

    rows: Sequence[FeedbackRow]
    first: int
    """Place of the first row among everybody's."""
    zone: zoneinfo.ZoneInfo
    versions: Versions
    is_held_out: bool
    began: Sequence[tuple[datetime, int]]
    """When each track began to play, and its transition; in the order of time."""

    def add_to(self, states: States, moment: datetime) -> int:
        """Adds the listener's state at a moment; gives its number."""
        end = self.first + bisect_right(self.rows, moment, key=lambda row: row.received_at)
        clock = local_clock(moment, self.zone)
        return states.add(self.first, end, moment.timestamp(), clock, styles_as_of(self.versions, moment))


@dataclass(frozen=True, kw_only=True)
class Slates:
    """What was played from which slate, and by whom, as sessions are read; then the slates themselves can be."""

    table: TrackTable
    row_of_track: Mapping[int, int]
    states: States
    behaviour: Behaviour
    listeners: dict[int, Known] = field(default_factory=dict)
    played: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)
    """(recommendation, track) → (reward, return) in held-out sessions."""
    chosen: dict[tuple[int, int], tuple[datetime, int]] = field(default_factory=dict)
    """(recommendation, track) → when it was first played from that slate, and its transition."""

    def read(self, log: Log, split_moment: datetime) -> tuple[tuple[Decision, ...], NDArray[np.int64], Offers]:
        """Decisions of held-out listeners after the split – leaving out what nobody played would flatter every policy –,
        (listener, row of the table) of what was passed over in the training part, and the newest slates as offers."""
        decisions: list[Decision] = []
        passed: list[tuple[int, int]] = []
        offered: deque[tuple[LoggedSlate, bool]] = deque(maxlen=MOST_OFFERS)
        for slate in log.slates():
            known = self.listeners.get(slate.listener_id)
            if known is None or not is_remembered(known.rows, slate.created_at):
                continue
            is_held_out = known.is_held_out and slate.created_at >= split_moment
            if is_held_out:
                decisions.append(self._decision(slate, known))
            else:
                passed.extend((slate.listener_id, row) for row in self._passed_over(slate))
                self._note_behaviour(slate)
            offered.append((slate, is_held_out))
        offers = Offers.of(self._offer(slate, is_held_out) for slate, is_held_out in offered if len(slate.tracks) > 1)
        return tuple(decisions), np.array(passed, dtype=np.int64).reshape(-1, 2), offers

    def _note_behaviour(self, slate: LoggedSlate) -> None:
        listed_n = self.table.rows_of(slate.candidates)
        shown = [self.row_of_track[track] for track in slate.tracks if track in self.row_of_track]
        played = [self.chosen[slate.id, track][1] for track in slate.tracks if (slate.id, track) in self.chosen]
        self.behaviour.add(slate.id, listed_n[listed_n >= 0], shown, played)

    def _passed_over(self, slate: LoggedSlate) -> list[int]:
        """Rows of the table of shown tracks that were looked at, as another one of their slate was played."""
        is_played = [(slate.id, track) in self.chosen for track in slate.tracks]
        if not any(is_played):
            return []
        looked_at = len(is_played) - is_played[::-1].index(True) + LOOKED_BEYOND
        shown = zip(slate.tracks[:looked_at], is_played, strict=False)
        return [self.row_of_track[track] for track, played in shown if not played and track in self.row_of_track]

    def _offer(self, slate: LoggedSlate, is_held_out: bool) -> Offer:
        """What was chosen first, or what the listener played next instead, within the session."""
        known = self.listeners[slate.listener_id]
        plays = [
            (*self.chosen[slate.id, track], at) for at, track in enumerate(slate.tracks) if (slate.id, track) in self.chosen
        ]
        if plays:
            _, followed, position = min(plays)
        else:
            after = bisect_left(known.began, (slate.created_at, -1))
            is_near = after < len(known.began) and known.began[after][0] - slate.created_at <= SESSION_GAP
            followed, position = known.began[after][1] if is_near else -1, -1
        return Offer(
            state=known.add_to(self.states, slate.created_at),
            tracks=[self.row_of_track.get(track, -1) for track in slate.tracks],
            position=position,
            followed=followed,
            is_held_out=is_held_out,
            plays=len(plays),
        )

    def _decision(self, slate: LoggedSlate, known: Known) -> Decision:
        """With the state that `build_state` gave the request, from the rows at hand."""
        end = bisect_right(known.rows, slate.created_at, key=lambda row: row.received_at)
        state = state_of_rows(
            slate.listener_id,
            slate.created_at,
            known.rows[max(0, end - WINDOW) : end],
            zone=known.zone,
            styles=styles_as_of(known.versions, slate.created_at),
        )
        worth = [self.played.get((slate.id, track), (0.0, 0.0)) for track in slate.tracks]
        return Decision(
            recommendation_id=slate.id,
            listener_id=slate.listener_id,
            state=state,
            diversity=slate.diversity,
            candidates=tuple(slate.candidates),
            tracks=tuple(slate.tracks),
            probabilities=tuple(slate.probabilities),
            epsilon=slate.epsilon,
            policy_version_id=slate.policy_version_id,
            rewards=tuple(pair[0] for pair in worth),
            returns=tuple(pair[1] for pair in worth),
        )
