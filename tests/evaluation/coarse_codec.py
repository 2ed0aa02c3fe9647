"""A sound codec without a network: fewer levels for a lower rate."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.base import Encoded, Progress, Span, Target
from ncodec.container import AudioHeader, ChunkKind, Header, Reader, pack
from ncodec.errors import OptionError
from ncodec.media import Audio
from ncodec.media.audio import LostSpan, SoundBlocks
from tests.cli.plain_codec import MODEL_ID

NUMBER = 98


class CoarseCodec:
    name = "coarse"

    def __init__(self, weights: Path, device: str) -> None:
        self.device = device

    def compress(
        self,
        sound: SoundBlocks,
        target: Target,
        *,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> Encoded:
        if target.value < 1:
            raise OptionError(f"kbps {target.value:g}: the lowest is 1")
        levels = int(min(127, target.value))
        whole = np.concatenate(list(sound.blocks(4096)))
        steps = np.round(np.clip(whole, -1, 1) * levels).astype(np.int8)
        media = AudioHeader(sound.samples, sound.sample_rate, sound.channels, levels)
        payload = zlib.compress(steps.tobytes())
        return Encoded(
            pack(Header(NUMBER, MODEL_ID[:4], media), [(ChunkKind.LATENTS, payload)]), 50.0
        )

    def decompress(
        self,
        reader: Reader,
        *,
        span: Span | None = None,
        partial: bool = False,
        fill: bool = True,
        progress: Progress | None = None,
    ) -> Audio:
        media = reader.sound
        payload = zlib.decompress(reader.read(reader.of_kind(ChunkKind.LATENTS)[0]))
        steps = np.frombuffer(payload, np.int8).reshape(-1, media.channels)
        return Audio((steps / media.rate).astype(np.float32), media.sample_rate)

    def decompress_blocks(
        self,
        reader: Reader,
        *,
        span: Span | None = None,
        partial: bool = False,
        fill: bool = True,
        lost: list[LostSpan] | None = None,
        progress: Progress | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        yield self.decompress(reader).array

    def check(self, reader: Reader, *, progress: Progress | None = None) -> None:
        self.decompress(reader)
