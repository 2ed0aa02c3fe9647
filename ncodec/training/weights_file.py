"""What all exports of models do alike: pack networks as they are shipped, write the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors.numpy import save
from torch import nn

from ncodec.codecs.weights import digest, model_id, pack_module, unpack_module
from ncodec.files import write_atomic

Arrays = dict[str, NDArray[Any]]


def shipped(model: nn.Module, training_only: tuple[str, ...]) -> Arrays:
    """The networks as small arrays, but for what only training needs.

    The model then computes with the values in them, as decoders will.
    """
    state = {k: v for k, v in model.state_dict().items() if not k.startswith(training_only)}
    arrays = pack_module(state, "model/")
    for name, value in unpack_module(arrays, "model/").items():
        state[name].copy_(value)
    return arrays


def write_weights(
    path: Path, arrays: Mapping[str, NDArray[Any]], meaning: tuple[str, ...], **digested: str
) -> dict[str, str]:
    """Write a weights file; returns its metadata.

    They are the model id, and for each word of `digested` the digest of all arrays whose name
    begins with that prefix: parts that may improve while the model id stays.
    """
    metadata = {"model_id": model_id(arrays, meaning)}
    for word, prefix in digested.items():
        metadata[word] = digest({k: v for k, v in arrays.items() if k.startswith(prefix)})
    blob = save(dict(arrays), metadata)
    write_atomic(path, lambda file: file.write(blob), overwrite=True)
    return metadata
