"""How many bytes of an ordinary file are entropy-coded samples, and not headers or tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN, _STAND_ALONE = 0xDA, {0xD8, 0xD9, 0x01}
_OGG_HEADERS = {b"OpusHead": 2, b"\x01vorbis": 3}


def payload_bytes(data: bytes) -> int:
    """Bytes of the payload of a JPEG, WebP, AVIF, JPEG XL, Ogg Opus or Ogg Vorbis file.

    JPEG: the scans without their headers; WebP: what the chunks with pixels hold; AVIF and JPEG XL:
    the media data, or a bare codestream; Ogg: all packets but the codec's headers. Other files
    count whole.
    """
    if data.startswith(b"\xff\xd8"):
        return sum(_jpeg_scans(data))
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return sum(size for kind, size in _riff_chunks(data) if kind in (b"VP8 ", b"VP8L", b"ALPH"))
    if data[4:8] in (b"ftyp", b"JXL "):
        return sum(size for kind, size in _boxes(data) if kind in (b"mdat", b"jxlc", b"jxlp"))
    if data.startswith(b"OggS"):
        return _ogg_payload(list(_ogg_packets(data)))
    return len(data)


def _jpeg_scans(data: bytes) -> Iterator[int]:
    place = 0
    while place + 4 <= len(data):
        marker, place = data[place + 1], place + 2
        if marker in _STAND_ALONE:
            continue
        place += int.from_bytes(data[place : place + 2], "big")
        if marker == _START_OF_SCAN:
            found = _NEXT_MARKER.search(data, place)
            end = found.start() if found else len(data)
            yield end - place
            place = end


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4], size
        place += 8 + size + size % 2


def _boxes(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Kinds and sizes (without header) of the outer boxes of an ISO file."""
    place = 0
    while place + 8 <= len(data):
        size, header = int.from_bytes(data[place : place + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        size = max(header, size or len(data) - place)
        yield data[place + 4 : place + 8], size - header
        place += size


def _ogg_packets(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The first bytes of each packet, and its size."""
    place, begin, size = 0, b"", 0
    while data[place : place + 4] == b"OggS" and place + 27 <= len(data):
        laces = data[place + 27 : place + 27 + data[place + 26]]
        place += 27 + len(laces)
        for lace in laces:
            begin = begin or data[place : place + min(lace, 8)]
            size, place = size + lace, place + lace
            if lace < 255:
                yield begin, size
                begin, size = b"", 0


def _ogg_payload(packets: list[tuple[bytes, int]]) -> int:
    begin = packets[0][0] if packets else b""
    headers = next((n for magic, n in _OGG_HEADERS.items() if begin.startswith(magic)), 0)
    return sum(size for _, size in packets[headers:])
