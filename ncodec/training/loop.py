"""One training loop for all models: schedule, averaging, progress, checkpoints, resuming."""

import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ncodec.models.blocks import matrix_tiles
from ncodec.training.card import write_card
from ncodec.training.checkpoint import load_checkpoint, read_counters, save_checkpoint
from ncodec.training.settings import Settings

__all__ = [
    "LATEST",
    "LOG",
    "STABLE",
    "Recipe",
    "Settings",
    "StepResult",
    "Trainer",
    "slowed",
    "strata",
]

LATEST, STABLE = "latest.safetensors", "stable.safetensors"
LOG = "log.jsonl"
SPIKE = 8.0


@dataclass(frozen=True)
class StepResult:
    """One forward pass: the loss to descend, and figures for the progress line."""

    loss: Tensor
    figures: dict[str, float]


class Recipe:
    """What a model adds to the loop: its network, its parameters' groups, its step.

    Attributes:
        name: of the weights file.
        folder: where the training data lie.
        done: the part of all steps that lies behind, 0..1; the loop tells it before each step.
    """

    name: str
    folder: Path
    model: nn.Module
    done: float = 0.0

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups as torch optimisers take them, each with a `factor` on the learning rate."""
        return [{"params": list(self.model.parameters()), "factor": 1.0}]

    def step(self, settings: Settings, random: np.random.Generator) -> StepResult:
        """Draw a batch and run it forward."""
        raise TypeError(f"{type(self).__name__} has no step")

    def after_step(self, settings: Settings, step: int) -> None:
        """What goes with an optimiser step just taken; not called where it was left out."""

    def averaged(self, name: str) -> bool:
        """Whether a tensor of the state goes into the weight average; others are copied."""
        return True

    def export(
        self,
        run: Path,
        settings: Settings,
        average: dict[str, Tensor],
        counters: dict[str, Any],
    ) -> None:
        """Write a finished run's weights file and model card into its folder."""
        path = run / f"{self.name}.safetensors"
        weights = self.write({k: v.cpu() for k, v in average.items()}, path, settings)
        card = path.with_suffix(".md")
        write_card(card, self.name, self.folder, settings, counters, weights, run / LOG)

    def write(
        self, average: dict[str, Tensor], path: Path, settings: Settings
    ) -> Mapping[str, str]:
        """Write the weights file of averaged weights; returns its metadata."""
        raise TypeError(f"{type(self).__name__} writes no weights")


def precision_context(precision: str, device: torch.device) -> torch.autocast:
    """bfloat16 autocast where it is faster: on GPUs and on processors with matrix tiles (AMX)."""
    fast = device.type != "cpu" or matrix_tiles(device)
    enabled = precision == "bf16" or (precision == "auto" and fast)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


