"""`ncodec train`: train a codec's model on a folder of pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncodec.cli import options
from ncodec.cli.common import verb
from ncodec.cli.exits import Exit
from ncodec.cli.screen import Screen
from ncodec.errors import InputError, OptionError

if TYPE_CHECKING:
    from ncodec.training.loop import Trainer

RECIPES = ("hyperprior",)


@verb
def train(
    recipe: Annotated[str, typer.Argument(metavar="MODEL", help="hyperprior.")],
    data: Annotated[Path, typer.Option("--data", metavar="FOLDER", help="Training pictures.")],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Checkpoints and log.")],
    steps: Annotated[int, typer.Option("--steps", min=1, metavar="N")] = 100_000,
    anneal_steps: Annotated[int, typer.Option("--anneal-steps", min=0, metavar="N")] = 20_000,
    batch: Annotated[int, typer.Option("--batch", min=1, metavar="N")] = 4,
    crop: Annotated[
        int, typer.Option("--crop", min=64, metavar="N", help="Pixels a side; 64 times a number.")
    ] = 192,
    learning_rate: Annotated[float, typer.Option("--learning-rate", metavar="X")] = 6e-4,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N")] = 0,
    compile: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Compile the network first.")
    ] = True,
    device: options.DeviceOption = options.Device.AUTO,
    threads: options.Threads = None,
    verbose: options.Verbose = False,
) -> Exit:
    """Train a model, or go on with a run.

    Started again with the same folder, a run goes on from its last checkpoint.
    """
    _check(recipe, data, out, crop, learning_rate)
    fields = {
        "steps": steps,
        "anneal_steps": min(anneal_steps, steps),
        "batch": batch,
        "crop": crop,
        "learning_rate": learning_rate,
        "seed": seed,
        "compile": compile,
    }
    trainer = _trainer(data, out, fields, device.value, threads)
    trainer.run()
    screen = Screen(verbose=verbose)
    step = trainer.counters["step"]
    if trainer.stopped:
        screen.summary(f"stopped at step {step}; the same command goes on from there")
        return Exit.INTERRUPTED
    screen.summary(f"{out}: {step} steps done")
    return Exit.OK


def _check(recipe: str, data: Path, out: Path, crop: int, learning_rate: float) -> None:
    if recipe not in RECIPES:
        raise OptionError(f"no recipe {recipe!r}; there are: {', '.join(RECIPES)}")
    if not data.is_dir():
        raise InputError(f"{data}: {'is not a folder' if data.exists() else 'no such folder'}")
    if out.exists() and not out.is_dir():
        raise OptionError(f"{out}: is a file; name a folder for the run")
    if crop % 64:
        raise OptionError(f"crop {crop}: must be a multiple of 64")
    if not 0 < learning_rate < 1:
        raise OptionError(f"learning rate {learning_rate:g}: must lie between 0 and 1")


def _trainer(
    data: Path, out: Path, fields: dict[str, Any], device: str, threads: int | None
) -> "Trainer":
    import torch

    from ncodec.api import choose_device

    if threads is not None:
        torch.set_num_threads(threads)
    try:
        from ncodec.training.hyperprior import HyperpriorRecipe
        from ncodec.training.loop import Settings, Trainer
    except ModuleNotFoundError as error:
        raise OptionError(
            f"training needs {error.name}, which is not installed: pip install 'ncodec[train]'"
        ) from error
    settings = Settings(**fields)
    recipe = HyperpriorRecipe(data, settings, torch.device(choose_device(device)))
    return Trainer(recipe, out, settings)
