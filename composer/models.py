"""Pieces and what was asked for. Before: steering.py checks the wish. After: composing.py writes, tracks play."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Listener
from recsys.models import Choice, Track
from training.models import PolicyVersion


class Piece(models.Model):
    """A composed track with its recipe. Nothing is ever overwritten: a changed piece is a new one with a parent."""

    track = models.OneToOneField(Track, on_delete=models.CASCADE, related_name="piece")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="variations")
    source = models.ForeignKey(Track, null=True, blank=True, on_delete=models.SET_NULL, related_name="derived_pieces")
    """The track whose melody it was made from: the parent's, or one of the catalogue."""
    policy_version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT)
    recipe = models.JSONField()
    """Everything it came from: policy version and prior hash, code revision, seed, steering, primer, locks, taste vector."""
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.track)


class Commission(models.Model):
    """A wish for a piece on its way: queued, composing, done or failed with a reason the listener can act on."""

    class Status(models.TextChoices):
        """Where it stands."""

        QUEUED = "queued", _("queued")
        COMPOSING = "composing", _("composing")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    """May be made by the client: the same id asked twice gives the same piece."""
    listener = models.ForeignKey(Listener, on_delete=models.CASCADE, related_name="commissions")
    steering = models.JSONField()
    seed = models.BigIntegerField()
    parent = models.ForeignKey(Piece, null=True, blank=True, on_delete=models.SET_NULL, related_name="wishes")
    """The piece it varies, if any."""
    task = models.JSONField(default=dict, blank=True)
    """`MelodyTask.to_json()` where a melody is worked on, else empty. It holds the melody itself: that can't change."""
    source = models.ForeignKey(Track, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    """The track whose melody the task was given, if it was one."""
    prompt = models.JSONField(default=dict, blank=True)
    """`Prompt.to_json()`: the words, lyrics or picture that the steering was read from, if any. Only lyrics are used again."""
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    progress = models.FloatField(default=0)
    error = models.TextField(blank=True)
    piece = models.OneToOneField(Piece, null=True, blank=True, on_delete=models.SET_NULL, related_name="commission")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(progress__gte=0, progress__lte=1), name="commission_progress_is_a_share")
        ]

    def __str__(self) -> str:
        return f"{self.status} for {self.listener_id}"


class BlindPair(models.Model):
    """Two short pieces for “which do you prefer?”. Who made which stays hidden until it is answered."""

    class Author(models.TextChoices):
        """Who made one of the two."""

        COMPOSER = "composer", _("your composer")
        PRIOR = "prior", _("the prior alone")
        HUMAN = "human", _("a person")
        CHALLENGER = "challenger", _("the composer on trial")

    class Status(models.TextChoices):
        """Where it stands. An answered pair has its choice."""

        QUEUED = "queued", _("queued")
        COMPOSING = "composing", _("composing")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    listener = models.ForeignKey(Listener, on_delete=models.CASCADE, related_name="pairs")
    first_author = models.CharField(max_length=10, choices=Author.choices)
    """Of A, the left one. Which of the two authors is left is drawn at random."""
    second_author = models.CharField(max_length=10, choices=Author.choices)
    champion = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="+")
    """Served when the pair was asked for."""
    trial = models.ForeignKey(PolicyVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    """The version on trial, where it is one of the authors."""
    seed = models.BigIntegerField()
    """Tune, key, metre and tastes drawn follow from it."""
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    error = models.TextField(blank=True)
    choice = models.OneToOneField(Choice, null=True, blank=True, on_delete=models.CASCADE, related_name="pair")
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    shown_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at"]
        indexes = [models.Index(fields=["listener", "created_at"], name="pairs_of_listener")]

    def __str__(self) -> str:
        return f"{self.first_author} and {self.second_author} for {self.listener_id}"


class Side(models.Model):
    """One of the two pieces of a blind pair: A or B."""

    PLACES = ("a", "b")

    pair = models.ForeignKey(BlindPair, on_delete=models.CASCADE, related_name="sides")
    place = models.PositiveSmallIntegerField()
    """0 is A, 1 is B."""
    score = models.JSONField()
    """`music.notes.Score.to_json()` without a title."""
    features = ArrayField(models.FloatField())
    policy_version = models.ForeignKey(PolicyVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    recipe = models.JSONField(null=True, blank=True)
    """As of a piece: what it was composed from; null for a tune."""
    track = models.ForeignKey(Track, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    """The tune of the catalogue whose first bars these are."""
    piece = models.OneToOneField(Piece, null=True, blank=True, on_delete=models.SET_NULL, related_name="side")
    """What became of it when the listener kept it."""

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["pair", "place"], name="one_side_per_place"),
            models.CheckConstraint(condition=Q(place__lte=1), name="a_pair_has_two_sides"),
        ]

    def __str__(self) -> str:
        return f"{self.PLACES[self.place].upper()} of {self.pair_id}"
