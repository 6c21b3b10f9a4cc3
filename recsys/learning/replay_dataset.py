"""The log as transitions and logged decisions. Before: feedback.py, rewards.py, features.py. After: training.py, evaluation.py.

Letters: E feedback rows, M states, N transitions, L rows of a state, S signals, C clock."""

from __future__ import annotations

import hashlib
import json
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone
from numpy.typing import NDArray

from dqn.checkpoint import write_whole
from recsys.feedback import SESSION_GAP, FeedbackRow
from recsys.learning.behaviour import Behaviour
from recsys.learning.configuration import RecommenderConfiguration
from recsys.learning.features import Arrays, TrackTable
from recsys.learning.log import Log, ShardLog, Versions
from recsys.learning.logged_slates import Decision, Known, Slates
from recsys.learning.offers import Offers
from recsys.learning.states import States
from recsys.learning.tastes import worth_of_signals
from recsys.rewards import RewardWeights, Transition, active_weights, rewards_of
from training.slots import NotEnoughToLearnFrom, RunContext

LEAST_PLAYS = 10
"""Fewer played tracks teach nothing that popularity does not know."""
LEAST_TRACKS = 4
OWN_CHOICE_SHARE = 0.5
"""What was left before half of it was heard was no good choice."""


@dataclass(frozen=True, kw_only=True)
class ReplayDataset:
    """Everything a training and its evaluation read. Built from rows received until `as_of`."""

    as_of: datetime
    fingerprint: str
    description: dict[str, Any]
    table: TrackTable
    states: Arrays
    """row_track_ML, row_open_ML, row_signal_MLS, clock_MC, declared_MS."""
    state_N: NDArray[np.int64]
    next_state_N: NDArray[np.int64]
    track_N: NDArray[np.int64]
    """Row of the table."""
    reward_N: NDArray[np.float32]
    weights: RewardWeights
    """What feedback is worth here, and what leaving early is."""
    discount_N: NDArray[np.float32]
    is_held_out_N: NDArray[np.bool_]
    is_own_choice_N: NDArray[np.bool_]
    """Played without a recommendation, and at least half of it heard: what listeners choose by themselves."""
    listener_N: NDArray[np.int64]
    passed_listener_K: NDArray[np.int64]
    """Who passed over which shown track and played another of the same slate; training part only."""
    passed_track_K: NDArray[np.int64]
    """Row of the table."""
    candidate_NK: NDArray[np.int64]
    """Rows of the table of candidates of the slate that a track was played from; −1 where there are no (more)."""
    shown_share_T: NDArray[np.float32]
    """How often each track was shown, of the times it was a candidate; training part only."""
    offers: Offers
    """The newest slates with what was chosen first from each."""
    decisions: tuple[Decision, ...]
    """Logged slates of held-out sessions, oldest first."""

    @property
    def worth_S(self) -> NDArray[np.float64]:
        """What each signal of a row tells of its track's reward."""
        return worth_of_signals(self.weights)


