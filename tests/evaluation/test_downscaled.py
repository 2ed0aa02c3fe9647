"""AVIF of a smaller picture takes at most the bytes of another codec's file."""

import PIL.features
import pytest

from ncodec.evaluation import open_subject, psnr
from ncodec.evaluation.baselines import QualityError, open_pillow
from ncodec.evaluation.downscaled import DownscaledAvif, candidates
from ncodec.evaluation.scores import planes
from ncodec.media import Image
from tests.evaluation.made import photo

pytestmark = pytest.mark.skipif(not PIL.features.check("avif"), reason="this Pillow has no AVIF")
PICTURE = Image(photo(321, 203))
SIZE_BYTES = 4


class Ceiling:
    """A codec whose files have as many bytes as its quality says."""

    name, qualities = "ceiling", (600.0, 1200.0)
    note = open_subject("jpeg").note

    def encode(self, image: Image, quality: float) -> bytes:
        return bytes(int(quality))

    def decode(self, data: bytes) -> Image:
        return PICTURE

    def payload(self, data: bytes) -> int:
        return len(data)


def downscaled() -> DownscaledAvif:
    return DownscaledAvif(Ceiling(), open_pillow("avif", 1))


def distance(shown: Image) -> float:
    return float(psnr(planes(PICTURE), planes(shown))[0])


def test_files_fill_the_bytes_of_the_other_codec_and_more_of_them_look_better() -> None:
    subject = downscaled()
    files = [subject.encode(PICTURE, ceiling) for ceiling in subject.qualities]
    for data, ceiling in zip(files, subject.qualities, strict=True):
        assert 0.8 * ceiling < len(data) <= ceiling + SIZE_BYTES
        assert 0 < subject.payload(data) < len(data)
    first, second = map(subject.decode, files)
    assert first.array.shape == second.array.shape == PICTURE.array.shape
    assert distance(first) < distance(second)
    assert "bytes of ceiling" in subject.note.settings


def test_the_best_of_the_scales_is_taken() -> None:
    found = list(candidates(PICTURE, 900, open_pillow("avif", 1)))
    assert len(found) > 3
    assert all(len(candidate.data) <= 900 for candidate in found)
    assert [c.quality for c in found] == sorted(c.quality for c in found)
    assert downscaled().encode(PICTURE, 900)[SIZE_BYTES:] in [c.data for c in found]


def test_it_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncodec.evaluation.subjects.EXTREME", "webp")
    subject, webp = open_subject("avif-scaled"), open_subject("webp")
    assert subject.qualities == webp.qualities
    assert len(subject.encode(PICTURE, 0)) <= len(webp.encode(PICTURE, 0)) + SIZE_BYTES


def test_grey_pictures_stay_grey() -> None:
    grey = Image(PICTURE.array[..., 0].copy())
    subject = downscaled()
    assert subject.decode(subject.encode(grey, 900)).array.shape == grey.array.shape


def test_bytes_that_no_avif_has_are_refused() -> None:
    with pytest.raises(QualityError, match="only 100 bytes"):
        downscaled().encode(PICTURE, 100)
