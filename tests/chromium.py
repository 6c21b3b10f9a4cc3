"""Where Chromium is on this machine. Before: the distribution's package. After: journeys and screenshots."""

from __future__ import annotations

import shutil

MISSING = "Chromium is missing; on Debian and Ubuntu: apt install chromium"


def find_chromium() -> str | None:
    """Path of the browser, None where there is none."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
