"""`Image`: the array and the metadata that encoders take and decoders return."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from ncodec.errors import InputError

if TYPE_CHECKING:
    import torch

Pixels = NDArray[np.uint8]
STRIP_PIXELS = 2**20
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Metadata:
    """What travels beside the pixels: an ICC profile, and EXIF as a TIFF block without prefix."""

    icc: bytes | None = None
    exif: bytes | None = None


@dataclass(frozen=True)
class Lost:
    """A tile that a partial decode could not restore.

    `box` is (x, y, width, height) in pixels of the whole picture.
    """

    index: int
    box: tuple[int, int, int, int]


@dataclass(eq=False)
class Image:
    """A picture of 8-bit samples, upright, in the colours its ICC profile names (sRGB without).

    `array` is uint8 [H, W] (grey), [H, W, 2] (grey, alpha), [H, W, 3] (RGB) or [H, W, 4] (RGBA);
    anything else raises InputError. `warnings` names what of the source could not be kept.
    `concealed` [H, W] is true where no data stand behind the pixels and they were guessed; None:
    nowhere, or the codec does not guess.
    """

    array: Pixels
    metadata: Metadata = Metadata()
    warnings: tuple[str, ...] = ()
    lost: tuple[Lost, ...] = ()
    concealed: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Refuse an array that is not a picture."""
        check_pixels(self.array)

    @property
    def width(self) -> int:
        """Pixels a row."""
        return int(self.array.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.array.shape[0])

    @property
    def grey(self) -> bool:
        """Whether there is one colour channel, not three."""
        return channels_of(self.array) < 3

    @property
    def colour(self) -> Pixels:
        """The picture without alpha, a view: [H, W] or [H, W, 3]."""
        if self.array.ndim == 2:
            return self.array
        return self.array[..., 0] if self.grey else self.array[..., :3]

    @property
    def alpha(self) -> Pixels | None:
        """The opacity, a view [H, W], 255 for opaque; None for a picture without."""
        return self.array[..., -1] if channels_of(self.array) in (2, 4) else None

    def stripped(self) -> Image:
        """Return the picture in sRGB, without its metadata; a warning tells of changed colours."""
        from ncodec.media.profiles import without_metadata

        return without_metadata(self)

    def to_pil(self) -> PIL.Image.Image:
        """Return a Pillow image (mode L, LA, RGB or RGBA) that carries the metadata in `info`."""
        picture = PIL.Image.new(MODES[channels_of(self.array)], (self.width, self.height), None)
        for rows in strips(self.width, self.height):
            strip = PIL.Image.fromarray(np.ascontiguousarray(self.array[rows]))
            picture.paste(strip, (0, rows.start))
        if self.metadata.icc is not None:
            picture.info["icc_profile"] = self.metadata.icc
        if self.metadata.exif is not None:
            picture.info["exif"] = b"Exif\0\0" + self.metadata.exif
        return picture

    def to_tensor(self) -> torch.Tensor:
        """Return a uint8 tensor [C, H, W] with its own memory, C from 1 to 4."""
        import torch

        planes = np.moveaxis(np.atleast_3d(self.array), 2, 0)
        return torch.from_numpy(np.array(planes, order="C"))


def check_pixels(array: object) -> None:
    """Raise InputError unless `array` is uint8 [H, W] or [H, W, 2..4] with at least one pixel."""
    if not isinstance(array, np.ndarray):
        raise InputError(f"a picture must be a numpy array, not {type(array).__name__}")
    shape = f"{array.dtype} {list(array.shape)}"
    if array.dtype != np.uint8:
        raise InputError(f"a picture array must be uint8, got {shape}; scale it to 0..255 first")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (2, 3, 4)):
        raise InputError(f"a picture array must be [H, W] or [H, W, 1..4], got {shape}")
    if array.size == 0:
        raise InputError(f"a picture needs at least one pixel, got {shape}")


def channels_of(array: Pixels) -> int:
    """Return the channels of [H, W] or [H, W, C]."""
    return 1 if array.ndim == 2 else int(array.shape[2])


def strips(width: int, height: int) -> Iterator[slice]:
    """Yield row ranges of about `STRIP_PIXELS` pixels, so that no step copies a whole picture."""
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
