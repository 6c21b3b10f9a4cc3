"""Slots, runs, policy versions, verdicts. Before: slots.py says what can be trained. After: runs.py, gate.py, promotion.py."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Run(models.Model):
    """One training: who asked, from what, with what, and what came of it."""

    class Trigger(models.TextChoices):
        """Who asked for the run."""

        START = "start", _("first start")
        SCHEDULE = "schedule", _("schedule")
        ADMIN = "admin", _("admin")
        API = "api", _("API")

    class Status(models.TextChoices):
        """Where the run stands."""

        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        STOPPED = "stopped", _("stopped")
        FINISHED = "finished", _("finished")
        FAILED = "failed", _("failed")
        SKIPPED = "skipped", _("skipped")

    slot = models.CharField(max_length=20, db_index=True)
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL)
    """The run whose checkpoint this one started from, or which it repeats."""
    starts_from = models.ForeignKey("PolicyVersion", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    """The version whose checkpoint it starts from, fixed when it was requested: a repeat starts there too."""
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED, db_index=True)
    is_stop_requested = models.BooleanField(default=False)
    configuration = models.JSONField(default=dict)
    seed = models.BigIntegerField(default=0)
    dataset_fingerprint = models.CharField(max_length=64, blank=True)
    dataset = models.JSONField(default=dict, blank=True)
    """Size and window of the replay dataset, as its builder describes it."""
    learned_from_erased = models.BooleanField(default=False)
    """A listener it may have learnt from was erased since: it can't be repeated."""
    code_revision = models.CharField(max_length=64, blank=True)
    device = models.CharField(max_length=80, blank=True)
    figures = models.JSONField(default=dict, blank=True)
    """What evaluation said at the end."""
    outcome = models.TextField(blank=True)
    """One sentence for people: why it failed, was stopped, or what it made."""
    progress = models.FloatField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.BigIntegerField(default=0)
    """Fencing: grows with every claim. A worker whose token is older may write nothing more."""
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["slot"], condition=models.Q(status__in=["queued", "running"]), name="one_open_run_per_slot"
            ),
            models.CheckConstraint(condition=models.Q(progress__gte=0, progress__lte=1), name="run_progress_is_a_share"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} ({self.slot})"


class RunMetric(models.Model):
    """One point of a run's curve."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metrics")
    step = models.BigIntegerField()
    name = models.CharField(max_length=60)
    value = models.FloatField()
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "name", "step"], name="one_point_per_step")]

    def __str__(self) -> str:
        return f"{self.name} = {self.value} at {self.step}"


class RunLine(models.Model):
    """One line of a run's log."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="lines")
    text = models.TextField()
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text


class PolicyVersion(models.Model):
    """Something that can serve in a slot. Popularity and the bare prior are versions too."""

    slot = models.CharField(max_length=20, db_index=True)
    kind = models.CharField(max_length=20)
    """What loads it: `popularity`, `dqn`, `prior` …, a name the slot's `load_policy` knows."""
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="versions")
    folder = models.CharField(max_length=200, blank=True)
    """The checkpoint's folder, relative to ENCORE_VAR; empty for versions without weights."""
    sha256 = models.CharField(max_length=64, blank=True)
    """Hash over the checkpoint's files; loading refuses another."""
    figures = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.slot} {self.pk} ({self.kind})"


class VersionDetails(models.Model):
    """What is known of a version beyond its figures, for its page. A row of its own: serving reads versions all the time."""

    version = models.OneToOneField(PolicyVersion, on_delete=models.CASCADE, related_name="details")
    details = models.JSONField()
    """`Trained.details`."""

    def __str__(self) -> str:
        return f"details of {self.version}"


class Slot(models.Model):
    """Where a policy serves. One row per slot, so there is exactly one champion; every request reads it."""

    name = models.CharField(max_length=20, primary_key=True)
    champion = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="+")
    previous = models.ForeignKey(PolicyVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    challenger = models.ForeignKey(PolicyVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    canary_share = models.FloatField(default=0)
    """Share of listeners, by stable hash, who are served by the challenger."""
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(canary_share__gte=0, canary_share__lte=1), name="canary_is_a_share")
        ]

    def __str__(self) -> str:
        return self.name


class Verdict(models.Model):
    """The written outcome of the promotion gate for one policy version against the champion of that moment."""

    class Outcome(models.TextChoices):
        """What the gate says."""

        PROMOTE = "promote", _("promote")
        REFUSE = "refuse", _("refuse")
        NOT_PROVEN = "not_proven", _("not proven")

    version = models.ForeignKey(PolicyVersion, on_delete=models.CASCADE, related_name="verdicts")
    champion = models.ForeignKey(PolicyVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    checks = models.JSONField()
    """List of `slots.Check` as JSON."""
    dataset_fingerprint = models.CharField(max_length=64, blank=True)
    dataset_note = models.TextField(blank=True)
    """The `dataset.json` of the judging: which rows the replay dataset was read from, so that anyone can judge again."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.outcome} for {self.version}"


class Promotion(models.Model):
    """One change of who serves, by whom and why. Rollbacks are promotions of the previous version."""

    class Kind(models.TextChoices):
        """How it came about."""

        FIRST = "first", _("first version")
        VERDICT = "verdict", _("on a verdict")
        FORCED = "forced", _("forced by a person")
        ROLLBACK = "rollback", _("rollback")
        CANARY = "canary", _("canary started")
        CANARY_END = "canary_end", _("canary ended")

    slot = models.CharField(max_length=20, db_index=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="promotions")
    replaced = models.ForeignKey(PolicyVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    verdict = models.ForeignKey(Verdict, null=True, blank=True, on_delete=models.SET_NULL)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.version}"


class Lift(models.Model):
    """What a promotion or canary was expected to gain over the version it stands against, and what it gained."""

    class Kind(models.TextChoices):
        """What was observed."""

        CANARY = "canary", _("canary: both served at the same time, to listeners chosen by hash")
        BEFORE_AFTER = "before_after", _("before and after the promotion: other things may have changed too")

    promotion = models.OneToOneField(Promotion, on_delete=models.CASCADE, related_name="lift")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    predicted = models.FloatField(null=True, blank=True)
    """What the verdict said; null where nothing was judged, as with most forced promotions."""
    predicted_low = models.FloatField(null=True, blank=True)
    predicted_high = models.FloatField(null=True, blank=True)
    observed = models.FloatField()
    observed_low = models.FloatField(null=True, blank=True)
    """null where too few listeners were seen for an interval."""
    observed_high = models.FloatField(null=True, blank=True)
    listeners = models.PositiveIntegerField()
    """Whom the new version served in the time that was looked at."""
    previous_listeners = models.PositiveIntegerField()
    measured_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-promotion_id"]

    def __str__(self) -> str:
        return f"lift of {self.promotion}"


class Schedule(models.Model):
    """When a slot retrains by itself."""

    slot = models.CharField(max_length=20, primary_key=True)
    cron = models.CharField(max_length=60, default="0 3 * * *")
    time_zone = models.CharField(max_length=64, default="UTC")
    minimum_new_feedback = models.PositiveIntegerField(default=200)
    """Fewer new feedback rows since the last finished run: the run is skipped."""
    is_enabled = models.BooleanField(default=True)
    last_considered_at = models.DateTimeField(null=True, blank=True)
    last_outcome = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.slot}: {self.cron} {self.time_zone}"
