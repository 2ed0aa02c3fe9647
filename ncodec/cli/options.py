"""Options that several verbs share."""

from enum import Enum
from typing import Annotated

import typer


class Device(str, Enum):
    """Where networks run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


DeviceOption = Annotated[Device, typer.Option("--device", help="Where the networks run.")]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, metavar="N", help="Processor threads to use.")
]
MaxPixels = Annotated[
    int | None,
    typer.Option("--max-pixels", min=1, metavar="N", help="Refuse larger pictures [2^28]."),
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="OUT", help="File, folder, or - for stdout."),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite existing files.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a file on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show tracebacks of errors.")]
NcdFiles = Annotated[
    list[str], typer.Argument(metavar="IN", help="Files, folders, or - for stdin.")
]
