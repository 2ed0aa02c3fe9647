"""The codes in a file, chunk by chunk. Needs no torch."""

import numpy as np

from ncodec.codecs.grvq_contexts import CODEBOOKS
from ncodec.codecs.grvq_indices import Codes, IndexCoder
from ncodec.codecs.grvq_layout import CHUNK, DELAY, RATE, Plan, Timing
from ncodec.container import Reader
from ncodec.media import LostSpan


class CodeReader:
    """The codes of a file's chunks."""

    def __init__(self, coder: IndexCoder, reader: Reader) -> None:
        """Check that header and chunks fit. Raises `BitstreamError`s."""
        self.media = reader.sound
        self.plan = Plan.of(self.media)
        self.timing, self._chunks = Timing.of(reader)
        self._coder, self._reader = coder, reader

    def __len__(self) -> int:
        """Return the number of chunks."""
        return len(self._chunks)

    def read(self, index: int) -> Codes:
        """One chunk. Raises `BitstreamError`s."""
        payload = self._reader.read(self._chunks[index])
        frames = self.timing.chunk_frames(index)
        return self._coder.decode(payload, self.media.channels, frames, self.plan.nominal)

    def lost(self, index: int) -> Codes:
        """What stands in for a chunk that can't be read: no codebooks at all."""
        shape = (self.media.channels, self.timing.chunk_frames(index))
        return Codes(np.zeros((*shape, CODEBOOKS), np.int16), np.zeros(shape, np.uint8))

    def span(self, index: int) -> LostSpan:
        """The seconds of the sound that a chunk decodes to."""
        start = max(0, index * CHUNK - DELAY) / RATE
        stop = ((index + 1) * CHUNK - DELAY) / RATE
        return LostSpan(start, stop if index < len(self) - 1 else self.media.seconds)
