"""What becomes of the other voices of music whose melody is changed: they stay where the task leaves notes as they are."""

from __future__ import annotations

from fractions import Fraction

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Account
from composer.composing import compose_commission
from composer.melody_bars import between, notes_by_bar
from composer.melody_tasks import MelodyTask
from composer.models import Commission, Piece
from composer.performing import perform_task
from composer.recipes import perform, policy_of
from music.notes import Melody, Note, Score, Voice
from recsys.models import Track
from tests.conftest import small_melody
from training.models import PolicyVersion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("composer_version", "accompanist_version")]
PIECES = "/api/v1/pieces/"
DUET = "M:4/4\nL:1/4\nK:C\nV:1\nCDEF|GABc|cBAG|FEDC|\nV:2\nC,4|G,4|C,4|C,4|"


def asked(client: APIClient, **task: object) -> Piece:
    answer = client.post(PIECES, {"task": task, "seed": 5})
    assert answer.status_code == 202, answer.json()
    compose_commission(answer.json()["id"])
    made = Commission.objects.select_related("piece__track").get(pk=answer.json()["id"])
    assert made.piece is not None, made.error
    return made.piece


def voices_of(piece: Piece) -> tuple[Voice, ...]:
    return Score.from_json(piece.track.score).voices


@pytest.fixture
def accompanied(as_alice: APIClient, track: Track) -> Piece:
    """Eight bars in four voices."""
    return asked(as_alice, kind="accompany", track=track.pk, texture="voices")


@pytest.mark.parametrize(("first", "last"), [(1, 1), (3, 4), (8, 8)])
def test_where_bars_are_written_anew_the_other_voices_stay_outside_and_rest_inside(
    as_alice: APIClient, accompanied: Piece, first: int, last: int
) -> None:
    piece = asked(as_alice, kind="rewrite", track=accompanied.track_id, first_bar=first, last_bar=last)
    before, after = voices_of(accompanied), voices_of(piece)

    assert piece.recipe["figures"]["voices_kept"] == len(after) - 1 == len(before) - 1 == 3
    for old, new in zip(before[1:], after[1:], strict=True):
        assert (new.name, new.program, new.softness) == (old.name, old.program, old.softness)
        assert new.melody.quarters == after[0].melody.quarters
        own, now = notes_by_bar(old.melody), notes_by_bar(new.melody)
        assert own[: first - 1] + own[last:] == now[: first - 1] + now[last:]
        assert all(note.pitch is None for bar in now[first - 1 : last] for note in bar)


def test_the_other_voices_rest_where_a_melody_goes_on(as_alice: APIClient, accompanied: Piece) -> None:
    piece = asked(as_alice, kind="continue", track=accompanied.track_id, bars=2)

    for old, new in zip(voices_of(accompanied)[1:], voices_of(piece)[1:], strict=True):
        assert new.melody.notes == (*old.melody.notes, Note(None, Fraction(8)))


@pytest.mark.parametrize("task", [{"kind": "vary", "closeness": 0.5}, {"kind": "transfer", "style": "air", "blend": 0.3}])
def test_a_melody_told_anew_leaves_them_out_and_says_so(
    as_alice: APIClient, client: Client, alice: Account, accompanied: Piece, task: dict[str, object]
) -> None:
    piece = asked(as_alice, track=accompanied.track_id, **task)
    client.force_login(alice)

    assert len(voices_of(piece)) == 1
    assert piece.recipe["figures"]["voices_left_out"] == 3
    assert "Left out: 3 other voices" in client.get(f"/tracks/{piece.track_id}/").content.decode()


def test_another_accompaniment_takes_their_place(as_alice: APIClient, accompanied: Piece) -> None:
    piece = asked(as_alice, kind="accompany", track=accompanied.track_id, texture="block")

    assert not {"voices_kept", "voices_left_out"} & set(piece.recipe["figures"])


def test_the_recipe_holds_them_and_the_page_says_that_they_rest(
    as_alice: APIClient, client: Client, alice: Account, accompanied: Piece, composer_version: PolicyVersion
) -> None:
    piece = asked(as_alice, kind="rewrite", track=accompanied.track_id, voice=4, first_bar=2)
    client.force_login(alice)

    # The voice that was named is the melody; the soprano stands beside it now.
    assert notes_by_bar(voices_of(piece)[1].melody)[2:] == notes_by_bar(voices_of(accompanied)[0].melody)[2:]
    assert perform(piece.recipe, composer_version)[0] == Score.from_json(piece.track.score)
    page = client.get(f"/tracks/{piece.track_id}/").content.decode()
    assert "The other voices of the tune it was made from stay as they were, and rest where the melody is new." in page


def test_those_of_a_file_or_text_are_left_out(as_alice: APIClient) -> None:
    piece = asked(as_alice, kind="rewrite", abc=DUET, voice=1, first_bar=2)

    assert len(voices_of(piece)) == 1
    assert piece.recipe["figures"]["voices_left_out"] == 1


def test_a_voice_that_ends_early_and_its_words_stay_where_they_were(composer_version: PolicyVersion) -> None:
    melody = small_melody(3, "reel")
    notes = (*[Note(50, Fraction(2))] * 6, Note(None, Fraction(1)))
    second = Voice(
        name="Second",
        melody=Melody(notes=notes, metre=(4, 4), tonic=2, mode="major"),
        lyrics=("one", "two", "three", "four", "five", "six"),
    )
    task = MelodyTask(kind="rewrite", melody=melody, voices=(second,), first_bar=2, last_bar=2)

    score, _ = perform_task(MelodyTask.from_json(task.to_json()), task.steering({}), None, policy_of(composer_version), seed=1)

    kept = score.voices[1]
    assert kept.melody.notes == (*notes[:2], Note(None, Fraction(4)), *notes[4:])
    assert kept.lyrics == ("one", "two", "five", "six")
    later = MelodyTask(kind="rewrite", melody=melody, voices=(second,), first_bar=8, last_bar=8)
    score, _ = perform_task(later, later.steering({}), None, policy_of(composer_version), seed=1)
    assert between(score.voices[1].melody, Fraction(0), Fraction(12)) == notes[:6]
    assert score.voices[1].melody.quarters == melody.quarters