def is_held_out_listener(listener_id: int, share: float) -> bool:
    """Stable: the same listeners in every run."""
    digest = hashlib.sha256(f"held out {listener_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def build_replay_dataset(context: RunContext) -> ReplayDataset:
    """The dataset of a run. A resumed run reads the rows that its first attempt read, whatever arrived since."""
    kept = context.folder / "dataset.json"
    if kept.exists():
        as_of = datetime.fromisoformat(json.loads(kept.read_text())["as_of"])
    else:
        as_of = timezone.now()
        write_whole(kept, json.dumps({"as_of": as_of.isoformat()}).encode())
    dataset = build(context.configuration, as_of=as_of, log=ShardLog(as_of))
    context.log("Replay dataset: " + ", ".join(f"{name} {value}" for name, value in dataset.description.items()))
    return dataset


def build(
    configuration: RecommenderConfiguration,
    *,
    as_of: datetime,
    table: TrackTable | None = None,
    weights: RewardWeights | None = None,
    log: Log | None = None,
) -> ReplayDataset:
    """The dataset of what was received until `as_of`; simulations bring a log of their own."""
    log = log or Log(as_of)
    table = table or TrackTable.load()
    weights = weights or active_weights()
    rows_of_listener, digest = log.feedback()
    durations = dict(zip(table.ids_T.tolist(), table.duration_seconds_T.tolist(), strict=True))
    rewarded = {listener_id: _sessions(rows, durations, weights) for listener_id, rows in rows_of_listener.items()}
    _refuse_too_little(rewarded)
    zones = log.zones()
    declared = log.declared_styles()
    split_moment = _split_moment(rewarded)
    collected = _Collected(configuration=configuration, as_of=as_of, table=table)
    for listener_id, sessions in rewarded.items():
        collected.add(
            listener_id,
            rows_of_listener[listener_id],
            sessions,
            zone=zones[listener_id],
            versions=declared[listener_id],
            split_moment=split_moment,
            is_held_out_listener=is_held_out_listener(listener_id, configuration.held_out_share),
        )
    digest.update(json.dumps([asdict(weights), configuration.discount, configuration.held_out_share], sort_keys=True).encode())
    digest.update(table.ids_T.tobytes() + table.features_TD.tobytes() + table.recommendable_T.tobytes())
    return collected.dataset(digest.hexdigest(), split_moment, log, weights)


def _sessions(rows: Sequence[FeedbackRow], durations: Mapping[int, float], weights: RewardWeights) -> list[list[Transition]]:
    """Sessions in which something was played."""
    in_order = sorted(rows, key=lambda row: (row.occurred_at, row.id))
    return [session for session in rewards_of(in_order, durations, weights) if session]


def _refuse_too_little(rewarded: Mapping[int, Sequence[Sequence[Transition]]]) -> None:
    played = [transition.play.track_id for sessions in rewarded.values() for session in sessions for transition in session]
    if len(played) < LEAST_PLAYS:
        raise NotEnoughToLearnFrom(f"{len(played)} tracks were played; the recommender needs at least {LEAST_PLAYS}")
    if len(set(played)) < LEAST_TRACKS:
        raise NotEnoughToLearnFrom(f"{len(set(played))} different tracks were played; at least {LEAST_TRACKS} are needed")


def _split_moment(rewarded: Mapping[int, Sequence[Sequence[Transition]]]) -> datetime:
    """Half of all sessions began before it: held-out sessions are later ones, so that they are predicted, not explained."""
    starts = sorted(session[0].play.started_at for sessions in rewarded.values() for session in sessions)
    return starts[len(starts) // 2]


class _Collected:
    """Grows listener by listener; becomes arrays at the end."""

    def __init__(self, *, configuration: RecommenderConfiguration, as_of: datetime, table: TrackTable) -> None:
        self.configuration = configuration
        self.as_of = as_of
        self.table = table
        self.row_of_track = {track_id: row for row, track_id in enumerate(table.ids_T.tolist())}
        self.states = States()
        self.transitions: list[tuple[int, int, int, float, float, bool, int, bool]] = []
        self.slates = Slates(
            table=table,
            row_of_track=self.row_of_track,
            states=self.states,
            behaviour=Behaviour(len(table), configuration.logged_candidates),
        )
        self.held_out_sessions = 0
        self.sessions = 0

    def add(
        self,
        listener_id: int,
        rows: Sequence[FeedbackRow],
        sessions: Sequence[Sequence[Transition]],
        *,
        zone: zoneinfo.ZoneInfo,
        versions: Versions,
        split_moment: datetime,
        is_held_out_listener: bool,
    ) -> None:
        """One listener's sessions. A session that may still go on bootstraps from its newest state; others end."""
        first = len(self.states.rows)
        self.states.rows.extend(rows)
        began: list[tuple[datetime, int]] = []
        self.slates.listeners[listener_id] = known = Known(
            rows=rows, first=first, zone=zone, versions=versions, is_held_out=is_held_out_listener, began=began
        )
        for session in sessions:
            is_held_out = is_held_out_listener and session[0].play.started_at >= split_moment
            self.sessions += 1
            self.held_out_sessions += is_held_out
            is_open = self.as_of - session[-1].play.occurred_at <= SESSION_GAP
            states = [known.add_to(self.states, transition.play.started_at) for transition in session]
            states.append(known.add_to(self.states, self.as_of) if is_open else states[-1])
            returns = 0.0
            for at in range(len(session) - 1, -1, -1):
                transition, is_last = session[at], at == len(session) - 1
                discount = 0.0 if is_last and not is_open else self.configuration.discount
                reward = transition.reward
                returns = reward + self.configuration.discount * returns
                play, place = transition.play, len(self.transitions)
                row = self.row_of_track[play.track_id]
                is_own = self._is_own_choice(play, row)
                self.transitions.append((states[at], states[at + 1], row, reward, discount, is_held_out, listener_id, is_own))
                began.append((play.started_at, place))
                if play.recommendation_id is not None:
                    key = play.recommendation_id, play.track_id
                    self.slates.chosen[key] = min(
                        self.slates.chosen.get(key, (play.started_at, place)), (play.started_at, place)
                    )
                    if is_held_out:
                        self.slates.played[key] = (reward, returns)
        began.sort()

    def _is_own_choice(self, play: FeedbackRow, row: int) -> bool:
        half_seconds = OWN_CHOICE_SHARE * float(self.table.duration_seconds_T[row])
        return play.recommendation_id is None and (play.value or 0.0) >= half_seconds

    def dataset(self, fingerprint: str, split_moment: datetime, log: Log, weights: RewardWeights) -> ReplayDataset:
        """Everything as arrays."""
        columns = list(zip(*self.transitions, strict=True))
        held_out = np.array(columns[5], dtype=np.bool_)
        decisions, passed, offers = self.slates.read(log, split_moment)
        if (~held_out).sum() < LEAST_PLAYS:
            # The first listeners of an installation: learning from all of them matters more than judging.
            held_out[:] = False
            decisions, offers, self.held_out_sessions = (), replace(offers, is_held_out_J=offers.is_held_out_J & False), 0
        starts = min(self.states.moments)
        return ReplayDataset(
            as_of=self.as_of,
            fingerprint=fingerprint,
            description={
                "listeners": len(set(columns[6])),
                "feedback_rows": len(self.states.rows),
                "transitions": len(self.transitions),
                "sessions": self.sessions,
                "held_out_sessions": self.held_out_sessions,
                "held_out_slates": len(decisions),
                "tracks": len(self.table),
                "from": datetime.fromtimestamp(starts, tz=UTC).isoformat(timespec="seconds"),
                "until": self.as_of.isoformat(timespec="seconds"),
                "listeners_are": "simulated" if settings.ENCORE_SIMULATED else "people",
            },
            table=self.table,
            states=self.states.encoded(self.table, self.row_of_track, weights),
            state_N=np.array(columns[0], dtype=np.int64),
            next_state_N=np.array(columns[1], dtype=np.int64),
            track_N=np.array(columns[2], dtype=np.int64),
            reward_N=np.array(columns[3], dtype=np.float32),
            weights=weights,
            discount_N=np.array(columns[4], dtype=np.float32),
            is_held_out_N=held_out,
            is_own_choice_N=np.array(columns[7], dtype=np.bool_),
            listener_N=np.array(columns[6], dtype=np.int64),
            passed_listener_K=passed[:, 0],
            passed_track_K=passed[:, 1],
            candidate_NK=self.slates.behaviour.candidates(len(self.transitions)),
            shown_share_T=self.slates.behaviour.shares(),
            offers=offers,
            decisions=decisions,
        )
