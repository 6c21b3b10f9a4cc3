"""A melody with its accompaniment as a score. Before: policy.py chooses chords. After: recipes.py, bench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from composer.accompaniment.chords import CHORDS, NUMBERS, Chord, is_minor
from composer.accompaniment.half_bars import HalfBar
from composer.accompaniment.patterns import PATTERNS, realise
from composer.accompaniment.symbols import Bars
from composer.accompaniment.voicing import voice
from music.notes import Melody, Note, Voice

if TYPE_CHECKING:
    from composer.accompaniment.policy import ChordPolicy

VOICES = "voices"
TEXTURES = (VOICES, *PATTERNS)
DRONE = "drone"
"""The texture of one chord throughout."""
ORGAN, STRINGS = 19, 48


def accompany(
    policy: ChordPolicy,
    melody: Melody,
    texture: str,
    *,
    seed: int,
    motion: float,
    colour: float,
    program: int,
    given: Bars = (),
) -> tuple[tuple[Voice, ...], dict[str, Any]]:
    """The melody and the voices below it, and figures: the chords by name, what had to be relaxed.

    `motion` and `colour` are 0 … 1, ½ is what the chorales do; where chords are given, these sound."""
    task, chords_T, figures = policy.harmonise(melody, seed=seed, dials=(2 * motion - 1, 2 * colour - 1), given=given)
    chords = [int(number) for number in chords_T]
    if texture == DRONE:
        chords = [NUMBERS[Chord(0, "minor" if is_minor(melody.mode) else "major")]] * len(chords)
    figures |= {"chords": chart(melody, task.cut, chords)}
    if texture == VOICES:
        return _four_voices(melody, task.cut, chords, program), figures
    below = realise(PATTERNS[texture], melody, task.cut, chords)
    return (Voice(name="Melody", melody=melody, program=program), *below), figures


def _four_voices(melody: Melody, cut: Sequence[HalfBar], chords: Sequence[int], program: int) -> tuple[Voice, ...]:
    """Soprano, alto, tenor and bass, each of the lower ones with a note for each half bar."""
    lines: list[list[Note]] = [[], [], []]
    voicings = voice(melody, cut, chords)
    for number, (half, pitches) in enumerate(zip(cut, voicings, strict=True)):
        # Within a bar a chord that stays is held; over the bar line it is sung anew.
        is_held = number > 0 and not half.is_strong and chords[number] == chords[number - 1] and half.bar == cut[number - 1].bar
        for line, pitch in zip(lines, pitches, strict=True):
            if is_held and line[-1].pitch == pitch:
                line[-1] = Note(pitch, line[-1].quarters + half.quarters)
            else:
                line.append(Note(pitch, half.quarters))
    below = ORGAN if program == ORGAN else STRINGS
    return (
        Voice(name="Soprano", melody=melody, program=program),
        *(
            Voice(name=name, melody=replace(melody, notes=tuple(line)), program=below)
            for name, line in zip(("Alto", "Tenor", "Bass"), lines, strict=True)
        ),
    )


def chart(melody: Melody, cut: Sequence[HalfBar], chords: Sequence[int]) -> list[list[str]]:
    """The chord symbols of each bar, a pickup first; a chord held from before is not named again within its bar."""
    bars: dict[int, list[str]] = {}
    for half, number in zip(cut, chords, strict=True):
        symbol = CHORDS[number].symbol(melody.tonic, melody.mode)
        row = bars.setdefault(half.bar, [])
        if not row or row[-1] != symbol:
            row.append(symbol)
    return list(bars.values())
