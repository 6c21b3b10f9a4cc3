"""Melodies from lines of JSON, as other tools write them, and back. Before: files. After: melody_prior, sequence_tutor.

A line: {id, collection, style, metre, key, notes: [[midi pitch or null, quarter lengths], …]}; `tonic`, `mode` and `pickup` may
stand there too. Metre and key are what an ABC file says: `6/8`, `C|`, `none`; `G`, `Em`, `A Dorian`, `B- major`."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from music.notes import Melody, Note

FINEST = 96
"""Quarter lengths such as 0.3333 become the nearest fraction with a denominator up to this."""


def read_melodies(path: Path) -> list[tuple[Melody, str, str]]:
    """Melody, style and collection of each line of a jsonl or jsonl.gz; lines without notes are left out."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [json.loads(line) for line in content.splitlines() if line.strip()]
    return [(melody_of(row), row.get("style") or "", row.get("collection") or "") for row in rows if row["notes"]]


def melody_of(row: dict[str, Any]) -> Melody:
    """The melody of one line."""
    from music.abc import key_of_field
    from music.metres import metre_of_field

    lengths = [(None if pitch is None else int(pitch), _quarters(length)) for pitch, length in row["notes"]]
    notes = tuple(Note(pitch, length) for pitch, length in lengths if length > 0)
    metre = row.get("metre") or ""
    tonic, mode = key_of_field(str(row.get("key") or ""), notes)
    return Melody(
        notes=notes,
        metre=metre_of_field(metre) if isinstance(metre, str) else (int(metre[0]), int(metre[1])),
        tonic=row.get("tonic", tonic),
        mode=row.get("mode") or mode,
        pickup=Fraction(row.get("pickup", "0")),
    )


def line_of(melody: Melody, *, id: str, collection: str, style: str = "") -> dict[str, Any]:
    """The line of a melody without a pickup; `melody_of` gives it back."""
    from music.abc import key_field

    return {
        "id": id,
        "collection": collection,
        "style": style,
        "metre": f"{melody.metre[0]}/{melody.metre[1]}",
        "key": key_field(melody.tonic, melody.mode),
        "notes": [[note.pitch, float(note.quarters)] for note in melody.notes],
    }


def _quarters(length: Any) -> Fraction:
    return Fraction(str(length)).limit_denominator(FINEST)
