"""Tasks on a melody through the API: new pieces with a parent, never a changed one; each refusal names field and bound."""

from __future__ import annotations

import uuid
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Account
from composer.composing import compose_commission
from composer.melody_bars import between, notes_by_bar, printed_bars
from composer.models import Commission, Piece
from composer.recipes import perform
from music.midi import write_midi
from music.notes import Melody, Note, Score
from recsys.models import Track

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("composer_version", "accompanist_version")]
PIECES = "/api/v1/pieces/"
TUNE: dict[str, Any] = {
    "notes": [
        [62, "1"],
        [64, 1],
        [66, "1/2"],
        [67, 0.5],
        [69, 1],
        *([pitch, 1] for pitch in (74, 73, 71, 69, 66, 64)),
        [62, 2],
    ],
    "metre": "4/4",
    "tonic": 2,
    "mode": "major",
}


def asked(client: APIClient, task: dict[str, Any], **more: Any) -> Piece:
    """The piece that the API makes of the task."""
    answer = client.post(PIECES, {"task": task, "seed": 5, **more})
    assert answer.status_code == 202, answer.json()
    compose_commission(answer.json()["id"])
    made = Commission.objects.select_related("piece__track").get(pk=answer.json()["id"])
    assert made.piece is not None, made.error
    return made.piece


def melody_of(track: Track) -> Melody:
    return Score.from_json(track.score).melody


def test_a_melody_is_continued_and_its_own_notes_stay(as_alice: APIClient, track: Track) -> None:
    piece = asked(as_alice, {"kind": "continue", "track": track.pk, "bars": 4})
    before, after = melody_of(track), melody_of(piece.track)

    assert after.notes[: len(before.notes)] == before.notes
    assert after.bars == before.bars + 4
    assert piece.source == track
    assert piece.parent is None


@pytest.mark.parametrize(("first", "last"), [(1, 2), (3, 4), (7, 8), (1, 8)])
def test_bars_are_written_anew_and_all_others_stay_to_the_note(
    as_alice: APIClient, track: Track, first: int, last: int
) -> None:
    piece = asked(as_alice, {"kind": "rewrite", "track": track.pk, "first_bar": first, "last_bar": last})
    before, after = notes_by_bar(melody_of(track)), notes_by_bar(melody_of(piece.track))
    inside = slice(first - 1, last)

    assert len(before) == len(after)
    assert before[: first - 1] + before[last:] == after[: first - 1] + after[last:]
    assert before[inside] != after[inside]


@pytest.fixture
def misprinted(track: Track) -> Track:
    """A tune whose second bar lacks a beat and whose fifth has one too many."""
    score = Score.from_json(track.score)
    notes = score.melody.notes
    odd = replace(
        score.melody,
        notes=(*notes[:14], *notes[16:40], Note(62, Fraction(1)), *notes[40:]),
        odd_bars=((1, Fraction(3)), (4, Fraction(5))),
    )
    track.score = Score(title=score.title, voices=(replace(score.voices[0], melody=odd),)).to_json()
    track.save()
    return track


def as_printed(melody: Melody) -> list[tuple[Note, ...]]:
    return [between(melody, start, end) for start, end in printed_bars(melody)]


@pytest.mark.parametrize(("first", "last"), [(1, 1), (3, 4), (5, 6), (2, 2), (8, 8)])
def test_bars_are_counted_as_they_are_printed(as_alice: APIClient, misprinted: Track, first: int, last: int) -> None:
    piece = asked(as_alice, {"kind": "rewrite", "track": misprinted.pk, "first_bar": first, "last_bar": last})
    before, after = melody_of(misprinted), melody_of(piece.track)
    old, new = as_printed(before), as_printed(after)

    assert len(old) == len(new) == 8
    assert old[: first - 1] + old[last:] == new[: first - 1] + new[last:]
    assert old[first - 1 : last] != new[first - 1 : last]
    assert {sum(note.quarters for note in bar) for bar in new[first - 1 : last]} == {4}


def test_what_is_added_to_a_misprinted_tune_begins_at_its_end(as_alice: APIClient, misprinted: Track) -> None:
    before, after = melody_of(misprinted), melody_of(asked(as_alice, {"kind": "continue", "track": misprinted.pk}).track)

    assert after.notes[: len(before.notes)] == before.notes
    assert after.odd_bars == before.odd_bars
    assert as_printed(after)[:8] == as_printed(before)
    assert {sum(note.quarters for note in bar) for bar in as_printed(after)[8:]} == {4}


