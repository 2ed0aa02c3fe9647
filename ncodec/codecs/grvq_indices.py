"""One second of indices to a payload and back, for the codec `grvq`. NumPy only, integers only.

A payload holds the channels' counts, then channel by channel the indices: layer 0 frame by frame,
then codebook by codebook. Each index is coded under the distribution that `ContextModel` predicts
from what was coded before it. Nothing that a codebook's coding sees depends on deeper codebooks,
so that dropping some of them leaves the others as they were.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.grvq_contexts import (
    CODEBOOKS,
    CODEWORDS,
    GROUPS,
    LAGS,
    LATENT,
    MISSING,
    ContextModel,
    Indices,
)
from ncodec.codecs.grvq_counts import Counts, decode_counts, encode_counts
from ncodec.entropy.dense import DenseDecoder, DenseEncoder
from ncodec.entropy.tables import PRECISION
from ncodec.errors import EntropyDesyncError

Symbols: TypeAlias = NDArray[np.int32]
Code: TypeAlias = Callable[[Symbols, NDArray[np.float64]], Symbols]
"""Takes symbols [n] and their distributions [n, m], and gives the symbols: those that it took and
wrote, or others that it read."""


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
        """A payload; `nominal` is the count that the file's header names, 0..13."""
        encoder = DenseEncoder()
        for counts in codes.counts:
            encode_counts(encoder, counts, nominal)
        for indices, counts in zip(codes.indices, codes.counts, strict=True):
            known = _masked(indices, counts)
            encoder.encode(*self._first_layer(known))
            self._deeper_layers(known, counts, _writing(encoder))
        return encoder.finish()

    def decode(self, payload: bytes, channels: int, frames: int, nominal: int) -> Codes:
        """Undo `encode`. Raises `CorruptFileError` and `EntropyDesyncError`."""
        decoder = DenseDecoder(payload)
        counts = np.stack([decode_counts(decoder, frames, nominal) for _ in range(channels)])
        indices = np.full((channels, frames, CODEBOOKS), MISSING, np.int16)
        for found, row in zip(indices, counts, strict=True):
            self._decode_first_layer(decoder, found, row)
            self._deeper_layers(found, row, lambda _, extra: decoder.decode(extra))
        decoder.finish()
        return Codes(indices, counts)

    def verify(self, payload: bytes, codes: Codes, nominal: int) -> None:
        """Decode again what was just encoded; `EntropyDesyncError` unless it is the same."""
        channels, frames = codes.counts.shape
        if not self.decode(payload, channels, frames, nominal).same(codes):
            raise EntropyDesyncError("the encoder's own check failed: symbols decode differently")

    def code_lengths(self, indices: Indices, counts: Counts) -> NDArray[np.float64]:
        """Bits that each index [T, 12] of a channel costs; 0 where there is none."""
        known = _masked(indices, counts)
        bits: list[NDArray[np.float64]] = []

        def price(symbols: Symbols, extra: NDArray[np.float64]) -> Symbols:
            bits.append(PRECISION - np.log2(extra[np.arange(len(symbols)), symbols] + 1))
            return symbols

        price(*self._first_layer(known))
        self._deeper_layers(known, counts, price)
        table = np.zeros(known.shape)
        table[:, :GROUPS][known[:, :GROUPS] != MISSING] = bits[0]
        for codebook, prices in enumerate(bits[1:], GROUPS):
            table[counts > codebook, codebook] = prices
        return table

    def _first_layer(self, indices: Indices) -> tuple[Symbols, NDArray[np.float64]]:
        """Symbols of layer 0 and their distributions, frame by frame."""
        padded = np.full((len(indices) + LAGS, GROUPS), MISSING, np.int16)
        padded[LAGS:] = indices[:, :GROUPS]
        before = np.stack([padded[lag : lag + len(indices)] for lag in range(LAGS)], axis=1)
        extra = np.empty((len(indices), GROUPS, CODEWORDS))
        for codebook in range(GROUPS):
            sums = self.contexts.first_layer(codebook, before, indices[:, 0])
            extra[:, codebook] = self.contexts.distribution(codebook, sums)
        there = indices[:, :GROUPS] != MISSING
        return indices[:, :GROUPS][there].astype(np.int32), extra[there]

    def _decode_first_layer(self, decoder: DenseDecoder, indices: Indices, counts: Counts) -> None:
        before = np.full((1, LAGS, GROUPS), MISSING, np.int16)
        for frame, count in enumerate(counts.tolist()):
            row = indices[frame : frame + 1]
            for codebook in range(min(count, GROUPS)):
                sums = self.contexts.first_layer(codebook, before, row[:, 0])
                row[:, codebook] = decoder.decode(self.contexts.distribution(codebook, sums))
            before[:, 0] = before[:, 1]
            before[:, 1] = row[:, :GROUPS]

    def _deeper_layers(self, indices: Indices, counts: Counts, code: Code) -> None:
        """Code layer 1 and on; `indices` [T, 12] holds or gets what `code` is given or gives."""
        totals = np.zeros((len(indices), LATENT), np.float32)
        for codebook in range(GROUPS):
            self.contexts.add(codebook, totals, indices[:, codebook])
        for codebook in range(GROUPS, int(counts.max(initial=0))):
            there = np.flatnonzero(counts > codebook)
            sums = self.contexts.deeper_layer(codebook, totals, indices[:, codebook - GROUPS])
            extra = self.contexts.distribution(codebook, sums[there])
            indices[there, codebook] = code(indices[there, codebook].astype(np.int32), extra)
            self.contexts.add(codebook, totals, indices[:, codebook])


def _writing(encoder: DenseEncoder) -> Code:
    def write(symbols: Symbols, extra: NDArray[np.float64]) -> Symbols:
        encoder.encode(symbols, extra)
        return symbols

    return write


def _masked(indices: Indices, counts: Counts) -> Indices:
    """A copy with `MISSING` from each frame's count on."""
    return np.where(np.arange(CODEBOOKS) < counts[:, None], indices, np.int16(MISSING))
