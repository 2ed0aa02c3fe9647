"""From a training checkpoint to a weights file, for the `walloc` codec."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ncodec.codecs.rate_steps import KNOT_STEPS, RATE_STEPS
from ncodec.codecs.walloc_coding import symbols_of
from ncodec.codecs.walloc_latents import LatentCoder, meaning
from ncodec.codecs.walloc_scales import LEVEL_BOUND, LEVELS, START_FRACTION, level_bound
from ncodec.entropy import Tables
from ncodec.entropy.build import count_symbols, counted_tables
from ncodec.entropy.dense_network import EXACT, MAX_HIDDEN, DenseNetwork, quantise_dense
from ncodec.models.prediction import Predictors
from ncodec.models.rates import KNOTS, LOG_SCALE_STEP, SCALE_MIN, SCALES
from ncodec.models.walloc import TRAINING_ONLY, ScaleNetwork, Walloc, by_row
from ncodec.models.walloc_medium import SOUND, hidden_units, used_kinds
from ncodec.training.counted import CountingRounding, counted
from ncodec.training.walloc_fill import fill_arrays
from ncodec.training.weights_file import Arrays, shipped, write_weights

CALIBRATION_CROPS, COUNTED_CROPS, CHANNEL_CROPS = 24, 160, 6
CROP = 384
HEAD_ROOM = 1.5
PREDICTOR_ROWS = SOUND.seen_groups * (len(used_kinds(SOUND)) - 1)
PREDICTOR_WEIGHT, PREDICTOR_PRIOR = 1e5, 50.0
SELDOM = 2e-3
"""Channels from the first one on are coded up to the last that is not 0 so often."""
SELDOM_UNSEEN = {"image": 2e-2, "audio": SELDOM}
"""The same for channels that contexts do not see. Of pictures, rarer ones save no bits (measured
at qualities 28 to 44), and cost a fifth of the time."""
LEVEL_UNIT = LEVEL_BOUND / np.log2(LEVELS)
LEVEL_TABLE = np.rint(LEVEL_UNIT * np.log2(1 + np.arange(LEVELS))).astype(np.int32)
"""Magnitudes as the context sees them: logarithms, in integers."""

Draw = Callable[[int, int, np.random.Generator], Tensor]


@torch.inference_mode()
def export(model: Walloc, draw: Draw, path: Path, seed: int = 0) -> dict[str, Any]:
    """Write the weights file of a trained model; returns its metadata.

    Tables are counted on `COUNTED_CROPS` crops of the training data, at random rates.
    """
    random = np.random.default_rng((seed, 1))
    model.eval()
    arrays = shipped(model, TRAINING_ONLY)
    latents = [
        model.analysis(model.medium.packets(draw(1, CROP, random))) for _ in range(COUNTED_CROPS)
    ]
    arrays |= _exact(model, latents[:CALIBRATION_CROPS], random)
    arrays = _counted(model, arrays, latents, random)
    if model.medium.axes == 1:
        arrays |= fill_arrays(model, arrays, draw, random)
    return write_weights(path, arrays, meaning(model.medium), synthesis="model/synthesis")


def _counted(
    model: Walloc, arrays: Arrays, latents: list[Tensor], random: np.random.Generator
) -> Arrays:
    """The arrays and what counting decides: all tables, and how many channels are coded."""
    whole = arrays | {"entropy/channels": np.full(KNOTS, model.medium.latents, np.int32)}
    if not model.medium.foreseen:
        whole |= _predictors(model.prior.predictors)
    encode = _encoding(model, latents, random)
    whole |= counted(whole, encode, model.medium.paths)
    whole["entropy/channels"] = _channels(model, whole, latents[:CHANNEL_CROPS])
    if not model.medium.foreseen:
        whole |= _counted_predictors(model, whole, latents, random)
    return whole | counted(whole, encode, model.medium.paths)


def _encoding(
    model: Walloc, latents: list[Tensor], random: np.random.Generator
) -> Callable[[Mapping[str, NDArray[Any]], CountingRounding], None]:
    def encode(arrays: Mapping[str, NDArray[Any]], rounding: CountingRounding) -> None:
        coder = LatentCoder(model, arrays, torch.device("cpu"))
        coder.rounding = rounding
        for y in latents:
            coder.encode(y, int(random.integers(RATE_STEPS)))

    return encode


def _predictors(predictors: Predictors) -> Arrays:
    """Levels of predictors, and tables by what they cost in training."""
    masses = 2 ** -predictors.price.double().numpy()
    rows = PREDICTOR_WEIGHT * np.tile(np.append(masses, 0), (PREDICTOR_ROWS, 1))
    relief = np.rint(LEVEL_UNIT * predictors.relief.double().numpy())
    return {
        "entropy/predictor/relief": relief.clip(0, LEVEL_BOUND).astype(np.int32),
        **counted_tables(np.rint(rows).astype(np.int64), 0).to_arrays("entropy/predictor"),
    }


def _counted_predictors(
    model: Walloc, arrays: Arrays, latents: list[Tensor], random: np.random.Generator
) -> Arrays:
    """Tables of predictors as often as they are chosen."""
    coder = LatentCoder(model, arrays, torch.device("cpu"))
    if coder.predictors is None:
        raise ValueError("a model without predictors")
    tables = coder.predictors.tables
    histogram = np.zeros(tables.counts.shape, np.int64)
    for y in latents:
        for coding in coder.encode(y, int(random.integers(RATE_STEPS)))[1]:
            for kind, chosen in coding.chosen.items():
                rows = coder.predictors.rows(kind, len(chosen))
                histogram += count_symbols(chosen.numpy(), rows, tables)
    prior = Tables.from_arrays(arrays, "entropy/predictor")
    return counted_tables(histogram, 0, prior, PREDICTOR_PRIOR).to_arrays("entropy/predictor")


def _channels(model: Walloc, arrays: Arrays, latents: list[Tensor]) -> NDArray[np.int32]:
    """How many channels are coded at each knot, at least as many as at the one before."""
    coder = LatentCoder(model, arrays, torch.device("cpu"))
    seldom = np.full(model.medium.latents, SELDOM)
    seldom[model.medium.seen :] = SELDOM_UNSEEN[model.medium.name]
    found = []
    for knot in range(KNOTS):
        codings = [coder.encode(y, knot * KNOT_STEPS)[1] for y in latents]
        symbols = [symbols_of(coding).values for coding in codings]
        shares = (np.concatenate(symbols) != 0).mean(0)
        found.append(1 + max(np.flatnonzero(shares >= seldom), default=0))
    return np.maximum.accumulate(np.array(found)).astype(np.int32)


def _exact(model: Walloc, latents: list[Tensor], random: np.random.Generator) -> Arrays:
    """Integer twins of the scale networks, and what they see."""
    offset = -np.log(SCALE_MIN)
    start = (_table(model.prior.start) + offset) / LOG_SCALE_STEP + 0.5
    arrays: Arrays = {
        "entropy/level": LEVEL_TABLE,
        "entropy/start": np.rint(start * START_FRACTION).astype(np.int32),
    }
    peaks = _peaks(model, latents, random)
    for name, module in model.prior.scales.items():
        if isinstance(module, ScaleNetwork):
            twin = _twin(module, peaks[name], offset, level_bound(model.medium))
            arrays |= twin.to_arrays(f"entropy/scale/{name}")
    return arrays


def _twin(
    network: ScaleNetwork, peaks: NDArray[np.float64], offset: float, bound: int
) -> DenseNetwork:
    """The integer network; `peaks` [hidden] are the largest values of the hidden units."""
    weight, bias = _weight(network.first) / LEVEL_UNIT, _table(network.first_bias)
    # A unit that is hardly ever awake would get more steps than exact sums can hold.
    reach = bound * np.abs(weight).sum(1) + np.abs(bias).max(0)
    units = np.minimum(MAX_HIDDEN / (HEAD_ROOM * peaks), EXACT / 4 / reach)
    first = quantise_dense(weight * units[:, None], bias * units + 0.5, bound, MAX_HIDDEN)
    weight = _weight(network.second) / units / LOG_SCALE_STEP
    bias = (_table(network.second_bias) + offset) / LOG_SCALE_STEP + 0.5
    second = quantise_dense(weight, bias, MAX_HIDDEN, SCALES - 1)
    return DenseNetwork(first, second, bound)


def _weight(layer: nn.Linear) -> NDArray[np.float64]:
    values: NDArray[np.float64] = layer.weight.double().numpy()
    return values


def _table(table: nn.Module) -> NDArray[np.float64]:
    values: NDArray[np.float64] = table.get_parameter("values").double().numpy()
    return values


def _peaks(
    model: Walloc, latents: list[Tensor], random: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """The largest value of every hidden unit of every scale network, over all rates."""
    found = {
        name: torch.full((hidden_units(model.medium, name),), 1e-3) for name in model.prior.scales
    }

    def watch(name: str, network: ScaleNetwork, inputs: tuple[Tensor, Tensor]) -> None:
        hidden = F.relu(network.first(inputs[0]) + by_row(network.first_bias(inputs[1])))
        found[name] = torch.maximum(found[name], hidden.flatten(0, 1).amax(0))

    hooks = [
        module.register_forward_pre_hook(lambda m, x, name=name: watch(name, m, x))
        for name, module in model.prior.scales.items()
    ]
    for y in latents:
        rate = torch.tensor([float(random.integers(KNOTS)) / (KNOTS - 1)])
        model.prior(y, model.gain(rate), rate)
    for hook in hooks:
        hook.remove()
    return {name: value.double().numpy() for name, value in found.items()}
