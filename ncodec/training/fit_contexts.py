"""Fit the small integer networks that say how likely each index of the sound codec is.

`ncodec.codecs.grvq_contexts` runs them; here they are trained in floating point on the indices of
the training sounds, then rounded to integers.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ncodec.codecs.grvq_contexts import INPUTS, MAX_BIAS, MAX_CODE, MAX_SHIFT, PEAK, POWERS
from ncodec.models.grvq import CODEBOOKS, ENTRIES, GROUP_SIZE, GROUPS

HIDDEN = 64
CHUNK = 50
"""Frames that a file codes together; a stream's packet has PACKET."""
PACKET = 2
PACKETS = 0.15
CHANGING = 0.3
"""How often the number of codebooks changes within a chunk."""
RUN = (2, 9)
STEPS, BATCH, LEARNING_RATE = 1_500, 16, 4e-3
OCTAVE = 256
"""Steps of a weight to a factor of two."""
INPUT_SCALE = 1 / 32
ACTIVE_PART = 0.999
"""This part of the hidden values fits into 0..127."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Windows:
    """Frames coded together: indices [N, T, 12], codebooks a frame [N, T], frames a window."""

    indices: Tensor
    counts: Tensor
    size: int


class ContextNetworks(nn.Module):
    """One hidden layer for each codebook, all of them side by side."""

    codewords: Tensor

    def __init__(self, codewords: Tensor, hidden: int = HIDDEN) -> None:
        """Take the codewords, whole numbers [12, 1024, 64]."""
        super().__init__()
        self.register_buffer("codewords", codewords.float())
        self.first = nn.Parameter(torch.randn(CODEBOOKS, hidden, INPUTS) / math.sqrt(INPUTS))
        self.first_bias = nn.Parameter(torch.zeros(CODEBOOKS, hidden))
        self.second = nn.Parameter(torch.randn(CODEBOOKS, ENTRIES, hidden) * 0.05)
        self.second_bias = nn.Parameter(torch.zeros(CODEBOOKS, ENTRIES))

    def inputs(self, windows: Windows) -> Tensor:
        """What each codebook sees, whole numbers [12, N T, INPUTS]."""
        words = self._words(windows)
        totals = [torch.zeros_like(words[0]).repeat(1, 1, GROUPS)]
        for k, word in enumerate(words):
            after = totals[-1].clone()
            half = k % GROUPS * GROUP_SIZE
            after[..., half : half + GROUP_SIZE] += word
            totals.append(after)
        seen = [total.clamp(-MAX_CODE, MAX_CODE) for total in totals]
        rows = [self._row(k, seen, words, windows.size) for k in range(CODEBOOKS)]
        return torch.stack(rows).flatten(1, 2)

    def _words(self, windows: Windows) -> list[Tensor]:
        """The codewords of each codebook, [N, T, 64], zeros where a frame does not have it."""
        return [
            self.codewords[k][windows.indices[..., k]] * (windows.counts > k).unsqueeze(2)
            for k in range(CODEBOOKS)
        ]

    def _row(self, k: int, seen: list[Tensor], words: list[Tensor], size: int) -> Tensor:
        if k < GROUPS:
            first = seen[GROUPS]
            parts = (_shifted(first, 2, size), _shifted(first, 1, size), seen[k])
            return torch.cat((*parts, torch.zeros_like(words[0])), 2)
        parts = (_shifted(seen[k], 1, size), _shifted(seen[k], -1, size), seen[k])
        return torch.cat((*parts, words[k - GROUPS]), 2)

    def forward(self, inputs: Tensor) -> Tensor:
        """[12, M, INPUTS] -> logits, natural, [12, M, ENTRIES]."""
        x = inputs * INPUT_SCALE
        hidden = torch.baddbmm(self.first_bias[:, None], x, self.first.transpose(1, 2)).relu()
        return torch.baddbmm(self.second_bias[:, None], hidden, self.second.transpose(1, 2))


def _shifted(x: Tensor, by: int, size: int) -> Tensor:
    """Frame t shows frame t - by [N, T, C]; zeros beyond the window of `size` frames."""
    parts = x.reshape(len(x), -1, size, x.shape[2])
    moved = F.pad(parts, (0, 0, by, -by))
    return moved.flatten(1, 2)


def draw_windows(indices: Tensor, batch: int, random: np.random.Generator) -> Windows:
    """Windows of the training indices [M, 12], with counts as files and streams have them."""
    starts = random.integers(len(indices) - CHUNK + 1, size=batch)
    chunks = torch.stack([indices[i : i + CHUNK] for i in starts])
    counts = np.full((batch, CHUNK), CODEBOOKS)
    for item in np.flatnonzero(random.random(batch) < CHANGING):
        counts[item] = _runs(random)
    size = PACKET if random.random() < PACKETS else CHUNK
    return Windows(chunks, torch.from_numpy(counts), size)


def _runs(random: np.random.Generator) -> NDArray[np.int64]:
    lengths = random.integers(*RUN, CHUNK)
    return np.repeat(random.integers(0, CODEBOOKS + 1, CHUNK), lengths)[:CHUNK]


def fit(codewords: Tensor, indices: Tensor, seed: int = 0) -> Arrays:
    """Train on indices int64 [M, 12] of consecutive frames; returns the arrays `entropy/...`."""
    random = np.random.default_rng((seed, 3))
    torch.manual_seed(seed)
    networks = ContextNetworks(codewords)
    with torch.no_grad():
        for k in range(CODEBOOKS):
            counted = torch.bincount(indices[:, k], minlength=ENTRIES).float() + 1
            networks.second_bias[k] = (counted / counted.sum()).log()
    optimiser = torch.optim.Adam(networks.parameters(), LEARNING_RATE, betas=(0.9, 0.99))
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / 20) * (1 - step / STEPS)
        windows = draw_windows(indices, BATCH, random)
        loss = code_lengths(networks, windows).sum() / (windows.counts > 0).sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    windows = draw_windows(indices, 4 * BATCH, random)
    return to_integers(networks.requires_grad_(False), windows)


def code_lengths(networks: ContextNetworks, windows: Windows) -> Tensor:
    """Nats of each index [12, N T], 0 for codebooks that a frame does not have."""
    logits = networks(networks.inputs(windows))
    symbols = windows.indices.flatten(0, 1).T
    nats = F.cross_entropy(logits.flatten(0, 1), symbols.flatten(), reduction="none")
    kept = windows.counts.flatten()[None] > torch.arange(CODEBOOKS)[:, None]
    return nats.view_as(symbols) * kept


def to_integers(networks: ContextNetworks, windows: Windows) -> Arrays:
    """Round the networks to the integers that `ContextModel` takes.

    Hidden units are scaled so that what they reach on `windows` fills 0..127.
    """
    found: dict[str, list[Tensor]] = {"first": [], "second": []}
    found |= {f"{layer}_{part}": [] for layer in tuple(found) for part in ("bias", "shift")}
    inputs = networks.inputs(windows)
    for k in range(CODEBOOKS):
        weights, bias = networks.first[k] * INPUT_SCALE, networks.first_bias[k]
        reached = (inputs[k] @ weights.T + bias).relu().quantile(ACTIVE_PART, dim=0)
        scale = MAX_CODE / reached.clamp_min(1e-3)
        _round_layer(found, "first", weights * scale[:, None], bias * scale, 1.0)
        outputs = networks.second[k] / scale
        _round_layer(found, "second", outputs, networks.second_bias[k], OCTAVE / math.log(2))
    arrays: Arrays = {f"entropy/{k}": torch.stack(v).numpy() for k, v in found.items()}
    powers = np.round(PEAK * 2.0 ** (-np.arange(POWERS) / OCTAVE))
    return arrays | {"entropy/exp2": powers.clip(1, PEAK).astype(np.int32)}


def _round_layer(
    found: dict[str, list[Tensor]], name: str, weights: Tensor, bias: Tensor, unit: float
) -> None:
    """Weights times unit times 2^shift as int8, with the largest shift that fits."""
    largest = float(weights.abs().max()) * unit
    shift = max(0, min(MAX_SHIFT, math.floor(math.log2(MAX_CODE / max(largest, 1e-9)))))
    factor = unit * 2**shift
    # Adding a half makes the shift round to the nearest.
    half = 2 ** (shift - 1) if shift and name == "first" else 0
    biases = (bias * factor + half).round()
    if name == "second":
        biases -= biases.max()
    found[name].append((weights * factor).round().clamp(-MAX_CODE, MAX_CODE).to(torch.int8))
    found[f"{name}_bias"].append(biases.clamp(-MAX_BIAS, MAX_BIAS).to(torch.int32))
    found[f"{name}_shift"].append(torch.tensor(shift, dtype=torch.int32))
