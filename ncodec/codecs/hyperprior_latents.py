"""Latents of one tile to bytes and back, for the `hyperprior` codec.

What chooses entropy tables is integer from end to end: the hyperlatent's symbols, their
multiplier, the network from them to scale indexes, the offset of the rate. Everything else is
float and moves pixels by a hair at most.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.weights import Arrays, array
from ncodec.entropy import Decoder, Encoder, Tables
from ncodec.entropy.integer_network import IntegerNetwork
from ncodec.errors import EntropyDesyncError, ModelMismatchError
from ncodec.models.hyperprior import (
    HYPER,
    HYPER_STRIDE,
    KNOTS,
    LATENTS,
    SCALES,
    SLOPE,
    STRIDE,
    Hyperprior,
)

KNOT_STEPS = 100
RATE_STEPS = KNOT_STEPS * (KNOTS - 1) + 1
"""Rate steps 0..800: an eighth of a unit of quality each."""
INDEX_FRACTION = 16
"""The integer network's steps to one scale index."""
HYPER_FRACTION = 64
MULTIPLIER_BITS = 12
"""Hyperlatents enter the networks as (symbol * multiplier) / 2**12, in 64ths."""
CENTROIDS = 4
"""Reconstruction points are stored for magnitudes 0..2, and one for all larger."""
DECISIONS = 8
"""Magnitudes up to this are rounded with their price in mind."""
MAX_HYPER, MAX_LATENT = 4095, 2**18
MEANING = ("hyper_mean.", "context.", "log_gain.", "spread")
"""Float weights that the model id covers: the others may improve and old files only gain."""