class Trainer:
    """Trains one recipe in one folder; `run` returns when the steps are done or a signal came."""

    def __init__(self, recipe: Recipe, folder: Path, settings: Settings) -> None:
        self.recipe, self.folder, self.settings = recipe, folder, settings
        self.device = next(recipe.model.parameters()).device
        groups = recipe.parameter_groups()
        self.optimiser = torch.optim.AdamW(
            groups, settings.learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        )
        by_id = {id(p): name for name, p in recipe.model.named_parameters()}
        self.names = [by_id[id(p)] for group in groups for p in group["params"]]
        self.average = {k: v.detach().clone() for k, v in recipe.model.state_dict().items()}
        self.counters: dict[str, Any] = {"step": 0, "seconds": 0.0, "skipped": 0, "norm": 0.0}
        self.stopped = False

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if there is one."""
        latest, stable = self.folder / LATEST, self.folder / STABLE
        path = latest
        if stable.exists() and (not latest.exists() or self._annealed(latest)):
            path = stable
        if path.exists():
            self.counters = load_checkpoint(
                path, self.recipe.model, self.average, self.optimiser, self.names
            )

    def _annealed(self, latest: Path) -> bool:
        """Whether `latest` left the constant part of a schedule shorter than this one."""
        counters = read_counters(latest)
        return bool(counters["annealing"] and counters["steps"] < self.settings.steps)

    def save(self, name: str) -> None:
        """Write a checkpoint into the folder."""
        start = self.settings.steps - self.settings.anneal_steps
        self.counters["annealing"] = self.counters["step"] > start
        self.counters["steps"] = self.settings.steps
        save_checkpoint(
            self.folder / name,
            self.recipe.model,
            self.average,
            self.optimiser,
            self.names,
            self.counters,
        )

    def run(self) -> None:
        """Train until the steps are done; SIGTERM and Ctrl-C save a checkpoint and stop."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.resume()
        (self.folder / "settings.json").write_text(json.dumps(asdict(self.settings), indent=1))
        handlers = {s: signal.signal(s, self._stop) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._steps()
            if not self.stopped:
                self.recipe.export(self.folder, self.settings, self.average, self.counters)
        finally:
            self.save(LATEST)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True

    def _steps(self) -> None:
        report = Report(self.folder / LOG, self.settings.report_every)
        for step in range(self.counters["step"], self.settings.steps):
            if self.stopped:
                return
            begin = time.perf_counter()
            figures = self._step(step)
            self.counters["step"] = step + 1
            self.counters["seconds"] += time.perf_counter() - begin
            report.add(self.counters, figures)
            if step + 1 == self.settings.steps - self.settings.anneal_steps:
                self.save(STABLE)
            if (step + 1) % self.settings.checkpoint_every == 0:
                self.save(LATEST)

    def _step(self, step: int) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * self.settings.factor(step)
            group["lr"] *= group["factor"]
        random = np.random.default_rng((self.settings.seed, step))
        torch.manual_seed(int(random.integers(2**31)))
        self.recipe.done = step / self.settings.steps
        with precision_context(self.settings.precision, self.device):
            result = self.recipe.step(self.settings, random)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(result.loss)
        norm = self._descend()
        return {
            "loss": result.loss.item(),
            **result.figures,
            "norm": norm,
            "items": self.settings.batch,
        }

    def _descend(self) -> float:
        """One optimiser step, left out where the gradient explodes: one such step costs hours."""
        parameters = list(self.recipe.model.parameters())
        norm = float(nn.utils.clip_grad_norm_(parameters, self.settings.clip))
        usual = self.counters["norm"]
        if not np.isfinite(norm) or (self.counters["step"] > 100 and norm > SPIKE * usual):
            self.counters["skipped"] += 1
            self.counters["norm"] = usual * 1.05
            return norm
        self.counters["norm"] = 0.98 * usual + 0.02 * norm if usual else norm
        self.optimiser.step()
        self.recipe.after_step(self.settings, self.counters["step"])
        self._average()
        return norm

    @torch.no_grad()
    def _average(self) -> None:
        """Exponential average of the weights, shorter at the start than at the end."""
        step = self.counters["step"]
        keep = min(self.settings.average, (1 + step) / (10 + step))
        current = self.recipe.model.state_dict()
        floats = [
            k for k, v in self.average.items() if v.is_floating_point() and self.recipe.averaged(k)
        ]
        torch._foreach_lerp_(
            [self.average[k] for k in floats], [current[k] for k in floats], 1 - keep
        )
        for name in self.average.keys() - set(floats):
            self.average[name].copy_(current[name])


class Report:
    """Means over `every` steps: a line on stderr, a row in the log.

    Figures with a "/" in their name go into the log only.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self.rows: list[dict[str, float]] = []
        self.begin = time.perf_counter()

    def add(self, counters: dict[str, Any], figures: dict[str, float]) -> None:
        """Take one step's figures; print once enough came together."""
        self.rows.append(figures)
        if len(self.rows) < self.every:
            return
        seconds = time.perf_counter() - self.begin
        means = {k: float(np.mean([row[k] for row in self.rows])) for k in figures}
        means["items"] = sum(row["items"] for row in self.rows) / seconds
        row = {"step": counters["step"], "hours": counters["seconds"] / 3600, **means}
        with self.path.open("a") as log:
            log.write(json.dumps(row) + "\n")
        print(self._line(row, counters), file=sys.stderr, flush=True)
        self.rows, self.begin = [], time.perf_counter()

    def _line(self, row: dict[str, float], counters: dict[str, Any]) -> str:
        shown = {k: v for k, v in row.items() if k not in ("step", "items") and "/" not in k}
        fields = " ".join(f"{k} {v:.4g}" for k, v in shown.items())
        return (
            f"step {row['step']:.0f} {fields} skipped {counters['skipped']}"
            f" {row['items']:.1f} items/s"
        )


def slowed(model: nn.Module, names: tuple[str, ...], factor: float) -> list[dict[str, Any]]:
    """Parameter groups: what starts with one of the names learns at a factor of the speed."""
    named = list(model.named_parameters())
    slow = [p for name, p in named if name.startswith(names)]
    others = [p for name, p in named if not name.startswith(names)]
    return [{"params": others, "factor": 1.0}, {"params": slow, "factor": factor}]


def strata(count: int, random: np.random.Generator) -> Iterator[float]:
    """`count` numbers in 0..1, one from each of `count` equal intervals, in random order."""
    for stratum in random.permutation(count):
        yield (stratum + random.random()) / count
