"""The public functions: encode, decode, trim, read_info, load_codec, list_codecs.

Importing this module imports no torch and no media libraries; the first call that needs them
does, since the command line must answer at once.
"""

from __future__ import annotations

import warnings as python_warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ncodec import files
from ncodec.codecs import automatic, registry
from ncodec.codecs.base import (
    AudioCodec,
    Encoded,
    ImageCodec,
    LatentReader,
    Progress,
    Region,
    Span,
    Target,
)
from ncodec.container import ImageHeader, Limits, Reader
from ncodec.errors import LimitExceededError, NcodecWarning, OptionError
from ncodec.info import AudioInfo, ImageInfo, Info, info_of
from ncodec.opening import (
    Source,
    audio_codec,
    check_extent,
    choose_device,
    image_codec,
    open_codec,
    open_source,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ncodec.media import Audio, Image, Media

__all__ = [
    "AudioInfo",
    "Codec",
    "CodecInfo",
    "ImageInfo",
    "Info",
    "Source",
    "choose_device",
    "decode",
    "encode",
    "list_codecs",
    "load_codec",
    "open_codec",
    "open_source",
    "read_info",
    "trim",
]

MAX_VALUES = 2**29
"""Most samples of all channels that `decode` puts into one array: 2 GiB."""


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
    for entry in registry.rows():
        newest = next(registry.models_of(entry), None)
        identity = newest[1].hex()[:8] if newest else None
        size = newest[0].stat().st_size if newest else 0
        rows.append(CodecInfo(entry.name, entry.number, entry.media, entry.summary, identity, size))
    return rows


def read_info(source: Source, *, limits: Limits | None = None) -> ImageInfo | AudioInfo:
    """Read a file's header. Raises `BitstreamError` if it is not valid; never loads torch."""
    with open_source(source) as opened:
        return info_of(Reader(opened, limits))


def trim(
    source: Source,
    *,
    kbps: float | None = None,
    size: int | None = None,
    bpp: float | None = None,
    limits: Limits | None = None,
) -> bytes:
    """Cut a file to a lower rate, without the networks that show what is in it.

    One of `size` (bytes), `bpp` (bits a pixel) and `kbps` (kilobits a second) is the ceiling.
    Raises `BitstreamError`, and `OptionError` for a rate that can't be, or files of a codec that
    can't be trimmed.
    """
    if kbps is None and size is None and bpp is None:
        raise OptionError("give size, bpp (pictures) or kbps (sounds): what to trim to")
    target = Target.from_options(bpp=bpp, size=size, kbps=kbps)
    with open_source(source) as opened:
        reader = Reader(opened, limits)
        entry = registry.entry_of(reader.header)
        cut = registry.trimmer(entry)
        target.check_for(entry.name, entry.media)
        return cut(reader, target)


class Codec:
    """A codec with its weights loaded, for many pictures or sounds. Made by `load_codec`."""

    def __init__(self, entry: registry.CodecEntry, device: str) -> None:
        self.entry = entry
        self.device = device
        found = [row for row in entry.rows if next(registry.models_of(row), None)]
        self._encoders = {
            row.media: registry.load(row, registry.weights_for(row, None), device)
            for row in found or entry.rows  # One without weights says what is missing.
        }

    @property
    def name(self) -> str:
        """The codec's name in the registry."""
        return self.entry.name

    def compress(
        self,
        media: Media,
        target: Target,
        *,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> Encoded:
        """Encode an `Image`, `Audio` or `SoundSource` and say how it went.

        `encode` is the simpler call. Raises `OptionError` for a medium or target that the codec
        does not know.
        """
        from ncodec.media import Image, medium

        row = registry.entry_for(medium(media), self.name)
        target.check_for(self.name, row.media)
        if row.media not in self._encoders:
            registry.weights_for(row, None)  # Says what is missing.
        if isinstance(media, Image):
            pictures = cast(ImageCodec, self._encoders[row.media])
            return pictures.compress(media, target, verify=verify, progress=progress)
        sounds = cast(AudioCodec, self._encoders[row.media])
        return sounds.compress(media, target, verify=verify, progress=progress)

    def encode(
        self,
        media: object,
        *,
        quality: float | None = None,
        bpp: float | None = None,
        size: int | None = None,
        psnr: float | None = None,
        kbps: float | None = None,
        drop: int = 0,
        strip: bool | None = None,
        verify: bool = False,
    ) -> bytes:
        """Encode one picture or sound; see `ncodec.encode`."""
        from ncodec.media import open_media

        target = Target.from_options(quality, bpp, size, psnr, kbps, drop)
        with open_media(media) as opened:
            return self._encode(opened, target, strip, verify)

    def shed(self, media: Media, strip: bool | None) -> Media:
        """The picture or sound without its metadata, where `strip` says so.

        None: where the codec's files are so small that metadata would be most of them.
        """
        from ncodec.media import Image

        if strip or not (strip is None and self.entry.strips and isinstance(media, Image)):
            return media.stripped() if strip else media
        there = [name.upper() for name, value in vars(media.metadata).items() if value is not None]
        if not there:
            return media
        note = f"{' and '.join(there)} left out; --keep-metadata (strip=False) keeps them"
        return replace(media.stripped(), warnings=(*media.warnings, note))

    def _encode(self, media: Media, target: Target, strip: bool | None, verify: bool) -> bytes:
        from ncodec.media import unkept

        media = self.shed(media, strip)
        encoded = self.compress(media, target, verify=verify)
        _warn((*unkept(media), *encoded.warnings), depth=2)
        return encoded.data

    def decode(
        self,
        source: Source,
        *,
        region: Region | None = None,
        span: Span | None = None,
        partial: bool = False,
        limits: Limits | None = None,
    ) -> Image | Audio:
        """Decode one file of this codec; see `ncodec.decode`."""
        with open_source(source) as opened:
            reader = Reader(opened, limits, partial)
            self._check_own(reader)
            decoded = _decode(reader, self.device, region, span, partial)
        _warn(decoded.warnings)
        return decoded

    def latents(self, source: Source, *, limits: Limits | None = None) -> Tensor:
        """The latent [C, h, w] of a file, dequantised, without running the decoder's network.

        It has few numbers and is all that the decoder would see: networks can learn from it. Of
        sounds h counts pairs of channels, and w is time. `OptionError` for a codec without any.
        """
        with open_source(source) as opened:
            reader = Reader(opened, limits)
            self._check_own(reader)
            codec = open_codec(reader, self.device)
            if not hasattr(codec, "read_latents"):
                raise OptionError(f"files of codec {self.name} have no latents to learn from")
            return cast(LatentReader, codec).read_latents(reader)

    def _check_own(self, reader: Reader) -> None:
        entry = registry.entry_of(reader.header)
        if entry.number != self.entry.number:
            raise OptionError(f"made with codec {entry.name}, not {self.name}; use ncodec.decode")

    def encode_file(
        self,
        source: str | Path,
        target: str | Path,
        *,
        quality: float | None = None,
        bpp: float | None = None,
        size: int | None = None,
        psnr: float | None = None,
        kbps: float | None = None,
        drop: int = 0,
        strip: bool | None = None,
        verify: bool = True,
        overwrite: bool = False,
    ) -> None:
        """Encode a picture or sound file into an `.ncd` file, a sound in constant memory.

        An existing file stays unless `overwrite`.
        """
        from ncodec.media import open_media

        wanted = Target.from_options(quality, bpp, size, psnr, kbps, drop)
        with open_media(Path(source)) as opened:
            data = self._encode(opened, wanted, strip, verify)
        files.write_atomic(Path(target), lambda file: file.write(data), overwrite=overwrite)

    def decode_file(
        self,
        source: str | Path,
        target: str | Path,
        *,
        region: Region | None = None,
        span: Span | None = None,
        partial: bool = False,
        limits: Limits | None = None,
        overwrite: bool = False,
    ) -> None:
        """Decode an `.ncd` file into a picture or sound file, a sound in constant memory.

        The suffix of `target` names the format.
        """
        with open_source(source) as opened:
            reader = Reader(opened, limits, partial)
            self._check_own(reader)
            check_extent(reader, region, span)
            if isinstance(reader.header.media, ImageHeader):
                messages = self._picture_file(reader, Path(target), region, partial, overwrite)
            else:
                messages = self._sound_file(reader, Path(target), span, partial, overwrite)
        _warn(messages)

    def _picture_file(
        self, reader: Reader, target: Path, region: Region | None, partial: bool, overwrite: bool
    ) -> tuple[str, ...]:
        from ncodec.media import output_format, save_image

        kind = output_format(target)
        codec = image_codec(reader, self.device)
        image = codec.decompress(reader, region=region, partial=partial)
        files.write_atomic(target, lambda file: save_image(image, file, kind), overwrite=overwrite)
        return image.warnings

    def _sound_file(
        self, reader: Reader, target: Path, span: Span | None, partial: bool, overwrite: bool
    ) -> tuple[str, ...]:
        from ncodec.codecs.sound_file import write_sound
        from ncodec.media import sound_format

        kind = sound_format(target)
        codec = audio_codec(reader, self.device)
        return files.write_atomic(
            target,
            lambda file: write_sound(codec, reader, file, kind, span=span, partial=partial),
            overwrite=overwrite,
        ).warnings


def _decode(
    reader: Reader, device: str, region: Region | None, span: Span | None, partial: bool
) -> Image | Audio:
    check_extent(reader, region, span)
    if isinstance(reader.header.media, ImageHeader):
        return image_codec(reader, device).decompress(reader, region=region, partial=partial)
    _check_memory(reader, span)
    return audio_codec(reader, device).decompress(reader, span=span, partial=partial)


def _check_memory(reader: Reader, span: Span | None) -> None:
    from ncodec.codecs.sound_file import span_samples

    first, last = span_samples(span, reader.sound)
    values = (last - first) * reader.sound.channels
    if values > MAX_VALUES:
        raise LimitExceededError(
            f"{values} samples in all channels are above {MAX_VALUES}, the most for one array;"
            " decode to a file (decode_file), or a span at a time"
        )


def _warn(messages: tuple[str, ...], depth: int = 1) -> None:
    """Warn of the line that called the function `depth` levels above this one."""
    for message in messages:
        python_warnings.warn(message, NcodecWarning, stacklevel=depth + 2)


def load_codec(name: str = "hyperprior", device: str = "auto") -> Codec:
    """Load a codec for repeated use. `OptionError` for an unknown name or device."""
    return Codec(registry.entry_by_name(name), choose_device(device))


def encode(
    media: object,
    *,
    codec: str | None = None,
    quality: float | None = None,
    bpp: float | None = None,
    size: int | None = None,
    psnr: float | None = None,
    kbps: float | None = None,
    drop: int = 0,
    strip: bool | None = None,
    verify: bool = False,
    device: str = "auto",
) -> bytes:
    """Encode a picture or a sound to the bytes of a whole `.ncd` file.

    A picture is an `Image`, a Pillow image, an array uint8 [H, W] or [H, W, C], or a tensor
    [C, H, W], uint8 or float in 0..1; C is 1 to 4 (grey, grey and alpha, RGB, RGBA). A sound is
    an `Audio` or a pair (samples, sample rate): an array or tensor [T] or [T, C], float with full
    scale +-1 or integers, C is 1 to 8. Either may be a path. Without `codec` (or with "auto")
    pictures go to "hyperprior" and sounds to "grvq"; with `bpp`, `size` or `kbps` to "vqgan" and
    "walloc" where these are better at that rate.

    At most one of `quality` (0..100, 50 if nothing is given), `size` (bytes, a ceiling), `bpp`
    (bits a pixel), `psnr` (dB over RGB) and `kbps` (1000 bits a second, a ceiling) may be given;
    bpp, size and kbps count the whole file. `drop` is how many percent of its words (0..50)
    "vqgan" leaves out for the decoder to guess; without `codec` it chooses "vqgan". `strip` leaves
    EXIF and ICC out (None: "vqgan" does, others keep them); `verify` decodes the symbols again.
    What cannot be kept is said in `NcodecWarning`s. Raises `InputError`, `OptionError`,
    `ModelError`.
    """
    from ncodec.media import open_media, unkept

    target = Target.from_options(quality, bpp, size, psnr, kbps, drop)
    with open_media(media) as opened:
        entries, place = automatic.choices(opened, target, codec), choose_device(device)

        def attempt(entry: registry.CodecEntry) -> tuple[Media, Encoded]:
            chosen = Codec(entry, place)
            kept = chosen.shed(opened, strip)
            return kept, chosen.compress(kept, target, verify=verify)

        kept, encoded = automatic.first(entries, attempt)
        _warn((*unkept(kept), *encoded.warnings))
        return encoded.data


def decode(
    source: Source,
    *,
    region: Region | None = None,
    span: Span | None = None,
    partial: bool = False,
    limits: Limits | None = None,
    device: str = "auto",
) -> Image | Audio:
    """Decode a file to an `Image` or an `Audio`.

    `region` (x, y, width, height) decodes only what it needs of a large picture, `span` (start,
    stop or None) in seconds of a long sound. `partial` decodes what a damaged file still holds;
    what is gone stands in `.lost`, what was guessed in `.concealed`. `limits` bounds what a file
    may claim. Raises `BitstreamError`, `ModelError`, `OptionError`.
    """
    with open_source(source) as opened:
        reader = Reader(opened, limits, partial)
        decoded = _decode(reader, device, region, span, partial)
    _warn(decoded.warnings)
    return decoded
