"""What listeners really did with one policy version. Before: the log. After: alarms of training, the dashboard."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from recsys.rewards import active_weights

_GUARDS = """
WITH shown AS (
    SELECT r.id, r.listener_id, r.created_at, s.track_id
    FROM recsys_recommendation r, unnest(r.tracks) AS s(track_id)
    WHERE r.policy_version_id = %(version)s AND r.created_at >= %(since)s
), judged AS (
    SELECT shown.*, play.value AS heard_seconds, track.duration_seconds,
           (SELECT f.kind FROM recsys_feedback f
            WHERE f.listener_id = shown.listener_id AND f.track_id = shown.track_id
              AND f.received_at <= shown.created_at AND f.kind IN ('dislike', 'undislike', 'like')
            ORDER BY f.occurred_at DESC, f.id DESC LIMIT 1) AS opinion,
           (SELECT f.kind FROM recsys_feedback f
            WHERE f.listener_id = shown.listener_id AND f.track_id = shown.track_id
              AND f.received_at <= shown.created_at AND f.kind IN ('ban', 'unban')
            ORDER BY f.occurred_at DESC, f.id DESC LIMIT 1) AS ban
    FROM shown
    JOIN recsys_track track ON track.id = shown.track_id
    LEFT JOIN recsys_feedback play
      ON play.recommendation_id = shown.id AND play.track_id = shown.track_id AND play.kind = 'play'
), told AS (
    SELECT f.kind FROM recsys_feedback f JOIN recsys_recommendation r ON r.id = f.recommendation_id
    WHERE r.policy_version_id = %(version)s AND r.created_at >= %(since)s AND f.kind IN ('like', 'dislike')
)
SELECT count(*), count(heard_seconds), count(DISTINCT track_id), count(*) FILTER (WHERE opinion = 'dislike' OR ban = 'ban'),
       count(*) FILTER (WHERE heard_seconds < least(%(early_seconds)s, duration_seconds * %(early_share)s)),
       coalesce(avg(least(1, heard_seconds / duration_seconds)), 0),
       (SELECT count(*) FROM told), (SELECT count(*) FROM told WHERE kind = 'dislike')
FROM judged
"""


def guard_metrics(version_id: int, since: datetime) -> dict[str, float]:
    """Shown and played tracks, skip rate (left early, of played), coverage (share of the catalogue shown), disliked served
    (shown although it was disliked or banned then).

    `opinions` are likes and dislikes given to what its slates held, `disliked_share` the share of dislikes among them."""
    weights = active_weights()
    with connection.cursor() as cursor:
        early = {"early_seconds": weights.early_leave_seconds, "early_share": weights.early_leave_share}
        cursor.execute(_GUARDS, {"version": version_id, "since": since, **early})
        shown, played, different, disliked, left_early, completion, opinions, dislikes = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM recsys_track WHERE owner_id IS NULL OR (is_shared AND is_approved)")
        (catalogue,) = cursor.fetchone()
    return {
        "shown": float(shown),
        "plays": float(played),
        "played_share": played / shown if shown else 0.0,
        "skip_rate": left_early / played if played else 0.0,
        "completion": float(completion),
        "coverage": different / catalogue if catalogue else 0.0,
        "disliked_served": float(disliked),
        "opinions": float(opinions),
        "disliked_share": dislikes / opinions if opinions else 0.0,
    }
