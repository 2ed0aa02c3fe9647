"""The codec `vqgan` through the command line, with untrained weights."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ncodec.cli.exits import Exit
from ncodec.codecs import registry
from ncodec.container import Reader
from ncodec.media import load_image
from tests.cli.conftest import Picture, Run
from tests.codecs import vqgan_weights

CODEC = ("-c", "vqgan")
EXIF = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vqgan") / "vqgan.safetensors"
    vqgan_weights.save(vqgan_weights.all_arrays(), path)
    return path


@pytest.fixture(autouse=True)
def _registered(trained: Path, plain: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    entry = replace(registry.BUILT_IN["vqgan"], weights=(trained,))
    monkeypatch.setitem(registry.BUILT_IN, "vqgan", entry)
    registry.entries.cache_clear()
    yield
    registry.entries.cache_clear()


def test_there_and_back(run: Run, picture: Picture) -> None:
    answer = run("encode", picture("a.png", 150, 90), *CODEC, "--size", "90")
    assert answer.code == 0
    assert "verify ok" in answer.err
    assert Path("a.ncd").stat().st_size <= 90
    assert run("test", "a.ncd").code == 0
    assert run("decode", "a.ncd", "-o", "b.png").code == 0
    assert load_image("b.png").array.shape == (90, 150, 3)


def test_info_counts_words(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png", 150, 90), *CODEC, "--drop", 20)
    said = run("info", "a.ncd").out
    assert "vqgan, quality 50" in said
    assert "60, of a codebook of 128, 20 % left out" in said
    facts = json.loads(run("info", "a.ncd", "--json").out)
    assert (facts["codebook"], facts["words"], facts["left_out"]) == (128, 60, 20)


def test_words_left_out_are_guessed_without_being_asked_to(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png", 160, 80), *CODEC, "--drop", 20)
    answer = run("decode", "a.ncd", "-o", "b.png")
    assert answer.code == 0
    assert "20.0% guessed" in answer.err


def test_lost_words_are_guessed_and_said(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png", 160, 80), *CODEC)
    data = bytearray(Path("a.ncd").read_bytes())
    data[-1] ^= 1
    Path("a.ncd").write_bytes(data)
    assert run("decode", "a.ncd", "-o", "b.png").code == 4
    assert not Path("b.png").exists()
    answer = run("decode", "a.ncd", "-o", "b.png", "--partial")
    assert answer.code == 4
    assert "tile 0: 40% of it is damaged and was guessed" in answer.err
    report = json.loads(run("decode", "a.ncd", "-o", "c.png", "--partial", "--json").out)
    assert (report["concealed"], report["lost"]) == (0.4, [])


def test_metadata_are_kept_when_asked_for(run: Run, picture: Picture) -> None:
    source = picture("a.png", 50, 40, EXIF)
    answer = run("encode", source, *CODEC)
    assert "EXIF left out; --keep-metadata" in answer.err
    assert "warning" not in run("encode", source, *CODEC, "-f", "--strip").err
    stripped = Path("a.ncd").stat().st_size
    assert "warning" not in run("encode", source, *CODEC, "-f", "--keep-metadata").err
    assert Path("a.ncd").stat().st_size > stripped
    assert Reader(Path("a.ncd").read_bytes()).of_kind("x")


def test_files_are_cut_to_a_size(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png", 150, 90), *CODEC, "-q", 100)
    answer = run("trim", "a.ncd", "--size", 70, "-o", "b.ncd")
    assert answer.code == 0
    assert " bpp" in answer.err
    assert Path("b.ncd").stat().st_size <= 70 < Path("a.ncd").stat().st_size
    assert run("test", "b.ncd").code == 0
    report = json.loads(run("trim", "a.ncd", "--bpp", 0.05, "-o", "c.ncd", "--json").out)
    assert report["bpp"] <= 0.05
    cut = ("trim", "a.ncd", "-o", "d.ncd", "--size", 70, "--max-pixels")
    assert run(*cut, 13_499).code == Exit.LIMIT
    assert run(*cut, 13_500).code == Exit.OK
    assert run("trim", "a.ncd", "-o", "d.ncd").code == 2
    assert run("trim", "a.ncd", "-o", "d.ncd", "--kbps", 3).code == 2


def test_wrong_shares_are_usage_errors(run: Run, picture: Picture) -> None:
    source = picture("a.png")
    for codec, drop in (("vqgan", 51), ("vqgan", -1), ("hyperprior", 5), ("vqgan", 0.5)):
        assert run("encode", source, "-c", codec, "--drop", drop).code == 2
    assert not Path("a.ncd").exists()


def test_doctor_and_codecs_know_it(run: Run) -> None:
    rows = [json.loads(line) for line in run("codecs", "--json").out.splitlines()]
    assert [row["number"] for row in rows if row["name"] == "vqgan"] == [4]
    models = json.loads(run("doctor", "--json").out)["models"]
    assert [model["ok"] for model in models if model["codec"] == "vqgan"] == [True]
