"""Latents to bytes and back, for the `walloc` codec.

What chooses entropy tables is integer from end to end (`walloc_scales`). Everything else is float
and moves samples by a hair at most.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.codecs.rounding import Rounding
from ncodec.codecs.walloc_scales import ScaleIndexes
from ncodec.codecs.weights import Arrays
from ncodec.entropy import Decoder, Encoder, Tables
from ncodec.errors import EntropyDesyncError, ModelMismatchError
from ncodec.models.pyramid import Pass, Pyramid, pyramid
from ncodec.models.rates import SCALES
from ncodec.models.walloc import Walloc, gathered

MEANING = ("prior.means.", "log_gain.", "spread")
"""Float weights that the model id covers: the others may improve and old files only gain."""
CPU = torch.device("cpu")

Coded = Callable[[Tensor, int], Tensor]
"""Scale indexes [n, .] of channels from a first one on -> the symbols there, float32 [n, .]."""


@dataclass(frozen=True)
class Symbols:
    """The integers of one latent: [h w, channels], in coding order; `rows` are their tables."""

    values: NDArray[np.int32]
    rows: Tensor


class LatentCoder:
    """Entropy coding of latents [1, M, h, w] after what was coded before them."""

    def __init__(self, model: Walloc, arrays: Arrays, device: torch.device) -> None:
        """Take tables and the exact networks from a weights file's arrays, and self-test them."""
        self.medium, self.prior, self.device = model.medium, model.prior, device
        self.tables = Tables.from_arrays(arrays, "entropy/latent")
        self.scales = ScaleIndexes(arrays, self.medium)
        if self.tables.rows != SCALES:
            raise ModelMismatchError("weights: tables do not fit the codec")
        self.rounding = Rounding(self.tables, arrays)
        self._gain_of = model.gain

    def encode(self, y: Tensor, step: int) -> tuple[bytes, Symbols]:
        """Latent [1, M, h, w] at a rate step -> payload and the symbols in it."""
        grid, gain = self._grid(y.shape[2], y.shape[3]), self._gain(step)
        coding = _Coding(self.scales, grid, step)
        wanted = y[0].to(CPU).permute(1, 2, 0).reshape(-1, y.shape[1])[grid.order]
        values, encoder = torch.zeros_like(wanted), Encoder()
        for part in grid.passes:
            place = slice(part.start, part.stop)
            mean = self._mean(part, values, step)
            residual = (wanted[place] - mean) * gain

            def rounded(rows: Tensor, first: int, residual: Tensor = residual) -> Tensor:
                found = self.rounding.quantise(residual[:, first : first + rows.shape[1]], rows)
                encoder.encode(_integers(found), _rows(rows), self.tables)
                return found

            coding.run(part, rounded)
            values[place] = self._values(coding, part, gain, mean)
        return encoder.finish(), coding.symbols()

    def decode_symbols(self, payload: bytes, height: int, width: int, step: int) -> Symbols:
        """Payload -> symbols of an h x w latent. Integers only; raises `BitstreamError`s."""
        return self._decoded(payload, self._grid(height, width), step).symbols()

    def decode(self, payload: bytes, height: int, width: int, step: int) -> Tensor:
        """Payload -> dequantised latent [1, M, h, w] on the device."""
        grid, gain = self._grid(height, width), self._gain(step)
        coding = self._decoded(payload, grid, step)
        values = torch.zeros(height * width, self.medium.latents)
        for part in grid.passes:
            mean = self._mean(part, values, step)
            values[part.start : part.stop] = self._values(coding, part, gain, mean)
        rows = values[grid.rank].reshape(1, height, width, -1)
        return rows.permute(0, 3, 1, 2).to(self.device)

    def empty(self, height: int, width: int) -> Tensor:
        """A latent of zeros [1, M, h, w], in place of one that is lost."""
        return torch.zeros(1, self.medium.latents, height, width, device=self.device)

    def verify(self, payload: bytes, written: Symbols, size: tuple[int, int], step: int) -> None:
        """Decode again what was just encoded; `EntropyDesyncError` unless it is the same.

        `size` is the latent's height and width.
        """
        read = self.decode_symbols(payload, *size, step)
        if not np.array_equal(read.values, written.values):
            raise EntropyDesyncError("the encoder's own check failed: symbols decode differently")

    def _decoded(self, payload: bytes, grid: Pyramid, step: int) -> "_Coding":
        decoder, coding = Decoder(payload), _Coding(self.scales, grid, step)

        def read(rows: Tensor, first: int) -> Tensor:
            return torch.from_numpy(decoder.decode(_rows(rows), self.tables)).float()

        for part in grid.passes:
            coding.run(part, read)
        decoder.finish()
        return coding

    def _grid(self, height: int, width: int) -> Pyramid:
        return pyramid(height, width, self.medium.coarsest, CPU)

    def _rate(self, step: int) -> Tensor:
        return torch.tensor([step / (RATE_STEPS - 1)], device=self.device)

    def _gain(self, step: int) -> Tensor:
        """Gains [M]."""
        return self._gain_of(self._rate(step)).flatten().to(CPU)

    def _mean(self, part: Pass, values: Tensor, step: int) -> Tensor:
        """Means [n, M] of a pass, from the values [h w, M] that are known."""
        return self.prior.mean(part, values[None], self._rate(step))[0]

    def _values(self, coding: "_Coding", part: Pass, gain: Tensor, mean: Tensor) -> Tensor:
        """Dequantised latents [n, M] of a pass; channels that are not coded are 0."""
        symbols, rows = coding.of(part)
        found = torch.zeros_like(mean)
        coded = slice(0, symbols.shape[1])
        points = self.rounding.points(symbols, rows)
        found[:, coded] = points / gain[coded] + mean[:, coded]
        return found


class _Coding:
    """The integers of one latent while it is coded, pass after pass, in coding order."""

    def __init__(self, scales: ScaleIndexes, grid: Pyramid, step: int) -> None:
        self._scales, self._step = scales, step
        count = len(grid.order)
        self._levels = torch.zeros(count, scales.medium.latents)
        self._symbols = torch.zeros(count, scales.channels(step))
        self._rows = torch.zeros_like(self._symbols)

    def run(self, part: Pass, coded: Coded) -> None:
        """Code a pass, group after group."""
        around = gathered(part, self._levels[None], self._scales.medium.neighbours)[0]
        place = slice(part.start, part.stop)
        for number, (first, stop) in enumerate(self._scales.spans(part.kind, self._step)):
            here = self._levels[place, :first]
            rows = self._scales.of(part, number, [around, here], self._step)[:, : stop - first]
            symbols = coded(rows, first)
            self._rows[place, first:stop] = rows
            self._symbols[place, first:stop] = symbols
            self._levels[place, first:stop] = self._scales.level(symbols)

    def of(self, part: Pass) -> tuple[Tensor, Tensor]:
        """Symbols and table rows of a pass, [n, channels]."""
        return self._symbols[part.start : part.stop], self._rows[part.start : part.stop]

    def symbols(self) -> Symbols:
        """All of them."""
        return Symbols(_integers(self._symbols), self._rows)


def _integers(values: Tensor) -> NDArray[np.int32]:
    """Whole numbers in floats as integers."""
    return values.numpy().astype(np.int32)


def _rows(indexes: Tensor) -> NDArray[np.uint8]:
    return np.ascontiguousarray(indexes.to(torch.uint8).numpy())
