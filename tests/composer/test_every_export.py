"""Whatever pieces consist of leaves whole in every form: parsers that know nothing of the writers find each onset, length and
pitch. They are music21 (MusicXML, ABC), abc2midi (ABC), symusic (MIDI), verovio (score), soundfile and Python's wave reader."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
import torch
from rest_framework.test import APIClient

from accounts.models import Account
from composer.accompaniment.accompany import accompany
from composer.accompaniment.network import ChordAdvantage, ChordPrior
from composer.accompaniment.policy import ChordPolicy
from music.audio import SAMPLE_RATE, render
from music.bars import bars
from music.notes import Melody, Note, Score, Voice
from recsys.catalogue import track_of
from recsys.models import Track
from tests.composer.test_exports import form
from tests.music.test_round_trips import Sounding, heard_by_music21, sounding


def tune(text: str, *, metre: tuple[int, int] = (4, 4), **frame: Any) -> Melody:
    """A melody from words such as `60 62:1/2 r:3/2`; a word without a length is an eighth."""
    notes = []
    for word in text.split():
        pitch, _, length = word.partition(":")
        notes.append(Note(None if pitch == "r" else int(pitch), Fraction(length or "1/2")))
    values: dict[str, Any] = {"notes": tuple(notes), "metre": metre, "tonic": 0, "mode": "major", "tempo": 180.0}
    return Melody(**values | frame)


def accompanied(melody: Melody, texture: str, lyrics: tuple[str, ...] = ()) -> Score:
    """The melody with voices below it, by an accompanist that has learned nothing."""
    torch.manual_seed(2)
    policy = ChordPolicy(prior=ChordPrior(hidden=8).eval(), advantage=ChordAdvantage().eval())
    voices, _ = accompany(policy, melody, texture, seed=1, motion=0.5, colour=0.8, program=40)
    return Score(title=f"In {texture}", voices=(replace(voices[0], lyrics=lyrics), *voices[1:]))


def alone(melody: Melody, *others: Melody) -> Score:
    names = ("Melody", "Second", "Bass")
    voices = tuple(Voice(name=name, melody=one, program=73) for name, one in zip(names, (melody, *others), strict=False))
    return Score(title="A piece & more", voices=voices)


JIG = tune("r:1 69 74 76 78 78 76 78 81 78 76:1 74 r:1/2 73 74 76 r:1 74:3/2 r:3/2", metre=(6, 8), tonic=2)
PICKED_UP = tune(
    "67 69 71:1 r:1 74:1 73:2 72:1 74:3/4 76:1/4 74:1 72:1 71:1 r:1/2 70 69:1 67:2 65 66 67:2",
    metre=(3, 4), tonic=7, mode="mixolydian", pickup=Fraction(1),
)  # fmt: skip
ODD = tune(
    "64:1 66:1 68:1 69:1 71:1 72:1 73:1 75:1 76:1 75:1/2 73:1/2 71:2 69:3/2 68:1/2 66:2 64:4",
    tonic=4, odd_bars=((1, Fraction(6)), (2, Fraction(3))),
)  # fmt: skip
TRIPLETS = tune(
    "r:1 67:1/3 69:1/3 71:1/3 r:1/2 72:3/2 70:1/6 69:1/6 67:1/6 66:1/4 r:1/4 63:1/12 62:1/12 63:1/12 67:3/4 "
    "68:2/3 67:1/3 65:9/2 r:1/2 62:1/5 63:1/5 65:1/5 66:1/5 67:1/5 r:2/3 67:1/3 63:5 60:2",
    mode="minor", tempo=150.0,
)  # fmt: skip
WORDS = ("Oh", "wel-", "come", "", "here", "(a-", "gain)")
PIECES: dict[str, Score] = {
    "a new piece with triplets and rests": alone(TRIPLETS),
    "a jig with arpeggios": accompanied(JIG, "arpeggio"),
    "a jig as a waltz": accompanied(JIG, "waltz"),
    "a pickup and words over a drone": accompanied(PICKED_UP, "drone", WORDS),
    "a waltz with a pickup": accompanied(PICKED_UP, "waltz"),
    "a pickup in four voices": accompanied(replace(PICKED_UP, odd_bars=()), "voices"),
    "printed bars of other lengths in boom-chuck": accompanied(ODD, "boom-chuck"),
    "printed bars of other lengths in Alberti": accompanied(ODD, "alberti"),
    "seven eighths in blocks": accompanied(
        tune("70:1 72 73 75:1 r:1/2 77 78:7/2 76:1 75 74:2 r:7/2 70:7/2", metre=(7, 8), tonic=10, mode="phrygian"), "block"
    ),
    "bars written anew in a song of three voices": alone(
        tune("72:1 71:1 69:1 67:1 68:1/3 69:1/3 70:1/3 72 73 74:2 76:1 77:1 74:1 71:1 72:4"),
        tune("64:2 65:2 r:4 67:2 65:2 64:4"),
        tune("48:4 r:4 r:1 43:3 36:4"),
    ),
    "a song continued beside a voice that ends before": alone(
        tune("67 69 71 72 74:2 72:1 71:1 69:2 r:1/2 67:7/2", tonic=7), tune("55:4 r:7", tonic=7)
    ),
    **{
        f"accidentals in {mode}": alone(
            tune("59 60 61 62 63 64 65 66 67:1 66:1 65 64 r 63 62 61 60 59 70:3/2 69 58:4", tonic=tonic, mode=mode),
            tune("47:4 r:2 46:2 45:4 47:4", tonic=tonic, mode=mode),
        )
        for mode, tonic in (("locrian", 11), ("lydian", 6), ("phrygian", 1), ("dorian", 8), ("minor", 3), ("major", 1))
    },
}


def played(score: Score) -> list[Sounding]:
    """Of the voices that are not silent."""
    return [found for voice in score.voices if (found := sounding(voice.melody))]


@pytest.fixture(params=PIECES)
def piece(request: pytest.FixtureRequest, alice: Account) -> Track:
    """A piece of Alice's own."""
    track = track_of(PIECES[request.param], style="air", owner=alice.listener, collection="pieces")
    track.save()
    return track


