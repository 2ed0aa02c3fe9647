"""Files of codec `grvq` to samples, chunk by chunk."""

from collections.abc import Iterator

import numpy as np

from ncodec.codecs.base import Progress, Span
from ncodec.codecs.grvq_codes import CodeReader
from ncodec.codecs.grvq_counts import SILENT
from ncodec.codecs.grvq_gains import Muter
from ncodec.codecs.grvq_layout import DELAY, RATE, Single
from ncodec.codecs.grvq_networks import Networks, Synthesiser
from ncodec.codecs.grvq_quantiser import Quantiser
from ncodec.codecs.grvq_resampling import FILTER, Resampler
from ncodec.codecs.sound_file import span_samples
from ncodec.errors import BitstreamError
from ncodec.media import LostSpan


class Decoding:
    """One pass over a file, or a span of it.

    Decoding starts so many chunks before the span that neither the network nor the resampling
    filter still knows where it began.
    """

    def __init__(
        self, codes: CodeReader, networks: Networks, quantiser: Quantiser, span: Span | None
    ) -> None:
        """Raises `OptionError` for a span that is none."""
        self._codes, self._quantiser = codes, quantiser
        media = codes.media
        self.first, self.last = span_samples(span, media)
        filter_seconds = FILTER / min(media.sample_rate, RATE)
        warm_up = 1 + int(np.ceil(filter_seconds)) if self.first else 0
        self.start = max(0, self.first // media.sample_rate - warm_up)
        reach = self.last / media.sample_rate + filter_seconds + DELAY / RATE
        self.stop = min(len(codes), int(reach) + 1) if self.last > self.first else self.start
        self._synthesiser = Synthesiser(networks, media.channels)
        self._muter = Muter(media.channels)

    def blocks(
        self, partial: bool, lost: list[LostSpan], progress: Progress | None
    ) -> Iterator[Single]:
        """Samples [n, C] at the sound's rate, from `first` to `last`.

        Raises `BitstreamError`s; with `partial` only where no chunk can be read.
        """
        media = self._codes.media
        if not media.samples:
            self._codes.read(0)  # Nothing is in it, but it may be damaged.
        elif partial:
            self._find_one()
        resampler = Resampler(RATE, media.sample_rate, media.channels)
        at = self.start * media.sample_rate
        skip = DELAY
        for index in range(self.start, self.stop):
            block = self._chunk(index, partial, lost)
            resampled = resampler.step(block[skip:], index == self.stop - 1)
            skip = max(0, skip - len(block))
            yield resampled[max(0, self.first - at) : max(0, self.last - at)]
            at += len(resampled)
            if progress:
                progress(index + 1 - self.start, self.stop - self.start)
        if missing := max(0, self.last - max(at, self.first)):
            yield np.zeros((missing, media.channels), np.float32)

    def _chunk(self, index: int, partial: bool, lost: list[LostSpan]) -> Single:
        """Samples [n, C] of a chunk at 16 kHz, late by the network's delay."""
        gone = False
        try:
            codes = self._codes.read(index)
        except BitstreamError:
            if not partial:
                raise
            gone, codes = True, self._codes.lost(index)
            self._note(self._codes.span(index), lost)
        latent = self._quantiser.dequantise(codes.indices, codes.counts)
        samples = self._synthesiser.step(latent, codes.counts)
        muted = self._muter.step(samples, codes.counts == SILENT, gone)
        return self._codes.plan.unmix(muted.T)

    def _find_one(self) -> None:
        """Raise what the first chunk does if none of them can be read."""
        first: BitstreamError | None = None
        for index in range(self.start, self.stop):
            try:
                self._codes.read(index)
                return
            except BitstreamError as error:
                first = first or error
        if first is not None:
            raise first

    def _note(self, span: LostSpan, lost: list[LostSpan]) -> None:
        """Add a span to `lost` if it meets what was asked for; joined with the one before it."""
        rate = self._codes.media.sample_rate
        if span.stop <= self.first / rate or span.start >= self.last / rate:
            return
        if lost and lost[-1].stop == span.start:
            span = LostSpan(lost.pop().start, span.stop)
        lost.append(span)
