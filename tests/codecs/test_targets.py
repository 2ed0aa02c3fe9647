"""Quality, bpp, size and psnr are met, or it is said that they cannot be."""

import math
import re
from typing import Any

import numpy as np
import pytest

from ncodec.api import Codec
from ncodec.codecs.base import Target
from ncodec.codecs.rate_search import highest_below, lowest_reaching
from ncodec.errors import NcodecWarning, OptionError

from .pictures import Pixels, decoded, picture, psnr

Options = dict[str, Any]
SOURCE = picture(160, 120)
PIXELS = 160 * 120


def sizes_between(codec: Codec, source: Pixels) -> tuple[int, int]:
    return len(codec.encode(source, quality=0)), len(codec.encode(source, quality=100))


def test_more_quality_takes_more_bytes_and_is_better(codec: Codec) -> None:
    blobs = [codec.encode(SOURCE, quality=q) for q in (0, 25, 50, 75, 100)]
    sizes = [len(blob) for blob in blobs]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 4 * sizes[0]
    figures = [psnr(decoded(codec, blob).array, SOURCE) for blob in blobs]
    assert figures == sorted(figures)


def test_no_target_means_quality_50(codec: Codec) -> None:
    assert codec.encode(SOURCE) == codec.encode(SOURCE, quality=50)


@pytest.mark.parametrize("share", [0.2, 0.45, 0.7, 0.95])
def test_size_is_a_ceiling_and_nearly_met(codec: Codec, share: float) -> None:
    low, high = sizes_between(codec, SOURCE)
    wanted = round(low * (high / low) ** share)
    assert 0.98 * wanted - 4 <= len(codec.encode(SOURCE, size=wanted)) <= wanted


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_bpp_is_met_within_two_per_cent(codec: Codec, share: float) -> None:
    low, high = sizes_between(codec, SOURCE)
    wanted = 8 * low * (high / low) ** share / PIXELS
    reached = 8 * len(codec.encode(SOURCE, bpp=wanted)) / PIXELS
    assert 0.98 * wanted <= reached <= wanted


def test_size_counts_alpha_and_metadata(codec: Codec) -> None:
    source = picture(64, 64, 4)
    source[..., -1] = np.random.default_rng(0).integers(0, 256, (64, 64))
    low, high = sizes_between(codec, source)
    wanted = (low + high) // 2
    assert low < len(codec.encode(source, size=wanted)) <= wanted


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_is_reached_with_no_step_to_spare(codec: Codec, channels: int) -> None:
    source = picture(96, 64, channels)
    low, high = (
        psnr(decoded(codec, codec.encode(source, quality=q)).array, source) for q in (0, 99)
    )
    wanted = (low + high) / 2
    reached = psnr(decoded(codec, codec.encode(source, psnr=wanted)).array, source)
    assert wanted <= reached < wanted + 0.5


@pytest.mark.parametrize("target", [{"size": 10**7}, {"bpp": 1000.0}, {"psnr": 99.0}])
def test_above_the_range_gives_the_best_and_a_warning(codec: Codec, target: Options) -> None:
    with pytest.warns(NcodecWarning, match="above the best possible"):
        blob = codec.encode(picture(32, 32), **target)
    assert blob == codec.encode(picture(32, 32), quality=100)


@pytest.mark.parametrize("target", [{"size": 30}, {"bpp": 1e-6}, {"psnr": 0.5}])
def test_below_the_range_is_an_error_that_names_the_lowest(codec: Codec, target: Options) -> None:
    with pytest.raises(OptionError, match="below the lowest possible") as caught:
        codec.encode(SOURCE, **target)
    lowest = codec.encode(SOURCE, quality=0)
    figure = psnr(decoded(codec, lowest).array, SOURCE) if "psnr" in target else len(lowest)
    assert f"{figure:.6g}" in str(caught.value)


def test_the_lowest_size_named_can_be_had(codec: Codec) -> None:
    with pytest.raises(OptionError) as caught:
        codec.encode(SOURCE, size=40)
    named = re.findall(r"[\d.]+", str(caught.value))[-1]
    assert codec.encode(SOURCE, size=int(named)) == codec.encode(SOURCE, quality=0)


def test_several_targets_are_refused(codec: Codec) -> None:
    with pytest.raises(OptionError, match=r"quality and size: give one"):
        codec.encode(SOURCE, quality=50, size=1000)


@pytest.mark.parametrize("kind", ["quality", "bpp", "size", "psnr"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 10**400, "much", [1]])
def test_impossible_values_are_refused(kind: str, value: object) -> None:
    with pytest.raises(OptionError, match=kind):
        Target.from_options(**{kind: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"quality": 100.1}, {"bpp": 0}, {"size": 0}, {"psnr": 0}])
def test_values_outside_the_range_are_refused(options: Options) -> None:
    with pytest.raises(OptionError):
        Target.from_options(**options)


def test_numpy_numbers_are_numbers() -> None:
    wanted: Any = np.int64(500)
    assert Target.from_options(size=wanted) == Target("size", 500.0)


@pytest.mark.parametrize("power", [0.3, 1.0, 4.0])
def test_search_finds_the_best_step_in_few_attempts(power: float) -> None:
    tried = []

    def attempt(step: int) -> tuple[float, int]:
        tried.append(step)
        return 1000.0 + step**power, step

    ceiling = 1000 + 300.5**power
    below, warning = highest_below(attempt, 801, ceiling, "size")
    assert warning is None
    assert below.figure <= ceiling
    assert below.step == 300 or below.figure > ceiling * 0.998
    reaching, _ = lowest_reaching(attempt, 801, ceiling, "psnr")
    assert reaching.step == 301
    assert len(tried) < 60


def test_search_keeps_below_a_ceiling_even_where_figures_jump() -> None:
    def attempt(step: int) -> tuple[float, None]:
        return float(100 + step + 30 * (step % 7)), None

    for ceiling in range(100, 900, 37):
        trial, _ = highest_below(attempt, 801, ceiling, "size")
        assert trial.figure <= ceiling
