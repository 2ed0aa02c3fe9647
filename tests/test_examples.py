"""The examples run."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from ncodec.codecs import registry
from tests.codecs.walloc_weights import PICTURE, write_weights

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_classifiers_learn_from_latents_and_from_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "walloc.safetensors"
    write_weights(PICTURE, weights)
    row = replace(registry.BUILT_IN["walloc"], weights=(weights,), also=None)
    monkeypatch.setattr(registry, "entries", lambda: {"walloc": row})
    spec = importlib.util.spec_from_file_location("example", EXAMPLES / "latent_classifier.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    files = tmp_path / "files"
    files.mkdir()
    example.make_files(files, 6, 30)
    accuracies = example.compare(files, 1)
    assert set(accuracies) == {"latents", "pixels"}
    said = capsys.readouterr().out
    counts = [float(line.split()[-3]) for line in said.splitlines()]
    assert max(counts) < 1.02 * min(counts)
