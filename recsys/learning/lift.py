"""What one version's slates really brought beside another's. Before: the log. After: training/lifts.py, the dashboard."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import numpy as np

from recsys.feedback import rows_of
from recsys.learning.off_policy.estimators import Estimator, ratio
from recsys.learning.off_policy.intervals import estimate
from recsys.models import Recommendation, Track
from recsys.rewards import active_weights, rewards_of
from training.slots import ObservedLift, Served

MOST_LISTENERS = 2000
"""Of each version, the first ones seen: reading more would take minutes and narrow the interval little."""


def observed_lift(new: Served, old: Served) -> ObservedLift | None:
    """Reward per shown track of the new version's slates less that of the old one's, as the gate's estimates count it.

    A listener whom both served is drawn into a resample with both parts."""
    shown = _shown(new), _shown(old)
    if not all(shown):
        return None
    listeners = sorted({listener for each in shown for listener in each})
    place = {listener: at for at, listener in enumerate(listeners)}
    columns_LK = np.zeros((len(listeners), 4))
    for listener in listeners:
        slates = [each.get(listener, {}) for each in shown]
        earned = _earned(listener, {slate for each in slates for slate in each}, min(new.since, old.since))
        for arm, each in enumerate(slates):
            columns_LK[place[listener], 2 * arm] = sum(earned.get(slate, 0.0) for slate in each)
            columns_LK[place[listener], 2 * arm + 1] = sum(each.values())
    difference = Estimator(columns_RK=columns_LK, of_sums=lambda s: ratio(s[..., 0], s[..., 1]) - ratio(s[..., 2], s[..., 3]))
    found = estimate(difference, np.arange(len(listeners)))
    is_known = min(len(each) for each in shown) > 1 and np.isfinite([found.low, found.high]).all()
    return ObservedLift(
        value=found.value,
        low=found.low if is_known else None,
        high=found.high if is_known else None,
        listeners=len(shown[0]),
        previous_listeners=len(shown[1]),
    )


def _shown(served: Served) -> dict[int, dict[int, int]]:
    """Listener → slate → number of tracks in it. What is heard in private is not in the log: those slates are left out."""
    rows = Recommendation.objects.filter(
        policy_version_id=served.version_id, created_at__gte=served.since, created_at__lt=served.until
    ).exclude(dials__is_private_session=True)
    found: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for listener, slate, tracks in rows.order_by("id").values_list("listener_id", "id", "tracks"):
        if tracks and (listener in found or len(found) < MOST_LISTENERS):
            found[listener][slate] = len(tracks)
    return dict(found)


def _earned(listener_id: int, slates: set[int], since: datetime) -> dict[int, float]:
    """Slate → summed reward of the tracks that were played from it. Nothing of a slate was received before the slate was made,
    so rows received before `since` are not read: years of listening cost nothing."""
    rows = rows_of(listener_id, since=since)
    ids = {row.track_id for row in rows}
    durations = dict(Track.objects.filter(pk__in=ids).values_list("id", "duration_seconds"))
    found: defaultdict[int, float] = defaultdict(float)
    for session in rewards_of(rows, durations, active_weights()):
        for transition in session:
            slate = transition.play.recommendation_id
            if slate in slates and slate is not None:
                found[slate] += transition.reward
    return found
