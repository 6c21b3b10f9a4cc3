"""Tracks as lists show them: cover, words, opinions. Before: browsing.py, recommending.py. After: pages.py, templates."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from music.keys import NAMES
from recsys.models import Track
from recsys.standing import Current

TINTED = (
    *(
        "reel",
        "jig",
        "german folk",
        "air",
        "chorale",
        "hornpipe",
        "slip jig",
        "song",
        "waltz",
        "chinese folk",
        "march",
        "ballad",
    ),
    *("strathspey", "polka", "irish folk", "lorraine folk", "luxembourg folk", "children's song"),
)
"""Styles whose hue is given, so that common ones differ; others get theirs from their name."""
TINTS = 12
"""Hues of tokens.css."""
COLLECTIONS = {
    "airdsAirs": "Aird's Airs",
    "bach": "Bach's chorales",
    "essenFolksong": "Essen folk songs",
    "miscFolk": "folk from many places",
    "oneills1850": "O'Neill's 1850",
    "ryansMammoth": "Ryan's Mammoth",
}
"""What people call the starter collections."""
COVER_QUARTERS = 8
"""How much of the melody its cover draws."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One track in a list, with what this listener thinks of it."""

    track: Track
    marks: str
    """Path of the cover: the beginning of the melody, one stroke per note."""
    is_liked: bool
    is_disliked: bool
    is_banned: bool
    rating: int
    """Stars, 0 where there are none."""
    reason: str = ""
    recommendation_id: int | None = None
    position: int | None = None
    note: str = ""
    """A few words more, for example when it was heard."""
    surface: str = "row"
    number: int = 0
    """Tells two entries of one track apart."""

    @property
    def anchor(self) -> str:
        """Part of element ids that is unique on the page."""
        return f"{self.track.pk}-{self.number}"

    @property
    def tint(self) -> str:
        """The hue of the style."""
        return tint_of(self.track.style)

    @property
    def subtitle(self) -> str:
        """Who and what: artist if there is one, style, collection."""
        words = " · ".join(part for part in (self.track.artist, self.track.style, self.collection) if part)
        return words[:1].upper() + words[1:]

    @property
    def collection(self) -> str:
        """What people call where it came from."""
        return "composed piece" if self.track.owner_id else COLLECTIONS.get(self.track.collection, self.track.collection)

    @property
    def key(self) -> str:
        """For example “D dorian”."""
        return f"{NAMES[self.track.tonic]} {self.track.mode}"

    @property
    def length(self) -> str:
        """Minutes and seconds."""
        return clock(self.track.duration_seconds)


def clock(seconds: float) -> str:
    """Minutes and seconds, for example 2:05."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"


def tint_of(style: str) -> str:
    """A hue for a style, the same in every process."""
    place = TINTED.index(style) if style in TINTED else zlib.crc32(style.encode())
    return f"tint-{place % TINTS}"


def list_tracks(tracks: Iterable[Track], current: Current, *, surface: str = "row") -> list[Listed]:
    """Entries for plain lists of tracks, in order."""
    return [list_track(track, current, surface=surface, number=number) for number, track in enumerate(tracks)]


def list_track(
    track: Track,
    current: Current,
    *,
    surface: str = "row",
    number: int = 0,
    note: str = "",
    reason: str = "",
    recommendation_id: int | None = None,
    position: int | None = None,
) -> Listed:
    """One entry."""
    return Listed(
        track=track,
        marks=draw_cover(track),
        is_liked=track.pk in current.liked,
        is_disliked=track.pk in current.disliked,
        is_banned=track.pk in current.banned,
        rating=round(current.ratings.get(track.pk, 0)),
        surface=surface,
        number=number,
        note=note,
        reason=reason,
        recommendation_id=recommendation_id,
        position=position,
    )


def draw_cover(track: Track) -> str:
    """SVG path in a box of 64 × 64: time runs to the right, pitch upwards."""
    onsets = list(_onsets(track))
    sounding = [pitch for _, pitch, _ in onsets if pitch is not None]
    if not sounding:
        return ""
    low, span = min(sounding), max(max(sounding) - min(sounding), 7)
    end = float(min(Fraction(COVER_QUARTERS), onsets[-1][0] + onsets[-1][2]))
    strokes = []
    for start, pitch, quarters in onsets:
        if pitch is not None:
            x, width = 6 + 52 * float(start) / end, max(52 * float(quarters) / end - 4.4, 0.1)
            strokes.append(f"M{x:.1f} {50 - 36 * (pitch - low) / span:.1f}h{width:.1f}")
    return "".join(strokes)


def _onsets(track: Track) -> Iterable[tuple[Fraction, int | None, Fraction]]:
    """Start, pitch and length in quarters of the first voice's notes that begin within COVER_QUARTERS."""
    start = Fraction(0)
    for pitch, length in track.score["voices"][0]["melody"]["notes"]:
        if start >= COVER_QUARTERS:
            return
        quarters = min(Fraction(length), COVER_QUARTERS - start)
        yield start, pitch, quarters
        start += quarters
