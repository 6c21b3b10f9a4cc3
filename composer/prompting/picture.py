"""A picture → a steering, by what can be measured of it. Before: pixels.py. After: reading.py.

Each line of the table in docs/composing.md is one line here: the same picture always gives the same steering."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

from composer.prompting.pixels import Properties, UnreadablePicture, measure
from composer.prompting.reading import Reading, reading_of
from composer.steering import ImpossibleSteering

_FIFTHS = (0, 7, 2, 9, 4, 11, 6, 1, 8, 3, 10, 5)
"""Pitch classes once around the circle of fifths: each stands for 30 degrees of hue, red is C."""
GREY = 0.08
"""Below this saturation a picture has no colour that could name a key."""
_BARS = ((0.75, 8, "tall"), (1.34, 16, "about as wide as high"), (2.0, 24, "wide"), (float("inf"), 32, "very wide"))
_reading = threading.BoundedSemaphore(1)


def read_picture(content: bytes, styles: Collection[str] = ()) -> Reading:
    """The steering that a picture suggests; ImpossibleSteering where it is no picture, or too large a one."""
    # A request waits for the child: one at a time, so that slow pictures can't occupy every thread of the site.
    if not _reading.acquire(blocking=False):
        raise ImpossibleSteering("image", "another picture is being read at this moment; send it again in a few seconds")
    try:
        properties = measure(content)
    except UnreadablePicture as refusal:
        raise ImpossibleSteering("image", str(refusal)) from None
    finally:
        _reading.release()
    return read_properties(properties, styles)


def read_properties(seen: Properties, styles: Collection[str] = ()) -> Reading:
    """The steering of a picture with these properties."""
    valence = 1.2 * (seen.brightness - 0.5) + 0.8 * seen.warmth
    light = f"brightness {seen.brightness:.2f} ({_named(seen.brightness, 'dark', 'bright')})"
    warm = f"warmth {seen.warmth:+.2f} ({_named((seen.warmth + 1) / 2, 'cold', 'warm', width=0.04)})"
    detail = f"detail {seen.edges:.2f} ({_named(seen.edges, 'plain', 'full of edges')})"
    colour = f"colour {seen.saturation:.2f} ({_named(seen.saturation, 'pale', 'colourful')})"
    contrast = f"contrast {seen.contrast:.2f} ({_named(seen.contrast, 'soft', 'strong')})"
    bars, shape = next((bars, shape) for widest, bars, shape in _BARS if seen.width / seen.height < widest)
    read: dict[str, tuple[Any, str]] = {
        "mode": ("major" if valence > 0 else "minor", f"{light}, {warm}"),
        "tempo": (float(5 * round((100 + 60 * seen.warmth + 30 * (seen.saturation - 0.3)) / 5)), f"{warm}, {colour}"),
        "brightness": (_tamed(seen.brightness), light),
        "density": (_tamed(seen.saturation), colour),
        "leaps": (_tamed(seen.edges), detail),
        "syncopation": (_tamed(seen.contrast), contrast),
        "bars": (bars, f"{seen.width} × {seen.height} pixels ({shape})"),
    }
    not_understood = []
    if seen.saturation >= GREY:
        read["tonic"] = (_FIFTHS[round(seen.hue / 30) % 12], f"hue {seen.hue:.0f}°")
    else:
        not_understood.append(f"key: {colour}, too little for a hue to name one")
    fields = {name: value for name, (value, _) in read.items()}
    return reading_of(fields, {name: why for name, (_, why) in read.items()}, not_understood, styles)


def _tamed(share: float) -> float:
    """A share of the picture as a wish: its extremes are not asked for in full."""
    return round(0.1 + 0.8 * share, 2)


def _named(share: float, low: str, high: str, width: float = 0.15) -> str:
    return low if share < 0.5 - width else high if share > 0.5 + width else "middling"
