"""`ncodec report` as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run, names
from tests.evaluation.made import DBS, picture_files, picture_row, picture_rows, results

WRITTEN = [
    "ms_ssim_db.png", "ms_ssim_db.svg", "psnr.png", "psnr.svg", "report.html", "results.csv",
    "results.json", "speed_image.png", "speed_image.svg",
]  # fmt: skip
CURVES = {"dataset": "Ten", "codecs": {"jpeg": {"bpp": [0.1, 1.0], "psnr": [28.0, 38.0]}}}


@pytest.fixture
def out(folder: Path) -> Path:
    """A folder with the result of two codecs."""
    (folder / "out").mkdir()
    results(picture_rows({"one": 1, "two": 2})).write(folder / "out")
    return Path("out")


def test_tables_on_stdout_and_files_beside_the_result(run: Run, out: Path) -> None:
    answer = run("report", out / "results.json")
    assert answer.code == 0
    assert names(out) == WRITTEN
    lines = [line.split() for line in answer.out.splitlines()]
    assert ["against", "one", "two"] in lines
    assert ["one", "-", "+100.0", "%"] in lines
    assert ["two", "-50.0", "%", "-"] in lines
    assert answer.err == "out/report.html: open it in a browser; 6 plots beside it\n"


def test_json_is_one_object(run: Run, out: Path) -> None:
    answer = run("report", out, "-o", "there", "--json")
    (line,) = answer.out.splitlines()
    said = json.loads(line)
    assert Path(said["files"][0]).name == "report.html"
    assert all(Path(file).is_file() for file in said["files"])
    assert {(c["codec"], c["against"], c["metric"]) for c in said["comparisons"]} == {
        (a, b, m) for a, b in (("one", "two"), ("two", "one")) for m in ("psnr", "ms_ssim_db")
    }
    assert answer.err == ""
    assert names(out) == ["results.csv", "results.json"]


def test_published_curves_are_compared_and_drawn(run: Run, out: Path) -> None:
    Path("curves.json").write_text(json.dumps(CURVES))
    answer = run("report", out, "--reference", "curves.json", "--published", "jpeg")
    assert answer.code == 0
    assert "jpeg*" in answer.out
    assert "* published, Ten: compare only results on the same files" in answer.out
    assert "jpeg, published" in (out / "psnr.svg").read_text()
    unknown = run("report", out, "-f", "--reference", "curves.json", "--published", "vtm")
    assert unknown.code == 2
    assert unknown.err == "error: no published curve 'vtm'; there are: jpeg, ...\n"


def test_pictures_come_from_the_folder_named(run: Run, folder: Path) -> None:
    picture_files(folder / "in").write(folder)
    answer = run("report", ".", "--media", "in", "--show", "b.png", "--bpp", "0.5", "--quiet")
    assert answer.code == 0
    assert answer.err == ""
    page = Path("report.html").read_text()
    assert page.count('"label":"jpeg"') == 1
    assert "0.5 bits a pixel" in page


def test_nothing_is_overwritten_unasked(run: Run, out: Path) -> None:
    (out / "psnr.svg").write_text("mine")
    answer = run("report", out)
    assert answer.code == 2
    assert answer.err.startswith("error: out/psnr.svg: exists already; -f")
    assert names(out) == ["psnr.svg", "results.csv", "results.json"]
    assert run("report", out, "-f").code == 0


def test_doubts_are_warnings_and_the_report_goes_on(run: Run, folder: Path) -> None:
    rows = [
        *picture_rows({"low": 1}),
        *picture_rows({"high": 1}, dbs=[db + 20 for db in DBS]),
        picture_row("dot", 5, "a.png", 0.4, 33),
    ]
    results(rows).write(folder)
    answer = run("report", "results.json")
    assert answer.code == 0
    warnings = [line for line in answer.err.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        "warning: dot: not compared by PSNR: a curve needs 2 points that rise, not 1",
        "warning: high against low: not compared by PSNR: no quality in common: "
        "48 to 60 against 28 to 40; measure more qualities",
        *(w for w in warnings if "MS-SSIM" in w),
    ]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("{", 3, "not JSON"),
        ("[]", 3, "not a result of `ncodec eval`"),
        ("{}", 3, "not a result of `ncodec eval`"),
        ('{"format": "ncodec-eval", "version": 9}', 5, "results of version 9"),
        ('{"format": "ncodec-eval", "version": 1}', 3, "not a result of `ncodec eval`"),
    ],
)
def test_other_files_are_one_clear_line(
    run: Run, folder: Path, text: str, code: int, message: str
) -> None:
    Path("other.json").write_text(text)
    answer = run("report", "other.json")
    assert answer.code == code
    assert answer.err.startswith("error: other.json: ")
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert names(folder) == ["other.json"]


def test_a_result_without_rows_and_a_missing_one_are_named(run: Run, folder: Path) -> None:
    results([]).write(folder)
    answer = run("report", "results.json")
    assert (answer.code, answer.err.count("\n")) == (3, 1)
    assert answer.err.startswith("error: results.json: the result holds no rows")
    assert run("report", "none.json").err == "error: none.json: No such file or directory\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--published", "jpeg"), "give --reference"),
        (("--show", "a.png"), "give --media"),
        (("--bpp", "0"), "bpp 0: must be a positive number"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(
    run: Run, out: Path, words: tuple[str, ...], message: str
) -> None:
    answer = run("report", out, *words)
    assert answer.code == 2
    assert message in answer.err
    assert names(out) == ["results.csv", "results.json"]


def test_without_the_libraries_it_says_what_to_install(
    run: Run, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    answer = run("report", out)
    assert answer.code == 2
    assert "pip install 'ncodec[eval]'" in answer.err


def test_control_characters_of_names_do_not_reach_the_terminal(run: Run, folder: Path) -> None:
    results(picture_rows({"\x1b[31mred": 1, "two": 2})).write(folder)
    answer = run("report", ".")
    assert "\x1b" not in answer.out + answer.err
    assert "\\x1b[31mred" in answer.out


def test_help_imports_neither_torch_nor_matplotlib() -> None:
    script = (
        "import sys; from ncodec.cli import app\n"
        "try: app(['report', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'torch', 'matplotlib', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
