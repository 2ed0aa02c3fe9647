"""Pictures without their ICC profile that look as they did with it."""

import io
from dataclasses import replace

import numpy as np
import PIL.Image
import PIL.ImageCms

from ncodec.media.image import Image, Metadata, Pixels, strips

NEAR = 2
"""A profile that moves no colour by more than this is sRGB by another name."""
LEVELS = 9
"""Levels of each channel that are tried to find out."""


def without_metadata(image: Image) -> Image:
    """The picture without metadata, in sRGB: by its profile, where it has one that works.

    The pixels are shared where they stay as they are. A warning says what was done to them.
    """
    bare = replace(image, metadata=Metadata())
    if image.metadata.icc is None:
        return bare
    try:
        transform = _transform(image.metadata.icc, image.grey)
    except (PIL.ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return bare  # No viewer could make use of it either.
    if _changes_nothing(transform, image.grey):
        return bare
    note = "colours were converted from the ICC profile to sRGB"
    return replace(bare, array=_converted(image, transform), warnings=(*image.warnings, note))


def _transform(icc: bytes, grey: bool) -> PIL.ImageCms.ImageCmsTransform:
    source = PIL.ImageCms.ImageCmsProfile(io.BytesIO(icc))
    srgb = PIL.ImageCms.createProfile("sRGB")
    return PIL.ImageCms.buildTransform(source, srgb, "L" if grey else "RGB", "RGB")


def _applied(pixels: Pixels, transform: PIL.ImageCms.ImageCmsTransform) -> Pixels:
    """Pixels [H, W] or [H, W, 3] in sRGB; of greys one channel says all."""
    picture = PIL.Image.fromarray(np.ascontiguousarray(pixels))
    made: Pixels = np.asarray(PIL.ImageCms.applyTransform(picture, transform))
    return made[..., 1] if pixels.ndim == 2 else made


def _changes_nothing(transform: PIL.ImageCms.ImageCmsTransform, grey: bool) -> bool:
    if grey:
        tried = np.arange(256, dtype=np.uint8)[None]
    else:
        levels = np.linspace(0, 255, LEVELS).round().astype(np.uint8)
        tried = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    made = _applied(tried, transform).astype(np.int16)
    return bool(np.abs(made - tried).max() <= NEAR)


def _converted(image: Image, transform: PIL.ImageCms.ImageCmsTransform) -> Pixels:
    array = image.array.copy()
    colour = array if array.ndim == 2 else array[..., 0] if image.grey else array[..., :3]
    for rows in strips(image.width, image.height):
        colour[rows] = _applied(colour[rows], transform)
    return array
