"""The report: which files it writes, and what the page holds and keeps out."""

import base64
import hashlib
import html
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile

from ncodec.errors import InputError, OptionError
from ncodec.evaluation.report import Media, Report, report
from ncodec.evaluation.results import Results
from tests.evaluation.made import HOSTILE, photo, picture_files, picture_rows, results, sound_row

IMAGE_FILES = {"report.html"} | {
    stem + suffix for stem in ("psnr", "ms_ssim_db", "speed_image") for suffix in (".png", ".svg")
}


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """A report with pictures, one of them of a hostile name; and their folder."""
    place = tmp_path_factory.mktemp("pictured")
    measured = picture_files(place / "photos", ("plain.png", HOSTILE))
    measured.write(place)
    return report(place, media=Media(place / "photos", bpp=1.0)), place / "photos"


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open in self.inside:
            self.inside[self._open].append(data)

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def addresses(self) -> Iterator[str]:
        for _, attributes in self.tags:
            yield from (
                attributes[name] for name in ("src", "srcset", "href") if name in attributes
            )


def page_data(text: str) -> dict:  # type: ignore[type-arg]
    found = re.search('<script type="application/json" id="data">(.*?)</script>', text)
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_a_report_stands_beside_its_result_and_adds_no_json(tmp_path: Path) -> None:
    results(picture_rows({"one": 1, "two": 2})).write(tmp_path)
    made = report(tmp_path / "results.json")
    assert {path.name for path in made.files} == IMAGE_FILES
    assert {path.name for path in tmp_path.iterdir()} == IMAGE_FILES | {
        "results.json",
        "results.csv",
    }
    assert made.page == tmp_path / "report.html"
    with PIL.Image.open(tmp_path / "psnr.png") as plot:
        assert min(plot.size) > 500


def test_another_folder_is_made_and_nothing_overwritten(tmp_path: Path) -> None:
    results(picture_rows({"one": 1})).write(tmp_path)
    place = tmp_path / "deep" / "er"
    report(tmp_path, output=place)
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    assert set(before) == IMAGE_FILES
    with pytest.raises(OptionError, match="exists already"):
        report(tmp_path, output=place)
    report(tmp_path, output=place, overwrite=True)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_the_page_holds_everything_and_asks_for_nothing(pictured: tuple[Report, Path]) -> None:
    text = pictured[0].page.read_text("utf-8")
    page = Elements(text)
    assert all(address.startswith(("data:", "#")) for address in page.addresses())
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    assert "url(" not in text
    assert "@import" not in text
    assert len(text) < 3_000_000


