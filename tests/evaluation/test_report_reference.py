"""Files of published curves: which are chosen, and what is wrong with bad ones."""

import json
from pathlib import Path

import pytest

from ncodec.errors import InputError, OptionError
from ncodec.evaluation.report_reference import USUAL, read_reference

CURVE = {"bpp": [0.5, 0.1], "psnr": [34.0, 28.0]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    curves = {"jpeg": CURVE, "new": {**CURVE, "ms_ssim_db": [14.0, 9.0]}, "newer": CURVE}
    whole = {"dataset": "Ten pictures", "codecs": curves, "other_sources": {"elsewhere": CURVE}}
    path = tmp_path / "curves.json"
    path.write_text(json.dumps(whole))
    return path


def test_usual_curves_are_chosen_by_themselves(file: Path) -> None:
    found = read_reference(file)
    assert "jpeg" in USUAL
    assert found.dataset == "Ten pictures"
    assert [curve.name for curve in found.curves["psnr"]] == ["jpeg"]
    assert found.curves["psnr"][0].points == ((0.1, 28.0), (0.5, 34.0))
    assert found.curves["ms_ssim_db"] == ()


def test_curves_are_chosen_by_name_from_all_rooms(file: Path) -> None:
    found = read_reference(file, ["new", "elsewhere"])
    assert [curve.name for curve in found.curves["psnr"]] == ["new", "elsewhere"]
    assert [curve.name for curve in found.curves["ms_ssim_db"]] == ["new"]


def test_a_file_without_usual_names_gives_its_first_curves(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"codecs": {f"n{i:02}": CURVE for i in range(20)}}))
    assert [c.name for c in read_reference(path).curves["psnr"]] == [f"n{i:02}" for i in range(8)]


def test_an_unknown_name_lists_what_is_near(file: Path) -> None:
    with pytest.raises(OptionError, match=r"'nwe'.*new"):
        read_reference(file, ["nwe"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a file of published curves"),
        ('{"codecs": [1]}', "not a file of published curves"),
        ("{}", "holds no published curves"),
        ('{"codecs": {"a": 5}}', "curve 'a': bpp"),
        ('{"codecs": {"a": {"bpp": ["1"]}}}', "curve 'a': bpp"),
        ('{"codecs": {"a": {"bpp": [1, NaN]}}}', "curve 'a': bpp"),
        ('{"codecs": {"a": {"bpp": [1, 2], "psnr": [30]}}}', "curve 'a': psnr"),
        ('{"codecs": {"a": {"bpp": [1], "ms_ssim_db": [true]}}}', "curve 'a': ms_ssim_db"),
    ],
)
def test_bad_files_are_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_reference(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: No such file"):
        read_reference(tmp_path / "none.json")
