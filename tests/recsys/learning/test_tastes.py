"""What past rows say of a listener's taste: Bayesian linear regression, by the policy that serves and by the network alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from recsys.feedback import FeedbackRow
from recsys.learning.dqn_policy import DqnPolicy
from recsys.learning.factors import taste_models_of
from recsys.learning.features import encode_state, state_of_rows
from recsys.learning.replay_dataset import ReplayDataset
from recsys.learning.tastes import Told, regressors, worth_of_signals
from recsys.learning.windows import KIND_INDEX, SIGNAL_NAMES, WINDOW, speaking
from recsys.rewards import RewardWeights, rewards_of

SECOND = timedelta(seconds=1)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def seen(rows: list[tuple[int, str, float]]) -> dict[str, np.ndarray]:
    """One state of these (row of the table, kind, completion), newest last."""
    signal_SLX = np.zeros((1, WINDOW, len(SIGNAL_NAMES)), dtype=np.float32)
    track_SL, open_SL = np.zeros((1, WINDOW), dtype=np.int64), np.zeros((1, WINDOW), dtype=np.bool_)
    for at, (track, kind, completion) in enumerate(rows, start=WINDOW - len(rows)):
        track_SL[0, at], open_SL[0, at] = track, True
        signal_SLX[0, at, SIGNAL_NAMES.index(kind)] = 1.0
        signal_SLX[0, at, SIGNAL_NAMES.index("completion")] = completion
    kind_SL = signal_SLX[:, :, : len(KIND_INDEX)].argmax(axis=2)
    signal_SLX[:, :, SIGNAL_NAMES.index("speaks")] = speaking(kind_SL, track_SL, np.arange(WINDOW)[None].astype(float), open_SL)
    clock = np.zeros((1, 8), dtype=np.float32)
    return {"row_track_L": track_SL, "row_open_L": open_SL, "row_signal_LS": signal_SLX, "clock_C": clock}


def tastes(policy: DqnPolicy, dataset: ReplayDataset, rows: list[tuple[int, str, float]]) -> np.ndarray:
    """The posterior mean, all models side by side."""
    arrays, vectors = seen(rows), policy.vectors(dataset.table)
    pooled = policy.configuration.attention_heads * policy.configuration.content_width
    return np.asarray(policy.rows_said(arrays, vectors)[0, :, pooled:].sum(axis=0))


def told(said: list[float], e: list[float], *, noise: float = 0.5, speaks: list[float] | None = None) -> Told:
    """One model of one dimension; a taste has variance 1, a level next to none."""
    return Told(
        said_SL=np.array([said]),
        speaks_SL=np.array([speaks or [1.0] * len(said)]),
        variance_SLM=np.full((1, len(said), 1), noise),
        regressor_SLMk=regressors(np.array(e)[:, None], 1)[None],
        alone_Mkk=np.diag([1.0, 1e12])[None],
    )


def test_the_taste_is_the_posterior_mean() -> None:
    # Precision 1 + (1 + 4)/0.5 = 11, pulled (1·1 + 2·0.5)/0.5 = 4.
    assert told([1.0, 0.5], [1.0, 2.0]).taste()[0, 0] == pytest.approx(4 / 11)
    assert told([1.0, 0.5, -9.0], [1.0, 2.0, 3.0], speaks=[1, 1, 0]).taste()[0, 0] == pytest.approx(4 / 11)
    assert told([1.0], [1.0], noise=1e12).taste()[0, 0] == pytest.approx(0.0, abs=1e-9)


def test_rows_give_together_what_the_whole_is() -> None:
    three = told([1.0, 0.5, -0.3], [1.0, 2.0, -1.0])

    np.testing.assert_allclose(three.taste_by_row().sum(axis=1), three.taste(), rtol=1e-12)


def test_outcomes_of_a_training_listener_give_their_taste_again(dataset: ReplayDataset) -> None:
    models, _ = taste_models_of(dataset, models=2, width=4, passed_over_weight=0.3, seed=0)
    taught = ~dataset.is_held_out_N
    for listener in models.each[0].listeners_L[:5]:
        of = np.flatnonzero(taught & (dataset.listener_N == listener))
        track_L = dataset.track_N[of]
        again = Told(
            said_SL=(dataset.reward_N[of] - models.mean - models.bias_T[track_L])[None].astype(np.float64),
            speaks_SL=np.ones((1, len(of))),
            variance_SLM=models.row_variances()[track_L][None].astype(np.float64),
            regressor_SLMk=regressors(models.vectors()[track_L].astype(np.float64), len(models.each))[None],
            alone_Mkk=models.precisions().astype(np.float64)[:, :, None] * np.eye(5),
        ).taste()[0]
        for number, factors in enumerate(models.each):
            learned = factors.listener.vector_GK[np.searchsorted(factors.listeners_L, listener)] * factors.size
            found = again[4 * number : 4 * number + 4]
            vector_TK = models.vectors()[:, 4 * number : 4 * number + 4]
            assert np.corrcoef(vector_TK @ learned, vector_TK @ found)[0, 1] > 0.95


def test_an_opinion_that_was_taken_back_says_nothing(trained: Path, dataset: ReplayDataset) -> None:
    policy = DqnPolicy.load(trained)
    played = [(0, "play", 1.0)]

    def speaks(*kinds: str) -> list[bool]:
        kind_NL = np.array([[KIND_INDEX[kind] for kind in kinds]])
        at_once_NL, open_NL = np.zeros(kind_NL.shape), np.ones(kind_NL.shape, dtype=np.bool_)
        return [bool(each) for each in speaking(kind_NL, np.zeros_like(kind_NL), at_once_NL, open_NL)[0]]

    assert speaks("play", "like") == [False, True]
    assert speaks("play", "like", "unlike") == [True, False, False]
    assert speaks("play", "like", "dislike", "unlike") == [False, False, True, False]
    assert speaks("play", "rate", "rate") == [False, False, True]
    assert speaks("play", "like", "play") == [False, True, True]
    assert speaks("skip", "ban", "unban", "unrate") == [False] * 4
    with_other_track = speaking(
        np.array([[KIND_INDEX["play"], KIND_INDEX["like"]]]), np.array([[0, 1]]), np.zeros((1, 2)), np.ones((1, 2), np.bool_)
    )
    assert with_other_track.tolist() == [[True, True]]
    liked = tastes(policy, dataset, [*played, (0, "like", 0.0)])
    assert not np.allclose(liked, tastes(policy, dataset, played))


@pytest.mark.parametrize(
    "weights", [RewardWeights(), RewardWeights(completion=0.4, early_leave=-2, like=3, dislike=-4, rating=1)]
)
@pytest.mark.parametrize(
    ("kind", "value", "signals"),
    [
        ("play", 45.0, {"play": 1, "completion": 0.5}),
        ("play", 9.0, {"play": 1, "completion": 0.1, "left_early": 1}),
        ("like", None, {"like": 1}),
        ("dislike", None, {"dislike": 1}),
        ("rate", 1.0, {"rate": 1, "rating": -1}),
        ("rate", 4.0, {"rate": 1, "rating": 0.5}),
    ],
)
def test_a_row_tells_of_the_reward_that_it_earned(
    weights: RewardWeights, kind: str, value: float | None, signals: dict[str, float]
) -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)

    def row(number: int, kind: str, value: float | None) -> FeedbackRow:
        return FeedbackRow(
            id=number, track_id=1, kind=kind, value=value, track_position_seconds=None, occurred_at=moment + number * SECOND,
            received_at=moment, recommendation_id=None, position=None,
        )  # fmt: skip

    rows = [row(1, kind, value)] if kind == "play" else [row(1, "play", 90.0), row(2, kind, value)]
    ((transition,),) = rewards_of(rows, {1: 90.0}, weights)
    signal_S = np.array([signals.get(name, 0.0) for name in SIGNAL_NAMES])
    assert signal_S @ worth_of_signals(weights) == pytest.approx(transition.reward)


def test_rows_that_say_nothing_of_pleasure_leave_the_taste(trained: Path, dataset: ReplayDataset) -> None:
    policy = DqnPolicy.load(trained)

    assert not tastes(policy, dataset, []).any()
    assert np.abs(tastes(policy, dataset, [(0, "unlike", 0.0), (1, "unban", 0.0), (2, "skip", 0.0)])).max() == 0.0
    assert np.abs(tastes(policy, dataset, [(0, "dislike", 0.0)])).max() > 0.0


def test_liked_tracks_raise_those_that_the_same_listeners_like(trained: Path, dataset: ReplayDataset) -> None:
    policy = DqnPolicy.load(trained)
    is_first_T = np.isin(np.array(dataset.table.style_names), ["reel", "air"])
    first, second = np.flatnonzero(is_first_T), np.flatnonzero(~is_first_T)
    identity_TZ, models = policy.known.identity(np.arange(len(dataset.table))), policy.configuration.taste_models

    for liked, other in ((first, second), (second, first)):
        taste_Z = tastes(policy, dataset, [(int(track), "play", 1.0) for track in liked[:3]])
        expected_T = identity_TZ @ taste_Z / models
        assert expected_T[liked[3:]].mean() > expected_T[other].mean() + 0.1


@pytest.mark.parametrize(("earlier", "later"), [("like", "dislike"), ("dislike", "like")])
def test_of_a_track_that_stands_twice_in_a_state_the_standing_opinion_counts(
    trained: Path, dataset: ReplayDataset, earlier: str, later: str
) -> None:
    policy, table = DqnPolicy.load(trained), dataset.table
    track, other = int(table.ids_T[0]), int(table.ids_T[1])
    kinds = [(track, "play", 30.0), (track, earlier, None), (other, "play", 30.0), (track, later, None)]
    rows = [
        FeedbackRow(
            id=number,
            track_id=track_id,
            kind=kind,
            value=value,
            track_position_seconds=None,
            occurred_at=NOON + timedelta(seconds=40 * number),
            received_at=NOON + timedelta(seconds=40 * number),
            recommendation_id=None,
            position=None,
        )
        for number, (track_id, kind, value) in enumerate(kinds)
    ]

    state = state_of_rows(1, NOON + timedelta(minutes=3), rows, zone=ZoneInfo("UTC"))
    vectors = policy.vectors(table)
    arrays = {name: array[None] for name, array in encode_state(state, vectors.indexed, policy.reward_weights).items()}

    last = slice(WINDOW - len(rows), WINDOW)
    assert arrays["row_track_L"][0, last].tolist() == [0, 0, 1, 0]
    assert arrays["row_signal_LS"][0, last, SIGNAL_NAMES.index("speaks")].tolist() == [0.0, 0.0, 1.0, 1.0]
    pooled = policy.configuration.attention_heads * policy.configuration.content_width
    taste_LZ = policy.rows_said(arrays, vectors)[0, last, pooled:]
    assert not taste_LZ[:2].any()
    assert np.abs(taste_LZ[2:]).max(axis=1).min() > 0.0
    # Exactly what it is without the two earlier rows, the clock as it was.
    for name in ("row_open_L", "row_signal_LS"):
        arrays[name][0, last][:2] = 0
    np.testing.assert_array_equal(policy.rows_said(arrays, vectors)[0, last, pooled:], taste_LZ)
