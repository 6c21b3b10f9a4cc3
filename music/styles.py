"""Styles: what a tune is called, from its file's words or its metre, and how each style sounds. After: parsing, catalogue."""

from __future__ import annotations

import re

_WORDS: tuple[tuple[str, str], ...] = (
    (r"slip ?jig|hop jig", "slip jig"),
    (r"reel", "reel"),
    (r"jig", "jig"),
    (r"hornpipe|clog", "hornpipe"),
    (r"strathspey|fling", "strathspey"),
    (r"polka", "polka"),
    (r"waltz", "waltz"),
    (r"slide", "slide"),
    (r"quick ?step|march|retreat", "march"),
    (r"minuet|menuet", "minuet"),
    (r"gavotte", "gavotte"),
    (r"chorale?\b|bwv", "chorale"),
    (r"lament|air\b|slow|aria", "air"),
)
_ORIGINS: tuple[tuple[str, str], ...] = (
    (r"china|xiaodiao|shange|asien", "chinese folk"),
    (r"irland|ireland|irish", "irish folk"),
    (r"lothringen|lorraine", "lorraine folk"),
    (r"luxemb", "luxembourg folk"),
    (r"deutsch|germany|oesterreich|austria|schweiz|mitteleuropa|-? ?lied", "german folk"),
)
_BY_METRE = {(9, 8): "slip jig", (6, 8): "jig", (3, 4): "waltz", (12, 8): "slide"}

_TEMPI: dict[str, float] = {
    "reel": 200,
    "jig": 165,
    "slip jig": 165,
    "slide": 180,
    "hornpipe": 150,
    "strathspey": 130,
    "polka": 130,
    "waltz": 140,
    "march": 110,
    "minuet": 110,
    "gavotte": 130,
    "chorale": 80,
    "air": 90,
}
"""Quarter notes per minute where the file names no tempo."""

PROGRAMS: dict[str, int] = {
    "reel": 40,
    "jig": 40,
    "slip jig": 40,
    "slide": 40,
    "hornpipe": 40,
    "polka": 21,
    "strathspey": 40,
    "march": 72,
    "waltz": 21,
    "air": 73,
    "chorale": 19,
    "german folk": 71,
    "chinese folk": 75,
}
"""General MIDI program a style is played with: violin 40, accordion 21, flutes 72–75, clarinet 71, organ 19; else piano 0."""


def style_of(*, rhythm: str = "", title: str = "", name: str = "", origin: str = "", metre: tuple[int, int] = (4, 4)) -> str:
    """The style of a tune: by its rhythm field, then its origin, its title, the file's name, at last its metre.

    ``name`` may be a folder and file such as `essenFolksong/han1.abc`."""
    plain_name = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    for text, words in ((rhythm, _WORDS), (f"{origin} {rhythm}", _ORIGINS), (title, _WORDS), (plain_name, _WORDS)):
        for pattern, style in words:
            if text and re.search(pattern, text, re.IGNORECASE):
                return style
    if "essenfolksong" in name.lower():
        return "chinese folk" if re.search(r"\bhan\d", name) else "german folk"
    return _BY_METRE.get(metre, "song")


def usual_tempo(style: str, metre: tuple[int, int]) -> float:
    """Quarter notes per minute for a tune that names no tempo."""
    if style in _TEMPI:
        return float(_TEMPI[style])
    # Songs: about 100 beats a minute; a beat of a metre written in halves lasts two quarters, in eighths one or one and a half.
    return 200.0 if metre[1] <= 2 else 120.0 if metre[1] == 4 else 150.0
