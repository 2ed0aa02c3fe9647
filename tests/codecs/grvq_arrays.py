"""Weights for tests of the sound codec that need no training: random, but of the right form."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

HIDDEN = 24


def entropy_arrays(seed: int = 0) -> dict[str, NDArray[Any]]:
    """Codewords and a context model whose distributions differ from context to context."""
    random = np.random.default_rng(seed)
    size = np.array([60, 60, 40, 40, 25, 25, 18, 18, 12, 12, 9, 9])[:, None, None]
    codewords = np.rint(random.normal(0, size / 3, (12, 1024, 64))).clip(-127, 127)
    return {
        "quantiser/codewords": codewords.astype(np.int8),
        "quantiser/scale": np.array([0.02], np.float32),
        "entropy/first": random.integers(-9, 10, (12, HIDDEN, 448)).astype(np.int8),
        "entropy/first_bias": random.integers(-999, 1000, (12, HIDDEN)).astype(np.int32),
        "entropy/first_shift": np.full(12, 4, np.int32),
        "entropy/second": random.integers(-50, 51, (12, 1024, HIDDEN)).astype(np.int8),
        "entropy/second_bias": random.integers(-9999, 10_000, (12, 1024)).astype(np.int32),
        "entropy/second_shift": np.full(12, 5, np.int32),
        "entropy/exp2": np.rint(2.0 ** (18 - np.arange(4096) / 256)).astype(np.int32),
    }
