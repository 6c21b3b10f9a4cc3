"""The state: as of a moment, one code for training and serving."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from recsys.feedback import FeedbackRow
from recsys.learning.features import TrackTable, encode_state, state_of_rows
from recsys.learning.windows import CLOCK_NAMES, SIGNAL_NAMES, WINDOW
from recsys.rewards import RewardWeights

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def table_of(count: int = 6) -> TrackTable:
    return TrackTable.from_rows(
        (index + 1, [float(index), 1.0], "reel" if index % 2 else "jig", "", 100.0, True) for index in range(count)
    )


def row(track_id: int, minutes_ago: float, kind: str = "play", value: float | None = 50.0) -> FeedbackRow:
    moment = NOON - timedelta(minutes=minutes_ago)
    return FeedbackRow(
        id=0,
        track_id=track_id,
        kind=kind,
        value=value,
        track_position_seconds=None,
        occurred_at=moment,
        received_at=moment,
        recommendation_id=None,
        position=None,
    )


def test_the_clock_is_the_listeners_own() -> None:
    state = state_of_rows(1, NOON, [], zone=BERLIN)

    assert state.hour == 13.0
    assert state.weekday == 13.0 / 24


def test_a_gap_above_thirty_minutes_starts_a_new_session() -> None:
    state = state_of_rows(1, NOON, [row(1, 50), row(2, 15), row(3, 5)], zone=BERLIN)

    assert state.session_position == 2
    clock_C = encode_state(state, table_of(), RewardWeights())["clock_C"]
    assert clock_C[CLOCK_NAMES.index("session_log_seconds")] == pytest.approx(np.log1p(15 + 50 / 60) / 5)


def test_without_a_row_in_the_last_half_hour_no_session_is_open() -> None:
    state = state_of_rows(1, NOON, [row(1, 50), row(2, 31)], zone=BERLIN)

    assert state.session_position == 0
    clock_C = encode_state(state, table_of(), RewardWeights())["clock_C"]
    assert not clock_C[: CLOCK_NAMES.index("session_plays") + 1].any()


def test_signals_say_how_much_was_heard_and_how_it_was_rated() -> None:
    state = state_of_rows(1, NOON, [row(1, 9, value=25.0), row(1, 8, "rate", 5.0)], zone=BERLIN)
    encoded = encode_state(state, table_of(), RewardWeights())

    play, rate = encoded["row_signal_LS"][-2:]
    assert play[SIGNAL_NAMES.index("completion")] == 0.25
    assert play[SIGNAL_NAMES.index("rating")] == 0.0
    assert rate[SIGNAL_NAMES.index("rating")] == 1.0
    assert encoded["row_open_L"].sum() == 2


@pytest.mark.parametrize(
    ("weights", "left_early"),
    [
        (RewardWeights(), [1.0, 0.0, 0.0]),
        (RewardWeights(early_leave_seconds=10.0), [0.0, 0.0, 0.0]),
        (RewardWeights(early_leave_share=0.5), [1.0, 1.0, 0.0]),
        (RewardWeights(early_leave_seconds=100.0, early_leave_share=0.5), [1.0, 1.0, 1.0]),
    ],
)
def test_what_leaving_early_is_follows_the_reward_weights(weights: RewardWeights, left_early: list[float]) -> None:
    state = state_of_rows(1, NOON, [row(1, 9, value=24.0), row(2, 8, value=29.0), row(3, 7, value=49.0)], zone=BERLIN)
    encoded = encode_state(state, table_of(), weights)

    assert encoded["row_signal_LS"][-3:, SIGNAL_NAMES.index("left_early")].tolist() == left_early


def test_only_the_last_rows_are_remembered() -> None:
    rows = [row(1 + index % 6, 60 - index / 2) for index in range(WINDOW + 20)]
    encoded = encode_state(state_of_rows(1, NOON, rows, zone=BERLIN), table_of(), RewardWeights())

    assert encoded["row_open_L"].all()
    assert encoded["row_track_L"][-1] == (WINDOW + 19) % 6


def test_a_style_the_checkpoint_does_not_know_gets_the_last_place() -> None:
    table = table_of().indexed_by(("jig",))

    assert set(np.unique(table.style_T)) == {0, 1}
    encoded = encode_state(state_of_rows(1, NOON, [], zone=BERLIN, styles=("reel", "jig")), table, RewardWeights())
    assert encoded["declared_S"].tolist() == [0.5, 0.5]
