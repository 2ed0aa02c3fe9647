"""Checkpoints: tensors in safetensors, counters in JSON, written so that a kill loses neither."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ncodec.errors import ModelMismatchError, UnsafeWeightsError

_STEP = "step"


def _optimiser_tensors(optimiser: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Optimiser state by parameter name, so that it can be read back whatever the grouping."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    return {
        f"optimiser/{name}/{key}": value.contiguous()
        for name, parameter in zip(names, parameters, strict=True)
        for key, value in optimiser.state.get(parameter, {}).items()
    }


def save_checkpoint(
    path: Path,
    model: nn.Module,
    average: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    names: list[str],
    counters: dict[str, Any],
) -> None:
    """Write model, weight average, optimiser and counters to one file, atomically."""
    tensors = {f"model/{k}": v.contiguous() for k, v in model.state_dict().items()}
    tensors |= {f"average/{k}": v.contiguous() for k, v in average.items()}
    tensors |= _optimiser_tensors(optimiser, names)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"counters": json.dumps(counters)})
    partial.replace(path)


def load_checkpoint(
    path: Path,
    model: nn.Module,
    average: dict[str, Tensor],
    optimiser: torch.optim.Optimizer | None = None,
    names: list[str] | None = None,
) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote into the given objects; returns the counters.

    Raises `UnsafeWeightsError` for a file that is no checkpoint, `ModelMismatchError` for one of
    another model.
    """
    counters = read_counters(path)
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    try:
        model.load_state_dict(_below(tensors, "model/"))
        for key, value in _below(tensors, "average/").items():
            average[key].copy_(value)
        if optimiser is not None and names is not None:
            _load_optimiser(optimiser, names, _below(tensors, "optimiser/"))
    except (KeyError, RuntimeError) as error:
        raise ModelMismatchError(f"{path}: a checkpoint of another model ({error})") from error
    return counters


def read_counters(path: Path) -> dict[str, Any]:
    """The counters of a checkpoint. Raises `UnsafeWeightsError` if it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            counters: dict[str, Any] = json.loads((file.metadata() or {})["counters"])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise UnsafeWeightsError(f"{path}: not a training checkpoint ({error})") from error
    return counters


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _load_optimiser(
    optimiser: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]
) -> None:
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        state = _below(tensors, f"{name}/")
        if state:
            step = state.pop(_STEP).to(parameter.device)
            # In the parameter's memory format: the fused optimiser goes through raw memory.
            same = {k: torch.empty_like(parameter).copy_(v) for k, v in state.items()}
            optimiser.state[parameter] = {_STEP: step, **same}
