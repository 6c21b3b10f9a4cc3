"""Logged slates as columns, one row per shown track. Before: replay_dataset.py's decisions. After: held_out.py.

Letters: n candidates, R choices (one per logged position), K features ψ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.feedback import SESSION_GAP
from recsys.learning.logged_slates import Decision
from recsys.learning.popularity import Popularity
from recsys.learning.replay_dataset import ReplayDataset
from recsys.learning.value_features import NAMES
from recsys.models import Feedback

LIKED_REWARD = 0.5
"""From this reward on, a played track counts as a hit that the ranking should have put first."""
SLATE_DISCOUNT = 0.9
"""Of what follows, per slate: how estimates of a whole session weigh it, whatever a learner's own discount is."""
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def reward_means(dataset: ReplayDataset) -> Popularity:
    """Shrunken mean reward of each track in the training part."""
    sums: dict[int, tuple[float, float]] = {}
    for row, reward, held_out in zip(dataset.track_N, dataset.reward_N, dataset.is_held_out_N, strict=True):
        if not held_out:
            track = int(dataset.table.ids_T[row])
            total, plays = sums.get(track, (0.0, 0.0))
            sums[track] = (total + float(reward), plays + 1)
    return Popularity.of_sums(sums)


def picks_of(decision: Decision) -> list[int]:
    """Places of the shown tracks among the candidates."""
    place = {track: at for at, track in enumerate(decision.candidates)}
    return [place[track] for track in decision.tracks]


def at_position(psi_K: Floats, position: int) -> Floats:
    """ψ of one place of the slate."""
    placed = psi_K.copy()
    placed[NAMES.index("position")] = position / 5.0
    return placed


def taken_features(decisions: Sequence[Decision], psi: Sequence[Floats]) -> Floats:
    """ψ_RK of what was shown."""
    rows = [
        at_position(psi_nK[pick], position)
        for decision, psi_nK in zip(decisions, psi, strict=True)
        for position, pick in enumerate(picks_of(decision))
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, len(NAMES))


def number_sessions(decisions: Sequence[Decision]) -> list[int]:
    """The session of each decision, numbered; a listener's next one begins after a gap without request or feedback."""
    numbers: list[int] = []
    for at, decision in enumerate(decisions):
        before = decisions[at - 1] if at else None
        moments = [before.state.moment, *(row.occurred_at for row in decision.state.rows[-1:])] if before else []
        goes_on = (
            before is not None
            and before.listener_id == decision.listener_id
            and decision.state.moment - max(moments) <= SESSION_GAP
        )
        numbers.append((numbers[-1] if numbers else -1) + (not goes_on))
    return numbers


def discounts_of(session_R: Integers, position_R: Integers) -> Floats:
    """What the next row of the log counts from here."""
    goes_on_R = np.append(session_R[1:] == session_R[:-1], False)
    new_slate_R = np.append(position_R[1:] == 0, False)
    return np.where(goes_on_R, np.where(new_slate_R, SLATE_DISCOUNT, 1.0), 0.0)


def returns_of(reward_R: Floats, discount_R: Floats) -> Floats:
    """Each reward with what follows it, discounted."""
    found = np.zeros_like(reward_R)
    after = 0.0
    for at in range(len(reward_R) - 1, -1, -1):
        after = found[at] = reward_R[at] + discount_R[at] * after
    return found


def ranks_of_hits(mean_n: Floats, picks: Sequence[int], rewards: Sequence[float]) -> list[int]:
    """Rank among the candidates of each shown track that was liked; equal scores count half of each other."""
    ranks = []
    for pick, reward in zip(picks, rewards, strict=True):
        if reward >= LIKED_REWARD:
            ties = int((mean_n == mean_n[pick]).sum()) - 1
            ranks.append(int((mean_n > mean_n[pick]).sum()) + ties // 2)
    return ranks


def heard_of(decisions: Sequence[Decision], dataset: ReplayDataset) -> tuple[Floats, Floats]:
    """Whether each shown track was played, and whether it was left early, by what was received until `as_of`."""
    rows = Feedback.objects.filter(
        kind="play", received_at__lte=dataset.as_of, recommendation_id__in=[each.recommendation_id for each in decisions]
    )
    seconds = {
        (recommendation, track): (value, duration)
        for recommendation, track, value, duration in rows.order_by("id").values_list(
            "recommendation_id", "track_id", "value", "track__duration_seconds"
        )
    }
    is_early = dataset.weights.is_left_early
    heard = [seconds.get((each.recommendation_id, track)) for each in decisions for track in each.tracks]
    played = np.array([one is not None for one in heard], dtype=np.float64)
    left = np.array([one is not None and is_early(one[0] or 0.0, one[1]) for one in heard], dtype=np.float64)
    return played, left
