"""What the README says is true: its commands and its Python run as they stand there."""

import re
import shlex
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from ncodec.cli import app
from ncodec.training.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SET_UP = "python3 -m venv .venv && .venv/bin/pip install "
COMMAND = ".venv/bin/ncodec"

VERBS = {"encode", "decode", "info", "test", "trim", "codecs", "doctor"}


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Every command of the shell blocks, as words: `&&` ends one."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    parts = [part for line in lines for part in line.split(" && ")]
    return [shlex.split(part, comments=True) for part in parts]


@pytest.fixture(autouse=True)
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: one that looks like a clone to the commands."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words: list[str]) -> int:
    """Run ncodec in this process; its exit code."""
    with pytest.raises(SystemExit) as ended:
        app(words, prog_name="ncodec")
    return int(ended.value.code or 0)


def test_set_up_takes_one_line_each() -> None:
    first, second = (block for block in blocks("sh") if block.startswith(SET_UP))
    assert first.count("\n") == second.count("\n") == 1
    assert first.startswith(f"{SET_UP}. && {COMMAND} encode examples/")
    assert second == f"{SET_UP}-e '.[dev]' && .venv/bin/python -m pytest\n"


def test_the_main_command_codes_a_real_picture_twice_over(clone: Path) -> None:
    words = [words[1:] for words in commands() if words[0] == COMMAND]
    assert [line[0] for line in words] == ["encode", "decode"]
    assert [run(line) for line in words] == [run(line) for line in words] == [0, 0]
    with PIL.Image.open(words[0][1]) as source, PIL.Image.open(words[1][3]) as result:
        error = np.asarray(source.convert("RGB"), np.float64) - np.asarray(result)
    assert np.sqrt(np.mean(error**2)) < 10
    assert (clone / words[1][1]).stat().st_size < (clone / words[0][1]).stat().st_size / 4


def test_every_command_works_in_turn(capsys: pytest.CaptureFixture[str]) -> None:
    apart = {"train", "eval", "report"}
    lines = [words[1:] for words in commands() if words[0] == "ncodec" and words[1] not in apart]
    assert {line[0] for line in lines} == VERBS
    for line in lines:
        assert run(line) == 0, (line, capsys.readouterr().err)
    assert {"cat.ncd", "cat.png", "corner.png", "voice.wav", "small.ncd"} < {
        path.name for path in Path().iterdir()
    }
    assert Path("encoded/chelsea.ncd").is_file()
    assert Path("encoded/kerstin.ncd").is_file()


def test_codecs_are_compared_as_it_says(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos").mkdir()
    with PIL.Image.open(clone / "examples/chelsea.webp") as cat:
        cat.crop((120, 60, 296, 236)).save("photos/chelsea.webp", lossless=True)
    first, second = (words[1:] for words in commands() if words[1] in ("eval", "report"))
    assert run(first) == 0, capsys.readouterr().err
    assert [path.name for path in Path("report").glob("*.json")] == ["results.json"]
    assert run(second) == 0, capsys.readouterr().err
    assert "hyperprior" in capsys.readouterr().out
    assert "chelsea.webp" in Path("report/report.html").read_text()


def test_the_training_command_is_understood(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finished:
        """A run of no steps: training itself has its own tests."""

        stopped = False

        def __init__(
            self, entry: object, data: Path, out: Path, settings: Settings, *_: object
        ) -> None:
            self.counters = {"step": settings.steps}
            started.append((data, out))

        def run(self) -> None:
            """Nothing is left to do."""

    started: list[tuple[Path, Path]] = []
    monkeypatch.setattr(import_module("ncodec.cli.train"), "_trainer", Finished)
    (clone / "photos").mkdir()
    line = next(words[1:] for words in commands() if words[:2] == ["ncodec", "train"])
    assert run(line) == 0
    assert started == [(Path("photos"), Path("runs/hyperprior"))]


def test_the_python_runs_as_it_stands(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("hyperprior 451 300 0.")
    assert shown[1].startswith("(")
    assert shown[1].endswith(", 1) 16000 True")
    assert (clone / "kitten.ncd").stat().st_size <= 8000
    assert (clone / "kitten.png").is_file()


def test_files_that_are_named_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    scripts = re.findall(r"(?:benchmarks|docs|\.ci)/[\w./]+\w", README)
    assert len(links) >= 4
    assert len(scripts) >= 5
    assert [name for name in {*links, *scripts} if not (ROOT / name).is_file()] == []


def test_the_block_of_numbers_is_delimited_once() -> None:
    assert re.findall("<!-- /?numbers -->", README) == ["<!-- numbers -->", "<!-- /numbers -->"]


def test_continuous_integration_finds_the_test_command() -> None:
    script = (ROOT / ".ci/run").read_text()
    pattern = re.search(r"grep -m 1 '(.+)' README\.md", script)
    assert pattern is not None
    assert len(re.findall(pattern[1], README, re.MULTILINE)) == 1
