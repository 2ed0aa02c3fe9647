"""Convolutional networks in exact integer arithmetic: the same integers on every machine.

What chooses the decoder's tables must not depend on rounding. Weights and activations are
integers of 16 bits, carried in float64 matrix products. The layer's multiplier and shift are folded
into its weights: every term is then a multiple of 2**-shift, and sums stay below 2**(53 - shift).
Such sums are exact in any order, so threads, batch size and libraries cannot change the result.
Requantisation follows Ballé, Johnston and Minnen, "Integer networks for data compression with
latent-variable models" (2019), with a 15-bit multiplier a channel and one shift a layer.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ncodec.entropy.tables import take
from ncodec.errors import InputError, ModelMismatchError

MAX_ACTIVATION = 65_535
MAX_MULTIPLIER = 32_767
MAX_WEIGHT = 32_767
MAX_INPUT = 1 << 20
MAX_LAYERS = 64
MAX_SHIFT = 48
_FIELDS = (("weight", np.int16, 4), ("bias", np.int64, 1), ("multiplier", np.int32, 1))


@dataclass(frozen=True)
class IntegerLayer:
    """A convolution with zero padding, requantised and clamped.

    `out = clamp((conv(x, weight) + bias) * multiplier + 2**(shift - 1) >> shift, low, high)`, then
    a pixel shuffle by 2 if `shuffle`.

    Attributes:
        weight: int16 `[out, in, k, k]`, k 1 or 3.
        bias: int64 `[out]`.
        multiplier: int32 `[out]`, 0..32767.
        shift: 1..48.
        shuffle: whether 4 channels become 2 x 2 pixels afterwards.
        low: smallest output; 0 in all layers but the last, which makes the clamp a ReLU.
        high: largest output; at most 65535.
    """

    weight: NDArray[np.int16]
    bias: NDArray[np.int64]
    multiplier: NDArray[np.int32]
    shift: int
    shuffle: bool
    low: int
    high: int


class IntegerNetwork:
    """A chain of integer layers, always run on the CPU."""

    def __init__(
        self,
        layers: Sequence[IntegerLayer],
        input_bound: int,
        probe: NDArray[np.int32] | None = None,
        probe_sha256: bytes | None = None,
    ) -> None:
        """Check that the layers are exact, and make them ready.

        Args:
            layers: the layers, first to last.
            input_bound: inputs are clamped to `-input_bound .. input_bound`.
            probe: int32 `[1, channels, h, w]`, the self-test's input; random by default.
            probe_sha256: SHA-256 of all layers' outputs for `probe`; by default computed.

        Raises:
            ModelMismatchError: the layers don't fit each other, or could leave exact arithmetic.
        """
        if not 1 <= len(layers) <= MAX_LAYERS or not 1 <= input_bound <= MAX_INPUT:
            raise ModelMismatchError(
                f"{len(layers)} layers, inputs up to {input_bound}: impossible"
            )
        _check_chain(layers, input_bound)
        self.layers = tuple(layers)
        self.input_bound = input_bound
        self.input_channels = int(layers[0].weight.shape[1])
        self.output_channels = len(layers[-1].bias) // (4 if layers[-1].shuffle else 1)
        self._steps = [_Step(layer) for layer in layers]
        self._probe = self._default_probe() if probe is None else probe
        self._probe_sha256 = self._run_probe() if probe_sha256 is None else probe_sha256

    def __call__(self, latent: torch.Tensor) -> torch.Tensor:
        """The network's output: whole numbers, float64 `[B, C_out, H_out, W_out]` on the CPU.

        Args:
            latent: whole numbers `[B, C, H, W]` on any device, of an integer type or float64;
                clamped to the input bound. It runs fastest with channels last in memory.

        Raises:
            InputError: the tensor has another shape or type.
        """
        if latent.ndim != 4 or latent.shape[1] != self.input_channels or not _is_whole(latent):
            raise InputError(
                f"{latent.dtype} {tuple(latent.shape)} where whole numbers "
                f"[B, {self.input_channels}, H, W] are needed"
            )
        x = self._clamped(latent)
        for step in self._steps:
            x = step(x)
        return x

    def self_test(self) -> None:
        """Run the stored input and compare the outputs' hash; takes about a millisecond.

        Raises:
            ModelMismatchError: this machine computes other integers than the model's maker did.
        """
        if self._run_probe() != self._probe_sha256:
            raise ModelMismatchError(
                "the integer network fails its self-test: damaged weights, or arithmetic on this "
                "machine that is not exact"
            )

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) over everything that the output depends on."""
        hasher = hashlib.sha256(b"%d %d" % (self.input_bound, len(self.layers)))
        for layer in self.layers:
            row = [*layer.weight.shape, *_settings(layer)]
            hasher.update(np.array(row, "<i8").tobytes())
            for name, _, _ in _FIELDS:
                hasher.update(getattr(layer, name).astype("<i8").tobytes())
        return hasher.digest()

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Arrays to store, the self-test's among them; all names start with `prefix/`."""
        arrays: dict[str, NDArray[Any]] = {
            f"{prefix}/input_bound": np.array([self.input_bound], np.int64),
            f"{prefix}/layers": np.array([_settings(layer) for layer in self.layers], np.int64),
            f"{prefix}/selftest/input": self._probe,
            f"{prefix}/selftest/sha256": np.frombuffer(self._probe_sha256, np.uint8).copy(),
        }
        for i, layer in enumerate(self.layers):
            arrays |= {f"{prefix}/{i}/{name}": getattr(layer, name) for name, _, _ in _FIELDS}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str) -> "IntegerNetwork":
        """The network from the arrays that `to_arrays` gave, self-tested.

        Raises:
            ModelMismatchError: an array is missing or impossible, or the self-test fails.
        """
        table = _typed(arrays, f"{prefix}/layers", np.int64, 2)
        bound = _typed(arrays, f"{prefix}/input_bound", np.int64, 1)
        if table.shape[1] != 4 or len(table) > MAX_LAYERS or bound.size != 1:
            raise ModelMismatchError(f"{prefix}: layer settings of shape {table.shape}")
        layers = []
        for i, (shift, shuffle, low, high) in enumerate(table.tolist()):
            fields = [_typed(arrays, f"{prefix}/{i}/{n}", dtype, d) for n, dtype, d in _FIELDS]
            weight, bias, multiplier = fields
            settings = (shift, bool(shuffle), low, high)
            layers.append(IntegerLayer(weight, bias, multiplier, *settings))
        probe = _typed(arrays, f"{prefix}/selftest/input", np.int32, 4)
        if not layers or probe.shape[1] != layers[0].weight.shape[1] or probe.size > MAX_INPUT:
            raise ModelMismatchError(f"{prefix}: a self-test input of shape {probe.shape}")
        expected = _typed(arrays, f"{prefix}/selftest/sha256", np.uint8, 1).tobytes()
        network = cls(layers, int(bound[0]), probe, expected)
        network.self_test()
        return network

    def _default_probe(self) -> NDArray[np.int32]:
        """Random integers with magnitudes from 1 to the input bound, as likely in each octave."""
        random = np.random.default_rng(0)
        shape = (1, self.input_channels, 4, 4)
        magnitude = np.exp2(random.uniform(0, np.log2(self.input_bound + 1), shape))
        probe: NDArray[np.float64] = np.floor(magnitude) * random.choice([-1, 0, 1], shape)
        return probe.astype(np.int32)

    def _run_probe(self) -> bytes:
        """SHA-256 over the outputs of all layers: clamps hide what went wrong before them."""
        x, hasher = self._clamped(torch.from_numpy(self._probe)), hashlib.sha256()
        for step in self._steps:
            x = step(x)
            hasher.update(x.contiguous().numpy().astype("<i8").tobytes())
        return hasher.digest()

    def _clamped(self, latent: torch.Tensor) -> torch.Tensor:
        wide = latent.detach().to("cpu", torch.float64)
        return wide.clamp(-self.input_bound, self.input_bound)


