"""The linear transform that the sound codec's training starts from, fitted to training sounds.

Principal components of weighted features go in; what comes out is the spectrum that least squares
predict from them. Networks that start at random stay in a poor optimum for hours: they make spectra
of the right magnitudes with meaningless phases.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncodec.datasets.sounds import SoundCrops
from ncodec.models.grvq import CHANNELS, GROUP_SIZE, GROUPS, HOPS, LATENT, TAPS, Grvq, neighbours
from ncodec.models.spectra import BINS, POWER, Analysis, compress

FIT_CROPS, FIT_BATCH, FIT_SIZE = 1600, 32, 19_200
CORNER_BIN, MAGNITUDE = 28, 2.5
"""Bands narrow as those of hearing above the bin of 700 Hz; what magnitudes weigh beside phases."""
LATENT_SIZE = 0.5
"""Root mean square of the latent."""
RIDGE = 1e-3
LOOK_AHEAD = 1
"""Latent frames between what comes in and what goes out at the same time."""


@torch.no_grad()
def start_linear(model: Grvq, data: SoundCrops, random: np.random.Generator) -> None:
    """Set the first and last layers of both networks; the blocks between add little at first.

    All is fitted on the processor, wherever the model is.
    """
    features, spectra = _examples(data, random)
    mean, weights = features.mean((0, 1)), band_weights()
    components, deviations = _components((features - mean).flatten(0, 1) * weights)
    enter, leave = components / deviations[:, None] * weights, _leave(deviations)
    unit = 1 / leave.sum(1)
    hidden = (features - mean) @ (enter.T @ leave.T * unit)
    taps = neighbours(F.pad(hidden, (0, 0, TAPS - 1, 0)))[:, TAPS:]
    wanted = spectra[:, TAPS - LOOK_AHEAD : -LOOK_AHEAD]
    solution = _least_squares(taps.flatten(0, 1), wanted.flatten(0, 1))
    encoder, decoder = model.encoder, model.decoder
    _set(encoder.enter, enter, -enter @ mean)
    _set(encoder.leave, leave, torch.zeros(LATENT))
    _set(decoder.enter, unit.repeat(TAPS).diag(), torch.zeros(CHANNELS))
    _set(decoder.leave, solution[:-1].T, solution[-1])
    decoder.count.weight.zero_()


def _set(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)


def band_weights() -> Tensor:
    """What each feature of a latent frame weighs: by the width of hearing's bands."""
    bands = (1 + torch.arange(BINS) / CORNER_BIN).rsqrt()
    return torch.cat((bands, bands, MAGNITUDE * bands)).repeat(HOPS)


def _examples(data: SoundCrops, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """What the encoder sees and what the decoder should make of it: [N, T, HOPS 3 BINS] both."""
    features, spectra, analysis = [], [], Analysis()
    for _ in range(max(1, FIT_CROPS // FIT_BATCH)):
        sounds = torch.from_numpy(data.batch(FIT_BATCH, FIT_SIZE, random))
        spectrum, _ = analysis(sounds, analysis.initial_state(len(sounds)))
        real, imaginary, size = compress(spectrum)
        features.append(_frames(real, imaginary, size))
        spectra.append(_frames(size.log() / POWER, real, imaginary))
    return torch.cat(features), torch.cat(spectra)


def _frames(*parts: Tensor) -> Tensor:
    joined = torch.cat(parts, 2)
    return joined.reshape(len(joined), -1, HOPS * 3 * BINS)


def _components(points: Tensor) -> tuple[Tensor, Tensor]:
    """The strongest principal components [CHANNELS, N] of [M, N], and their deviations."""
    values, vectors = torch.linalg.eigh((points.T @ points / len(points)).double())
    order = values.argsort(descending=True)[:CHANNELS]
    deviations = values[order].clamp_min(1e-9).sqrt()
    return vectors[:, order].T.float(), deviations.float()


def _leave(deviations: Tensor) -> Tensor:
    """Picks the strongest components, dealt out to the groups in turn: [LATENT, CHANNELS]."""
    kept = deviations[:LATENT]
    sizes = kept * (LATENT_SIZE / kept.square().mean().sqrt())
    places = torch.arange(LATENT)
    rows = places % GROUPS * GROUP_SIZE + places // GROUPS
    weight = torch.zeros(LATENT, CHANNELS)
    weight[rows, places] = sizes
    return weight


def _least_squares(inputs: Tensor, outputs: Tensor) -> Tensor:
    """[M, N] and [M, K] -> the weights and, last, the bias: [N + 1, K]."""
    joined = F.pad(inputs, (0, 1), value=1.0)
    square = (joined.T @ joined).double()
    square += RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=torch.float64)
    solution: Tensor = torch.linalg.solve(square, (joined.T @ outputs).double())
    return solution.float()
