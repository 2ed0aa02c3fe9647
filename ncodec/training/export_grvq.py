"""From a training checkpoint to a weights file: small floats, integer codewords and contexts."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.grvq_quantiser import Quantiser
from ncodec.codecs.weights import pack_module, unpack_module
from ncodec.datasets.sounds import SoundCrops
from ncodec.models.grvq import BLOCK, DELAY, Grvq
from ncodec.models.quantiser import GroupResidualQuantiser, nearest
from ncodec.training import fit_contexts
from ncodec.training.weights_file import Arrays, write_weights

EXACT = {"encoder": ("enter",), "decoder": ("leave",)}
"""Layers whose weights stay float16: what enters the one and leaves the other."""
MEANING: tuple[str, ...] = ()
"""A better encoder or decoder keeps the model id: codewords and contexts decide what is decoded."""
LEVELS = 127
OLD_WEIGHT = 20.0
"""Latents that a codeword weighs as when it moves to the mean of its latents at the end."""


@torch.inference_mode()
def export(model: Grvq, data: SoundCrops, path: Path) -> dict[str, Any]:
    """Write the weights file of a trained model; returns its metadata.

    The codewords move to where the averaged and rounded encoder puts the training sounds, then
    the context networks are fitted to the indices that come out.
    """
    model.eval()
    centre(model)
    arrays: Arrays = {}
    for part, exact in EXACT.items():
        module = getattr(model, part)
        arrays |= pack_module(module.state_dict(), f"model/{part}.", exact)
        module.load_state_dict(unpack_module(arrays, f"model/{part}."))
    latents = [encode(model, sound) for sound in data.plain()]
    settle(model.quantiser, torch.cat(latents))
    arrays |= codewords(model.quantiser)
    integers = torch.from_numpy(arrays["quantiser/codewords"])
    quantiser = Quantiser(integers.float().numpy(), float(arrays["quantiser/scale"][0]))
    indices = np.concatenate([quantiser.quantise(x.numpy()).indices for x in latents])
    with torch.inference_mode(False):
        arrays |= fit_contexts.fit(integers, torch.from_numpy(indices.astype(np.int64)))
    return write_weights(path, arrays, MEANING, decoder="model/decoder")


def centre(model: Grvq) -> None:
    """Move what all latents have in common out of the codewords, into the networks.

    Decoded sounds stay the same. Integer codewords become finer, and the integer sums that the
    contexts read do not saturate.
    """
    quantiser, decoder = model.quantiser, model.decoder
    first = slice(quantiser.groups)
    used = quantiser.usage[first].sum(1, keepdim=True).clamp_min(1e-9)
    offset = quantiser.sums[first].sum(1) / used
    quantiser.codebooks[first] -= offset[:, None]
    quantiser.sums[first] -= offset[:, None] * quantiser.usage[first, :, None]
    model.encoder.leave.bias.sub_(offset.flatten())
    # A frame that lacks the first codebook of a group has a zero there, and keeps it.
    present = torch.arange(len(decoder.count.weight))[:, None] > torch.arange(quantiser.groups)
    decoder.count.weight.add_((present[:, :, None] * offset).flatten(1))


def encode(model: Grvq, sound: NDArray[np.float32]) -> Tensor:
    """The latent of a whole sound and the silence that flushes it, [T, 128]."""
    size = -(-(len(sound) + DELAY) // BLOCK) * BLOCK
    padded = np.pad(sound, (0, size - len(sound)))
    latent: Tensor = model.encoder(torch.from_numpy(padded)[None])[0]
    return latent


def settle(quantiser: GroupResidualQuantiser, latents: Tensor) -> None:
    """Move codewords to the mean of the latents [M, 128] they stand for, layer after layer."""
    rest = latents.reshape(-1, quantiser.groups, quantiser.size).transpose(0, 1).clone()
    for k in range(len(quantiser.codebooks)):
        seen, book = rest[k % quantiser.groups], quantiser.codebooks[k]
        indices = torch.cat(
            [nearest(part[None], book[None])[0] for part in torch.split(seen, 8192)]
        )
        counted = torch.bincount(indices, minlength=len(book)).float().unsqueeze(1)
        summed = torch.zeros_like(book).index_add_(0, indices, seen)
        book.copy_((summed + OLD_WEIGHT * book) / (counted + OLD_WEIGHT))
        seen -= book[indices]


def codewords(quantiser: GroupResidualQuantiser) -> Arrays:
    """The codebooks as int8 and one scale for all."""
    scale = float(quantiser.codebooks.abs().max().clamp_min(1e-9)) / LEVELS
    levels = (quantiser.codebooks / scale).round().to(torch.int8)
    return {
        "quantiser/codewords": levels.numpy(),
        "quantiser/scale": np.array([scale], np.float32),
    }
