"""A codec with its weights loaded, and what encoding and decoding with one is.

Like `ncodec.api` it imports no torch and no media libraries before they are needed.
"""

from __future__ import annotations

import warnings as python_warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ncodec import files
from ncodec.codecs import registry
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
from ncodec.opening import (
    Source,
    audio_codec,
    check_extent,
    image_codec,
    open_codec,
    open_source,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ncodec.media import Audio, Image, Media

MAX_VALUES = 2**29
"""Most samples of all channels that `decode` puts into one array: 2 GiB."""


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
        """The picture, then in sRGB, or sound without its metadata, where `strip` says so.

        None: where the codec's files are so small that metadata would be most of them.
        """
        from ncodec.media import Image

        if strip or not (strip is None and self.entry.strips and isinstance(media, Image)):
            return media.stripped() if strip else media
        there = [name.upper() for name, value in vars(media.metadata).items() if value is not None]
        if not there:
            return media
        note = f"{' and '.join(there)} left out; --keep-metadata (strip=False) keeps them"
        bare = media.stripped()
        return replace(bare, warnings=(*bare.warnings, note))

    def _encode(self, media: Media, target: Target, strip: bool | None, verify: bool) -> bytes:
        from ncodec.media import unkept

        media = self.shed(media, strip)
        encoded = self.compress(media, target, verify=verify)
        warn((*unkept(media), *encoded.warnings), depth=2)
        return encoded.data

    def decode(
        self,
        source: Source,
        *,
        region: Region | None = None,
        span: Span | None = None,
        partial: bool = False,
        fill: bool = True,
        limits: Limits | None = None,
    ) -> Image | Audio:
        """Decode one file of this codec; see `ncodec.decode`."""
        with open_source(source) as opened:
            reader = Reader(opened, limits, partial)
            self._check_own(reader)
            result = decoded(reader, self.device, region, span, partial, fill)
        warn(result.warnings)
        return result

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
        fill: bool = True,
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
                messages = self._sound_file(reader, Path(target), span, partial, fill, overwrite)
        warn(messages)

    def _picture_file(
        self, reader: Reader, target: Path, region: Region | None, partial: bool, overwrite: bool
    ) -> tuple[str, ...]:
        from ncodec.media import output_format, save_image

        kind = output_format(target)
        codec = image_codec(reader, self.device)
        image = codec.decompress(reader, region=region, partial=partial)
        notes = files.write_atomic(
            target, lambda file: save_image(image, file, kind), overwrite=overwrite
        )
        return (*image.warnings, *notes)

    def _sound_file(
        self,
        reader: Reader,
        target: Path,
        span: Span | None,
        partial: bool,
        fill: bool,
        overwrite: bool,
    ) -> tuple[str, ...]:
        from ncodec.codecs.sound_file import write_sound
        from ncodec.media import sound_format

        kind = sound_format(target)
        codec = audio_codec(reader, self.device)
        return files.write_atomic(
            target,
            lambda file: write_sound(
                codec, reader, file, kind, span=span, partial=partial, fill=fill
            ),
            overwrite=overwrite,
        ).warnings


def decoded(
    reader: Reader,
    device: str,
    region: Region | None,
    span: Span | None,
    partial: bool,
    fill: bool,
) -> Image | Audio:
    """What an open file holds, or a part of it; see `ncodec.decode`."""
    check_extent(reader, region, span)
    if isinstance(reader.header.media, ImageHeader):
        return image_codec(reader, device).decompress(reader, region=region, partial=partial)
    _check_memory(reader, span)
    return audio_codec(reader, device).decompress(reader, span=span, partial=partial, fill=fill)


def _check_memory(reader: Reader, span: Span | None) -> None:
    from ncodec.codecs.sound_file import span_samples

    first, last = span_samples(span, reader.sound)
    values = (last - first) * reader.sound.channels
    if values > MAX_VALUES:
        raise LimitExceededError(
            f"{values} samples in all channels are above {MAX_VALUES}, the most for one array;"
            " decode to a file (decode_file), or a span at a time"
        )


def warn(messages: tuple[str, ...], depth: int = 1) -> None:
    """Warn of the line that called the function `depth` levels above this one."""
    for message in messages:
        python_warnings.warn(message, NcodecWarning, stacklevel=depth + 2)
