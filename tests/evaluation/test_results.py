"""Results are kept whole, averaged plainly, and refused when they are something else."""

import csv
import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ncodec.errors import InputError, OutputError, UnsupportedVersionError
from ncodec.evaluation import CodecNote, Machine, Results, Row, export_compressai

ROWS = [
    Row("jpeg", 10, "a.png", "image", "0a", width=8, height=4, pixels=32, bytes=16, bpp=4.0,
        psnr=20.0, ms_ssim=0.9, ms_ssim_db=10.0, encode_seconds=0.1, decode_seconds=0.2),
    Row("jpeg", 10, "b.png", "image", "0b", width=8, height=4, pixels=32, bytes=48, bpp=12.0,
        psnr=30.0, encode_seconds=0.3, decode_seconds=0.2),
    Row("jpeg", 5, "a.png", "image", "0a", width=8, height=4, pixels=32, bytes=8, bpp=2.0,
        psnr=15.0, ms_ssim=0.8, ms_ssim_db=7.0, encode_seconds=0.1, decode_seconds=0.2),
    Row("jpeg", 10, "notes, old.txt", error='no "picture"'),
    Row("opus", 6.5, "c.wav", "audio", "0c", sample_rate=8000, channels=1, seconds=2.0, bytes=9,
        kbps=6.0, si_sdr=-3.0),
]  # fmt: skip


def results() -> Results:
    return Results(
        created="2026-11-29T23:00:00Z",
        ncodec="0.1.0",
        machine=Machine("A processor", 2, 3.5, "Linux", "3.11", "cpu", 2),
        folder="kodak",
        versions={"torch": "2.9.1"},
        codecs={
            "jpeg": CodecNote("pillow", "image", "4:2:0", "13.0"),
            "opus": CodecNote("libsndfile", "audio", "variable rate"),
        },
        rows=list(ROWS),
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    results().write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.json"]
    assert Results.read(tmp_path) == results()
    assert Results.read(tmp_path / "results.json") == results()


def test_rows_hold_what_applies_to_them() -> None:
    picture, sound, failed = (results().rows[i].as_dict() for i in (0, 4, 3))
    assert "kbps" not in picture
    assert picture["ms_ssim"] == 0.9
    assert "psnr" not in sound
    assert sound["pesq_wb"] is None
    assert set(failed) == {"codec", "media", "quality", "file", "source", "error"}


def test_the_table_has_a_line_a_row(tmp_path: Path) -> None:
    results().write(tmp_path)
    with (tmp_path / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["file"] for line in lines] == [row.file for row in ROWS]
    assert lines[3]["error"] == 'no "picture"'
    assert float(lines[0]["psnr"]) == 20
    assert lines[0]["kbps"] == ""


def test_averages_are_plain_means_of_files_that_succeeded() -> None:
    ten, five, sound = results().averages
    assert (ten.codec, ten.quality, ten.files) == ("jpeg", 10, 2)
    assert (ten.metrics["psnr"], ten.metrics["bpp"]) == (25, 8)
    assert ten.metrics["ms_ssim"] == 0.9
    assert ten.metrics["top1_agreement"] is None
    assert five.files == sound.files == 1
    assert sound.as_dict()["kbps"] == 6
    assert results().curve("jpeg") == [[2, 15], [8, 25]]


def test_numbers_that_are_none_are_not_written(tmp_path: Path) -> None:
    bad = results()
    bad.rows = [replace(ROWS[0], psnr=float("nan"))]
    with pytest.raises(ValueError, match="JSON"):
        bad.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        results().write(tmp_path / "nowhere")


def changed(**fields: Any) -> bytes:  # noqa: ANN401
    return json.dumps({**results().as_dict(), **fields}).encode()


def row(**fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {**ROWS[0].as_dict(), **fields}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1, 2]", "not a result of `ncodec eval`"),
        (b'{"a": 1}', "not a result of `ncodec eval`"),
        (changed(rows=None), "rows is missing"),
        (changed(rows={}), "rows is of the wrong kind"),
        (changed(machine=None), "machine is missing"),
        (changed(folder=3), "folder is of the wrong kind"),
        (changed(rows=[row(), row(psnr="high")]), "row 2: psnr is of the wrong kind"),
        (changed(rows=[row(width=1.5)]), "row 1: width is of the wrong kind"),
        (changed(rows=[row(codec=None)]), "codec is of the wrong kind"),
        (changed(rows=[row(media="video")]), "row 1: media 'video' is neither image nor audio"),
        (changed(rows=[7]), "row is missing"),
        (changed(rows=[{"codec": "jpeg"}]), "quality"),
        (changed(codecs={"jpeg": {"kind": "pillow"}}), "settings"),
        (changed(rows=[row(psnr=float("nan"))]), "NaN is no number"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=said) as caught:
        Results.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_another_version_is_named(tmp_path: Path, version: object) -> None:
    (tmp_path / "results.json").write_bytes(changed(version=version))
    with pytest.raises(UnsupportedVersionError, match="version 1"):
        Results.read(tmp_path)


def test_names_of_later_minor_changes_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_bytes(changed(rows=[row(colour="red")], mood="good"))
    assert Results.read(tmp_path).rows == [ROWS[0]]


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        Results.read(tmp_path)


def plot_tool() -> ModuleType:
    """CompressAI's plot tool, without the rest of CompressAI, which takes long to import."""
    package = importlib.util.find_spec("compressai")
    assert package is not None
    assert package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0], "utils/plot/__main__.py")
    spec = importlib.util.spec_from_file_location("plot_tool", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_compressais_plots_load_it(tmp_path: Path) -> None:
    whole = results()
    whole.rows = [row for row in ROWS if row.file == "a.png"]
    whole.write(tmp_path)
    (exported,) = export_compressai(whole, tmp_path / "each")
    assert exported.name == "jpeg.json"
    for path in (tmp_path / "results.json", exported):
        curve = plot_tool().parse_json_file(path, "psnr")
        assert curve == {"name": "jpeg", "xs": [2, 4], "ys": [15, 20]}
        curve = plot_tool().parse_json_file(path, "ms-ssim")
        assert list(curve["ys"]) == pytest.approx([6.9897, 10])


def test_codecs_are_exported_to_one_folder_only(tmp_path: Path) -> None:
    whole = results()
    whole.codecs["../jpeg"] = whole.codecs["jpeg"]
    with pytest.raises(InputError, match="not the name of a file"):
        export_compressai(whole, tmp_path / "each")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="file"):
        export_compressai(results(), tmp_path / "file")
