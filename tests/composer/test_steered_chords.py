"""Pieces with given chords: each bar begins with a note of its chord, and what no piece can have is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Account
from composer.accompaniment.chords import CHORDS
from composer.composing import compose_commission
from composer.constraints import RELAXED, Plan
from composer.contradictions import check_chords
from composer.models import Piece
from composer.recipes import perform
from composer.steering import Steering
from music.midi import write_midi
from music.notes import Note, Score
from recsys.models import Track
from tests.composer.test_constraints import within_a_fifth, write_all
from training.models import PolicyVersion

PIECES = "/api/v1/pieces/"
LOOP = "Am F C G"

ASKED = [
    Steering(style="jig", tonic=9, mode="minor", metre=(6, 8), bars=8, chords=LOOP),
    Steering(style="reel", tonic=0, bars=4, chords="C G | Am Em | F C | F G"),
    Steering(style="waltz", tonic=7, metre=(3, 4), bars=6, chords="G D | Em"),
    Steering(style="song", tonic=2, mode="dorian", metre=(5, 8), bars=4, lowest=60, highest=69, chords="i IV"),
    Steering(style="polka", tonic=4, mode="minor", metre=(2, 4), bars=2, chords="Em B7 | B7 Em"),
    Steering(style="slip jig", tonic=5, metre=(9, 8), bars=3, chords="F Bb | C7 F"),
    Steering(style="song", tonic=0, metre=(1, 4), bars=6, chords="C F G7"),
]


@pytest.mark.parametrize("steering", ASKED, ids=lambda steering: steering.style)
def test_every_piece_has_a_note_of_its_chord_wherever_one_begins(steering: Steering) -> None:
    check_chords(steering)

    written = write_all([Plan(steering=steering)] * 40)

    kept = {"key", "anchors", "grid"}
    assert not any(written.relaxed_B4[:, RELAXED.index(rule)].any() for rule in kept)
    for melody in written.melodies:
        begins = {start: note.pitch for start, note in melody.onsets()}
        for _, start, chord in steering.chord_places():
            pitch = begins[start]
            assert pitch is not None
            assert (pitch - steering.tonic) % 12 in CHORDS[chord].pitch_classes
        assert {note.pitch % 12 for note in melody.notes if note.pitch is not None} <= steering.scale
        assert (begins[Fraction(0)] or 0) % 12 == (melody.notes[-1].pitch or 0) % 12 == steering.tonic


def test_without_chords_no_mask_is_another() -> None:
    plan = Plan(steering=ASKED[1])
    without = replace(plan, steering=replace(plan.steering, chords=""))

    assert plan.wanted().keys() == set(range(0, 4 * 192, 96))
    assert without.wanted() == {}


def test_given_notes_stand_whatever_the_chord_and_nothing_is_given_up_for_them() -> None:
    primer, locked = (Note(62, Fraction(4)),), tuple(Note(65, Fraction(1)) for _ in range(4))
    steering = Steering(tonic=0, bars=4, primer=primer, locked_bars=((3, locked),), chords="C")
    check_chords(steering)

    written = write_all([Plan(steering=steering)] * 10)

    for melody in written.melodies:
        begins = {start: note.pitch for start, note in melody.onsets()}
        assert (begins[Fraction(0)], begins[Fraction(8)]) == (62, 65)
        assert all((begins[Fraction(bar)] or 0) % 12 in (0, 4, 7) for bar in (4, 12))
    assert not written.relaxed_B4.any()


def test_where_one_note_of_a_chord_is_left_it_may_come_too_often_and_is_counted() -> None:
    plan = within_a_fifth(1, primer=(Note(65, Fraction(1, 2)),) * 4)
    plan = replace(plan, steering=replace(plan.steering, bars=2, chords="C Db | C"))

    written = write_all([plan] * 10)

    # The only note of D flat in C major is F, which came four times before.
    assert all(dict(melody.onsets())[Fraction(2)].pitch == 65 for melody in written.melodies)
    assert (written.relaxed_B4 == [0, 1, 0, 0]).all()


@pytest.mark.parametrize(
    ("wish", "bound"),
    [
        ({"chords": "Am F C H"}, "bar 4: H is no chord"),
        ({"bars": 2, "chords": "Am F C"}, "must be 1 … 2 bars; there are 3"),
        ({"chords": "G Am"}, "bar 1: G lacks A, the tonic, on which a piece begins"),
        ({"bars": 4, "metre": "3/4", "chords": "Am G"}, ""),
        ({"bars": 4, "metre": "3/4", "chords": "Am G | Am G"}, "bar 4: G lacks A, the tonic, on which a piece ends"),
        ({"bars": 2, "metre": "2/4", "chords": "Am | F G"}, "bar 2: G lacks A"),
        ({"bars": 2, "chords": "Am | F G"}, ""),
        ({"lowest": 69, "highest": 76, "chords": "Am | Db"}, "bar 2: C# has no note of the key within A4 (69) … E5 (76)"),
        ({"lowest": 69, "highest": 76, "chords": "Am | Dm"}, ""),
    ],
)
@pytest.mark.django_db
def test_the_api_refuses_chords_that_no_piece_can_have(as_alice: APIClient, wish: dict[str, Any], bound: str) -> None:
    answer = as_alice.post(PIECES, {"steering": {"style": "song", "tonic": 9, "mode": "minor"} | wish})

    if not bound:
        assert answer.status_code == 202, answer.json()
        return
    assert answer.status_code == 400, answer.json()
    assert bound in answer.json()["steering"]["chords"][0]


@pytest.mark.usefixtures("composer_version")
def test_a_piece_with_chords_shows_them_and_its_recipe_gives_the_same_bytes(
    client: Client, as_alice: APIClient, alice: Account, composer_version: PolicyVersion
) -> None:
    wish = {"style": "jig", "tonic": 9, "mode": "minor", "bars": 6, "chords": "i VI | III VII"}
    made = as_alice.post(PIECES, {"steering": wish, "seed": 3}).json()
    compose_commission(made["id"])
    piece = Piece.objects.get()

    assert piece.recipe["steering"]["chords"] == "i VI | III VII"
    assert piece.recipe["figures"]["chords"] == [["Am", "F"], ["C", "G"]] * 3
    recipe = json.loads(json.dumps(piece.recipe))
    again, _ = perform(recipe, composer_version)
    assert write_midi(again) == write_midi(Score.from_json(piece.track.score))
    client.force_login(alice)
    assert (
        '<ol class="chart"><li><span>Am</span><span>F</span></li>' in client.get(f"/tracks/{piece.track_id}/").content.decode()
    )
    assert 'value="i VI | III VII"' in client.get("/compose/", {"from": piece.track_id}).content.decode()
    accompany = f"/compose/task/?task=accompany&track={piece.track_id}"
    assert 'value="i VI | III VII"' in client.get(accompany).content.decode()


@pytest.mark.usefixtures("composer_version")
def test_the_form_shows_refused_chords_and_where_they_came_from(client: Client, alice: Account) -> None:
    client.force_login(alice)
    refused = client.post("/compose/", {"style": "reel", "tonic": "0", "chords": "C H"})
    read = client.post("/compose/prompt/", {"kind": "text", "text": f"a jig with the chords {LOOP}"})

    assert refused.status_code == 422
    assert "<b>Chords</b> bar 2: H is no chord" in refused.content.decode()
    assert 'value="C H"' in refused.content.decode()
    assert f'value="{LOOP}"' in read.content.decode()
    assert f"“chords {LOOP}”" in read.content.decode()


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"kind": "accompany"}, "a field of this task"),
        ({"kind": "vary"}, "follow the strong notes"),
        ({"kind": "transfer", "style": "jig"}, "follow the strong notes"),
    ],
)
def test_tasks_whose_melody_stays_take_no_chords_of_a_steering(
    as_alice: APIClient, track: Track, task: dict[str, Any], words: str
) -> None:
    answer = as_alice.post(PIECES, {"task": task | {"track": track.pk}, "steering": {"chords": "D"}})

    assert answer.status_code == 400, answer.json()
    assert words in answer.json()["steering"]["chords"][0]


@pytest.mark.usefixtures("composer_version")
def test_what_is_added_to_a_melody_follows_chords(as_alice: APIClient, track: Track) -> None:
    task = {"kind": "continue", "track": track.pk, "bars": 4}
    answer = as_alice.post(PIECES, {"task": task, "steering": {"chords": "D G"}, "seed": 2})
    compose_commission(answer.json()["id"])

    begins = {start: note.pitch for start, note in Score.from_json(Piece.objects.get().track.score).melody.onsets()}
    for bar in range(8, 12):
        assert ((begins[Fraction(4 * bar)] or 0) % 12) in ((7, 11, 2) if bar % 2 else (2, 6, 9))
