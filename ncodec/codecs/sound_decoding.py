"""Files of sound to samples, second by second: spans, lost seconds, the sound's own rate."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.base import Progress, Span
from ncodec.codecs.resampling import FILTER, Resampler
from ncodec.codecs.sound_file import span_samples
from ncodec.container import AudioHeader, Reader
from ncodec.errors import BitstreamError
from ncodec.media import Audio, LostSpan

Single = NDArray[np.float32]


class SecondsDecoding:
    """One pass over a file, or a span of it.

    Decoding starts so many chunks before the span that neither the network nor the resampling
    filter still knows where it began. A codec says how a chunk is read and decoded.

    Attributes:
        rate: samples a second as they are coded; a chunk is a second of them.
        delay: samples by which what is decoded lags behind.
    """

    rate: int
    delay: int

    def __init__(self, media: AudioHeader, chunks: int, span: Span | None) -> None:
        """Raises `OptionError` for a span that is none."""
        self.media = media
        self.first, self.last = span_samples(span, media)
        filter_seconds = FILTER / min(media.sample_rate, self.rate)
        warm_up = 1 + int(np.ceil(filter_seconds)) if self.first else 0
        self.start = max(0, self.first // media.sample_rate - warm_up)
        reach = self.last / media.sample_rate + filter_seconds + self.delay / self.rate
        self.stop = min(chunks, int(reach) + 1) if self.last > self.first else self.start

    def read(self, index: int) -> object:
        """The symbols of a chunk. Raises `BitstreamError`s."""
        raise TypeError(f"{type(self).__name__} reads no chunks")

    def samples(self, index: int, partial: bool, lost: list[LostSpan]) -> Single:
        """Samples [n, C] of a chunk at `rate`. Raises `BitstreamError`s unless `partial`."""
        raise TypeError(f"{type(self).__name__} decodes no chunks")

    def blocks(
        self, partial: bool, lost: list[LostSpan], progress: Progress | None
    ) -> Iterator[Single]:
        """Samples [n, C] at the sound's rate, from `first` to `last`.

        Raises `BitstreamError`s; with `partial` only where no chunk can be read.
        """
        media = self.media
        if not media.samples:
            self.read(0)  # Nothing is in it, but it may be damaged.
        elif partial:
            self._find_one()
        resampler = Resampler(self.rate, media.sample_rate, media.channels)
        at = self.start * media.sample_rate
        skip = self.delay
        for index in range(self.start, self.stop):
            block = self.samples(index, partial, lost)
            resampled = resampler.step(block[skip:], index == self.stop - 1)
            skip = max(0, skip - len(block))
            yield resampled[max(0, self.first - at) : max(0, self.last - at)]
            at += len(resampled)
            if progress:
                progress(index + 1 - self.start, self.stop - self.start)
        if missing := max(0, self.last - max(at, self.first)):
            yield np.zeros((missing, media.channels), np.float32)

    def note(self, span: LostSpan, lost: list[LostSpan]) -> None:
        """Add a span to `lost` if it meets what was asked for; joined with the one before it."""
        rate = self.media.sample_rate
        if span.stop <= self.first / rate or span.start >= self.last / rate:
            return
        if lost and lost[-1].stop == span.start:
            span = LostSpan(lost.pop().start, span.stop)
        lost.append(span)

    def _find_one(self) -> None:
        """Raise what the first chunk does if none of them can be read."""
        first: BitstreamError | None = None
        for index in range(self.start, self.stop):
            try:
                self.read(index)
                return
            except BitstreamError as error:
                first = first or error
        if first is not None:
            raise first


class SecondsCodec:
    """A sound codec that decodes second by second: a codec says what one pass over a file is."""

    def decoding(self, reader: Reader, span: Span | None, fill: bool) -> SecondsDecoding:
        """One pass over a file, with noise that fills what was dropped, if `fill`.

        Raises `BitstreamError`s, `OptionError` for a span that is none.
        """
        raise TypeError(f"{type(self).__name__} decodes nothing")

    def decompress(
        self,
        reader: Reader,
        *,
        span: Span | None = None,
        partial: bool = False,
        fill: bool = True,
        progress: Progress | None = None,
    ) -> Audio:
        """Decode a file or a span of it; see `AudioCodec.decompress`."""
        lost: list[LostSpan] = []
        blocks = self.decompress_blocks(
            reader, span=span, partial=partial, fill=fill, lost=lost, progress=progress
        )
        media = reader.sound
        samples = [np.zeros((0, media.channels), np.float32), *blocks]
        return Audio(np.concatenate(samples), media.sample_rate, lost=tuple(lost))

    def decompress_blocks(
        self,
        reader: Reader,
        *,
        span: Span | None = None,
        partial: bool = False,
        fill: bool = True,
        lost: list[LostSpan] | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Single]:
        """The same in blocks of about a second; see `AudioCodec.decompress_blocks`."""
        decoding = self.decoding(reader, span, fill)
        return decoding.blocks(partial, [] if lost is None else lost, progress)
