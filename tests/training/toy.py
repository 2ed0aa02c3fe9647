"""The smallest recipe: a convolution that learns to copy, in the memory format of real ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ncodec.models.blocks import lay_out
from ncodec.training.loop import Recipe, Settings, StepResult, Trainer

SETTINGS: dict[str, Any] = {
    "steps": 12,
    "anneal_steps": 4,
    "warmup_steps": 2,
    "learning_rate": 0.05,
    "batch": 2,
    "checkpoint_every": 3,
    "report_every": 4,
    "precision": "fp32",
}


class Toy(Recipe):
    """`factor(step)` multiplies the loss: NaN and large numbers are the accidents of training."""

    def __init__(self, factor: Callable[[int], float] = lambda step: 1.0) -> None:
        torch.manual_seed(1)
        self.model: nn.Module = nn.Conv2d(3, 2, 3)
        lay_out(self.model, torch.channels_last)
        self.factor = factor
        self.calls = 0
        self.seen: list[float] = []

    def export(self, *arguments: object) -> None:
        """Nothing is shipped."""

    def step(self, settings: Settings, random: np.random.Generator) -> StepResult:
        x = torch.from_numpy(random.normal(size=(settings.batch, 3, 6, 6))).float()
        out = self.model(x + 0.1 * torch.randn_like(x))
        loss = (out - x[:, :2, 1:-1, 1:-1]).square().mean() * self.factor(self.calls)
        self.calls += 1
        self.seen.append(float(x.sum()))
        return StepResult(loss, {"mse": float(loss.detach())})


def trainer(folder: Path, recipe: Toy | None = None, **changes: object) -> Trainer:
    return Trainer(recipe or Toy(), folder, Settings(**(SETTINGS | changes)))


def state(run: Trainer) -> dict[str, Tensor]:
    """Everything that the next step depends on."""
    found = {f"model/{k}": v.clone() for k, v in run.recipe.model.state_dict().items()}
    found |= {f"average/{k}": v.clone() for k, v in run.average.items()}
    for name, parameter in run.recipe.model.named_parameters():
        for key, value in run.optimiser.state[parameter].items():
            found[f"optimiser/{name}/{key}"] = value.clone()
    return found


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert set(a) == set(b)
    for key, value in a.items():
        assert torch.equal(value, b[key]), key
