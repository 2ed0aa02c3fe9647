"""Bringing sounds to one sample rate, length and number of channels."""

from __future__ import annotations

import numpy as np
import soxr

from ncodec.errors import InputError
from ncodec.media import Audio


def resampled(sound: Audio, rate: int) -> Audio:
    """The sound at another sample rate (soxr, high quality)."""
    if rate == sound.sample_rate:
        return sound
    return Audio(soxr.resample(sound.array, sound.sample_rate, rate), rate)


def fitted(decoded: Audio, original: Audio) -> Audio:
    """A decoded sound as a player would give it out in place of the original.

    At the original's rate and length; a mono one on every channel. `InputError` where the channels
    differ otherwise.
    """
    if decoded.channels not in (1, original.channels):
        raise InputError(f"decoded to {decoded.channels} channels instead of {original.channels}")
    array = resampled(decoded, original.sample_rate).array[: original.samples]
    whole = np.zeros_like(original.array)
    whole[: len(array)] = array
    return Audio(whole, original.sample_rate)
