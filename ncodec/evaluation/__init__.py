"""Measuring codecs: rates of whole files, metrics, classical baselines, results.

from ncodec.evaluation import evaluate
results = evaluate("photos", ["hyperprior", "jpeg"], output="report")

`ncodec.evaluation.report.report("report")` writes the plots and the page.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncodec.evaluation.audio_metrics import log_mel, pesq_wb, si_sdr, stoi, visqol
    from ncodec.evaluation.bjontegaard import Comparison, compare, curve, delta_rate, overlap
    from ncodec.evaluation.classifier import classify, top1_accuracy, top1_agreement
    from ncodec.evaluation.listener import Listener
    from ncodec.evaluation.metrics import ms_ssim, ms_ssim_db, psnr
    from ncodec.evaluation.perceptual import feature_distance, ssimulacra2
    from ncodec.evaluation.results import (
        Average,
        CodecNote,
        Machine,
        Results,
        Row,
        compressai_curve,
        export_compressai,
    )
    from ncodec.evaluation.runner import evaluate
    from ncodec.evaluation.subjects import Subject, open_subject

_HOMES = {
    "audio_metrics": (
        "log_mel",
        "pesq_wb",
        "si_sdr",
        "stoi",
        "visqol",
    ),
    "bjontegaard": (
        "Comparison",
        "compare",
        "curve",
        "delta_rate",
        "overlap",
    ),
    "classifier": (
        "classify",
        "top1_accuracy",
        "top1_agreement",
    ),
    "listener": ("Listener",),
    "metrics": (
        "ms_ssim",
        "ms_ssim_db",
        "psnr",
    ),
    "perceptual": (
        "feature_distance",
        "ssimulacra2",
    ),
    "results": (
        "Average",
        "CodecNote",
        "Machine",
        "Results",
        "Row",
        "compressai_curve",
        "export_compressai",
    ),
    "runner": ("evaluate",),
    "subjects": (
        "Subject",
        "open_subject",
    ),
}  # fmt: skip

__all__ = [
    "Average",
    "CodecNote",
    "Comparison",
    "Listener",
    "Machine",
    "Results",
    "Row",
    "Subject",
    "classify",
    "compare",
    "compressai_curve",
    "curve",
    "delta_rate",
    "evaluate",
    "export_compressai",
    "feature_distance",
    "log_mel",
    "ms_ssim",
    "ms_ssim_db",
    "open_subject",
    "overlap",
    "pesq_wb",
    "psnr",
    "si_sdr",
    "ssimulacra2",
    "stoi",
    "top1_accuracy",
    "top1_agreement",
    "visqol",
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
