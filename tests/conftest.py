"""The cast and the fixtures that several test packages share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import pytest
from rest_framework.test import APIClient

from accounts.models import Account
from music.notes import Melody, Note, Score, Voice
from recsys.catalogue import track_of
from recsys.models import Track

MakeTracks = Callable[[int], list[Track]]


@pytest.fixture
def alice(db: None) -> Account:
    """A listener."""
    return Account.objects.create_user("alice@example.org", "alice's long pass phrase")


@pytest.fixture
def bob(db: None) -> Account:
    """Another listener, who has no business with Alice's rows."""
    return Account.objects.create_user("bob@example.org", "bob's long pass phrase")


@pytest.fixture
def olga(db: None) -> Account:
    """The operator."""
    return Account.objects.create_user("olga@example.org", "olga's long pass phrase", role=Account.Role.OPERATOR)


def api_client(account: Account | None = None) -> APIClient:
    """A program that speaks for the account."""
    client = APIClient()
    if account is not None:
        client.force_authenticate(account)
    return client


@pytest.fixture
def as_alice(alice: Account) -> APIClient:
    """A program that speaks for Alice."""
    return api_client(alice)


@pytest.fixture
def as_bob(bob: Account) -> APIClient:
    """A program that speaks for Bob."""
    return api_client(bob)


@pytest.fixture
def as_olga(olga: Account) -> APIClient:
    """A program that speaks for the operator."""
    return api_client(olga)


STYLES = ("reel", "jig", "air", "chorale")


def small_melody(number: int, style: str = "reel") -> Melody:
    """Eight bars that differ from number to number."""
    metre = (6, 8) if style == "jig" else (4, 4)
    length = Fraction(1, 2)
    steps = (0, 2, 4, 5, 7, 9, 11, 12)
    count = 8 * (6 if style == "jig" else 8)
    pitches = [62 + steps[(place * (1 + number % 5) + place // 4 * (number // 5) + number // 40) % 8] for place in range(count)]
    notes = (*(Note(pitch, length) for pitch in pitches[:-1]), Note(62, length))
    return Melody(notes=notes, metre=metre, tonic=2, mode="major", tempo=60.0 + number % 7)


def unsaved_track(number: int, **fields: object) -> Track:
    """A small real track; styles alternate."""
    style = str(fields.pop("style", STYLES[number % len(STYLES)]))
    title = str(fields.pop("title", f"{style.title()} number {number}"))
    track = copy.deepcopy(_measured(number, style, title))
    for name, value in fields.items():
        setattr(track, name, value)
    return track


@cache
def _measured(number: int, style: str, title: str) -> Track:
    """Measuring a tune takes longer than storing it, and the same tunes stand in hundreds of tests."""
    score = Score(title=title, voices=(Voice(name="melody", melody=small_melody(number, style)),))
    track = track_of(score, style=style, collection="tests", source=f"tests/{number}", licence="public domain")
    # Small melodies may repeat beyond some number; the hash only keeps them apart in the catalogue.
    track.content_hash = f"{number:064x}"
    return track


@pytest.fixture
def make_tracks(db: None) -> MakeTracks:
    """Makes N tracks of the catalogue in one statement."""
    return lambda count: Track.objects.bulk_create([unsaved_track(number) for number in range(count)])


@pytest.fixture
def tracks(make_tracks: MakeTracks) -> list[Track]:
    """Twelve tracks: three of each of four styles."""
    return make_tracks(12)


@pytest.fixture
def track(tracks: list[Track]) -> Track:
    """One track of the catalogue."""
    return tracks[0]


@pytest.fixture
def alices_piece(alice: Account) -> Track:
    """A piece of Alice's own, private."""
    piece = unsaved_track(900, title="Alice's own", owner=alice.listener, collection="pieces")
    piece.save()
    return piece
