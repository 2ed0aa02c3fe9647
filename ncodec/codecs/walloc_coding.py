"""The integers of a latent while it is coded, for the `walloc` codec: symbols and table rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.walloc_prediction import PredictorCoder
from ncodec.codecs.walloc_scales import ScaleIndexes
from ncodec.models.pyramid import Pass, Pyramid
from ncodec.models.walloc import gathered

Coded = Callable[[Tensor, int], Tensor]
"""Scale indexes [n, .] of channels from a first one on -> the symbols there [n, .]."""


@dataclass(frozen=True)
class Symbols:
    """The integers of latents and their table rows: both [B h w, channels], in coding order."""

    values: NDArray[np.int32]
    rows: NDArray[np.uint8]


@dataclass(frozen=True)
class Group:
    """Symbols, int32, and table rows, uint8, of a group of channels of a pass: [n, .] each."""

    channels: slice
    symbols: Tensor
    rows: Tensor

    @classmethod
    def of(cls, count: int, first: int, stop: int) -> "Group":
        """Room for channels `first` to `stop` at so many positions."""
        shape = count, stop - first
        symbols, rows = torch.empty(shape, dtype=torch.int32), torch.empty(shape, dtype=torch.uint8)
        return cls(slice(first, stop), symbols, rows)


class Coding:
    """The integers of one latent while it is coded, pass after pass, in coding order.

    Attributes:
        channels: how many are coded.
        chosen: the predictors of kinds of passes that have them, of channels that are seen, [.].
    """

    def __init__(self, scales: ScaleIndexes, grid: Pyramid, step: int) -> None:
        self.channels = scales.channels(step)
        self.chosen: dict[int, Tensor] = {}
        self._relief: dict[int, Tensor] = {}
        self._scales, self._step, self._grid = scales, step, grid
        count = len(grid.order)
        # Groups are coded as they lie in memory; only positions of their passes are ever touched.
        spans = {span for part in grid.passes for span in scales.spans(part.kind, step)}
        self._groups = {span: Group.of(count, *span) for span in spans}
        # The largest thing there is, time and again: new memory for each would have to be cleared.
        self.scratch = torch.empty(0)
        # No pass looks at the last one.
        self._known = grid.passes[-1].start if count else 0
        self._seen = scales.seen(step)
        self._levels = torch.empty(self._known, self._seen)

    def foresee(self, part: Pass, predictors: PredictorCoder, chosen: Tensor) -> None:
        """Take the predictors [.] of a pass that is coded next."""
        self.chosen[part.kind] = chosen
        self._relief[part.kind] = predictors.relief[chosen]

    def foreseen_like(self, other: "Coding") -> bool:
        """Whether another latent was coded with the same predictors."""
        same = self.chosen.keys() == other.chosen.keys()
        return same and all(torch.equal(self.chosen[k], other.chosen[k]) for k in self.chosen)

    def run(self, part: Pass, coded: Coded) -> None:
        """Code a pass or a piece of one, group after group."""
        levels = [self._around(part)]
        last = self.is_last(part)
        for number, group in enumerate(self.groups(part)):
            rows = self._scales.of(part, number, levels, self._step, self._relief.get(part.kind))
            rows = rows[:, : group.rows.shape[1]]
            group.rows.copy_(rows)
            group.symbols.copy_(coded(rows, group.channels.start))
            start, stop = group.channels.start, min(group.channels.stop, self._seen)
            if start < stop and not (last and stop == self.channels):
                levels.append(self._scales.level(group.symbols[:, : stop - start]))
        if not last:
            torch.cat(levels[1:], 1, out=self._levels[part.start : part.stop])

    def _around(self, part: Pass) -> Tensor:
        """What scale networks see of the levels around a pass or a piece of one: [n, .]."""
        medium = self._scales.medium
        if medium.summed and part.around is not None:
            return F.embedding_bag(part.around, self._levels, mode="sum")
        return gathered(part, self._levels[None], medium.neighbours, self.scratch)[0]

    def is_last(self, part: Pass) -> bool:
        """Whether this is the last pass, or a piece of it."""
        return part.start >= self._known

    def groups(self, part: Pass) -> Iterator[Group]:
        """The groups of a pass or a piece of one."""
        place = slice(part.start, part.stop)
        for span in self._scales.spans(part.kind, self._step):
            whole = self._groups[span]
            yield Group(whole.channels, whole.symbols[place], whole.rows[place])

    def all(self) -> tuple[Tensor, Tensor]:
        """Symbols, int32, and table rows, uint8, of all passes: [h w, channels]."""
        symbols = torch.empty(len(self._grid.order), self.channels, dtype=torch.int32)
        rows = torch.empty_like(symbols, dtype=torch.uint8)
        for part in self._grid.passes:
            for group in self.groups(part):
                symbols[part.start : part.stop, group.channels] = group.symbols
                rows[part.start : part.stop, group.channels] = group.rows
        return symbols, rows

    def in_reading_order(self) -> tuple[Tensor, Tensor]:
        """The same, position by position as they lie."""
        symbols, rows = self.all()
        return symbols[self._grid.rank], rows[self._grid.rank]


def symbols_of(codings: list[Coding]) -> Symbols:
    """The integers of latents that were coded."""
    symbols, rows = zip(*(coding.all() for coding in codings), strict=True)
    return Symbols(torch.cat(symbols).numpy(), torch.cat(rows).numpy())
