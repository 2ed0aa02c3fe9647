"""`ncodec info`: what the headers of .ncd files say."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ncodec.cli import options
from ncodec.cli.common import Progress, each, limits_for, opened, verb
from ncodec.cli.exits import Exit
from ncodec.cli.paths import NCD, Source, sources
from ncodec.cli.screen import Screen, printable
from ncodec.cli.wording import sound_text

if TYPE_CHECKING:
    from ncodec.info import AudioInfo, ImageInfo, Info


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
        from ncodec.info import AudioInfo

        with opened(source, limits) as file:
            said = read_info(file, limits=limits)
        screen.result(input=source.name, **asdict(said))
        if not json:
            facts = _sound(said) if isinstance(said, AudioInfo) else _picture(said)
            print(_table(source.name, said, facts))
        return Exit.OK

    return each(sources(files, NCD), show, screen)


Facts = tuple[str, str, dict[str, str], str]
"""What it is, quality, further lines, and the rate."""


def _picture(said: "ImageInfo") -> Facts:
    extras = [extra for extra in ("alpha", "icc", "exif") if getattr(said, extra)]
    what = [f"{said.width}x{said.height}", "grey" if said.grey else "RGB", *extras]
    tiles = f"{said.tiles} of {said.tile}x{said.tile} pixels" if said.tile else str(said.tiles)
    lines = {"tiles": tiles}
    if said.words is not None:
        size = f", of a codebook of {said.codebook}" if said.codebook else ""
        left_out = f"{said.left_out} % left out" if said.left_out else "none left out"
        lines["words"] = f"{said.words}{size}, {left_out}"
    return ", ".join(what), f"quality {said.quality:g}", lines, f"{said.bpp:.3f} bpp"


def _sound(said: "AudioInfo") -> Facts:
    what = f"{sound_text(said.seconds, said.sample_rate, said.channels)}, {said.samples} samples"
    lines = {"chunks": str(said.chunks)}
    return what, f"rate step {said.rate}", lines, f"{said.kbps:.2f} kbit/s"


def _table(name: str, said: "Info", facts: Facts) -> str:
    """One line a fact, under the file's name."""
    what, quality, lines, rate = facts
    state = "available" if said.model_available else "not available"
    rows = {
        said.media: what,
        "codec": f"{said.codec}, {quality}",
        "model": f"{said.model_id} ({state})",
        **lines,
        "size": f"{said.size} bytes, {rate}",
        "of these": f"payload {said.payload}, metadata {said.metadata}, overhead {said.overhead}",
    }
    return "\n".join([printable(name), *(f"  {key:<9} {value}" for key, value in rows.items())])
