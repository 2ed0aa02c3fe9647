"""Pictures for benchmarks that must run without any: the same ones on every machine."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

GRAIN = 6
STRIP = 256


def _waves(rows: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Shapes of many sizes from integer arithmetic, [R, W, 3] in about 0..230."""
    y, x = rows[:, None, None], np.arange(width)[None, :, None]
    tint = np.array([0, 40, 90])
    total = np.zeros((len(rows), width, 3), np.int64)
    for period, height in ((1021, 100), (389, 60), (127, 40), (37, 20), (11, 10)):
        phase = (3 * x + 2 * y + (x * y) // (4 * period) + tint) % (2 * period)
        total += np.abs(phase - period) * height // period
    return total


def strips(width: int, height: int) -> Iterator[Pixels]:
    """A picture from the top, uint8 [<= 256, W, 3] at a time."""
    for top in range(0, height, STRIP):
        rows = np.arange(top, min(top + STRIP, height))
        grain = np.random.default_rng(top).integers(0, GRAIN, (len(rows), width, 3))
        yield np.clip(_waves(rows, width) + grain, 0, 255).astype(np.uint8)


def picture(width: int, height: int) -> Pixels:
    """Waves and grain: uint8 [H, W, 3]."""
    return np.concatenate(list(strips(width, height)))
