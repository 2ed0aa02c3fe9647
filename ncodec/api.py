"""The public functions: encode, decode, read_info, load_codec, list_codecs.

Importing this module imports no torch and no media libraries; the first call that needs them
does, since the command line must answer at once.
"""

from __future__ import annotations

import warnings as python_warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ncodec import files
from ncodec.codecs import registry
from ncodec.codecs.base import Encoded, ImageCodec, Progress, Region, Target
from ncodec.container import ChunkKind, Limits, Reader
from ncodec.errors import InputError, NcodecWarning, OptionError

if TYPE_CHECKING:
    from ncodec.media import Image

Source = bytes | str | Path | BinaryIO
"""A whole file in memory, the path of one, or a binary file object."""

RATE_STEPS = 8
"""Rate steps a unit of quality."""


@dataclass(frozen=True)
class Info:
    """What the header of a file says; nothing of it was decoded.

    `size` is the whole file in bytes and `bpp` its bits a pixel; `payload` counts the entropy-
    coded bytes, `metadata` those of alpha, ICC and EXIF; `overhead` is the rest.
    """

    codec: str
    model_id: str
    model_available: bool
    media: str
    width: int
    height: int
    grey: bool
    alpha: bool
    icc: bool
    exif: bool
    quality: float
    tile: int | None
    tiles: int
    size: int
    payload: int
    metadata: int
    overhead: int
    bpp: float


@dataclass(frozen=True)
class CodecInfo:
    """One row of `list_codecs`."""

    name: str
    number: int
    media: str
    summary: str
    model_id: str | None
    weights_bytes: int


def list_codecs() -> list[CodecInfo]:
    """All codecs, with the id and size of the weights that they encode with."""
    rows = []
    for entry in registry.entries().values():
        newest = next(registry.models_of(entry), None)
        identity = newest[1].hex()[:8] if newest else None
        size = newest[0].stat().st_size if newest else 0
        rows.append(CodecInfo(entry.name, entry.number, entry.media, entry.summary, identity, size))
    return rows


def choose_device(device: str) -> str:
    """Resolve "auto" to "cuda" where there is a GPU, else "cpu"; `OptionError` for others."""
    if device not in ("auto", "cpu", "cuda"):
        raise OptionError(f"device {device!r}: must be auto, cpu or cuda")
    if device == "cpu":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise OptionError("device cuda: torch finds no GPU here; use --device cpu")
    return "cpu"


def open_source(source: Source) -> AbstractContextManager[bytes | BinaryIO]:
    """A context manager over bytes or a seekable file object. `InputError` if unreadable."""
    if isinstance(source, bytes | bytearray | memoryview):
        return nullcontext(bytes(source))
    if isinstance(source, str | Path):
        try:
            return Path(source).open("rb")
        except OSError as error:
            raise InputError(f"{source}: cannot be read ({error.strerror or error})") from error
    if not hasattr(source, "read"):
        raise InputError(f"cannot read a {type(source).__name__}; give bytes, a path or a file")
    seekable = getattr(source, "seekable", None)
    return nullcontext(source if seekable is not None and seekable() else source.read())


def read_info(source: Source, *, limits: Limits | None = None) -> Info:
    """Read a file's header. Raises `BitstreamError` if it is not valid; never loads torch."""
    with open_source(source) as opened:
        return _info(Reader(opened, limits))


def _info(reader: Reader) -> Info:
    header = reader.header
    entry = registry.entry_by_number(header.codec)
    lengths = {
        kind: sum(chunk.length for chunk in reader.of_kind(kind)) for kind in ChunkKind.KNOWN
    }
    payload = lengths.pop(ChunkKind.LATENTS)
    metadata = sum(lengths.values())
    media = header.media
    return Info(
        codec=entry.name,
        model_id=header.model_id.hex(),
        model_available=any(i.startswith(header.model_id) for _, i in registry.models_of(entry)),
        media=entry.media,
        width=media.width,
        height=media.height,
        grey=media.grey,
        alpha=bool(reader.of_kind(ChunkKind.ALPHA)),
        icc=bool(reader.of_kind(ChunkKind.ICC)),
        exif=bool(reader.of_kind(ChunkKind.EXIF)),
        quality=media.rate / RATE_STEPS,
        tile=media.tile,
        tiles=len(reader.of_kind(ChunkKind.LATENTS)),
        size=reader.size,
        payload=payload,
        metadata=metadata,
        overhead=reader.size - payload - metadata,
        bpp=8 * reader.size / (media.width * media.height),
    )


