"""The file format: header, directory of chunks, checksums, limits.

`docs/format.md` is the specification, this package its implementation; it knows no codec.
Whatever the bytes, `Reader` raises nothing but a `BitstreamError` (or an `InputError` when its
source cannot be read), and allocates nothing from a claimed size before that was held against
the limits and the length of the file.
"""

from ncodec.container.layout import (
    MAGIC,
    VERSION,
    AudioHeader,
    Chunk,
    ChunkKind,
    Header,
    ImageHeader,
    Limits,
    medium_of,
)
from ncodec.container.reader import Reader
from ncodec.container.writer import pack

__all__ = [
    "MAGIC",
    "VERSION",
    "AudioHeader",
    "Chunk",
    "ChunkKind",
    "Header",
    "ImageHeader",
    "Limits",
    "Reader",
    "medium_of",
    "pack",
]
