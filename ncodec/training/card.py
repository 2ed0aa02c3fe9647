"""Model cards: what a weights file was made from, and how."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ncodec.training.settings import Settings

LOG_ROWS = 12


def write_card(
    path: Path,
    name: str,
    data: Path,
    settings: Settings,
    counters: Mapping[str, Any],
    weights: Mapping[str, str],
    log: Path,
) -> None:
    """Write a Markdown card: weights, data and licences, schedule, command, progress.

    `weights` is the metadata of the weights file. Sources and licences come from a table with the
    columns `source` and `licence`, named like the data folder with the suffix `.csv`, if there is
    one. Curves on test pictures are added by hand, from `ncodec eval`.
    """
    hours = counters["seconds"] / 3600
    parts = [
        f"# {name}",
        "\n".join(f"- {key}: `{value}`" for key, value in weights.items()),
        "## Training",
        f"{counters['step']} steps in {hours:.2f} hours; {counters['skipped']} steps were left out"
        f" because their gradient exploded. Command of the last part:\n\n    {_command()}",
        _table("setting", "value", [(k, str(v)) for k, v in asdict(settings).items()]),
        "## Data",
        _sources(data.with_suffix(".csv")),
        "## Progress",
        _progress(log),
    ]
    path.write_text("\n\n".join(parts) + "\n")


def _command() -> str:
    return " ".join(["ncodec", *sys.argv[1:]])


def _table(left: str, right: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| {a} | {b} |" for a, b in [(left, right), ("---", "---"), *rows]]
    return "\n".join(lines)


def _sources(table: Path) -> str:
    if not table.is_file():
        return "No table of sources and licences stood beside the training data."
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    counts = Counter((row["source"].rsplit(":", 1)[0], row["licence"]) for row in rows)
    lines = ["| files | source | licence |", "| --- | --- | --- |"]
    lines += [f"| {n} | {source} | {licence} |" for (source, licence), n in counts.most_common()]
    return "\n".join(lines)


def _progress(log: Path) -> str:
    """Means of the log in `LOG_ROWS` equal parts."""
    if not log.is_file():
        return "The run was too short for a log."
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    size = max(1, len(rows) // LOG_ROWS)
    left_out = ("step", "hours", "norm", "items", "images")
    keys = [key for key in rows[0] if key not in left_out and "/" not in key]
    lines = [" | ".join(["| step", "hours", *keys]) + " |", "| --- " * (len(keys) + 2) + "|"]
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        means = [f"{sum(row[key] for row in part) / len(part):.4g}" for key in keys]
        cells = [f"{part[-1]['step']:.0f}", f"{part[-1]['hours']:.2f}", *means]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
