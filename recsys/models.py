"""Tracks, recommendations, feedback. Before: catalogue.py imports, pages and API send. After: learning reads the log."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Listener
from training.models import PolicyVersion


class TrackQuerySet(models.QuerySet["Track"]):
    """Questions many places ask of tracks."""

    def visible_to(self, listener: Listener | None) -> TrackQuerySet:
        """The catalogue, shared pieces, and the listener's own pieces."""
        return self.filter(Q(owner__isnull=True) | Q(is_shared=True) | (Q(owner=listener) if listener else Q(pk=None)))

    def recommendable(self) -> TrackQuerySet:
        """What may be recommended to anyone: the catalogue and shared pieces that staff approved."""
        return self.filter(Q(owner__isnull=True) | Q(is_shared=True, is_approved=True))

    def known_styles(self) -> set[str]:
        """The styles of the catalogue: those that the composer learned from, and that a listener can like."""
        return set(self.filter(owner__isnull=True).order_by().values_list("style", flat=True).distinct())


class Track(models.Model):
    """Anything that can be played: a tune of the catalogue or a composed piece."""

    title = models.CharField(max_length=200)
    artist = models.CharField(max_length=200, blank=True)
    style = models.CharField(max_length=40, db_index=True)
    collection = models.CharField(max_length=60, db_index=True)
    source = models.CharField(max_length=300, blank=True)
    """Where it came from: file and number in the collection, or the piece's recipe."""
    licence = models.CharField(max_length=200, blank=True)
    owner = models.ForeignKey(Listener, null=True, blank=True, on_delete=models.CASCADE, related_name="own_tracks")
    """Set for composed pieces: private to this listener until shared."""
    is_shared = models.BooleanField(default=False)
    is_approved = models.BooleanField(default=False)
    """Staff let it be recommended to others."""
    tonic = models.PositiveSmallIntegerField()
    """Pitch class 0 … 11, C = 0."""
    mode = models.CharField(max_length=12)
    metre = models.CharField(max_length=8)
    """As written, for example `6/8`."""
    tempo = models.FloatField()
    """Quarter notes per minute."""
    bars = models.PositiveIntegerField()
    duration_seconds = models.FloatField()
    note_count = models.PositiveIntegerField()
    score = models.JSONField()
    """`music.notes.Score.to_json()`: the notes, exactly."""
    features = ArrayField(models.FloatField())
    """φ of `music.features`, in the order of `music.features.NAMES`."""
    content_hash = models.CharField(max_length=64)
    """sha256 of the notes transposed to one tonic: duplicates of the catalogue are dropped by it."""
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = TrackQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["content_hash"], condition=Q(owner__isnull=True), name="catalogue_has_no_duplicates"
            ),
            models.CheckConstraint(condition=Q(tonic__lte=11), name="tonic_is_a_pitch_class"),
            models.CheckConstraint(condition=Q(duration_seconds__gt=0, tempo__gt=0), name="track_takes_time"),
        ]
        indexes = [
            GinIndex(fields=["title"], opclasses=["gin_trgm_ops"], name="track_title_trigrams"),
            models.Index(fields=["title", "id"], name="track_title_order"),
        ]

    def __str__(self) -> str:
        return self.title


class Preferences(models.Model):
    """What a listener declared, kept as versions: the last one received before a request is the one it saw."""

    listener = models.ForeignKey(Listener, on_delete=models.CASCADE, related_name="preferences")
    styles = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    """Declared tastes."""
    diversity = models.FloatField(default=0.3)
    """Dial 0 … 1."""
    recently_heard = models.PositiveIntegerField(default=50)
    """The last N heard tracks are not recommended."""
    is_private_session = models.BooleanField(default=False)
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["listener", "received_at"], name="preferences_as_of")]
        constraints = [models.CheckConstraint(condition=Q(diversity__gte=0, diversity__lte=1), name="diversity_is_a_share")]

    def __str__(self) -> str:
        return f"preferences {self.pk} of {self.listener_id}"


class Recommendation(models.Model):
    """One slate, as logged: everything off-policy evaluation needs, because it can't be added later."""

    listener = models.ForeignKey(Listener, on_delete=models.CASCADE, related_name="recommendations")
    created_at = models.DateTimeField(default=timezone.now)
    """The request's moment: its state was built from rows received until then."""
    slot = models.CharField(max_length=20, default="recommender")
    policy_version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT)
    is_canary = models.BooleanField(default=False)
    seed = models.BigIntegerField()
    epsilon = models.FloatField()
    context = models.JSONField(default=dict)
    """Surface (`home`, `radio`, `api`), hour and weekday of the listener, filters asked for."""
    dials = models.JSONField(default=dict)
    """Diversity, window of recently heard, declared styles: as they were."""
    banned = ArrayField(models.BigIntegerField(), default=list)
    candidates = ArrayField(models.BigIntegerField())
    """The open tracks this request chose from, at most 256, a quarter or more of them drawn uniformly."""
    tracks = ArrayField(models.BigIntegerField())
    """The slate, in order."""
    scores = ArrayField(models.FloatField())
    """Q of each pick."""
    probabilities = ArrayField(models.FloatField())
    """Exact probability of each pick given the picks before it."""
    reasons = models.JSONField(default=list)

    class Meta:
        indexes = [models.Index(fields=["listener", "created_at"], name="recommendations_as_of")]
        constraints = [
            models.CheckConstraint(condition=Q(epsilon__gte=0.1, epsilon__lte=1), name="epsilon_explores"),
        ]

    def __str__(self) -> str:
        return f"recommendation {self.pk}"


