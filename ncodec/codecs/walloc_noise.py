"""Noise in place of detail that a sound's quantiser dropped, for the `walloc` codec.

Least squared error turns what is below a quantiser step into silence, and the ear hears the hole.
So the decoder adds noise, as AAC does in bands that hold nothing else (Herre, Schulz, "Extending
the MPEG-4 AAC Codec by Perceptual Noise Substitution", 1998). How loud, it nearly knows: table row
and symbol of a latent say what error to expect, and the squares of the linear synthesis bring that
to every band of every frame. Files only hold what corrects it, in groups of bands and in blocks of
time: integers, which the noise cannot disturb.
"""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.codecs.rounding import CENTROIDS
from ncodec.codecs.walloc_coding import Coding
from ncodec.codecs.weights import Arrays, array, plain_tables
from ncodec.entropy import Decoder, Encoder
from ncodec.errors import CorruptFileError, ModelMismatchError
from ncodec.models.rates import SCALES
from ncodec.models.walloc import Walloc
from ncodec.models.walloc_medium import SOUND

BANDS = SOUND.bands // SOUND.channels
EDGES = (12, 15, 19, 24, 30, 38, 48, 60, 76, 96, 121, 152, 192)
"""First bands of the groups, and the one after the last: about 1 to 16.5 kHz."""
GROUPS = len(EDGES) - 1
BLOCK = 32
"""Frames of a block, at most."""
STEP_DB = 3.0
NOISE_LEVELS, EVEN = 19, 12
"""Levels of noise: 0 is none, `EVEN` is as loud as is to be expected."""
ROWS = GROUPS + 3 * NOISE_LEVELS
"""Rows of the tables: see `NoiseCoder`."""
SHARE = 0.5
"""Of the error's amplitude: more sounds rough, and costs likeness."""

CELL = 4
"""Frames whose power is averaged before logarithms are: noise follows the usual, not the peaks."""
FAINT, NOTHING = 1e-9, 1e-12
MIXER = 0x9E3779B1
FRAMES = 256
"""Room for the frames of a chunk in what noise counts: there are some 174 at most."""

Levels = NDArray[np.int32]
"""Levels of noise [C, GROUPS, blocks] of all channels."""


