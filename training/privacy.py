"""What training keeps about a person, and what erasing them means. Before: apps.py registers. After: accounts/privacy.py."""

from __future__ import annotations

from typing import Any

from accounts.models import Listener
from accounts.privacy import Part
from training.models import Promotion, Run


def export_acts(listener: Listener) -> dict[str, Any]:
    """Runs the person asked for and changes of champion they made."""
    if listener.account is None:
        return {"runs": [], "promotions": []}
    runs = Run.objects.filter(requested_by=listener.account).order_by("id").values("id", "slot", "created_at")
    promotions = Promotion.objects.filter(by=listener.account).order_by("id").values("kind", "version", "reason", "created_at")
    return {"runs": list(runs), "promotions": list(promotions)}


def close_runs_to_repetition(listener: Listener) -> None:
    """Runs since the listener came may have learnt from their feedback, which is gone: the same weights can't come again."""
    Run.objects.filter(started_at__gte=listener.created_at).exclude(dataset_fingerprint="").update(learned_from_erased=True)


PARTS = (Part(name="training", export=export_acts, erase=close_runs_to_repetition),)
