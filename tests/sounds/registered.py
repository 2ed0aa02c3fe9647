"""The sound codec for tests, registered while a test runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ncodec.codecs import registry
from tests.sounds.mulaw_codec import MODEL_ID, NAME, NUMBER, TARGET, TRIM


@contextmanager
def mulaw_codec(folder: Path) -> Iterator[registry.CodecEntry]:
    """The codec `mulaw`, which is also the one for sounds if none is named."""
    weights = folder / "mulaw.safetensors"
    save_file({"nothing": np.zeros(1, np.int32)}, weights, {"model_id": MODEL_ID.hex()})
    entry = registry.CodecEntry(NAME, NUMBER, "audio", TARGET, (weights,), "for tests", TRIM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.BUILT_IN, NAME, entry)
        patch.setitem(registry.DEFAULTS, "audio", NAME)
        registry.entries.cache_clear()
        yield entry
    registry.entries.cache_clear()
