"""Rates and distortions of the README: ncodec against the classical codecs on a folder.

The same as `ncodec eval` and then `ncodec report`: rates count whole files, every codec has its
default qualities, and a second call goes on where the first one stopped. Results, plots and the
page lie in OUT.

Run it as `python benchmarks/rate_distortion.py FOLDER OUT [--reference FILE] [--codec NAME ...]`.
"""

import argparse
from pathlib import Path

from ncodec.evaluation import Listener, Row, evaluate
from ncodec.evaluation.report import report
from ncodec.evaluation.report_tables import text

CODECS = ("hyperprior", "jpeg", "webp", "avif", "jxl")


class Printer(Listener):
    """One line for every row."""

    def row(self, row: Row) -> None:
        print(f"{row.file} {row.codec} {row.quality:g}: {row.error or 'done'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--reference", type=Path, metavar="FILE", help="published curves")
    parser.add_argument("--codec", nargs="+", default=CODECS, metavar="NAME")
    parser.add_argument("--threads", type=int, metavar="N")
    options = parser.parse_args()
    evaluate(
        options.folder,
        options.codec,
        output=options.out,
        threads=options.threads,
        listener=Printer(),
    )
    found = report(options.out, reference=options.reference, overwrite=True)
    print(text(found.charts))


if __name__ == "__main__":
    main()
