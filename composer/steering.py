"""What a listener asks of a piece, checked. Before: pages, API, command. After: composing.py, learning/policy.py, recipe."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from composer.accompaniment.chords import CHORDS
from composer.accompaniment.symbols import Bars, UnreadableChords, chart_of, places, read_chords
from music.bars import UnprintableScore, bars
from music.keys import SCALE_STEPS, name_pitch
from music.notes import MODES, Melody, Note

HABITS: dict[str, tuple[tuple[int, int], float]] = {
    "reel": ((4, 4), 200.0),
    "jig": ((6, 8), 165.0),
    "slip jig": ((9, 8), 165.0),
    "hornpipe": ((4, 4), 150.0),
    "polka": ((2, 4), 130.0),
    "waltz": ((3, 4), 140.0),
    "march": ((4, 4), 110.0),
    "strathspey": ((4, 4), 130.0),
    "chorale": ((4, 4), 80.0),
    "song": ((4, 4), 100.0),
    "air": ((3, 4), 90.0),
}
"""Metre and tempo (quarter notes per minute) that people expect of a style when they ask for nothing else."""

NOTE_DENOMINATORS = (2, 4, 8, 16)
SLOWEST, FASTEST = 30, 300
"""Quarter notes per minute."""
LONGEST_BARS = 64
"""That the composer writes."""
SMALLEST_RANGE_NOTES = 5
"""Fewer notes of the mode than this make no melody."""
SHORTEST_NOTE = Fraction(1, 40)
"""Quarter notes. The composer counts in 48ths of one: of shorter notes that are given, two could begin at once."""
GRADED = ("density", "leaps", "syncopation", "brightness", "closeness")
"""Wishes that are rewarded and conditioned on, not enforced: 0 … 1, None where the listener asks for nothing."""

FINEST_DECIMAL = 96
FLOAT_ROUNDING = Fraction(1, 10**6)
"""Quarter notes. A number as near as this to a fraction of at most FINEST_DECIMAL parts is that fraction, as a float has it."""
DECIMAL_PARTS = (28, 32, 36, 40, 48)
DECIMAL_ROUNDING = Fraction(1, 2000)
"""Quarter notes: three places, such as 0.333, tell one of DECIMAL_PARTS from the next, and finer ones not."""

_LENGTH = re.compile(r"[0-9]{1,4}(/0{0,2}[1-9][0-9]{0,2})?")


class ImpossibleSteering(ValueError):  # noqa: N818 – the name every part agreed on
    """A wish that no piece can fulfil: names the field and the bound."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Steering:
    """A wish for one piece. Key, chords, metre, tempo, bars, range, primer and locks are obeyed exactly; the rest by degree."""

    style: str = "reel"
    tonic: int = 2
    """Pitch class 0 … 11, C = 0."""
    mode: str = "major"
    chords: str = ""
    """A note of its chord begins each bar, and each half of a bar with two; from the beginning again where they end
    (accompaniment/symbols.py). Empty asks for none."""
    metre: tuple[int, int] = (4, 4)
    """As written: (6, 8)."""
    bars: int = 16
    """Full bars, 1 … 64."""
    tempo: float = 120.0
    """Quarter notes per minute, 30 … 300."""
    lowest: int = 57
    """Lowest MIDI pitch."""
    highest: int = 84
    """Highest MIDI pitch."""
    density: float | None = None
    """0 few notes … 1 many notes."""
    leaps: float | None = None
    """0 steps only … 1 many leaps."""
    syncopation: float | None = None
    brightness: float | None = None
    """0 low … 1 high in the range."""
    closeness: float | None = None
    """0 far from … 1 close to the catalogue; to a melody in the task `vary`, which has a closeness of its own."""
    taste_strength: float = 1.0
    """0 ignores … 1 follows the listener's taste."""
    primer: tuple[Note, ...] | None = None
    """The piece begins with these notes, from the start of bar 1."""
    locked_bars: tuple[tuple[int, tuple[Note, ...]], ...] = ()
    """Bars, numbered from 1 and in order, whose notes are given: each fills its bar exactly."""

    def __post_init__(self) -> None:
        """Refuses whatever no piece can fulfil."""
        _check_style_name(self.style)
        _check_whole("tonic", self.tonic, 0, 11)
        if self.mode not in MODES:
            raise ImpossibleSteering("mode", f"must be one of {', '.join(MODES)}; it is {self.mode!r}")
        _check_metre(self.metre)
        _check_whole("bars", self.bars, 1, LONGEST_BARS)
        _check_number("tempo", self.tempo, SLOWEST, FASTEST)
        _ = self.chord_bars
        for name in GRADED:
            if getattr(self, name) is not None:
                _check_number(name, getattr(self, name), 0, 1)
        _check_number("taste_strength", self.taste_strength, 0, 1)
        self._check_range()
        self._check_primer()
        self._check_locks()

    @property
    def bar_quarters(self) -> Fraction:
        """Length of one bar in quarter notes."""
        return Fraction(4 * self.metre[0], self.metre[1])

    @property
    def quarters(self) -> Fraction:
        """Length of the piece in quarter notes."""
        return self.bars * self.bar_quarters

    @property
    def scale(self) -> frozenset[int]:
        """Pitch classes of the key."""
        return frozenset((self.tonic + step) % 12 for step in SCALE_STEPS[self.mode])

    @property
    def chord_bars(self) -> Bars:
        """The chords by bar, before they begin again; ImpossibleSteering where they can't be read."""
        try:
            return read_chords(self.chords, self.tonic, self.mode, self.metre, self.bars)
        except UnreadableChords as refusal:
            raise ImpossibleSteering("chords", str(refusal)) from None

    @property
    def chart(self) -> list[list[str]]:
        """The symbols of each bar's chords; empty where none are asked for."""
        return chart_of(self.chord_bars, self.bars, self.tonic, self.mode)

    def chord_places(self) -> Iterator[tuple[int, Fraction, int]]:
        """(bar from 1, quarter notes from the beginning of the piece, chord) wherever a note of a chord is to begin."""
        for bar, place, chord in places(self.chord_bars, self.metre, self.bars):
            yield bar, (bar - 1) * self.bar_quarters + place, chord

    def classes_of(self, chord: int) -> frozenset[int]:
        """Pitch classes of the key that this chord holds."""
        return self.scale & {(self.tonic + step) % 12 for step in CHORDS[chord].pitch_classes}

    @property
    def is_wished(self) -> bool:
        """Whether any graded wish is made."""
        return any(getattr(self, wish) is not None for wish in GRADED)

    def check_style(self, known: Collection[str]) -> None:
        """Refuses a style that is not among the known ones."""
        if self.style not in known:
            raise ImpossibleSteering("style", f"must be one of {', '.join(sorted(known)) or 'none yet'}; it is {self.style!r}")

    @classmethod
    def from_json(cls, values: object) -> Steering:
        """A wish from plain values. What is missing is taken from the style's habits; an unknown field is refused."""
        if not isinstance(values, Mapping):
            raise ImpossibleSteering("steering", "must be an object of fields")
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise ImpossibleSteering(str(name)[:40], f"is no field of a steering; there are {', '.join(names)}")
        wishes: dict[str, Any] = {name: value for name, value in values.items() if value is not None or name in GRADED}
        style = wishes.get("style", cls.style)
        metre, tempo = HABITS.get(style if isinstance(style, str) else "", (cls.metre, cls.tempo))
        wishes["metre"] = _read_metre(wishes.get("metre", metre))
        wishes.setdefault("tempo", tempo)
        if "primer" in wishes:
            wishes["primer"] = _read_notes("primer", wishes["primer"]) or None
        if "locked_bars" in wishes:
            wishes["locked_bars"] = _read_locks(wishes["locked_bars"])
        steering = cls(**wishes)
        for field, notes in (("primer", steering.primer or ()), *(("locked_bars", notes) for _, notes in steering.locked_bars)):
            check_printable(field, Melody(notes=notes, metre=steering.metre, tonic=steering.tonic, mode=steering.mode))
        return steering

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives the same steering back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["metre"] = list(self.metre)
        values["tempo"] = float(self.tempo)
        values["primer"] = None if self.primer is None else _write_notes(self.primer)
        values["locked_bars"] = {str(bar): _write_notes(notes) for bar, notes in self.locked_bars}
        return values

    def _check_range(self) -> None:
        check_pitch("lowest", self.lowest)
        check_pitch("highest", self.highest)
        if self.lowest > self.highest:
            raise ImpossibleSteering(
                "highest", f"must not be below lowest, which is {name_pitch(self.lowest)}; it is {name_pitch(self.highest)}"
            )
        asked = f"{name_pitch(self.lowest)} … {name_pitch(self.highest)}"
        pitches = [pitch for pitch in range(self.lowest, self.highest + 1) if pitch % 12 in self.scale]
        if len(pitches) < SMALLEST_RANGE_NOTES:
            raise ImpossibleSteering(
                "highest",
                f"{asked} holds {len(pitches)} note{'' if len(pitches) == 1 else 's'} of this {self.mode} key; "
                f"a melody needs at least {SMALLEST_RANGE_NOTES}",
            )
        if not any(pitch % 12 == self.tonic for pitch in pitches):
            raise ImpossibleSteering("highest", f"{asked} does not hold the tonic, on which a piece ends")

    def _check_primer(self) -> None:
        if self.primer is None:
            return
        _check_notes("primer", self.primer, self.lowest, self.highest)
        length = sum((note.quarters for note in self.primer), Fraction(0))
        if length >= self.quarters:
            raise ImpossibleSteering(
                "primer", f"is {length} quarter notes long; it must be shorter than the piece's {self.quarters}"
            )

    def _check_locks(self) -> None:
        primer_quarters = sum((note.quarters for note in self.primer or ()), Fraction(0))
        before = 0
        for bar, notes in self.locked_bars:
            _check_whole("locked_bars", bar, 1, self.bars)
            if bar <= before:
                raise ImpossibleSteering("locked_bars", f"must be in order and named once; bar {bar} comes after bar {before}")
            before = bar
            _check_notes("locked_bars", notes, self.lowest, self.highest)
            length = sum((note.quarters for note in notes), Fraction(0))
            if length != self.bar_quarters:
                raise ImpossibleSteering(
                    "locked_bars", f"bar {bar} is {length} quarter notes long; it must be {self.bar_quarters}"
                )
            if (bar - 1) * self.bar_quarters < primer_quarters:
                raise ImpossibleSteering("locked_bars", f"bar {bar} is within the primer, which gives its notes already")
        if len(self.locked_bars) == self.bars:
            raise ImpossibleSteering("locked_bars", f"all {self.bars} bars are locked; at least one must be open")