def test_a_misprinted_tune_is_varied_with_even_bars_and_stays_itself_at_closeness_one(
    as_alice: APIClient, misprinted: Track
) -> None:
    same = asked(as_alice, {"kind": "vary", "track": misprinted.pk, "closeness": 1})
    other = asked(as_alice, {"kind": "vary", "track": misprinted.pk, "closeness": 0.5})

    assert melody_of(same.track) == melody_of(misprinted)
    assert "evened_bars" not in same.recipe["figures"]
    assert other.recipe["figures"]["evened_bars"] == [2, 5]
    assert melody_of(other.track).odd_bars == ()
    assert melody_of(other.track).quarters == 32


def test_a_pickup_stays_where_bars_are_written_anew(as_alice: APIClient) -> None:
    notes = [[67, "1/2"], *TUNE["notes"][:-1], [62, "3/2"]]
    tune = TUNE | {"notes": notes, "pickup": "1/2"}
    piece = asked(as_alice, {"kind": "rewrite", "melody": tune, "first_bar": 2, "last_bar": 2})
    melody = melody_of(piece.track)

    assert melody.pickup == Fraction(1, 2)
    assert [[note.pitch, note.quarters] for note in melody.notes[:6]] == [[pitch, Fraction(q)] for pitch, q in notes[:6]]
    assert melody.notes[-1].quarters == Fraction(3, 2)


def test_a_short_last_bar_stays_short_when_it_is_written_anew(as_alice: APIClient) -> None:
    tune = TUNE | {"notes": [[67, "1/2"], *TUNE["notes"][:-1], [62, "3/2"]], "pickup": "1/2"}
    piece = asked(as_alice, {"kind": "rewrite", "melody": tune, "first_bar": 3, "last_bar": 3})

    assert melody_of(piece.track).quarters == 12


def test_a_melody_is_varied_by_closeness(as_alice: APIClient, track: Track) -> None:
    same = asked(as_alice, {"kind": "vary", "track": track.pk, "closeness": 1})
    other = asked(as_alice, {"kind": "vary", "track": track.pk, "closeness": 0.5})

    assert melody_of(same.track) == melody_of(track) != melody_of(other.track)
    assert melody_of(other.track).quarters == melody_of(track).quarters


def test_a_melody_takes_another_style(as_alice: APIClient, track: Track) -> None:
    piece = asked(as_alice, {"kind": "transfer", "track": track.pk, "style": "jig", "blend": 0.8})

    assert (piece.track.style, piece.track.metre, piece.track.bars) == ("jig", "6/8", track.bars)


@pytest.mark.parametrize("texture", ["voices", "block", "arpeggio", "alberti", "boom-chuck", "drone"])
def test_a_melody_is_accompanied_and_stays_as_it_is(as_alice: APIClient, track: Track, texture: str) -> None:
    piece = asked(as_alice, {"kind": "accompany", "track": track.pk, "texture": texture})
    score = Score.from_json(piece.track.score)

    assert score.melody == melody_of(track)
    assert len(score.voices) > 1
    assert {voice.melody.quarters for voice in score.voices} == {score.melody.quarters}


def test_the_same_recipe_gives_the_same_bytes(as_alice: APIClient, track: Track) -> None:
    for task in ({"kind": "accompany", "texture": "block"}, {"kind": "rewrite", "first_bar": 2}, {"kind": "continue"}):
        piece = asked(as_alice, task | {"track": track.pk})
        again, _ = perform(piece.recipe, piece.policy_version)

        assert write_midi(again) == write_midi(Score.from_json(piece.track.score))


def test_a_piece_is_the_parent_of_what_is_made_of_it_and_is_never_changed(as_alice: APIClient, track: Track) -> None:
    first = asked(as_alice, {"kind": "accompany", "track": track.pk, "texture": "block"})
    kept = first.track.score
    second = asked(as_alice, {"kind": "rewrite", "track": first.track_id, "first_bar": 1})
    third = asked(as_alice, {"kind": "continue", "track": first.track_id})
    first.track.refresh_from_db()

    assert (second.parent, third.parent) == (first, first)
    assert first.track.score == kept
    assert Piece.objects.count() == 3
    assert as_alice.get(f"{PIECES}{second.track_id}/").json()["parent"] == first.track_id


def test_own_melodies_come_as_notes_or_as_abc(as_alice: APIClient) -> None:
    of_notes = asked(as_alice, {"kind": "accompany", "melody": TUNE, "texture": "block"})
    abc = "M:3/4\nL:1/4\nK:G\nG A B | d B G |[K:G] [M:3/4] A F D |1 G3 :|2 G3 |]"
    of_abc = asked(as_alice, {"kind": "accompany", "abc": abc, "texture": "waltz"})

    assert melody_of(of_notes.track).tonic == 2
    assert (melody_of(of_abc.track).metre, of_abc.source) == ((3, 4), None)


