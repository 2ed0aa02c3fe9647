"""`ncodec eval` as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ncodec.evaluation import Results
from tests.cli.conftest import Picture, Result, Run, names

LEFT_OUT = ("ms_ssim", "ssimulacra2", "feature_distance", "top1")
FAST = (*(word for metric in LEFT_OUT for word in ("--without", metric)), "--device", "cpu")


@pytest.fixture
def evaluate(run: Run, picture: Picture) -> Run:
    """Evaluate two pictures into `out`."""
    picture("in/a.png")
    picture("in/b.png", 30, 20)

    def call(*words: object, stdin: bytes = b"") -> Result:
        return run("eval", "in", "-o", "out", *words, *FAST)

    return call


def test_a_table_on_stdout_and_two_files(evaluate: Run) -> None:
    answer = evaluate("-c", "jpeg", "-c", "plain", "--qualities", "10,50")
    assert answer.code == 0
    assert names(Path("out")) == ["results.csv", "results.json"]
    lines = [line.split() for line in answer.out.splitlines()]
    assert lines[0][:4] == ["codec", "quality", "files", "bpp"]
    assert [line[:3] for line in lines[1:]] == [
        ["jpeg", "10", "2"], ["jpeg", "50", "2"], ["plain", "10", "2"], ["plain", "50", "2"],
    ]  # fmt: skip
    assert answer.err == "out: 8 rows, 8 of them measured now\n"
    assert (
        evaluate("-c", "jpeg", "--qualities", "10").err == "out: 8 rows, 0 of them measured now\n"
    )


def test_json_is_a_line_a_row(evaluate: Run) -> None:
    answer = evaluate("-c", "jpeg", "--qualities", "10", "--json")
    rows = [json.loads(line) for line in answer.out.splitlines()]
    assert [row["file"] for row in rows] == ["a.png", "b.png"]
    assert all(row["psnr"] > 20 for row in rows)
    assert answer.err == ""


@pytest.mark.parametrize("given", [("10", "jpeg=20,30"), ("jpeg=20,30", "10")])
def test_qualities_for_one_codec(evaluate: Run, given: tuple[str, str]) -> None:
    evaluate("-c", "jpeg", "-c", "plain", "--qualities", given[0], "--qualities", given[1])
    asked = {(row.codec, row.quality) for row in Results.read("out").rows}
    assert asked == {("jpeg", 20), ("jpeg", 30), ("plain", 10)}


def test_a_bad_file_is_one_line_and_the_worst_code(evaluate: Run) -> None:
    Path("in/notes.txt").write_text("no picture")
    answer = evaluate("-c", "jpeg", "-c", "webp", "--qualities", "10,50")
    assert answer.code == 3
    first, last = answer.err.splitlines()
    assert first == "error: notes.txt: not a picture in a known format"
    assert last.startswith("out: 12 rows")


def test_a_codec_that_is_not_installed_is_one_line(
    evaluate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    answer = evaluate("-c", "jxl", "-c", "jpeg", "--qualities", "50")
    assert answer.code == 2
    assert answer.err.startswith("error: jxl: not installed: pip install pillow-jxl-plugin")
    assert answer.err.count("\n") == 2
    assert {row.codec for row in Results.read("out").rows} == {"jpeg"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-c", "gif"), 2, "no codec 'gif'; there are:"),
        (("-c", "jpeg", "--qualities", "ten"), 2, "write numbers as 10,30,50"),
        (("-c", "jpeg", "--qualities", "nan"), 2, "finite"),
        (("--qualities", "10"), 2, "name codecs with -c"),
        (("-c", "jpeg", "--qualities", "webp=10"), 2, "webp"),
        (("-c", "jpeg", "--without", "psnr"), 2, "no metric 'psnr'"),
        (("-c", "jpeg", "--labels", "none.csv"), 3, "none.csv"),
    ],
)
def test_what_can_not_be_is_one_line(
    evaluate: Run, words: tuple[str, ...], code: int, said: str
) -> None:
    answer = evaluate(*words)
    assert answer.code == code
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert not Path("out").exists()


def test_folders_and_outputs_that_can_not_be(run: Run, picture: Picture) -> None:
    picture("in/a.png")
    Path("empty").mkdir()
    Path("file").write_text("")
    for folder, output, code in (("empty", "out", 3), ("gone", "out", 3), ("in", "file", 2)):
        answer = run("eval", folder, "-o", output, "-c", "jpeg", *FAST)
        assert answer.code == code
        assert answer.err.count("\n") == 1
    assert not Path("out").exists()


def test_results_of_another_version_are_one_line(evaluate: Run) -> None:
    evaluate("-c", "jpeg", "--qualities", "10")
    path = Path("out/results.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    answer = evaluate("-c", "jpeg", "--qualities", "10")
    assert answer.code == 5
    assert "version 2" in answer.err
    assert answer.err.count("\n") == 1
    assert evaluate("-c", "jpeg", "--qualities", "10", "-f").code == 0


def test_labels_give_accuracy(run: Run, picture: Picture) -> None:
    picture("in/a.png")
    Path("in/labels.csv").write_text("a.png,3\n\n", "utf-8-sig")
    words = ("-c", "jpeg", "--qualities", "90", "--without", "ms_ssim", "--device", "cpu")
    answer = run("eval", "in", "-o", "out", "--labels", "in/labels.csv", *words)
    assert answer.code == 0
    (row,) = Results.read("out").rows
    assert row.top1_accuracy in (0, 1)
    for text in ("a.png", "a.png,1000", "a.png,-1", "a.png,cat"):
        Path("in/labels.csv").write_text(text)
        answer = run("eval", "in", "-o", "out", "--labels", "in/labels.csv", *words)
        assert answer.code == 3
        assert "line 1" in answer.err


def test_the_command_line_imports_nothing_heavy_for_it() -> None:
    script = "import sys, ncodec.cli.eval; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not {"torch", "numpy", "PIL", "soundfile"} & set(done.stdout.split())
