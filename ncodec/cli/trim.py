"""`ncodec trim`: sounds in .ncd files -> smaller .ncd files, without the networks."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ncodec.cli import options
from ncodec.cli.common import Progress, check_stdout, each, opened, put, seconds, size_text, verb
from ncodec.cli.exits import Exit
from ncodec.cli.paths import NCD, Job, plan
from ncodec.cli.screen import Screen
from ncodec.container import Limits, Reader


@verb
def trim(
    files: options.NcdFiles,
    kbps: Annotated[float, typer.Option("--kbps", metavar="X", help="At most X kbit/s.")],
    output: options.Output = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Exit:
    """Cut sounds in .ncd files to a lower rate, without decoding them."""
    from ncodec.codecs.base import Target

    Target.from_options(kbps=kbps)
    jobs = plan(files, NCD, output, lambda _: ".ncd", force)
    check_stdout(jobs[0].target is None, json)
    screen = Screen(quiet, verbose, json)

    def trim_file(job: Job, _: Progress) -> Exit:
        from ncodec import api

        begin = time.perf_counter()
        with opened(job.source, Limits()) as file:
            before = Reader(file).size
            data = api.trim(file, kbps=kbps)
        put(job.target, lambda out: out.write(data), force)
        _report(screen, job, before, data, time.perf_counter() - begin)
        return Exit.OK

    return each(jobs, trim_file, screen)


def _report(screen: Screen, job: Job, before: int, data: bytes, took: float) -> None:
    from ncodec.info import kbps_of

    kbps = kbps_of(len(data), Reader(data).sound.seconds)
    screen.summary(
        f"{Path(job.name).name} {size_text(before)} -> {Path(job.target_name).name}"
        f"  {size_text(len(data))}  {kbps:.2f} kbit/s  {seconds(took, 0)}"
    )
    screen.result(input=job.name, output=job.target_name, bytes=len(data), kbps=kbps, seconds=took)
