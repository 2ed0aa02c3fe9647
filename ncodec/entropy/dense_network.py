"""Two dense layers in exact integer arithmetic, for many rows at once: fast, and alike everywhere.

`IntegerNetwork` is for convolutions with many channels; its sums need float64. Here weights are
scaled so that no sum leaves the integers below 2**24, which float32 holds exactly: products take
half of the time, and so does everything around them. Each output has a shift of its own, so that
weights keep 8 to 15 bits.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.entropy.tables import take
from ncodec.errors import InputError, ModelMismatchError

EXACT = 1 << 24
MAX_HIDDEN = 1023
MAX_WEIGHT = 32_767
MAX_SHIFT = 24
_PROBE_ROWS = 8


@dataclass(frozen=True)
class DenseLayer:
    """out = clamp((x weight + bias[.]) >> shift, 0, high); one row of biases is in force.

    Attributes:
        weight: int16 `[out, in]`.
        bias: int32 `[knots, out]`.
        shift: uint8 `[out]`, 0..24.
        high: largest output.
    """

    weight: NDArray[np.int16]
    bias: NDArray[np.int32]
    shift: NDArray[np.uint8]
    high: int


class DenseNetwork:
    """Two layers, always run on the CPU; inputs are whole numbers 0..`input_bound`."""

    def __init__(self, first: DenseLayer, second: DenseLayer, input_bound: int) -> None:
        """Check that no sum can leave exact arithmetic; raises `ModelMismatchError`."""
        _check(first, input_bound)
        _check(second, first.high)
        if len(first.shift) != second.weight.shape[1] or len(first.bias) != len(second.bias):
            raise ModelMismatchError(f"dense layer {first.weight.shape} into {second.weight.shape}")
        self.first, self.second, self.input_bound = first, second, input_bound
        self.inputs, self.outputs = first.weight.shape[1], len(second.shift)
        # Powers of two move no digit: what is scaled here need not be shifted after the products.
        self._factors = [
            torch.from_numpy(np.float32(2.0) ** -layer.shift.astype(np.float32))
            for layer in (first, second)
        ]
        self._weights = [
            torch.from_numpy(np.ascontiguousarray(layer.weight.T, np.float32)).mul_(factor)
            for layer, factor in zip((first, second), self._factors, strict=True)
        ]

    def at(
        self, biases: Sequence[NDArray[np.int64]], columns: Tensor | None = None
    ) -> "DenseFunction":
        """The function that the network is with given biases.

        Args:
            biases: of both layers, `[out]` each, between those of two knots.
            columns: which inputs it takes, `[.]`; the others are 0. None: all.
        """
        first = self._weights[0] if columns is None else self._weights[0][columns]
        pairs = zip(biases, self._factors, strict=True)
        scaled = [torch.from_numpy(bias).float() * factor for bias, factor in pairs]
        return DenseFunction((first, self._weights[1]), scaled, (self.first.high, self.second.high))

    def self_test(self, expected: bytes) -> None:
        """Raise `ModelMismatchError` if this machine computes others than the model's maker did."""
        if self.probe() != expected:
            raise ModelMismatchError(
                "a dense network fails its self-test: damaged weights, or arithmetic on this "
                "machine that is not exact"
            )

    def probe(self) -> bytes:
        """SHA-256 of the outputs for inputs that are always the same."""
        random = np.random.default_rng(0)
        values = random.integers(0, self.input_bound + 1, (_PROBE_ROWS, self.inputs))
        inputs = torch.from_numpy(values.astype(np.float32))
        hasher = hashlib.sha256()
        for pair in zip(self.first.bias, self.second.bias, strict=True):
            found = self.at([bias.astype(np.int64) for bias in pair])([inputs])
            hasher.update(found.numpy().astype("<i4").tobytes())
        return hasher.digest()

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Arrays to store, the self-test's hash among them; all names start with `prefix/`."""
        arrays: dict[str, NDArray[Any]] = {
            f"{prefix}/bounds": np.array(
                [self.input_bound, self.first.high, self.second.high], np.int32
            ),
            f"{prefix}/selftest": np.frombuffer(self.probe(), np.uint8).copy(),
        }
        for name, layer in (("first", self.first), ("second", self.second)):
            arrays[f"{prefix}/{name}/weight"] = layer.weight
            arrays[f"{prefix}/{name}/bias"] = layer.bias
            arrays[f"{prefix}/{name}/shift"] = layer.shift
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str) -> "DenseNetwork":
        """The network from the arrays that `to_arrays` gave, self-tested."""
        bounds = _typed(arrays, f"{prefix}/bounds", np.int32, 1)
        if len(bounds) != 3:
            raise ModelMismatchError(f"{prefix}: {len(bounds)} bounds")
        layers = []
        for name, high in (("first", bounds[1]), ("second", bounds[2])):
            weight = _typed(arrays, f"{prefix}/{name}/weight", np.int16, 2)
            bias = _typed(arrays, f"{prefix}/{name}/bias", np.int32, 2)
            shift = _typed(arrays, f"{prefix}/{name}/shift", np.uint8, 1)
            layers.append(DenseLayer(weight, bias, shift, int(high)))
        network = cls(layers[0], layers[1], int(bounds[0]))
        network.self_test(_typed(arrays, f"{prefix}/selftest", np.uint8, 1).tobytes())
        return network


