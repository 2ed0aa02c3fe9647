"""Small pictures with structure: smooth colours, an edge, a little texture."""

import numpy as np
from numpy.typing import NDArray

from ncodec.api import Codec
from ncodec.codecs.base import Region
from ncodec.media import Image

Pixels = NDArray[np.uint8]


def picture(width: int, height: int, channels: int = 3, seed: int = 0) -> Pixels:
    """uint8 [H, W] for one channel, else [H, W, channels]; the last of 2 or 4 is alpha."""
    random = np.random.default_rng((seed, width, height))
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (5 + 3 * c) + random.random()) + np.cos(y / (6 + c)) for c in range(3)]
    colour = 128 + 50 * np.stack(waves, -1) + random.normal(0, 4, (height, width, 3))
    colour[(x > width // 2) & (y > height // 3)] -= 60
    pixels: Pixels = colour.clip(0, 255).astype(np.uint8)
    alpha = ((x * 7 + y * 3) % 256).astype(np.uint8)
    if channels < 3:
        pixels = pixels[..., :1]
    if channels in (2, 4):
        pixels = np.concatenate([pixels, alpha[..., None]], -1)
    return np.ascontiguousarray(pixels[..., 0]) if channels == 1 else pixels


def psnr(a: Pixels, b: Pixels) -> float:
    """dB; inf for equal arrays."""
    error = np.square(a.astype(np.int32) - b).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def largest_difference(a: Pixels, b: Pixels) -> int:
    """The largest difference in code values; the shapes must be equal."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(np.int32) - b).max())


def decoded(
    codec: Codec, blob: bytes, *, region: Region | None = None, partial: bool = False
) -> Image:
    """The picture that a file holds."""
    image = codec.decode(blob, region=region, partial=partial)
    assert isinstance(image, Image)
    return image
