"""`Audio`: the samples that encoders of sound take and decoders return."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ncodec.container import Limits
from ncodec.errors import InputError, LimitExceededError

if TYPE_CHECKING:
    import torch

Samples = NDArray[np.float32]
_INTEGERS = {"uint8": 128, "int16": 2**15, "int32": 2**31}


@dataclass(frozen=True)
class LostSpan:
    """A stretch that a partial decode could not restore, in seconds of the whole sound."""

    start: float
    stop: float


class SoundBlocks(Protocol):
    """What a codec encodes: an `Audio`, or a `SoundSource` that reads a file block by block."""

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        ...

    @property
    def channels(self) -> int:
        """Channels, 1 to 8."""
        ...

    @property
    def samples(self) -> int:
        """Samples a channel."""
        ...

    def blocks(self, count: int) -> Iterator[Samples]:
        """All samples from the start, in arrays float32 [n, C] of `count` (the last: fewer).

        May be called again. Raises InputError for samples that are not finite.
        """
        ...


@dataclass(frozen=True, eq=False)
class Audio:
    """A sound: `array` is float32 [T, C], full scale +-1 (may go beyond), `sample_rate` in Hz.

    T may be 0, C is 1 to 8; anything else, or a sample that is not finite, raises InputError.
    `metadata` holds text tags (title, artist, ...) of the file it came from; encoders leave them
    out. `lost` names what a partial decode could not restore.
    """

    array: Samples
    sample_rate: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    lost: tuple[LostSpan, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an array that is not a sound."""
        _check_samples(self.array)
        check_sound(len(self.array), self.array.shape[1], self.sample_rate, "the sound")
        check_finite(self.array, 0, "the sound")

    @property
    def samples(self) -> int:
        """Samples a channel."""
        return len(self.array)

    @property
    def channels(self) -> int:
        """Channels."""
        return int(self.array.shape[1])

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.samples / self.sample_rate

    def blocks(self, count: int) -> Iterator[Samples]:
        """The samples in views [n, C] of `count` samples, the last one shorter."""
        for start in range(0, self.samples, count):
            yield self.array[start : start + count]

    def stripped(self) -> Audio:
        """Return the sound without its tags; the samples are shared."""
        return replace(self, metadata={})

    def to_tensor(self) -> torch.Tensor:
        """Return a float32 tensor [C, T] with its own memory."""
        import torch

        return torch.from_numpy(np.array(self.array.T, order="C"))


def as_audio(media: object) -> Audio:
    """Return `media` as an `Audio`.

    Takes an `Audio`, or a pair (samples, sample rate): an array or tensor [T] or [T, C],
    floating-point with full scale +-1, or uint8, int16, int32 with the full scale of the type.
    Raises InputError for anything else.
    """
    if isinstance(media, Audio):
        return media
    if not isinstance(media, tuple) or len(media) != 2:
        raise InputError(
            f"can't take {type(media).__name__} for a sound: give (samples, sample_rate), or load "
            "a file with load_audio"
        )
    samples, sample_rate = media
    array = _to_float(_as_array(samples))
    return Audio(array[:, None] if array.ndim == 1 else array, _as_int(sample_rate))


def _as_int(sample_rate: object) -> int:
    try:
        return operator.index(sample_rate)  # type: ignore[arg-type]
    except TypeError as error:
        raise InputError(f"the sample rate must be an int, got {sample_rate!r:.40}") from error


def _as_array(samples: object) -> NDArray[Any]:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(samples, torch.Tensor):
        values = samples.detach().cpu()
        return np.asarray((values.float() if values.is_floating_point() else values).numpy())
    if isinstance(samples, np.ndarray):
        return samples
    raise InputError(f"samples must be an array or a tensor, not {type(samples).__name__}")


def _to_float(array: NDArray[Any]) -> Samples:
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # Beyond float32: infinite, which is refused.
            return np.asarray(array, np.float32)
    scale = _INTEGERS.get(array.dtype.name)
    if scale is None:
        raise InputError(f"samples must be float, uint8, int16 or int32, got {array.dtype}")
    offset = 1 if array.dtype == np.uint8 else 0
    return (array / scale - offset).astype(np.float32)


def _check_samples(array: object) -> None:
    if not isinstance(array, np.ndarray):
        raise InputError(f"a sound must be a numpy array, not {type(array).__name__}")
    if array.dtype != np.float32 or array.ndim != 2:
        said = f"{array.dtype} {list(array.shape)}"
        raise InputError(f"a sound array must be float32 [T, C], got {said}")


def check_sound(
    samples: int, channels: int, sample_rate: int, name: str, limits: Limits | None = None
) -> None:
    """Raise InputError for numbers that no sound has, LimitExceededError for those too large."""
    limits = limits or Limits()
    if type(sample_rate) is not int or sample_rate < 1:
        raise InputError(f"{name}: the sample rate must be an int above 0, got {sample_rate!r}")
    if not 1 <= channels <= limits.max_channels:
        hint = "; arrays are [T, C]" if channels > limits.max_channels else ""
        raise InputError(f"{name}: {channels} channels; 1 to {limits.max_channels} can be{hint}")
    if samples > limits.max_samples or sample_rate > limits.max_sample_rate:
        raise LimitExceededError(
            f"{name}: {samples} samples at {sample_rate} Hz; the limits are {limits.max_samples} "
            f"and {limits.max_sample_rate} Hz. Raise the limits to accept it"
        )


def check_finite(block: Samples, start: int, name: str) -> None:
    """Raise InputError for NaN and infinity; `start` is the block's first sample's number."""
    # The sum tells without a second array; it may overflow though all samples are finite.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(block.sum(dtype=np.float64)):
            return
    wrong = np.flatnonzero(~np.isfinite(block).all(axis=1))
    if wrong.size:
        raise InputError(f"{name}: sample {start + int(wrong[0])} is NaN or infinite; repair it")
