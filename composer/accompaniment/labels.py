"""Which chord sounds in each half bar of a piece in several voices. Before: the catalogue's chorales. After: prior, evaluation.

Shapes: T half bars, A chords, P twelve pitch classes above the tonic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.accompaniment.chords import CHORDS, COUNT, HOLDS_AP
from composer.accompaniment.half_bars import HalfBar, hear
from music.notes import Score

_OUTSIDE = 1.0
"""Cost of sounding time that the chord does not hold, per share."""
_MISSING = np.array([0.12, 0.2, 0.04, 0.12])
"""Cost of a root, third, fifth, seventh that does not sound."""
_BASS = 0.25
"""Worth of the root in the bass where the half bar begins; half of it for the third."""
_SEVENTH = 0.12
"""A triad explains as well: sevenths must earn this."""
_ACCENT = 6.0
"""Where two chords share a half bar, the one on its beginning is meant; the other one is passing."""


def label(score: Score, cut: list[HalfBar]) -> NDArray[np.int64]:
    """The chord, T, that explains the sounding notes of all voices best."""
    heard_VTP = np.stack([hear(voice.melody, cut, accent=_ACCENT).weights_TP for voice in score.voices])
    sounding_TP = heard_VTP.sum(axis=0)
    sounding_TP /= np.maximum(sounding_TP.sum(axis=1, keepdims=True), 1e-9)
    bass_TP = hear(score.voices[-1].melody, cut).accented_TP
    chords_T: NDArray[np.int64] = _scores(sounding_TP, bass_TP).argmax(axis=1)
    return chords_T


def _scores(sounding_TP: NDArray[np.float64], bass_TP: NDArray[np.float64]) -> NDArray[np.float64]:
    """How well each chord explains each half bar, TA."""
    inside_TA = sounding_TP @ HOLDS_AP.T
    scores_TA: NDArray[np.float64] = inside_TA - _OUTSIDE * (sounding_TP.sum(axis=1, keepdims=True) - inside_TA)
    for number in range(COUNT):
        chord = CHORDS[number]
        members = list(chord.pitch_classes)
        is_missing_TM = sounding_TP[:, members] < 0.02
        scores_TA[:, number] -= is_missing_TM @ _MISSING[: len(members)]
        scores_TA[:, number] -= _SEVENTH * chord.has_seventh
        scores_TA[:, number] += _BASS * (bass_TP[:, members[0]] + 0.5 * bass_TP[:, members[1]])
    return scores_TA
