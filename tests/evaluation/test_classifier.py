"""The classifiers recognise real pictures, and read their weights without running anything."""

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from ncodec.errors import InputError, OptionError, UnsafeWeightsError
from ncodec.evaluation import classify, top1_accuracy, top1_agreement
from ncodec.evaluation.efficientnet import VARIANTS, weights_path
from ncodec.evaluation.legacy_weights import read_legacy
from tests.evaluation.conftest import planes

ESPRESSO, MISSILE, SHUTTLE, CATS = 967, 657, 812, range(281, 286)
BOTH = pytest.mark.parametrize("name", list(VARIANTS))
COFFEE = planes(data.coffee())  # type: ignore[no-untyped-call]


@BOTH
def test_it_sees_what_is_there(name: str) -> None:
    assert classify(COFFEE, name) == [ESPRESSO]
    rocket, cat = planes(data.rocket()), planes(data.chelsea())  # type: ignore[no-untyped-call]
    assert classify(rocket, name)[0] in (MISSILE, SHUTTLE)
    assert classify(cat, name)[0] in CATS
    assert classify(COFFEE / 255, name) == [ESPRESSO]


def test_agreement_and_accuracy() -> None:
    noise = np.random.default_rng(0).integers(0, 256, COFFEE.shape).astype(np.uint8)
    both, spoilt = np.concatenate([COFFEE, COFFEE]), np.concatenate([COFFEE, noise])
    assert top1_agreement(both, spoilt).tolist() == [1, 0]
    assert top1_accuracy(both, np.array([ESPRESSO, MISSILE])).tolist() == [1, 0]


def test_grey_planes_are_refused() -> None:
    with pytest.raises(InputError, match=r"RGB"):
        classify(COFFEE[:, :1])


def test_there_are_no_other_networks() -> None:
    with pytest.raises(OptionError, match="lite0, lite1"):
        classify(COFFEE, "lite9")


@pytest.mark.parametrize(("name", "count"), [("lite0", 296), ("lite1", 386)])
def test_the_weights_are_read_whole(name: str, count: int) -> None:
    weights = read_legacy(weights_path(name), VARIANTS[name].digest)
    floats = [array for array in weights.values() if array.dtype == np.float32]
    assert len(weights) == count
    assert weights["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert all(np.isfinite(array).all() and array.flags.c_contiguous for array in floats)
    assert sum(array.size for array in floats) > 4_600_000


class Trap:
    """What a hostile pickle is made of."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("sprung",)


def test_another_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"anything")
    with pytest.raises(UnsafeWeightsError, match="expected"):
        read_legacy(path, VARIANTS["lite1"].digest)


@pytest.mark.parametrize("protocol", [2, 4])
def test_nothing_that_a_file_asks_for_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Trap(), protocol))
    with pytest.raises(UnsafeWeightsError, match="asks for"):
        read_legacy(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert not (tmp_path / "sprung").exists()
