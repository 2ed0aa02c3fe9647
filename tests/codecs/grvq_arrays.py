"""Weights for tests of the sound codec that need no training: random, but of the right form."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from ncodec.codecs.grvq_layout import MEANING
from ncodec.codecs.weights import model_id, pack_module
from ncodec.models.grvq import Decoder, Encoder

HIDDEN = 24


def entropy_arrays(seed: int = 0) -> dict[str, NDArray[Any]]:
    """Codewords and a context model whose distributions differ from context to context."""
    random = np.random.default_rng(seed)
    size = np.array([60, 60, 40, 40, 25, 25, 18, 18, 12, 12, 9, 9])[:, None, None]
    codewords = np.rint(random.normal(0, size / 3, (12, 1024, 64))).clip(-127, 127)
    return {
        "quantiser/codewords": codewords.astype(np.int8),
        "quantiser/scale": np.array([0.02], np.float32),
        "entropy/first": random.integers(-9, 10, (12, HIDDEN, 448)).astype(np.int8),
        "entropy/first_bias": random.integers(-999, 1000, (12, HIDDEN)).astype(np.int32),
        "entropy/first_shift": np.full(12, 4, np.int32),
        "entropy/second": random.integers(-50, 51, (12, 1024, HIDDEN)).astype(np.int8),
        "entropy/second_bias": random.integers(-9999, 10_000, (12, 1024)).astype(np.int32),
        "entropy/second_shift": np.full(12, 5, np.int32),
        "entropy/exp2": np.rint(2.0 ** (18 - np.arange(4096) / 256)).astype(np.int32),
    }


def write_weights(path: Path, seed: int = 0) -> None:
    """A whole weights file with untrained networks."""
    torch.manual_seed(seed)
    arrays = entropy_arrays(seed)
    for name, network in (("encoder", Encoder()), ("decoder", Decoder())):
        arrays |= pack_module(network.state_dict(), f"model/{name}.")
    save_file(arrays, path, {"model_id": model_id(arrays, MEANING)})
