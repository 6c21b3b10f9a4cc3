"""The tree of variations: from the first ancestor down, as far as the reader may see."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, Listener
from composer.composing import store_piece
from composer.families import MOST_BRANCHES, family_of, words_of
from composer.models import Piece
from recsys.models import Track
from tests.conftest import unsaved_track
from training.models import PolicyVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(db: None) -> PolicyVersion:
    return PolicyVersion.objects.create(slot="composer", kind="prior")


def made(
    listener: Listener, version: PolicyVersion, source: Track | None, task: dict[str, Any] | None = None, number: int = 0
) -> Piece:
    """A piece that somebody made of a track."""
    from music.notes import Score

    score = Score.from_json(unsaved_track(50 + number, title=f"Piece {number}").score)
    recipe = {"steering": {"style": "reel"}, "seed": 1, "task": task}
    parent = getattr(source, "piece", None) if source else None
    return store_piece(listener, score, recipe, version, parent, source=source)


def titles(track: Track, listener: Listener) -> list[tuple[int, str]]:
    return [(branch.depth, branch.track.title) for branch in family_of(track, listener)]


def test_every_member_sees_the_whole_tree(listener: Listener, version: PolicyVersion, track: Track) -> None:
    child = made(listener, version, track, number=1)
    grandchild = made(listener, version, child.track, number=2)
    other = made(listener, version, track, number=3)
    tree = [(0, track.title), (1, "Piece 1"), (2, "Piece 2"), (1, "Piece 3")]

    for member in (track, child.track, grandchild.track, other.track):
        assert titles(member, listener) == tree
    assert [branch.is_here for branch in family_of(other.track, listener)] == [False, False, False, True]


def test_a_track_alone_has_no_tree(listener: Listener, version: PolicyVersion, track: Track) -> None:
    assert family_of(track, listener) == []
    assert family_of(made(listener, version, None).track, listener) == []


def test_others_see_shared_branches_only(listener: Listener, bob: Account, version: PolicyVersion, track: Track) -> None:
    private = made(listener, version, track, number=1)
    shared = made(listener, version, private.track, number=2)
    Track.objects.filter(pk=shared.track_id).update(is_shared=True)
    shared.track.refresh_from_db()

    assert titles(track, bob.listener) == []
    assert family_of(shared.track, bob.listener) == []


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"kind": "rewrite", "first_bar": 3, "last_bar": 4}, "bars 3–4 again"),
        ({"kind": "rewrite", "first_bar": 3, "last_bar": 3}, "bar 3 again"),
        ({"kind": "continue", "bars": 1}, "1 bar more"),
        ({"kind": "vary", "closeness": 0.6}, "varied, 60 % close"),
        ({"kind": "transfer", "style": "jig", "blend": 0.75}, "jig, 75 %"),
        ({"kind": "accompany", "texture": "block"}, "accompanied: block"),
        (None, "another piece of the same wish"),
    ],
)
def test_each_branch_says_what_was_done(
    listener: Listener, version: PolicyVersion, task: dict[str, Any] | None, words: str
) -> None:
    root = made(listener, version, None)
    made(listener, version, root.track, task, number=1)

    assert words_of(task or {}) == words
    assert [branch.words for branch in family_of(root.track, listener)] == ["", words]


def test_the_tree_reads_what_it_shows_and_no_notes_and_no_tastes(
    listener: Listener, version: PolicyVersion, track: Track, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    here = track
    for number in range(1, 4):
        here = made(listener, version, here, {"kind": "continue", "bars": 4}, number=number).track
        made(listener, version, track, number=10 + number)
    here = Track.objects.get(pk=here.pk)

    # A query for each step to the first ancestor, for each generation below it, and one that finds no more.
    with django_assert_num_queries(3 + 4) as queries:
        assert len(family_of(here, listener)) == 7

    read = [query["sql"].split(" FROM ")[0] for query in queries.captured_queries]
    assert [sql for sql in read if any(f'"{name}",' in sql for name in ("score", "features", "recipe"))] == []


def test_the_track_page_shows_the_tree(client: Client, alice: Account, version: PolicyVersion, track: Track) -> None:
    child = made(alice.listener, version, track, {"kind": "continue", "bars": 4}, number=1)
    client.force_login(alice)
    page = client.get(f"/tracks/{track.pk}/").content.decode()

    assert "Family" in page
    assert f"/tracks/{child.track_id}/" in page
    assert "4 bars more" in page


def test_a_page_of_a_much_varied_tune_still_shows_the_way_to_one_s_own(
    listener: Listener, version: PolicyVersion, track: Track
) -> None:
    mine = made(listener, version, track, number=1)
    grandchild = made(listener, version, mine.track, number=2)
    for number in range(MOST_BRANCHES + 5):
        made(listener, version, track, number=3 + number)

    tree = family_of(grandchild.track, listener)

    assert len(tree) == MOST_BRANCHES
    assert [branch.track for branch in tree[:3]] == [track, mine.track, grandchild.track]
    assert tree[-1].track.title == f"Piece {MOST_BRANCHES + 7}"
