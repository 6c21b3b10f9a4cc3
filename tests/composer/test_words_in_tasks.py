"""What is sung to a melody stays under the notes that a task leaves as they are, and goes where it is told anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Account
from composer.composing import compose_commission
from composer.models import Commission, Piece
from composer.recipes import perform
from music.abc import write_abc
from music.musicxml import write_musicxml
from music.notes import Score, Voice
from recsys.models import Track

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("composer_version", "accompanist_version")]
PIECES = "/api/v1/pieces/"
WORDS = "Twinkle, twinkle, little star,\nHow I wonder what you are!"


def asked(client: APIClient, **wish: Any) -> Piece:
    answer = client.post(PIECES, {"seed": 5, **wish})
    assert answer.status_code == 202, answer.json()
    compose_commission(answer.json()["id"])
    made = Commission.objects.select_related("piece__track").get(pk=answer.json()["id"])
    assert made.piece is not None, made.error
    return made.piece


def melody_voice(piece: Piece) -> Voice:
    return Score.from_json(piece.track.score).voices[0]


def sung(voice: Voice) -> list[tuple[Any, ...]]:
    """(beginning, pitch, syllable) of the notes that have one."""
    notes = [(start, note.pitch) for start, note in voice.melody.onsets() if note.pitch is not None]
    return [(*note, syllable) for note, syllable in zip(notes, voice.lyrics, strict=False) if syllable]


@pytest.fixture
def song(as_alice: APIClient) -> Piece:
    """Eight bars with fourteen syllables."""
    piece = asked(as_alice, steering={"style": "reel", "bars": 8}, prompt={"kind": "lyrics", "text": WORDS})
    assert [syllable for *_, syllable in sung(melody_voice(piece))][:4] == ["Twin-", "kle,", "twin-", "kle,"]
    return piece


@pytest.mark.parametrize("texture", ["voices", "block"])
def test_an_accompanied_song_keeps_its_words(as_alice: APIClient, song: Piece, texture: str) -> None:
    piece = asked(as_alice, task={"kind": "accompany", "track": song.track_id, "texture": texture})

    assert melody_voice(piece).lyrics == melody_voice(song).lyrics
    assert all(not voice.lyrics for voice in Score.from_json(piece.track.score).voices[1:])


def test_what_a_continuation_adds_is_not_sung(as_alice: APIClient, song: Piece) -> None:
    piece = asked(as_alice, task={"kind": "continue", "track": song.track_id, "bars": 4})
    before, after = melody_voice(song), melody_voice(piece)

    assert after.lyrics == before.lyrics
    assert len(after.melody.notes) > len(before.melody.notes)
    added = write_abc(Score(title="", voices=(after,))).rpartition("w:")[2]
    assert set(added.split()) <= {"*"}


def test_bars_that_stay_keep_their_words(as_alice: APIClient, song: Piece) -> None:
    piece = asked(as_alice, task={"kind": "rewrite", "track": song.track_id, "first_bar": 3, "last_bar": 4})
    before, after = (sung(melody_voice(one)) for one in (song, piece))

    assert after == [one for one in before if not 8 <= one[0] < 16]
    assert 0 < len(after) < len(before)


@pytest.mark.parametrize("task", [{"kind": "vary", "closeness": 0.5}, {"kind": "transfer", "style": "jig", "blend": 0.7}])
def test_a_melody_told_anew_has_no_words(as_alice: APIClient, song: Piece, task: dict[str, Any]) -> None:
    piece = asked(as_alice, task=task | {"track": song.track_id})

    assert melody_voice(piece).lyrics == ()
    assert "lyrics" not in piece.recipe["task"]


def test_the_recipe_holds_the_words_and_the_page_says_who_reads_them(
    as_alice: APIClient, song: Piece, client: Client, alice: Account
) -> None:
    client.force_login(alice)
    piece = asked(as_alice, task={"kind": "rewrite", "track": song.track_id, "first_bar": 3, "last_bar": 4})
    again, _ = perform(piece.recipe, piece.policy_version)

    assert write_musicxml(again) == write_musicxml(replace(again, voices=(melody_voice(piece),)))
    assert piece.recipe["task"]["lyrics"] == list(melody_voice(song).lyrics)
    assert "reads the words in its score" in client.get(f"/tracks/{piece.track_id}/").content.decode()


MINE = {"kind": "lyrics", "text": WORDS}


@pytest.mark.parametrize(
    "task",
    [
        {"kind": "accompany", "texture": "voices"},
        {"kind": "accompany", "texture": "block"},
        {"kind": "vary", "closeness": 1},
        {"kind": "transfer", "style": "jig", "blend": 0.7},
        {"kind": "continue", "bars": 4},
        {"kind": "rewrite", "first_bar": 3},
    ],
)
def test_words_of_ones_own_are_set_under_a_melody_that_has_none(
    as_alice: APIClient, track: Track, task: dict[str, Any]
) -> None:
    piece = asked(as_alice, task=task | {"track": track.pk}, prompt=MINE)
    melody, *others = Score.from_json(piece.track.score).voices
    again, _ = perform(piece.recipe, piece.policy_version)
    export: Any = as_alice.get(f"/api/v1/tracks/{piece.track_id}/musicxml")
    printed = b"".join(export.streaming_content).decode()

    assert [syllable for *_, syllable in sung(melody)] == [
        *("Twin-", "kle,", "twin-", "kle,", "lit-", "tle", "star,"),
        *("How", "I", "won-", "der", "what", "you", "are!"),
    ]
    assert not any(voice.lyrics for voice in others)
    assert piece.recipe["figures"]["lyrics"].items() >= {"lines": 2, "of_lines": 2, "syllables": 14, "of_syllables": 14}.items()
    assert [printed.count(f"<text>{text}</text>") for text in ("Twin", "star,", "are!")] == [1, 1, 1]
    assert write_musicxml(again) == write_musicxml(replace(again, voices=(melody, *others)))


def test_a_song_that_is_told_anew_takes_other_words(as_alice: APIClient, song: Piece) -> None:
    other = {"kind": "lyrics", "text": "Row, row, row your boat"}
    varied = asked(as_alice, task={"kind": "vary", "closeness": 0.5, "track": song.track_id}, prompt=other)
    last = song.track.bars
    rewritten = asked(
        as_alice, task={"kind": "rewrite", "first_bar": 1, "last_bar": last, "track": song.track_id}, prompt=other
    )

    for piece in (varied, rewritten):
        assert [syllable for *_, syllable in sung(melody_voice(piece))] == ["Row,", "row,", "row", "your", "boat"]


@pytest.mark.parametrize(
    "task", [{"kind": "accompany", "texture": "block"}, {"kind": "continue"}, {"kind": "rewrite", "first_bar": 3}]
)
def test_words_of_ones_own_are_refused_where_the_melody_keeps_others(
    as_alice: APIClient, song: Piece, task: dict[str, Any]
) -> None:
    answer = as_alice.post(PIECES, {"task": task | {"track": song.track_id}, "prompt": MINE})

    assert answer.status_code == 400
    assert "has words of its own, which stay" in answer.json()["prompt"][0]
    assert Commission.objects.count() == 1


def test_words_that_are_not_sung_are_kept_beside_a_task(as_alice: APIClient, song: Piece) -> None:
    prompt = {"kind": "text", "text": "the same with chords"}
    piece = asked(as_alice, task={"kind": "accompany", "texture": "block", "track": song.track_id}, prompt=prompt)

    assert piece.recipe["prompt"] == prompt
    assert melody_voice(piece).lyrics == melody_voice(song).lyrics
