"""Sounds to test with."""

import numpy as np
from numpy.typing import NDArray


def tone(samples: int, rate: int = 16_000, channels: int = 1) -> NDArray[np.float32]:
    """A chord with some noise, [T, C], each channel another one; within +-0.8."""
    time = np.arange(samples)[:, None] / rate
    pitch = 220 * (1 + np.arange(channels))
    grain = np.random.default_rng(samples).uniform(-0.1, 0.1, (samples, channels))
    sound: NDArray[np.float32] = (
        0.5 * np.sin(2 * np.pi * pitch * time) + 0.2 * np.sin(9 * pitch * time) + grain
    ).astype(np.float32)
    return sound
