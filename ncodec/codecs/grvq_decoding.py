"""Files of codec `grvq` to samples, chunk by chunk."""

from ncodec.codecs.base import Span
from ncodec.codecs.grvq_codes import CodeReader
from ncodec.codecs.grvq_counts import SILENT
from ncodec.codecs.grvq_gains import Muter
from ncodec.codecs.grvq_indices import Codes
from ncodec.codecs.grvq_layout import DELAY, RATE, Single
from ncodec.codecs.grvq_networks import Networks, Synthesiser
from ncodec.codecs.grvq_quantiser import Quantiser
from ncodec.codecs.sound_decoding import SecondsDecoding
from ncodec.errors import BitstreamError
from ncodec.media import LostSpan


class Decoding(SecondsDecoding):
    """One pass over a file, or a span of it."""

    rate, delay = RATE, DELAY

    def __init__(
        self, codes: CodeReader, networks: Networks, quantiser: Quantiser, span: Span | None
    ) -> None:
        """Raises `OptionError` for a span that is none."""
        super().__init__(codes.media, len(codes), span)
        self._codes, self._quantiser = codes, quantiser
        self._synthesiser = Synthesiser(networks, codes.media.channels)
        self._muter = Muter(codes.media.channels)

    def read(self, index: int) -> Codes:
        """The codes of a chunk. Raises `BitstreamError`s."""
        return self._codes.read(index)

    def samples(self, index: int, partial: bool, lost: list[LostSpan]) -> Single:
        """Samples [n, C] of a chunk at 16 kHz, late by the network's delay."""
        gone = False
        try:
            codes = self._codes.read(index)
        except BitstreamError:
            if not partial:
                raise
            gone, codes = True, self._codes.lost(index)
            self.note(self._codes.span(index), lost)
        latent = self._quantiser.dequantise(codes.indices, codes.counts)
        samples = self._synthesiser.step(latent, codes.counts)
        muted = self._muter.step(samples, codes.counts == SILENT, gone)
        return self._codes.plan.unmix(muted.T)
