"""All metrics of one coded file, those whose packages are not installed left out with a warning."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncodec.errors import InputError, ModelError, OptionError
from ncodec.evaluation import audio_metrics, metrics
from ncodec.evaluation.machine import METRIC_PACKAGES
from ncodec.evaluation.sounds import fitted
from ncodec.media import Audio, Image

Scores = dict[str, float | None]
"""Columns of a row."""


class Scorer:
    """Computes the metrics of rows; a metric that can't be computed here is None in all of them.

    `left_out` names metrics of `METRIC_PACKAGES` not to compute. `labels` has the ImageNet class
    (0..999) of pictures by file name. `warn` is told once of each metric that is missing.
    """

    def __init__(
        self,
        left_out: Collection[str] = (),
        labels: Mapping[str, int] | None = None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        unknown = set(left_out) - set(METRIC_PACKAGES)
        if unknown:
            known = ", ".join(METRIC_PACKAGES)
            raise OptionError(f"no metric {min(unknown)!r} to leave out; there are: {known}")
        self._absent = set(left_out)
        self._labels = labels or {}
        self._warn = warn
        self._seen: tuple[Image | None, int | None] = None, None

    def picture(self, file: str, original: Image, decoded: Image) -> Scores:
        """PSNR, MS-SSIM, SSIMULACRA2, feature distance and top-1 of a picture.

        `InputError` where the sizes differ.
        """
        ours, theirs = planes(original), planes(decoded)
        plain = self._value("ms_ssim", metrics.ms_ssim, ours, theirs)
        return {
            "psnr": _number(metrics.psnr(ours, theirs)),
            "ms_ssim": plain,
            "ms_ssim_db": None if plain is None else _number(metrics.ms_ssim_db(np.array([plain]))),
            "ssimulacra2": self._value("ssimulacra2", _ssimulacra2, ours, theirs),
            "feature_distance": self._value("feature_distance", _feature_distance, ours, theirs),
            **self._top1(file, original, theirs),
        }

    def sound(self, original: Audio, decoded: Audio) -> Scores:
        """SI-SDR, log-mel distance, STOI, PESQ-WB and ViSQOL of a sound.

        The decoded sound is brought to the original's sample rate and length first.
        """
        rate = original.sample_rate
        ours, theirs = (x.array.T[None] for x in (original, fitted(decoded, original)))
        return {
            "si_sdr": _number(audio_metrics.si_sdr(ours, theirs)),
            "log_mel": _number(audio_metrics.log_mel(ours, theirs, rate)),
            "stoi": self._value("stoi", audio_metrics.stoi, ours, theirs, rate),
            "pesq_wb": self._value("pesq_wb", audio_metrics.pesq_wb, ours, theirs, rate),
            "visqol": self._value("visqol", audio_metrics.visqol, ours, theirs, rate),
        }

    def _top1(self, file: str, original: Image, decoded: NDArray[np.uint8]) -> Scores:
        names = ("top1_agreement", "top1_accuracy", "top1_accuracy_original")
        seen, again = self._class_of(original), self._value("top1", _class, decoded)
        if seen is None or again is None:
            return dict.fromkeys(names)
        label = self._labels.get(file)
        known = [None, None] if label is None else [float(again == label), float(seen == label)]
        return dict(zip(names, [float(seen == again), *known], strict=True))

    def _class_of(self, original: Image) -> float | None:
        """What the classifier says of the original, which is asked for many times in a row."""
        if self._seen[0] is not original:
            found = self._value("top1", _class, planes(original))
            self._seen = original, None if found is None else int(found)
        return self._seen[1]

    def _value(self, metric: str, function: Callable[..., Any], *args: object) -> float | None:
        if metric in self._absent:
            return None
        try:
            return _number(function(*args))
        except (OptionError, ModelError, ImportError) as error:
            self._absent.add(metric)
            self._warn(f"{metric} is left empty: {error}")
            return None


def planes(image: Image) -> NDArray[np.uint8]:
    """The colours of a picture as metrics take them, uint8 [1, 3, H, W]: grey thrice."""
    colour = image.colour
    if colour.ndim == 2:
        colour = np.repeat(colour[..., None], 3, axis=2)
    return np.moveaxis(colour, 2, 0)[None]


def read_labels(text: str, name: str) -> dict[str, int]:
    """Lines `file,class` -> ImageNet class (0..999) by file name; `InputError` for others."""
    labels = {}
    for number, line in enumerate(text.splitlines(), 1):
        file, comma, label = line.rpartition(",")
        if not line.strip():
            continue
        if not (comma and label.strip().isascii() and label.strip().isdigit()) or int(label) > 999:
            raise InputError(f"{name}, line {number}: write file,class with a class from 0 to 999")
        labels[file.strip()] = int(label)
    return labels


def _class(pictures: NDArray[np.uint8]) -> NDArray[Any]:
    from ncodec.evaluation.classifier import classify

    return classify(pictures)


def _ssimulacra2(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> NDArray[Any]:
    from ncodec.evaluation.perceptual import ssimulacra2

    return ssimulacra2(original, decoded)


def _feature_distance(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> NDArray[Any]:
    from ncodec.evaluation.perceptual import feature_distance

    return feature_distance(original, decoded)


def _number(values: NDArray[Any]) -> float | None:
    """The only value, or None where the metric is not defined."""
    value = float(values[0])
    return None if math.isnan(value) else value
