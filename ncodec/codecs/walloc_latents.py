"""Latents to bytes and back, for the `walloc` codec.

What chooses entropy tables is integer from end to end (`walloc_scales`). Everything else is float
and moves samples by a hair at most.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module

from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.codecs.rounding import Rounding, rows_on_paths
from ncodec.codecs.walloc_coding import Coding, Group, Symbols, symbols_of
from ncodec.codecs.walloc_prediction import PredictorCoder
from ncodec.codecs.walloc_scales import ScaleIndexes
from ncodec.codecs.weights import Arrays
from ncodec.entropy import Decoder, Encoder, Tables
from ncodec.errors import EntropyDesyncError, ModelMismatchError
from ncodec.models.prediction import along
from ncodec.models.pyramid import Pass, Pyramid, pyramid
from ncodec.models.rates import SCALES
from ncodec.models.walloc import Walloc, by_row, gathered
from ncodec.models.walloc_medium import Medium

MEANING = ("prior.means.", "log_gain.", "spread")
SOUND_MEANING = (*MEANING, "prior.predictors.", "synthesis.linear.")
"""Float weights that the model id covers: the others may improve and old files only gain.

Levels of noise in files of sound are relative to the linear part of the synthesis.
"""
CPU = torch.device("cpu")

PIECE = 1536
"""Positions that an encoder looks at in one go: what is known around them fits the cache."""

Written = Callable[[Encoder, list[Coding], Tensor], None]
Read = Callable[[Decoder], None]
"""What else a payload holds, after the latents."""


def meaning(medium: Medium) -> tuple[str, ...]:
    """How names of weights begin that the model id covers."""
    return MEANING if medium.axes == 2 else SOUND_MEANING


class LatentCoder:
    """Entropy coding of latents [B, M, h, w], one after the other, in one payload."""

    def __init__(self, model: Walloc, arrays: Arrays, device: torch.device) -> None:
        """Take tables and the exact networks from a weights file's arrays, and self-test them."""
        self.model, self.medium, self.device = model, model.medium, device
        self.tables = Tables.from_arrays(arrays, "entropy/latent")
        self.scales = ScaleIndexes(arrays, self.medium)
        if self.tables.rows != SCALES or rows_on_paths(arrays) > self.medium.paths:
            raise ModelMismatchError("weights: tables do not fit the codec")
        self.rounding = Rounding(self.tables, arrays)
        self.predictors: PredictorCoder | None = None
        if not self.medium.foreseen:
            self.predictors = PredictorCoder(arrays, self.medium, model.prior.predictors)
        # All tiles and seconds of a file mostly have the same rate step.
        self._at_rate = lru_cache(maxsize=8)(
            lambda step: _AtRate(model, self.scales.channels(step), step)
        )

    def encode(
        self, y: Tensor, step: int, more: Written | None = None
    ) -> tuple[bytes, list[Coding]]:
        """Latents [B, M, h, w] at a rate step -> payload, and what `verify` compares.

        `more` appends what stands after the latents, and is told how they will be decoded.
        """
        encoder, (height, width) = Encoder(), y.shape[2:]
        codings, found = list[Coding](), list[Tensor]()
        for item in y.to(CPU):
            coding, values = self._encode(item, encoder, step, whole=more is not None)
            codings.append(coding)
            if more:
                found.append(values.latent(height, width))
        if more:
            more(encoder, codings, torch.cat(found).to(self.device))
        return encoder.finish(), codings

    def _encode(
        self, y: Tensor, encoder: Encoder, step: int, *, whole: bool
    ) -> tuple[Coding, "_Values"]:
        """Code one latent; the last pass is dequantised only if `whole`."""
        grid = self.grid(y.shape[1], y.shape[2])
        coding, values = Coding(self.scales, grid, step), self._values(grid, step)
        positions = y.permute(1, 2, 0).flatten(0, 1)[:, : coding.channels]
        for part in grid.passes:
            if self.predictors and part.along is not None:
                wanted = positions.index_select(0, grid.order[part.start : part.stop])
                coding.foresee(part, self.predictors, values.choose(part, wanted))
            # Pieces would cut paths.
            for piece in [part] if self.rounding.trellis else part.pieces(PIECE):
                wanted = positions.index_select(0, grid.order[piece.start : piece.stop])
                self._round(piece, wanted, values, coding, whole=whole)
        self._write(encoder, grid, coding)
        return coding, values

    def _write(self, encoder: Encoder, grid: Pyramid, coding: Coding) -> None:
        # Only now, and all at once: so tables and networks don't push each other out of the cache.
        for part in grid.passes:
            if self.predictors and part.kind in coding.chosen:
                self.predictors.write(encoder, part.kind, coding.chosen[part.kind])
            for group in coding.groups(part):
                encoder.encode(group.symbols.numpy(), group.rows.numpy(), self.tables)

    def _round(
        self, piece: Pass, wanted: Tensor, values: "_Values", coding: Coding, *, whole: bool
    ) -> None:
        """Round values [n, channels] of a piece of a pass."""
        mean = values.mean(piece, coding)
        wanted[:, : mean.shape[1]] -= mean
        residual = wanted.mul_(values.gain)

        def rounded(rows: Tensor, first: int) -> Tensor:
            return self.rounding.quantise(residual[:, first : first + rows.shape[1]], rows)

        coding.run(piece, rounded)
        if whole or not coding.is_last(piece):  # Nothing is predicted from the last pass.
            values.add(piece, mean, coding.groups(piece), whole=whole)

    def decode_symbols(
        self, payload: bytes, height: int, width: int, step: int, count: int = 1
    ) -> Symbols:
        """Payload with nothing but latents -> symbols of h x w latents.

        Integers only; raises `BitstreamError`s.
        """
        return symbols_of(self.read(payload, self.grid(height, width), step, count))

    def decode(self, payload: bytes, height: int, width: int, step: int, count: int = 1) -> Tensor:
        """Payload with nothing but latents -> dequantised ones [B, M, h, w] on the device."""
        codings = self.read(payload, self.grid(height, width), step, count)
        return self.points(codings, height, width, step)

    def points(self, codings: list[Coding], height: int, width: int, step: int) -> Tensor:
        """Dequantised latents [B, M, h, w] on the device, of what was coded."""
        grid, found = self.grid(height, width), list[Tensor]()
        for coding in codings:
            values = self._values(grid, step)
            for part in grid.passes:
                values.add(part, values.mean(part, coding), coding.groups(part), whole=True)
            found.append(values.latent(height, width))
        return torch.cat(found).to(self.device)

    def empty(self, height: int, width: int, count: int = 1) -> Tensor:
        """Latents of zeros [B, M, h, w], in place of those that are lost."""
        return torch.zeros(count, self.medium.latents, height, width, device=self.device)

    def verify(
        self,
        payload: bytes,
        written: list[Coding],
        size: tuple[int, int],
        step: int,
        count: int = 1,
        more: Read | None = None,
    ) -> None:
        """Decode again what was just encoded; `EntropyDesyncError` unless it is the same.

        `size` is the latents' height and width.
        """
        read = self.read(payload, self.grid(*size), step, count, more)
        same = np.array_equal(symbols_of(read).values, symbols_of(written).values)
        if not same or not all(a.foreseen_like(b) for a, b in zip(read, written, strict=True)):
            raise EntropyDesyncError("the encoder's own check failed: symbols decode differently")

    def read(
        self, payload: bytes, grid: Pyramid, step: int, count: int, more: Read | None = None
    ) -> list[Coding]:
        """Payload -> what was coded, integers only. Raises `BitstreamError`s."""
        decoder = Decoder(payload)

        def read(rows: Tensor, first: int) -> Tensor:
            return torch.from_numpy(decoder.decode(rows.to(torch.uint8).numpy(), self.tables))

        codings = [Coding(self.scales, grid, step) for _ in range(count)]
        for coding in codings:
            for part in grid.passes:
                if self.predictors and part.along is not None:
                    chosen = self.predictors.read(decoder, part.kind, coding.channels)
                    coding.foresee(part, self.predictors, chosen)
                coding.run(part, read)
        if more:
            more(decoder)
        decoder.finish()
        return codings

    def grid(self, height: int, width: int) -> Pyramid:
        """The order in which h x w positions are coded."""
        return pyramid(height, width, self.medium.coarsest, CPU)

    def _values(self, grid: Pyramid, step: int) -> "_Values":
        return _Values(self.medium, self.rounding, grid, self._at_rate(step), self.predictors)


