"""Files of sound of codec `walloc` to samples, chunk by chunk."""

import torch
from torch import Tensor

from ncodec.codecs.base import Span
from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.codecs.sound_decoding import SecondsDecoding
from ncodec.codecs.walloc_analysis import HALO
from ncodec.codecs.walloc_chunks import Chunk, ChunkCoder, ChunkSymbols
from ncodec.codecs.walloc_layout import FRAME, Plan, Single, Timing, channels_of
from ncodec.codecs.walloc_noise import filled
from ncodec.container import Reader
from ncodec.errors import BitstreamError, CorruptFileError
from ncodec.media import LostSpan
from ncodec.models.blocks import narrow
from ncodec.models.walloc_medium import SAMPLE_RATE, SOUND

NETWORK_HALO = 1 + 2 * SOUND.blocks
"""Frames around a chunk whose latents the network sees."""


class ChunkReader:
    """A file's chunks; with the noise that fills what was dropped, if `fill`."""

    def __init__(self, coder: ChunkCoder, reader: Reader, *, fill: bool = True) -> None:
        """Check that header and chunks fit. Raises `BitstreamError`s."""
        self.media = reader.sound
        self.plan = Plan.of(self.media)
        self.timing, self._chunks = Timing.of(reader)
        self._coder, self._reader, self._fill = coder, reader, fill

    def __len__(self) -> int:
        """Return the number of chunks."""
        return len(self._chunks)

    def symbols(self, index: int) -> ChunkSymbols:
        """The integers of one chunk. Raises `BitstreamError`s."""
        step, payload, frames = self._payload(index)
        return self._coder.symbols(payload, frames, step, self.media.channels)

    @torch.inference_mode()
    def read(self, index: int) -> Chunk:
        """One chunk. Raises `BitstreamError`s."""
        step, payload, frames = self._payload(index)
        return self._coder.decode(payload, frames, step, self.media.channels, fill=self._fill)

    def lost(self, index: int) -> Chunk:
        """What stands in for a chunk that can't be read: silence."""
        start, stop = self.timing.chunk(index)
        return self._coder.empty(stop - start, self.plan.step, self.media.channels)

    def span(self, index: int) -> LostSpan:
        """The seconds of the sound that a chunk decodes to."""
        last = index == len(self) - 1
        return LostSpan(float(index), self.media.seconds if last else float(index + 1))

    def _payload(self, index: int) -> tuple[int, bytes, int]:
        """Rate step, entropy-coded bytes and frames of a chunk."""
        data = self._reader.read(self._chunks[index])
        if not data:
            raise CorruptFileError(f"chunk {index} is empty")
        start, stop = self.timing.chunk(index)
        return self.plan.chunk_step(data[0]), data[1:], stop - start


class Decoding(SecondsDecoding):
    """One pass over a file, or a span of it.

    Wavelet packets reach over the borders of chunks: the samples of one need the latents of those
    beside it, and no border is heard.
    """

    rate, delay = SAMPLE_RATE, 0

    def __init__(self, chunks: ChunkReader, coder: ChunkCoder, span: Span | None) -> None:
        """Raises `OptionError` for a span that is none."""
        super().__init__(chunks.media, len(chunks), span)
        self._chunks, self._model, self._device = chunks, coder.latents.model, coder.device
        self._known: dict[int, Chunk] = {}
        self._bands: dict[int, Tensor] = {}

    def read(self, index: int) -> ChunkSymbols | Chunk:
        """The symbols of a chunk. Raises `BitstreamError`s."""
        if not self.media.samples:
            return self._chunks.symbols(index)
        return self._chunks.read(index)

    @torch.inference_mode()
    def samples(self, index: int, partial: bool, lost: list[LostSpan]) -> Single:
        """Samples [n, C] of a second at 44.1 kHz."""
        around = [i for i in range(index - 1, index + 2) if 0 <= i < len(self._chunks)]
        bands = torch.cat([self._decoded(i, partial, lost) for i in around], 3)
        origin = self._chunks.timing.chunk(around[0])[0]
        begin, end = (second * SAMPLE_RATE for second in (index, index + 1))
        end = min(end, self._chunks.timing.coded_samples)
        first = max(begin // FRAME - HALO, origin)
        stop = min(-(-end // FRAME) + HALO, self._chunks.timing.frames)
        pairs = SOUND.unpack(bands[..., first - origin : stop - origin].contiguous())
        pairs = pairs[..., begin - first * FRAME : end - first * FRAME].nan_to_num_()
        self._forget(index)
        return channels_of(pairs.cpu().numpy(), self.media.channels) / self._chunks.plan.gain

    def _decoded(self, index: int, partial: bool, lost: list[LostSpan]) -> Tensor:
        """The bands [P, K, 1, t] of a chunk."""
        if index not in self._bands:
            around = [i for i in range(index - 1, index + 2) if 0 <= i < len(self._chunks)]
            parts = [self._latent(i, partial, lost) for i in around]
            own = parts[around.index(index)]
            before = own is not parts[0] and parts[0].latent[..., -NETWORK_HALO:]
            after = own is not parts[-1] and parts[-1].latent[..., :NETWORK_HALO]
            pieces = [x for x in (before, own.latent, after) if isinstance(x, Tensor)]
            skip = before.shape[3] if isinstance(before, Tensor) else 0
            rate = torch.tensor([own.step / (RATE_STEPS - 1)], device=self._device)
            with narrow(self._device):
                bands = self._model.synthesis(torch.cat(pieces, 3), rate)
            bands = bands[..., skip : skip + own.latent.shape[3]]
            if own.amplitude is not None:
                bands = filled(bands, own.amplitude, index)
            self._bands[index] = bands
        return self._bands[index]

    def _latent(self, index: int, partial: bool, lost: list[LostSpan]) -> Chunk:
        if index not in self._known:
            try:
                self._known[index] = self._chunks.read(index)
            except BitstreamError:
                if not partial:
                    raise
                self._known[index] = self._chunks.lost(index)
                self.note(self._chunks.span(index), lost)
        return self._known[index]

    def _forget(self, index: int) -> None:
        """Drop what no later second needs."""
        for kept in (self._known, self._bands):
            for old in [i for i in kept if i < index]:
                del kept[old]
