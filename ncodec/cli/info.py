"""`ncodec info`: what the headers of .ncd files say."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ncodec.cli import options
from ncodec.cli.common import Progress, each, limits_for, opened, verb
from ncodec.cli.exits import Exit
from ncodec.cli.paths import NCD, Source, sources
from ncodec.cli.screen import Screen, printable

if TYPE_CHECKING:
    from ncodec.api import Info


@verb
def info(
    files: options.NcdFiles,
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    verbose: options.Verbose = False,
) -> Exit:
    """Show what the headers of .ncd files say, without decoding."""
    screen = Screen(verbose=verbose, json=json)
    limits = limits_for(max_pixels)

    def show(source: Source, _: Progress) -> Exit:
        from ncodec.api import read_info

        with opened(source, limits) as file:
            said = read_info(file, limits=limits)
        screen.result(input=source.name, **asdict(said))
        if not json:
            print(_table(source.name, said))
        return Exit.OK

    return each(sources(files, NCD), show, screen)


def _table(name: str, said: "Info") -> str:
    """One line a fact, under the file's name."""
    extras = [extra for extra in ("alpha", "icc", "exif") if getattr(said, extra)]
    picture = [f"{said.width}x{said.height}", "grey" if said.grey else "RGB", *extras]
    state = "available" if said.model_available else "not available"
    tiles = f"{said.tiles} of {said.tile}x{said.tile} pixels" if said.tile else str(said.tiles)
    rows = {
        said.media: ", ".join(picture),
        "codec": f"{said.codec}, quality {said.quality:g}",
        "model": f"{said.model_id} ({state})",
        "tiles": tiles,
        "size": f"{said.size} bytes, {said.bpp:.3f} bpp",
        "of these": f"payload {said.payload}, metadata {said.metadata}, overhead {said.overhead}",
    }
    return "\n".join([printable(name), *(f"  {key:<9} {value}" for key, value in rows.items())])
