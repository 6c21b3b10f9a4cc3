"""Pieces and what was asked for. Before: steering.py checks the wish. After: composing.py writes, tracks play."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Listener
from recsys.models import Track
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
    """`Prompt.to_json()`: the words, lyrics or picture that the steering was read from, if any. It steers no note."""
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
