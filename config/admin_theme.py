"""What the admin looks like and lists. Before: settings.py takes it in. After: the pages of the theme django-unfold."""

from typing import Any

from django.urls import reverse_lazy

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Encore",
    "SITE_HEADER": "Encore",
    "SITE_SUBHEADER": "Training and catalogue",
    "SITE_SYMBOL": "graphic_eq",
    "SITE_URL": "/",
    "SHOW_HISTORY": False,
    "BORDER_RADIUS": "6px",
    # The site's own green, so that the admin looks like a part of it.
    "COLORS": {
        "primary": {
            "50": "oklch(97.5% .018 175)",
            "100": "oklch(94.5% .04 175)",
            "200": "oklch(89% .075 175)",
            "300": "oklch(82% .11 176)",
            "400": "oklch(74% .125 178)",
            "500": "oklch(66% .12 180)",
            "600": "oklch(54% .1 181)",
            "700": "oklch(46% .085 182)",
            "800": "oklch(39% .07 183)",
            "900": "oklch(33% .055 184)",
            "950": "oklch(24% .042 185)",
        }
    },
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": True,
        "navigation": [
            {
                "title": "Learning",
                "items": [
                    {
                        "title": "Dashboard",
                        "icon": "monitoring",
                        "link": reverse_lazy("dashboard"),
                        # Pages of one slot light up the slot's own line.
                        "active": lambda request: "/dashboard/" in request.path and "/slots/" not in request.path,
                    },
                    {
                        "title": "Recommender",
                        "icon": "queue_music",
                        "link": reverse_lazy("dashboard-slot", args=["recommender"]),
                    },
                    {"title": "Composer", "icon": "piano", "link": reverse_lazy("dashboard-slot", args=["composer"])},
                    {
                        "title": "Accompanist",
                        "icon": "music_note_add",
                        "link": reverse_lazy("dashboard-slot", args=["accompanist"]),
                    },
                    {
                        "title": "Jobs",
                        "icon": "list_alt",
                        "link": reverse_lazy("admin:procrastinate_procrastinatejob_changelist"),
                    },
                ],
            },
        ],
    },
}
