"""Weights files of `vqgan` that are not what they must be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ncodec.api import Codec
from ncodec.codecs import vqgan_rate
from ncodec.codecs.vqgan import VqganCodec
from ncodec.codecs.vqgan_contexts import ContextModel
from ncodec.container import ImageHeader, Reader
from ncodec.errors import ModelMismatchError

from .pictures import picture
from .vqgan_weights import all_arrays, save

Array = NDArray[Any]
ARRAYS = all_arrays()


def with_value(value: int, index: int = 5) -> Callable[[Array], Array]:
    def change(array: Array) -> Array:
        changed = array.copy()
        changed.flat[index] = value
        return changed

    return change


WRONG: list[tuple[str, Callable[[Array], Array]]] = [
    ("words/parent", with_value(5)),
    ("words/parent", with_value(-1)),
    ("words/sizes", with_value(1025, 96)),
    ("words/sizes", with_value(1, 0)),
    ("words/sizes", with_value(10, 50)),
    ("entropy/start", with_value(0)),
    ("entropy/start", with_value(2**28)),
    ("entropy/exp2", with_value(0)),
    ("entropy/exp2", with_value(2**18 + 1)),
    ("entropy/context/1/bounds", with_value(254, 0)),
    ("entropy/context/2/bounds", with_value(4096, 2)),
    ("entropy/context/3/first/weight", with_value(32_767, 9)),
    ("entropy/context/4/second/weight", with_value(99, 9)),
    ("entropy/context/4/second/shift", with_value(25)),
    ("entropy/context/1/selftest", with_value(1)),
    ("entropy/context/2/second/bias", lambda bias: bias[:6]),
    ("model/encoder.basis", lambda basis: basis * np.float16(np.nan)),
]


@pytest.mark.parametrize(("name", "change"), WRONG)
def test_a_wrong_value_is_refused(
    tmp_path: Path, name: str, change: Callable[[Array], Array]
) -> None:
    path = tmp_path / "wrong.safetensors"
    save({**ARRAYS, name: np.ascontiguousarray(change(ARRAYS[name]))}, path)
    with pytest.raises(ModelMismatchError):
        VqganCodec(path)


@pytest.mark.parametrize("name", [name for name in ARRAYS if not name.startswith("model/")])
def test_an_array_that_is_missing_or_of_another_form_is_refused(name: str) -> None:
    found = ARRAYS[name]
    other = np.float32 if found.dtype != np.float32 else np.int32
    for change in (None, found.astype(other), found[None], found[:-1]):
        arrays = {k: v for k, v in ARRAYS.items() if k != name}
        if change is not None:
            arrays[name] = change
        with pytest.raises(ModelMismatchError):
            ContextModel(arrays)


def test_the_model_id_covers_words_and_tables_but_no_network(tmp_path: Path) -> None:
    ids = []
    for number, name in enumerate(("model/decoder.leave.bias", "words/parent", "entropy/start")):
        changed = ARRAYS[name].copy()
        changed[-1] -= 1
        path = tmp_path / f"{number}.safetensors"
        save({**ARRAYS, name: changed}, path)
        ids.append(VqganCodec(path).model_id)
    save(ARRAYS, tmp_path / "known.safetensors")
    known = VqganCodec(tmp_path / "known.safetensors").model_id
    assert [identity == known for identity in ids] == [True, False, False]


def test_a_better_painter_reads_older_files(vqgan: Codec, tmp_path: Path) -> None:
    blob = vqgan.encode(picture(60, 50))
    name = "model/decoder.leave.bias"
    save({**ARRAYS, name: ARRAYS[name] + np.float16(0.5)}, tmp_path / "better.safetensors")
    better = VqganCodec(tmp_path / "better.safetensors")
    assert better.decompress(Reader(blob)).array.mean() > vqgan.decode(blob).array.mean() + 5


def test_headers_are_told_of_without_weights_too(vqgan_weights: Path, tmp_path: Path) -> None:
    media = ImageHeader(100, 50, False, None, 97 * 7 + 48, True)
    known, unknown = (vqgan_rate.facts(media, path) for path in (vqgan_weights, None))
    assert (known.codebook, unknown.codebook) == (128, None)
    assert (known.quality, known.words, known.left_out) == (50, 28, 7)
    (tmp_path / "no.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    assert vqgan_rate.facts(media, tmp_path / "no.safetensors").codebook is None
