"""Weights for tests of `vqgan` that need no training: words are blocks of made-up pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor

from ncodec.codecs.vqgan_contexts import KINDS, KNOTS, VECTOR
from ncodec.codecs.vqgan_tiles import MEANING
from ncodec.codecs.weights import model_id, pack_module
from ncodec.entropy.dense_network import DenseNetwork, quantise_dense
from ncodec.models.blocks import bias_of
from ncodec.models.vqgan import COMPONENTS, FEATURES, STRIDE, Vqgan
from ncodec.models.word_tree import NODES, STEPS, WORDS, usual_sizes

from .pictures import picture

HIDDEN = 24


def basis() -> Tensor:
    """Low frequencies of the three colours, orthonormal: [COMPONENTS, 768]."""
    place = (torch.arange(STRIDE) + 0.5) * torch.pi / STRIDE
    waves = torch.stack([(place * k).cos() for k in range(STRIDE)])
    waves /= waves.norm(dim=1, keepdim=True)
    order = sorted((u + v, u, v) for u in range(7) for v in range(7))
    found = torch.zeros(COMPONENTS, 3, STRIDE, STRIDE)
    for row in range(COMPONENTS):
        channel, (_, u, v) = (0, order[row]) if row < 30 else (1 + row % 2, order[(row - 30) // 2])
        found[row, channel] = waves[u][:, None] * waves[v]
    return found.flatten(1)


def words_of(model: Vqgan) -> tuple[NDArray[np.int32], Tensor]:
    """Parents, and features of all nodes: word n is a block, split off the one most like it."""
    pictures = np.stack([picture(96, 96, seed=seed) for seed in range(40)])
    planes = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255 - 0.5
    blocks = model.encoder(planes).permute(0, 2, 3, 1).flatten(0, 2)
    chosen = blocks[torch.randperm(len(blocks), generator=torch.Generator().manual_seed(0))[:WORDS]]
    chosen[0] = blocks.mean(0)
    apart = torch.cdist(chosen, chosen).masked_fill_(torch.ones(WORDS, WORDS).triu().bool(), 1e9)
    parent = apart.argmin(1).numpy().astype(np.int32)
    nodes = torch.zeros(NODES, FEATURES)
    nodes[0] = chosen[0]
    for word in range(1, WORDS):
        nodes[2 * word - 1], nodes[2 * word] = chosen[parent[word]], chosen[word]
    return parent, nodes


def model_of() -> tuple[Vqgan, NDArray[np.int32]]:
    """A model whose painter shows words as they are, but for a little; and its words' parents."""
    torch.manual_seed(0)
    model = Vqgan().requires_grad_(False)
    model.encoder.basis.copy_(basis())
    model.decoder.basis.copy_(basis())
    parent, nodes = words_of(model)
    model.encoder.centroids.copy_(nodes)
    model.encoder.slopes.copy_(0.05 * 0.5 ** (torch.arange(STEPS) / 16))
    model.decoder.embedding[:NODES, :FEATURES] = nodes
    model.decoder.leave.weight.mul_(0.05)
    bias_of(model.decoder.leave).zero_()
    return model, parent


def entropy_arrays(nodes: Tensor) -> dict[str, NDArray[Any]]:
    """Contexts whose distributions differ from neighbour to neighbour, and from size to size."""
    random = np.random.default_rng(0)
    vectors = np.zeros((NODES + 1, VECTOR), np.uint8)
    vectors[:-1] = (128 + 40 * nodes[:, :VECTOR].numpy()).clip(0, 255)
    arrays: dict[str, NDArray[Any]] = {
        "entropy/vectors": vectors,
        "entropy/start": random.integers(1, 1000, WORDS).astype(np.int32),
        "entropy/exp2": np.rint(2.0 ** (18 - np.arange(4096) / 256)).astype(np.int32),
    }
    for kind in range(1, KINDS):
        weight, bias = random.normal(0, 0.02, (HIDDEN, 128)), random.normal(60, 30, (KNOTS, HIDDEN))
        first = quantise_dense(weight, bias, 255, 255)
        weight, bias = (
            random.normal(0, 1.5, (WORDS, HIDDEN)),
            random.normal(2000, 200, (KNOTS, WORDS)),
        )
        second = quantise_dense(weight, bias, 255, 4095)
        arrays |= DenseNetwork(first, second, 255).to_arrays(f"entropy/context/{kind}")
    return arrays


def all_arrays() -> dict[str, NDArray[Any]]:
    """What is in a whole weights file."""
    model, parent = model_of()
    words = {"words/parent": parent, "words/sizes": usual_sizes()}
    packed = pack_module(model.state_dict(), "model/")
    return packed | words | entropy_arrays(model.encoder.centroids)


def save(arrays: dict[str, NDArray[Any]], path: Path) -> None:
    """A weights file that states its true model id."""
    save_file(arrays, path, {"model_id": model_id(arrays, MEANING)})
