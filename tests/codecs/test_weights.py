"""Weights that are damaged, foreign or not what they claim are refused, not used."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_tensors

from ncodec.api import Codec, list_codecs
from ncodec.codecs import registry
from ncodec.codecs.hyperprior import HyperpriorCodec
from ncodec.codecs.hyperprior_latents import MEANING
from ncodec.codecs.weights import model_id
from ncodec.container import Reader
from ncodec.errors import (
    ModelMismatchError,
    ModelNotFoundError,
    OptionError,
    UnsafeWeightsError,
    UnsupportedFeatureError,
)
from tests.golden.symbols import symbols_sha256

from .pictures import picture

Arrays = dict[str, NDArray[Any]]
Change = Callable[[Arrays], None]


@pytest.fixture(scope="module")
def path() -> Path:
    return registry.weights_for(registry.entry_by_name("hyperprior"), None)


@pytest.fixture(scope="module")
def shipped(path: Path) -> Arrays:
    return load_file(path)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where a test writes weights; gone afterwards, since they are large."""
    place = tmp_path / "weights.safetensors"
    yield place
    place.unlink(missing_ok=True)


def save(arrays: Arrays, place: Path, identity: str | None = None) -> Path:
    """Write weights, by default under the model id that their contents have."""
    identity = model_id(arrays, MEANING) if identity is None else identity
    save_file(
        {k: np.ascontiguousarray(v) for k, v in arrays.items()}, place, {"model_id": identity}
    )
    return place


def set_value(name: str, value: float) -> Change:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name].flat[0] = value

    return change


def cut(name: str) -> Change:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name][:-1]

    return change


def drop(name: str) -> Change:
    def change(arrays: Arrays) -> None:
        del arrays[name]

    return change


def swap(one: str, other: str) -> Change:
    """Exchange all arrays whose names start with `one` or `other`."""

    def change(arrays: Arrays) -> None:
        for name in [name for name in arrays if name.startswith(f"{one}/")]:
            twin = name.replace(one, other)
            arrays[name], arrays[twin] = arrays[twin], arrays[name]

    return change


def retype(name: str, dtype: type) -> Change:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name].astype(dtype)

    return change


def nudge_network(arrays: Arrays) -> None:
    """Every weight one step off; a single one may be lost in the rounding of its layer."""
    name = "entropy/scale/trunk/1/weight"
    arrays[name] = arrays[name] ^ 1


def move_count(arrays: Arrays) -> None:
    counts = arrays["entropy/latent/counts"].copy()
    likely = int(np.argmax(counts[:3]))
    counts[likely] -= 1
    counts[(likely + 1) % 3] += 1
    arrays["entropy/latent/counts"] = counts


WRONG: dict[str, tuple[Change, str]] = {
    "model not finite": (set_value("model/synthesis.enter.bias", np.nan), "not finite"),
    "model missing": (drop("model/analysis.linear.basis"), "wrong or missing"),
    "model shape": (cut("model/log_gain.values"), "log_gain"),
    "network": (nudge_network, "self-test"),
    "network missing": (drop("entropy/scale/here/0/bias"), "entropy/scale/here/0/bias"),
    "network type": (retype("entropy/scale/around/0/weight", np.int32), "around/0/weight"),
    "network shape": (swap("entropy/scale/around", "entropy/scale/here"), "networks do not fit"),
    "level": (set_value("entropy/level", 1), "level"),
    "level shape": (cut("entropy/level"), "entropy/level"),
    "table sum": (set_value("entropy/hyper/counts", 5), "table 0"),
    "table missing": (drop("entropy/latent/low"), "entropy/latent/low"),
    "centroid not finite": (set_value("latent/centroid", np.inf), "not finite"),
    "centroid shape": (cut("latent/centroid"), "latent/centroid"),
    "multiplier": (set_value("entropy/hyper_multiplier", 0), "multiplier"),
    "offset type": (retype("entropy/scale_offset", np.int32), "scale_offset"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arrays_are_a_mismatch(shipped: Arrays, place: Path, name: str) -> None:
    change, said = WRONG[name]
    arrays = dict(shipped)
    change(arrays)
    with pytest.raises(ModelMismatchError, match=said):
        HyperpriorCodec(save(arrays, place))


@pytest.mark.parametrize("change", [move_count, set_value("model/context.head.0.bias", 0.5)])
def test_contents_must_have_the_model_id_stated(
    shipped: Arrays, path: Path, place: Path, change: Change
) -> None:
    arrays = dict(shipped)
    change(arrays)
    stated = registry.model_id(path).hex()
    assert model_id(arrays, MEANING) != stated
    with pytest.raises(ModelMismatchError, match="model id"):
        HyperpriorCodec(save(arrays, place, stated))


def test_the_model_id_of_the_package_is_right(shipped: Arrays, path: Path) -> None:
    assert model_id(shipped, MEANING) == registry.model_id(path).hex()


def test_a_better_synthesis_still_decodes_old_files(
    shipped: Arrays, place: Path, codec: Codec, engine: HyperpriorCodec
) -> None:
    arrays = dict(shipped)
    set_value("model/synthesis.enter.bias", 0.25)(arrays)
    set_value("model/analysis.linear.basis", 0.25)(arrays)
    newer = HyperpriorCodec(save(arrays, place))
    assert newer.model_id == engine.model_id
    blob = codec.encode(picture(40, 30))
    assert symbols_sha256(newer, blob) == symbols_sha256(engine, blob)
    assert newer.decompress(Reader(blob)).array.shape == (30, 40, 3)


def test_what_is_no_weights_file_is_refused(place: Path, path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no such weights file"):
        HyperpriorCodec(place)
    whole = path.read_bytes()
    header_alone, cut_short = whole[:4000], whole[: len(whole) // 2]
    for data in (b"", b"\x80\x02}q\x00.", b"PK\x03\x04" + bytes(99), header_alone, cut_short):
        place.write_bytes(data)
        registry.model_id.cache_clear()
        with pytest.raises(UnsafeWeightsError, match="safetensors"):
            HyperpriorCodec(place)


def test_types_that_numpy_lacks_are_refused(place: Path) -> None:
    save_tensors({"a": torch.zeros(2, dtype=torch.bfloat16)}, place, {"model_id": "00" * 32})
    with pytest.raises(UnsafeWeightsError, match="safetensors"):
        HyperpriorCodec(place)


@pytest.mark.parametrize("identity", ["", "00" * 31, "no hexadecimal"])
def test_weights_without_a_model_id_are_refused(place: Path, identity: str) -> None:
    with pytest.raises(UnsafeWeightsError):
        HyperpriorCodec(save({"a": np.zeros(2)}, place, identity))


def test_list_and_lookup_of_codecs(path: Path) -> None:
    (row,) = [info for info in list_codecs() if info.name == "hyperprior"]
    assert row.number == 1
    assert row.model_id == registry.model_id(path).hex()[:8]
    assert row.weights_bytes == path.stat().st_size
    with pytest.raises(OptionError, match="hyperprior"):
        registry.entry_by_name("no such codec")
    with pytest.raises(UnsupportedFeatureError, match="120"):
        registry.entry_by_number(120)


def test_a_codec_without_weights_says_so(tmp_path: Path) -> None:
    entry = registry.CodecEntry("x", 200, "image", "a:b", (tmp_path / "gone",), "")
    with pytest.raises(ModelNotFoundError, match="reinstall"):
        registry.weights_for(entry, None)