def exports(client: APIClient, track: Track, name: str) -> list[tuple[bytes, Score]]:
    """The file of all voices and that of each one alone, each with what it should hold."""
    score = Score.from_json(track.score)
    files = [(form(client, track, name), score)]
    for number, voice in enumerate(score.voices, start=1):
        if sounding(voice.melody):
            files.append((form(client, track, name, voice=number), replace(score, voices=(voice,))))
    return files


def test_music21_reads_every_note_and_bar_of_the_musicxml(as_alice: APIClient, piece: Track) -> None:
    from music21 import converter, stream

    for content, score in exports(as_alice, piece, "musicxml"):
        assert heard_by_music21(content.decode(), "musicxml") == played(score)
        read: Any = converter.parseData(content.decode(), format="musicxml")
        for part, voice in zip(read.parts, score.voices, strict=True):
            lengths = [Fraction(measure.duration.quarterLength) for measure in part.getElementsByClass(stream.Measure)]
            assert lengths == [sum(symbol.quarters for symbol in bar) for bar in bars(voice.melody)]


def test_music21_reads_the_words(as_alice: APIClient, alice: Account) -> None:
    from music21 import converter

    track = track_of(PIECES["a pickup and words over a drone"], style="air", owner=alice.listener, collection="pieces")
    track.save()
    read: Any = converter.parseData(form(as_alice, track, "musicxml").decode(), format="musicxml")
    sung = [note.lyric for note in read.parts[0].flatten().notes if note.tie is None or note.tie.type == "start"]

    assert sung[: len(WORDS)] == [word.removesuffix("-") or None for word in WORDS]
    assert set(sung[len(WORDS) :]) == {None}
    assert {note.lyric for part in read.parts[1:] for note in part.flatten().notes} == {None}


def test_music21_reads_every_note_of_the_abc(as_alice: APIClient, piece: Track) -> None:
    for content, score in exports(as_alice, piece, "abc"):
        if score.melody.mode != "locrian":  # which music21 takes for major; abc2midi knows it
            assert heard_by_music21(content.decode(), "abc") == played(score)


