from collections.abc import Iterator

import pytest

from ncodec.codecs import registry
from tests.sounds.registered import mulaw_codec


@pytest.fixture(autouse=True, scope="module")
def mulaw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registry.CodecEntry]:
    with mulaw_codec(tmp_path_factory.mktemp("weights")) as entry:
        yield entry
