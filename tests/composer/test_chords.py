"""Chords that a listener gives: read by bar, and obeyed by every accompaniment."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Account
from composer.accompaniment.chords import CHORDS, Chord
from composer.accompaniment.state import observe
from composer.accompaniment.symbols import UnreadableChords, chart_of, chord_of, key_of, read_chords
from composer.composing import compose_commission
from composer.melody_tasks import MelodyTask
from composer.models import Commission, Piece
from composer.recipes import perform
from composer.steering import ImpossibleSteering
from music.notes import Melody, Note, Score
from recsys.models import Track
from training.models import PolicyVersion

PIECES = "/api/v1/pieces/"
LOOP = "Am F C G"


@pytest.mark.parametrize(
    ("name", "mode", "root", "quality"),
    [
        ("C", "major", 0, "major"),
        ("F#m7", "major", 6, "minor seventh"),
        ("B♭maj7", "major", 10, "major seventh"),
        ("Bm7b5", "major", 11, "half diminished"),
        ("Cbmaj7", "major", 11, "major seventh"),
        ("ii", "major", 2, "minor"),
        ("II7", "major", 2, "seventh"),
        ("vii°7", "minor", 11, "diminished seventh"),
        ("VI", "minor", 8, "major"),
        ("bVI", "major", 8, "major"),
        ("iiø7", "minor", 2, "half diminished"),
    ],
)
def test_symbols_and_degrees_name_chords_above_the_tonic(name: str, mode: str, root: int, quality: str) -> None:
    assert chord_of(name, 0, mode) == Chord(root, quality)


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("mode", ["major", "minor", "dorian"])
def test_every_symbol_that_is_shown_can_be_given(tonic: int, mode: str) -> None:
    assert all(chord_of(chord.symbol(tonic, mode), tonic, mode) == chord for chord in CHORDS)


def test_bars_have_one_chord_each_or_between_bar_lines_one_or_two() -> None:
    def chart(chords: str) -> list[list[str]]:
        return chart_of(read_chords(chords, 0, "major", (4, 4), 5), 5, 0, "major")

    assert chart("C F G") == chart("C | F | G") == chart("| I | IV | V |") == [["C"], ["F"], ["G"], ["C"], ["F"]]
    assert chart("C G | F") == [["C", "G"], ["F"], ["C", "G"], ["F"], ["C", "G"]]
    assert chart("") == chart("  ") == []


@pytest.mark.parametrize(
    ("chords", "metre", "message"),
    [
        ("C F H7", (4, 4), "bar 3: H7 is no chord; known are A … G with # or b, or I … VII, followed by nothing, m, dim, 7"),
        ("C F#", (4, 4), "bar 2: F# is not among the 51 chords of this key; known are C, C#, D, Eb, E, F, G, G#, A, Bb, B"),
        ("C F G C F", (4, 4), "must be 1 … 4 bars; there are 5"),
        ("C F G | C", (4, 4), "bar 1: must have one chord, or two; it has 3"),
        ("C || C", (4, 4), "bar 2: must have one chord, or two; it has 0"),
        ("C F | C", (1, 4), "bar 1: must have one chord; it has 2"),
        ("am F", (4, 4), "bar 1: am is no chord"),
        ("C" * 4001, (4, 4), "at most 4000 characters"),
        (["C", "F"], (4, 4), "must be a text"),
    ],
)
def test_what_is_no_chord_is_refused_by_bar_and_symbol(chords: Any, metre: tuple[int, int], message: str) -> None:
    with pytest.raises(UnreadableChords) as refusal:
        read_chords(chords, 0, "major", metre, 4)

    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("chords", "tonic", "mode", "key"),
    [
        (LOOP, None, None, (9, "minor")),
        ("C G Am F", None, None, (0, "major")),
        ("Dm7 G7 Cmaj7", None, None, (0, "major")),
        ("Em Am B7", None, None, (4, "minor")),
        (LOOP, 0, None, (0, "major")),
        ("D G", None, "mixolydian", (2, "mixolydian")),
        ("i iv V7", None, None, (None, "minor")),
        ("I IV V7", None, None, (None, "major")),
    ],
)
def test_chords_tell_the_key_that_nobody_named(
    chords: str, tonic: int | None, mode: str | None, key: tuple[int | None, str]
) -> None:
    assert key_of(chords, tonic, mode) == key


def accompanied(client: APIClient, **task: Any) -> Piece:
    answer = client.post(PIECES, {"task": {"kind": "accompany", "texture": "block", **task}, "seed": 5})
    assert answer.status_code == 202, answer.json()
    compose_commission(answer.json()["id"])
    made = Commission.objects.select_related("piece__track").get(pk=answer.json()["id"])
    assert made.piece is not None, made.error
    return made.piece


@pytest.mark.usefixtures("accompanist_version")
@pytest.mark.parametrize("texture", ["voices", "block", "boom-chuck"])
def test_an_accompaniment_has_the_chords_that_are_given(as_alice: APIClient, track: Track, texture: str) -> None:
    piece = accompanied(as_alice, track=track.pk, texture=texture, chords="D A | Bm | G A7")
    chart = piece.recipe["figures"]["chords"]

    assert chart == [[["D", "A"], ["Bm"], ["G", "A7"]][bar % 3] for bar in range(8)]
    below = [voice.melody for voice in Score.from_json(piece.track.score).voices[1:]]
    classes = {note.pitch % 12 for melody in below for start, note in melody.onsets() if note.pitch and 4 <= start < 8}
    assert classes == {11, 2, 6}
    again, _ = perform(piece.recipe, piece.policy_version)
    assert again.to_json() == piece.track.score


@pytest.mark.usefixtures("accompanist_version")
def test_a_chord_without_a_note_of_the_melody_is_obeyed_and_named(as_alice: APIClient) -> None:
    melody = {"notes": [[67, 1]] * 8, "metre": "4/4", "tonic": 0, "mode": "major"}
    piece = accompanied(as_alice, melody=melody, chords="C F")

    assert piece.recipe["figures"]["chords"] == [["C"], ["F"]]
    assert piece.recipe["figures"]["relaxed"] == [
        "the last chord is no tonic triad: another one was given",
        "half bar 3 has the chord that was given, F, which holds none of its notes",
        "half bar 4 has the chord that was given, F, which holds none of its notes",
    ]


@pytest.mark.parametrize(
    ("task", "field", "bound"),
    [
        ({"chords": "D H7"}, "chords", "bar 2: H7 is no chord"),
        ({"chords": "D G#"}, "chords", "bar 2: G# is not among the 51 chords of this key"),
        ({"chords": " ".join(["D"] * 9)}, "chords", "must be 1 … 8 bars; there are 9"),
        ({"chords": 7}, "chords", "must be a text"),
        ({"chords": "D", "texture": "drone"}, "chords", "one chord throughout"),
        ({"chords": "D", "motion": 0.4}, "motion", "not heard beside chords"),
        ({"chords": "D", "colour": 0.4}, "colour", "not heard beside chords"),
    ],
)
def test_chords_of_an_accompaniment_are_refused_with_bar_and_bound(
    as_alice: APIClient, track: Track, task: dict[str, Any], field: str, bound: str
) -> None:
    answer = as_alice.post(PIECES, {"task": {"kind": "accompany", "track": track.pk, **task}})

    assert answer.status_code == 400, answer.json()
    assert bound in answer.json()["task"][field][0]


def test_the_form_of_an_accompaniment_sends_chords_in_place_of_its_sliders(
    client: Client, alice: Account, track: Track, accompanist_version: PolicyVersion
) -> None:
    client.force_login(alice)
    form = {"kind": "accompany", "track": track.pk, "texture": "block", "motion": "0.7", "colour": "0.5"}
    page = client.get(f"/compose/task/?task=accompany&track={track.pk}").content.decode()
    refused = client.post("/compose/task/", form | {"chords": "D H"})
    client.post("/compose/task/", form | {"chords": "D G"})

    assert 'name="chords"' in page
    assert "<b>Chords</b> bar 2: H is no chord" in refused.content.decode()
    assert 'value="D H"' in refused.content.decode()
    task = Commission.objects.get().task
    assert (task["chords"], task["motion"]) == ("D G", 0.5)


def test_a_pickup_keeps_the_accompanists_chord_and_longer_bars_go_on() -> None:
    notes = tuple(Note(67, Fraction(1)) for _ in range(15))
    melody = Melody(notes=notes, metre=(4, 4), tonic=0, mode="major", pickup=Fraction(1), odd_bars=((0, Fraction(6)),))
    task = MelodyTask(kind="accompany", melody=melody, texture="block", chords="C G | G")

    open_TA = observe(melody, task.chord_bars).open_TA
    given = [CHORDS[row.argmax()].symbol(0, "major") if row.sum() == 1 else "" for row in open_TA]
    assert given == ["", "C", "G", "C", "G", "G", "C", "G"]
    assert MelodyTask.from_json(task.to_json()) == task
    assert "chords" not in replace(task, chords="").to_json()
    with pytest.raises(ImpossibleSteering, match="1 … 3 bars"):
        replace(task, chords="C C C C")