@dataclass(frozen=True)
class DenseFunction:
    """A `DenseNetwork` with the biases of one rate.

    Of both layers weights and biases, each output's shifted, and the largest output.
    """

    weights: Sequence[Tensor]
    biases: Sequence[Tensor]
    highs: Sequence[int]

    def __call__(self, parts: Sequence[Tensor], common: Tensor | None = None) -> Tensor:
        """Outputs float32 `[n, out]`, whole numbers, of such inputs `[n, .]` side by side.

        Before them may stand inputs `[.]` that all rows have in common.
        """
        with exact_products():
            sums, start = self.biases[0], 0
            if common is not None:
                start = len(common)
                sums = torch.addmv(sums, self.weights[0][:start].T, common)
            sums = sums.expand(len(parts[0]), -1)
            for part in parts:
                rows = self.weights[0][start : start + part.shape[1]]
                sums, start = torch.addmm(sums, part, rows), start + part.shape[1]
            hidden = sums.floor_().clamp_(0, self.highs[0])
            found = torch.addmm(self.biases[1], hidden, self.weights[1])
        return found.floor_().clamp_(0, self.highs[1])


def exact_products() -> AbstractContextManager[None]:
    """Products of float32 matrices in whole float32, whatever was asked for elsewhere."""
    # Looking is much cheaper than changing what is mostly as it should be.
    plain = _asked_precision() == "highest"
    return nullcontext() if plain and not torch.is_autocast_enabled("cpu") else _exact_products()


def _asked_precision() -> str | None:
    """As `torch.set_float32_matmul_precision` has it; None if it was set by newer ways alone."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


@contextmanager
def _exact_products() -> Iterator[None]:
    asked = _asked_precision()
    backends: Any = (torch.backends.mkldnn, torch.backends.cuda)
    newer = [backend.matmul.fp32_precision for backend in backends if asked is None]
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast("cpu", enabled=False):
            yield
    finally:
        if asked is not None:
            torch.set_float32_matmul_precision(asked)
        for backend, precision in zip(backends, newer, strict=False):
            backend.matmul.fp32_precision = precision


def quantise_dense(
    weight: NDArray[np.float64], bias: NDArray[np.float64], input_bound: int, high: int
) -> DenseLayer:
    """The layer whose outputs are close to floor(x weight + bias), with weights as fine as can be.

    Args:
        weight: `[out, in]`.
        bias: `[knots, out]`.
        input_bound: largest input.
        high: largest output.

    Raises:
        InputError: a value is not finite, or so large that sums would not be exact.
    """
    reach = input_bound * np.abs(weight).sum(1) + np.abs(bias).max(0) + 1
    peak = np.maximum(np.abs(weight).max(1), 1e-12)
    if not np.isfinite(reach).all():
        raise InputError("a weight or bias is not finite")
    # Rounding adds at most half of a step to every weight.
    room = EXACT - 1 - input_bound * weight.shape[1]
    shift = np.floor(np.minimum(np.log2(room / reach), np.log2(MAX_WEIGHT / peak)))
    if shift.min() < 0:
        raise InputError("weights too large for exact sums")
    shift = shift.clip(0, MAX_SHIFT)
    factor = 2.0**shift
    return DenseLayer(
        np.rint(weight * factor[:, None]).astype(np.int16),
        np.rint(bias * factor).astype(np.int32),
        shift.astype(np.uint8),
        high,
    )


def _check(layer: DenseLayer, input_bound: int) -> None:
    out, inputs = layer.weight.shape
    if not (out and inputs and len(layer.bias) and layer.bias.shape[1] == len(layer.shift) == out):
        raise ModelMismatchError(f"dense layer {layer.weight.shape}, bias {layer.bias.shape}")
    if not 0 <= layer.high < EXACT or not 0 < input_bound < EXACT or layer.shift.max() > MAX_SHIFT:
        raise ModelMismatchError(f"dense layer: outputs up to {layer.high}, inputs {input_bound}")
    sums = input_bound * np.abs(layer.weight.astype(np.int64)).sum(1)
    sums = sums + np.abs(layer.bias.astype(np.int64)).max(0)
    if sums.max() >= EXACT:
        raise ModelMismatchError(f"dense layer: sums may reach {sums.max()}: not exact")


def _typed(
    arrays: Mapping[str, NDArray[Any]], name: str, dtype: type[np.generic], ndim: int
) -> NDArray[Any]:
    array = take(arrays, name)
    if array.dtype != dtype or array.ndim != ndim:
        raise ModelMismatchError(f"{name} is {array.dtype} {array.shape}")
    return array