class Codec:
    """A codec with its weights loaded, for many pictures. Made by `load_codec`."""

    def __init__(self, entry: registry.CodecEntry, device: str) -> None:
        self.entry = entry
        self.device = device
        self._encoder = registry.load(entry, registry.weights_for(entry, None), device)

    @property
    def name(self) -> str:
        """The codec's name in the registry."""
        return self.entry.name

    def compress(
        self,
        image: Image,
        target: Target,
        *,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> Encoded:
        """Encode an `Image` and say how it went; `encode` is the simpler call."""
        return self._encoder.compress(image, target, verify=verify, progress=progress)

    def encode(
        self,
        media: object,
        *,
        quality: float | None = None,
        bpp: float | None = None,
        size: int | None = None,
        psnr: float | None = None,
        strip: bool = False,
        verify: bool = False,
    ) -> bytes:
        """Encode one picture; see `ncodec.encode`."""
        from ncodec.media import as_image

        target = Target.from_options(quality, bpp, size, psnr)
        image = as_image(media)
        encoded = self.compress(image.stripped() if strip else image, target, verify=verify)
        _warn((*image.warnings, *encoded.warnings))
        return encoded.data

    def decode(
        self,
        source: Source,
        *,
        region: Region | None = None,
        partial: bool = False,
        limits: Limits | None = None,
    ) -> Image:
        """Decode one file of this codec; see `ncodec.decode`."""
        with open_source(source) as opened:
            reader = Reader(opened, limits, partial)
            if reader.header.codec != self.entry.number:
                other = registry.entry_by_number(reader.header.codec).name
                raise OptionError(f"made with codec {other}, not {self.name}; use ncodec.decode")
            image = _codec_of(reader, self.device).decompress(
                reader, region=region, partial=partial
            )
        _warn(image.warnings)
        return image

    def encode_file(
        self,
        source: str | Path,
        target: str | Path,
        *,
        quality: float | None = None,
        bpp: float | None = None,
        size: int | None = None,
        psnr: float | None = None,
        strip: bool = False,
        verify: bool = True,
        overwrite: bool = False,
    ) -> None:
        """Encode a picture file into an `.ncd` file; an existing one stays unless `overwrite`."""
        from ncodec.media import load_image

        data = self.encode(
            load_image(source),
            quality=quality,
            bpp=bpp,
            size=size,
            psnr=psnr,
            strip=strip,
            verify=verify,
        )
        files.write_atomic(Path(target), lambda file: file.write(data), overwrite=overwrite)

    def decode_file(
        self,
        source: str | Path,
        target: str | Path,
        *,
        region: Region | None = None,
        partial: bool = False,
        limits: Limits | None = None,
        overwrite: bool = False,
    ) -> None:
        """Decode an `.ncd` file into a picture file; the suffix of `target` names the format."""
        from ncodec.media import output_format, save_image

        kind = output_format(Path(target))
        image = self.decode(source, region=region, partial=partial, limits=limits)
        files.write_atomic(
            Path(target), lambda file: save_image(image, file, kind), overwrite=overwrite
        )


def _codec_of(reader: Reader, device: str) -> ImageCodec:
    """The codec and weights that a file names."""
    entry = registry.entry_by_number(reader.header.codec)
    return registry.load(entry, registry.weights_for(entry, reader.header.model_id), device)


def _warn(messages: tuple[str, ...]) -> None:
    for message in messages:
        python_warnings.warn(message, NcodecWarning, stacklevel=3)


def load_codec(name: str = "hyperprior", device: str = "auto") -> Codec:
    """Load a codec for repeated use. `OptionError` for an unknown name or device."""
    return Codec(registry.entry_by_name(name), choose_device(device))


def open_codec(source: Reader, device: str = "auto") -> ImageCodec:
    """Load the codec and the weights that an opened file names."""
    return _codec_of(source, choose_device(device))


def encode(
    media: object,
    *,
    codec: str = "hyperprior",
    quality: float | None = None,
    bpp: float | None = None,
    size: int | None = None,
    psnr: float | None = None,
    strip: bool = False,
    verify: bool = False,
    device: str = "auto",
) -> bytes:
    """Encode a picture to the bytes of a whole `.ncd` file.

    `media` is an `Image`, a Pillow image, an array uint8 [H, W] or [H, W, C], or a tensor
    [C, H, W], uint8 or float in 0..1; C is 1 to 4 (grey, grey and alpha, RGB, RGBA). At most one
    of `quality` (0..100, 50 if nothing is given), `bpp` (bits a pixel), `size` (bytes, a
    ceiling) and `psnr` (dB over RGB) may be given; bpp and size count the whole file. `strip`
    leaves EXIF and ICC out; `verify` decodes the symbols again. What cannot be kept is said in
    `NcodecWarning`s. Raises `InputError`, `OptionError`, `ModelError`.
    """
    return load_codec(codec, device).encode(
        media, quality=quality, bpp=bpp, size=size, psnr=psnr, strip=strip, verify=verify
    )


def decode(
    source: Source,
    *,
    region: Region | None = None,
    partial: bool = False,
    limits: Limits | None = None,
    device: str = "auto",
) -> Image:
    """Decode a file to an `Image`.

    `region` (x, y, width, height) decodes only what it needs of a large picture. `partial`
    decodes what a damaged file still holds; the tiles that are gone stand in `Image.lost`.
    `limits` bounds what a file may claim. Raises `BitstreamError`, `ModelError`, `OptionError`.
    """
    with open_source(source) as opened:
        reader = Reader(opened, limits, partial)
        image = open_codec(reader, device).decompress(reader, region=region, partial=partial)
    _warn(image.warnings)
    return image