def test_only_the_page_s_own_script_and_style_may_run(pictured: tuple[Report, Path]) -> None:
    page = Elements(pictured[0].page.read_text("utf-8"))
    policy = next(
        attributes["content"]
        for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    for name, text in (("style", page.inside["style"][0]), ("script", page.inside["script"][-1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{digest}'"
    assert not any(key.startswith("on") or key == "style" for _, a in page.tags for key in a)


def test_names_of_files_are_text_and_never_markup(pictured: tuple[Report, Path]) -> None:
    text = pictured[0].page.read_text("utf-8")
    assert HOSTILE not in text
    assert "\u202e" not in text
    assert "<img src=x" not in text
    names = [picture["name"] for picture in page_data(text)["pictures"]]
    assert names == [HOSTILE.replace("\u202e", "\\u202e"), "plain.png"]


def test_hostile_codecs_folders_and_errors_are_text_too(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>$\\frac_^"
    rows = picture_rows({evil: 1, "_two": 2}, [evil])
    failed = [type(rows[0])(evil, 1.0, evil, error=evil)]
    results(rows + failed, folder=evil, versions={evil: evil}).write(tmp_path)
    text = report(tmp_path).page.read_text("utf-8")
    assert evil not in text
    assert text.count("</script>") == text.count("<script") == 2
    assert html.escape(evil) in text


def test_versions_come_close_to_the_size_that_is_asked_for(pictured: tuple[Report, Path]) -> None:
    made, folder = pictured
    picture = next(
        p for p in page_data(made.page.read_text())["pictures"] if p["name"] == "plain.png"
    )
    labels = [version["label"] for version in picture["versions"]]
    assert labels == ["original", "jpeg", "webp"]
    for version in picture["versions"][1:]:
        assert float(version["note"].split(" bpp")[0]) == pytest.approx(1.0, rel=0.08)
    shown = [_pixels(version["source"]) for version in picture["versions"]]
    with PIL.Image.open(folder / "plain.png") as original:
        assert np.array_equal(shown[0], np.asarray(original))
    assert not np.array_equal(shown[1], shown[0])
    assert shown[1].shape == shown[0].shape
    assert made.notes == ()


def _pixels(address: str) -> np.ndarray:  # type: ignore[type-arg]
    head, data = address.split(",", 1)
    assert head == "data:image/webp;base64"
    with PIL.Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        return np.asarray(picture.convert("RGB"))


def test_large_pictures_show_their_middle_and_much_data_is_packed_with_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = picture_files(tmp_path / "in", ("a.png",))
    monkeypatch.setattr("ncodec.evaluation.report.BUDGET", 12_000)
    monkeypatch.setattr("ncodec.evaluation.page_pictures.WIDTH", 100)
    monkeypatch.setattr("ncodec.evaluation.page_pictures.HEIGHT", 80)
    measured.write(tmp_path)
    text = report(tmp_path, media=Media(tmp_path / "in")).page.read_text()
    (picture,) = page_data(text)["pictures"]
    assert (picture["width"], picture["height"]) == (100, 80)
    assert "kept as WebP of quality" in text
    error = _pixels(picture["versions"][0]["source"]) - photo()[50:130, 70:170].astype(float)
    assert 0 < np.sqrt((error**2).mean()) < 12


def test_without_media_the_page_says_how_to_get_pictures(tmp_path: Path) -> None:
    results(picture_rows({"one": 1})).write(tmp_path)
    text = report(tmp_path).page.read_text()
    assert "--media FOLDER" in text
    assert page_data(text) == {"pictures": []}
    assert 'id="compare"' not in text


def test_only_pictures_that_are_asked_for_are_shown(tmp_path: Path) -> None:
    picture_files(tmp_path / "in").write(tmp_path)
    media = Media(tmp_path / "in", names=["b.png"])
    pictures = page_data(report(tmp_path, media=media).page.read_text())["pictures"]
    assert [picture["name"] for picture in pictures] == ["b.png"]
    with pytest.raises(OptionError, match=r"none\.png: no such file in the result"):
        report(tmp_path, media=Media(tmp_path / "in", names=["none.png"]), overwrite=True)


def test_what_can_t_be_shown_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    measured = picture_files(tmp_path / "in", ("a.png", "b.png", "c.png"))
    secret = tmp_path / "secret.png"
    secret.write_bytes((tmp_path / "in" / "a.png").read_bytes())
    (tmp_path / "in" / "b.png").unlink()
    (tmp_path / "in" / "c.png").write_bytes(secret.read_bytes())
    rows = [*measured.rows, *(_renamed(row, "../secret.png") for row in measured.rows[:4])]
    results(rows, codecs=measured.codecs).write(tmp_path)
    names = ["a.png", "b.png", "c.png", "../secret.png"]
    made = report(tmp_path, media=Media(tmp_path / "in", names=names))
    shown = [p["name"] for p in page_data(made.page.read_text())["pictures"]]
    assert shown == ["a.png"]
    missing, changed, outside = made.notes
    assert missing.startswith("b.png: no such file")
    assert changed.startswith("c.png: the one in")
    assert outside.startswith("../secret.png: no such file")


def test_a_folder_of_links_will_do(tmp_path: Path) -> None:
    picture_files(tmp_path / "in", ("a.png",)).write(tmp_path)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.png").symlink_to(tmp_path / "in" / "a.png")
    assert report(tmp_path, media=Media(tmp_path / "links")).notes == ()


def _renamed(row, name: str):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    return type(row)(**{**vars(row), "file": name})


def test_a_codec_that_has_changed_since_is_named(tmp_path: Path) -> None:
    measured = picture_files(tmp_path / "in", ("a.png",))
    old = type(measured.codecs["jpeg"])("pillow", "image", "other", "0.1")
    results(measured.rows, codecs={**measured.codecs, "jpeg": old}).write(tmp_path)
    made = report(tmp_path, media=Media(tmp_path / "in"))
    (note,) = made.notes
    assert note.startswith("jpeg: shown as it is now (Pillow")
    assert "(0.1)" in note


def test_a_codec_that_is_not_there_any_more_is_left_out(tmp_path: Path) -> None:
    measured = picture_files(tmp_path / "in", ("a.png",))
    gone = [type(row)(**{**vars(row), "codec": "gone"}) for row in measured.rows[:4]]
    results(measured.rows + gone, codecs=measured.codecs).write(tmp_path)
    made = report(tmp_path, media=Media(tmp_path / "in"))
    (picture,) = page_data(made.page.read_text())["pictures"]
    assert [version["label"] for version in picture["versions"]] == ["original", "jpeg", "webp"]
    assert any(note.startswith("a.png: gone: no codec 'gone'") for note in made.notes)


def sounds(folder: Path, name: str = "a.wav") -> Results:
    """A chirp on disk and rows of Vorbis, whose qualities go from 0 to 10."""
    folder.mkdir()
    t = np.arange(16_000) / 16_000
    soundfile.write(folder / name, 0.5 * np.sin(2 * np.pi * (300 + 1500 * t) * t), 16_000)
    rows = [sound_row("vorbis", q, name, 20 + 10 * q, 2 - q / 5) for q in (0.0, 2.0, 5.0)]
    return results(rows)


def test_sounds_have_players_and_spectrograms(tmp_path: Path) -> None:
    sounds(tmp_path / "in", "<b>.wav").write(tmp_path)
    made = report(tmp_path, media=Media(tmp_path / "in", kbps=38))
    text = made.page.read_text()
    page = Elements(text)
    players = [a for tag, a in page.tags if tag == "audio"]
    assert [player["aria-label"] for player in players] == ["<b>.wav, original", "<b>.wav, vorbis"]
    heard = [_samples(player["src"]) for player in players]
    assert [len(samples) for samples in heard] == [16_000, 16_000]
    assert np.abs(heard[0] - heard[1]).max() > 1e-4
    assert np.corrcoef(heard[0], heard[1])[0, 1] > 0.9
    pictures = [a["src"] for tag, a in page.tags if tag == "img" and "Spectrogram" in a["alt"]]
    # The tone rises: energy moves from the bottom rows up.
    shades = _pixels(pictures[0]).sum(2)
    assert shades[:, 10].argmax() > shades[:, -10].argmax()
    assert {path.stem for path in made.files} == {"report", "si_sdr", "log_mel", "speed_audio"}


def _samples(address: str) -> np.ndarray:  # type: ignore[type-arg]
    head, data = address.split(",", 1)
    assert head == "data:audio/flac;base64"
    return soundfile.read(io.BytesIO(base64.b64decode(data)))[0]  # type: ignore[no-any-return]


def test_pictures_and_sounds_share_a_page(tmp_path: Path) -> None:
    rows = [*picture_rows({"one": 1}), *sounds(tmp_path / "in").rows]
    results(rows).write(tmp_path)
    made = report(tmp_path, media=Media(tmp_path / "in", names=["a.wav"]))
    text = made.page.read_text()
    assert text.count("<audio") == 2
    assert 'id="pictures"' in text
    assert {"psnr.svg", "si_sdr.svg", "speed_image.svg", "speed_audio.svg"} <= {
        path.name for path in made.files
    }


@pytest.mark.parametrize("bpp", [0, -1, float("nan"), float("inf")])
def test_sizes_that_make_no_sense_are_refused(bpp: float) -> None:
    with pytest.raises(OptionError, match="bpp"):
        Media(bpp=bpp)


def test_a_folder_of_media_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such folder"):
        Media(tmp_path / "none")
