"""Tests in a real browser: run where there is one, and always where they are asked for."""

import os
import shutil

import pytest

BROWSER, DRIVER = "chromium", "chromedriver"
WANTED = "NCODEC_TEST_BROWSER"
"""Set in the environment, it makes a missing browser a failure."""


def browser_paths() -> tuple[str, str]:
    """Where the browser and its driver are; a failure where one is missing."""
    found = [shutil.which(name) for name in (BROWSER, DRIVER)]
    assert found[0], f"{BROWSER} is not installed"
    assert found[1], f"{DRIVER} is not installed"
    return found[0], found[1]


def has_browser() -> bool:
    return bool(shutil.which(BROWSER) and shutil.which(DRIVER))


def pytest_report_header() -> str:
    if has_browser():
        return f"browser: {shutil.which(BROWSER)}"
    tail = "they will fail" if os.environ.get(WANTED) else f"deselected ({WANTED}=1 demands them)"
    return f"browser: none, so tests of the report page in {BROWSER} are out of reach: {tail}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests marked `browser` where there is none and nobody demands them."""
    if has_browser() or os.environ.get(WANTED):
        return
    out = [item for item in items if item.get_closest_marker("browser")]
    items[:] = [item for item in items if item not in out]
    if out:
        config.hook.pytest_deselected(items=out)
