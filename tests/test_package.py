"""The package as others import it."""

import inspect
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import ncodec

ROOT = Path(__file__).parent.parent
PUBLIC = {
    "Audio",
    "AudioInfo",
    "Codec",
    "CodecInfo",
    "Image",
    "ImageInfo",
    "Info",
    "Limits",
    "Metadata",
    "__version__",
    "decode",
    "encode",
    "errors",
    "list_codecs",
    "load_codec",
    "read_info",
    "trim",
}

ROUND_TRIP = """
import sys
import numpy as np
import ncodec
image = ncodec.decode(ncodec.encode(np.zeros((64, 64, 3), np.uint8), device="cpu"), device="cpu")
assert image.array.shape == (64, 64, 3)
print(*sys.modules)
"""

HEADER = """
import sys
import ncodec
from ncodec.container import ChunkKind, Header, ImageHeader, pack
header = Header(1, bytes(4), ImageHeader(16, 16, False, None, 400))
assert ncodec.read_info(pack(header, [(ChunkKind.LATENTS, b"payload")])).width == 16
print(*sys.modules)
"""


def modules_after(script: str) -> set[str]:
    """Names of all modules that a new process has imported in the end."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_public_names_are_these() -> None:
    assert set(ncodec.__all__) == PUBLIC
    assert len(ncodec.__all__) == len(PUBLIC)


def test_every_public_name_is_there_and_documented() -> None:
    for name in PUBLIC - {"__version__"}:
        assert inspect.getdoc(getattr(ncodec, name)), name


def test_nothing_else_of_the_package_looks_public() -> None:
    found = {
        name
        for name, value in vars(ncodec).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("ncodec")
    }
    assert found <= PUBLIC


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ncodec.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_coding_never_imports_what_only_training_and_benchmarks_need() -> None:
    imported = modules_after(ROUND_TRIP)
    assert {"torch", "constriction", "ncodec.codecs.hyperprior"} <= imported
    assert not {"compressai", "torchvision", "torchaudio", "scipy"} & imported


def test_reading_a_header_never_imports_torch() -> None:
    imported = modules_after(HEADER)
    assert "ncodec.container" in imported
    assert not {"torch", "constriction"} & imported


def test_the_package_says_that_it_is_typed() -> None:
    assert files("ncodec").joinpath("py.typed").is_file()


def test_the_version_is_the_projects() -> None:
    stated = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert stated is not None
    assert stated[1] == ncodec.__version__