def _check_style_name(style: object) -> None:
    if not isinstance(style, str) or not 1 <= len(style) <= 40 or not style.isprintable():
        raise ImpossibleSteering("style", "must be a name of 1 … 40 printable letters")


def _check_whole(field: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ImpossibleSteering(field, f"must be a whole number {low} … {high}; it is {_shown(value)}")


def check_pitch(field: str, value: object, which: str = "", otherwise: str = "") -> None:
    """Refuses what is no MIDI pitch; `which` says whose it is, `otherwise` what else it could be."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 127:
        bounds = f"must be a MIDI pitch {name_pitch(0)} … {name_pitch(127)}{otherwise}"
        raise ImpossibleSteering(field, f"{which}{bounds}; it is {_shown(value)}")


def check_printable(field: str, melody: Melody) -> None:
    """Refuses notes whose lengths have no common notation, such as 1/83 and 1/89 of a quarter note in one bar."""
    try:
        bars(melody)
    except UnprintableScore as refusal:
        raise ImpossibleSteering(field, f"can't be written in notes: {refusal}") from None


def _check_number(field: str, value: object, low: float, high: float) -> None:
    # NaN and infinity lie in no bounds. `math.isfinite` would fail on a whole number of 400 digits.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # type: ignore[operator]
        raise ImpossibleSteering(field, f"must be a number {low:g} … {high:g}; it is {_shown(value)}")


def _check_metre(metre: tuple[int, int]) -> None:
    beats, unit = metre
    _check_whole("metre", beats, 1, 16)
    if unit not in NOTE_DENOMINATORS:
        raise ImpossibleSteering("metre", f"must have 2, 4, 8 or 16 below; it has {_shown(unit)}")
    if not 1 <= Fraction(4 * beats, unit) <= 8:
        raise ImpossibleSteering(
            "metre", f"a bar must last 1 … 8 quarter notes; {beats}/{unit} lasts {Fraction(4 * beats, unit)}"
        )


def _check_notes(field: str, notes: tuple[Note, ...], lowest: int, highest: int) -> None:
    for number, note in enumerate(notes, start=1):
        if note.pitch is not None and not lowest <= note.pitch <= highest:
            wanted = f"{name_pitch(lowest)} … {name_pitch(highest)}"
            raise ImpossibleSteering(field, f"note {number} is {name_pitch(note.pitch)}; the range is {wanted}")
        if not SHORTEST_NOTE <= note.quarters <= 64:
            raise ImpossibleSteering(field, f"note {number} must last {SHORTEST_NOTE} … 64 quarter notes")


def _read_metre(value: object) -> tuple[int, int]:
    """A metre from `[6, 8]` or `"6/8"`."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,2}/[0-9]{1,2}", value):
        value = [int(part) for part in value.split("/")]
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise ImpossibleSteering("metre", f"must be two numbers such as 6/8; it is {_shown(value)}")
    beats, unit = value
    _check_whole("metre", beats, 1, 16)
    _check_whole("metre", unit, 2, 16)
    return beats, unit


