"""The float parts of a weights file, back in a model that is trained further."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from ncodec.codecs.weights import unpack_module
from ncodec.errors import ModelMismatchError


@torch.no_grad()
def restore_floats(
    model: nn.Module, arrays: Mapping[str, NDArray[Any]], training_only: tuple[str, ...]
) -> None:
    """Fill all of a model but what begins with `training_only`, from arrays `model/...`.

    Raises `ModelMismatchError` where they are of another model, or not finite.
    """
    whole = model.state_dict()
    state = {name: value for name, value in whole.items() if not name.startswith(training_only)}
    found = unpack_module(arrays, "model/")
    wrong = set(state) ^ set(found)
    wrong |= {name for name in set(state) & set(found) if state[name].shape != found[name].shape}
    wrong |= {name for name, value in found.items() if not value.isfinite().all()}
    if wrong:
        raise ModelMismatchError(f"weights model/: wrong or missing: {', '.join(sorted(wrong))}")
    for name, value in found.items():
        state[name].copy_(value)
