"""What past rows say of a listener's taste: Bayesian linear regression, by the policy that serves and by the network alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recsys.learning.dqn_policy import DqnPolicy
from recsys.learning.replay_dataset import ReplayDataset
from recsys.learning.windows import SIGNAL_NAMES, WINDOW


def seen(rows: list[tuple[int, str, float]]) -> dict[str, np.ndarray]:
    """One state of these (row of the table, kind, completion), newest last."""
    signal_SLX = np.zeros((1, WINDOW, len(SIGNAL_NAMES)), dtype=np.float32)
    track_SL, open_SL = np.zeros((1, WINDOW), dtype=np.int64), np.zeros((1, WINDOW), dtype=np.bool_)
    for at, (track, kind, completion) in enumerate(rows, start=WINDOW - len(rows)):
        track_SL[0, at], open_SL[0, at] = track, True
        signal_SLX[0, at, SIGNAL_NAMES.index(kind)] = 1.0
        signal_SLX[0, at, SIGNAL_NAMES.index("completion")] = completion
    clock = np.zeros((1, 8), dtype=np.float32)
    return {"row_track_L": track_SL, "row_open_L": open_SL, "row_signal_LS": signal_SLX, "clock_C": clock}


def tastes(policy: DqnPolicy, dataset: ReplayDataset, rows: list[tuple[int, str, float]]) -> np.ndarray:
    """The posterior mean, all models side by side."""
    arrays, vectors = seen(rows), policy.vectors(dataset.table)
    pooled = policy.configuration.attention_heads * vectors.z_TZ.shape[1]
    return np.asarray(policy.rows_said(arrays, vectors)[0, :, pooled:].sum(axis=0))


def test_the_taste_is_the_ridge_regression_of_what_rows_said(trained: Path, dataset: ReplayDataset) -> None:
    policy = DqnPolicy.load(trained)
    rows = [(0, "play", 1.0), (1, "play", 0.1), (2, "play", 0.9), (2, "like", 0.0)]
    arrays, vectors, w = seen(rows), policy.vectors(dataset.table), policy.weights
    models, width = w["taste_precision_Mk"].shape[0], policy.configuration.identity_width
    signal_RX = arrays["row_signal_LS"][0, -len(rows) :].astype(np.float64)
    seen_RX = np.concatenate([signal_RX, np.zeros((len(rows), 8))], axis=1)
    hidden_RU = np.maximum(seen_RX @ w["weigh_hidden.weight"].T + w["weigh_hidden.bias"], 0.0)
    said_R = signal_RX @ w["says.weight"][0] + w["says.bias"] + hidden_RU @ w["says_further.weight"][0] + w["says_further.bias"]
    track_R = [track for track, _, _ in rows]
    found = tastes(policy, dataset, rows).reshape(models, width)

    for model in range(models):
        here = slice(model * width, (model + 1) * width)
        e_Rk = np.column_stack([vectors.known_TX[track_R, here], np.ones(len(rows))]).astype(np.float64)
        unsure_k = np.append(w["unsure_TZ"][track_R, here].sum(axis=0), 0.0) * w["row_precision"]
        precision_kk = np.diag(w["taste_precision_Mk"][model] + unsure_k) + w["row_precision"] * e_Rk.T @ e_Rk
        expected_k = np.linalg.solve(precision_kk, w["row_precision"] * e_Rk.T @ (said_R - vectors.known_TX[track_R, -1]))
        np.testing.assert_allclose(found[model], expected_k[:-1], rtol=1e-5, atol=1e-7)


def test_rows_that_say_nothing_of_pleasure_leave_the_taste(trained: Path, dataset: ReplayDataset) -> None:
    policy = DqnPolicy.load(trained)

    assert np.array_equal(tastes(policy, dataset, []), np.zeros(policy.weights["identity_TZ"].shape[1]))
    assert np.abs(tastes(policy, dataset, [(0, "unlike", 0.0), (1, "unban", 0.0), (2, "skip", 0.0)])).max() == 0.0
    assert np.abs(tastes(policy, dataset, [(0, "dislike", 0.0)])).max() > 0.0


def test_liked_tracks_raise_those_that_the_same_listeners_like(trained: Path, dataset: ReplayDataset) -> None:
    policy = DqnPolicy.load(trained)
    is_first_T = np.isin(np.array(dataset.table.style_names), ["reel", "air"])
    first, second = np.flatnonzero(is_first_T), np.flatnonzero(~is_first_T)
    known_TX, models = policy.vectors(dataset.table).known_TX, policy.configuration.taste_models

    for liked, other in ((first, second), (second, first)):
        taste_Z = tastes(policy, dataset, [(int(track), "play", 1.0) for track in liked[:3]])
        expected_T = known_TX[:, : len(taste_Z)] @ taste_Z / models
        assert expected_T[liked[3:]].mean() > expected_T[other].mean() + 0.1
