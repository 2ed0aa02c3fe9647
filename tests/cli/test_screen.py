"""What is printed, and where."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ncodec.cli.common import size_text
from ncodec.cli.screen import Screen
from tests.cli.conftest import Picture, Result, Run


def objects(answer: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.out.splitlines()]


def test_json_is_one_object_a_file(run: Run, picture: Picture) -> None:
    paths = [picture("a.png"), picture("b.png")]
    Path("c.png").write_bytes(b"nothing")
    rows = objects(run("encode", *paths, "c.png", "--json"))
    assert [row["input"] for row in rows] == ["a.png", "b.png", "c.png"]
    assert rows[0]["output"] == "a.ncd"
    assert rows[0]["bytes"] == Path("a.ncd").stat().st_size
    assert rows[0]["bpp"] == pytest.approx(8 * rows[0]["bytes"] / 7000)
    assert rows[0]["verified"] is True
    assert (rows[2]["error"], rows[2]["exit"]) == ("InputError", 3)


def test_json_tells_what_was_lost(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png"))
    Path("a.ncd").write_bytes(Path("a.ncd").read_bytes()[:-3])
    (row,) = objects(run("decode", "a.ncd", "-o", "b.png", "--partial", "--json"))
    assert row["lost"] == [{"tile": 3, "box": [64, 64, 36, 6]}]


def test_json_of_info_test_and_codecs(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png"))
    (said,) = objects(run("info", "a.ncd", "--json"))
    assert (said["codec"], said["width"], said["height"], said["tiles"]) == ("plain", 100, 70, 4)
    (tested,) = objects(run("test", "a.ncd", "--json"))
    assert tested["ok"] is True
    assert "plain" in [row["name"] for row in objects(run("codecs", "--json"))]


def test_info_reads_files_and_pipes(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png"))
    answer = run("info", "a.ncd")
    assert answer.err == ""
    for text in ("a.ncd", "100x70, RGB", "plain, quality 50", "00010203 (available)", "4 of 64x64"):
        assert text in answer.out
    assert "100x70" in run("info", "-", stdin=Path("a.ncd").read_bytes()).out


def test_data_and_json_never_share_stdout(run: Run, picture: Picture) -> None:
    answer = run("encode", picture("a.png"), "-o", "-", "--json")
    assert (answer.code, answer.data) == (2, b"")
    assert "--json" in answer.err


def test_binary_data_is_not_written_to_a_terminal(
    run: Run, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    answer = run("encode", picture("a.png"), "-o", "-")
    assert (answer.code, answer.data) == (2, b"")
    assert "terminal" in answer.err


def test_quiet_leaves_only_errors(run: Run, picture: Picture) -> None:
    assert run("encode", picture("a.png"), "--quiet", "--psnr", 99).err == ""
    assert run("encode", "missing.png", "--quiet").err != ""


def test_progress_is_drawn_only_on_a_terminal(
    run: Run, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture("a.png")
    assert "\x1b" not in run("encode", path).err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    shown = run("encode", path, "-f")
    assert "100%" in shown.err
    assert "a.png 100x70 -> a.ncd" in shown.err
    assert "\x1b" not in run("encode", path, "-f", "--quiet").err


def test_control_characters_of_names_do_not_reach_the_terminal(run: Run) -> None:
    answer = run("encode", "evil\x1b[2Jname.png", "[red]b.png")
    assert "\x1b" not in answer.err
    assert "evil\\x1b[2Jname.png" in answer.err
    assert "[red]b.png" in answer.err


def test_a_message_names_its_file_once(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().problem("a.png", "a.png: no such file")
    Screen().problem("a.png", "is odd")
    assert capsys.readouterr().err == "error: a.png: no such file\nerror: a.png: is odd\n"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (999, "999 B"),
        (1000, "1.0 kB"),
        (31_204, "31.2 kB"),
        (999_960, "1.0 MB"),
        (10**10, "10.0 GB"),
    ],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert size_text(size) == text