def test_a_voice_of_a_track_is_named_by_its_number(as_alice: APIClient, track: Track) -> None:
    voices = asked(as_alice, {"kind": "accompany", "track": track.pk}).track

    highest, bass = (
        asked(as_alice, {"kind": "vary", "closeness": 1, "track": voices.pk} | more) for more in ({}, {"voice": 4})
    )
    refused = as_alice.post(PIECES, {"task": {"kind": "vary", "track": voices.pk, "voice": 5}})

    score = Score.from_json(voices.score)
    assert melody_of(highest.track).notes == score.voices[0].melody.notes
    assert melody_of(bass.track).notes == score.voices[3].melody.notes
    assert refused.json() == {"task": {"voice": ["must be a whole number 1 … 4; it is 5"]}}


def test_a_retry_with_the_same_id_and_another_task_is_a_conflict(as_alice: APIClient, track: Track) -> None:
    wish: dict[str, Any] = {"id": str(uuid.uuid4()), "task": {"kind": "continue", "track": track.pk, "bars": 4}}

    assert as_alice.post(PIECES, wish).json() == as_alice.post(PIECES, wish).json()
    assert as_alice.post(PIECES, wish | {"task": wish["task"] | {"bars": 5}}).status_code == 409


POLYPHONIC = "M:4/4\nK:C\nV:1\nCDEF GABc|\nV:2\nC,4 G,4|"


@pytest.mark.parametrize(
    ("task", "field", "bound"),
    [
        ({"kind": "sing"}, "kind", "continue, vary"),
        ({"kind": "continue"}, "track", "one melody"),
        ({"kind": "continue", "melody": TUNE, "abc": "K:C\nCDE"}, "track", "one melody"),
        ({"kind": "continue", "melody": TUNE, "bars": 64}, "bars", "1 … 63"),
        ({"kind": "continue", "melody": TUNE, "bars": 63}, "bars", "exceed 64"),
        ({"kind": "continue", "melody": TUNE, "speed": 3}, "speed", "bars"),
        ({"kind": "rewrite", "melody": TUNE, "first_bar": 9}, "first_bar", "1 … 3"),
        ({"kind": "rewrite", "melody": TUNE, "first_bar": 3, "last_bar": 2}, "last_bar", "3 … 3"),
        ({"kind": "vary", "melody": TUNE, "closeness": 2}, "closeness", "0 … 1"),
        ({"kind": "transfer", "melody": TUNE}, "style", "missing"),
        ({"kind": "accompany", "melody": TUNE, "texture": "polka"}, "texture", "alberti"),
        ({"kind": "accompany", "melody": TUNE, "texture": "waltz"}, "texture", "4/4"),
        ({"kind": "accompany", "melody": TUNE, "colour": "red"}, "colour", "0 … 1"),
        ({"kind": "accompany", "melody": TUNE | {"notes": [[60, 1]]}}, "melody", "has 1 note; it must have 4 … 2000"),
        (
            {"kind": "accompany", "melody": TUNE | {"notes": [[60, 1]] * 3000}},
            "melody",
            "has 3000 notes; it must have 4 … 2000",
        ),
        ({"kind": "accompany", "melody": TUNE | {"notes": [[60, 1]] * 10_000}}, "notes", "4 … 2000 notes"),
        ({"kind": "accompany", "melody": TUNE | {"notes": [[[60, 64], 1]] * 8}}, "notes", "several pitches"),
        (
            {"kind": "vary", "melody": TUNE | {"notes": [[128, 1]] * 8}},
            "notes",
            "C-1 (0) … G9 (127) or null, a rest; it is 128",
        ),
        (
            {"kind": "accompany", "melody": TUNE | {"notes": [[20, 1]] * 8}},
            "melody",
            "note 1 is A♭0 (20); voices needs G3 (55) … E6 (88)",
        ),
        ({"kind": "accompany", "melody": TUNE | {"notes": [[120, 1]] * 8}, "texture": "block"}, "melody", "C3 (48) … E7 (100)"),
        ({"kind": "accompany", "melody": TUNE | {"notes": [[60, "1/0"]] * 8}}, "notes", "note 1"),
        ({"kind": "accompany", "melody": {"notes": TUNE["notes"]}}, "metre", "missing"),
        ({"kind": "accompany", "melody": TUNE | {"metre": "0/4"}}, "metre", "1 … 16"),
        ({"kind": "accompany", "abc": "K:C\nCDEF GABc|"}, "metre", "M:4/4"),
        ({"kind": "accompany", "abc": "hello"}, "abc", "K:G"),
        ({"kind": "accompany", "abc": ""}, "abc", "ABC"),
        ({"kind": "accompany", "abc": "M:4/4\nK:C\n[CEG]2 DE FGAB|c8|"}, "abc", "several notes at once"),
        ({"kind": "accompany", "abc": "X:1\nM:4/4\nK:C\nCDEF GABc|\n\nX:2\nM:4/4\nK:C\nCDEF GABc|"}, "abc", "2 tunes"),
        ({"kind": "accompany", "abc": POLYPHONIC}, "voice", "2 voices"),
        ({"kind": "accompany", "abc": POLYPHONIC, "voice": 3}, "voice", "1 … 2"),
        ({"kind": "accompany", "abc": "M:4/4\nK:C\nCDEF GABc|", "metre": "3/4"}, "metre", "names its own, 4/4"),
        ({"kind": "accompany", "melody": TUNE, "metre": "3/4"}, "metre", "leave it out"),
        ({"kind": "accompany", "track": "x"}, "track", "whole number"),
        ({"kind": "accompany", "melody": TUNE, "voice": 1}, "voice", "leave it out"),
        (
            {"kind": "accompany", "melody": TUNE | {"notes": [[60, 1], [60, 1.005], [60, 1], [60, 1]]}},
            "notes",
            "note 2 lasts 1.005 quarter notes, which is no length of a note: the nearest is 1,",
        ),
        ({"kind": "accompany", "melody": TUNE | {"pickup": 0.034}}, "pickup", "lasts 0.034 quarter notes"),
        ({"kind": "accompany", "melody": TUNE | {"notes": [[60, "1/999"]] * 2000}}, "notes", "note 1 must last 1/40 … 64"),
        (
            {"kind": "accompany", "melody": TUNE | {"notes": [[60, "3/83"], [60, "3/89"]] * 8}},
            "melody",
            "can't be written in notes: a length of",
        ),
    ],
)
def test_an_impossible_task_is_refused_with_field_and_bound(
    as_alice: APIClient, task: dict[str, Any], field: str, bound: str
) -> None:
    answer = as_alice.post(PIECES, {"task": task})

    assert answer.status_code == 400
    assert bound in answer.json()["task"][field][0], answer.json()
    assert not Commission.objects.exists()


