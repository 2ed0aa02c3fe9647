"""Matrix products of whole numbers: exact, so the same everywhere and in every library."""

import sys

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def product(a: Floats, b: Floats) -> Floats:
    """The product of matrices of whole numbers, all sums of absolute values below 2**53.

    Order and library can't change the result. torch is used where it is loaded anyway: NumPy's
    own library may not know the processor, and then is many times slower.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return a @ b
    found: Floats = (torch.from_numpy(a) @ torch.from_numpy(b)).numpy()
    return found