class _Step:
    """One layer, ready to run."""

    def __init__(self, layer: IntegerLayer) -> None:
        """Turn the arrays into tensors: taps [k, k, in, out] and a bias that rounds as well."""
        factor = layer.multiplier * 2.0**-layer.shift
        taps = layer.weight.transpose(2, 3, 1, 0) * factor
        self.taps = torch.from_numpy(np.ascontiguousarray(taps))
        self.bias = torch.from_numpy(layer.bias * factor + 0.5)
        self.layer = layer

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        batch, _, height, width = x.shape
        out = self._convolve(x.permute(0, 2, 3, 1)).floor_()
        out = out.clamp_(self.layer.low, self.layer.high)
        out = out.reshape(batch, height, width, len(self.bias)).permute(0, 3, 1, 2)
        return F.pixel_shuffle(out, 2) if self.layer.shuffle else out

    def _convolve(self, x: torch.Tensor) -> torch.Tensor:
        """Channels last [B, H, W, in] -> rows [B H W, out].

        One matrix product a tap: plain sums only, and no buffer of unfolded inputs.
        """
        size, (height, width, channels) = len(self.taps), x.shape[1:]
        padded = F.pad(x, [0, 0, *[size // 2] * 4])
        total = self.bias.repeat(x.shape[:3].numel(), 1)
        for dy in range(size):
            for dx in range(size):
                window = padded[:, dy : dy + height, dx : dx + width]
                total.addmm_(window.reshape(len(total), channels), self.taps[dy, dx])
        return total


def quantise_network(
    float_layers: Sequence[tuple[torch.Tensor, torch.Tensor, bool]],
    calibration: Sequence[torch.Tensor],
    *,
    output_scale: float,
    low: int,
    high: int,
    input_bound: int,
    head_room: float = 2.0,
) -> IntegerNetwork:
    """Post-training quantisation: an integer network close to a float one. For export only.

    The result approximates `clamp(round(output * output_scale), low, high)`.

    Args:
        float_layers: `(weight [out, in, k, k], bias [out], shuffle)` of each layer, with a ReLU
            between layers; a pixel shuffle by 2 follows where `shuffle`.
        calibration: integer-valued inputs `[B, C, H, W]`, like those to come.
        output_scale: output steps per unit of the float output.
        low: smallest output.
        high: largest output.
        input_bound: inputs beyond are clamped.
        head_room: activations up to this multiple of the largest one seen are not clamped.

    Raises:
        InputError: nothing to calibrate with, or values that are not finite.
        ModelMismatchError: the result would not be exact.
    """
    peaks = _activation_peaks(float_layers, calibration)
    bounds = [input_bound, *[MAX_ACTIVATION] * (len(float_layers) - 1)]
    scales = [1.0, *(MAX_ACTIVATION / (head_room * peak) for peak in peaks[:-1]), output_scale]
    layers = []
    for i, (weight, bias, shuffle) in enumerate(float_layers):
        last = i == len(float_layers) - 1
        clamp = (low, high) if last else (0, MAX_ACTIVATION)
        arrays = _quantised(_numpy(weight), _numpy(bias), scales[i], scales[i + 1], bounds[i])
        layers.append(IntegerLayer(*arrays, shuffle, *clamp))
    return IntegerNetwork(layers, input_bound)


def quantise_activations(
    float_layers: Sequence[tuple[torch.Tensor, torch.Tensor, bool]],
    calibration: Sequence[torch.Tensor],
    input_bound: int,
    head_room: float = 2.0,
) -> tuple[IntegerNetwork, float]:
    """A network whose last layer has a ReLU as well, and the steps per unit of its output.

    The steps are chosen as those between layers are. Arguments and errors as of
    `quantise_network`.
    """
    scale = MAX_ACTIVATION / (head_room * _activation_peaks(float_layers, calibration)[-1])
    network = quantise_network(
        float_layers,
        calibration,
        output_scale=scale,
        low=0,
        high=MAX_ACTIVATION,
        input_bound=input_bound,
        head_room=head_room,
    )
    return network, scale


def _quantised(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    scale_in: float,
    scale_out: float,
    bound: int,
) -> tuple[NDArray[np.int16], NDArray[np.int64], NDArray[np.int32], int]:
    """Integer weight, bias, multiplier and shift for inputs and outputs in given steps per unit.

    The multiplier is rounded up first and the weight's scale then follows from it, so that only
    the weight's own rounding is an error. `bound` is the largest input; no output times 2**shift
    comes near 2**53.
    """
    reach = (np.abs(weight).sum(axis=(1, 2, 3)) * bound / scale_in + np.abs(bias)) * scale_out
    peak = np.abs(weight).max(axis=(1, 2, 3))
    smallest = peak / MAX_WEIGHT * (scale_out / scale_in)
    with np.errstate(divide="ignore"):  # all weights 0: any shift will do
        shift = int(min(np.log2(MAX_MULTIPLIER / smallest.max()), 32, 52 - np.log2(reach.max())))
    multiplier = np.maximum(np.ceil(smallest * 2.0**shift), 1)
    scale = 2.0**shift / multiplier * (scale_out / scale_in)
    steps = np.rint(weight * scale[:, None, None, None])
    offset = np.rint(bias * (scale * scale_in)).clip(-(2.0**53), 2.0**53)
    return steps.astype(np.int16), offset.astype(np.int64), multiplier.astype(np.int32), shift


def _activation_peaks(
    float_layers: Sequence[tuple[torch.Tensor, torch.Tensor, bool]],
    calibration: Sequence[torch.Tensor],
) -> list[float]:
    """The largest output of each layer over the calibration inputs; 1 where none is positive."""
    peaks = [0.0] * len(float_layers)
    with torch.no_grad():
        for batch in calibration:
            x = batch.detach().double().cpu()
            for i, (weight, bias, shuffle) in enumerate(float_layers):
                kernel = weight.detach().double().cpu()
                x = F.conv2d(x, kernel, bias.detach().double().cpu(), padding=kernel.shape[-1] // 2)
                peaks[i] = max(peaks[i], float(x.max()))
                x = F.relu(F.pixel_shuffle(x, 2) if shuffle else x)
    if not calibration or not np.isfinite(peaks).all():
        raise InputError("calibration needs inputs, and weights that give finite activations")
    return [peak or 1.0 for peak in peaks]


def _check_chain(layers: Sequence[IntegerLayer], input_bound: int) -> None:
    for i, layer in enumerate(layers):
        _check_arrays(layer, f"layer {i}")
        _check_settings(layer, f"layer {i}", last=i == len(layers) - 1)
    channels, largest = layers[0].weight.shape[1], input_bound
    for i, layer in enumerate(layers):
        if layer.weight.shape[1] != channels:
            raise ModelMismatchError(f"layer {i}: {layer.weight.shape} after {channels} channels")
        _check_exact(layer, f"layer {i}", largest)
        channels = len(layer.bias) // (4 if layer.shuffle else 1)
        largest = layer.high


def _check_arrays(layer: IntegerLayer, name: str) -> None:
    for field, dtype, ndim in _FIELDS:
        array = getattr(layer, field)
        if array.dtype != dtype or array.ndim != ndim or array.size == 0:
            raise ModelMismatchError(f"{name}: {field} is {array.dtype} {array.shape}")
    out, _, *kernel = layer.weight.shape
    if not len(layer.bias) == len(layer.multiplier) == out or kernel not in ([1, 1], [3, 3]):
        raise ModelMismatchError(f"{name}: weight {layer.weight.shape}, bias {layer.bias.shape}")
    if layer.shuffle and out % 4:
        raise ModelMismatchError(f"{name}: {out} channels can't be shuffled by 2")


def _check_settings(layer: IntegerLayer, name: str, *, last: bool) -> None:
    if not (1 <= layer.shift <= MAX_SHIFT and 0 <= layer.high <= MAX_ACTIVATION):
        raise ModelMismatchError(f"{name}: shift {layer.shift}, outputs up to {layer.high}")
    if not -MAX_ACTIVATION <= layer.low <= layer.high or (layer.low != 0 and not last):
        raise ModelMismatchError(f"{name}: outputs from {layer.low}; 0 but in the last layer")
    if layer.multiplier.min() < 0 or layer.multiplier.max() > MAX_MULTIPLIER:
        raise ModelMismatchError(f"{name}: multipliers must lie in 0..{MAX_MULTIPLIER}")


def _check_exact(layer: IntegerLayer, name: str, largest: int) -> None:
    """Prove that no sum leaves the whole numbers that float64 holds."""
    norms = np.abs(layer.weight.astype(np.int64)).sum(axis=(1, 2, 3)).tolist()
    bounds = [largest * n + abs(b) for n, b in zip(norms, layer.bias.tolist(), strict=True)]
    products = [b * m for b, m in zip(bounds, layer.multiplier.tolist(), strict=True)]
    if max(products) + (1 << layer.shift) >= 1 << 53:
        raise ModelMismatchError(f"{name}: sums may reach {max(products)}: not exact")


def _settings(layer: IntegerLayer) -> list[int]:
    return [layer.shift, int(layer.shuffle), layer.low, layer.high]


def _typed(
    arrays: Mapping[str, NDArray[Any]], name: str, dtype: type[np.generic], ndim: int
) -> NDArray[Any]:
    array = take(arrays, name)
    if array.dtype != dtype or array.ndim != ndim:
        raise ModelMismatchError(f"{name} is {array.dtype} {array.shape}")
    return array


def _is_whole(tensor: torch.Tensor) -> bool:
    integers = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)
    return tensor.dtype in (*integers, torch.float64)


def _numpy(tensor: torch.Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.detach().double().cpu().numpy()
    if not np.isfinite(array).all():
        raise InputError("a weight or bias is not finite")
    return array
