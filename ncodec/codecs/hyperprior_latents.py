"""Latents of one tile to bytes and back, for the `hyperprior` codec.

What chooses entropy tables is integer from end to end (`hyperprior_scales`). Everything else is
float and moves pixels by a hair at most.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.checkerboard import Checkerboard, as_columns, as_rows, checkerboard
from ncodec.codecs.hyperprior_scales import Residual, ScaleIndexes, TileScales, nonzero
from ncodec.codecs.rate_steps import KNOT_STEPS, RATE_STEPS, interpolate
from ncodec.codecs.rounding import Rounding
from ncodec.codecs.weights import Arrays, array
from ncodec.entropy import Decoder, Encoder, Tables
from ncodec.errors import EntropyDesyncError, ModelMismatchError
from ncodec.models.blocks import bias_of, narrow
from ncodec.models.hyperprior import (
    HYPER,
    HYPER_STRIDE,
    LATENTS,
    STRIDE,
    Hyperprior,
)
from ncodec.models.rates import KNOTS, SCALES
from ncodec.models.transforms import cross

HYPER_FRACTION = 64
MULTIPLIER_BITS = 12
"""Hyperlatents enter the networks as (symbol * multiplier) / 2**12, in 64ths."""
MAX_HYPER = 4095
MEANING = ("hyper_mean.", "context.", "log_gain.", "spread")
"""Float weights that the model id covers: the others may improve and old files only gain."""


@dataclass(frozen=True)
class Symbols:
    """The integers of one tile: hyperlatent [N, ceil(h/4), ceil(w/4)], both halves [n, M]."""

    hyper: NDArray[np.int32]
    anchors: NDArray[np.int32]
    others: NDArray[np.int32]


class LatentCoder:
    """Entropy coding of latents [1, M, h, w] under a variable-rate hyperprior."""

    def __init__(self, model: Hyperprior, arrays: Arrays, device: torch.device) -> None:
        """Take tables and the exact networks from a weights file's arrays, and self-test them."""
        self.model, self.device = model, device
        self.tables = Tables.from_arrays(arrays, "entropy/latent")
        self.hyper_tables = Tables.from_arrays(arrays, "entropy/hyper")
        self.scales = ScaleIndexes(arrays)
        if self.tables.rows != SCALES or self.hyper_tables.rows != KNOTS * HYPER:
            raise ModelMismatchError("weights: tables do not fit the hyperprior")
        self.multiplier = array(arrays, "entropy/hyper_multiplier", np.int32, (KNOTS, HYPER))
        if self.multiplier.min() < 1:
            raise ModelMismatchError("weights: a multiplier of the hyperlatent is below 1")
        self.cross = cross(model.context.around.weight)
        self.rounding = Rounding(self.tables, arrays)

    def encode(self, y: Tensor, step: int) -> tuple[bytes, Symbols]:
        """Latent [1, M, h, w] at a rate step -> payload and the symbols in it."""
        hyper = self._quantise_hyper(y, step)
        fixed = self._fixed_point(hyper, step)
        scales = self._scales(fixed, step, y.shape[-2], y.shape[-1])
        board, gain = checkerboard(y.shape[-2], y.shape[-1], self.device), self._gain(step)
        features = self._features(fixed, board)
        rows, mean = scales.anchors(), self._anchor_means(features, board)
        anchors = self._quantise((board.anchors(y) - mean) * gain, rows)
        known = self._points(anchors, rows) / gain + mean
        other_rows, mean = scales.others(anchors), self._other_means(features, known, board)
        others = self._quantise((board.others(y) - mean) * gain, other_rows)
        symbols = Symbols(hyper, anchors.symbols(), others.symbols())
        return self._written(symbols, rows, other_rows, step), symbols

    def _written(self, symbols: Symbols, rows: Tensor, other_rows: Tensor, step: int) -> bytes:
        encoder = Encoder()
        hyper_rows = self._hyper_rows(symbols.hyper.shape, step)
        encoder.encode(symbols.hyper, hyper_rows, self.hyper_tables)
        encoder.encode(symbols.anchors, rows.numpy(), self.tables)
        encoder.encode(symbols.others, other_rows.numpy(), self.tables)
        return encoder.finish()

    def decode_symbols(self, payload: bytes, height: int, width: int, step: int) -> Symbols:
        """Payload -> symbols of an h x w latent. Integers only; raises `BitstreamError`s."""
        found = self._decode_symbols(payload, height, width, step)
        return Symbols(found.hyper, found.anchors.symbols(), found.others.symbols())

    def decode(self, payload: bytes, height: int, width: int, step: int) -> Tensor:
        """Payload -> dequantised latent [1, M, h, w] on the device."""
        read = self._decode_symbols(payload, height, width, step)
        board, gain = checkerboard(height, width, self.device), self._gain(step)
        features = self._features(self._fixed_point(read.hyper, step), board)
        points = self._points(read.anchors, read.rows)
        anchors = points / gain + self._anchor_means(features, board)
        points = self._points(read.others, read.other_rows)
        others = points / gain + self._other_means(features, anchors, board)
        return board.place(anchors, others)

    def _decode_symbols(self, payload: bytes, height: int, width: int, step: int) -> "_Read":
        decoder = Decoder(payload)
        found = self._read(decoder, height, width, step)
        decoder.finish()
        return found

    def _read(self, decoder: Decoder, height: int, width: int, step: int) -> "_Read":
        unit = HYPER_STRIDE // STRIDE
        shape = (HYPER, -(-height // unit), -(-width // unit))
        hyper = decoder.decode(self._hyper_rows(shape, step), self.hyper_tables)
        scales = self._scales(self._fixed_point(hyper, step), step, height, width)
        rows = scales.anchors()
        anchors = Residual.of(decoder.decode(rows.numpy(), self.tables))
        other_rows = scales.others(anchors)
        others = Residual.of(decoder.decode(other_rows.numpy(), self.tables))
        return _Read(hyper, anchors, others, rows, other_rows)

    def empty(self, height: int, width: int) -> Tensor:
        """A latent of zeros [1, M, h, w], in place of one that is lost."""
        return torch.zeros(1, LATENTS, height, width, device=self.device)

    def verify(self, payload: bytes, written: Symbols, size: tuple[int, int], step: int) -> None:
        """Decode again what was just encoded; `EntropyDesyncError` unless it is the same.

        `size` is the latent's height and width.
        """
        read = self.decode_symbols(payload, *size, step)
        pairs = zip(vars(read).values(), vars(written).values(), strict=True)
        if not all(np.array_equal(a, b) for a, b in pairs):
            raise EntropyDesyncError("the encoder's own check failed: symbols decode differently")

    def _scales(self, fixed: Tensor, step: int, height: int, width: int) -> TileScales:
        board = checkerboard(height, width, torch.device("cpu"))
        return self.scales.of_tile(fixed, step, board)

    def _gain(self, step: int) -> Tensor:
        return self.model.gain(torch.tensor([step / (RATE_STEPS - 1)], device=self.device))

    def _anchor_means(self, features: Tensor, board: Checkerboard) -> Tensor:
        return self.model.context.anchors(board.anchors(features))

    def _other_means(self, features: Tensor, anchors: Tensor, board: Checkerboard) -> Tensor:
        here = board.others(features)
        if here.shape[2] == 0:  # A latent of one position; torch refuses to convolve nothing.
            return here.new_empty(1, LATENTS, 0, 1)
        context = self.model.context
        around = board.gather(F.conv2d(anchors, self.cross))
        return context.others(here, around + bias_of(context.around)[:, None, None])

    def _quantise_hyper(self, y: Tensor, step: int) -> NDArray[np.int32]:
        with narrow(self.device):
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

    def _features(self, fixed: Tensor, board: Checkerboard) -> Tensor:
        """What the means are made of: [1, C, h, w], from hyperlatents in 64ths."""
        limit = self.scales.input_bound
        z = fixed.clamp(-limit, limit).float().to(self.device) / HYPER_FRACTION
        features: Tensor = self.model.hyper_mean(z)
        return features[:, :, : board.size[0], : board.size[1]]

    def _hyper_rows(self, shape: tuple[int, ...], step: int) -> NDArray[np.uint16]:
        """Each channel has one table a knot; the nearest knot's is used."""
        knot = (step + KNOT_STEPS // 2) // KNOT_STEPS
        rows = (knot * HYPER + np.arange(HYPER)).astype(np.uint16)
        return np.ascontiguousarray(np.broadcast_to(rows[:, None, None], shape))

    def _quantise(self, value: Tensor, rows: Tensor) -> Residual:
        """Round [1, M, n, 1] to integers, downwards where the bits saved are worth the error."""
        flat = self.rounding.quantise(as_rows(value.cpu()), rows).flatten()
        return Residual(flat, nonzero(flat), value.shape[1])

    def _points(self, residual: Residual, rows: Tensor) -> Tensor:
        """Reconstruction points of integer residuals: nearer to zero, where the mass is."""
        whole = residual.flat.reshape(-1, residual.channels)
        return as_columns(self.rounding.points(whole, rows)).to(self.device)


@dataclass(frozen=True)
class _Read:
    """What a payload held, and the scale indexes [n, M] of both halves."""

    hyper: NDArray[np.int32]
    anchors: Residual
    others: Residual
    rows: Tensor
    other_rows: Tensor
