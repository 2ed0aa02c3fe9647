"""Whatever is to be encoded -> a picture, or a sound that is read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ncodec.container import Limits
from ncodec.media.arrays import as_image
from ncodec.media.audio import Audio, as_audio
from ncodec.media.image import Image
from ncodec.media.load import load_image
from ncodec.media.sound_read import SoundSource, is_sound
from ncodec.media.streams import name_of, open_stream

Media = Image | Audio | SoundSource


@contextmanager
def open_media(media: object, limits: Limits | None = None) -> Iterator[Media]:
    """What `media` is: a path is opened, a pair (samples, rate) is a sound, arrays are pictures.

    Raises what `load_image`, `load_audio`, `as_image` and `as_audio` do.
    """
    if isinstance(media, (str, Path)):
        limits = limits or Limits()
        with open_stream(media, limits, str(media), "picture or sound") as stream:
            yield load_media(stream, limits)
    elif isinstance(media, SoundSource):
        yield media
    elif isinstance(media, (Audio, tuple)):
        yield as_audio(media)
    else:
        yield as_image(media)


def load_media(stream: BinaryIO, limits: Limits) -> Image | SoundSource:
    """A seekable file's picture, or its sound, which is read while the file is open."""
    name = name_of(stream, "the sound")
    return (
        SoundSource(stream, limits, name) if is_sound(stream, name) else load_image(stream, limits)
    )


def unkept(media: Media) -> tuple[str, ...]:
    """Name what of the source is not kept."""
    tags = "" if isinstance(media, Image) else ", ".join(media.metadata)
    return (*media.warnings, *([f"tags are not kept: {tags}"] if tags else []))


def medium(media: object) -> str:
    """Return "image" or "audio"."""
    return "image" if isinstance(media, Image) else "audio"
