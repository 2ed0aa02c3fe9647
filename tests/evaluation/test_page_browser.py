"""The report page in a real browser, opened from disk: what a reader does, and what changes."""

import io
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import soundfile
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from ncodec.evaluation.report import Media, report
from tests.conftest import browser_paths
from tests.evaluation.made import HOSTILE, picture_files, results, sound_row

pytestmark = pytest.mark.browser

PATIENCE = 120
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
)
Browser = webdriver.Chrome


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page")
    picture_files(place / "photos", (HOSTILE, "plain.png")).write(place)
    return report(place, media=Media(place / "photos", bpp=0.8)).page


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser, driver = browser_paths()
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "localhost,127.0.0.1")
        started = webdriver.Chrome(options=options, service=Service(driver))
        started.set_page_load_timeout(PATIENCE)
        started.set_script_timeout(PATIENCE)
        yield started
        started.quit()


@pytest.fixture
def opened(chromium: Browser, page: Path) -> Browser:
    """The page, freshly loaded, in a wide light window; nothing was logged before."""
    _screen(chromium, 1200, "light")
    chromium.get("about:blank")
    for kind in ("performance", "browser"):
        logged(chromium, kind)
    chromium.get(page.as_uri())
    wait(lambda: chromium.execute_script("return document.images[0].complete"))
    return chromium


