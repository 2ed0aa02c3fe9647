"""Simulated losses have the share and the length that was asked for, and are the same again."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ncodec.container import AudioHeader, Header, Reader, pack
from ncodec.errors import CorruptFileError, InputError, OptionError
from ncodec.evaluation.losses import (
    burst_losses,
    packets,
    random_losses,
    received,
    without_chunks,
)

MANY = 200_000


def runs(lost: NDArray[np.bool_]) -> list[int]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(int)))
    return [int(stop - start) for start, stop in edges.reshape(-1, 2)]


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 1.0])
def test_random_losses_have_their_share(share: float) -> None:
    lost = random_losses(MANY, share, seed=1)
    assert lost.shape == (MANY,)
    assert lost.mean() == pytest.approx(share, abs=0.005)
    if 0 < share < 1:
        assert np.mean(runs(lost)) == pytest.approx(1 / (1 - share), rel=0.02)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("burst", [1.5, 3.0, 8.0])
def test_bursts_have_their_share_and_length(share: float, burst: float) -> None:
    lost = burst_losses(MANY, share, burst, seed=2)
    assert lost.mean() == pytest.approx(share, rel=0.1)
    assert np.mean(runs(lost)) == pytest.approx(burst, rel=0.06)


def test_extremes_of_bursts() -> None:
    assert not burst_losses(1000, 0.0, 3.0, seed=0).any()
    assert burst_losses(1000, 1.0, 1e9, seed=0).mean() > 0.99
    assert burst_losses(0, 0.5, 3.0, seed=0).shape == (0,)


def test_seeds_repeat_and_differ() -> None:
    np.testing.assert_array_equal(random_losses(99, 0.3, 5), random_losses(99, 0.3, 5))
    np.testing.assert_array_equal(burst_losses(99, 0.3, 3, 5), burst_losses(99, 0.3, 3, 5))
    assert (random_losses(99, 0.3, 5) != random_losses(99, 0.3, 6)).any()
    assert (burst_losses(99, 0.3, 3, 5) != burst_losses(99, 0.3, 3, 6)).any()


@pytest.mark.parametrize(
    ("share", "burst"),
    [(-0.1, 2), (1.1, 2), (float("nan"), 2), (0.1, 0.5), (0.9, 1), (0.1, np.inf)],
)
def test_impossible_losses_are_refused(share: float, burst: float) -> None:
    with pytest.raises(OptionError):
        burst_losses(10, share, burst, seed=0)


def test_lost_chunks_are_damaged_and_no_others() -> None:
    payloads = [bytes([n] * (n + 1)) for n in range(5)]
    header = Header(2, bytes(4), AudioHeader(80_000, 16_000, 1, 0))
    data = pack(header, [("L", payload) for payload in payloads])
    lost = np.array([False, True, False, False, True])
    reader = Reader(without_chunks(data, lost))
    for chunk, payload, gone in zip(reader.chunks, payloads, lost, strict=True):
        if gone:
            with pytest.raises(CorruptFileError):
                reader.read(chunk)
        else:
            assert reader.read(chunk) == payload
    assert without_chunks(data, np.zeros(5, bool)) == data
    with pytest.raises(InputError, match="4 losses for 5 chunks"):
        without_chunks(data, lost[:4])


def test_lost_packets_are_none() -> None:
    sent = [b"\x02ab", b"\x00", b"\x01c"]
    assert list(packets(b"".join(sent))) == sent
    lost = np.array([False, True, False])
    assert received(b"".join(sent), lost) == [b"\x02ab", None, b"\x01c"]
    with pytest.raises(InputError, match="2 losses for 3 packets"):
        received(b"".join(sent), lost[:2])