class Feedback(models.Model):
    """One raw signal of a listener about a track. Rows are only ever added: the last one of a kind counts."""

    class Kind(models.TextChoices):
        """What happened."""

        PLAY = "play", _("played: value = seconds really heard, sent when the play ends")
        SKIP = "skip", _("pressed next; the play itself is a row of its own")
        LIKE = "like", _("liked")
        UNLIKE = "unlike", _("took the like back")
        DISLIKE = "dislike", _("disliked")
        UNDISLIKE = "undislike", _("took the dislike back")
        RATE = "rate", _("rated: value = 1 … 5 stars")
        UNRATE = "unrate", _("took the rating back")
        BAN = "ban", _("never play this again")
        UNBAN = "unban", _("lifted the ban")

    # Indexes of more than the key begin with each of these two.
    listener = models.ForeignKey(Listener, on_delete=models.CASCADE, related_name="feedback", db_index=False)
    client_id = models.UUIDField()
    """Made by the client: a retry is harmless."""
    track = models.ForeignKey(Track, on_delete=models.CASCADE, related_name="feedback", db_index=False)
    recommendation = models.ForeignKey(
        Recommendation, null=True, blank=True, on_delete=models.SET_NULL, related_name="feedback"
    )
    position = models.PositiveSmallIntegerField(null=True, blank=True)
    """Place in the slate, from 0."""
    kind = models.CharField(max_length=10, choices=Kind.choices)
    value = models.FloatField(null=True, blank=True)
    track_position_seconds = models.FloatField(null=True, blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["listener", "received_at"], name="feedback_as_of"),
            models.Index(fields=["listener", "-occurred_at", "-id"], name="feedback_newest_first"),
            models.Index(fields=["listener", "kind", "-occurred_at", "-id"], name="feedback_of_a_kind"),
            models.Index(fields=["listener", "track", "-occurred_at", "-id"], name="feedback_of_a_track"),
            models.Index(
                fields=["listener", "track", "-occurred_at", "-id"],
                include=["kind", "value", "received_at"],
                condition=Q(kind__in=["like", "unlike", "dislike", "undislike", "rate", "unrate", "ban", "unban"]),
                name="feedback_opinions",
            ),
            models.Index(fields=["track", "kind"], name="feedback_by_track"),
            models.Index(fields=["received_at"], name="feedback_by_day"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["listener", "client_id"], name="feedback_once"),
            models.CheckConstraint(
                condition=~Q(kind="rate") | Q(value__gte=1, value__lte=5), name="rating_has_one_to_five_stars"
            ),
            models.CheckConstraint(condition=~Q(kind="play") | Q(value__gte=0), name="play_has_seconds"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.track_id} by {self.listener_id}"


class Choice(models.Model):
    """Which of two short pieces a listener preferred, heard one after the other. Rows are only ever added."""

    class Answer(models.TextChoices):
        """What was said."""

        FIRST = "first", _("the first one")
        SECOND = "second", _("the second one")
        NO_DIFFERENCE = "no_difference", _("no difference")
        SKIP = "skip", _("skipped: it says nothing")

    listener = models.ForeignKey(Listener, on_delete=models.CASCADE, related_name="choices")
    client_id = models.UUIDField()
    """Made by the client: a retry is harmless."""
    answer = models.CharField(max_length=14, choices=Answer.choices)
    first_features = ArrayField(models.FloatField())
    """φ of what was heard first, which need not be a whole track."""
    second_features = ArrayField(models.FloatField())
    first_heard_seconds = models.FloatField(null=True, blank=True)
    """As the client measured it; null where it did not."""
    second_heard_seconds = models.FloatField(null=True, blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["listener", "received_at"], name="choices_as_of")]
        constraints = [
            models.UniqueConstraint(fields=["listener", "client_id"], name="choice_once"),
            models.CheckConstraint(
                condition=(Q(first_heard_seconds=None) | Q(first_heard_seconds__gte=0))
                & (Q(second_heard_seconds=None) | Q(second_heard_seconds__gte=0)),
                name="heard_seconds_are_seconds",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.answer} by {self.listener_id}"


class RewardVersion(models.Model):
    """What feedback is worth. Changing a weight makes a new version; old runs keep theirs."""

    weights = models.JSONField()
    """Fields of `recsys.rewards.RewardWeights`."""
    is_active = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["is_active"], condition=Q(is_active=True), name="one_active_reward_version")
        ]

    def __str__(self) -> str:
        return f"reward version {self.pk}"


class CatalogueImport(models.Model):
    """One import and how far it is: shown in the page while music arrives."""

    collection = models.CharField(max_length=300)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    failures: Any = models.JSONField(default=list)
    """List of {file, error}: one bad file stops nothing."""
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.collection}: {self.done} of {self.total}"
