"""The two halves of a latent: anchors, where row + column is even, and the others."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


class Checkerboard:
    """Takes [1, C, h, w] apart into columns [1, C, n, 1], and puts it together again.

    Columns keep the positions in reading order. Both shapes lie channels last in memory, so that
    1x1 convolutions run on either.
    """

    def __init__(self, height: int, width: int, device: torch.device) -> None:
        self.size = (height, width)
        place = torch.arange(height * width)
        even = (place // width + place % width) % 2 == 0
        self._anchors, self._others = place[even].to(device), place[~even].to(device)
        self._neighbours = _neighbours(height, width).to(device)

    def anchors(self, x: Tensor) -> Tensor:
        """The anchors of [1, C, h, w]: [1, C, n, 1]."""
        return as_columns(as_rows(x)[self._anchors])

    def others(self, x: Tensor) -> Tensor:
        """The other half of [1, C, h, w]: [1, C, n, 1], n may be 0."""
        return as_columns(as_rows(x)[self._others])

    def gather(self, anchors: Tensor) -> Tensor:
        """What the anchors around each other add up to: [1, 4 C, n, 1] -> [1, C, n', 1].

        Of the anchor above it the first C channels count, of those left, right and below the next.
        """
        rows = F.pad(as_rows(anchors), (0, 0, 0, 1)).reshape(-1, 4, anchors.shape[1] // 4)
        parts = [rows[number, i] for i, number in enumerate(self._neighbours)]
        return as_columns(parts[0] + parts[1] + parts[2] + parts[3])

    def place(self, anchors: Tensor, others: Tensor) -> Tensor:
        """[1, C, h, w] of both halves."""
        height, width = self.size
        rows = anchors.new_empty(height * width, anchors.shape[1])
        rows[self._anchors], rows[self._others] = as_rows(anchors), as_rows(others)
        return rows.reshape(1, height, width, -1).permute(0, 3, 1, 2)


def _neighbours(height: int, width: int) -> Tensor:
    """Numbers of the four anchors around each other, [4, n]; one past the last for none."""
    row, column = (
        grid.flatten()
        for grid in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    )
    even = (row + column) % 2 == 0
    number = torch.full((height + 2, width + 2), int(even.sum()))
    number[row[even] + 1, column[even] + 1] = torch.arange(int(even.sum()))
    row, column = row[~even] + 1, column[~even] + 1
    around = ((-1, 0), (0, -1), (0, 1), (1, 0))
    return torch.stack([number[row + dy, column + dx] for dy, dx in around])


@lru_cache(maxsize=8)
def checkerboard(height: int, width: int, device: torch.device) -> Checkerboard:
    """The board of one size; all tiles but those at the borders share it."""
    return Checkerboard(height, width, device)


def as_rows(x: Tensor) -> Tensor:
    """[1, C, h, w] -> [h w, C]."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def as_columns(rows: Tensor) -> Tensor:
    """[n, C] -> [1, C, n, 1]."""
    return rows.T[None, :, :, None]
