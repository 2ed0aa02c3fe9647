"""Measuring codecs: rates of whole files, metrics, classical baselines, results.

from ncodec.evaluation import evaluate
results = evaluate("photos", ["hyperprior", "jpeg"], output="report")
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncodec.evaluation.results import (
        Average,
        CodecNote,
        Machine,
        Results,
        Row,
        export_compressai,
    )

_HOMES = {
    "results": ("Average", "CodecNote", "Machine", "Results", "Row", "export_compressai"),
}

__all__ = [
    "Average",
    "CodecNote",
    "Machine",
    "Results",
    "Row",
    "export_compressai",
]

if not TYPE_CHECKING:  # Type checkers must not believe that every name exists.

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used: the command line must start quickly."""
        for home, names in _HOMES.items():
            if name in names:
                value = getattr(import_module(f"ncodec.evaluation.{home}"), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module 'ncodec.evaluation' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
