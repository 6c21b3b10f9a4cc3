"""Pictures are measured within limits; each property becomes one field."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from composer.prompting.picture import read_picture, read_properties
from composer.prompting.pixels import MOST_BYTES, Properties, UnreadablePicture, measure, measure_in_process
from composer.steering import ImpossibleSteering, Steering

GREY = Properties(width=400, height=300, brightness=0.5, contrast=0.3, saturation=0.0, hue=0, warmth=0.0, edges=0.2)


def packed(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it has this size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_a_warm_bright_picture_is_read_with_its_properties() -> None:
    reading = read_picture(packed(Image.new("RGB", (400, 300), (250, 180, 60))))

    steering = reading.steering
    assert (steering.mode, steering.bars, steering.tonic) == ("major", 16, 7)
    assert steering.tempo > 120
    assert steering.brightness is not None
    assert steering.brightness > 0.6
    assert reading.because["tonic"] == "hue 39°"
    assert reading.because["bars"] == "400 × 300 pixels (about as wide as high)"
    assert "brightness 0.73 (bright)" in reading.because["mode"]


def test_a_night_is_minor_low_and_slow() -> None:
    night = read_picture(packed(Image.new("RGB", (900, 300), (10, 12, 60)))).steering

    assert (night.mode, night.bars) == ("minor", 32)
    assert night.tempo < 90
    assert night.brightness is not None
    assert night.brightness < 0.2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_the_same_picture_in_every_format_is_about_the_same(kind: str) -> None:
    seen = measure_in_process(packed(Image.new("RGB", (64, 48), (200, 40, 40)), kind))

    assert (seen.width, seen.height) == (64, 48)
    assert seen.brightness == pytest.approx(0.34, abs=0.02)
    assert seen.hue == pytest.approx(0, abs=3) or seen.hue > 357


def test_more_detail_asks_for_more_leaps_and_grey_names_no_key() -> None:
    plain, busy = (read_properties(replace(GREY, edges=edges)) for edges in (0.1, 0.8))

    assert plain.steering.leaps is not None
    assert busy.steering.leaps is not None
    assert busy.steering.leaps > plain.steering.leaps
    assert "tonic" not in plain.because
    assert "too little for a hue" in plain.not_understood[0]


def test_nothing_but_pixels_is_looked_at() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "at home"
    picture = Image.new("RGB", (60, 20), (9, 9, 9))

    assert measure_in_process(packed(picture, "JPEG", exif=exif)) == measure_in_process(packed(picture, "JPEG"))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_every_kind_of_pixel_can_be_measured(mode: str) -> None:
    assert read_properties(measure_in_process(packed(Image.new(mode, (1, 1)))))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"hello", "it is no picture that is read here; there are PNG, JPEG, WEBP, GIF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is no picture"),
        (packed(Image.new("RGB", (8, 8)), "BMP"), "it is no picture"),
        (packed(Image.new("RGB", (300, 300)), "JPEG")[:400], "it can't be read"),
        (packed(Image.new("RGB", (300, 300)))[:60], "it can't be read"),
        (bomb(10_000, 10_000), "10000 × 10000 = 100 million pixels; at most 40 million"),
        (bomb(2**31 - 1, 2**31 - 1), "at most 40 million"),
        (bomb(5000, 5000), "it can't be read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(MOST_BYTES), "at most 8 MiB"),
    ],
    ids=["empty", "text", "svg", "bmp", "half a jpeg", "half a png", "100 megapixels", "largest", "short of pixels", "9 MiB"],
)
def test_what_is_no_picture_is_refused_with_the_bound(content: bytes, words: str) -> None:
    with pytest.raises(ImpossibleSteering) as refusal:
        read_picture(content)

    assert refusal.value.field == "image"
    assert words in refusal.value.message


def test_the_child_measures_what_this_process_measures() -> None:
    content = packed(Image.linear_gradient("L"))

    assert measure(content) == measure_in_process(content)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200), st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]))
def test_a_broken_picture_is_refused_or_measured(noise: bytes, place: int, kind: str) -> None:
    whole = packed(Image.new("RGB", (20, 20), (90, 40, 10)), kind)
    try:
        seen = measure_in_process(whole[:place] + noise + whole[place + len(noise) :])
    except UnreadablePicture:
        return
    assert read_properties(seen)


SHARE = st.floats(0, 1)


@given(
    st.builds(
        Properties,
        width=st.integers(1, 100_000),
        height=st.integers(1, 100_000),
        brightness=SHARE,
        contrast=SHARE,
        saturation=SHARE,
        hue=st.floats(0, 360),
        warmth=st.floats(-1, 1),
        edges=SHARE,
    )
)
def test_any_properties_give_a_steering(seen: Properties) -> None:
    reading = read_properties(seen)

    assert Steering.from_json(reading.steering.to_json()) == reading.steering
