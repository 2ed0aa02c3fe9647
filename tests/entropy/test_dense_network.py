"""Dense networks of whole numbers: exact in float32, and stored."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ncodec.entropy.dense_network import (
    EXACT,
    MAX_HIDDEN,
    DenseLayer,
    DenseNetwork,
    exact_products,
    quantise_dense,
)
from ncodec.errors import InputError, ModelMismatchError

KNOTS, INPUTS, HIDDEN, OUTPUTS, BOUND = 3, 40, 16, 7, 255


def network(seed: int = 0) -> DenseNetwork:
    random = np.random.default_rng(seed)
    first = quantise_dense(
        random.normal(0, 2, (HIDDEN, INPUTS)), random.normal(0, 50, (KNOTS, HIDDEN)), BOUND, 1023
    )
    second = quantise_dense(
        random.normal(0, 0.02, (OUTPUTS, HIDDEN)), random.normal(20, 5, (KNOTS, OUTPUTS)), 1023, 63
    )
    return DenseNetwork(first, second, BOUND)


def by_integers(net: DenseNetwork, inputs: NDArray[np.int64], knot: int) -> NDArray[np.int64]:
    x = inputs
    for layer in (net.first, net.second):
        sums = x @ layer.weight.T.astype(np.int64) + layer.bias[knot].astype(np.int64)
        x = (sums >> layer.shift.astype(np.int64)).clip(0, layer.high)
    return x


def run(net: DenseNetwork, inputs: NDArray[np.int64], knot: int) -> NDArray[np.int64]:
    parts = np.split(inputs.astype(np.float32), [30], axis=1)
    biases = [layer.bias[knot].astype(np.int64) for layer in (net.first, net.second)]
    found = net.at(biases)([torch.from_numpy(part) for part in parts])
    return found.numpy().astype(np.int64)


@pytest.mark.parametrize("seed", range(5))
def test_outputs_are_those_of_integer_arithmetic(seed: int) -> None:
    net = network(seed)
    inputs = np.random.default_rng(seed).integers(0, BOUND + 1, (500, INPUTS))
    for knot in range(KNOTS):
        found = run(net, inputs, knot)
        np.testing.assert_array_equal(found, by_integers(net, inputs, knot))
        assert len(np.unique(found)) > 5


def test_inputs_in_common_are_like_equal_columns() -> None:
    net = network()
    inputs = np.random.default_rng(3).integers(0, BOUND + 1, (50, INPUTS))
    inputs[:, :12] = inputs[0, :12]
    whole = torch.from_numpy(inputs.astype(np.float32))
    biases = [layer.bias[1].astype(np.int64) for layer in (net.first, net.second)]
    found = net.at(biases)([whole[:, 12:20], whole[:, 20:]], whole[0, :12])
    np.testing.assert_array_equal(found.numpy().astype(np.int64), by_integers(net, inputs, 1))


def test_outputs_are_close_to_the_float_network() -> None:
    random = np.random.default_rng(1)
    weight, bias = random.normal(0, 0.02, (OUTPUTS, HIDDEN)), random.normal(20, 5, (1, OUTPUTS))
    layer = quantise_dense(weight, bias, MAX_HIDDEN, 63)
    inputs = random.integers(0, MAX_HIDDEN + 1, (300, HIDDEN))
    sums = (inputs @ layer.weight.T + layer.bias[0]) / 2.0**layer.shift
    np.testing.assert_allclose(sums, inputs @ weight.T + bias, atol=0.1)


def test_what_is_asked_of_products_elsewhere_changes_nothing() -> None:
    net = network()
    inputs = np.random.default_rng(2).integers(0, BOUND + 1, (256, INPUTS))
    expected = run(net, inputs, 1)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            np.testing.assert_array_equal(run(net, inputs, 1), expected)
        with exact_products():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_what_is_asked_in_newer_words_changes_nothing() -> None:
    net = network()
    inputs = np.random.default_rng(2).integers(0, BOUND + 1, (256, INPUTS))
    expected = run(net, inputs, 1)
    backends: Any = torch.backends
    before = backends.mkldnn.matmul.fp32_precision, backends.cuda.matmul.fp32_precision
    backends.mkldnn.matmul.fp32_precision, backends.cuda.matmul.fp32_precision = "bf16", "tf32"
    try:
        np.testing.assert_array_equal(run(net, inputs, 1), expected)
        assert backends.mkldnn.matmul.fp32_precision == "bf16"
        assert backends.cuda.matmul.fp32_precision == "tf32"
    finally:
        backends.mkldnn.matmul.fp32_precision, backends.cuda.matmul.fp32_precision = before
        torch.set_float32_matmul_precision("highest")


def test_arrays_give_the_network_back() -> None:
    net = network()
    again = DenseNetwork.from_arrays(net.to_arrays("net"), "net")
    inputs = np.random.default_rng(3).integers(0, BOUND + 1, (20, INPUTS))
    np.testing.assert_array_equal(run(again, inputs, 2), run(net, inputs, 2))


def damaged(name: str, value: NDArray[Any] | None) -> dict[str, NDArray[Any]]:
    arrays = network().to_arrays("net")
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    return arrays


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net/bounds", None),
        ("net/bounds", np.array([255], np.int32)),
        ("net/bounds", np.array([EXACT, 1023, 63], np.int32)),
        ("net/bounds", np.array([255, 3, 63], np.int32)),
        ("net/first/weight", np.full((HIDDEN, INPUTS), 32767, np.int16)),
        ("net/first/weight", np.zeros((HIDDEN + 1, INPUTS), np.int16)),
        ("net/second/weight", np.zeros((OUTPUTS, HIDDEN), np.int32)),
        ("net/second/weight", np.zeros((OUTPUTS, HIDDEN), np.int16)),
        ("net/second/bias", np.zeros((KNOTS, OUTPUTS + 1), np.int32)),
        ("net/second/bias", np.zeros((KNOTS + 1, OUTPUTS), np.int32)),
        ("net/second/shift", np.full(OUTPUTS, 25, np.uint8)),
        ("net/selftest", np.zeros(32, np.uint8)),
    ],
)
def test_damaged_arrays_are_refused(name: str, value: NDArray[Any] | None) -> None:
    with pytest.raises(ModelMismatchError):
        DenseNetwork.from_arrays(damaged(name, value), "net")


def test_sums_that_may_not_be_exact_are_refused() -> None:
    shift = np.zeros(1, np.uint8)
    layer = DenseLayer(np.full((1, 2), 32767, np.int16), np.zeros((1, 1), np.int32), shift, 255)
    small = DenseLayer(np.ones((1, 1), np.int16), np.zeros((1, 1), np.int32), shift, 255)
    DenseNetwork(layer, small, 255)
    with pytest.raises(ModelMismatchError, match="not exact"):
        DenseNetwork(layer, small, 257)


def test_weights_beyond_exact_sums_can_not_be_quantised() -> None:
    with pytest.raises(InputError, match="too large"):
        quantise_dense(np.full((1, 4), 1e5), np.zeros((1, 1)), 255, 1023)
    with pytest.raises(InputError, match="finite"):
        quantise_dense(np.full((1, 4), np.nan), np.zeros((1, 1)), 255, 1023)
