"""What all sound codecs do alike: spans of time, and decoding to a file in constant memory."""

from dataclasses import dataclass
from typing import BinaryIO

from ncodec.codecs.base import AudioCodec, Progress, Span
from ncodec.container import AudioHeader, Reader
from ncodec.errors import OptionError
from ncodec.media import LostSpan, SoundWriter


@dataclass(frozen=True)
class WrittenSound:
    """What `write_sound` wrote: samples a channel, and what it could not keep or restore."""

    samples: int
    warnings: tuple[str, ...]
    lost: tuple[LostSpan, ...]


def span_samples(span: Span | None, media: AudioHeader) -> tuple[int, int]:
    """First sample and the one after the last of a span; a stop after the end is the end.

    Raises OptionError if the span starts after the end, or does not stop after its start.
    """
    start, stop = span or (0.0, None)
    end = media.seconds if stop is None else float(stop)
    if not 0 <= start < end and span is not None:
        raise OptionError(
            f"from {start:g} to {end:g} seconds: must be a stretch of the sound, which has "
            f"{media.seconds:g} seconds"
        )
    if start > media.seconds:
        raise OptionError(f"from {start:g} seconds: the sound has {media.seconds:g} seconds")
    first, last = (min(round(at * media.sample_rate), media.samples) for at in (start, end))
    return first, last


def write_sound(
    codec: AudioCodec,
    reader: Reader,
    file: BinaryIO,
    kind: str,
    *,
    span: Span | None = None,
    partial: bool = False,
    fill: bool = True,
    progress: Progress | None = None,
) -> WrittenSound:
    """Decode a file, or a span of it, block by block to a sound file of the format `kind`.

    Raises what `AudioCodec.decompress` and `SoundWriter` do.
    """
    media, lost, samples = reader.sound, list[LostSpan](), 0
    with SoundWriter(file, kind, media.sample_rate, media.channels) as writer:
        for block in codec.decompress_blocks(
            reader, span=span, partial=partial, fill=fill, lost=lost, progress=progress
        ):
            writer.write(block)
            samples += len(block)
    return WrittenSound(samples, writer.warnings, tuple(lost))
