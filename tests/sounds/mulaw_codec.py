"""A sound codec without a network: mu-law samples of 1 to 8 bits, a chunk a second."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.base import Encoded, Progress, Span, Target
from ncodec.codecs.sound_file import span_samples
from ncodec.container import AudioHeader, Chunk, Header, Reader, pack
from ncodec.errors import (
    BitstreamError,
    CorruptFileError,
    EntropyDesyncError,
    OptionError,
    TruncatedError,
)
from ncodec.media import Audio, LostSpan, Samples, SoundBlocks

NAME, NUMBER, MODEL_ID = "mulaw", 98, bytes(range(100, 132))
TARGET, TRIM = "tests.sounds.mulaw_codec:MulawCodec", "tests.sounds.mulaw_codec:trim"
Codes = NDArray[np.uint8]


def codes_of(block: Samples, bits: int) -> Codes:
    bent = np.copysign(np.log1p(255 * np.minimum(np.abs(block), 1)) / np.log(256), block)
    return shifted(np.minimum((bent + 1) * 128, 255).astype(np.uint8), 8 - bits)


def shifted(codes: Codes, places: int) -> Codes:
    return (codes >> np.uint8(places)).astype(np.uint8)


def samples_of(codes: Codes, bits: int) -> Samples:
    bent = (codes + 0.5) / 2 ** (bits - 1) - 1
    sound: Samples = np.copysign(np.expm1(np.abs(bent) * np.log(256)) / 255, bent).astype("<f4")
    return sound


def packed(codes: Codes, bits: int) -> bytes:
    """The codes, then their sum: intact bytes may still be the wrong sound."""
    planes = np.unpackbits(codes.reshape(-1, 1), axis=1)[:, 8 - bits :]
    return np.packbits(planes).tobytes() + bytes([int(codes.sum()) % 256])


def unpacked(payload: bytes, shape: tuple[int, int], bits: int) -> Codes:
    count = shape[0] * shape[1]
    if len(payload) != math.ceil(count * bits / 8) + 1:
        raise CorruptFileError("a second has the wrong length")
    planes = np.unpackbits(np.frombuffer(payload[:-1], np.uint8))[: count * bits]
    wide = np.pad(planes.reshape(count, bits), ((0, 0), (8 - bits, 0)))
    codes = np.packbits(wide, axis=1).reshape(shape)
    if packed(codes, bits) != payload:
        raise EntropyDesyncError("decoded to other samples than were encoded")
    return codes


def seconds_of(media: AudioHeader) -> list[tuple[int, int]]:
    """First sample of each second, and the one after its last."""
    rate = media.sample_rate
    return [
        (start, min(start + rate, media.samples)) for start in range(0, media.samples or 1, rate)
    ]


def file_of(media: AudioHeader, payloads: list[bytes]) -> bytes:
    return pack(Header(NUMBER, MODEL_ID[:4], media), [("L", payload) for payload in payloads])


class MulawCodec:
    name = NAME

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
        if target.kind == "quality":
            bits = 1 + round(target.value * 7 / 100)
            return Encoded(self._file(sound, bits, verify, progress), target.value)
        ceiling = target.value
        if target.kind == "kbps":
            ceiling *= 1000 * sound.samples / sound.sample_rate / 8
        for bits in range(8, 0, -1):
            data = self._file(sound, bits, verify, progress)
            if len(data) <= ceiling:
                return Encoded(data, 100 * (bits - 1) / 7)
        raise OptionError(f"{target.kind} {target.value:g}: is below the lowest possible")

    def _file(
        self, sound: SoundBlocks, bits: int, verify: bool, progress: Progress | None
    ) -> bytes:
        media = AudioHeader(sound.samples, sound.sample_rate, sound.channels, bits)
        payloads = []
        for block in sound.blocks(sound.sample_rate):
            payloads.append(packed(codes_of(block, bits), bits))
            if progress:
                progress(len(payloads), len(seconds_of(media)))
            if verify:
                unpacked(payloads[-1], (len(block), media.channels), bits)
        return file_of(media, payloads or [b"\0"])

    def decompress(
        self,
        reader: Reader,
        *,
        span: Span | None = None,
        partial: bool = False,
        fill: bool = True,
        progress: Progress | None = None,
    ) -> Audio:
        lost: list[LostSpan] = []
        blocks = list(
            self.decompress_blocks(reader, span=span, partial=partial, lost=lost, progress=progress)
        )
        array = np.concatenate([np.zeros((0, reader.sound.channels), np.float32), *blocks])
        return Audio(array, reader.sound.sample_rate, lost=tuple(lost))

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
        media, gone = reader.sound, [] if lost is None else lost
        first, last = span_samples(span, media)
        seconds = checked_seconds(reader)
        wanted = [(c, a, b) for c, (a, b) in seconds if (b > first and a < last) or not last]
        for done, (chunk, start, stop) in enumerate(wanted):
            try:
                block = self._second(reader, chunk, stop - start)
            except BitstreamError:
                if not partial:
                    raise
                gone.append(LostSpan(start / media.sample_rate, stop / media.sample_rate))
                block = np.zeros((stop - start, media.channels), np.float32)
            yield block[max(first - start, 0) : last - start]
            if progress:
                progress(done + 1, len(wanted))
        if len(gone) == len(wanted):
            raise CorruptFileError("no second is left that could be decoded")

    def check(self, reader: Reader, *, progress: Progress | None = None) -> None:
        for _ in self.decompress_blocks(reader, progress=progress):
            pass

    def _second(self, reader: Reader, chunk: Chunk, samples: int) -> Samples:
        media = reader.sound
        codes = unpacked(reader.read(chunk), (samples, media.channels), media.rate)
        return samples_of(codes, media.rate)


def checked_seconds(reader: Reader) -> list[tuple[Chunk, tuple[int, int]]]:
    media = reader.sound
    count = math.ceil(media.samples / media.sample_rate) or 1
    if not 1 <= media.rate <= 8:
        raise CorruptFileError(f"rate step {media.rate}: steps are 1 to 8")
    if len(reader.chunks) != count:
        raise TruncatedError(f"{len(reader.chunks)} chunks for {count} seconds")
    return list(zip(reader.chunks, seconds_of(media), strict=True))


def trim(reader: Reader, target: Target) -> bytes:
    media = reader.sound
    seconds = checked_seconds(reader)
    whole = [
        unpacked(reader.read(chunk), (stop - start, media.channels), media.rate)
        for chunk, (start, stop) in seconds
    ]
    for bits in range(media.rate, 0, -1):
        lower = AudioHeader(media.samples, media.sample_rate, media.channels, bits)
        data = file_of(lower, [packed(shifted(codes, media.rate - bits), bits) for codes in whole])
        if 8 * len(data) <= 1000 * target.value * media.seconds:
            return data
    raise OptionError(f"kbps {target.value:g}: is below the lowest possible")
