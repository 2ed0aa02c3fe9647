"""How many codebooks each frame gets: the least error for the bits, with changes priced in."""

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.grvq_contexts import CODEBOOKS
from ncodec.codecs.grvq_counts import SILENT, Counts, step_bits

Errors = NDArray[np.float32]
Flags = NDArray[np.bool_]

Costs = NDArray[np.float64]
COSTS: Costs = np.array([7.0] * 2 + [9.0] * (CODEBOOKS - 2))
"""Bits that an index of each codebook costs, about."""


def allocate(errors: Errors, silent: Flags, price: float, costs: Costs = COSTS) -> Counts:
    """Counts 1..12 [N, T] of N rows of frames that are chosen each on its own.

    The sum of errors + price * bits is smallest, where bits count the change of a count from frame
    to frame too (Viterbi's algorithm). Silent frames get a count of 0. Where bits are free all
    others get all codebooks.

    Args:
        errors: [N, T, 13], by count; in any unit.
        silent: [N, T].
        price: units of error a bit.
        costs: bits of an index of each codebook.
    """
    if price:
        spent = price * costs.cumsum()
        counts = _cheapest(errors[..., 1:] + spent, price * step_bits()[1:, 1:])
    else:  # Not the least error: one more codebook may happen to make it larger.
        counts = np.full(silent.shape, CODEBOOKS, np.uint8)
    counts[silent] = SILENT
    return counts


def _cheapest(cost: NDArray[np.float64], change: NDArray[np.float64]) -> Counts:
    rows, frames, _ = cost.shape
    came = np.empty((frames, rows, CODEBOOKS), np.uint8)
    total = cost[:, 0] if frames else np.zeros((rows, CODEBOOKS))
    for frame in range(1, frames):
        ways = total[:, :, None] + change
        came[frame] = ways.argmin(axis=1)
        total = ways.min(axis=1) + cost[:, frame]
    counts = np.empty((rows, frames), np.uint8)
    state = total.argmin(axis=1)
    for frame in range(frames - 1, -1, -1):
        counts[:, frame] = state + 1
        state = came[frame, np.arange(rows), state]
    return counts
