"""What is made of a melody leaves in every form, and other programs read it: music21, symusic, verovio, soundfile."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

import pytest
import soundfile
from rest_framework.test import APIClient

from composer.composing import compose_commission
from composer.models import Commission
from music.bars import bars
from music.notes import Score
from music.parsing import read_in_process
from recsys.models import Track

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("composer_version", "accompanist_version")]


@pytest.fixture
def harmonised(as_alice: APIClient, track: Track) -> Track:
    """A piece in four voices."""
    task = {"kind": "accompany", "track": track.pk, "texture": "voices"}
    answer = as_alice.post("/api/v1/pieces/", {"task": task, "seed": 3})
    compose_commission(answer.json()["id"])
    piece = Commission.objects.get(pk=answer.json()["id"]).piece
    assert piece is not None
    return piece.track


def form(client: APIClient, track: Track, name: str, **query: Any) -> bytes:
    answer: Any = client.get(f"/api/v1/tracks/{track.pk}/{name}", query)
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def pitches(score: Score) -> list[list[int | None]]:
    return [[note.pitch for note in voice.melody.notes] for voice in score.voices]


def test_music21_reads_the_musicxml_of_all_voices(as_alice: APIClient, harmonised: Track) -> None:
    from music21 import converter

    stream: Any = converter.parseData(form(as_alice, harmonised, "musicxml").decode(), format="musicxml")
    names = [part.partName for part in stream.parts]

    assert names == ["Soprano", "Alto", "Tenor", "Bass"]
    assert [len(part.recurse().getElementsByClass("Measure")) for part in stream.parts] == [harmonised.bars] * 4


def test_symusic_reads_the_midi_of_all_voices(as_alice: APIClient, harmonised: Track) -> None:
    import symusic

    kinds: Any = symusic
    score = kinds.Score.from_midi(form(as_alice, harmonised, "midi"))
    own = Score.from_json(harmonised.score)

    assert [[note.pitch for note in track.notes] for track in score.tracks] == pitches(own)


def test_the_abc_comes_back_note_for_note(as_alice: APIClient, harmonised: Track) -> None:
    back = read_in_process(form(as_alice, harmonised, "abc"), ".abc")[0].score

    assert pitches(back) == pitches(Score.from_json(harmonised.score))


def test_verovio_draws_a_staff_for_each_voice(as_alice: APIClient, harmonised: Track) -> None:
    picture = form(as_alice, harmonised, "score.svg").decode()

    assert picture.count('class="staff"') % 4 == 0
    assert picture.count('class="measure"') * 4 == picture.count('class="staff"')


def test_music21_reads_the_notes_of_each_voice(as_alice: APIClient, harmonised: Track) -> None:
    from music21 import converter

    stream: Any = converter.parseData(form(as_alice, harmonised, "musicxml").decode(), format="musicxml")

    read = [
        [(note.pitch.midi, Fraction(note.quarterLength)) for note in part.stripTies().flatten().notes] for part in stream.parts
    ]
    own = [
        [(note.pitch, note.quarters) for note in voice.melody.notes if note.pitch is not None]
        for voice in Score.from_json(harmonised.score).voices
    ]
    assert read == own


def test_the_score_is_xml_with_a_head_for_each_printed_note(as_alice: APIClient, harmonised: Track) -> None:
    tree = ElementTree.fromstring(form(as_alice, harmonised, "score.svg"))

    heads = [element for element in tree.iter() if "notehead" in element.get("class", "").split()]
    voices = Score.from_json(harmonised.score).voices
    printed = [symbol for voice in voices for bar in bars(voice.melody) for symbol in bar if symbol.pitch is not None]
    assert len(heads) == len(printed)


def test_one_voice_alone_is_read_as_one_voice(as_alice: APIClient, harmonised: Track) -> None:
    back = read_in_process(form(as_alice, harmonised, "midi", voice=4), ".mid")[0].score

    assert pitches(back) == pitches(Score.from_json(harmonised.score))[3:]


def test_the_mix_and_one_voice_sound_and_differ(as_alice: APIClient, harmonised: Track) -> None:
    import numpy as np

    mix, bass = (
        soundfile.read(io.BytesIO(form(as_alice, harmonised, "audio.mp3", **asked)))[0] for asked in ({}, {"voice": 4})
    )

    assert len(mix) == pytest.approx(len(bass), abs=5000)
    assert np.abs(mix).max() > 0.05
    assert np.abs(bass).max() > 0.05
    assert np.abs(mix[: len(bass)] - bass[: len(mix)]).max() > 0.05


def test_the_opus_file_is_an_ogg_stream_as_long_as_the_piece(as_alice: APIClient, harmonised: Track) -> None:
    content, seconds = form(as_alice, harmonised, "audio.opus"), Score.from_json(harmonised.score).seconds

    # By hand, after RFC 3533 and RFC 7845: the coder's own library is no independent reader.
    pages = list(ogg_pages(content))
    head, tags = pages[0][1], pages[1][1]
    magic, version, channels, skipped, rate = struct.unpack("<8sBBHI", head[:16])
    assert (magic, version, channels, rate, tags[:8]) == (b"OpusHead", 1, 1, 48_000, b"OpusTags")
    assert (pages[-1][0] - skipped) / 48_000 == pytest.approx(seconds + 1, abs=0.1)
    # By libsndfile, which leaves out pages whose checksum is wrong.
    sound, rate = soundfile.read(io.BytesIO(content))
    assert (rate, len(sound) / rate) == (48_000, pytest.approx(seconds + 1, abs=0.1))


def ogg_pages(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(position in samples, content) of each page of one stream."""
    place, number = 0, 0
    while place < len(content):
        magic, _, _, granule, serial, sequence, _, segments = struct.unpack_from("<4sBBqIIIB", content, place)
        assert (magic, serial, sequence) == (b"OggS", 1, number)
        lengths = content[place + 27 : place + 27 + segments]
        begin = place + 27 + segments
        yield granule, content[begin : begin + sum(lengths)]
        place, number = begin + sum(lengths), number + 1


@pytest.mark.parametrize("voice", ["0", "5", "x", "99999"])
def test_a_voice_that_is_not_there_is_refused(as_alice: APIClient, harmonised: Track, voice: str) -> None:
    answer = as_alice.get(f"/api/v1/tracks/{harmonised.pk}/midi", {"voice": voice})

    assert answer.status_code == 400
    assert "1 … 4" in answer.json()["voice"][0]
