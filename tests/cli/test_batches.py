"""Many files: folders, clashes found before any work, one bad file among good ones."""

import os
from pathlib import Path

import pytest

from ncodec.cli.paths import Source, encoded_medium
from tests.cli.conftest import Picture, Run, names


def test_a_folder_is_encoded_with_its_subfolders(run: Run, picture: Picture, folder: Path) -> None:
    picture("in/a.png")
    picture("in/deep/er/b.JPG")
    picture("in/.hidden/c.png")
    (folder / "in/notes.txt").write_text("no picture")
    assert run("encode", "in", "-o", "out").code == 0
    assert names(folder / "out") == ["a.ncd", "deep/er/b.ncd"]
    assert run("decode", "out", "-o", "back").code == 0
    assert names(folder / "back") == ["a.png", "deep/er/b.png"]


def test_without_output_each_result_stands_beside_its_input(run: Run, picture: Picture) -> None:
    picture("in/a.png")
    picture("in/deep/b.png")
    assert run("encode", "in").code == 0
    assert names(Path("in")) == ["a.ncd", "a.png", "deep/b.ncd", "deep/b.png"]


def test_a_folder_without_pictures_is_an_error(run: Run, folder: Path) -> None:
    (folder / "in").mkdir()
    answer = run("encode", "in")
    assert answer.code == 3
    assert "in: no files" in answer.err


@pytest.mark.parametrize(
    "twice", [("a.png", "a.jpg"), ("a.png", "./a.png"), ("a.png", "sub/a.png")]
)
def test_two_inputs_never_share_an_output(
    run: Run, picture: Picture, folder: Path, twice: tuple[str, str]
) -> None:
    for name in {os.path.normpath(name) for name in twice}:
        picture(name)
    before = names(folder)
    answer = run("encode", *twice, "-o", "out", "-f")
    assert answer.code == 2
    assert "would both be written" in answer.err
    assert names(folder) == before


def test_nothing_is_overwritten_and_nothing_done_before_that_is_known(
    run: Run, picture: Picture, folder: Path
) -> None:
    paths = [picture("a.png"), picture("b.png")]
    (folder / "b.ncd").write_bytes(b"precious")
    answer = run("encode", *paths)
    assert answer.code == 2
    assert "b.ncd: exists already" in answer.err
    assert "-f" in answer.err
    assert names(folder) == ["a.png", "b.ncd", "b.png"]
    assert Path("b.ncd").read_bytes() == b"precious"


def test_force_overwrites(run: Run, picture: Picture) -> None:
    path = picture("a.png")
    Path("a.ncd").write_bytes(b"old")
    assert run("encode", path, "-f").code == 0
    assert run("decode", "a.ncd", "-o", "copy.png").code == 0


@pytest.mark.parametrize("output", ["a", "hard", "soft"])
def test_a_file_is_never_encoded_onto_itself(
    run: Run, picture: Picture, folder: Path, output: str
) -> None:
    picture("a.png").rename("a")
    (folder / "hard").hardlink_to(folder / "a")
    (folder / "soft").symlink_to(folder / "a")
    before = Path("a").read_bytes()
    answer = run("encode", "a", "-o", output, "-f")
    assert answer.code == 2
    assert "is an input too" in answer.err
    assert Path("a").read_bytes() == before


def test_a_bad_file_does_not_stop_the_others(run: Run, picture: Picture, folder: Path) -> None:
    picture("a.png")
    (folder / "b.png").write_bytes(b"no picture at all")
    picture("c.png")
    answer = run("encode", "a.png", "b.png", "missing.png", "c.png")
    assert answer.code == 3
    assert "b.png" in answer.err
    assert "missing.png" in answer.err
    assert names(folder) == ["a.ncd", "a.png", "b.png", "c.ncd", "c.png"]


def test_the_worst_error_of_a_batch_is_the_exit_code(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png"))
    data = Path("a.ncd").read_bytes()
    Path("cut.ncd").write_bytes(data[:-10])
    Path("other.ncd").write_bytes(b"something else")
    assert run("test", "a.ncd", "other.ncd").code == 3
    assert run("test", "cut.ncd", "other.ncd", "a.ncd").code == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.png", "b.png", "-o", "-"), "takes one input"),
        (("-", "a.png"), "can't be combined"),
        (("-", "-o", "sub/"), "needs the name of a file"),
        (("a.png", "-o", "nowhere/a.ncd"), "no such folder"),
        (("a.png", "-o", "file/"), "is not a folder"),
        (("a.png", "b.png", "-o", "file"), "is not a folder"),
        (("a.png", "-o", "copy.jpg"), "encode writes .ncd files"),
        (("a.ncd",), "is an ncodec file already"),
    ],
)
def test_outputs_that_cannot_be_are_usage_errors(
    run: Run, picture: Picture, folder: Path, words: tuple[str, ...], said: str
) -> None:
    picture("a.png")
    picture("b.png")
    (folder / "a.ncd").write_bytes(b"any")
    (folder / "file").write_bytes(b"any")
    before = names(folder)
    answer = run("encode", *words, "-f")
    assert answer.code == 2
    assert said in answer.err
    assert names(folder) == before


def test_a_name_that_no_file_system_takes_is_an_error(run: Run) -> None:
    answer = run("encode", "x" * 5000)
    assert answer.code == 3
    assert "unexpected" not in answer.err


def test_a_file_that_can_not_be_read_does_not_stop_the_plan(
    picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = picture("a.ncd.png").rename("a.ncd")
    monkeypatch.setattr(Path, "open", refuse)
    assert encoded_medium(Source(path, path)) is None
