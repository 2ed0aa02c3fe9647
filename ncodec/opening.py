"""Opening files to decode, and the codecs that they name."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, cast

from ncodec.codecs import registry
from ncodec.codecs.base import AudioCodec, ImageCodec, Region, Span
from ncodec.container import ImageHeader, Reader
from ncodec.errors import InputError, OptionError

Source = bytes | str | Path | BinaryIO
"""A whole file in memory, the path of one, or a binary file object."""


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
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{source}: cannot be read ({reason})") from error
    if not hasattr(source, "read"):
        raise InputError(f"cannot read a {type(source).__name__}; give bytes, a path or a file")
    seekable = getattr(source, "seekable", None)
    return nullcontext(source if seekable is not None and seekable() else source.read())


def check_extent(reader: Reader, region: Region | None, span: Span | None) -> None:
    """Raise `OptionError` for a region of a sound or a span of a picture."""
    if isinstance(reader.header.media, ImageHeader):
        if span is not None:
            raise OptionError("from, to: the file holds a picture; a region can be cut out of it")
    elif region is not None:
        raise OptionError("region: the file holds a sound; a span of seconds can be cut out of it")


def open_codec(reader: Reader, device: str = "auto") -> ImageCodec | AudioCodec:
    """Load the codec and the weights that an opened file names."""
    entry = registry.entry_of(reader.header)
    weights = registry.weights_for(entry, reader.header.model_id)
    return registry.load(entry, weights, choose_device(device))


def image_codec(reader: Reader, device: str = "auto") -> ImageCodec:
    """The same for a picture; `CorruptFileError` for a sound."""
    _ = reader.picture
    return cast(ImageCodec, open_codec(reader, device))


def audio_codec(reader: Reader, device: str = "auto") -> AudioCodec:
    """The same for a sound; `CorruptFileError` for a picture."""
    _ = reader.sound
    return cast(AudioCodec, open_codec(reader, device))
