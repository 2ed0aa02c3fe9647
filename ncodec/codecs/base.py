"""What codecs offer, and what may be asked of them. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ncodec.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from ncodec.container import Reader
    from ncodec.media import Audio, Image, LostSpan, Samples, SoundBlocks

Progress = Callable[[int, int], None]
"""Called with the number of tiles (or seconds) done and the number of all."""

Region = tuple[int, int, int, int]
"""x, y, width, height in pixels."""

Span = tuple[float, float | None]
"""Start and stop in seconds; None: the end."""

DEFAULT_QUALITY = 50.0
TARGETS = {"image": ("quality", "bpp", "size", "psnr"), "audio": ("quality", "size", "kbps")}
"""Which kinds of target codecs take, by their medium."""
PLURALS = {"image": "pictures", "audio": "sounds"}


@dataclass(frozen=True)
class Target:
    """What the encoder aims at.

    `kind` is "quality" (0..100), "size" (bytes of the whole file, a ceiling); for pictures also
    "bpp" (bits of the whole file a pixel) or "psnr" (dB over RGB), for sounds "kbps" (1000 bits
    of the whole file a second, a ceiling). `drop`: how many percent of a picture's words may be
    left out for the decoder to guess, where that makes the file smaller; only some codecs can.
    """

    kind: str
    value: float
    drop: int = 0

    @classmethod
    def from_options(
        cls,
        quality: float | None = None,
        bpp: float | None = None,
        size: float | None = None,
        psnr: float | None = None,
        kbps: float | None = None,
        drop: int = 0,
    ) -> Target:
        """The one that is given; quality 50 if none is. `OptionError` if several are."""
        options = {"quality": quality, "bpp": bpp, "size": size, "psnr": psnr, "kbps": kbps}
        given = {kind: value for kind, value in options.items() if value is not None}
        if len(given) > 1:
            raise OptionError(f"{' and '.join(given)}: give one target only")
        kind, value = next(iter(given.items()), ("quality", DEFAULT_QUALITY))
        if not isinstance(drop, int) or drop < 0:
            raise OptionError(f"drop {drop!r}: must be a whole number of percent")
        return cls(kind, _checked(kind, value), drop)

    def check_for(self, codec: str, media: str) -> None:
        """Raise OptionError if codecs of this medium ("image", "audio") take no such target."""
        kinds = TARGETS[media]
        if self.kind not in kinds:
            known = f"{', '.join(kinds[:-1])} or {kinds[-1]}"
            raise OptionError(
                f"{self.kind}: codec {codec} is for {PLURALS[media]} and takes {known}"
            )
        if self.drop and media != "image":
            raise OptionError(f"drop: codec {codec} is for {PLURALS[media]} and leaves nothing out")


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


class MediaCodec(Protocol):
    """What all codecs have in common; their weights are loaded."""

    name: str

    def check(self, reader: Reader, *, progress: Progress | None = None) -> None:
        """Decode every symbol without making pixels or samples; raises what damage would."""
        ...


class ImageCodec(MediaCodec, Protocol):
    """A picture codec with its weights loaded."""

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
        """Decode a file, or only a region of it.

        With `partial` lost tiles are named in `.lost`; what was guessed is true in `.concealed`.
        """
        ...


class AudioCodec(MediaCodec, Protocol):
    """A sound codec with its weights loaded."""

    def compress(
        self,
        sound: SoundBlocks,
        target: Target,
        *,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> Encoded:
        """Encode to the bytes of a whole file, reading the sound block by block.

        With `verify` the entropy-coded symbols are decoded again and compared:
        `EntropyDesyncError` if they differ. `OptionError` for a target below the codec's range.
        """
        ...

    def decompress(
        self,
        reader: Reader,
        *,
        span: Span | None = None,
        partial: bool = False,
        fill: bool = True,
        progress: Progress | None = None,
    ) -> Audio:
        """Decode a file, or only `span` of it; with `partial` lost seconds stand in `.lost`.

        With `fill` codecs that know how loud the detail was that they dropped put noise there.

        `OptionError` for a span that starts after the end, or stops before it starts.
        """
        ...

    def decompress_blocks(
        self,
        reader: Reader,
        *,
        span: Span | None = None,
        partial: bool = False,
        fill: bool = True,
        lost: list[LostSpan] | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Samples]:
        """The same as float32 [n, C] blocks, in constant memory; lost spans go into `lost`."""
        ...


class LatentReader(Protocol):
    """A codec whose files can be read as latents."""

    def read_latents(self, reader: Reader) -> torch.Tensor:
        """The dequantised latent [C, h, w] of a whole file. Raises `BitstreamError`s."""
        ...


class CodecLoader(Protocol):
    """A codec class: makes a codec from a weights file."""

    def __call__(self, weights: Path, device: str) -> ImageCodec | AudioCodec:
        """`device` is "cpu" or "cuda"."""
        ...


class Trimmer(Protocol):
    """Cuts a file to a lower rate without the codec's transforms."""

    def __call__(self, reader: Reader, target: Target) -> bytes:
        """The bytes of a whole file below a ceiling; `OptionError` if it can't be that low.

        The target's kind is "size", for pictures also "bpp", for sounds "kbps".
        """
        ...
