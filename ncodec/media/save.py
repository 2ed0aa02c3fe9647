"""`Image` -> ordinary image files."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import PIL.Image

from ncodec.errors import OptionError, OutputError
from ncodec.media.convert import pillow_errors
from ncodec.media.image import MODES, Image, Pixels, channels_of, strips
from ncodec.media.metadata import EXIF_PREFIX, check_exif, check_icc, portable_exif
from ncodec.media.png import write_png

_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "MPO": {"quality": 95, "subsampling": 0},
    "PDF": {"quality": 95},
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 90},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}
_FAST_PNG_PIXELS = 4 * 2**20
_WITH_METADATA = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "AVIF")
_ALWAYS_RGB = ("WEBP", "AVIF")
_JPEG_MAX_EXIF = 65_533 - len(EXIF_PREFIX)
_FALLBACKS = {
    "L": ("L", "RGB"),
    "RGB": ("RGB",),
    "LA": ("LA", "RGBA", "L", "RGB"),
    "RGBA": ("RGBA", "RGB"),
}
_LOSSES = {
    "GIF": "GIF keeps 256 colours and no partial transparency",
    "ICO": "ICO keeps at most 256 x 256 pixels",
    "ICNS": "ICNS keeps square pictures of a few fixed sizes",
}


def output_format(target: str | Path | None, format: str | None = None) -> str:
    """Return Pillow's name of the format: `format` ("png", ".jpg") if given, or target's suffix.

    Raises OptionError for an unknown name, OutputError for a format that is only read.
    """
    wanted = format if format is not None else (Path(target).suffix if target else "")
    if not wanted:
        raise OptionError(f"no format: name one, or give a file a suffix such as {_some()}")
    PIL.Image.init()
    bare = wanted.lower().removeprefix(".")
    kind = PIL.Image.EXTENSION.get(f".{bare}", bare.upper())
    if kind in PIL.Image.SAVE:
        return kind
    if kind in PIL.Image.OPEN:
        raise OutputError(f"{kind} pictures can be read but not written; use {_some()}")
    raise OptionError(f"unknown picture format {wanted!r}; use {_some()} or another Pillow writes")


def _some() -> str:
    return ".png, .jpg, .webp, .avif, .tif, .bmp, .ppm"


def save_image(
    image: Image, target: str | Path | BinaryIO, format: str | None = None
) -> tuple[str, ...]:
    """Write the picture and, where the format can, its ICC profile and EXIF.

    The format comes from `format` or the suffix of `target`. Returns what could not be kept.
    Raises OptionError for an unknown format, OutputError for what can't be written.
    """
    path = Path(target) if isinstance(target, (str, Path)) else None
    kind = output_format(path, format)
    notes: list[str] = []
    failure = f"{path or 'the picture'}: can't be written as {kind}"
    with pillow_errors(failure, notes, OutputError):
        if path is None:
            _write(image, _as_binary(target), kind, notes)
        else:
            with path.open("wb") as stream:
                _write(image, stream, kind, notes)
    return tuple(dict.fromkeys(notes))


def _as_binary(target: object) -> BinaryIO:
    if not hasattr(target, "write"):
        raise OptionError(f"a picture is saved to a path or binary file, not {type(target)}")
    return cast(BinaryIO, target)


def _write(image: Image, stream: BinaryIO, kind: str, notes: list[str]) -> None:
    mode = _mode_for(image, kind, notes)
    options = _OPTIONS.get(kind, {}) | _metadata(image, kind, mode, notes)
    if kind == "PNG" and image.width * image.height > _FAST_PNG_PIXELS:
        write_png(image.array, stream, options)
        return
    picture = _to_pillow(image.array, mode)
    if kind in _LOSSES:
        notes.append(_LOSSES[kind])
    # Pillow seeks in what it writes, which a pipe can't.
    if stream.seekable():
        picture.save(stream, kind, **options)
    else:
        whole = io.BytesIO()
        picture.save(whole, kind, **options)
        stream.write(whole.getbuffer())


def _mode_for(image: Image, kind: str, notes: list[str]) -> str:
    own = MODES[channels_of(image.array)]
    mode = next((mode for mode in _FALLBACKS[own] if _keeps(kind, mode)), None)
    if mode is None:
        raise OutputError(f"{kind} can't hold {own} pictures of 8 bits; use {_some()}")
    if image.alpha is not None and not mode.endswith("A") and image.alpha.min() < 255:
        notes.append(f"{kind} keeps no transparency: the picture was flattened onto white")
    return mode


@functools.cache
def _keeps(kind: str, mode: str) -> bool:
    """Whether Pillow writes this mode, and reads its alpha back: asked with a tiny picture."""
    trial = io.BytesIO()
    try:
        PIL.Image.new(mode, (16, 16)).save(trial, kind)
        return not mode.endswith("A") or PIL.Image.open(trial).has_transparency_data
    except Exception:
        return False


def _to_pillow(array: Pixels, mode: str) -> PIL.Image.Image:
    height, width = array.shape[:2]
    picture = PIL.Image.new(mode, (width, height), None)
    for rows in strips(width, height):
        samples = array[rows]
        if channels_of(array) in (2, 4) and not mode.endswith("A"):
            samples = _onto_white(samples)
        strip = PIL.Image.fromarray(np.ascontiguousarray(samples))
        picture.paste(strip if strip.mode == mode else strip.convert(mode), (0, rows.start))
    return picture


def _onto_white(samples: Pixels) -> Pixels:
    alpha = samples[..., -1:].astype(np.uint16)
    white = 255 * (255 - alpha)
    flat = ((samples[..., :-1] * alpha + white + 127) // 255).astype(np.uint8)
    return flat[..., 0] if flat.shape[2] == 1 else flat


def _metadata(image: Image, kind: str, mode: str, notes: list[str]) -> dict[str, bytes]:
    metadata = image.metadata
    if kind not in _WITH_METADATA:
        kept = [name for name in ("icc", "exif") if getattr(metadata, name)]
        notes.extend(f"{kind} keeps no {name.upper()} data: dropped" for name in kept)
        return {}
    icc, icc_reason = check_icc(metadata.icc, mode in ("L", "LA") and kind not in _ALWAYS_RGB)
    exif, exif_reason = _exif_for(kind, metadata.exif)
    notes.extend(reason for reason in (icc_reason, exif_reason) if reason)
    options = {"icc_profile": icc, "exif": exif}
    return {name: value for name, value in options.items() if value is not None}


def _exif_for(kind: str, stored: bytes | None) -> tuple[bytes | None, str | None]:
    """Return EXIF as Pillow can write it: what was decoded may hold any bytes."""
    _, exif, reason = check_exif(stored)
    if exif is None:
        return None, reason
    if kind in ("JPEG", "MPO") and len(exif) > _JPEG_MAX_EXIF:
        return None, f"EXIF dropped: {len(exif)} bytes are more than {kind} holds"
    if kind in ("TIFF", "AVIF"):
        return _exif_for_parser(kind, exif)
    return EXIF_PREFIX + exif, None


def _exif_for_parser(kind: str, exif: bytes) -> tuple[bytes | None, str | None]:
    parsed = PIL.Image.Exif()
    try:
        parsed.load(EXIF_PREFIX + exif)
        rewritten = portable_exif(parsed).tobytes()
    except Exception as error:
        return None, f"EXIF dropped: {error}"
    return (rewritten if kind == "TIFF" else EXIF_PREFIX + exif), None
