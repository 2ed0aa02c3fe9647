"""Output files appear whole or not at all."""

import os
import stat
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from ncodec.errors import InputError, OutputError
from ncodec.files import write_atomic


def hello(stream: BinaryIO) -> str:
    stream.write(b"hello")
    return "result"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_file_is_written_and_the_result_returned(tmp_path: Path) -> None:
    assert write_atomic(tmp_path / "a", hello) == "result"
    assert (tmp_path / "a").read_bytes() == b"hello"
    assert names(tmp_path) == {"a"}


def test_nothing_is_seen_before_the_end(tmp_path: Path) -> None:
    def look(stream: BinaryIO) -> bool:
        hello(stream)
        return (tmp_path / "a").exists()

    assert write_atomic(tmp_path / "a", look) is False
    assert (tmp_path / "a").exists()


def test_existing_files_need_overwrite(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    with pytest.raises(OutputError, match="-f"):
        write_atomic(target, hello)
    assert target.read_bytes() == b"old"
    write_atomic(target, hello, overwrite=True)
    assert target.read_bytes() == b"hello"
    assert names(tmp_path) == {"a"}


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    def race(stream: BinaryIO) -> None:
        hello(stream)
        (tmp_path / "a").write_bytes(b"theirs")

    with pytest.raises(OutputError, match="exists"):
        write_atomic(tmp_path / "a", race)
    assert (tmp_path / "a").read_bytes() == b"theirs"
    assert names(tmp_path) == {"a"}


def test_file_systems_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_atomic(tmp_path / "a", hello)
    assert (tmp_path / "a").read_bytes() == b"hello"
    assert names(tmp_path) == {"a"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError, InputError])
def test_nothing_stays_after_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    def fail(stream: BinaryIO) -> None:
        hello(stream)
        raise error("no")

    target = tmp_path / "a"
    target.write_bytes(b"old")
    with pytest.raises(OutputError if error is OSError else error):
        write_atomic(target, fail, overwrite=True)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == {"a"}


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    def full(stream: BinaryIO) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left") as caught:
        write_atomic(tmp_path / "a", full)
    assert str(tmp_path / "a") in str(caught.value)


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    for target, reason in [
        (tmp_path / "missing" / "a", "No such file"),
        (tmp_path, "folder"),
        (tmp_path / "a\0b", "zero byte"),
        (tmp_path / ("a" * 300), "too long"),
    ]:
        with pytest.raises(OutputError, match=reason):
            write_atomic(target, hello, overwrite=True)
    assert names(tmp_path) == set()


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a", hello)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_long_names_are_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("a" * 255), hello)
    assert names(tmp_path) == {"a" * 255}


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_atomic(tmp_path / "link", hello, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"hello"


def test_devices_and_pipes_are_written_directly(tmp_path: Path) -> None:
    assert write_atomic("/dev/null", hello) == "result"
    assert not Path("/dev/null").is_file()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    write_atomic(fifo, hello)
    reader.join()
    assert read == [b"hello"]
    assert names(tmp_path) == {"fifo"}