def _read_notes(field: str, value: object, where: str = "") -> tuple[Note, ...]:
    """Notes from a list of [pitch or null, length in quarter notes]; lengths may be numbers or texts such as "3/2"."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > 2048:
        raise ImpossibleSteering(field, "must be a list of at most 2048 notes")
    notes = []
    for number, pair in enumerate(value, start=1):
        which = f"{where}note {number} "
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise ImpossibleSteering(field, f"{which}must be [pitch, quarter notes]")
        pitch, quarters = pair
        if pitch is not None:
            check_pitch(field, pitch, which)
        length = read_length(field, quarters, which)
        if length is None:
            raise ImpossibleSteering(field, f'{which}must have a length such as 0.5 or "3/2"; it is {_shown(quarters)}')
        notes.append(Note(pitch, length))
    return tuple(notes)


def read_length(field: str, value: object, which: str = "") -> Fraction | None:
    """Quarter notes from a number or a text such as "3/2"; None where it is neither.

    A decimal that rounds no length is refused: it would become another than was given."""
    if isinstance(value, str) and _LENGTH.fullmatch(value):
        return Fraction(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 10_000:
        return None
    asked = Fraction(value)
    exact = asked.limit_denominator(FINEST_DECIMAL)
    if abs(exact - asked) <= FLOAT_ROUNDING:
        return exact
    nearest = min((Fraction(round(asked * parts), parts) for parts in DECIMAL_PARTS), key=lambda length: abs(length - asked))
    if abs(nearest - asked) <= DECIMAL_ROUNDING:
        return nearest
    means = f'the nearest is {max(nearest, SHORTEST_NOTE)}, and any other is given as a text such as "3/11"'
    raise ImpossibleSteering(field, f"{which}lasts {_shown(value)} quarter notes, which is no length of a note: {means}")


def _read_locks(value: object) -> tuple[tuple[int, tuple[Note, ...]], ...]:
    """Locks from an object of bar number → notes."""
    if not isinstance(value, Mapping):
        raise ImpossibleSteering("locked_bars", "must be an object of bar number → notes")
    locks = {}
    for bar, notes in value.items():
        if not re.fullmatch(r"[0-9]{1,2}", str(bar)):
            raise ImpossibleSteering("locked_bars", f"bar {_shown(bar)} must be a whole number 1 … {LONGEST_BARS}")
        if int(bar) in locks:
            raise ImpossibleSteering("locked_bars", f"bar {int(bar)} is given twice")
        locks[int(bar)] = _read_notes("locked_bars", notes, f"bar {int(bar)}: ")
    return tuple(sorted(locks.items()))


def _write_notes(notes: tuple[Note, ...]) -> list[list[Any]]:
    return [[note.pitch, str(note.quarters)] for note in notes]


def _shown(value: object) -> str:
    """A value as the message shows it, cut short."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
