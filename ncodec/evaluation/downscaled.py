"""What a user would do without a codec for extreme rates: AVIF of a smaller picture.

The picture is downscaled, coded as AVIF, decoded and upscaled again, both by Lanczos. Of several
scales, each at the best quality that the bytes allow, the one of the best MS-SSIM is taken.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import PIL.Image

from ncodec.evaluation.baselines import PillowCodec, QualityError
from ncodec.evaluation.metrics import ms_ssim, psnr
from ncodec.evaluation.scores import planes
from ncodec.evaluation.subjects import DOWNSCALED, Subject
from ncodec.media import Image

SCALES = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16)
TOP = 100
_SIZE = struct.Struct(">HH")


@dataclass(frozen=True)
class Candidate:
    """A picture downscaled by `scale`, as AVIF of `quality`: the file, and what it shows."""

    scale: float
    quality: int
    data: bytes
    shown: Image


class DownscaledAvif:
    """AVIF of smaller pictures; at each quality its files have at most the bytes of `reference`.

    Four bytes on top hold the size to which pictures are brought back.
    """

    name = DOWNSCALED

    def __init__(self, reference: Subject, avif: PillowCodec) -> None:
        self._reference, self._avif = reference, avif
        self.qualities = reference.qualities
        words = f"downscaled by Lanczos to the bytes of {reference.name} at the same quality"
        self.note = replace(avif.note, settings=f"{avif.note.settings}, {words}")

    def encode(self, image: Image, quality: float) -> bytes:
        """The best file of all scales. `QualityError` where AVIF can't be that small."""
        ceiling = len(self._reference.encode(image, quality))
        found = list(candidates(image, ceiling, self._avif))
        if not found:
            raise QualityError(f"{self.name}: no scale takes only {ceiling} bytes")
        best = max(found, key=lambda candidate: _likeness(image, candidate.shown))
        return _SIZE.pack(image.width, image.height) + best.data

    def decode(self, data: bytes) -> Image:
        """The picture in such a file, at its original size."""
        width, height = _SIZE.unpack_from(data)
        return _resized(self._avif.decode(data[_SIZE.size :]), width, height)

    def payload(self, data: bytes) -> int:
        """Entropy-coded bytes of a file."""
        return self._avif.payload(data[_SIZE.size :])


def candidates(image: Image, ceiling: int, avif: PillowCodec) -> Iterator[Candidate]:
    """The best quality of at most `ceiling` bytes at each scale that has one."""
    lowest = 0
    for scale in SCALES:
        small = _resized(image, *(max(1, round(n / scale)) for n in (image.width, image.height)))
        found = _highest(small, ceiling, avif, lowest)
        if found is not None:
            quality, data = found
            lowest = quality  # Smaller pictures can have no less.
            yield Candidate(
                scale, quality, data, _resized(avif.decode(data), image.width, image.height)
            )
            if quality == TOP:
                return  # Smaller pictures only lose detail.


def _highest(
    image: Image, ceiling: int, avif: PillowCodec, lowest: int
) -> tuple[int, bytes] | None:
    """The highest quality from `lowest` on of at most `ceiling` bytes, and its file, if any."""
    best, low, high = None, lowest - 1, TOP + 1
    while high - low > 1:
        middle = (low + high) // 2
        data = avif.encode(image, middle)
        if len(data) <= ceiling:
            best, low = (middle, data), middle
        else:
            high = middle
    return best


def _resized(image: Image, width: int, height: int) -> Image:
    if (image.width, image.height) == (width, height):
        return image
    resized = image.to_pil().resize((width, height), PIL.Image.Resampling.LANCZOS)
    return Image(np.asarray(resized))


def _likeness(original: Image, shown: Image) -> float:
    """MS-SSIM, or for pictures that are too small for it, PSNR."""
    pair = planes(original), planes(shown)
    value = float(ms_ssim(*pair)[0])
    return float(psnr(*pair)[0]) if np.isnan(value) else value
