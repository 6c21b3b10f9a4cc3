"""Makes an Ogg file a function of its sound: the coder draws a serial number for each stream. Before: audio.py packs Opus.

RFC 3533: pages of a header of 27 bytes, a table of segment lengths, and the segments."""

from __future__ import annotations

import zlib

_SERIAL, _CHECKSUM, _SEGMENTS = slice(14, 18), slice(22, 26), 26
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def with_fixed_serial(ogg: bytes) -> bytes:
    """The same stream with the serial number 1 and right checksums. ValueError where it is not made of Ogg pages."""
    pages, start = [], 0
    while start < len(ogg):
        page = bytearray(ogg[start : start + _SEGMENTS + 1])
        if page[:4] != b"OggS" or len(page) <= _SEGMENTS:
            raise ValueError(f"no Ogg page begins at byte {start}")
        table = ogg[start + len(page) : start + len(page) + page[_SEGMENTS]]
        end = start + len(page) + len(table) + sum(table)
        page += ogg[start + len(page) : end]
        page[_SERIAL], page[_CHECKSUM] = (1).to_bytes(4, "little"), bytes(4)
        page[_CHECKSUM] = _checksum(bytes(page)).to_bytes(4, "little")
        pages.append(bytes(page))
        start = end
    return b"".join(pages)


def _checksum(page: bytes) -> int:
    """CRC-32 with Ogg's order of bits: zlib's, of mirrored bytes, mirrored, without its inversions."""
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
