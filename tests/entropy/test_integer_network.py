from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ncodec.entropy.integer_network import IntegerLayer, IntegerNetwork, quantise_network
from ncodec.errors import InputError, ModelMismatchError

FloatLayers = list[tuple[torch.Tensor, torch.Tensor, bool]]


def random_layer(
    channels: int,
    out: int,
    size: int,
    *,
    shuffle: bool,
    shift: int = 34,
    low: int = 0,
    high: int = 65_535,
) -> IntegerLayer:
    random = np.random.default_rng(channels * 100 + out)
    return IntegerLayer(
        weight=random.integers(-32_768, 32_768, (out, channels, size, size)).astype(np.int16),
        bias=random.integers(-(2**22), 2**22, out),
        multiplier=random.integers(0, 32_768, out).astype(np.int32),
        shift=shift,
        shuffle=shuffle,
        low=low,
        high=high,
    )


def network() -> IntegerNetwork:
    layers = [
        random_layer(5, 24, 3, shuffle=True, shift=23),
        random_layer(6, 8, 1, shuffle=False, high=1000),
        random_layer(8, 12, 3, shuffle=True, low=-40, high=63),
    ]
    return IntegerNetwork(layers, input_bound=127)


def random_input(*shape: int) -> torch.Tensor:
    return torch.randint(-140, 141, shape, generator=torch.Generator().manual_seed(1))


