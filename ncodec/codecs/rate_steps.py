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


def interpolate(table: NDArray[Any], step: int, knot_steps: int = KNOT_STEPS) -> NDArray[np.int64]:
    """Row of an integer table [knots, C] at a rate step, in exact integer arithmetic: int64 [C].

    `knot_steps`: rate steps between knots.
    """
    knot = min(step // knot_steps, len(table) - 2)
    weight = step - knot * knot_steps
    mixed = table[knot].astype(np.int64) * (knot_steps - weight)
    row: NDArray[np.int64] = (mixed + table[knot + 1].astype(np.int64) * weight) // knot_steps
    return row
