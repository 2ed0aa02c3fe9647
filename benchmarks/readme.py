"""Measures everything that the README says, one benchmark after the other.

The output of each goes to OUT/NAME.txt and to the screen; evaluations also leave their results,
plots and page in OUT/NAME. A benchmark that fails is said at the end. All take about two hours; let
nothing else run beside them. A second call measures again, except for rows of results that are
there already.

Run it as `python benchmarks/readme.py OUT --pictures FOLDER --speech FOLDER --music FOLDER
[--reference FILE] [--other-python PATH] [--only NAME ...]`.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TextIO

HERE = Path(__file__).parent
NCODEC = ["-m", "ncodec"]
PICTURE_CODECS = ("hyperprior", "walloc", "jpeg", "webp", "avif", "jxl")
SPEECH_CODECS, SPEECH_QUALITIES = ("grvq", "opus"), ("opus=6,8,12",)
MUSIC_CODECS = ("grvq", "walloc-audio", "opus", "vorbis")
MUSIC_QUALITIES = ("walloc-audio=32,64,96,128", "opus=12,32,64,96", "vorbis=0,4", "grvq=3,6")


def evaluation(folder: Path, out: Path, codecs: tuple[str, ...], *more: str) -> list[list[str]]:
    """The arguments of `ncodec eval` and of `ncodec report`."""
    named = [word for codec in codecs for word in ("-c", codec)]
    evaluate = [*NCODEC, "eval", str(folder), "-o", str(out), *named, *more]
    return [evaluate, [*NCODEC, "report", str(out), "-f", "--media", str(folder)]]


def _qualities(words: tuple[str, ...]) -> list[str]:
    return [part for word in words for part in ("--qualities", word)]


def script(name: str, *words: str) -> list[list[str]]:
    return [[str(HERE / name), *words]]


def benchmarks(options: argparse.Namespace) -> dict[str, list[list[str]]]:
    """The arguments of Python, for all commands of each benchmark."""
    out, pictures = options.out, map(str, sorted(options.pictures.glob("*.png")))
    alone = ("--threads", "1")
    rates = evaluation(options.pictures, out / "pictures", PICTURE_CODECS, *alone)
    if options.reference:
        rates[-1] += ["--reference", str(options.reference)]
    speech = (*alone, *_qualities(SPEECH_QUALITIES))
    music = (*alone, *_qualities(MUSIC_QUALITIES))
    other = ("--other-python", options.other_python) if options.other_python else ()
    return {
        "pictures": rates,
        "speech": evaluation(options.speech, out / "speech", SPEECH_CODECS, *speech),
        "music": evaluation(options.music, out / "music", MUSIC_CODECS, *music),
        "lossless_latents": script("lossless_latents.py", str(options.music)),
        "grvq": script("grvq.py", str(options.speech)),
        "extreme_rates": script(
            "extreme_rates.py", str(options.pictures), "--out", str(out / "extreme")
        ),
        "codec_speed": script("codec_speed.py", "--image", *pictures),
        "entropy_speed": script("entropy_speed.py"),
        "memory": script("memory.py"),
        "memory_walloc": script("memory.py", "--codec", "walloc"),
        "determinism": script("determinism.py", *other),
    }


def run(words: list[str], file: TextIO) -> bool:
    """Run one command, its output to the screen and to a file; whether it succeeded."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
    for line in process.stdout or ():
        print(line, end="", flush=True)
        file.write(line)
    return process.wait() == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    for kind in ("pictures", "speech", "music"):
        parser.add_argument(f"--{kind}", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--reference", type=Path, metavar="FILE", help="published curves")
    parser.add_argument("--other-python", metavar="PATH", help="an environment to compare with")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some of the benchmarks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, commands in benchmarks(options).items():
        if options.only and name not in options.only:
            continue
        print(f"== {name}", flush=True)
        with (options.out / f"{name}.txt").open("w") as file:
            if not all(run(words, file) for words in commands):
                failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
