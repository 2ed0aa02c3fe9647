"""Every codec against every other: what is compared, what is left out, what is said."""

import math
from dataclasses import replace
from itertools import product

import pytest

from ncodec.errors import InputError
from ncodec.evaluation import report_tables
from ncodec.evaluation.report_curves import Chart, Pair, Published, charts
from tests.evaluation.made import DBS, picture_row, picture_rows, results, sound_row


def pair_of(chart: Chart, codec: str, against: str) -> Pair:
    (found,) = (p for p in chart.pairs if (p.codec, p.against) == (codec, against))
    return found


def test_every_codec_is_compared_with_every_other_on_every_metric() -> None:
    drawn = charts(results(picture_rows({"one": 1, "two": 2, "half": 0.5})), {})
    assert [chart.scale.metric for chart in drawn] == ["psnr", "ms_ssim_db"]
    for chart in drawn:
        names = {(pair.codec, pair.against) for pair in chart.pairs}
        assert names == {(a, b) for a, b in product(("one", "two", "half"), repeat=2) if a != b}
        found = pair_of(chart, "half", "two").comparison
        assert found is not None
        assert found.mean_of_files == pytest.approx(-75)
        assert found.averaged_curves == pytest.approx(-75)
        assert (found.compared, found.files, found.overlap_share) == (2, 2, 1)
        assert chart.notes == ()


def test_less_is_better_where_the_metric_says_so() -> None:
    rows = [
        sound_row(codec, q, "a.wav", scale * q, 2 - math.log2(q) / 4)
        for codec, scale in (("one", 1), ("two", 2))
        for q in (2.0, 4.0, 8.0, 16.0)
    ]
    chart = next(c for c in charts(results(rows), {}) if c.scale.metric == "log_mel")
    found = pair_of(chart, "two", "one").comparison
    assert found is not None
    assert found.mean_of_files == pytest.approx(100)
    assert found.overlap == (1.0, 1.75)
    assert "less is better" in chart.scale.label


def test_averages_count_the_same_files_for_both_codecs() -> None:
    rows = picture_rows({"one": 1, "two": 2})
    broken = [
        replace(row, error="failed") if (row.codec, row.file, row.quality) == ("two", "b.png", 30)
        else row
        for row in rows
    ]  # fmt: skip
    chart = charts(results(broken), {})[0]
    found = pair_of(chart, "two", "one").comparison
    assert found is not None
    assert found.averaged_curves == pytest.approx(100)
    assert (found.compared, found.files) == (1, 1)
    assert chart.notes == ("two: 1 of 2 files lack PSNR at a quality and are left out of averages",)


def test_codecs_that_share_no_file_are_not_compared() -> None:
    rows = picture_rows({"one": 1}, ["a.png"]) + picture_rows({"two": 1}, ["b.png"])
    chart = charts(results(rows), {})[0]
    assert pair_of(chart, "one", "two").comparison is None
    assert chart.notes == ("one against two: not compared by PSNR: no file in common",)


def test_a_codec_with_one_point_is_drawn_and_not_compared() -> None:
    rows = [*picture_rows({"one": 1, "two": 2}), picture_row("dot", 1, "a.png", 0.5, 30)]
    chart = charts(results(rows), {})[0]
    assert {pair.codec for pair in chart.pairs} == {"one", "two"}
    assert "dot" in chart.averages()
    (note,) = chart.notes
    assert note.startswith("dot: not compared by PSNR: a curve needs 2 points")


def test_curves_without_overlap_say_so_in_one_line() -> None:
    rows = picture_rows({"low": 1}) + picture_rows({"high": 1}, dbs=[db + 20 for db in DBS])
    chart = charts(results(rows), {})[0]
    (note,) = chart.notes
    assert "no quality in common: 48 to 60 against 28 to 40" in note
    assert "\n" not in note
    table = report_tables.text([chart])
    assert "high" in table
    assert "%" not in table.split("over", 1)[0].split("\n", 1)[1]


def test_a_slight_overlap_is_doubted() -> None:
    rows = picture_rows({"low": 1}) + picture_rows({"shifted": 1}, dbs=[db + 11 for db in DBS])
    chart = charts(results(rows), {})[0]
    assert chart.notes == ("low against shifted: the curves share only 4 % of their range of PSNR",)


def test_published_curves_are_columns_of_their_own() -> None:
    points = tuple((0.2 * math.exp((db - 28) / 6) * 1.5, db) for db in DBS)
    chart = charts(results(picture_rows({"one": 1})), {"psnr": [Published("one", points)]})[0]
    (pair,) = chart.pairs
    assert pair.published
    assert pair.comparison is not None
    assert pair.comparison.averaged_curves == pytest.approx(-50)
    assert pair.comparison.mean_of_files is None
    assert report_tables.matrix(chart) == [["against", "one"], ["one", "-"], ["one*", "-50.0 %"]]


def test_text_and_data_say_the_same() -> None:
    drawn = charts(results(picture_rows({"one": 1, "two": 2})), {})
    text = report_tables.text(drawn)
    assert text.count("PSNR: rate of each codec for the same quality, 2 files") == 1
    assert "+100.0 %" in text
    assert "28 to 40 dB (100 %)" in text
    assert "2 of 2" in text
    first = report_tables.as_data(drawn)[0]
    assert (first["codec"], first["against"], first["metric"]) == ("one", "two", "psnr")
    assert first["mean_of_files"] == pytest.approx(-50)
    assert first["overlap"] == (28, 40)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds no rows"),
        ([replace(picture_row("one", 1, "a.txt", 1, 30), error="a.txt: no")], "all 1 rows failed"),
        ([replace(picture_row("one", 1, "a.png", 1, 30), psnr=None, ms_ssim_db=None)], "no rate"),
        ([replace(picture_row("one", 1, "a.png", 1, 30), bpp=0.0)], "no rate"),
    ],
)
def test_results_without_anything_to_draw_are_an_input_error(rows: list, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=message):
        charts(results(rows), {})
