"""Weights files: safetensors, read into arrays, never anything that runs code.

Only what makes or fills modules imports torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ncodec.codecs.registry import model_id as stated_id
from ncodec.entropy import Tables
from ncodec.errors import ModelMismatchError, ModelNotFoundError, UnsafeWeightsError

if TYPE_CHECKING:
    import torch
    from torch import nn

Arrays = Mapping[str, NDArray[Any]]


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a weights file. Raises `ModelNotFoundError` or `UnsafeWeightsError`."""
    if not path.is_file():
        raise ModelNotFoundError(f"{path}: no such weights file; reinstall the package")
    try:
        return load_file(path)
    # Types that numpy lacks (bfloat16) surface as TypeError or AttributeError.
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnsafeWeightsError(f"{path}: not a safetensors weights file ({error})") from error


def digest(arrays: Arrays) -> str:
    """SHA-256 (hex) over arrays: their names, types, shapes and values."""
    hasher = hashlib.sha256()
    for name in sorted(arrays):
        value = arrays[name]
        hasher.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        hasher.update(np.ascontiguousarray(value).tobytes())
    return hasher.hexdigest()


def model_id(arrays: Arrays, meaning: tuple[str, ...]) -> str:
    """SHA-256 (hex) over all that the decoded symbols and the latents' meaning depend on.

    Of the float arrays `model/...`, those count whose name goes on with one of `meaning`.
    """
    kept = tuple(f"model/{name}" for name in meaning)
    return digest({k: v for k, v in arrays.items() if k.startswith(kept) or k[:6] != "model/"})


def read_verified(path: Path, meaning: tuple[str, ...]) -> tuple[dict[str, NDArray[Any]], bytes]:
    """Arrays of a weights file and its model id, which must be the one that it states.

    Raises as `read_weights`, and `ModelMismatchError` where the contents have another id: they
    would decode files to other pictures than the ones encoded.
    """
    arrays, stated = read_weights(path), stated_id(path)
    if model_id(arrays, meaning) != stated.hex():
        raise ModelMismatchError(f"{path}: contents do not have the model id stated; reinstall")
    return arrays, stated


def pack_module(
    state: Mapping[str, torch.Tensor], prefix: str, exact: tuple[str, ...] = ()
) -> dict[str, NDArray[Any]]:
    """A module's state as small arrays `prefix/...`.

    Weights of convolutions and linear layers become int8 with a scale for each output channel
    (`NAME/scale`), everything else float16, as do weights whose name starts with one of `exact`.
    What is shipped stays small; the transforms' linear part, where the large numbers are, keeps
    its precision.
    """
    import torch

    arrays: dict[str, NDArray[Any]] = {}
    for name, value in state.items():
        if value.ndim in (2, 4) and name.endswith("weight") and not name.startswith(exact):
            scale = value.abs().flatten(1).amax(1).clamp_min(1e-12) / 127
            levels = (value / _by_channel(scale, value.ndim)).round()
            arrays[f"{prefix}{name}"] = levels.to(torch.int8).contiguous().numpy()
            arrays[f"{prefix}{name}/scale"] = scale.float().numpy()
        else:
            arrays[f"{prefix}{name}"] = value.half().contiguous().numpy()
    return arrays


def _by_channel(scale: torch.Tensor, ndim: int) -> torch.Tensor:
    return scale.reshape(-1, *[1] * (ndim - 1))


def unpack_module(arrays: Arrays, prefix: str) -> dict[str, torch.Tensor]:
    """Undo `pack_module`: the state in float32."""
    import torch

    given = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
    scales = {k: given.pop(k) for k in list(given) if k.endswith("/scale")}
    state = {}
    for name, value in given.items():
        scale = scales.pop(f"{name}/scale", None)
        state[name] = torch.from_numpy(value.astype(np.float32))
        if (value.dtype == np.int8) != (scale is not None):
            raise ModelMismatchError(f"weights {prefix}{name}: {value.dtype} and its scale")
        if scale is not None:
            if scale.shape != value.shape[:1] or value.ndim not in (2, 4):
                raise ModelMismatchError(f"weights {prefix}{name}: scale {scale.shape}")
            factor = torch.from_numpy(scale.astype(np.float32))
            state[name] *= _by_channel(factor, value.ndim)
    if scales:
        raise ModelMismatchError(f"weights {prefix}: no values for {', '.join(sorted(scales))}")
    return state


def load_module(module: nn.Module, arrays: Arrays, prefix: str) -> None:
    """Fill a module from what `pack_module` made; `ModelMismatchError` unless all fits."""
    state = module.state_dict()
    tensors = unpack_module(arrays, prefix)
    wrong = set(state) ^ set(tensors)
    wrong |= {k for k in set(state) & set(tensors) if state[k].shape != tensors[k].shape}
    if wrong:
        raise ModelMismatchError(f"weights {prefix}: wrong or missing: {', '.join(sorted(wrong))}")
    if not all(bool(t.isfinite().all()) for t in tensors.values()):
        raise ModelMismatchError(f"weights {prefix}: a value is not finite")
    module.load_state_dict(tensors)


def array(
    arrays: Arrays, name: str, dtype: type[np.generic], shape: tuple[int, ...]
) -> NDArray[Any]:
    """One array of a known type and shape, finite, or `ModelMismatchError`."""
    found = arrays.get(name)
    if found is None or found.dtype != dtype or found.shape != shape:
        stands = "missing" if found is None else f"{found.dtype} {found.shape}"
        raise ModelMismatchError(f"weights {name}: {stands}, expected {np.dtype(dtype)} {shape}")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ModelMismatchError(f"weights {name}: a value is not finite")
    return found


def plain_tables(arrays: Arrays, name: str, rows: int, values: int) -> Tables:
    """The tables `name` of symbols 0..values - 1 in each of `rows`, or `ModelMismatchError`."""
    found = Tables.from_arrays(arrays, name)
    if found.rows != rows or found.low.any() or (found.length != values + 1).any():
        raise ModelMismatchError(f"weights: tables {name} do not fit the codec")
    return found
