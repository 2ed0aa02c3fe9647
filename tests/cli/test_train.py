"""`ncodec train`: a real run in miniature, and what it refuses."""

import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Picture, Run

TINY = ("--batch", 1, "--crop", 64, "--no-compile", "--device", "cpu", "--anneal-steps", 0)


def test_a_run_trains_and_goes_on(
    run: Run, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ncodec.training import export_hyperprior, linear_fit

    monkeypatch.setattr(linear_fit, "FIT_CROPS", 20)
    monkeypatch.setattr(export_hyperprior, "CALIBRATION_CROPS", 2)
    monkeypatch.setattr(export_hyperprior, "COUNTED_CROPS", 4)
    monkeypatch.setattr(export_hyperprior, "CROP", 64)
    picture("data/a.png", 160, 140)
    words = ("train", "hyperprior", "--data", "data", "--out", "run", *TINY)
    first = run(*words, "--steps", 2, "--seed", 7)
    assert (first.code, first.err.splitlines()[-1]) == (0, "run: 2 steps done")
    assert json.loads(Path("run/settings.json").read_text())["seed"] == 7
    before = Path("run/latest.safetensors").stat().st_mtime_ns
    assert run(*words, "--steps", 3).err == "run: 3 steps done\n"
    assert Path("run/latest.safetensors").stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("train", "nothing", "--data", "data", "--out", "run"), 2, "no recipe 'nothing'"),
        (("train", "hyperprior", "--data", "gone", "--out", "run"), 3, "no such folder"),
        (("train", "hyperprior", "--data", "data/a.png", "--out", "run"), 3, "is not a folder"),
        (("train", "hyperprior", "--data", "data", "--out", "data/a.png"), 2, "is a file"),
        (("train", "hyperprior", "--data", "data", "--out", "r", "--decoder-only"), 2, "--start"),
        (("train", "grvq", "--data", "data", "--out", "r", "--decoder-only"), 2, "leave out"),
        (("train", "hyperprior", "--data", "data", "--out", "r", "--crop", 100), 2, "crop 100"),
        (("train", "hyperprior", "--data", "data", "--out", "r", "--steps", 0), 2, "steps"),
        (("train", "hyperprior", "--data", "data", "--out", "r", *TINY), 3, "no picture of"),
        (("train", "hyperprior", "--data", "data", "--out", "r", "--start", "gone"), 3, "gone"),
        (("train", "grvq", "--data", "data", "--out", "r", "--start", "data/a.png"), 2, "--start"),
        (("train", "vqgan", "--data", "data", "--out", "r", "--start", "data/a.png"), 5, "not a"),
        (("train", "hyperprior", "--out", "run"), 2, "--data"),
    ],
)
def test_what_cannot_be_trained_is_an_error(
    run: Run, picture: Picture, words: tuple[object, ...], code: int, said: str
) -> None:
    picture("data/a.png", 60, 90)
    answer = run(*words)
    assert answer.code == code
    assert said in answer.err
    assert not Path("run").exists()


def test_a_missing_extra_is_named(
    run: Run, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ncodec.training.hyperprior", None)
    picture("data/a.png")
    answer = run("train", "hyperprior", "--data", "data", "--out", "run")
    assert answer.code == 2
    assert "ncodec[train]" in answer.err
