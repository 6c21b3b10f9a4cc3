"""A score can be heard and seen: audio within its limits, SVG with a time map, a piano roll."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from music.audio import FORMATS, SAMPLE_RATE, UnplayableScore, render
from music.notation import svg
from music.ogg import with_fixed_serial
from music.piano_roll import piano_roll
from tests.music.cast import CHORALE, JIG, TRIPLETS, melody, score


def hear(packed: bytes) -> Any:
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(packed))
    assert rate == SAMPLE_RATE
    return samples


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("played", [score(JIG), CHORALE], ids=["jig", "chorale"])
def test_it_sounds_as_long_as_the_score_and_never_clips(format_name: str, played: Any) -> None:
    samples = hear(render(played, format_name))
    loud = samples[np.abs(samples) > 0.01]

    assert played.seconds <= len(samples) / SAMPLE_RATE <= played.seconds + 2
    assert np.abs(samples).max() <= 10 ** (-1 / 20)
    assert -22 < 20 * np.log10(np.sqrt((loud**2).mean())) < -12


def test_each_note_is_heard_at_its_time() -> None:
    samples = hear(render(score(melody("60:2 r:2 67:2")), "wav"))
    level = [float(np.abs(samples[int(second * SAMPLE_RATE) :][: SAMPLE_RATE // 4]).max()) for second in (0.1, 1.7, 2.1)]

    assert level[0] > 4 * level[1]
    assert level[2] > 4 * level[1]


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_same_score_gives_the_same_bytes(format_name: str) -> None:
    assert render(score(JIG), format_name) == render(score(JIG), format_name)


def test_what_is_no_ogg_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="byte 0"):
        with_fixed_serial(render(score(JIG), "wav"))


def test_silence_is_refused() -> None:
    with pytest.raises(UnplayableScore, match="no note"):
        render(score(melody("r:4")), "wav")


@pytest.mark.parametrize("printed", [score(JIG), score(TRIPLETS), CHORALE], ids=["jig", "triplets", "chorale"])
def test_the_time_map_names_elements_of_the_picture(printed: Any) -> None:
    picture, moments = svg(printed)
    ids = set(re.findall(r'(?:data-)?id="([^"]+)"', picture))

    assert picture.lstrip().startswith("<svg")
    assert {name for moment in moments for name in moment["ids"]} <= ids
    assert moments[0]["seconds"] == 0
    assert moments[-1]["seconds"] < printed.seconds
    assert svg(printed) == (picture, moments)


def test_the_time_map_keeps_the_tempo() -> None:
    _, moments = svg(score(melody("60:1 62:1 64:1 65:1")))

    assert [moment["seconds"] for moment in moments] == [0, 0.5, 1, 1.5]


def test_the_piano_roll_has_every_note_at_its_time() -> None:
    roll = piano_roll(CHORALE)

    assert len(roll["notes"]) == 24
    assert roll["notes"][0] == {"start_seconds": 0.0, "end_seconds": 0.5, "pitch": 67, "voice": 0}
    assert (roll["lowest"], roll["highest"], roll["seconds"]) == (43, 76, 4.0)
    assert roll["bar_lines_seconds"] == [0.0, 2.0]


def test_every_thread_of_a_web_server_can_print() -> None:
    with ThreadPoolExecutor(3) as threads:
        pictures = list(threads.map(svg, [score(JIG)] * 3))

    assert pictures == [svg(score(JIG))] * 3