def interpolate(table: NDArray[Any], step: int) -> NDArray[np.int64]:
    """Row of an integer table [KNOTS, C] at a rate step, in exact integer arithmetic: int64 [C]."""
    knot = min(step // KNOT_STEPS, KNOTS - 2)
    weight = step - knot * KNOT_STEPS
    mixed = table[knot].astype(np.int64) * (KNOT_STEPS - weight)
    row: NDArray[np.int64] = (mixed + table[knot + 1].astype(np.int64) * weight) // KNOT_STEPS
    return row


@dataclass(frozen=True)
class Symbols:
    """The integers of one tile: hyperlatent [N, ceil(h/4), ceil(w/4)] and latent [M, h, w]."""

    hyper: NDArray[np.int32]
    latent: NDArray[np.int32]


class LatentCoder:
    """Entropy coding of latents [1, M, h, w] under a variable-rate hyperprior."""

    def __init__(self, model: Hyperprior, arrays: Arrays, device: torch.device) -> None:
        """Take tables and the exact network from a weights file's arrays, and self-test it."""
        self.model, self.device = model, device
        self.tables = Tables.from_arrays(arrays, "entropy/latent")
        self.hyper_tables = Tables.from_arrays(arrays, "entropy/hyper")
        self.network = IntegerNetwork.from_arrays(arrays, "entropy/scale")
        if self.tables.rows != SCALES or self.hyper_tables.rows != KNOTS * HYPER:
            raise ModelMismatchError("weights: tables do not fit the hyperprior")
        self.scale_offset = array(arrays, "entropy/scale_offset", np.int16, (KNOTS, LATENTS))
        self.multiplier = array(arrays, "entropy/hyper_multiplier", np.int32, (KNOTS, HYPER))
        if self.multiplier.min() < 1 or self.network.input_channels != HYPER:
            raise ModelMismatchError("weights: multipliers or network do not fit the hyperprior")
        centroid = array(arrays, "latent/centroid", np.float32, (SCALES, CENTROIDS))
        self.centroid = torch.from_numpy(centroid.copy())
        self.threshold = torch.from_numpy(thresholds(self.tables, centroid))

    def encode(self, y: Tensor, step: int) -> tuple[bytes, Symbols]:
        """Latent [1, M, h, w] at a rate step -> payload and the symbols in it."""
        hyper = self._quantise_hyper(y, step)
        fixed, size = self._fixed_point(hyper, step), (y.shape[-2], y.shape[-1])
        indexes, features = self._indexes(fixed, step, size), self._features(fixed, size)
        gain = self._gain(step)
        rows = torch.from_numpy(indexes).long()

        def dequantise(mean: Tensor) -> Tensor:
            residual = self._quantise((y - mean) * gain, rows)
            return self._points(residual, rows) / gain + mean

        mean = self.model.means(features, dequantise)
        residual = self._quantise((y - mean) * gain, rows)
        symbols = Symbols(hyper, residual[0].numpy().astype(np.int32))
        return self._written(symbols, indexes, step), symbols

    def _written(self, symbols: Symbols, indexes: NDArray[np.uint8], step: int) -> bytes:
        encoder = Encoder()
        rows = self._hyper_rows(symbols.hyper.shape, step)
        encoder.encode(symbols.hyper, rows, self.hyper_tables)
        encoder.encode(symbols.latent, indexes, self.tables)
        return encoder.finish()

    def decode_symbols(self, payload: bytes, height: int, width: int, step: int) -> Symbols:
        """Payload -> symbols of an h x w latent. Integers only; raises `BitstreamError`s."""
        return self._decode_symbols(payload, height, width, step)[0]

    def decode(self, payload: bytes, height: int, width: int, step: int) -> Tensor:
        """Payload -> dequantised latent [1, M, h, w] on the device."""
        symbols, indexes = self._decode_symbols(payload, height, width, step)
        features = self._features(self._fixed_point(symbols.hyper, step), (height, width))
        rows = torch.from_numpy(indexes).long()
        points = self._points(torch.from_numpy(symbols.latent)[None].float(), rows)
        residual = points / self._gain(step)
        mean = self.model.means(features, lambda mean: residual + mean)
        return residual + mean

    def _decode_symbols(
        self, payload: bytes, height: int, width: int, step: int
    ) -> tuple[Symbols, NDArray[np.uint8]]:
        decoder = Decoder(payload)
        unit = HYPER_STRIDE // STRIDE
        shape = (HYPER, -(-height // unit), -(-width // unit))
        hyper = decoder.decode(self._hyper_rows(shape, step), self.hyper_tables)
        indexes = self._indexes(self._fixed_point(hyper, step), step, (height, width))
        latent = decoder.decode(indexes, self.tables)
        decoder.finish()
        return Symbols(hyper, latent), indexes

    def empty(self, height: int, width: int) -> Tensor:
        """A latent of zeros [1, M, h, w], in place of one that is lost."""
        return torch.zeros(1, LATENTS, height, width, device=self.device)

    def verify(self, payload: bytes, written: Symbols, step: int) -> None:
        """Decode again what was just encoded; `EntropyDesyncError` unless it is the same."""
        _, height, width = written.latent.shape
        read = self.decode_symbols(payload, height, width, step)
        same = np.array_equal(read.hyper, written.hyper)
        if not (same and np.array_equal(read.latent, written.latent)):
            raise EntropyDesyncError("the encoder's own check failed: symbols decode differently")

    def _gain(self, step: int) -> Tensor:
        rate = torch.tensor([step / (RATE_STEPS - 1)], device=self.device)
        gain: Tensor = self.model.log_gain(rate).exp() * self.model.spread
        return gain

    def _quantise_hyper(self, y: Tensor, step: int) -> NDArray[np.int32]:
        z = self.model.hyper_analysis(y)[0].double().cpu().numpy()
        gain = 2.0**MULTIPLIER_BITS / interpolate(self.multiplier, step)
        symbols = np.rint(z * gain[:, None, None]).clip(-MAX_HYPER, MAX_HYPER)
        whole: NDArray[np.int32] = np.nan_to_num(symbols).astype(np.int32)
        return whole

    def _fixed_point(self, hyper: NDArray[np.int32], step: int) -> Tensor:
        """Hyperlatent symbols -> int64 [1, N, h, w] in 64ths, the same at every rate."""
        shift = MULTIPLIER_BITS - HYPER_FRACTION.bit_length() + 1
        multiplier = interpolate(self.multiplier, step)[:, None, None]
        scaled = (hyper.astype(np.int64) * multiplier + (1 << (shift - 1))) >> shift
        return torch.from_numpy(scaled)[None]

    def _features(self, fixed: Tensor, size: tuple[int, int]) -> Tensor:
        """What the means are made of: [1, C, h, w], from hyperlatents in 64ths."""
        limit = self.network.input_bound
        z = fixed.clamp(-limit, limit).float().to(self.device) / HYPER_FRACTION
        features: Tensor = self.model.hyper_mean(z)
        return features[:, :, : size[0], : size[1]]

    def _indexes(self, fixed: Tensor, step: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The scale index of every latent: uint8 [M, h, w] in 0..63."""
        offset = torch.from_numpy(interpolate(self.scale_offset, step) + INDEX_FRACTION // 2)
        fine = self.network(fixed)[0, :, : size[0], : size[1]] + offset[:, None, None]
        index = (fine >> (INDEX_FRACTION.bit_length() - 1)).clamp(0, SCALES - 1)
        return index.to(torch.uint8).contiguous().numpy()

    def _hyper_rows(self, shape: tuple[int, ...], step: int) -> NDArray[np.uint16]:
        """Each channel has one table a knot; the nearest knot's is used."""
        knot = (step + KNOT_STEPS // 2) // KNOT_STEPS
        rows = (knot * HYPER + np.arange(HYPER)).astype(np.uint16)
        return np.ascontiguousarray(np.broadcast_to(rows[:, None, None], shape))

    def _quantise(self, value: Tensor, rows: Tensor) -> Tensor:
        """Round [1, M, h, w] to integers, downwards where the bits saved are worth the error."""
        value = value.cpu()
        magnitude = value.abs().round().clamp(max=MAX_LATENT)
        level = magnitude.clamp(max=DECISIONS).long()
        dear = value.abs() < self.threshold[rows[None], level]
        return torch.where(dear, magnitude - 1, magnitude).copysign(value).nan_to_num_(0.0)

    def _points(self, residual: Tensor, rows: Tensor) -> Tensor:
        """Reconstruction points of integer residuals: nearer to zero, where the mass is."""
        level = residual.abs().clamp(max=CENTROIDS - 1).long()
        shift = self.centroid[rows[None], level]
        return (residual - residual.sign() * shift).to(self.device)


def thresholds(tables: Tables, centroid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smallest magnitude [rows, 0..DECISIONS] for which level k is worth more than k - 1.

    Level k costs bits; k - 1 costs error, `SLOPE` bits a squared step. Both meet at the midpoint
    of the two reconstruction points plus the price difference over twice their distance's worth.
    """
    result = np.zeros((tables.rows, DECISIONS + 1), np.float64)
    for row in range(tables.rows):
        bits = _level_bits(tables, row)
        shift = centroid[row][np.minimum(np.arange(DECISIONS + 1), CENTROIDS - 1)]
        points = np.arange(DECISIONS + 1) - np.where(np.arange(DECISIONS + 1) > 0, shift, 0)
        gap = np.maximum(np.diff(points), 0.1)
        result[row, 1:] = (points[1:] + points[:-1]) / 2 + np.diff(bits) / (2 * SLOPE * gap)
    return result.astype(np.float32)


def _level_bits(tables: Tables, row: int) -> NDArray[np.float64]:
    """Code length of magnitudes 0..DECISIONS in a symmetric row; escapes cost some bits more."""
    length, low = int(tables.length[row]), int(tables.low[row])
    bits = 24 - np.log2(tables.counts[row, :length].astype(np.float64))
    levels = np.arange(DECISIONS + 1)
    inside = levels - low < length - 1
    escape = bits[-1] + 2 * np.log2(levels + 1)
    return np.where(inside, bits[np.minimum(levels - low, length - 1)], escape)
