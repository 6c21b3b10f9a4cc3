"""The page on which listeners see what was learnt about their taste, and how surely. Before: taste.py. After: taste.html."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from recsys.pages import listener_of
from recsys.taste import Liking, profile

SHOWN = 16
"""Traits on the page, the surest first."""
HALF_WIDTH = 100.0
"""Of the drawing, in its own units; 0 of the weights lies in the middle."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One trait with the places of its mean and its 90 % interval in a drawing 2 × HALF_WIDTH wide."""

    liking: Liking
    place: float
    low_place: float
    high_place: float


@login_required
@require_GET
def taste(request: HttpRequest) -> HttpResponse:
    """What is known of the listener's own taste; with too few answers, that it is too early."""
    found = profile(listener_of(request))
    return render(request, "recsys/taste.html", {"profile": found, "traits": draw(found.likings[:SHOWN])})


def draw(likings: tuple[Liking, ...]) -> list[Drawn]:
    """Places of the traits on one common scale, on which the longest interval just fits."""
    reach = [abs(each.mean) + 1.645 * each.standard_deviation for each in likings]
    widest = max(reach, default=1.0)

    def place(weight: float) -> float:
        return round(HALF_WIDTH * (1 + 0.96 * weight / widest), 1)

    return [
        Drawn(
            liking=each,
            place=place(each.mean),
            low_place=place(each.mean - 1.645 * each.standard_deviation),
            high_place=place(each.mean + 1.645 * each.standard_deviation),
        )
        for each in likings
    ]
