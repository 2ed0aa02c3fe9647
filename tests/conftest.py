"""How many processes run tests; and those in a real browser: run where there is one, and always
where they are asked for.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

# Workers have a core each, and so small networks gain nothing by more.
os.environ.setdefault("OMP_NUM_THREADS", "1")

BROWSER, DRIVER = "chromium", "chromedriver"
WANTED = "NCODEC_TEST_BROWSER"
"""Set in the environment, it makes a missing browser a failure."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """No workers for files or tests that are named: each needs seconds to start."""
    return None if any(Path(argument).is_dir() for argument in config.args) else 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Random numbers of torch are those of the test, whatever ran before it in its process."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


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
