"""`ncodec train`: train a codec's model on a folder of pictures or sounds."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncodec.cli import options
from ncodec.cli.common import verb
from ncodec.cli.exits import Exit
from ncodec.cli.screen import Screen
from ncodec.errors import InputError, OptionError
from ncodec.training.settings import RECIPES, RecipeEntry, Settings

if TYPE_CHECKING:
    from ncodec.training.loop import Trainer


def _help(text: str, field: str) -> str:
    values = (f"{name} {getattr(entry.settings, field)}" for name, entry in RECIPES.items())
    return f"{text} Default: {', '.join(values)}.".strip()


NAMES = list(dict.fromkeys(name.split(" ")[0] for name in RECIPES))
CROP_HELP = "; ".join(
    f"{name}: {entry.crop_meaning}, {entry.crop_unit} times a number"
    for name, entry in RECIPES.items()
)


@verb
def train(
    recipe: Annotated[
        str, typer.Argument(metavar="MODEL", help=f"{' or '.join(NAMES)}.", show_default=False)
    ],
    data: Annotated[
        Path, typer.Option("--data", metavar="FOLDER", help="Training pictures or sounds.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Checkpoints and log.")],
    media: Annotated[
        str | None,
        typer.Option("--media", metavar="image|audio", help="Of a model that is for both."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, metavar="N", help=_help("", "steps"))
    ] = None,
    anneal_steps: Annotated[
        int | None,
        typer.Option("--anneal-steps", min=0, metavar="N", help=_help("", "anneal_steps")),
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, metavar="N", help=_help("", "batch"))
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option("--crop", min=64, metavar="N", help=_help(f"{CROP_HELP}.", "crop")),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option("--learning-rate", metavar="X", help=_help("", "learning_rate")),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--start",
            metavar="WEIGHTS",
            help="Go on from a finished weights file; for vqgan from a run's checkpoint.",
        ),
    ] = None,
    decoder_only: Annotated[
        bool,
        typer.Option("--decoder-only", help="Train nothing but the decoder of --start's weights."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N")] = 0,
    compile: Annotated[
        bool | None,
        typer.Option("--compile/--no-compile", help=_help("Compile the network.", "compile")),
    ] = None,
    device: options.DeviceOption = options.Device.AUTO,
    threads: options.Threads = None,
    verbose: options.Verbose = False,
) -> Exit:
    """Train a model, or go on with a run.

    Started again with the same folder, a run goes on from its last checkpoint.
    """
    entry = _entry(recipe, media)
    if decoder_only:
        entry = _of_decoder(entry, f"{recipe} {media or ''}".strip(), start)
    given: dict[str, Any] = {
        "steps": steps,
        "anneal_steps": anneal_steps,
        "batch": batch,
        "crop": crop,
        "learning_rate": learning_rate,
        "start": None if start is None else str(start),
        "seed": seed,
        "compile": compile,
    }
    settings = replace(entry.settings, **{k: v for k, v in given.items() if v is not None})
    settings = replace(settings, anneal_steps=min(settings.anneal_steps, settings.steps))
    _check(entry, data, out, settings)
    trainer = _trainer(entry, data, out, settings, device.value, threads)
    trainer.run()
    screen = Screen(verbose=verbose)
    step = trainer.counters["step"]
    if trainer.stopped:
        screen.summary(f"stopped at step {step}; the same command goes on from there")
        return Exit.INTERRUPTED
    screen.summary(f"{out}: {step} steps done")
    return Exit.OK


def _entry(recipe: str, media: str | None) -> RecipeEntry:
    if recipe not in NAMES:
        raise OptionError(f"no recipe {recipe!r}; there are: {', '.join(NAMES)}")
    known = [name.partition(" ")[2] for name in RECIPES if name.split(" ")[0] == recipe]
    if known == [""]:
        if media is not None:
            raise OptionError(f"media {media}: {recipe} is for one medium; leave out --media")
        return RECIPES[recipe]
    if media not in known:
        raise OptionError(f"{recipe} has a model a medium; give --media {' or '.join(known)}")
    return RECIPES[f"{recipe} {media}"]


def _of_decoder(entry: RecipeEntry, name: str, start: Path | None) -> RecipeEntry:
    """The recipe that trains the decoder alone."""
    if entry.decoder is None:
        raise OptionError(f"the decoder of {name} is not trained alone; leave out --decoder-only")
    if start is None:
        raise OptionError("--decoder-only goes on from finished weights; name them with --start")
    return replace(entry, target=entry.decoder, restores=True)


def _check(entry: RecipeEntry, data: Path, out: Path, settings: Settings) -> None:
    if not data.is_dir():
        raise InputError(f"{data}: {'is not a folder' if data.exists() else 'no such folder'}")
    if out.exists() and not out.is_dir():
        raise OptionError(f"{out}: is a file; name a folder for the run")
    if settings.crop % entry.crop_unit or settings.crop < entry.smallest_crop:
        raise OptionError(
            f"crop {settings.crop}: must be a multiple of {entry.crop_unit}"
            f" ({entry.crop_meaning}), at least {entry.smallest_crop}"
        )
    if settings.start and not entry.restores:
        raise OptionError("this model cannot start from weights; leave out --start")
    if settings.start and not Path(settings.start).is_file():
        raise InputError(f"{settings.start}: no such weights file")
    if not 0 < settings.learning_rate < 1:
        raise OptionError(f"learning rate {settings.learning_rate:g}: must lie between 0 and 1")


def _trainer(
    entry: RecipeEntry, data: Path, out: Path, settings: Settings, device: str, threads: int | None
) -> "Trainer":
    import torch

    from ncodec.api import choose_device

    if threads is not None:
        torch.set_num_threads(threads)
    module, _, name = entry.target.partition(":")
    try:
        from ncodec.training.loop import Trainer

        recipe_class = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise OptionError(
            f"training needs {error.name}, which is not installed: pip install 'ncodec[train]'"
        ) from error
    return Trainer(recipe_class(data, settings, torch.device(choose_device(device))), out, settings)