class _AtRate:
    """What means are made with at one rate step.

    Attributes:
        gain: what values are multiplied by before rounding, [channels].
        means: taps [m, .] and their trust [m] of the first m channels, by the kind of pass.
    """

    def __init__(self, model: Walloc, channels: int, step: int) -> None:
        rate = torch.tensor([step / (RATE_STEPS - 1)])
        table = _on_cpu(model.log_gain, rate)
        self.gain = (table.exp() * model.spread.to(CPU).flatten())[0, 0, :channels]
        self.means = {}
        for kind, network in model.prior.means.items():
            whole = network.get_parameter("taps").to(CPU)
            taps = whole.reshape(len(whole), -1, len(whole))[:channels, :, :channels].flatten(1)
            trust = 1 + _on_cpu(network.get_submodule("trust"), rate)[0, :, :channels]
            self.means[int(kind)] = (taps, trust)


class _Values:
    """The dequantised values of one latent while it is coded, in coding order.

    Channels that are not coded are 0.
    """

    def __init__(
        self,
        medium: Medium,
        rounding: Rounding,
        grid: Pyramid,
        at: _AtRate,
        predictors: PredictorCoder | None,
    ) -> None:
        self._medium, self._rounding, self._grid = medium, rounding, grid
        self.gain, self._means, self._predictors = at.gain, at.means, predictors
        self._coded = torch.empty(len(grid.order), len(self.gain))

    def choose(self, part: Pass, wanted: Tensor) -> Tensor:
        """The predictors, of channels that are seen, for latents [n, channels] of a pass."""
        if self._predictors is None:
            raise ValueError("a model without predictors")
        count = self._medium.seen
        around, gain = along(part, self._coded[None, :, :count])[0], self.gain[:count]
        return self._predictors.choose(part.kind, wanted[:, :count] * gain, around * gain)

    def mean(self, part: Pass, coding: Coding) -> Tensor:
        """Means [n, .] of a pass or a piece of one, from the values that are known.

        Channels after these have none.
        """
        if self._predictors and part.kind in coding.chosen:
            chosen = coding.chosen[part.kind][None]
            around = along(part, self._coded[None, :, : chosen.shape[1]])
            return self._predictors.codebook.mean(chosen, around)[0]
        if part.kind not in self._means:
            return torch.zeros(part.stop - part.start, 0)
        taps, trust = self._means[part.kind]
        known = self._coded[None, :, : len(taps)]
        around = gathered(part, known, self._medium.neighbours, coding.scratch)[0]
        return F.linear(around, taps).mul_(trust)

    def add(self, part: Pass, mean: Tensor, groups: Iterable[Group], *, whole: bool) -> None:
        """Take what was coded in a pass; unless `whole`, only what others are predicted from."""
        coded = self._coded[part.start : part.stop]
        for group in groups:
            first, stop = group.channels.start, group.channels.stop
            stop = stop if whole else min(stop, self._medium.foreseen or stop)
            here = slice(0, max(0, stop - first))
            points = self._rounding.points(group.symbols[:, here], group.rows[:, here])
            torch.div(points, self.gain[first:stop], out=coded[:, first:stop])
        coded[:, : mean.shape[1]] += mean

    def latent(self, height: int, width: int) -> Tensor:
        """All of them: [1, M, h, w]."""
        rows = self._coded[self._grid.rank].reshape(1, height, width, self._coded.shape[1])
        missing = self._medium.latents - rows.shape[3]
        return F.pad(rows, (0, missing)).permute(0, 3, 1, 2)


def _on_cpu(table: Module, rate: Tensor) -> Tensor:
    """The row [1, 1, C] of a `RateTable`, wherever that is."""
    device = table.get_parameter("values").device
    return by_row(table(rate.to(device))).to(CPU)
