"""`ncodec report`: tables, plots and a page from the result of `ncodec eval`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncodec.cli import options
from ncodec.cli.common import verb
from ncodec.cli.exits import Exit
from ncodec.cli.screen import Screen, printable
from ncodec.errors import OptionError

if TYPE_CHECKING:
    from ncodec.evaluation.report import Media, Report


@verb
def report(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="results.json, or the folder that holds it.")
    ],
    reference: Annotated[
        Path | None,
        typer.Option("--reference", metavar="FILE", help="Published curves to draw dashed (JSON)."),
    ] = None,
    published: Annotated[
        list[str] | None,
        typer.Option("--published", metavar="NAME", help="Which of them; repeat for more."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where to [beside RESULT]."),
    ] = None,
    media: Annotated[
        Path | None,
        typer.Option("--media", metavar="FOLDER", help="The files evaluated, for the page."),
    ] = None,
    show: Annotated[
        list[str] | None,
        typer.Option(
            "--show", metavar="NAME", help="A file to show; repeat for more [3 pictures, 2 sounds]."
        ),
    ] = None,
    bpp: Annotated[
        float, typer.Option("--bpp", metavar="X", help="Size at which pictures are shown.")
    ] = 0.25,
    kbps: Annotated[
        float, typer.Option("--kbps", metavar="X", help="Size at which sounds are shown.")
    ] = 6.0,
    device: options.DeviceOption = options.Device.AUTO,
    force: options.Force = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Exit:
    """Compare the codecs of a result: tables on stdout, plots and a page in files.

    With --media the page shows pictures and sounds, coded anew at one size.
    """
    if published and reference is None:
        raise OptionError("--published chooses from a file of published curves: give --reference")
    if show and media is None:
        raise OptionError("--show needs the files themselves: give --media FOLDER")
    screen = Screen(quiet=quiet, verbose=verbose, json=json)
    write, wish = _imported()
    made = write(
        result,
        output=output,
        reference=reference,
        published=published or (),
        media=wish(media, show or (), bpp, kbps, device.value),
        overwrite=force,
    )
    _say(made, screen)
    return Exit.OK


def _imported() -> "tuple[Callable[..., Report], type[Media]]":
    """What does the work. `OptionError` where its libraries are not installed."""
    try:
        import matplotlib  # noqa: F401
        import scipy  # noqa: F401
    except ModuleNotFoundError as error:
        raise OptionError(
            f"reports need {error.name}, which is not installed: pip install 'ncodec[eval]'"
        ) from error
    from ncodec.evaluation.report import Media, report

    return report, Media


def _say(made: "Report", screen: Screen) -> None:
    from ncodec.evaluation import report_tables

    for note in made.notes:
        screen.warning("", note)
    screen.result(
        result=str(made.source),
        files=[str(path) for path in made.files],
        comparisons=report_tables.as_data(made.charts),
        notes=list(made.notes),
    )
    if not screen.json:
        text = report_tables.text(made.charts, made.dataset)
        print("\n".join(map(printable, text.splitlines())))
    screen.summary(f"{made.page}: open it in a browser; {len(made.files) - 1} plots beside it")
