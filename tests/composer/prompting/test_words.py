"""A text becomes fields of a steering, each with its words; what isn't understood is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from composer.prompting.phrases import LANGUAGES, meaning_of, words_of
from composer.prompting.words import MOST_CHARACTERS, read_text
from composer.steering import ImpossibleSteering, Steering

STYLES = ("reel", "jig", "slip jig", "hornpipe", "polka", "waltz", "march", "air", "song", "chorale", "chinese folk")


def fields_of(text: str) -> dict[str, Any]:
    """The fields that came from the text."""
    reading = read_text(text, STYLES)
    return {name: getattr(reading.steering, name) for name in reading.because}


def test_a_whole_wish_is_read_and_each_field_knows_its_words() -> None:
    reading = read_text("a slow, sad waltz in D minor, 16 bars, low and smooth", STYLES)

    steering = reading.steering
    assert (steering.style, steering.tonic, steering.mode, steering.metre, steering.bars) == ("waltz", 2, "minor", (3, 4), 16)
    assert steering.tempo == 90
    assert (steering.brightness, steering.leaps, steering.density) == (0.2, 0.15, 0.4)
    assert reading.because == {
        "style": "waltz",
        "metre": "waltz",
        "tonic": "D minor",
        "mode": "D minor",
        "bars": "16 bars",
        "tempo": "slow, waltz",
        "brightness": "low",
        "leaps": "smooth",
        "density": "sad",
    }
    assert reading.not_understood == ()


@pytest.mark.parametrize(
    "text",
    [
        "a slow waltz in D minor, 16 bars",
        "ein langsamer Walzer in d-Moll, 16 Takte",
        "langsamer Walzer, d-Moll, sechzehn Takte",
        "一首慢的华尔兹,D小调,十六小节",
    ],
)
def test_the_same_wish_in_three_languages_is_the_same_steering(text: str) -> None:
    assert read_text(text, STYLES).steering == read_text("slow waltz, D minor, 16 bars", STYLES).steering


@pytest.mark.parametrize(
    ("text", "tonic", "mode"),
    [
        ("F# major", 6, "major"),
        ("B flat minor", 10, "minor"),
        ("E♭ dorian", 3, "dorian"),
        ("B-Dur", 10, "major"),
        ("h-Moll", 11, "minor"),
        ("fis-moll", 6, "minor"),
        ("Es-Dur", 3, "major"),
        ("降B大调", 10, "major"),
        ("a小调", 9, "minor"),
        ("a tune in a minor", 9, "minor"),
        ("A minor, 3/4", 9, "minor"),
        ("key of G mixolydian", 7, "mixolydian"),
        ("a song in Am", 9, "minor"),
        ("F#m, slow", 6, "minor"),
        ("Cmaj", 0, "major"),
    ],
)
def test_keys_are_read_as_musicians_of_the_language_name_them(text: str, tonic: int, mode: str) -> None:
    assert (read_text(text).steering.tonic, read_text(text).steering.mode) == (tonic, mode)


def test_an_article_is_no_key() -> None:
    assert "tonic" not in fields_of("A minor waltz")
    assert "tonic" not in fields_of("give me a major tune")
    assert "tonic" not in fields_of("Am Abend ein Lied")


@pytest.mark.parametrize(
    ("text", "metre"),
    [
        ("6/8", (6, 8)),
        ("cut time", (2, 2)),
        ("Dreiviertel-Takt", (3, 4)),
        ("四三拍", (3, 4)),
        ("tango", (4, 4)),
        ("a jig", (6, 8)),
    ],
)
def test_metres_are_read_by_number_by_name_and_by_dance(text: str, metre: tuple[int, int]) -> None:
    assert fields_of(text)["metre"] == metre


@pytest.mark.parametrize(
    ("text", "tempo"),
    [
        ("reel", 200),
        ("slow reel", 130),
        ("very slow reel", 110),
        ("fast waltz", 170),
        ("march at 100 bpm", 100),
        ("jig at 120 bpm", 180),
        ("♩ = 72", 72),
        ("每分钟90拍", 90),
        ("presto", 185),
        ("presto ma non troppo", 140),
        ("allegro", 140),
        ("largo", 50),
    ],
)
def test_tempo_words_bend_what_is_usual_and_beats_have_the_length_of_the_metre(text: str, tempo: float) -> None:
    assert fields_of(text)["tempo"] == tempo


def test_beats_of_three_say_so() -> None:
    assert read_text("jig at 120 bpm", STYLES).because["tempo"] == "120 bpm (beats of three)"


def test_modifiers_bend_the_word_behind_them() -> None:
    leaps = {
        text: fields_of(text)["leaps"]
        for text in ("leaps", "very leaping", "a bit leaping", "not leaping", "no leaps", "few leaps")
    }

    assert leaps["very leaping"] > leaps["leaps"] > leaps["a bit leaping"] > 0.5 > leaps["not leaping"] > leaps["few leaps"]
    assert leaps["few leaps"] > leaps["no leaps"] >= 0
    assert 0.4 < fields_of("not too high")["brightness"] < 0.5


def test_a_denial_reaches_over_unknown_words_and_over_or_but_not_over_a_comma() -> None:
    assert fields_of("without any zither-like syncopation")["syncopation"] < 0.1
    assert fields_of("no leaps or syncopation") == {"leaps": 0.08, "syncopation": 0.08}
    assert fields_of("not low, syncopated")["syncopation"] > 0.5
    assert fields_of("neither fast nor slow")["tempo"] == 200


def test_words_that_others_outdo_are_named() -> None:
    assert read_text("a slow march at 100 bpm", STYLES).not_understood == ("slow (other words said more)",)
    assert read_text("short, 16 bars", STYLES).not_understood == ("short (other words said more)",)
    assert read_text("allegro, fast", STYLES).because["tempo"] == "allegro, fast"


def test_seconds_are_bars_at_the_tempo() -> None:
    assert fields_of("a 30 second march")["bars"] == 14
    assert fields_of("half a minute, 120 bpm, 3/4")["bars"] == 20
    assert read_text("8 bars, one minute", STYLES).not_understood == ("one minute (beside 8 bars)",)


def test_scenes_are_moods_and_slow_ones_make_an_air() -> None:
    night, storm = fields_of("a rainy night"), fields_of("a storm")

    assert (night["style"], night["mode"]) == ("air", "minor")
    assert storm["tempo"] > night["tempo"]


def test_moods_decide_only_what_nobody_named() -> None:
    assert fields_of("happy")["mode"] == "major"
    assert fields_of("happy, in D minor")["mode"] == "minor"
    assert fields_of("calm but 150 bpm")["tempo"] == 150


def test_a_voice_or_an_instrument_is_a_range() -> None:
    assert (fields_of("for violin")["lowest"], fields_of("for violin")["highest"]) == (55, 88)
    assert (fields_of("from C4 to G5")["lowest"], fields_of("from C4 to G5")["highest"]) == (60, 79)


def test_a_dance_beside_a_vaguer_style_counts_and_the_other_is_named() -> None:
    reading = read_text("an Irish reel", STYLES)

    assert reading.steering.style == "reel"
    assert reading.not_understood == ("Irish (beside reel)",)


def test_a_style_that_the_catalogue_lacks_still_gives_its_metre_and_tempo() -> None:
    reading = read_text("a minuet", STYLES)

    assert reading.steering.style in STYLES
    assert (reading.steering.metre, reading.steering.tempo) == ((3, 4), 110)
    assert reading.not_understood == ("minuet (no style of this catalogue)",)


def test_without_a_style_the_steering_has_one_of_the_catalogue() -> None:
    assert read_text("C major", ("polka", "chorale")).steering.style == "chorale"


def test_what_is_not_understood_is_named() -> None:
    assert read_text("a zither reel like grandmother's", STYLES).not_understood == ("zither", "grandmother's")
    assert read_text("грустная мелодия", STYLES).not_understood == ("грустная", "мелодия")


@pytest.mark.parametrize(
    ("text", "chords", "tonic", "mode"),
    [
        ("a jig with the chords Am F C G", "Am F C G", 9, "minor"),
        ("Am, F, C and G, slow", "Am F C G", 9, "minor"),
        ("song on | C G | Am F |", "C G | Am F", 0, "major"),
        ("ein Walzer, Akkorde: Dm–Gm–A7–Dm", "Dm Gm A7 Dm", 2, "minor"),
        ("和弦 C G", "C G", 0, "major"),
        ("a waltz in G with chords G C D", "G C D", 7, "major"),
        ("ii V7 I progression in B flat major", "ii V7 I", 10, "major"),
        ("I IV V I", "I IV V I", 2, "major"),
        ("i iv V7 i", "i iv V7 i", 2, "minor"),
        ("Bb F Gm Eb", "Bb F Gm Eb", 10, "major"),
    ],
)
def test_chords_are_read_with_the_key_they_are_in(text: str, chords: str, tonic: int, mode: str) -> None:
    reading = read_text(text, STYLES)

    assert (reading.steering.chords, reading.steering.tonic, reading.steering.mode) == (chords, tonic, mode)
    assert reading.not_understood == ()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a jig on Am", ("Am",)),
        ("a jig with chords H7 Am", ("chords", "H7", "Am")),
        ("a reel, Am7 and C9", ("Am7", "C9")),
        ("no chords Am F", ("no chords Am F",)),
        ("a jig with chords I like", ("chords",)),
        ("a reel in parts I, II and III", ("parts", "II", "III")),
        ("a reel in the form A B A", ("form", "B")),
        ("Am Abend", ()),
        ("I want a jig", ()),
    ],
)
def test_what_looks_like_a_chord_is_none_until_it_is_called_so_and_never_vanishes(text: str, named: tuple[str, ...]) -> None:
    reading = read_text(text, STYLES)

    assert reading.steering.chords == ""
    assert reading.not_understood == named


def test_a_chord_that_the_key_does_not_have_is_refused() -> None:
    with pytest.raises(ImpossibleSteering, match="chords: bar 2: F# is not among the 51 chords"):
        read_text("in C major, chords C F# G", STYLES)


@pytest.mark.parametrize(
    ("text", "named"), [("not a waltz", "not waltz"), ("not in minor", "not in minor"), ("kein Walzer", "kein Walzer")]
)
def test_what_is_denied_is_not_taken(text: str, named: str) -> None:
    reading = read_text(text, STYLES)

    assert dict(reading.because) == {}
    assert reading.not_understood == (named,)


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("slow and fast", "tempo", "“slow” and “fast”"),
        ("presto, very slow", "tempo", "“very slow” and “presto”"),
        ("a jig and a waltz", "style", "“jig” and “waltz”"),
        ("D minor, later G minor", "tonic", "“D minor” and “G minor”"),
        ("major and minor", "mode", "“major” and “minor”"),
        ("3/4 and 4/4", "metre", "“3/4” and “4/4”"),
        ("8 bars or 16 bars", "bars", "“8 bars” and “16 bars”"),
        ("very low but very high", "brightness", "“very low” and “very high”"),
        ("soprano for children", "highest", "“soprano” and “for children”"),
    ],
)
def test_contradictions_are_refused_with_both_words(text: str, field: str, words: str) -> None:
    with pytest.raises(ImpossibleSteering, match="contradict each other") as refusal:
        read_text(text, STYLES)

    assert refusal.value.field == field
    assert words in refusal.value.message


@pytest.mark.parametrize(
    ("text", "field", "bound"),
    [
        ("400 bars", "bars", "1 … 64"),
        ("900 bpm", "tempo", "30 … 300"),
        ("5 bpm", "tempo", "30 … 300"),
        ("99/7", "metre", "1 … 16"),
        ("4/0", "metre", "2 … 16"),
        ("0/0 at 120 bpm", "metre", "1 … 16"),
        ("from C4 to D4 with 90 % leaps", "highest", "at least 5"),
        ("from C6 to C4", "highest", "not be below"),
        ("ten minutes of presto", "bars", "1 … 64"),
        ("1 second of largo", "bars", "1 … 64; it is 0"),
        ("from c9 to a9", "highest", "G9 (127)"),
        ("", "text", "1 … 2000 characters"),
        ("  \n\t ", "text", "it is empty"),
        ("\u200b\u0000", "text", "it is empty"),
        ("x" * 10_240, "text", "it has 10240"),
        ("ﷺ" * 200, "text", "it has 3600"),
        (None, "text", "must be a text"),
        (["slow"], "text", "must be a text"),
    ],
)
def test_what_no_piece_can_be_is_refused_with_field_and_bound(text: Any, field: str, bound: str) -> None:
    with pytest.raises(ImpossibleSteering) as refusal:
        read_text(text, STYLES)

    assert refusal.value.field == field
    assert bound in refusal.value.message


WORDS = st.sampled_from(
    [
        "slow",
        "very",
        "not",
        "too",
        "waltz",
        "in",
        "D minor",
        "6/8",
        "16 bars",
        "120 bpm",
        "卡",
        "慢",
        "不",
        "for violin",
        "…",
        "3",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=12).map(" ".join)))
@example("Í²" * 40)
@example("chords" + " " * 1900)
@example("chords " + "Am - " * 390)
@example("ﷺ" * MOST_CHARACTERS)
@example("ſlow İ ß")
@example("from C4 to C4")
@example("²/³ ½ ٣/٤ ٣ bars")
def test_any_text_gives_a_steering_or_a_clear_refusal(text: str) -> None:
    try:
        reading = read_text(text, STYLES)
    except ImpossibleSteering:
        return
    assert Steering.from_json(reading.steering.to_json()) == reading.steering
    assert set(reading.because) <= set(reading.steering.to_json())
    assert reading.steering.style in STYLES
    assert all(reading.because.values())


def test_reading_is_the_same_each_time() -> None:
    text = "wild, a bit unusual, dorian, for flute"

    assert read_text(text, STYLES) == read_text(text, STYLES)


def test_each_word_of_the_lexicon_is_found_in_a_text() -> None:
    import tomllib

    from composer.prompting.phrases import LEXICON

    rows = [row for rows in tomllib.loads(LEXICON.read_text(encoding="utf-8")).values() for row in rows]
    words = [
        word.strip() for row in rows for language in LANGUAGES for word in row.get(language, "").split(",") if word.strip()
    ]

    assert len(words) > 1000
    assert [word for word in words if meaning_of(word) is None] == []
    assert [
        word for word in words if [(found.text, found.meaning) for found in words_of(word)] != [(word, meaning_of(word))]
    ] == []
