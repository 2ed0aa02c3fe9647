"""Tables of the noise that fills what `walloc` drops of sounds, counted on what an encoder does.

They need no training, and nothing of the model depends on them: a trained model gets them last.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.codecs.rounding import CENTROIDS
from ncodec.codecs.walloc_chunks import ChunkCoder
from ncodec.codecs.walloc_coding import Coding
from ncodec.codecs.walloc_latents import LatentCoder
from ncodec.codecs.walloc_noise import NOISE_LEVELS, ROWS, coding_order, context_rows
from ncodec.codecs.weights import Arrays
from ncodec.entropy.build import counted_tables
from ncodec.models.rates import SCALES
from ncodec.models.walloc import Walloc
from ncodec.models.walloc_medium import SOUND

CROPS = 300
CROP = 44_032
"""Samples of a crop: as many as chunks have."""
TRUST = 50.0
"""Latents that a squared error is counted from at least; where there are fewer, it is a guess."""
UNIFORM = 1 / 12
TABLE_PRIOR = 4.0

Draw = Callable[[int, int, np.random.Generator], Tensor]


@torch.inference_mode()
def fill_arrays(
    model: Walloc, arrays: Arrays, draw: Draw, random: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Arrays `latent/error` and `entropy/fill/...` of a trained model.

    `arrays` are all others of its weights file; `draw` gives crops of sounds as in training.
    """
    latents = LatentCoder(model, arrays, torch.device("cpu"))
    crops = [model.analysis(SOUND.packets(draw(1, CROP, random))) for _ in range(CROPS)]
    found: dict[str, NDArray[Any]] = {"latent/error": _errors(latents, crops, random)}
    found |= _tables(np.zeros((ROWS, NOISE_LEVELS + 1), np.int64))
    coder = ChunkCoder(latents, {**arrays, **found})
    return found | _tables(_histogram(coder, crops, random))


def _errors(
    latents: LatentCoder, crops: list[Tensor], random: np.random.Generator
) -> NDArray[np.float32]:
    """Mean squared errors [SCALES, CENTROIDS] in squared steps, by table row and magnitude."""
    cells = SCALES * CENTROIDS
    sums, counts = np.full(cells, TRUST * UNIFORM), np.full(cells, TRUST)
    for y in crops:
        step = int(random.integers(RATE_STEPS))
        codings = latents.encode(y, step)[1]
        missed = y - latents.points(codings, y.shape[2], y.shape[3], step)
        missed *= latents.model.gain(torch.tensor([step / (RATE_STEPS - 1)]))
        for coding, error in zip(codings, missed.flatten(2).transpose(1, 2), strict=True):
            place, squares = _placed(coding, error)
            sums += np.bincount(place, squares, cells)
            counts += np.bincount(place, minlength=cells)
    means: NDArray[np.float32] = (sums / counts).reshape(SCALES, CENTROIDS).astype(np.float32)
    return means


def _placed(coding: Coding, error: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Row and magnitude of each symbol as one number, and squares of the errors [h w, M]."""
    symbols, rows = coding.in_reading_order()
    place = rows.long() * CENTROIDS + symbols.abs().clamp(max=CENTROIDS - 1)
    squares = error[:, : coding.channels].double().square()
    return place.flatten().numpy(), squares.flatten().numpy()


def _histogram(
    coder: ChunkCoder, crops: list[Tensor], random: np.random.Generator
) -> NDArray[np.int64]:
    """How often each level came in each row, [ROWS, NOISE_LEVELS + 1], escapes last."""
    counts = np.zeros((ROWS, NOISE_LEVELS + 1), np.int64)
    for y in crops:
        step = int(random.integers(RATE_STEPS))
        codings = coder.latents.encode(y, step)[1]
        error = y - coder.latents.points(codings, 1, y.shape[3], step)
        levels = coder.measured(error, codings, step, SOUND.channels * len(y))
        for half, block in coding_order(levels):
            place = context_rows(levels, half, block), levels[half::2, :, block]
            np.add.at(counts, place, 1)
    return counts


def _tables(counts: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    return counted_tables(counts, 0, strength=TABLE_PRIOR).to_arrays("entropy/fill")