def reference(net: IntegerNetwork, latent: NDArray[np.int64]) -> NDArray[np.int64]:
    """The network in int64 alone, written from the specification."""
    x = np.clip(latent, -net.input_bound, net.input_bound)
    for layer in net.layers:
        size = layer.weight.shape[-1]
        margin = size // 2
        padded = np.pad(x, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
        h, w = x.shape[2:]
        taps = layer.weight.astype(np.int64)
        acc = sum(
            np.einsum("bihw,oi->bohw", padded[:, :, i : i + h, j : j + w], taps[:, :, i, j])
            for i, j in np.ndindex(size, size)
        )
        acc = (acc + layer.bias[:, None, None]) * layer.multiplier[:, None, None]
        x = np.clip((acc + (1 << layer.shift - 1)) >> layer.shift, layer.low, layer.high)
        if layer.shuffle:
            b, c, h, w = x.shape
            x = x.reshape(b, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3)
            x = x.reshape(b, c // 4, 2 * h, 2 * w)
    return x


@pytest.mark.parametrize("shape", [(1, 5, 1, 1), (2, 5, 4, 7), (1, 5, 9, 2)])
def test_output_is_exactly_that_of_integer_arithmetic(shape: tuple[int, ...]) -> None:
    net, latent = network(), random_input(*shape)
    output = net(latent)
    assert output.dtype == torch.float64
    assert (output.numpy() == reference(net, latent.numpy())).all()
    assert shape[-1] == 1 or len(np.unique(output.numpy())) > 20


def test_arithmetic_stays_exact_next_to_the_bound() -> None:
    layer = random_layer(512, 4, 1, shuffle=False, low=-65_535)
    layer = replace(layer, weight=np.full_like(layer.weight, 32_767), shift=48)
    multiplier = np.array([1, 2, 3, 480], np.int32)
    bias = (2**53 - 1 - 2**48) // multiplier.astype(np.int64) - 512 * 32_767 * 2**20
    layer = replace(layer, multiplier=multiplier, bias=bias)
    net = IntegerNetwork([layer], input_bound=2**20)
    latent = torch.full((1, 512, 1, 1), 2**20)
    latent[0, 0] -= 1
    assert (net(latent).numpy() == reference(net, latent.numpy())).all()


def test_threads_layout_batch_and_type_do_not_matter() -> None:
    net, latent = network(), random_input(3, 5, 12, 10)
    output = net(latent)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            assert torch.equal(net(latent), output)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(net(latent.to(memory_format=torch.channels_last)), output)
    assert torch.equal(net(latent.to(torch.int16)), output)
    assert torch.equal(net(latent.to(torch.float64)), output)
    assert torch.equal(torch.cat([net(one[None]) for one in latent]), output)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net(latent), output)


def test_storage_gives_the_same_network_back() -> None:
    net, latent = network(), random_input(1, 5, 6, 6)
    arrays = net.to_arrays("entropy/scale")
    back = IntegerNetwork.from_arrays(arrays, "entropy/scale")
    assert torch.equal(back(latent), net(latent))
    assert back.digest() == net.digest()
    assert back.to_arrays("entropy/scale").keys() == arrays.keys()


def test_every_change_changes_the_digest() -> None:
    layers = list(network().layers)
    weight, bias = layers[2].weight.copy(), layers[2].bias.copy()
    weight[0, 0, 0, 0] ^= 1
    bias[0] ^= 1
    changes: list[dict[str, Any]] = [{}, {"weight": weight}, {"bias": bias}, {"shift": 33}]
    changes += [{"low": -39}, {"high": 62}, {"shuffle": False}]
    digests = {
        IntegerNetwork([*layers[:2], replace(layers[2], **change)], 127).digest()
        for change in changes
    }
    assert len(digests | {IntegerNetwork(layers, 126).digest()}) == len(changes) + 1


def test_the_self_test_notices_a_changed_weight() -> None:
    arrays = network().to_arrays("s")
    arrays["s/1/weight"] = arrays["s/1/weight"] + np.int16(1)
    with pytest.raises(ModelMismatchError, match="self-test"):
        IntegerNetwork.from_arrays(arrays, "s")


@pytest.mark.parametrize("name", sorted(network().to_arrays("s")))
def test_missing_or_misshapen_arrays_are_refused(name: str) -> None:
    arrays = network().to_arrays("s")
    for wrong in (arrays[name][None], arrays[name].astype(np.float32), arrays[name][:0]):
        with pytest.raises(ModelMismatchError):
            IntegerNetwork.from_arrays({**arrays, name: wrong}, "s")
    del arrays[name]
    with pytest.raises(ModelMismatchError):
        IntegerNetwork.from_arrays(arrays, "s")


@pytest.mark.parametrize(
    "change",
    [
        {"shift": 0},
        {"shift": 49},
        {"low": -1},
        {"low": 10, "high": 9},
        {"high": 65_536},
        {"high": -1, "low": -1},
        {"shuffle": True},
        {"multiplier": np.full(6, -1, np.int32)},
        {"multiplier": np.full(6, 32_768, np.int32)},
        {"multiplier": np.full(5, 1, np.int32)},
        {"bias": np.full(6, 2**53)},
        {"bias": np.full(6, -(2**63))},
        {"bias": np.full(6, 2**52), "multiplier": np.full(6, 4096, np.int32)},
        {"weight": np.zeros((6, 4, 2, 2), np.int16)},
        {"weight": np.zeros((6, 3, 1, 1), np.int16)},
        {"weight": np.zeros((6, 0, 1, 1), np.int16)},
        {"weight": np.zeros((6, 4, 1, 1), np.int32)},
        {"weight": np.zeros((6, 4), np.int16)},
    ],
)
def test_impossible_layers_are_refused(change: dict[str, Any]) -> None:
    first = random_layer(2, 4, 1, shuffle=False)
    middle = random_layer(4, 6, 1, shuffle=False)
    last = random_layer(6, 2, 1, shuffle=False)
    IntegerNetwork([first, middle, last], 100)
    with pytest.raises(ModelMismatchError):
        IntegerNetwork([first, replace(middle, **change), last], 100)


@pytest.mark.parametrize("bound", [0, 2**20 + 1])
def test_impossible_input_bounds_are_refused(bound: int) -> None:
    with pytest.raises(ModelMismatchError):
        IntegerNetwork([random_layer(2, 4, 1, shuffle=False)], bound)


@pytest.mark.parametrize(
    "latent",
    [torch.zeros(1, 5, 2, 2), torch.zeros(1, 4, 2, 2).long(), torch.zeros(5, 2, 2).long()],
)
def test_inputs_of_the_wrong_type_or_shape_are_refused(latent: torch.Tensor) -> None:
    with pytest.raises(InputError):
        network()(latent)


def float_network() -> FloatLayers:
    generator = torch.Generator().manual_seed(2)

    def layer(
        channels: int, out: int, size: int, shuffle: bool
    ) -> tuple[torch.Tensor, torch.Tensor, bool]:
        spread = torch.logspace(-2, 0, out)[torch.randperm(out, generator=generator)]
        weight = torch.randn(out, channels, size, size, generator=generator)
        weight = weight * spread[:, None, None, None] / (channels * size**2) ** 0.5
        return weight, torch.randn(out, generator=generator) * 0.1, shuffle

    return [layer(16, 64, 3, True), layer(16, 32, 3, False), layer(32, 48, 1, True)]


def run_float(layers: FloatLayers, x: torch.Tensor) -> torch.Tensor:
    x = x.double()
    for i, (weight, bias, shuffle) in enumerate(layers):
        x = F.conv2d(x, weight.double(), bias.double(), padding=weight.shape[-1] // 2)
        x = F.pixel_shuffle(x, 2) if shuffle else x
        x = F.relu(x) if i < len(layers) - 1 else x
    return x


def quantised(change: Callable[[FloatLayers], None] = lambda _: None) -> IntegerNetwork:
    layers = float_network()
    change(layers)
    calibration = [torch.randint(-9, 10, (2, 16, 8, 8), generator=torch.Generator().manual_seed(7))]
    return quantise_network(
        layers, calibration, output_scale=60.0, low=-300, high=300, input_bound=64
    )


def test_quantised_networks_stay_close_to_the_float_ones() -> None:
    net, layers = quantised(), float_network()
    latent = torch.randint(-9, 10, (3, 16, 9, 6), generator=torch.Generator().manual_seed(8))
    exact = run_float(layers, latent) * 60.0
    output = net(latent)
    assert exact.abs().max() < 300
    assert exact.std() > 5
    assert (output - exact).abs().max() < 0.52
    assert (output != exact.round()).double().mean() < 0.01


def test_quantised_networks_clamp_to_their_range() -> None:
    output = quantised()(torch.randint(-64, 65, (1, 16, 8, 8)) * 100)
    assert output.min() >= -300
    assert output.max() <= 300


def test_dead_channels_and_layers_quantise_to_their_biases() -> None:
    def kill(layers: FloatLayers) -> None:
        layers[0][0][:8] = 0
        layers[2][0][:] = 0

    layers = float_network()
    output = quantised(kill)(torch.zeros(1, 16, 1, 1).long())
    expected = F.pixel_shuffle((layers[2][1] * 60).round()[None, :, None, None], 2)
    assert (output[:, :, :2, :2] == expected).all()


def test_quantising_without_sense_is_refused() -> None:
    def spoil(layers: FloatLayers) -> None:
        layers[1][0][0, 0, 0, 0] = float("nan")

    with pytest.raises(InputError):
        quantised(spoil)
    with pytest.raises(InputError):
        quantise_network(float_network(), [], output_scale=1, low=0, high=63, input_bound=64)
