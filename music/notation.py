"""The printed score as SVG, with a time map for following it. Before: musicxml.py. After: the track page."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from music.bars import UnprintableScore
from music.musicxml import write_musicxml
from music.notes import Score

_OPTIONS = {
    "adjustPageHeight": True,
    "breaks": "auto",
    "footer": "none",
    "header": "none",
    "lyricWordSpace": 3.5,
    "pageHeight": 60000,
    "pageWidth": 2000,
    "scale": 40,
    "svgViewBox": True,
    "svgHtml5": True,
    # Fixed ids: the same score gives the same bytes, and the time map fits every rendering.
    "xmlIdSeed": 1,
}
_one_at_a_time = threading.Lock()
"""Verovio keeps its id generator per process."""


def svg(score: Score) -> tuple[str, list[dict[str, Any]]]:
    """One SVG with all systems, and for each moment at which notes begin: {seconds, ids of the notes that begin}.

    The ids are those of the SVG's elements. Takes 15–100 ms. Raises UnprintableScore."""
    import verovio

    with _one_at_a_time:
        verovio.enableLog(verovio.LOG_OFF)
        # Verovio keeps this path per thread: the import sets it for the importing thread alone.
        verovio.setDefaultResourcePath(str(Path(verovio.__file__).parent / "data"))
        toolkit = verovio.toolkit()
        toolkit.setOptions(_OPTIONS)
        if not toolkit.loadData(write_musicxml(score).decode()):
            raise UnprintableScore("the score can't be printed")
        picture = toolkit.renderToSVG(1)
        moments = toolkit.renderToTimemap({})
    return picture, [
        {"seconds": round(moment["tstamp"] / 1000, 4), "ids": moment["on"]} for moment in moments if moment.get("on")
    ]
