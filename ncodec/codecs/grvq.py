"""The `grvq` codec: sounds through group-residual vector quantisation, second by second.

After Yang et al., "HiFi-Codec: Group-residual Vector quantization for High Fidelity Audio Codec"
(2023) for the quantiser; the networks are in `ncodec.models.grvq`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ncodec.codecs.base import Encoded, Progress, Span, Target
from ncodec.codecs.grvq_codes import CodeReader
from ncodec.codecs.grvq_contexts import CODEBOOKS, ContextModel
from ncodec.codecs.grvq_counts import SILENT, VARIED
from ncodec.codecs.grvq_decoding import Decoding
from ncodec.codecs.grvq_file import CeilingSearch, Writer
from ncodec.codecs.grvq_frames import Analysed, Frames, price_of, quality_of
from ncodec.codecs.grvq_gains import SilenceDetector, loudness
from ncodec.codecs.grvq_indices import IndexCoder
from ncodec.codecs.grvq_layout import MEANING, Plan, Timing
from ncodec.codecs.grvq_networks import Analyser, Networks
from ncodec.codecs.grvq_quantiser import Quantiser
from ncodec.codecs.grvq_resampling import coded_chunks, make_plan
from ncodec.codecs.sound_decoding import SecondsCodec
from ncodec.codecs.weights import array, read_verified
from ncodec.container import Reader
from ncodec.media import SoundBlocks

_NOMINAL: dict[float, int] = {0: 1, 100: CODEBOOKS}


class GrvqCodec(SecondsCodec):
    """Encodes and decodes sounds; see `AudioCodec` for the contract."""

    name = "grvq"

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        """Load weights onto a device. Raises `ModelError`s."""
        arrays, identity = read_verified(weights, MEANING)
        self.model_id = identity[:4]
        self.scale = float(array(arrays, "quantiser/scale", np.float32, (1,))[0])
        self.contexts = ContextModel(arrays)
        self.coder = IndexCoder(self.contexts)
        self.quantiser = Quantiser(self.contexts.codewords, self.scale)
        self.networks = Networks(arrays, device)

    def compress(
        self,
        sound: SoundBlocks,
        target: Target,
        *,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> Encoded:
        """Encode a sound to the bytes of a whole file; see `AudioCodec.compress`."""
        timing = Timing(sound.samples, sound.sample_rate)
        timing.check_length()
        writer = Writer(self.coder, self.model_id, timing, sound.channels, verify)
        plan = make_plan(sound, VARIED)
        chunks = _counted(self.analyse(sound, plan), timing.chunks, progress)
        if target.kind == "quality":
            return self._at_quality(writer, plan, chunks, target.value)
        frames = Frames()
        for chunk in chunks:
            frames.add(chunk)
        search = CeilingSearch(writer, frames, plan)
        fit = search.fit(target)
        quality = quality_of(self.contexts, search.price(fit.step) / self.scale**2)
        return Encoded(fit.data, quality, (fit.warning,) if fit.warning else ())

    def _at_quality(
        self,
        writer: Writer,
        plan: Plan,
        chunks: Iterator[Analysed],
        quality: float,
    ) -> Encoded:
        """Code chunk by chunk at the price of a bit that the quality stands for."""
        price = price_of(self.contexts, quality) * self.scale**2
        plan = replace(plan, nominal=_NOMINAL.get(quality, VARIED))
        payloads = []
        for chunk in chunks:
            codes = chunk.codes(chunk.counts(price))
            payloads.append(writer.payload(codes, plan.nominal))
        return Encoded(writer.file(payloads, plan), quality)

    def analyse(self, sound: SoundBlocks, plan: Plan) -> Iterator[Analysed]:
        """The chunks of a sound, coded with any number of codebooks."""
        analyser = Analyser(self.networks, sound.channels)
        detector = SilenceDetector(sound.channels, float(plan.gain))
        for samples in coded_chunks(sound, plan):
            most = np.where(detector.step(samples), SILENT, CODEBOOKS).astype(np.uint8)
            latent = analyser.step(samples)
            found = self.quantiser.quantise(latent.reshape(-1, latent.shape[-1]))
            paths = found.paths.reshape(*most.shape, *found.paths.shape[1:])
            errors = found.errors.reshape(*most.shape, CODEBOOKS + 1)
            yield Analysed(paths, most, errors * loudness(samples)[..., None])

    def decoding(self, reader: Reader, span: Span | None, fill: bool) -> Decoding:
        """See `SecondsCodec.decoding`; there is no noise to leave out."""
        return Decoding(CodeReader(self.coder, reader), self.networks, self.quantiser, span)

    def check(self, reader: Reader, *, progress: Progress | None = None) -> None:
        """Decode all symbols, and make no samples."""
        codes = CodeReader(self.coder, reader)
        for index in range(len(codes)):
            codes.read(index)
            if progress:
                progress(index + 1, len(codes))


def _counted(
    chunks: Iterator[Analysed], total: int, progress: Progress | None
) -> Iterator[Analysed]:
    for done, chunk in enumerate(chunks, 1):
        yield chunk
        if progress:
            progress(done, total)
