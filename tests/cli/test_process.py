"""The command as a process: start-up, pipes, signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ncodec
from ncodec.container import ChunkKind, Header, ImageHeader, pack

COMMAND = [sys.executable, "-m", "ncodec"]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes in other folders find the package that is being tested."""
    monkeypatch.setenv("PYTHONPATH", str(Path(ncodec.__file__).parents[1]))


def finished(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)


def tiny_file() -> bytes:
    """A file of the built-in codec, as far as its header goes."""
    media = ImageHeader(16, 16, False, None, 400)
    return pack(Header(1, bytes(4), media), [(ChunkKind.LATENTS, b"payload")])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["encode", "--help"], 0),
        (["info", "a.ncd"], 0),
        (["codecs", "--json"], 0),
        (["nonsense"], 2),
        (["encode", "a.png", "--bpp", "0"], 2),
        (["encode", "a.png", "--size", "x"], 2),
        (["encode", "a.wav", "--kbps", "0"], 2),
        (["encode", "missing.wav", "--kbps", "3"], 3),
        (["trim", "a.ncd", "-o", "b.ncd", "--kbps", "3"], 2),
        (["decode", "a.ncd", "-o", "a.nonsense"], 2),
        (["encode", "missing.png"], 3),
        (["train", "hyperprior", "--data", "missing", "--out", "run"], 3),
    ],
)
def test_quick_answers_never_load_torch(folder: Path, words: list[str], code: int) -> None:
    (folder / "a.ncd").write_bytes(tiny_file())
    command = [sys.executable, "-X", "importtime", "-m", "ncodec", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    imported = [line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line]
    assert done.returncode == code
    assert "ncodec.cli" in imported
    assert not {"torch", "constriction", "compressai", "torchvision"} & set(imported)


def test_the_help_fits_a_screen_and_shows_two_examples() -> None:
    text = finished("--help").stdout
    assert len(text.splitlines()) <= 25
    assert text.count("    ncodec ") == 2
    coding = ("encode", "decode", "info", "test", "trim", "codecs")
    others = ("train", "eval", "report", "doctor")
    assert all(f"  {verb} " in text for verb in coding + others)


def test_no_arguments_show_the_help() -> None:
    done = finished()
    assert "Usage: ncodec" in done.stdout + done.stderr
    assert done.returncode in (0, 2)


def test_a_reader_that_goes_away_ends_the_command_quietly(folder: Path) -> None:
    (folder / "a.ncd").write_bytes(tiny_file())
    with subprocess.Popen(
        [*COMMAND, "info", *["a.ncd"] * 1000], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""
    assert process.returncode == 141


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, b"error: interrupted\n"), (signal.SIGTERM, 143, b"")],
)
def test_an_interrupted_command_leaves_nothing_behind(
    folder: Path, number: signal.Signals, code: int, said: bytes
) -> None:
    fifo = folder / "a.png"
    os.mkfifo(fifo)
    command = [*COMMAND, "encode", "a.png"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=heed_interrupts) as process:
        writer = open_for(process, fifo)
        process.send_signal(number)
        os.close(writer)  # A signal that arrives just before a read doesn't end the read.
        assert process.stderr is not None
        assert process.stderr.read() == said
    assert process.returncode == code
    assert list(folder.iterdir()) == [fifo]


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_standard_stream_is_no_error(folder: Path, closed: str) -> None:
    (folder / "a.ncd").write_bytes(tiny_file())
    number = {"stdout": 1, "stderr": 2}[closed]
    script = f"import os, sys; os.close({number}); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", script, *COMMAND, "info", "a.ncd"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def heed_interrupts() -> None:
    """Undo what shells do to processes in the background, the tests' own among them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def open_for(process: subprocess.Popen[bytes], fifo: Path) -> int:
    """Open the writing end of a pipe once `process` reads from it."""
    while process.poll() is None:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.01)
    raise AssertionError(f"ended with {process.returncode} before it read")
