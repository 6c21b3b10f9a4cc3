"""What the recommender keeps about a listener: to export or erase. Before: apps.py registers. After: accounts/privacy.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accounts.models import Listener
from accounts.privacy import Part, rows_of
from recsys.exports import remove_exports_of
from recsys.learning.shards import forget
from recsys.models import Choice, Feedback, Preferences, Recommendation, Track
from recsys.taste import profile


def export_preferences(listener: Listener) -> Iterator[dict[str, Any]]:
    """Every version of what was declared, oldest first."""
    fields = ("received_at", "styles", "diversity", "recently_heard", "is_private_session")
    return rows_of(Preferences.objects.filter(listener=listener).order_by("received_at", "id").values(*fields))


def export_feedback(listener: Listener) -> Iterator[dict[str, Any]]:
    """Every signal, oldest first, with the track's title, so that it can be read without this installation."""
    fields = ("client_id", "kind", "value", "track", "track__title", "track__source", "track_position_seconds")
    more = ("recommendation", "position", "occurred_at", "received_at")
    return rows_of(Feedback.objects.filter(listener=listener).order_by("occurred_at", "id").values(*fields, *more))


def export_choices(listener: Listener) -> Iterator[dict[str, Any]]:
    """Every choice between two pieces, oldest first, with the features of what was heard."""
    fields = ("client_id", "answer", "first_heard_seconds", "second_heard_seconds", "occurred_at", "received_at")
    rows = Choice.objects.filter(listener=listener).order_by("id")
    return rows_of(rows.values(*fields, "first_features", "second_features"))


def export_recommendations(listener: Listener) -> Iterator[dict[str, Any]]:
    """Every slate as logged, oldest first: what was recommended, why, by which policy version, and from what it was chosen."""
    fields = ("id", "created_at", "slot", "policy_version", "is_canary", "seed", "epsilon", "context", "dials", "banned")
    more = ("candidates", "tracks", "scores", "probabilities", "reasons")
    return rows_of(Recommendation.objects.filter(listener=listener).order_by("created_at", "id").values(*fields, *more))


def export_taste(listener: Listener) -> dict[str, Any]:
    """What was learnt from it: the taste as it stands now."""
    found = profile(listener)
    return {
        "answers": found.answers,
        "certainty": found.certainty,
        "abstains": found.abstains,
        "weights": {each.name: [each.mean, each.standard_deviation] for each in found.likings},
    }


def erase_files_of_own_tracks(listener: Listener) -> None:
    """Removes rendered sound and scores of the listener's pieces; the rows themselves vanish with the listener."""
    for track in Track.objects.filter(owner=listener).iterator():
        remove_exports_of(track)


PARTS = (
    Part(name="preferences", export=export_preferences),
    Part(name="feedback", export=export_feedback, erase=forget),
    Part(name="choices", export=export_choices),
    Part(name="recommendations", export=export_recommendations),
    Part(name="taste", export=export_taste, erase=erase_files_of_own_tracks),
)