def _screen(browser: Browser, width: int, scheme: str, mobile: bool = False) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def wait(condition: Callable[[], object]) -> None:
    """Until it holds; an `AssertionError` where it never does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def logged(browser: Browser, kind: str) -> list[dict[str, Any]]:
    """What was logged since the last call."""
    entries: list[dict[str, Any]] = browser.execute("getLog", {"type": kind})["value"]
    return entries


def at(browser: Browser, identity: str) -> WebElement:
    return browser.find_element(By.ID, identity)


def shown(browser: Browser, side: str) -> str:
    return str(at(browser, f"{side}-picture").get_attribute("src"))


def cut(browser: Browser) -> float:
    """Where the left picture ends, in pixels of the canvas."""
    clip = at(browser, "left-picture").value_of_css_property("clip-path")
    found = re.fullmatch(r"inset\(0px (?:calc\()?100%(?: - ([\d.]+)px\))? 0px 0px\)", clip)
    assert found, clip
    return float(found[1] or 0)


def colours(browser: Browser) -> float:
    """Mean brightness, 0 to 255, of what the stage looks like below its labels."""
    with PIL.Image.open(io.BytesIO(at(browser, "canvas").screenshot_as_png)) as picture:
        grey = np.asarray(picture.convert("L"))
    return float(grey[len(grey) // 2 :].mean())


def test_the_page_opens_without_errors_and_without_requests(opened: Browser) -> None:
    assert opened.title == "photos: codecs compared"
    requests = [
        entry["message"]
        for entry in logged(opened, "performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert requests
    assert all('"url":"file:' in text or '"url":"data:' in text for text in requests)
    assert logged(opened, "browser") == []
    images = opened.execute_script(
        "return [...document.images].map((one) => one.complete && one.naturalWidth)"
    )
    assert all(images)


def test_the_slider_moves_the_divider(opened: Browser) -> None:
    width = opened.execute_script("return document.getElementById('view').clientWidth")
    assert cut(opened) == pytest.approx(width / 2, abs=1)
    slider = at(opened, "slider")
    for _ in range(10):
        slider.send_keys(Keys.ARROW_RIGHT)
    assert slider.get_attribute("value") == "60"
    assert cut(opened) == pytest.approx(0.6 * width, abs=1)
    slider.send_keys(Keys.HOME)
    assert cut(opened) == 0
    divider = at(opened, "divider").rect
    assert divider["x"] + divider["width"] / 2 == pytest.approx(at(opened, "view").rect["x"], abs=1)


def test_dragging_on_the_picture_moves_the_divider(opened: Browser) -> None:
    view = at(opened, "view")
    width = view.size["width"]
    drag = ActionChains(opened).move_to_element(view).click_and_hold()
    drag.move_by_offset(int(width / 4), 0).release().perform()
    assert float(at(opened, "slider").get_attribute("value") or 0) == pytest.approx(75, abs=2)
    assert cut(opened) == pytest.approx(0.75 * width, abs=0.02 * width)


def test_codecs_are_switched_on_both_sides(opened: Browser) -> None:
    right, left = Select(at(opened, "right")), Select(at(opened, "left"))
    assert [option.text for option in right.options] == ["original", "jpeg", "webp"]
    original, jpeg = shown(opened, "left"), shown(opened, "right")
    assert original != jpeg
    right.select_by_visible_text("webp")
    webp = shown(opened, "right")
    assert webp not in (original, jpeg)
    assert "right: webp, " in at(opened, "sizes").text
    assert " bpp, " in at(opened, "right-badge").text
    left.select_by_visible_text("jpeg")
    assert shown(opened, "left") == jpeg
    assert "jpeg" in str(at(opened, "left-picture").get_attribute("alt"))


def test_another_picture_keeps_the_codecs(opened: Browser) -> None:
    Select(at(opened, "right")).select_by_visible_text("webp")
    before = shown(opened, "left"), shown(opened, "right")
    Select(at(opened, "picture")).select_by_index(1)
    assert Select(at(opened, "right")).first_selected_option.text == "webp"
    assert shown(opened, "left") not in before
    assert shown(opened, "right") not in before


def test_the_difference_view_shows_what_differs(opened: Browser) -> None:
    bright = colours(opened)
    box = at(opened, "difference")
    box.send_keys(Keys.SPACE)
    assert box.is_selected()
    assert not at(opened, "slider").is_enabled()
    wait(lambda: colours(opened) < 0.75 * bright)
    some = colours(opened)
    assert some > 2
    # A picture does not differ from itself.
    Select(at(opened, "right")).select_by_visible_text("original")
    wait(lambda: colours(opened) < 0.5)
    box.click()
    assert at(opened, "slider").is_enabled()
    wait(lambda: abs(colours(opened) - bright) < 0.2 * bright)


def test_zoom_enlarges_and_scrolls(opened: Browser) -> None:
    before = at(opened, "canvas").size["width"]
    opened.find_element(By.CSS_SELECTOR, "input[name=zoom][value='4']").send_keys(Keys.SPACE)
    assert at(opened, "canvas").size["width"] == 4 * before
    assert at(opened, "view").size["width"] == before
    assert cut(opened) == pytest.approx(2 * before, abs=2)
    opened.execute_script("document.getElementById('view').scrollLeft = 0")
    seen = opened.execute_script("return document.getElementById('view').clientWidth")
    wait(lambda: cut(opened) == pytest.approx(seen / 2, abs=1))
    rendering = at(opened, "right-picture").value_of_css_property("image-rendering")
    assert rendering == "pixelated"


def test_every_control_is_reached_with_the_keyboard(opened: Browser) -> None:
    wanted = {"picture", "left", "right", "difference", "view", "slider"}
    opened.execute_script("document.getElementById('picture').focus()")
    reached = set()
    for _ in range(8):
        active = opened.switch_to.active_element
        reached.add(active.get_attribute("id") or active.get_attribute("name"))
        ActionChains(opened).send_keys(Keys.TAB).perform()
    assert wanted | {"zoom"} <= reached


def test_hostile_names_stay_names(opened: Browser) -> None:
    names = [option.text for option in Select(at(opened, "picture")).options]
    assert names[0].startswith("<img src=x onerror=")
    assert opened.title == "photos: codecs compared"


def test_dark_screens_get_dark_colours_and_plots(opened: Browser) -> None:
    def look() -> tuple[str, str]:
        script = "return document.querySelector('.plot img').currentSrc"
        back = opened.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
        return back, opened.execute_script(script)

    light = look()
    _screen(opened, 1200, "dark")
    wait(lambda: look()[1] != light[1])
    assert look()[0] != light[0]


def test_a_phone_shows_all_in_its_width(opened: Browser, page: Path) -> None:
    _screen(opened, 360, "light", mobile=True)
    opened.get(page.as_uri())
    assert opened.execute_script("return document.documentElement.scrollWidth") == 360
    assert at(opened, "view").size["width"] <= 360
    plot = opened.find_element(By.CSS_SELECTOR, ".plot img")
    assert plot.size["height"] > 0.8 * plot.size["width"]  # The plot for phones; others are flat.
    for control in ("picture", "left", "right", "slider"):
        assert at(opened, control).size["height"] >= 44
    view = at(opened, "view")
    x, y = view.rect["x"] + view.rect["width"] * 0.25, view.rect["y"] + 40
    opened.execute_script("arguments[0].scrollIntoView()", view)
    y = opened.execute_script("return arguments[0].getBoundingClientRect().y", view) + 40
    _touch(opened, x, y)
    wait(lambda: at(opened, "slider").get_attribute("value") in {"24", "25", "26"})


def _touch(browser: Browser, x: float, y: float) -> None:
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for kind, points in (("touchStart", [{"x": x, "y": y}]), ("touchEnd", [])):
        event = {"type": kind, "touchPoints": points}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", event)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_sounds_can_be_played(chromium: Browser, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(8000) / 9), 8000)
    results([sound_row("vorbis", q, "a.wav", 20 + q, 2 - q / 5) for q in (0.0, 5.0)]).write(
        tmp_path
    )
    chromium.get(report(tmp_path, media=Media(tmp_path)).page.as_uri())
    script = "return [...document.querySelectorAll('audio')].map((one) => one.duration)"
    wait(lambda: None not in chromium.execute_script(script))
    assert chromium.execute_script(script) == pytest.approx([1, 1], abs=0.01)