@pytest.mark.usefixtures("tracks")
def test_a_style_that_nobody_learned_is_refused(as_alice: APIClient) -> None:
    answer = as_alice.post(PIECES, {"task": {"kind": "transfer", "melody": TUNE, "style": "bebop"}})

    assert answer.status_code == 400
    assert "air, chorale" in answer.json()["task"]["style"][0]


def test_what_the_melody_decides_can_not_be_wished_otherwise(as_alice: APIClient, track: Track) -> None:
    answer = as_alice.post(PIECES, {"task": {"kind": "continue", "track": track.pk}, "steering": {"metre": "3/4"}})

    assert answer.status_code == 400
    assert "follows the melody" in answer.json()["steering"]["metre"][0]


@pytest.mark.parametrize(
    ("task", "steering", "field", "words"),
    [
        ({"kind": "vary", "melody": TUNE | {"tempo": 320}}, {}, "tempo", "320 quarter notes a minute; the composer writes 30"),
        ({"kind": "continue", "melody": TUNE | {"tempo": 29.5}}, {}, "tempo", "has 29.5"),
        ({"kind": "vary", "melody": TUNE, "closeness": 1}, {"leaps": 0.9}, "leaps", "a closeness of 1"),
        ({"kind": "transfer", "melody": TUNE, "style": "waltz", "blend": 0}, {"closeness": 0}, "closeness", "a blend of 0"),
    ],
)
def test_what_would_pass_in_silence_is_refused(
    as_alice: APIClient, task: dict[str, Any], steering: dict[str, Any], field: str, words: str
) -> None:
    answer = as_alice.post(PIECES, {"task": task, "steering": steering})

    assert answer.status_code == 400
    assert words in answer.json()["steering"][field][0]
    assert not Commission.objects.exists()


def test_a_tempo_beyond_the_composers_is_no_matter_to_an_accompaniment_or_a_style_with_its_own(as_alice: APIClient) -> None:
    quick = TUNE | {"tempo": 320}

    assert melody_of(asked(as_alice, {"kind": "accompany", "melody": quick, "texture": "block"}).track).tempo == 320
    told = asked(as_alice, {"kind": "transfer", "melody": quick, "style": "waltz", "blend": 1})
    assert melody_of(told.track).tempo == 140


def test_a_private_track_of_another_listener_does_not_exist(as_bob: APIClient, alices_piece: Track, alice: Account) -> None:
    answer = as_bob.post(PIECES, {"task": {"kind": "continue", "track": alices_piece.pk}})

    assert answer.status_code == 404
