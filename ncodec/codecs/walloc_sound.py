"""The `walloc` codec for sounds: wavelet packets of two channels at 44.1 kHz, second by second."""

from collections.abc import Iterator
from functools import cache
from math import ceil
from pathlib import Path

import torch
from torch import Tensor

from ncodec.codecs.base import Encoded, Progress, Span, Target
from ncodec.codecs.rate_steps import QUALITY_STEPS, RATE_STEPS
from ncodec.codecs.registry import BUILT_IN
from ncodec.codecs.sound_decoding import SecondsCodec
from ncodec.codecs.sound_rate import ROUNDING, Fit, fit_below
from ncodec.codecs.walloc import load_model
from ncodec.codecs.walloc_analysis import analysed, measured_gain, offset_byte, windows
from ncodec.codecs.walloc_chunks import ChunkCoder
from ncodec.codecs.walloc_decoding import ChunkReader, Decoding
from ncodec.codecs.walloc_layout import NO_OFFSET, Plan, Timing, pair_count
from ncodec.container import AudioHeader, ChunkKind, Header, Reader, pack
from ncodec.media import SoundBlocks
from ncodec.models.walloc_medium import SOUND

PILOTS = 48
"""Chunks of a long sound that are looked at to see what a rate step costs."""
HEAD, OVERHEAD = 20, 4
"""Bytes of a file and of a chunk beside the payloads: for estimates."""


class WallocSounds(SecondsCodec):
    """Encodes and decodes sounds; see `AudioCodec` for the contract."""

    name = "walloc"

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        """Load weights onto a device. Raises `ModelError`s; runs the self-tests."""
        self.device = torch.device(device)
        found = load_model(weights, SOUND, self.device)
        self.model, self.latents, arrays, self.model_id = found
        self.chunks = ChunkCoder(self.latents, arrays)

    def compress(
        self,
        sound: SoundBlocks,
        target: Target,
        *,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> Encoded:
        """Encode a sound to the bytes of a whole file; see `AudioCodec.compress`."""
        Timing(sound.samples, sound.sample_rate).check_length()
        job = _EncodeJob(self, sound, verify, progress)
        if target.kind == "quality":
            step = round(target.value * QUALITY_STEPS)
            return Encoded(job.file(step), step / QUALITY_STEPS)
        fit = job.fit(target)
        return Encoded(fit.data, fit.step / QUALITY_STEPS, (fit.warning,) if fit.warning else ())

    def decoding(self, reader: Reader, span: Span | None, fill: bool) -> Decoding:
        """See `SecondsCodec.decoding`."""
        return Decoding(ChunkReader(self.chunks, reader, fill=fill), self.chunks, span)

    def read_latents(self, reader: Reader) -> Tensor:
        """The dequantised latents [M, P, t] of a whole sound, P pairs of channels, t frames."""
        chunks = ChunkReader(self.chunks, reader, fill=False)
        found = [torch.zeros(pair_count(reader.sound.channels), SOUND.latents, 1, 0)]
        if reader.sound.samples:
            found += [chunks.read(index).latent.cpu() for index in range(len(chunks))]
        return torch.cat(found, 3)[:, :, 0].transpose(0, 1).contiguous()

    def check(self, reader: Reader, *, progress: Progress | None = None) -> None:
        """Decode all symbols, and make no samples."""
        chunks = ChunkReader(self.chunks, reader)
        for index in range(len(chunks)):
            chunks.symbols(index)
            if progress:
                progress(index + 1, len(chunks))


class _EncodeJob:
    """One sound being encoded, at one or many rate steps."""

    def __init__(
        self, codec: WallocSounds, sound: SoundBlocks, verify: bool, progress: Progress | None
    ) -> None:
        self.codec, self.sound, self.verify, self.progress = codec, sound, verify, progress
        self.timing = Timing(sound.samples, sound.sample_rate)
        self.gain_db = measured_gain(sound)
        self._pilots: list[Tensor] | None = None

    def file(self, step: int) -> bytes:
        """The whole file at a rate step."""
        plan = Plan(step, self.gain_db)
        payloads = []
        for latent in self._latents(plan):
            payloads.append(self._payload(latent, plan))
            if self.progress:
                self.progress(len(payloads), self.timing.chunks)
        sound = self.sound
        media = AudioHeader(sound.samples, sound.sample_rate, sound.channels, plan.number)
        header = Header(BUILT_IN["walloc"].number, self.codec.model_id, media)
        return pack(header, [(ChunkKind.LATENTS, payload) for payload in payloads])

    def fit(self, target: Target) -> Fit:
        """The file for a target "size" or "kbps". `OptionError` if no file is that small."""
        seconds = self.sound.samples / self.sound.sample_rate

        def words(size: float) -> str:
            """Rounded up: what a message names as possible must be."""
            if target.kind == "size":
                return f"size {ceil(size - ROUNDING)}"
            return f"kbps {ceil(1000 * size / seconds / 125 - ROUNDING) / 1000:g}"

        last = RATE_STEPS - 1
        if not seconds and target.kind == "kbps":
            return Fit(self.file(last), last, None)
        ceiling = target.value if target.kind == "size" else target.value * seconds * 125
        return fit_below(self.file, cache(self._estimate), last, ceiling, words)

    def _estimate(self, step: int) -> float:
        """About how many bytes the file has at a rate step."""
        plan = Plan(step, self.gain_db)
        if self._pilots is None:
            self._pilots = self._analysed(plan, self._pilot_indexes())
        sizes = [len(self._payload(latent, plan)) for latent in self._pilots]
        mean = sum(sizes) / max(1, len(sizes))
        return HEAD + self.timing.chunks * (OVERHEAD + mean)

    def _pilot_indexes(self) -> set[int]:
        count = self.timing.chunks
        return {number * count // PILOTS for number in range(PILOTS)}

    def _latents(self, plan: Plan) -> Iterator[Tensor]:
        """The latents [P, M, 1, t] of every chunk; a short sound keeps them from step to step."""
        if self._pilots is not None and self.timing.chunks <= PILOTS:
            yield from self._pilots
            return
        if not self.sound.samples:
            pairs = pair_count(self.sound.channels)
            yield torch.zeros(pairs, SOUND.latents, 1, 0)
        for window, own in windows(self.sound, plan.gain):
            yield analysed(self.codec.model, window, own, self.codec.device)

    def _analysed(self, plan: Plan, wanted: set[int]) -> list[Tensor]:
        if not self.sound.samples:
            return list(self._latents(plan))
        found = enumerate(windows(self.sound, plan.gain))
        model, device = self.codec.model, self.codec.device
        return [analysed(model, *window, device) for index, window in found if index in wanted]

    @torch.inference_mode()
    def _payload(self, latent: Tensor, plan: Plan) -> bytes:
        """One chunk; with `verify` it is decoded again and compared."""
        frames = latent.shape[3]
        byte = offset_byte(self.codec.model, latent) if frames else NO_OFFSET
        step = plan.chunk_step(byte)
        chunks, channels = self.codec.chunks, self.sound.channels
        payload, codings = chunks.encode(latent, step, channels)
        if self.verify:
            chunks.verify(payload, codings, frames, step, channels)
        return bytes([byte]) + payload
