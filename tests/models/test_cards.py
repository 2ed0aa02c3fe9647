"""Model cards speak of the weights that they lie beside."""

import json
from pathlib import Path

import pytest

from ncodec.codecs import registry

WEIGHTS = [path for row in registry.rows() for path, _ in registry.models_of(row)]


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_a_card_names_the_hashes_of_its_weights(path: Path) -> None:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    card = path.with_suffix(".md").read_text()
    for name, value in header["__metadata__"].items():
        assert f"- {name}: `{value}`" in card
