"""What a picture codec offers, and what may be asked of it. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ncodec.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from ncodec.container import Reader
    from ncodec.media import Image

Progress = Callable[[int, int], None]
"""Called with the number of tiles done and the number of all tiles."""

Region = tuple[int, int, int, int]
"""x, y, width, height in pixels."""

DEFAULT_QUALITY = 50.0


@dataclass(frozen=True)
class Target:
    """What the encoder aims at.

    `kind` is "quality" (0..100), "bpp" (bits of the whole file a pixel), "size" (bytes of the
    whole file, a ceiling) or "psnr" (dB over RGB).
    """

    kind: str
    value: float

    @classmethod
    def from_options(
        cls,
        quality: float | None = None,
        bpp: float | None = None,
        size: float | None = None,
        psnr: float | None = None,
    ) -> Target:
        """The one that is given; quality 50 if none is. `OptionError` if several are."""
        options = {"quality": quality, "bpp": bpp, "size": size, "psnr": psnr}
        given = {kind: value for kind, value in options.items() if value is not None}
        if len(given) > 1:
            raise OptionError(f"{' and '.join(given)}: give one target only")
        kind, value = next(iter(given.items()), ("quality", DEFAULT_QUALITY))
        return cls(kind, _checked(kind, value))


def _checked(kind: str, value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise OptionError(f"{kind} {value!r:.40}: must be a positive number") from error
    if kind == "quality" and not 0 <= number <= 100:
        raise OptionError(f"quality {value}: must lie in 0..100")
    if not 0 <= number < float("inf") or (kind != "quality" and number == 0):
        raise OptionError(f"{kind} {value}: must be a positive number")
    return number


@dataclass(frozen=True)
class Encoded:
    """A finished file and what there is to say of it."""

    data: bytes
    quality: float
    warnings: tuple[str, ...] = ()


class ImageCodec(Protocol):
    """A picture codec with its weights loaded."""

    name: str

    def compress(
        self,
        image: Image,
        target: Target,
        *,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> Encoded:
        """Encode to the bytes of a whole file.

        With `verify` the entropy-coded symbols are decoded again and compared:
        `EntropyDesyncError` if they differ. `OptionError` for a target below the codec's range.
        """
        ...

    def decompress(
        self,
        reader: Reader,
        *,
        region: Region | None = None,
        partial: bool = False,
        progress: Progress | None = None,
    ) -> Image:
        """Decode a file, or only a region of it; with `partial` lost tiles are named in `.lost`."""
        ...

    def check(self, reader: Reader, *, progress: Progress | None = None) -> None:
        """Decode every symbol without making pixels; raises what a damaged file would."""
        ...


class CodecLoader(Protocol):
    """A codec class: makes a codec from a weights file."""

    def __call__(self, weights: Path, device: str) -> ImageCodec:
        """`device` is "cpu" or "cuda"."""
        ...
