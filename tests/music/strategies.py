"""Melodies as people write them, for the property tests: metres, pickups, ties over bar lines, dots and tuplets."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st

from music.bars import odd_bars
from music.keys import join_rests
from music.notes import MODES, Melody, Note, Score, Voice

settings.register_profile("encore", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("encore")

METRES = [(4, 4), (3, 4), (2, 4), (2, 2), (6, 8), (9, 8), (12, 8), (3, 8), (5, 4), (7, 8), (3, 2)]
PLAIN = [Fraction(length) for length in ("1/4", "1/2", "3/4", "1", "3/2", "2", "3", "4", "5/2", "7/4", "1/8", "6", "9/2")]


def pitches() -> st.SearchStrategy[int]:
    """Where voices and fiddles lie, and beyond."""
    return st.integers(36, 100)


def groups() -> st.SearchStrategy[list[Note]]:
    """One note or rest of a plain length, or a whole triplet or quintuplet of equal or unequal notes."""
    single = st.builds(Note, st.none() | pitches(), st.sampled_from(PLAIN)).map(lambda note: [note])
    triplet = st.lists(pitches(), min_size=3, max_size=3).map(lambda three: [Note(pitch, Fraction(1, 3)) for pitch in three])
    uneven = st.tuples(pitches(), pitches()).map(lambda two: [Note(two[0], Fraction(2, 3)), Note(two[1], Fraction(1, 3))])
    quintuplet = st.lists(pitches(), min_size=5, max_size=5).map(lambda five: [Note(pitch, Fraction(1, 5)) for pitch in five])
    return single | single | triplet | uneven | quintuplet


@st.composite
def melodies(draw: st.DrawFn) -> Melody:
    """A melody with at least one note after its pickup."""
    metre = draw(st.sampled_from(METRES))
    bar = Fraction(4 * metre[0], metre[1])
    pickup = draw(st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(1)]))
    body = [note for group in draw(st.lists(groups(), min_size=1, max_size=24)) for note in group]
    notes = join_rests([Note(draw(pitches()), pickup or bar), Note(draw(pitches()), bar), *body])
    return Melody(
        notes=notes,
        metre=metre,
        tonic=draw(st.integers(0, 11)),
        mode=draw(st.sampled_from(MODES)),
        pickup=pickup,
        tempo=float(draw(st.integers(30, 300))),
    )


@st.composite
def misprinted_melodies(draw: st.DrawFn) -> Melody:
    """A melody some of whose bars are printed longer or shorter than its metre, as no reader could merge or split them."""
    tune = draw(melodies())
    bar, total = tune.bar_quarters, tune.quarters - tune.pickup
    factors = draw(st.lists(st.sampled_from(["1", "1", "1/3", "5/8", "5/4", "3/2"]), max_size=8))
    lengths: list[Fraction] = []
    left = total
    for factor in factors:
        length = min(Fraction(factor) * bar if lengths else max(Fraction(factor), Fraction(1)) * bar, left)
        lengths += [length] if length else []
        left -= length
    return replace(tune, odd_bars=odd_bars([*lengths, left], bar))


def scores() -> st.SearchStrategy[Score]:
    """A melody alone under a title."""
    titles = st.sampled_from(["The Missing Bridge", "Wie schön", "A & B < C", '50 % "quoted"', ""])
    return st.builds(
        lambda melody, title: Score(title=title, voices=(Voice(name="Melody", melody=melody, program=40),)), melodies(), titles
    )
