"""ICC profiles and EXIF blocks: what can be trusted, and the orientation of a picture.

EXIF is kept byte for byte but for the orientation tag, because writing it anew breaks the
offsets inside maker notes.
"""

from __future__ import annotations

import struct
from typing import Any

import PIL.Image
from numpy.typing import NDArray

MAX_BYTES = 4 * 2**20
ORIENTATION = 0x0112
EXIF_PREFIX = b"Exif\0\0"
_ENTRY = 12
_SAMPLES = {1: "B", 3: "H", 4: "I"}
# Tags of a TIFF page that speak of the picture, not of how this one file stores it.
_PORTABLE = (270, 271, 272, 274, 282, 283, 296, 305, 306, 315, 33432)
_SUB_IFDS = (34665, 34853)


def orient(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return a view of [H, W, ...] turned upright from EXIF `orientation` 1..8."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def undo_orient(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return the view of [H, W, ...] that `orient` maps back to `array`."""
    return orient(array, {6: 8, 8: 6}.get(orientation, orientation))


def check_icc(icc: bytes | None, grey: bool) -> tuple[bytes | None, str | None]:
    """Return the profile if it fits the picture's colour space, else None and the reason."""
    if not icc:
        return None, None
    problem = _icc_problem(icc, grey)
    return (None, f"ICC profile dropped: {problem}") if problem else (icc, None)


def _icc_problem(icc: bytes, grey: bool) -> str | None:
    if len(icc) > MAX_BYTES:
        return f"{len(icc)} bytes are more than {MAX_BYTES}"
    if len(icc) < 132 or icc[36:40] != b"acsp" or int.from_bytes(icc[:4], "big") > len(icc):
        return "it is damaged"
    space = icc[16:20].decode("latin-1").strip()
    if space != ("GRAY" if grey else "RGB"):
        return f"it is for {space!r} data and the picture is {'grey' if grey else 'RGB'}"
    return None


def icc_space(icc: bytes | None) -> str | None:
    """Return the colour space that a profile names ("RGB", "GRAY", "CMYK", ...), if any."""
    return icc[16:20].decode("latin-1").strip() if icc and len(icc) >= 20 else None


def check_exif(raw: bytes | None) -> tuple[int, bytes | None, str | None]:
    """Return (orientation 1..8, EXIF without prefix and with orientation 1, reason if dropped).

    The orientation is read as far as the bytes allow, also from a block too damaged to keep.
    """
    if not raw:
        return 1, None, None
    exif = bytearray(raw.removeprefix(EXIF_PREFIX))
    if len(exif) > MAX_BYTES:
        return 1, None, f"EXIF dropped: {len(exif)} bytes are more than {MAX_BYTES}"
    try:
        orientation, whole = _reset_orientation(exif)
    except (struct.error, KeyError):
        return 1, None, "EXIF dropped: it is damaged"
    if not whole:
        return orientation, None, "EXIF dropped: it is damaged"
    return orientation, bytes(exif), None


def _reset_orientation(exif: bytearray) -> tuple[int, bool]:
    order = {b"II*\0": "<", b"MM\0*": ">"}[bytes(exif[:4])]
    (first,) = struct.unpack_from(order + "I", exif, 4)
    (count,) = struct.unpack_from(order + "H", exif, first)
    start = first + 2
    readable = min(count, (len(exif) - start) // _ENTRY)
    orientation = 1
    for entry in range(start, start + readable * _ENTRY, _ENTRY):
        tag, kind = struct.unpack_from(order + "HH", exif, entry)
        if tag == ORIENTATION and kind in _SAMPLES:
            (value,) = struct.unpack_from(order + _SAMPLES[kind], exif, entry + 8)
            orientation = value if 1 <= value <= 8 else 1
            struct.pack_into(order + _SAMPLES[kind], exif, entry + 8, 1)
    return orientation, readable == count


def portable_exif(source: PIL.Image.Exif) -> PIL.Image.Exif:
    """Return a copy without the tags that describe one TIFF file's own storage."""
    kept = PIL.Image.Exif()
    for tag in _PORTABLE:
        if tag in source:
            kept[tag] = source[tag]
    for tag in _SUB_IFDS:
        if tag in source:
            kept[tag] = dict(source.get_ifd(tag))
    return kept


def raw_exif(picture: PIL.Image.Image) -> bytes | None:
    """Return the EXIF bytes of a loaded picture, wherever its format keeps them."""
    if exif := picture.info.get("exif"):
        return bytes(exif)
    if text := picture.info.get("Raw profile type exif"):
        return _profile_text(str(text))
    if hasattr(picture, "tag_v2"):
        exif_tags = portable_exif(picture.getexif())
        return exif_tags.tobytes() if len(exif_tags) else None
    return None


def _profile_text(text: str) -> bytes:
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return text.encode()
