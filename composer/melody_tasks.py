"""What may be done with a melody: continue, vary, rewrite, accompany, transfer. Before: sources.py. After: recipes.py.

A task is checked before it is queued; refusals name the field and its bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from composer.accompaniment.accompany import DRONE, TEXTURES, VOICES
from composer.accompaniment.half_bars import beat_quarters
from composer.accompaniment.symbols import Bars, UnreadableChords, read_chords
from composer.melody_bars import evened, full_bars, notes_by_bar, printed_bars, room_of, without_pickup
from composer.steering import (
    FASTEST,
    GRADED,
    HABITS,
    LONGEST_BARS,
    SHORTEST_NOTE,
    SLOWEST,
    ImpossibleSteering,
    Steering,
    check_printable,
)
from music.keys import name_pitch
from music.notes import Melody, Note, Score, Voice

KINDS = ("continue", "vary", "rewrite", "accompany", "transfer")
FEWEST_NOTES = 4
MOST_NOTES = 2000
MOST_BARS = 256
LOWEST_VOICE, HIGHEST_VOICE = 55, 88
"""Where four voices have room: the melody is the highest of them."""
LOWEST_MELODY, HIGHEST_MELODY = 48, 100
"""Where a pattern below it has room."""
METRE_CHANGES_ABOVE = 0.5
"""Blend up to which a melody keeps its own metre."""
USUAL_METRES: dict[str, tuple[tuple[int, int], ...]] = {
    "german folk": ((4, 4), (3, 4), (2, 4)),
    "chinese folk": ((2, 4), (4, 4)),
    "chorale": ((4, 4), (3, 4)),
    "air": ((4, 4), (3, 4), (2, 4), (6, 8)),
    "march": ((4, 4), (2, 4), (6, 8)),
}
"""Styles at home in several metres, the commonest one first; the others have the one of their habits."""
OF_KIND: dict[str, tuple[str, ...]] = {
    "continue": ("bars",),
    "vary": ("closeness",),
    "rewrite": ("first_bar", "last_bar"),
    "accompany": ("texture", "motion", "colour", "chords"),
    "transfer": ("style", "blend"),
}
"""Fields that each kind knows, beside `kind` and the source."""
KEEP_WORDS = ("continue", "rewrite", "accompany")
"""Kinds that leave notes as they are, and what is sung to them. Told anew, a melody has other notes for other syllables."""

KEEP_VOICES = ("continue", "rewrite")
"""Kinds that leave the other voices as they are; they rest where the melody is new, which was written without them."""


@dataclass(frozen=True, kw_only=True)
class MelodyTask:
    """One thing to do with one melody."""

    kind: str
    melody: Melody
    program: int = 0
    """General MIDI program of the melody."""
    lyrics: tuple[str, ...] = ()
    """What is sung to the melody, as in `music.notes.Voice`; empty in tasks that tell it anew."""
    voices: tuple[Voice, ...] = ()
    """The others that stay; empty but in KEEP_VOICES."""
    voices_left_out: int = 0
    """The others that don't."""
    source_style: str = "song"
    source_title: str = ""
    bars: int = 8
    """`continue`: bars to add, 1 … 63."""
    closeness: float = 0.5
    """`vary`: 0 another tune … 1 the same one."""
    first_bar: int = 1
    """`rewrite`: numbered from 1; a pickup belongs to none."""
    last_bar: int = 1
    texture: str = VOICES
    """`accompany`: one of TEXTURES."""
    motion: float = 0.5
    """`accompany`: 0 chords change seldom … 1 often; ½ is the chorales'."""
    colour: float = 0.5
    """`accompany`: 0 plain triads … 1 sevenths and chromatic chords."""
    chords: str = ""
    """`accompany`: the chords of the bars, from the beginning again where they end (accompaniment/symbols.py); empty leaves
    them to the accompanist."""
    style: str = ""
    """`transfer`: the style to be reached."""
    blend: float = 1.0
    """`transfer`: 0 the melody as it is … 1 the other style with the melody's key and length only."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ImpossibleSteering("kind", f"must be one of {', '.join(KINDS)}; it is {_shown(self.kind)}")
        _check_melody(self.melody)
        for name in ("closeness", "motion", "colour", "blend"):
            _check_share(name, getattr(self, name))
        if self.kind == "rewrite":
            self._check_bars()
        if self.kind == "continue":
            _check_whole("bars", self.bars, 1, LONGEST_BARS - 1)
            if self.melody.bars + self.bars > LONGEST_BARS:
                raise ImpossibleSteering(
                    "bars", f"the melody has {self.melody.bars}; with {self.bars} more it would exceed {LONGEST_BARS}"
                )
        if self.kind == "accompany":
            self._check_texture()
        elif self.melody.bars > LONGEST_BARS:
            raise ImpossibleSteering("melody", f"has {self.melody.bars} bars; the composer writes at most {LONGEST_BARS}")
        if self.kind == "transfer" and not (isinstance(self.style, str) and 1 <= len(self.style) <= 40):
            raise ImpossibleSteering("style", "must be the name of the style to be reached")

    def _check_bars(self) -> None:
        bars = full_bars(self.melody)
        _check_whole("first_bar", self.first_bar, 1, bars)
        _check_whole("last_bar", self.last_bar, self.first_bar, bars)

    def _check_texture(self) -> None:
        if self.texture not in TEXTURES:
            raise ImpossibleSteering("texture", f"must be one of {', '.join(TEXTURES)}; it is {_shown(self.texture)}")
        low, high = (LOWEST_VOICE, HIGHEST_VOICE) if self.texture == VOICES else (LOWEST_MELODY, HIGHEST_MELODY)
        for number, note in enumerate(self.melody.notes, start=1):
            if note.pitch is not None and not low <= note.pitch <= high:
                raise ImpossibleSteering(
                    "melody",
                    f"note {number} is {name_pitch(note.pitch)}; {self.texture} needs {name_pitch(low)} … {name_pitch(high)}: "
                    "transpose it",
                )
        beats, _ = self.melody.metre
        if self.texture == "waltz" and beats % 3:
            raise ImpossibleSteering(
                "texture", f"a waltz needs three beats or a compound metre; the melody is in {beats}/{self.melody.metre[1]}"
            )
        if self.melody.bar_quarters < beat_quarters(self.melody.metre) or self.melody.bar_quarters > 8:
            raise ImpossibleSteering(
                "melody", f"a bar must last one beat … 8 quarter notes; it lasts {self.melody.bar_quarters}"
            )
        if self.chord_bars and self.texture == DRONE:
            raise ImpossibleSteering("chords", "are not heard in a drone, which has one chord throughout; leave them out")

    @property
    def chord_bars(self) -> Bars:
        """The chords that are given, by bar; ImpossibleSteering where they can't be read."""
        melody = self.melody
        try:
            return read_chords(self.chords, melody.tonic, melody.mode, melody.metre, len(list(melody.bar_starts())))
        except UnreadableChords as refusal:
            raise ImpossibleSteering("chords", str(refusal)) from None

    @classmethod
    def from_wish(cls, wish: Mapping[str, Any], **source: Any) -> MelodyTask:
        """A task from plain values that people send, after `check_names`; the source was found before."""
        kind = wish["kind"]
        if kind == "rewrite" and "first_bar" in wish:
            wish = {"last_bar": wish["first_bar"], **wish}
        if kind == "transfer" and not wish.get("style"):
            raise ImpossibleSteering("style", "is missing: name the style to be reached")
        for name in ("motion", "colour"):
            if wish.get("chords") and name in wish:
                raise ImpossibleSteering(name, "is not heard beside chords that are given; leave it out")
        if kind not in KEEP_WORDS:
            source.pop("lyrics", None)
        if kind not in KEEP_VOICES:
            others = len(source.pop("voices", ())) + source.pop("voices_left_out", 0)
            # An accompaniment is what is asked for in their place.
            source["voices_left_out"] = 0 if kind == "accompany" else others
        return cls(**wish, **source)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives the same task back."""
        own = ["kind", "program", "source_style", "source_title", *OF_KIND[self.kind]]
        if not self.chords and "chords" in own:
            own.remove("chords")
        more: dict[str, Any] = {"lyrics": list(self.lyrics)} if self.lyrics else {}
        if self.voices:
            more["voices"] = Score(title="", voices=self.voices).to_json()["voices"]
        if self.voices_left_out:
            more["voices_left_out"] = self.voices_left_out
        return {"melody": self.melody.to_json()} | {name: getattr(self, name) for name in own} | more

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> MelodyTask:
        """The task that `to_json` wrote."""
        voices = Score.from_json({"title": "", "voices": values.get("voices", ())}).voices
        read = {"melody": Melody.from_json(values["melody"]), "lyrics": tuple(values.get("lyrics", ())), "voices": voices}
        return cls(**{**values, **read})

    def steering(self, wishes: Mapping[str, Any]) -> Steering:
        """The wish that the composer is given: what the melody decides, and what the listener added."""
        fixed: dict[str, Any] = {"style": self.source_style}
        if self.kind == "transfer":
            fixed["style"] = self.style
        if self.kind == "accompany":
            given: dict[str, Any] = {"tonic": self.melody.tonic, "mode": self.melody.mode}
        else:
            given = self._frame()
            _refuse_odd_metre(self.melody)
        for name in wishes:
            if name == "chords" and self.kind == "accompany":
                raise ImpossibleSteering(name, "are a field of this task; name them there")
            if name == "chords" and self.kind in ("vary", "transfer") and wishes[name]:
                raise ImpossibleSteering(name, "follow the strong notes of the melody, which stay in this task; leave them out")
            if self.kind == "accompany":
                raise ImpossibleSteering(name, "is not heard in an accompaniment, whose melody stays as it is; leave it out")
            if name in (*given, "style", "primer", "locked_bars"):
                raise ImpossibleSteering(name, "follows the melody in this task; leave it out")
            if name in GRADED and wishes[name] is not None and self._stays_itself:
                what = "a blend of 0" if self.kind == "transfer" else "a closeness of 1"
                raise ImpossibleSteering(name, f"is not heard with {what}, which gives the melody back note for note")
        steering = Steering.from_json({**fixed, **given, **wishes})
        if self.kind == "continue":
            return replace(steering, primer=without_pickup(evened(self.melody)))
        if self.kind == "rewrite":
            kept = [n for n in range(1, steering.bars + 1) if not self.first_bar <= n <= self.last_bar]
            bars = notes_by_bar(self.melody)
            if not kept:
                return steering
            return replace(steering, locked_bars=tuple((number, bars[number - 1]) for number in kept))
        return steering

    @property
    def written_anew(self) -> tuple[Fraction, Fraction]:
        """Begin and end, in the given melody, of what a new part stands for: bars to be rewritten, or nothing at the end."""
        if self.kind != "rewrite":
            return self.melody.quarters, self.melody.quarters
        bars = printed_bars(self.melody)
        return bars[self.first_bar - 1][0], bars[self.last_bar - 1][1]

    def words_that_stay(self, own: Melody, lyrics: tuple[str, ...]) -> dict[tuple[Fraction, Note], str]:
        """What is sung to the notes of a voice outside the bars written anew, by beginning and note."""
        begin, end = self.written_anew
        sounding = (at for at in own.onsets() if at[1].pitch is not None)
        return {at: word for at, word in zip(sounding, lyrics, strict=False) if word and not begin <= at[0] < end}

    @property
    def keeps_words(self) -> bool:
        """Whether the melody has words of its own where it stays: there is no room for others."""
        return bool(self.words_that_stay(self.melody, self.lyrics))

    @property
    def _stays_itself(self) -> bool:
        return (self.kind == "vary" and self.closeness == 1) or (self.kind == "transfer" and self.blend == 0)

    def _frame(self) -> dict[str, Any]:
        """Key, metre, length and range of the melody as fields of a steering."""
        low, high = room_of(self.melody)
        bars = full_bars(self.melody) + (self.bars if self.kind == "continue" else 0)
        frame: dict[str, Any] = {
            "tonic": self.melody.tonic,
            "mode": self.melody.mode,
            "bars": bars,
            "lowest": low,
            "highest": high,
        }
        metre, tempo = self._pulse()
        if not SLOWEST <= tempo <= FASTEST:
            raise ImpossibleSteering(
                "tempo", f"the melody has {tempo:g} quarter notes a minute; the composer writes {SLOWEST} … {FASTEST}"
            )
        return frame | {"metre": list(metre), "tempo": tempo}

    def _pulse(self) -> tuple[tuple[int, int], float]:
        """Metre and tempo: the melody's own; beyond half of the way to another style, that style's where it has its own."""
        own = self.melody.metre, float(self.melody.tempo)
        if self.kind != "transfer" or self.blend <= METRE_CHANGES_ABOVE:
            return own
        metre, tempo = HABITS.get(self.style, own)
        usual = USUAL_METRES.get(self.style, (metre,))
        return own[0] if own[0] in usual else usual[0], tempo


def check_names(wish: Mapping[str, Any]) -> None:
    """Refuses an unknown kind of task, and fields that it does not have."""
    kind = wish.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ImpossibleSteering("kind", f"must be one of {', '.join(KINDS)}; it is {_shown(kind)}")
    for name in wish:
        if name not in ("kind", *OF_KIND[kind]):
            known = ", ".join(OF_KIND[kind])
            raise ImpossibleSteering(str(name)[:40], f"is no field of the task {kind!r}; there are {known}")


def _check_melody(melody: Melody) -> None:
    sounding = sum(note.pitch is not None for note in melody.notes)
    if not FEWEST_NOTES <= sounding <= MOST_NOTES:
        plural = "" if sounding == 1 else "s"
        raise ImpossibleSteering("melody", f"has {sounding} note{plural}; it must have {FEWEST_NOTES} … {MOST_NOTES}")
    if melody.bars > MOST_BARS:
        raise ImpossibleSteering("melody", f"has {melody.bars} bars; at most {MOST_BARS} are taken")
    for number, note in enumerate(melody.notes, start=1):
        if note.quarters < SHORTEST_NOTE:
            raise ImpossibleSteering(
                "melody", f"note {number} lasts {note.quarters} of a quarter note; it must last at least {SHORTEST_NOTE}"
            )
    check_printable("melody", melody)


def _refuse_odd_metre(melody: Melody) -> None:
    bar = melody.bar_quarters
    if not 1 <= bar <= 8 or melody.metre[1] not in (2, 4, 8, 16) or melody.metre[0] > 16:
        raise ImpossibleSteering(
            "melody", f"is in {melody.metre[0]}/{melody.metre[1]}; the composer writes bars of 1 … 8 quarter notes"
        )


def _check_share(name: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1:  # type: ignore[operator]
        raise ImpossibleSteering(name, f"must be a number 0 … 1; it is {_shown(value)}")


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ImpossibleSteering(name, f"must be a whole number {low} … {high}; it is {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
