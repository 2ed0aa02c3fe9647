"""What the header of a file says; nothing is decoded and torch is not imported."""

from __future__ import annotations

from dataclasses import dataclass

from ncodec.codecs import registry
from ncodec.codecs.tiles import TileGrid
from ncodec.container import AudioHeader, ChunkKind, ImageHeader, Reader

STEPS_A_QUALITY = 8
"""Rate steps a unit of a picture's quality."""


@dataclass(frozen=True)
class Info:
    """What the header of any file says.

    `media` is "image" or "audio"; `size` the whole file in bytes; `payload` counts the entropy-
    coded bytes, `metadata` those of alpha, ICC and EXIF; `overhead` is the rest.
    """

    codec: str
    model_id: str
    model_available: bool
    media: str
    size: int
    payload: int
    metadata: int
    overhead: int


@dataclass(frozen=True)
class ImageInfo(Info):
    """What the header of a picture's file says; `bpp`: bits of the whole file a pixel.

    Of codecs with words: how large their codebook is (None without the model), how many words
    the picture has, and how many percent of them were left out.
    """

    width: int
    height: int
    grey: bool
    alpha: bool
    icc: bool
    exif: bool
    quality: float
    tile: int | None
    tiles: int
    bpp: float
    codebook: int | None = None
    words: int | None = None
    left_out: int | None = None


@dataclass(frozen=True)
class AudioInfo(Info):
    """What the header of a sound's file says.

    `samples` a channel, `sample_rate` in Hz, `rate` the codec's own rate step, `kbps` kilobits
    (1000 bits) of the whole file a second, 0 for a sound of no samples.
    """

    samples: int
    sample_rate: int
    channels: int
    seconds: float
    rate: int
    chunks: int
    kbps: float


def info_of(reader: Reader) -> ImageInfo | AudioInfo:
    """What an opened file says. Raises UnsupportedFeatureError for an unknown codec."""
    header = reader.header
    entry = registry.entry_of(header)
    lengths = {
        kind: sum(chunk.length for chunk in reader.of_kind(kind)) for kind in ChunkKind.KNOWN
    }
    payload = lengths.pop(ChunkKind.LATENTS)
    metadata = sum(lengths.values())
    common = Info(
        codec=entry.name,
        model_id=header.model_id.hex(),
        model_available=any(i.startswith(header.model_id) for _, i in registry.models_of(entry)),
        media=entry.media,
        size=reader.size,
        payload=payload,
        metadata=metadata,
        overhead=reader.size - payload - metadata,
    )
    if isinstance(header.media, ImageHeader):
        facts = registry.facts_of(entry, header.media, header.model_id)
        return _picture(common, header.media, reader, facts)
    return _sound(common, header.media, reader)


def _picture(
    common: Info, media: ImageHeader, reader: Reader, facts: registry.RateFacts | None
) -> ImageInfo:
    known = {"quality": media.rate / STEPS_A_QUALITY} if facts is None else vars(facts)
    return ImageInfo(
        **vars(common),
        **known,
        width=media.width,
        height=media.height,
        grey=media.grey,
        alpha=bool(reader.of_kind(ChunkKind.ALPHA)),
        icc=bool(reader.of_kind(ChunkKind.ICC)),
        exif=bool(reader.of_kind(ChunkKind.EXIF)),
        tile=media.tile,
        tiles=len(TileGrid(media.width, media.height, media.tile)),
        bpp=8 * reader.size / (media.width * media.height),
    )


def _sound(common: Info, media: AudioHeader, reader: Reader) -> AudioInfo:
    return AudioInfo(
        **vars(common),
        samples=media.samples,
        sample_rate=media.sample_rate,
        channels=media.channels,
        seconds=media.seconds,
        rate=media.rate,
        chunks=len(reader.chunks),
        kbps=kbps_of(reader.size, media.seconds),
    )


def kbps_of(size: int, seconds: float) -> float:
    """Kilobits a second of so many bytes; 0 for a sound of no samples."""
    return 8 * size / seconds / 1000 if seconds else 0.0
