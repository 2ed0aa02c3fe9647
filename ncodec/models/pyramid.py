"""The order in which a latent is coded: from a coarse grid to finer ones, each between the last.

A grid of every `coarsest`th position comes first. Then each pass fills in positions that lie in the
middle of four that are known, as the samples of an interlaced picture do: first those between four
corners, then those between four sides, then the same at half of the distance. Nothing depends on
the values, so all positions of a pass are coded at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

NEIGHBOURS = 4
_CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
_SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))
_ALONG = ((0, -3), (0, -1), (0, 1), (0, 3))


@dataclass(frozen=True)
class Pass:
    """One pass of a latent: rows `start` to `stop` of those in coding order.

    `around` [n, 4] are the rows of the neighbours of each, all of them before `start`; None in the
    first pass. In even ones they lie above, below, left and right. Where the latent ends, the
    neighbour on the other side stands in.

    `along` [n, 4] are those 3 d and d to the left, d and 3 d to the right, with d the distance of
    neighbours; only latents of one row have them.
    """

    kind: int
    start: int
    stop: int
    around: Tensor | None
    along: Tensor | None = None

    def pieces(self, size: int) -> Iterator["Pass"]:
        """The pass in pieces of so many positions."""
        for start in range(self.start, self.stop, size):
            stop, first = min(start + size, self.stop), start - self.start
            around, along = (
                None if rows is None else rows[first : first + size]
                for rows in (self.around, self.along)
            )
            yield Pass(self.kind, start, stop, around, along)


@dataclass(frozen=True)
class Pyramid:
    """How a latent of some size is coded: `order` [h w] are positions in reading order.

    `rank` is its inverse: the place in coding order of every position.
    """

    order: Tensor
    rank: Tensor
    passes: tuple[Pass, ...]


def kinds(coarsest: int) -> int:
    """Kinds of passes: the coarse grid, then two for each halving of the distance."""
    return 1 + 2 * (coarsest.bit_length() - 1)


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # What is kept must also serve training.
def pyramid(height: int, width: int, coarsest: int, device: torch.device) -> Pyramid:
    """The passes over a latent of `height` x `width` positions; passes without any are left out.

    `coarsest`, a power of 2, is the distance of positions in the first pass.
    """
    rank = torch.full((height, width), -1)
    order, passes, start = [torch.zeros(0, dtype=torch.int64)], list[Pass](), 0
    for kind in range(kinds(coarsest)):
        row, column = _places(kind, height, width, coarsest)
        if not len(row):
            continue
        around = along = None
        if kind:
            offsets, step = _CORNERS if kind % 2 else _SIDES, _distance(kind, coarsest)
            around = _around(rank, row, column, offsets, step).to(device)
            if height == 1:
                along = _around(rank, row, column, _ALONG, step).to(device)
        rank[row, column] = start + torch.arange(len(row))
        order.append(row * width + column)
        passes.append(Pass(kind, start, start + len(row), around, along))
        start += len(row)
    return Pyramid(torch.cat(order).to(device), rank.flatten().to(device), tuple(passes))


def _places(kind: int, height: int, width: int, coarsest: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of the positions of a pass, in reading order."""
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    step = coarsest if kind == 0 else _distance(kind, coarsest)
    chosen = (row % step == 0) & (column % step == 0)
    down, right = row // step % 2, column // step % 2
    if kind:
        chosen &= (down & right if kind % 2 else down ^ right) == 1
    return row[chosen], column[chosen]


def _distance(kind: int, coarsest: int) -> int:
    """How far the neighbours of a pass are from it."""
    return coarsest >> (1 + (kind - 1) // 2)


def _around(
    rank: Tensor, row: Tensor, column: Tensor, offsets: tuple[tuple[int, int], ...], step: int
) -> Tensor:
    """Ranks [n, 4] of the known positions around others, `step` times the offsets away."""
    found = torch.stack(
        [_rank_at(rank, row, column, step * down, step * right) for down, right in offsets], 1
    )
    # Latents of one row or column have neighbours along it only.
    return torch.where(found < 0, found.amax(1, keepdim=True), found)


def _rank_at(rank: Tensor, row: Tensor, column: Tensor, down: int, right: int) -> Tensor:
    """Ranks of the positions so far away, or as far on the other side; -1 outside of both."""
    row, column = _moved(row, down, rank.shape[0]), _moved(column, right, rank.shape[1])
    inside = (row >= 0) & (row < rank.shape[0]) & (column >= 0) & (column < rank.shape[1])
    return torch.where(inside, rank[row * inside, column * inside], -1)


def _moved(place: Tensor, offset: int, size: int) -> Tensor:
    moved = place + offset
    return torch.where((moved >= 0) & (moved < size), moved, place - offset)
