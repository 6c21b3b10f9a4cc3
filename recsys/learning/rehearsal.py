"""A policy meets simulated listeners in memory before it meets people. Before: simulation.py. After: the gate.

Letters: L listeners, n candidates. Their tastes are nobody's: what shows is whether a policy listens, varies and tires."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from accounts.models import Listener
from dqn.policy import draw_sequentially
from recsys.feedback import FeedbackRow, NewFeedback
from recsys.hidden_catalogue import CHARACTERS, HiddenCatalogue
from recsys.learning.features import TrackTable, state_of_rows
from recsys.learning.off_policy.estimators import Estimator
from recsys.learning.off_policy.intervals import Estimate, estimate
from recsys.learning.policy import RecommenderPolicy
from recsys.models import Recommendation, Track
from recsys.rewards import RewardWeights, rewards_of
from recsys.simulation import SLATE, Population, SimulatedListener
from recsys.slates import slate_gain

LISTENERS = 40
TRACKS = 300
CANDIDATES = 64
EPSILON = 0.1
DIVERSITY = 0.3
LEAST_SHARE = 0.9
"""Of the champion's reward per session: less, beyond doubt, is a failure."""
Floats = NDArray[np.float64]


class Rehearsal:
    """The same listeners, tracks and dice for each policy."""

    def __init__(self, table: TrackTable, moment: datetime, weights: RewardWeights, *, seed: int = 0) -> None:
        self.table, self.weights, self.seed = table, weights, seed
        # So long before the log's last full hour that no session lasts into a time of which more will be known later.
        self.moment = moment.replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)
        recommendable = table.ids_T[table.recommendable_T]
        generator = np.random.default_rng([seed, 20])
        chosen = generator.choice(recommendable, min(TRACKS, len(recommendable)), replace=False)
        rows = Track.objects.filter(pk__in=chosen.tolist()).order_by("id")
        tracks = list(rows.values_list("id", "score", "style", "duration_seconds", "features"))
        self.catalogue = HiddenCatalogue.of_tracks(tracks, seed)
        self.track_ids = [track[0] for track in tracks]
        self.durations = {track[0]: track[3] for track in tracks}

    def difference(self, new: RecommenderPolicy, old: RecommenderPolicy) -> tuple[Estimate, Estimate]:
        """(reward per session of the new one less LEAST_SHARE of the old one's, that of the old one)."""
        mine_L, theirs_L = self.rewards(new), self.rewards(old)
        listener_L = np.arange(len(mine_L))
        # Of the mean, not of each listener: a share of rewards of either sign would count losses twice.
        allowed = (1 - LEAST_SHARE) * abs(float(theirs_L.mean()))
        return (
            estimate(_mean(mine_L - theirs_L + allowed), listener_L),
            estimate(_mean(theirs_L), listener_L),
        )

    def rewards(self, policy: RecommenderPolicy) -> Floats:
        """What one session of each listener brings."""
        stage = _Stage(self, policy)
        population = self._population()
        population.live(self.moment + timedelta(seconds=1), serve=stage.serve, record=stage.record)
        rewards = []
        for each in population.listeners:
            sessions = rewards_of(stage.rows[each.listener.pk], self.durations, self.weights)
            rewards.append(sum(transition.reward for session in sessions for transition in session))
        return np.array(rewards, dtype=np.float64)

    def _population(self) -> Population:
        """Listeners who exist nowhere else, each due for one session at the same moment."""
        generator = np.random.default_rng([self.seed, 21])
        listeners = [
            SimulatedListener(
                listener=Listener(pk=-1 - index, external_id=f"rehearsal-{index}", is_simulated=True),
                taste_D=generator.normal(size=CHARACTERS) / math.sqrt(CHARACTERS),
                generator=np.random.default_rng([self.seed, 22, index]),
                sessions_a_day=1.0,
            )
            for index in range(LISTENERS)
        ]
        return Population(
            catalogue=self.catalogue, listeners=listeners, due=[(self.moment, index) for index in range(len(listeners))]
        )


class _Stage:
    """Serves one policy's slates as recommending does, and keeps the rows that its states are made of."""

    def __init__(self, rehearsal: Rehearsal, policy: RecommenderPolicy) -> None:
        self.rehearsal, self.policy = rehearsal, policy
        self.rows: defaultdict[int, list[FeedbackRow]] = defaultdict(list)
        self.slates = 0

    def serve(self, listener: Listener, moment: datetime, seed: int) -> Recommendation:
        """A slate out of tracks not heard yet."""
        generator = np.random.default_rng(seed)
        rows = self.rows[listener.pk]
        heard = {row.track_id for row in rows}
        open_ids = [track for track in self.rehearsal.track_ids if track not in heard]
        self.slates += 1
        if not open_ids:
            return Recommendation(pk=self.slates, listener=listener, tracks=[])
        drawn = generator.choice(len(open_ids), min(CANDIDATES, len(open_ids)), replace=False)
        candidates = [open_ids[at] for at in np.sort(drawn)]
        state = replace(state_of_rows(listener.pk, moment, rows, zone=listener.time_zone), is_counted=False)
        scores_Hn = self.policy.score(state, candidates)
        gain = slate_gain(self.policy, state, scores_Hn, self.rehearsal.table, candidates, count=SLATE, diversity=DIVERSITY)
        slate = draw_sequentially(gain, SLATE, epsilon=EPSILON, temperature=self.policy.temperature, generator=generator)
        return Recommendation(pk=self.slates, listener=listener, tracks=[candidates[pick] for pick in slate.picks])

    def record(self, listener: Listener, rows: Sequence[NewFeedback], moment: datetime) -> None:
        """Feedback as the next state sees it."""
        kept = self.rows[listener.pk]
        for row in rows:
            kept.append(row.as_row(len(kept), moment))


def _mean(values_L: Floats) -> Estimator:
    columns_LK = np.stack([values_L, np.ones_like(values_L)], axis=1)
    return Estimator(columns_RK=columns_LK, of_sums=lambda sums: np.asarray(sums[..., 0] / sums[..., 1]))
