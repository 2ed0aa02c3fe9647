"""`ncodec doctor`: versions, devices, and whether each model works here."""

import os
import platform
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ncodec import __version__
from ncodec.cli import options
from ncodec.cli.common import verb
from ncodec.cli.exits import Exit, worst
from ncodec.cli.screen import Screen, message_of

PACKAGES = (
    "torch", "numpy", "constriction", "safetensors", "pillow", "soundfile", "soxr", "typer", "rich",
)  # fmt: skip


@verb
def doctor(
    threads: options.Threads = None,
    json: options.Json = False,
    verbose: options.Verbose = False,
) -> Exit:
    """Show versions and devices, and test each model on each device."""
    screen = Screen(verbose=verbose, json=json)
    facts = _facts(threads)
    if not json:
        print("\n".join(f"{name:<13} {value}" for name, value in facts.items()))
    models, code = [], Exit.OK
    for model in _models(screen, facts["devices"].split()):
        models.append(model)
        code = code if model["ok"] else worst(code, Exit.UNSUPPORTED)
        if not json:
            state = f"ok  {model['seconds']:.2f} s" if model["ok"] else "FAILED"
            print(f"{model['codec']:<13} {model['weights']} on {model['device']}: {state}")
    screen.result(**facts, models=models, exit=code)
    return code


def _facts(threads: int | None) -> dict[str, str]:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "ncodec": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: _version(name) for name in PACKAGES},
        "devices": " ".join(["cpu", *(["cuda"] if gpus else [])]),
        "gpus": ", ".join(torch.cuda.get_device_name(i) for i in range(gpus)) or "none",
        "threads": f"{torch.get_num_threads()} of {os.cpu_count()} processors",
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _models(screen: Screen, devices: list[str]) -> Iterator[dict[str, Any]]:
    """Load every weights file there should be: that runs the self-test of its entropy model."""
    from ncodec.codecs import registry

    for entry in registry.rows():
        for weights in entry.weights:
            for device in devices:
                begin = time.perf_counter()
                problem = None
                try:
                    registry.load(entry, weights, device)
                except Exception as error:
                    screen.error(entry.name, error)
                    problem = message_of(error)
                yield {
                    "codec": entry.name,
                    "weights": weights.name,
                    "device": device,
                    "ok": problem is None,
                    "problem": problem,
                    "seconds": time.perf_counter() - begin,
                }
