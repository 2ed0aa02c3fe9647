"""A Pillow image of any mode -> `Image`, strip by strip so that memory holds the pixels twice."""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageCms
from numpy.typing import NDArray

from ncodec.container import Limits
from ncodec.errors import InputError, LimitExceededError, NcodecError
from ncodec.media.image import Image, Metadata, Pixels, strips
from ncodec.media.metadata import check_exif, check_icc, icc_space, raw_exif, undo_orient

Convert = Callable[[PIL.Image.Image], Pixels]

_PLAIN = {
    "1": "L", "L": "L", "LA": "LA", "La": "LA", "PA": "RGBA", "RGB": "RGB", "RGBA": "RGBA",
    "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB",
}  # fmt: skip
_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
_DEEP_RAW_MODE = re.compile(r";16[LBN]|;12|;32|SGI16")
_MAX_NOTES = 8
_MAX_NOTE_LENGTH = 200
# Python's warning filters are one per process: two loads at once would restore them wrongly.
_warnings_lock = threading.RLock()


def check_size(size: tuple[int, int], limits: Limits, name: str) -> None:
    """Raise LimitExceededError for a picture (width, height) above the limits."""
    width, height = size
    if max(width, height) > limits.max_side or width * height > limits.max_pixels:
        raise LimitExceededError(
            f"{name}: {width} x {height} pixels; the limits are {limits.max_side} a side and "
            f"{limits.max_pixels} in all. Raise the limits to accept it"
        )


@contextmanager
def pillow_errors(
    message: str, notes: list[str], error_type: type[NcodecError] = InputError
) -> Iterator[None]:
    """Turn whatever Pillow raises into `error_type`, and its warnings into `notes`."""
    with _warnings_lock, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except NcodecError:
            raise
        except PIL.Image.DecompressionBombError as error:
            raise LimitExceededError(f"{message}: {error}") from error
        except Exception as error:
            raise error_type(f"{message}: {error or type(error).__name__}") from error
    notes.extend(_said(caught))


def _said(caught: list[warnings.WarningMessage]) -> list[str]:
    """Return what a user should read of Pillow's warnings: on the file, not on programming."""
    about_file = (
        str(item.message)[:_MAX_NOTE_LENGTH]
        for item in caught
        if issubclass(item.category, (UserWarning, RuntimeWarning))
        and not issubclass(item.category, PIL.Image.DecompressionBombWarning)
    )
    return list(dict.fromkeys(about_file))[:_MAX_NOTES]


def from_pillow(picture: PIL.Image.Image, notes: list[str]) -> Image:
    """Return the upright 8-bit picture; what could not be kept is added to `notes`.

    Loads the pixels of a picture that was opened only. Raises ValueError for pixels without
    meaning here, and whatever Pillow raises: call it within `pillow_errors`.
    """
    # What the decoder was told, raw modes among it: gone once the pixels are loaded.
    stored = str([(tile[0], tile[3]) for tile in getattr(picture, "tile", ())])
    _fix_colour_key(picture, stored)
    if _is_deep(picture, stored):
        notes.append("samples of more than 8 bits were reduced to 8 bits")
    picture.load()
    convert, mode = _conversion(picture, stored, notes)
    orientation, exif, reason = check_exif(raw_exif(picture))
    icc, icc_reason = _profile(picture, mode)
    notes.extend(note for note in (reason, icc_reason) if note)
    array = _copy(picture, convert, _CHANNELS[mode], orientation)
    return Image(array, Metadata(icc, exif))


def _profile(picture: PIL.Image.Image, mode: str) -> tuple[bytes | None, str | None]:
    icc = picture.info.get("icc_profile")
    if icc and picture.mode in ("CMYK", "LAB"):
        return None, f"the {picture.mode} profile was dropped: the picture is now sRGB"
    return check_icc(icc, grey=mode in ("L", "LA"))


def _copy(picture: PIL.Image.Image, convert: Convert, channels: int, orientation: int) -> Pixels:
    width, height = picture.size
    tail = () if channels == 1 else (channels,)
    upright = (width, height) if orientation >= 5 else (height, width)
    array: Pixels = np.empty(upright + tail, np.uint8)
    as_stored = undo_orient(_whole_pixels(array), orientation)
    for rows in strips(width, height):
        samples = convert(picture.crop((0, rows.start, width, rows.stop)))
        as_stored[rows] = _whole_pixels(np.ascontiguousarray(samples))
    return array


def _whole_pixels(array: Pixels) -> NDArray[Any]:
    """Return a view [H, W] whose items are pixels: they turn much faster than single samples."""
    return array if array.ndim == 2 else array.view(f"V{array.shape[2]}")[..., 0]


