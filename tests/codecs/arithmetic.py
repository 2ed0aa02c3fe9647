"""Other ways in which the same machine can calculate."""

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent.parent
OTHER = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX2 FMA3",
    "OMP_NUM_THREADS": "1",
}
"""Environment of a process with narrow instruction sets in torch, oneDNN, BLAS and numpy."""


@contextmanager
def arithmetic(threads: int, onednn: bool) -> Iterator[None]:
    """So many threads, with or without oneDNN's kernels."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Of torch, about a flag left as it was.
            with torch.backends.mkldnn.flags(enabled=onednn):
                yield
    finally:
        torch.set_num_threads(before)


def said_elsewhere(script: str) -> list[str]:
    """The words that a Python script prints in a process with `OTHER` instruction sets."""
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **OTHER},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.split()