def test_abc2midi_reads_every_note_of_the_abc(as_alice: APIClient, piece: Track) -> None:
    import symusic

    kinds: Any = symusic
    for content, score in exports(as_alice, piece, "abc"):
        voices = heard_by_symusic(kinds.Score.from_abc(content.decode()))
        for read, own in zip(voices, played(score), strict=True):
            assert [pitch for _, _, pitch in read] == [pitch for _, _, pitch in own]
            # It moves onsets by a tick of 480, and leaves a little silence behind each note.
            assert all(abs(there - here) <= Fraction(1, 480) for (there, _, _), (here, _, _) in zip(read, own, strict=True))
            assert all(0 <= here - there <= Fraction(1, 30) for (_, there, _), (_, here, _) in zip(read, own, strict=True))


def heard_by_symusic(file: Any) -> list[Sounding]:
    ticks = file.ticks_per_quarter
    voices = [
        sorted((Fraction(note.time, ticks), Fraction(note.duration, ticks), note.pitch) for note in track.notes)
        for track in file.tracks
    ]
    return [voice for voice in voices if voice]


def test_symusic_reads_every_note_of_the_midi(as_alice: APIClient, piece: Track) -> None:
    import symusic

    kinds: Any = symusic
    for content, score in exports(as_alice, piece, "midi"):
        file = kinds.Score.from_midi(content)
        assert heard_by_symusic(file) == played(score)
        assert [round(tempo.qpm, 2) for tempo in file.tempos] == [score.melody.tempo]


def test_verovio_draws_every_note_in_its_place(as_alice: APIClient, piece: Track, capfd: pytest.CaptureFixture[str]) -> None:
    import verovio

    pictures, texts = exports(as_alice, piece, "score.svg"), exports(as_alice, piece, "musicxml")
    for (picture, score), (text, _) in zip(pictures, texts, strict=True):
        heads = [element for element in ElementTree.fromstring(picture).iter() if element.get("class") == "notehead"]
        printed = [start for voice in score.voices for start in heads_of(voice.melody)]
        assert len(heads) == len(printed)
        verovio.enableLog(verovio.LOG_WARNING)
        toolkit = verovio.toolkit()
        assert toolkit.loadData(text.decode())
        moments = [
            Fraction(moment["qstamp"]).limit_denominator(96) for moment in toolkit.renderToTimemap({}) if moment.get("on")
        ]
        assert moments == sorted(set(printed))
    assert capfd.readouterr().err == ""


def heads_of(melody: Melody) -> Iterator[Fraction]:
    """Where each printed note begins, tied ones included."""
    start = Fraction(0)
    for bar in bars(melody):
        yield from (start + symbol.place for symbol in bar if symbol.pitch is not None)
        start += sum((symbol.quarters for symbol in bar), Fraction(0))


@pytest.mark.slow
def test_each_file_of_sound_is_heard_and_as_long_as_the_piece(as_alice: APIClient, piece: Track) -> None:
    for name in ("audio.opus", "audio.mp3"):
        for content, score in exports(as_alice, piece, name):
            sound, rate = soundfile.read(io.BytesIO(content))
            assert (rate, len(sound) / rate) == (SAMPLE_RATE, pytest.approx(score.seconds + 1, abs=0.1))
            assert level(sound) > 0.02
    score = Score.from_json(piece.score)
    with wave.open(io.BytesIO(render(score, "wav"))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16) / 2**15
        assert (file.getframerate(), file.getnchannels()) == (SAMPLE_RATE, 1)
    assert len(samples) / SAMPLE_RATE == pytest.approx(score.seconds + 1, abs=0.001)
    assert level(samples) > 0.02


def level(sound: Any) -> float:
    """Root mean square while it plays."""
    return float(np.sqrt(np.mean(sound[:-SAMPLE_RATE] ** 2)))


def test_the_piano_roll_has_every_note(as_alice: APIClient, piece: Track) -> None:
    for content, score in exports(as_alice, piece, "piano-roll.json"):
        assert len(json.loads(content)["notes"]) == sum(map(len, played(score)))
