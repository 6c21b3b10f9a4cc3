"""Ratings as the service hears them, and people asked by the service's own policy. Before: real_listeners_sessions, recsys.

A rating becomes one play: who liked a track heard most of it. The service knows of these tracks their ids alone.
Letters: N people of training, P people being asked, I tracks, T steps, C counts of steps."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from bench.real_listeners_draws import LIKED
from bench.real_listeners_sessions import COUNTED_AFTER, STEPS, People
from bench.real_listeners_tastes import Floats, Indices
from bench.rows_log import log_of_rows
from bench.run_context import Context

LENGTH_SECONDS = 240.0
HEARD_SHARE = {1: 0.15, 2: 0.4, 3: 0.8, 4: 1.0}
"""Of the track, by rating; set once, before anything was compared, with the largest step at the first like."""
START = datetime(2024, 1, 1, 12, tzinfo=UTC)


def heard(number: int, track: int, began: datetime, rating: float) -> Any:
    """The row of feedback that tells this rating."""
    from recsys.feedback import FeedbackRow

    lowest, highest = min(HEARD_SHARE), max(HEARD_SHARE)
    seconds = LENGTH_SECONDS * HEARD_SHARE[int(np.clip(rating, lowest, highest))]
    ended = began + timedelta(seconds=seconds)
    return FeedbackRow(
        id=number, track_id=track + 1, kind="play", value=seconds, track_position_seconds=None, occurred_at=ended,
        received_at=ended, recommendation_id=None, position=None,
    )  # fmt: skip


def train_ours(rated_NI: Floats, options: Namespace, folder: Path, seed: int, **changes: Any) -> tuple[Any, Any]:
    """The service's dataset and training on what training people rated, each person's tracks in an order drawn once.

    Returns the policy and its table of tracks."""
    from recsys.learning import replay_dataset, training
    from recsys.learning.configuration import RecommenderConfiguration
    from recsys.learning.features import TrackTable
    from recsys.learning.policy import load_policy
    from recsys.rewards import RewardWeights

    generator = np.random.default_rng([seed, 7])
    rows_of_listener: dict[int, list[Any]] = {}
    number = 0
    for person, rated_I in enumerate(rated_NI):
        rows, began = [], START
        for track in generator.permutation(np.flatnonzero(~np.isnan(rated_I))).tolist():
            number += 1
            rows.append(heard(number, track, began, rated_I[track]))
            began = rows[-1].occurred_at + timedelta(seconds=1)
        rows_of_listener[person + 1] = rows
    as_of = START + timedelta(days=30)
    settled = {"held_out_share": 1e-9, "next_track_weight": 0.0}  # the order was drawn: it says nothing
    configuration = RecommenderConfiguration(**{**settled, **({"updates": 100} if options.quick else {}), **changes})
    table = TrackTable.from_rows((track + 1, [0.0], "", "", LENGTH_SECONDS, True) for track in range(rated_NI.shape[1]))
    dataset = replay_dataset.build(
        configuration, as_of=as_of, table=table, weights=RewardWeights(), log=log_of_rows(rows_of_listener, as_of)
    )
    context = Context(configuration=configuration, folder=folder, seed=seed, device=options.device)
    return load_policy("dqn", training.train(context, dataset).checkpoint), table


@dataclass(frozen=True)
class WithoutQ:
    """Of a trained policy the taste models of its state alone: the outcome that their posterior expects, greedily, as the
    closed form found it. No weight that gradients moved is looked at."""

    policy: Any

    def score_rows(self, state: Any, table: Any, rows_N: Indices) -> Floats:
        """What everybody thinks of each track, and ⟨taste, vector⟩ by the mean of the models, as if of one head, 1N."""
        vectors, known = self.policy.vectors(table), self.policy.known
        arrays, _ = self.policy.seen(state, vectors)
        place_N, (taste_Z,) = vectors.place_T[rows_N], self.policy.told(arrays, vectors).taste()
        alike_N = known.identity(place_N) @ taste_Z / self.policy.configuration.taste_models
        return np.asarray(known.popularity(place_N) + alike_N)[None]


def ask_by_policy(policy: Any, table: Any, people: People) -> Floats:
    """Likes of each person after COUNTED_AFTER steps, PC, asked for the open track with the highest score (mean over heads)."""
    from recsys.learning.features import state_of_rows

    like_PT = np.zeros((len(people), STEPS))
    for person in range(len(people)):
        track_A, rating_A = people.track_PA[person], people.rating_PA[person]
        open_A = people.is_rated_PA[person].copy()
        rows: list[Any] = []
        moment = START
        for step in range(min(STEPS, int(open_A.sum()))):
            place = np.flatnonzero(open_A)
            state = state_of_rows(person + 1, moment, rows, zone=ZoneInfo("UTC"))
            taken = place[policy.score_rows(state, table, track_A[place]).mean(axis=0).argmax()]
            open_A[taken] = False
            rows.append(heard(step + 1, int(track_A[taken]), moment, rating_A[taken]))
            moment = rows[-1].occurred_at + timedelta(seconds=1)
            like_PT[person, step] = rating_A[taken] >= LIKED
    return np.asarray(like_PT.cumsum(axis=1)[:, [after - 1 for after in COUNTED_AFTER]])
