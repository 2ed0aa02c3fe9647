"""The built-in codec through the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ncodec.codecs import registry
from ncodec.media import Audio, load_audio, load_image, save_audio
from tests.cli.conftest import Picture, Run, samples

CODEC = ("-c", "hyperprior")


def test_a_picture_goes_through_the_network_and_back(run: Run, picture: Picture) -> None:
    answer = run("encode", picture("a.png", 150, 90), *CODEC, "-q", 70)
    assert answer.code == 0
    assert "verify ok" in answer.err
    assert run("test", "a.ncd").code == 0
    assert run("decode", "a.ncd", "-o", "b.png").code == 0
    error = load_image("b.png").array.astype(float) - samples(150, 90)
    assert np.sqrt(np.square(error).mean()) < 12


def test_a_size_is_a_ceiling_for_the_whole_file(run: Run, picture: Picture) -> None:
    assert run("encode", picture("a.png", 150, 90), *CODEC, "--size", "0.9k").code == 0
    assert 600 < Path("a.ncd").stat().st_size <= 900


def test_damage_is_reported_not_decoded(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png", 150, 90), *CODEC)
    data = bytearray(Path("a.ncd").read_bytes())
    data[len(data) // 2] ^= 1
    Path("a.ncd").write_bytes(data)
    assert run("test", "a.ncd").code == 4
    assert run("decode", "a.ncd", "-o", "b.png").code == 4
    assert not Path("b.png").exists()


def test_doctor_tests_the_models(run: Run) -> None:
    answer = run("doctor", "--json")
    report = json.loads(answer.out)
    assert answer.code == 0
    assert {"ncodec", "torch", "numpy", "constriction", "pillow", "devices", "threads"} <= set(
        report
    )
    tested = {model["codec"] for model in report["models"]}
    assert tested == {"hyperprior", "grvq", "walloc", "vqgan", "plain"}
    assert all(model["ok"] for model in report["models"])


def test_doctor_finds_a_network_that_computes_something_else(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = registry.BUILT_IN["hyperprior"]
    arrays = load_file(entry.weights[-1])
    arrays["entropy/scale/trunk/0/weight"] *= -1
    damaged = tmp_path / "damaged.safetensors"
    save_file(arrays, damaged, {"model_id": registry.model_id(entry.weights[-1]).hex()})
    other = registry.CodecEntry(**{**vars(entry), "weights": (damaged,)})
    monkeypatch.setitem(registry.BUILT_IN, "hyperprior", other)
    registry.entries.cache_clear()
    answer = run("doctor")
    assert answer.code == 5
    assert "damaged.safetensors on cpu: FAILED" in answer.out
    assert "error: hyperprior: " in answer.err


def test_noise_can_be_left_out_of_a_sound(run: Run) -> None:
    random = np.random.default_rng(0)
    hiss = random.normal(0, 0.01, (22_050, 1)).astype(np.float32)
    with Path("a.flac").open("wb") as file:
        save_audio(Audio(hiss + np.float32(0.3), 22_050), file, "flac")
    assert run("encode", "a.flac", "-c", "walloc", "-q", 0).code == 0
    assert run("decode", "a.ncd", "-o", "full.wav").code == 0
    assert run("decode", "a.ncd", "-o", "bare.wav", "--no-fill").code == 0
    full, bare = (np.diff(load_audio(f"{name}.wav").array, axis=0) for name in ("full", "bare"))
    assert full.std() > 1.2 * bare.std()
