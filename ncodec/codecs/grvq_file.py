"""Coded frames to the bytes of a file, at a price of a bit or below a ceiling. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from ncodec.codecs.base import Target
from ncodec.codecs.grvq_counts import Counts
from ncodec.codecs.grvq_frames import Frames, nominal_count
from ncodec.codecs.grvq_indices import Codes, IndexCoder
from ncodec.codecs.grvq_layout import CHUNK_FRAMES, Plan, Timing
from ncodec.codecs.registry import BUILT_IN
from ncodec.codecs.sound_rate import ROUNDING, Fit, fit_below
from ncodec.container import AudioHeader, ChunkKind, Header, pack

PRICES = 1000
"""Prices of a bit that are tried, the dearest first: at the ends all frames are alike."""
OCTAVE = 24
"""Prices from one to its half."""
PARTS = 400
"""Steps from a price to the next: more and more frames of each second have the lower one."""
GOLDEN = (5**0.5 - 1) / 2
STEPS = PRICES * PARTS
OVERHEAD, HEAD = 8, 18
"""Bytes beside the indices, of a chunk and of a file: for estimates."""


@dataclass(frozen=True)
class Writer:
    """Writes files of one sound."""

    coder: IndexCoder
    model_id: bytes
    timing: Timing
    channels: int
    verify: bool = False

    def payload(self, codes: Codes, nominal: int) -> bytes:
        """One chunk; with `verify` it is decoded again and compared."""
        payload = self.coder.encode(codes, nominal)
        if self.verify:
            self.coder.verify(payload, codes, nominal)
        return payload

    def file(self, payloads: Sequence[bytes], plan: Plan) -> bytes:
        """The whole file."""
        timing = self.timing
        media = AudioHeader(timing.samples, timing.sample_rate, self.channels, plan.number)
        header = Header(BUILT_IN["grvq"].number, self.model_id, media)
        return pack(header, [(ChunkKind.LATENTS, payload) for payload in payloads])


class CeilingSearch:
    """Files of a sound at many prices of a bit, and the one that fills a ceiling best."""

    def __init__(self, writer: Writer, frames: Frames, plan: Plan) -> None:
        self._writer, self._frames, self._plan = writer, frames, plan
        frames.measure(writer.coder)
        self._dearest = frames.largest_error + 1e-6
        self._known: dict[int, list[Counts]] = {}

    def price(self, step: int) -> float:
        """The price of a bit at a step 0..STEPS; at the last it is free."""
        number = step // PARTS
        return 0.0 if number == PRICES else self._dearest * 2.0 ** (4 - number / OCTAVE)

    def fit(self, target: Target) -> Fit:
        """The file for a target "size" or "kbps". `OptionError` if no file is that small."""
        seconds = self._writer.timing.samples / self._writer.timing.sample_rate

        def words(size: float) -> str:
            """Rounded up: what a message names as possible must be."""
            if target.kind == "size":
                return f"size {ceil(size - ROUNDING)}"
            return f"kbps {ceil(1000 * size / seconds / 125 - ROUNDING) / 1000:g}"

        if not seconds and target.kind == "kbps":
            return Fit(self._file(STEPS), STEPS, None)
        ceiling = target.value if target.kind == "size" else target.value * seconds * 125
        return fit_below(self._file, self._estimate, STEPS, ceiling, words, PARTS)

    def _file(self, step: int) -> bytes:
        counts = self._counts(step)
        plan = replace(self._plan, nominal=nominal_count(counts))
        payloads = [self._payload(index, row, plan.nominal) for index, row in enumerate(counts)]
        return self._writer.file(payloads, plan)

    def _payload(self, index: int, counts: Counts, nominal: int) -> bytes:
        return self._writer.payload(self._frames.chunks[index].codes(counts), nominal)

    def _counts(self, step: int) -> list[Counts]:
        """Counts of every chunk: those of a price, and at first those of the next lower one."""
        number, part = divmod(step, PARTS)
        counts = self._at(number)
        if not part:
            return counts
        lower = self._at(number + 1)
        pairs = enumerate(zip(lower, counts, strict=True))
        share = part / PARTS
        return [_joined(low, high, share + _turn(i)) for i, (low, high) in pairs]

    def _at(self, number: int) -> list[Counts]:
        if number not in self._known:
            self._known = dict(list(self._known.items())[-1:])
            self._known[number] = self._frames.counts(self.price(number * PARTS))
        return self._known[number]

    def _estimate(self, step: int) -> float:
        counts = self._counts(step)
        return HEAD + sum(OVERHEAD + self._frames.bits(chunk) / 8 for chunk in counts)


def _turn(index: int) -> float:
    """Less than a frame's share of a second: chunks take turns in changing frames."""
    return GOLDEN * index % 1 / CHUNK_FRAMES


def _joined(early: Counts, late: Counts, share: float) -> Counts:
    """One chunk's counts, the first `share` of them from `early`."""
    frames = early.shape[1]
    return np.where(np.arange(frames) < int(share * frames), early, late)
