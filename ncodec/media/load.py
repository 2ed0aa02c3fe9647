"""Ordinary image files -> `Image`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import PIL.Image
import PIL.ImageFile

from ncodec.container import MAGIC, Limits
from ncodec.errors import InputError
from ncodec.media.convert import check_size, from_pillow, pillow_errors
from ncodec.media.image import Image
from ncodec.media.streams import name_of, open_stream

_NEW_SUBFILE_TYPE = 254
# Its Pillow plugin hands the file to Ghostscript: an interpreter, not a decoder.
_REFUSED = ("EPS",)

_SIGNATURES = (
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript document"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"FUJIFILMCCD-RAW", "a camera raw file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
)
_AVIF_BRANDS = (b"avif", b"avis")
_BRANDS = {
    b"heic": "a HEIC picture", b"heix": "a HEIC picture", b"hevc": "a HEIC picture",
    b"mif1": "a HEIF picture", b"msf1": "a HEIF picture", b"crx ": "a camera raw file",
    b"isom": "an MP4 video", b"mp42": "an MP4 video", b"qt  ": "a QuickTime video",
}  # fmt: skip


def load_image(source: str | Path | BinaryIO | bytes, limits: Limits | None = None) -> Image:
    """Read the first frame of a picture file, upright, with its ICC profile and EXIF.

    Raises InputError for what can't be read as a picture, and LimitExceededError for a picture
    above `limits`, before its pixels are decoded.
    """
    limits = limits or Limits()
    name = name_of(source, "the picture")
    notes: list[str] = []
    with (
        open_stream(source, limits, name, "picture") as stream,
        pillow_errors(f"{name}: can't be read as a picture", notes),
    ):
        picture = _open(stream, name)
        check_size(picture.size, limits, name)
        with pillow_errors(f"{name}: this {picture.format} picture can't be decoded", notes):
            notes.extend(_unkept(picture))
            image = from_pillow(picture, notes)
        check_size((image.width, image.height), limits, name)
    image.warnings = tuple(dict.fromkeys(notes))
    return image


def _open(stream: BinaryIO, name: str) -> PIL.ImageFile.ImageFile:
    """Identify the picture, as PIL.Image.open does.

    Not that function itself: it refuses pictures by a limit of Pillow's own, one per process.
    """
    stream.seek(0)
    prefix = stream.read(16)
    reasons: list[str] = []
    tried = set(_REFUSED)
    for register_plugins in (PIL.Image.preinit, PIL.Image.init):
        register_plugins()
        for kind in [kind for kind in PIL.Image.ID if kind not in tried]:
            tried.add(kind)
            picture = _try(kind, stream, prefix, reasons)
            if picture is not None:
                return picture
    raise InputError(f"{name}: {_what_is_wrong(stream, prefix, reasons)}")


def _try(
    kind: str, stream: BinaryIO, prefix: bytes, reasons: list[str]
) -> PIL.ImageFile.ImageFile | None:
    factory, accept = PIL.Image.OPEN[kind]
    accepted = accept(prefix) if accept else True
    if isinstance(accepted, str):
        reasons.append(accepted)
        return None
    if not accepted:
        return None
    stream.seek(0)
    try:
        return factory(stream, "")
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        if accept:
            reasons.append(f"damaged {kind} picture: {error}")
        return None


def _what_is_wrong(stream: BinaryIO, prefix: bytes, reasons: list[str]) -> str:
    if not prefix:
        return "is empty"
    if prefix.startswith(MAGIC):
        return "is an ncodec file already; decode it first"
    if known := _foreign_format(stream, prefix):
        return f"is {known}, which can't be read here; convert it to PNG, JPEG or TIFF"
    return reasons[0] if reasons else "not a picture in a known format"


def _foreign_format(stream: BinaryIO, prefix: bytes) -> str | None:
    if prefix[4:8] == b"ftyp" and prefix[8:12] not in _AVIF_BRANDS:
        return _BRANDS.get(prefix[8:12], "a media file of another kind")
    for signature, known in _SIGNATURES:
        if prefix.startswith(signature):
            return known
    stream.seek(0)
    return "an SVG drawing" if b"<svg" in stream.read(4096).lower() else None


def _unkept(picture: PIL.ImageFile.ImageFile) -> Iterator[str]:
    if getattr(picture, "is_animated", False):
        yield "several frames, pages or layers: only the first (or the merged) picture is kept"
    if int(getattr(picture, "tag_v2", {}).get(_NEW_SUBFILE_TYPE, 0)) & 1:
        yield "the file's first picture is a small preview of another one, as in camera raw files"
