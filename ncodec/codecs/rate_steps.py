"""Rate steps of variable-rate codecs, and tables that follow them in exact integer arithmetic."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncodec.models.rates import KNOTS

KNOT_STEPS = 100
RATE_STEPS = KNOT_STEPS * (KNOTS - 1) + 1
"""Rate steps 0..800."""
QUALITY_STEPS = (RATE_STEPS - 1) / 100
"""Rate steps to one unit of quality."""


def interpolate(table: NDArray[Any], step: int) -> NDArray[np.int64]:
    """Row of an integer table [KNOTS, C] at a rate step, in exact integer arithmetic: int64 [C]."""
    knot = min(step // KNOT_STEPS, KNOTS - 2)
    weight = step - knot * KNOT_STEPS
    mixed = table[knot].astype(np.int64) * (KNOT_STEPS - weight)
    row: NDArray[np.int64] = (mixed + table[knot + 1].astype(np.int64) * weight) // KNOT_STEPS
    return row
