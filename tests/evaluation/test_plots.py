"""Plots: what is drawn, and how names that are not plain words come out."""

import io
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import PIL.Image
import pytest

from ncodec.evaluation import plots
from ncodec.evaluation.report_curves import Chart, Published, charts
from tests.evaluation.made import DBS, picture_rows, results, sound_row

SVG = "{http://www.w3.org/2000/svg}"


def chart(*names: str, published: tuple[str, ...] = ()) -> Chart:
    points = tuple((0.2 * math.exp((db - 28) / 6), db) for db in DBS)
    reference = {"psnr": [Published(name, points) for name in published]}
    return charts(results(picture_rows({n: i + 1.0 for i, n in enumerate(names)})), reference)[0]


def words(svg: bytes) -> list[str]:
    return ["".join(text.itertext()) for text in ET.fromstring(svg).iter(f"{SVG}text")]


def test_measured_curves_are_solid_and_published_ones_dashed() -> None:
    figure = plots.rate_distortion(chart("jpeg", "ours", published=("jpeg", "vtm")))
    lines = figure.axes[0].get_lines()
    assert [line.get_label() for line in lines] == [
        "jpeg", "ours", "jpeg, published", "vtm, published",
    ]  # fmt: skip
    assert [line.is_dashed() for line in lines] == [False, False, True, True]
    assert lines[0].get_color() == lines[2].get_color()
    assert lines[0].get_color() != lines[1].get_color() != lines[3].get_color()
    rates = np.asarray(lines[1].get_xdata())
    assert rates == pytest.approx([0.3 * math.exp((db - 28) / 6) for db in DBS])


def test_names_axes_and_legend_stand_in_the_svg() -> None:
    said = words(plots.as_svg(plots.rate_distortion(chart("jpeg", published=("vtm",)))))
    assert {"jpeg", "vtm, published", "PSNR (dB)", "bits a pixel (whole file)"} <= set(said)


def test_names_are_neither_formulas_nor_hidden() -> None:
    said = words(plots.as_svg(plots.rate_distortion(chart("_a$x^2$", "<b>", "\u202e音\n"))))
    assert {"_a$x^2$", "<b>", "?\\u97f3?"} <= set(said)


def test_a_png_is_large_enough_to_read() -> None:
    with PIL.Image.open(io.BytesIO(plots.as_png(plots.rate_distortion(chart("a"))))) as plot:
        assert plot.format == "PNG"
        assert min(plot.size) >= 700


def test_a_plot_for_phones_shows_the_same_curves() -> None:
    drawn = chart("a", "b")
    wide, phone = plots.rate_distortion(drawn), plots.rate_distortion(drawn, narrow=True)
    assert phone.get_size_inches()[0] < wide.get_size_inches()[0] / 2
    for first, second in zip(wide.axes[0].get_lines(), phone.axes[0].get_lines(), strict=True):
        assert np.array_equal(first.get_ydata(), second.get_ydata())


def test_a_dark_plot_differs_in_colours_alone() -> None:
    light = plots.as_svg(plots.rate_distortion(chart("a", "b", published=("c",))))
    dark = plots.dark(light)
    colours = [set(re.findall(rb"#[0-9a-f]{6}\b", svg)) for svg in (light, dark)]
    assert len(colours[0]) == len(colours[1]) >= 6
    assert not colours[0] & colours[1]
    assert words(dark) == words(light)
    assert re.sub(rb"#[0-9a-f]{6}", b"", dark) == re.sub(rb"#[0-9a-f]{6}", b"", light)


def test_the_same_result_gives_the_same_bytes() -> None:
    first, second = (plots.rate_distortion(chart("a", published=("b",))) for _ in range(2))
    assert plots.as_svg(first) == plots.as_svg(second)
    assert plots.as_png(first) == plots.as_png(second)


def test_a_distance_has_its_axis_turned() -> None:
    rows = [sound_row("one", q, "a.wav", q, 2 - q / 20) for q in (2.0, 4.0, 8.0)]
    drawn = next(c for c in charts(results(rows), {}) if c.scale.metric == "log_mel")
    low, high = plots.rate_distortion(drawn).axes[0].get_ylim()
    assert low > high


def test_speed_counts_pixels_over_all_seconds() -> None:
    rows = picture_rows({"one": 1})
    found = plots.speeds(rows, "image")
    assert set(found) == {"encode", "decode"}
    rates, speeds = zip(*found["encode"]["one"], strict=True)
    assert list(rates) == sorted(rates)
    assert speeds == pytest.approx([0.2] * len(DBS))
    assert found["decode"]["one"][0][1] == pytest.approx(0.4)
    encode, decode = plots.speed(found, "image").axes
    assert encode.get_yscale() == decode.get_yscale() == "log"
    assert encode.get_ylim()[0] < 0.2 < encode.get_ylim()[1]


def test_sounds_are_timed_in_seconds_of_sound() -> None:
    found = plots.speeds([sound_row("one", 6, "a.wav", 6, 1)], "audio")
    ((rate, times),) = found["encode"]["one"]
    assert (rate, times) == pytest.approx((6, 20))
    assert plots.speeds([sound_row("one", 6, "a.wav", 6, 1)], "image") == {
        "encode": {}, "decode": {},
    }  # fmt: skip
