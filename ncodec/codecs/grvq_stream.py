"""Sounds as packets of 40 ms, as they come: for calls, not for files.

A packet is one byte that says how many bytes follow, then the payload of two frames of one
channel at 16 kHz, coded on its own: what was lost before it does not matter.
"""

import numpy as np

from ncodec.codecs.grvq import GrvqCodec
from ncodec.codecs.grvq_contexts import CODEBOOKS
from ncodec.codecs.grvq_counts import ANY, SILENT
from ncodec.codecs.grvq_gains import Muter, SilenceDetector
from ncodec.codecs.grvq_indices import Codes
from ncodec.codecs.grvq_layout import BLOCK, DELAY, FRAME, RATE, Single
from ncodec.codecs.grvq_networks import Analyser, Synthesiser
from ncodec.codecs.grvq_quantiser import chosen
from ncodec.errors import BitstreamError, InputError, OptionError

FRAMES = BLOCK // FRAME
LOST = Codes(np.zeros((1, FRAMES, CODEBOOKS), np.int16), np.zeros((1, FRAMES), np.uint8))
SAVINGS = 5
"""Packets whose unused bits may be spent later."""
OVERHEAD = 24
"""Bits of a packet beside its indices, at most: length, digest, counts and ending."""
STREAM_DELAY = BLOCK + DELAY
"""Samples at 16 kHz from a sample's entry to its exit: 90 ms. Sending them takes longer."""


class StreamEncoder:
    """Samples of one channel at 16 kHz to packets, at a steady rate."""

    def __init__(self, codec: GrvqCodec, kbps: float = 3.0, gain_db: float = 0.0) -> None:
        """Start a stream.

        Args:
            codec: the codec with its weights.
            kbps: kilobits a second of all packets, a ceiling over any half second or so.
            gain_db: brings the sound to an active level of about -26 dB of full scale; the
                decoder must know it.

        Raises:
            OptionError: a rate that leaves no room for a single codebook.
        """
        self._budget = kbps * 1000 * BLOCK / RATE
        if not OVERHEAD + 10 * FRAMES <= self._budget < float("inf"):
            lowest = (OVERHEAD + 10 * FRAMES) * RATE / BLOCK / 1000
            raise OptionError(f"kbps {kbps:g}: streams start at {lowest:g}")
        self._codec = codec
        self._gain = np.float32(10 ** (gain_db / 20))
        self._analyser = Analyser(codec.networks, 1)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next packet is the first of a new stream."""
        self._analyser.reset()
        self._silence = SilenceDetector(1, float(self._gain))
        self._rest = np.zeros(0, np.float32)
        self._saved = 0.0

    def push(self, samples: Single) -> bytes:
        """The next samples, float32 [n] of any n -> the packets that they complete, maybe none.

        Raises `InputError` for anything else, and for samples that are not finite.
        """
        _check(samples)
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) // BLOCK * BLOCK
        self._rest = joined[whole:]
        return b"".join(self._packet(block) for block in joined[:whole].reshape(-1, BLOCK))

    def finish(self) -> bytes:
        """The packets after which the decoder has given every sample; then start anew."""
        missing = -len(self._rest) % BLOCK
        late = -(-max(0, DELAY - missing) // BLOCK) * BLOCK
        packets = self.push(np.zeros(missing + late, np.float32))
        self.reset()
        return packets

    def _packet(self, samples: Single) -> bytes:
        block = samples[None] * self._gain
        silent = self._silence.step(block)
        latent = self._analyser.step(block)
        found = self._codec.quantiser.quantise(latent[0])
        full = np.where(silent, SILENT, CODEBOOKS).astype(np.uint8)
        count = self._affordable(Codes(found.indices[None], full))
        counts = np.minimum(full, np.uint8(count))
        payload = self._codec.coder.encode(Codes(chosen(found.paths[None], counts), counts), ANY)
        self._saved += self._budget - 8 * (1 + len(payload))
        self._saved = min(self._saved, SAVINGS * self._budget)
        return bytes([len(payload)]) + payload

    def _affordable(self, codes: Codes) -> int:
        """The most codebooks that the bits left pay for, at least 1."""
        bits = self._codec.coder.prices(codes).sum(axis=(0, 1)).cumsum()
        affordable = bits + OVERHEAD <= self._budget + self._saved
        return max(1, int(affordable.sum()))


class StreamDecoder:
    """Packets to samples of one channel at 16 kHz, `STREAM_DELAY` late.

    Attributes:
        lost: packets so far that were reported lost, or were damaged.
    """

    def __init__(self, codec: GrvqCodec, gain_db: float = 0.0) -> None:
        """Start a stream; weights and gain must be the encoder's."""
        self._codec = codec
        self._gain = np.float32(10 ** (gain_db / 20))
        self._synthesiser = Synthesiser(codec.networks, 1)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next packet is the first of a new stream."""
        self._synthesiser.reset()
        self._muter = Muter(1)
        self._rest = b""
        self.lost = 0

    def push(self, data: bytes | None) -> Single:
        """The next bytes, any number of them -> the samples, float32 [n], that they complete.

        Each packet gives 640 samples. None stands for a packet that was lost: its samples are
        made up, as are those of a packet that proves damaged.
        """
        if data is None:
            return self._play(None)
        self._rest += data
        played = [np.zeros(0, np.float32)]
        while self._rest and len(self._rest) > self._rest[0]:
            size = 1 + self._rest[0]
            payload, self._rest = self._rest[1:size], self._rest[size:]
            played.append(self._play(payload))
        return np.concatenate(played)

    def _play(self, payload: bytes | None) -> Single:
        codes = None if payload is None else self._codes(payload)
        if codes is None:
            self.lost += 1
        known = codes or LOST
        latent = self._codec.quantiser.dequantise(known.indices, known.counts)
        samples = self._synthesiser.step(latent, known.counts)
        muted = self._muter.step(samples, known.counts == SILENT, codes is None)
        played: Single = muted[0] / self._gain
        return played

    def _codes(self, payload: bytes) -> Codes | None:
        try:
            return self._codec.coder.decode(payload, 1, FRAMES, ANY)
        except BitstreamError:
            return None


def _check(samples: object) -> None:
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
        said = getattr(samples, "dtype", type(samples).__name__), getattr(samples, "shape", "")
        raise InputError(f"a stream takes float32 samples [n], not {said[0]} {said[1]}")
    if not np.isfinite(samples).all():
        raise InputError("a sample is NaN or infinite; repair it")
