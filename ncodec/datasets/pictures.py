"""Training pictures: decoded once into memory, cropped at random ever after."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.errors import InputError
from ncodec.media import load_image

SUFFIXES = {".avif", ".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def _load(path: Path) -> NDArray[np.uint8]:
    colour = load_image(path).colour
    return colour if colour.ndim == 3 else np.repeat(colour[..., None], 3, axis=2)


class PictureCrops:
    """Random square crops of all pictures below a folder.

    Pictures are chosen in proportion to their area, flipped and transposed at random. All of them
    stay in memory as uint8 [H, W, 3]: 3 bytes a pixel. `InputError` if none is large enough.
    """

    def __init__(self, folder: Path, smallest: int) -> None:
        paths = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
        with ThreadPoolExecutor(2) as pool:
            pictures = list(pool.map(_load, paths))
        self.smallest = smallest
        self.pictures = [p for p in pictures if min(p.shape[:2]) >= smallest]
        if not self.pictures:
            raise InputError(f"{folder}: no picture of at least {smallest} x {smallest} pixels")
        areas = np.array([p.shape[0] * p.shape[1] for p in self.pictures], dtype=np.float64)
        self.weights = areas / areas.sum()

    def _crop(self, index: int, size: int, random: np.random.Generator) -> NDArray[np.uint8]:
        picture = self.pictures[index]
        top = random.integers(picture.shape[0] - size + 1)
        left = random.integers(picture.shape[1] - size + 1)
        crop = picture[top : top + size, left : left + size]
        crop = crop.transpose(1, 0, 2) if random.random() < 0.5 else crop
        return crop[:: random.choice((-1, 1)), :: random.choice((-1, 1))]

    def batch(self, count: int, size: int, random: np.random.Generator) -> Tensor:
        """`count` crops as float32 [B, 3, size, size] in -0.5..0.5."""
        chosen = random.choice(len(self.pictures), count, p=self.weights)
        crops = np.stack([self._crop(i, size, random) for i in chosen])
        pixels = torch.from_numpy(crops).permute(0, 3, 1, 2)
        return pixels.float() / 255 - 0.5