def block_count(frames: int) -> int:
    """Blocks that the frames of a chunk are cut into, equally long but for one frame."""
    return -(-frames // BLOCK)


class NoiseCoder:
    """Entropy coding of levels, block after block, first channels of pairs before second ones.

    Rows of the tables are, one after the other: for first channels, the group (in the first block),
    and the level in the block before; for second channels, the level of the first channel (in the
    first block), and the mean of that and of the level in the block before.
    """

    def __init__(self, arrays: Arrays) -> None:
        """Take `entropy/fill/...` from a weights file; raises `ModelMismatchError`."""
        self.tables = plain_tables(arrays, "entropy/fill", ROWS, NOISE_LEVELS)

    def write(self, encoder: Encoder, levels: Levels) -> None:
        """Append the levels of a chunk."""
        for half, block in coding_order(levels):
            rows = context_rows(levels, half, block)
            encoder.encode(levels[half::2, :, block], rows, self.tables)

    def read(self, decoder: Decoder, channels: int, frames: int) -> Levels:
        """Undo `write`. Raises `CorruptFileError`."""
        levels = np.zeros((channels, GROUPS, block_count(frames)), np.int32)
        for half, block in coding_order(levels):
            found = decoder.decode(context_rows(levels, half, block), self.tables)
            if found.min() < 0 or found.max() >= NOISE_LEVELS:
                raise CorruptFileError("a level of noise that there is not")
            levels[half::2, :, block] = found
        return levels


def coding_order(levels: Levels) -> list[tuple[int, int]]:
    """Halves of pairs, 0 or 1, and blocks, as they are coded."""
    channels, _, blocks = levels.shape
    return [(half, block) for block in range(blocks) for half in range(min(2, channels))]


def context_rows(levels: Levels, half: int, block: int) -> NDArray[np.int64]:
    """Table rows [channels, GROUPS] of a block, of the first (0) or second channels of pairs."""
    count = len(levels[half::2])
    before = levels[half::2, :, block - 1].astype(np.int64)
    if half == 0:
        groups = np.tile(np.arange(GROUPS), (count, 1))
        return GROUPS + before if block else groups
    first = levels[: 2 * count : 2, :, block].astype(np.int64)
    return GROUPS + NOISE_LEVELS + (NOISE_LEVELS + (first + before) // 2 if block else first)


class NoiseFill:
    """Levels of noise: measured, and turned into amplitudes."""

    def __init__(self, model: Walloc, arrays: Arrays) -> None:
        """Take `latent/error` from a weights file; raises `ModelMismatchError`."""
        errors = array(arrays, "latent/error", np.float32, (SCALES, CENTROIDS))
        if errors.min() < 0:
            raise ModelMismatchError("weights: a squared error below 0")
        self._errors, self._model = torch.from_numpy(errors.flatten()), model
        # All seconds of a file mostly have the same rate step.
        self._squares = lru_cache(maxsize=8)(self._made_squares)

    def expected(self, codings: list[Coding], frames: int, step: int) -> Tensor:
        """Squared errors [2P, BANDS, t] to be expected of what was decoded.

        Channels that are not coded are as if they had been, and found to be 0.
        """
        latent = torch.full((len(codings), SOUND.latents, frames), float(self._errors[0]))
        for item, coding in zip(latent, codings, strict=True):
            symbols, rows = coding.in_reading_order()
            place = symbols.abs_().clamp_(max=CENTROIDS - 1).add_(rows.int(), alpha=CENTROIDS)
            found = self._errors.index_select(0, place.flatten())
            item[: coding.channels] = found.reshape(place.shape).T
        squares = self._squares(step)
        bands = torch.matmul(squares, latent.to(squares.device))
        return bands.reshape(SOUND.channels * len(latent), BANDS, frames)

    @torch.inference_mode(False)
    def _made_squares(self, step: int) -> Tensor:
        """What squared quantiser steps of the latent are in bands, [2 BANDS, M]."""
        basis = self._model.synthesis.linear.basis.detach()
        rate = torch.tensor([step / (RATE_STEPS - 1)], device=basis.device)
        with torch.no_grad():
            gain = self._model.gain(rate).flatten()
        return (basis / gain).square()

    def measured(self, error: Tensor, expected: Tensor, channels: int) -> Levels:
        """The levels of a chunk whose latents have an error [P, M, 1, t]."""
        actual = torch.matmul(self._model.synthesis.linear.basis, error[:, :, 0]).square()
        actual = actual.reshape(expected.shape)
        above = _usual(actual[:channels], NOTHING) - _usual(expected[:channels], FAINT)
        levels = (above / STEP_DB).round_().add_(EVEN).clamp_(0, NOISE_LEVELS - 1)
        return levels.to(torch.int32).cpu().numpy()

    def amplitude(self, levels: Levels, expected: Tensor) -> Tensor:
        """Amplitudes [C, BANDS, t] of the noise; corrections go from middle to middle."""
        frames, device = expected.shape[2], expected.device
        bands, times = (x.to(device) for x in (_between(), _within(frames)))
        known = torch.from_numpy(levels).to(device, torch.float32)
        decibels = bands @ ((known - EVEN) * STEP_DB) @ times
        heard = _members().to(device) @ (known > 0).float() @ _blocks(frames).to(device)
        power = expected[: len(levels)] + FAINT
        return power.sqrt_() * 10 ** (decibels / 20) * heard


def filled(bands: Tensor, amplitude: Tensor, chunk: int) -> Tensor:
    """Bands [P, 2 BANDS, 1, t] of a chunk with noise in them, less where they are strong already.

    A last channel alone has the same noise twice, as it has everything.
    """
    channels, _, frames = amplitude.shape
    made = noise(chunk, channels, frames).to(bands.device) * amplitude
    missing = 2 * len(bands) - channels
    made, loud = (torch.cat([x, x[channels - missing :]]) for x in (made, amplitude))
    flat = bands.reshape(loud.shape)
    return (flat + SHARE * made * loud / (loud + flat.abs() + NOTHING)).reshape(bands.shape)


def noise(chunk: int, channels: int, frames: int) -> Tensor:
    """Noise [C, BANDS, t] of power 1, the same everywhere and each time."""
    first = (chunk * channels * BANDS * FRAMES) % (1 << 32)
    rows = np.arange(channels * BANDS, dtype=np.uint32)[:, None] * np.uint32(FRAMES)
    x = rows + np.arange(frames, dtype=np.uint32) + np.uint32(first)
    for _ in range(3):
        x ^= x >> np.uint32(16)
        x *= np.uint32(MIXER)
    x ^= x >> np.uint32(16)
    spread = torch.from_numpy(x.view(np.int32).astype(np.float32))
    return spread.mul_(3**0.5 / (1 << 31)).reshape(channels, BANDS, frames)


def _usual(power: Tensor, least: float) -> Tensor:
    """Powers [C, BANDS, t] as mean decibels [C, GROUPS, blocks]."""
    frames = power.shape[2]
    members = _members().to(power.device)
    groups = (members / members.sum(0)).T @ power
    cells = F.avg_pool1d(groups, CELL, CELL, ceil_mode=True) if frames else groups
    decibels = 10 * torch.log10(cells + least)
    times = _blocks(frames).to(power.device)
    whole = decibels.repeat_interleave(CELL, 2)[..., :frames]
    return whole @ (times / times.sum(1, keepdim=True)).T


@lru_cache
@torch.inference_mode(False)
def _members() -> Tensor:
    """Which bands are in which group, [BANDS, GROUPS]."""
    band = torch.arange(BANDS)[:, None]
    edges = torch.tensor(EDGES)
    return ((band >= edges[:-1]) & (band < edges[1:])).float()


@lru_cache
@torch.inference_mode(False)
def _between() -> Tensor:
    """Weights [BANDS, GROUPS] that take bands from the middle of one group to that of the next."""
    edges = np.array(EDGES, np.float64)
    middles = (edges[:-1] + edges[1:] - 1) / 2
    columns = [np.interp(np.arange(BANDS), middles, unit) for unit in np.eye(GROUPS)]
    return torch.from_numpy(np.stack(columns, 1)).float()


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _blocks(frames: int) -> Tensor:
    """Which frames are in which block, [blocks, t]."""
    count = block_count(frames)
    edges = torch.arange(count + 1)[:, None] * frames // max(1, count)
    frame = torch.arange(frames)
    return ((frame >= edges[:-1]) & (frame < edges[1:])).float()


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _within(frames: int) -> Tensor:
    """Weights [blocks, t] that take frames from the middle of one block to that of the next."""
    count = block_count(frames)
    place = (torch.arange(frames) + 0.5) * count / max(1, frames) - 0.5
    away = (place.clamp(0, max(0, count - 1)) - torch.arange(count)[:, None]).abs()
    return (1 - away).clamp_min(0)
