"""One second of indices to a payload and back, for the codec `grvq`. NumPy only, integers only.

A payload holds the channels' counts, then channel by channel the indices: layer 0 frame by frame,
then codebook by codebook. Each index is coded under the distribution that `ContextModel` predicts
from what was coded before it. Nothing that a layer's coding sees depends on deeper layers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.grvq_contexts import (
    CODEBOOKS,
    GROUPS,
    LAGS,
    LATENT,
    MISSING,
    ContextModel,
    Indices,
)
from ncodec.codecs.grvq_counts import Counts, decode_counts, encode_counts
from ncodec.codecs.grvq_layout import Single
from ncodec.entropy.dense import DenseDecoder, DenseEncoder, code_lengths
from ncodec.entropy.exact import Floats
from ncodec.errors import EntropyDesyncError


@dataclass(frozen=True)
class Codes:
    """Some frames of all channels: int16 [C, T, 12] and how many of each are there, uint8 [C, T].

    Entries beyond a frame's count mean nothing.
    """

    indices: NDArray[np.int16]
    counts: NDArray[np.uint8]

    def limited(self, count: int) -> "Codes":
        """The same with at most `count` codebooks a frame."""
        return Codes(self.indices, np.minimum(self.counts, np.uint8(count)))

    def same(self, other: "Codes") -> bool:
        """Whether both say the same, whatever stands in entries that mean nothing."""
        if not np.array_equal(self.counts, other.counts):
            return False
        used = np.arange(CODEBOOKS) < self.counts[..., None]
        return bool((self.indices == other.indices)[used].all())


class IndexCoder:
    """Codes `Codes` under a context model."""

    def __init__(self, contexts: ContextModel) -> None:
        self.contexts = contexts

    def encode(self, codes: Codes, nominal: int) -> bytes:
        """A payload; `nominal` is the count that the file's header names, or `ANY`."""
        encoder = DenseEncoder()
        for counts in codes.counts:
            encode_counts(encoder, counts, nominal)
        for indices, counts in zip(codes.indices, codes.counts, strict=True):
            self._encode_channel(encoder, _masked(indices, counts), counts)
        return encoder.finish()

    def decode(self, payload: bytes, channels: int, frames: int, nominal: int) -> Codes:
        """Undo `encode`. Raises `CorruptFileError` and `EntropyDesyncError`."""
        decoder = DenseDecoder(payload)
        counts = np.stack([decode_counts(decoder, frames, nominal) for _ in range(channels)])
        indices = np.full((channels, frames, CODEBOOKS), MISSING, np.int16)
        for found, row in zip(indices, counts, strict=True):
            self._decode_channel(decoder, found, row)
        decoder.finish()
        return Codes(indices, counts)

    def verify(self, payload: bytes, codes: Codes, nominal: int) -> None:
        """Decode again what was just encoded; `EntropyDesyncError` unless it is the same."""
        channels, frames = codes.counts.shape
        if not self.decode(payload, channels, frames, nominal).same(codes):
            raise EntropyDesyncError("the encoder's own check failed: symbols decode differently")

    def prices(self, codes: Codes) -> Single:
        """Bits that each index costs, float32 [C, T, 12]; 0 where there is none."""
        pairs = zip(codes.indices, codes.counts, strict=True)
        return np.stack([self._channel_prices(*pair) for pair in pairs])

    def _encode_channel(self, encoder: DenseEncoder, indices: Indices, counts: Counts) -> None:
        there = indices[:, :GROUPS] != MISSING
        first = [self.contexts.weights(*pair) for pair in enumerate(self._first(indices))]
        encoder.encode(indices[:, :GROUPS][there].astype(np.int32), np.stack(first, axis=1)[there])
        for codebook, frames, sums in self._deeper(indices, counts):
            symbols = indices[frames, codebook].astype(np.int32)
            encoder.encode(symbols, self.contexts.weights(codebook, sums))

    def _decode_channel(self, decoder: DenseDecoder, indices: Indices, counts: Counts) -> None:
        """Fill `indices`, all of them missing so far."""
        before = np.full((1, LAGS, GROUPS), MISSING, np.int16)
        for frame, count in enumerate(counts.tolist()):
            row, sums = indices[frame : frame + 1], self.contexts.first_layer(before)
            for codebook in range(min(count, GROUPS)):
                if codebook:
                    sums[:, codebook] += self.contexts.same_frame(row[:, 0])
                weights = self.contexts.weights(codebook, sums[:, codebook])
                row[:, codebook] = decoder.decode(weights)
            before[:, 0] = before[:, 1]
            before[:, 1] = row[:, :GROUPS]
        for codebook, frames, sums in self._deeper(indices, counts):
            weights = self.contexts.weights(codebook, sums)
            indices[frames, codebook] = decoder.decode(weights)

    def _channel_prices(self, indices: Indices, counts: Counts) -> Single:
        known = _masked(indices, counts)
        bits = np.zeros(known.shape, np.float32)
        for codebook, sums in enumerate(self._first(known)):
            there = np.flatnonzero(counts > codebook)
            bits[there, codebook] = self._prices(known[there, codebook], codebook, sums[there])
        for codebook, frames, sums in self._deeper(known, counts):
            bits[frames, codebook] = self._prices(known[frames, codebook], codebook, sums)
        return bits

    def _prices(self, indices: Indices, codebook: int, sums: Floats) -> Floats:
        return code_lengths(indices.astype(np.int32), self.contexts.weights(codebook, sums))

    def _first(self, indices: Indices) -> list[Floats]:
        """Hidden sums [T, .] of both codebooks of layer 0."""
        padded = np.full((len(indices) + LAGS, GROUPS), MISSING, np.int16)
        padded[LAGS:] = indices[:, :GROUPS]
        before = np.stack([padded[lag : lag + len(indices)] for lag in range(LAGS)], axis=1)
        sums = self.contexts.first_layer(before)
        sums[:, 1] += self.contexts.same_frame(indices[:, 0])
        return [sums[:, codebook] for codebook in range(GROUPS)]

    def _deeper(
        self, indices: Indices, counts: Counts
    ) -> Iterator[tuple[int, NDArray[np.intp], Floats]]:
        """Codebook by codebook from layer 1 on: its number, its frames [n], hidden sums [n, .].

        Sees the codebook's own indices only after it was asked for the next one.
        """
        totals = np.zeros((len(indices), LATENT))
        for codebook in range(GROUPS):
            self.contexts.add(codebook, totals, indices[:, codebook])
        for codebook in range(GROUPS, int(counts.max(initial=0))):
            sums = self.contexts.deeper_layer(codebook, totals, indices[:, codebook - GROUPS])
            frames = np.flatnonzero(counts > codebook)
            yield codebook, frames, sums[frames]
            self.contexts.add(codebook, totals, indices[:, codebook])


def _masked(indices: Indices, counts: Counts) -> Indices:
    """A copy with `MISSING` from each frame's count on."""
    return np.where(np.arange(CODEBOOKS) < counts[:, None], indices, np.int16(MISSING))