def _conversion(picture: PIL.Image.Image, stored: str, notes: list[str]) -> tuple[Convert, str]:
    """Return a function from strip to samples, and the mode (L, LA, RGB, RGBA) of its result."""
    if picture.mode[0] in "IF":
        key = picture.info.get("transparency")
        return _grey_samples(picture, notes), "L" if key is None else "LA"
    if picture.mode in ("CMYK", "LAB"):
        return _managed(picture, notes), "RGB"
    mode = _palette_mode(picture) if picture.mode == "P" else _PLAIN.get(picture.mode)
    if mode is None:
        raise ValueError(f"pixels of mode {picture.mode} are not supported")
    if picture.mode in ("1", "L", "RGB") and "transparency" in picture.info:
        mode += "A"
    if "LA;16" in stored:
        mode = "LA"
    return lambda strip: np.asarray(strip.convert(mode)), mode


def _palette_mode(picture: PIL.Image.Image) -> str:
    """Return the smallest mode for a palette; grey stays RGB where an RGB profile explains it."""
    colours = np.zeros((256, 3), np.uint8)
    palette = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)[:256]
    colours[: len(palette)] = palette
    used = colours[np.array(picture.histogram()[:256]) > 0]
    grey = bool((used == used[:, :1]).all()) and icc_space(picture.info.get("icc_profile")) != "RGB"
    return ("L" if grey else "RGB") + ("A" if picture.has_transparency_data else "")


def _grey_samples(picture: PIL.Image.Image, notes: list[str]) -> Convert:
    low, high = _grey_range(picture, notes)
    key = picture.info.get("transparency")

    def convert(strip: PIL.Image.Image) -> Pixels:
        samples: NDArray[np.float64] = np.asarray(strip).astype(np.float64)
        if not np.isfinite(samples).all():
            raise ValueError("it holds samples that are not finite numbers")
        grey: Pixels = np.rint((samples - low) * (255 / (high - low))).astype(np.uint8)
        if key is None:
            return grey
        return np.stack([grey, np.where(samples == key, 0, 255).astype(np.uint8)], axis=-1)

    return convert


def _grey_range(picture: PIL.Image.Image, notes: list[str]) -> tuple[float, float]:
    """Return the samples that become 0 and 255; integers are 16-bit unless they don't fit."""
    if picture.mode.startswith("I;16"):
        return 0.0, 65535.0
    low, high = (float(value) for value in picture.getextrema())  # type: ignore[arg-type]
    for top in (65535.0,) if picture.mode == "I" else (1.0, 255.0):
        if low >= 0 and high <= top:
            notes.append(f"samples were taken as 0 to {top:.0f}")
            return 0.0, top
    if not np.isfinite([low, high]).all():
        raise ValueError("it holds samples that are not finite numbers")
    notes.append(f"samples from {low:g} to {high:g} were stretched to the whole range of grey")
    return low, high if high > low else low + 1


def _managed(picture: PIL.Image.Image, notes: list[str]) -> Convert:
    """Return the conversion of CMYK or LAB strips to sRGB, by profile where one works."""
    try:
        transform = _transform(picture)
    except (PIL.ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        if picture.mode == "LAB":
            raise
        reason = (
            f"its profile does not work ({error})" if _has_icc(picture) else "it has no profile"
        )
        notes.append(f"CMYK was converted to RGB without colour management: {reason}")
        return lambda strip: np.asarray(strip.convert("RGB"))
    notes.append(f"{picture.mode} was converted to sRGB")

    def convert(strip: PIL.Image.Image) -> Pixels:
        return np.asarray(PIL.ImageCms.applyTransform(strip, transform))

    return convert


def _transform(picture: PIL.Image.Image) -> PIL.ImageCms.ImageCmsTransform:
    srgb = PIL.ImageCms.createProfile("sRGB")
    if picture.mode == "LAB":
        lab = PIL.ImageCms.createProfile("LAB")
        return PIL.ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    source = PIL.ImageCms.ImageCmsProfile(io.BytesIO(picture.info.get("icc_profile") or b""))
    return PIL.ImageCms.buildTransform(source, srgb, "CMYK", "RGB")


def _has_icc(picture: PIL.Image.Image) -> bool:
    return bool(picture.info.get("icc_profile"))


def _is_deep(picture: PIL.Image.Image, stored: str) -> bool:
    if picture.mode[0] in "IF" or _DEEP_RAW_MODE.search(stored):
        return True
    largest = re.search(r", (\d+)\)\)", stored) if picture.format == "PPM" else None
    return largest is not None and int(largest[1]) > 255


def _fix_colour_key(picture: PIL.Image.Image, stored: str) -> None:
    """Scale a PNG's transparent colour as Pillow scales its samples, from 2, 4 or 16 to 8 bits."""
    key = picture.info.get("transparency")
    if picture.mode == "L" and isinstance(key, int):
        picture.info["transparency"] = key * (
            85 if "L;2" in stored else 17 if "L;4" in stored else 1
        )
    elif picture.mode == "RGB" and isinstance(key, tuple) and "RGB;16B" in stored:
        picture.info["transparency"] = tuple(sample >> 8 for sample in key)
