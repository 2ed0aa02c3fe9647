"""Large pictures -> PNG, strip by strip.

Pillow's own pictures take 4 bytes a pixel, beside the array that they are made of. Here it only
ever holds a strip: it chooses and applies the filters, and says what comes before the pixels.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
from PIL.PngImagePlugin import getchunks

from ncodec.media.image import Pixels, channels_of, strips

_MAGIC = b"\x89PNG\r\n\x1a\n"
_LEVEL = 1


def write_png(array: Pixels, stream: BinaryIO, options: dict[str, Any]) -> None:
    """Write [H, W] or [H, W, 2..4] as Pillow does with such `options`, compressed fast."""
    height, width = array.shape[:2]
    stream.write(_MAGIC)
    for kind, data in _chunks(array[:1, :1], options):
        if kind == b"IDAT":
            for part in filter(None, _compressed(array)):
                _put(stream, kind, part)
        else:
            size = struct.pack(">II", width, height)
            _put(stream, kind, size + data[8:] if kind == b"IHDR" else data)


def _compressed(array: Pixels) -> Iterator[bytes]:
    """The pixels as one zlib stream, in parts."""
    packer = zlib.compressobj(_LEVEL, strategy=zlib.Z_FILTERED)
    for rows in strips(array.shape[1], array.shape[0]):
        yield packer.compress(_filtered(array, rows))
    yield packer.flush()


def _filtered(array: Pixels, rows: slice) -> bytes:
    """Rows as they are filtered in the whole picture, each after a byte for its filter."""
    above = min(rows.start, 1)
    chunks = _chunks(array[rows.start - above : rows.stop], {"compress_level": 0})
    lines = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    return lines[above * (1 + array.shape[1] * channels_of(array)) :]


def _chunks(samples: Pixels, options: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """Kind and content of the chunks of a whole PNG."""
    picture = PIL.Image.fromarray(np.ascontiguousarray(samples))
    return [(kind, data) for kind, data, _ in getchunks(picture, **options)]


def _put(stream: BinaryIO, kind: bytes, data: bytes) -> None:
    check = zlib.crc32(data, zlib.crc32(kind))
    stream.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check))
