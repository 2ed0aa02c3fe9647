"""Metrics of sounds: SI-SDR, log-mel distance, STOI, PESQ-WB and ViSQOL.

All take two tensors or arrays [B, C, T] of equal shape, floating point with full scale at -1..1,
and return one value a sound, float64 [B]; NaN where a metric is not defined (silence, too short).
Means over sounds are plain means of these values.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ncodec.errors import InputError
from ncodec.evaluation.metrics import missing
from ncodec.evaluation.quiet import quiet_stderr
from ncodec.evaluation.results import CEILING_DB

if TYPE_CHECKING:
    import torch

Sounds: TypeAlias = "torch.Tensor | NDArray[Any]"
Values = NDArray[np.float64]
Wave = NDArray[np.float64]
"""One mono sound, [T]."""

MEL_SCALES = ((32, 5), (64, 10), (128, 20), (256, 40), (512, 80), (1024, 160), (2048, 320))
"""Samples of a window and mel bands of each scale of the log-mel distance."""
MEL_FLOOR = 1e-5
SPEECH_RATE, AUDIO_RATE = 16_000, 48_000


def si_sdr(original: Sounds, decoded: Sounds) -> Values:
    """Scale-invariant signal-to-distortion ratio, mean over channels, in dB, [B].

    The decoded channel is projected on the original one (means are not taken out): the energy of
    that part over the energy of the rest, within -100..100 dB (Le Roux et al. 2019). A channel
    that is silent in the original does not count.
    """
    ours, theirs = _pair(original, decoded)
    power = (ours * ours).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        target = ours * ((ours * theirs).sum(-1) / power)[..., None]
        ratio = (target * target).sum(-1) / np.square(theirs - target).sum(-1)
        values = np.clip(10 * np.log10(ratio), -CEILING_DB, CEILING_DB)
    values[np.isnan(values)] = -CEILING_DB  # Silence was decoded: nothing of the original is left.
    heard = power > 0
    sums, counts = np.where(heard, values, 0).sum(1), heard.sum(1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def log_mel(original: Sounds, decoded: Sounds, sample_rate: int) -> Values:
    """Log-mel distance, mean over channels, [B]; 0 for equal sounds, without unit.

    For windows of 32 to 2048 samples (hop: a quarter) and 5 to 320 bands from 0 Hz to half the
    sample rate, the mean absolute difference of log10 of the mel magnitudes, which are at least
    1e-5; summed over the seven scales. The mel term of Kumar et al. 2023 (DAC), so that its
    published values can be compared at 44.1 kHz.
    """
    import torch

    ours, theirs = (torch.from_numpy(x.astype(np.float32)) for x in _pair(original, decoded))
    total = torch.zeros(ours.shape[0], dtype=torch.float64)
    with torch.inference_mode():
        for window, bands in MEL_SCALES:
            if ours.shape[-1] <= window // 2:
                return np.full(ours.shape[0], np.nan)
            mels = [_log_mels(x, window, bands, sample_rate) for x in (ours, theirs)]
            total += (mels[0] - mels[1]).abs().double().mean((1, 2, 3))
    return np.asarray(total.numpy())


def stoi(original: Sounds, decoded: Sounds, sample_rate: int) -> Values:
    """Short-time objective intelligibility of the mean of the channels, at most 1, [B].

    pystoi's (Taal et al. 2011), which resamples to 10 kHz. NaN for less than about 0.4 s of
    speech. `OptionError` where pystoi is not installed.
    """
    try:
        import pystoi
    except ModuleNotFoundError as error:
        raise missing("STOI", error) from error

    def measure(ours: Wave, theirs: Wave) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            return float(pystoi.stoi(ours, theirs, sample_rate)) if ours.any() else np.nan

    return _each_mono(original, decoded, measure, (RuntimeWarning,))


def pesq_wb(original: Sounds, decoded: Sounds, sample_rate: int) -> Values:
    """Wide-band PESQ (ITU-T P.862.2) of the mean of the channels, about 1 to 4.64, [B].

    pesq's, at 16 kHz; other rates are resampled. For speech: it says little of music. NaN where no
    speech is found. `OptionError` where pesq is not installed.
    """
    try:
        import pesq
    except ModuleNotFoundError as error:
        raise missing("PESQ", error) from error

    def measure(ours: Wave, theirs: Wave) -> float:
        waves = [_resampled(x, sample_rate, SPEECH_RATE) for x in (ours, theirs)]
        return float(pesq.pesq(SPEECH_RATE, *waves, "wb")) if waves[0].any() else np.nan

    return _each_mono(original, decoded, measure, (pesq.PesqError, ZeroDivisionError))


def visqol(original: Sounds, decoded: Sounds, sample_rate: int) -> Values:
    """ViSQOL 3 (MOS-LQO, 1 to 5) of the mean of the channels, [B].

    visqol-python's: in speech mode at 16 kHz with the lattice network for rates up to 16 kHz, else
    in audio mode at 48 kHz (Chinen et al. 2020). NaN for silence and less than about 0.6 s.
    `OptionError` where visqol-python, or ai-edge-litert for speech, is not installed.
    """
    speech = sample_rate <= SPEECH_RATE
    try:
        api = _visqol(speech)
    except ModuleNotFoundError as error:
        raise missing("ViSQOL", error) from error
    rate = SPEECH_RATE if speech else AUDIO_RATE

    def measure(ours: Wave, theirs: Wave) -> float:
        if not ours.any():
            return np.nan
        waves = [_resampled(x, sample_rate, rate) for x in (ours, theirs)]
        return float(api.measure_from_arrays(*waves, rate).moslqo)

    return _each_mono(original, decoded, measure, (ValueError,))


@cache
def _visqol(speech: bool) -> Any:  # noqa: ANN401 - the package may be missing
    import visqol

    if speech:
        # Without it the package falls back to a formula that says 1 to 2 points more.
        import ai_edge_litert  # noqa: F401
    api = visqol.VisqolApi()
    with quiet_stderr():
        api.create(mode="speech" if speech else "audio", use_lattice_model=speech or None)
    return api


def _pair(original: Sounds, decoded: Sounds) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ours, theirs = _as_array(original), _as_array(decoded)
    if ours.shape != theirs.shape:
        raise InputError(
            f"sounds of equal shape are compared, got {list(ours.shape)} and {list(theirs.shape)}"
        )
    return ours, theirs


def _as_array(sounds: Sounds) -> NDArray[np.float64]:
    if hasattr(sounds, "detach"):
        sounds = sounds.detach().cpu().numpy()
    array = np.asarray(sounds)
    said = f"{array.dtype} {list(array.shape)}"
    if array.ndim != 3 or array.size == 0 or not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"sounds must be floating point [B, C, T], got {said}")
    if not np.isfinite(array).all():
        raise InputError(f"sounds must be finite, got {said} with NaN or infinity")
    return array.astype(np.float64)


def _each_mono(
    original: Sounds,
    decoded: Sounds,
    measure: Callable[[Wave, Wave], float],
    undefined: tuple[type[Exception], ...],
) -> Values:
    """`measure` of the mean of each sound's channels; NaN where it raises one of `undefined`."""
    values = []
    for ours, theirs in zip(*(x.mean(1) for x in _pair(original, decoded)), strict=True):
        try:
            values.append(measure(ours, theirs))
        except undefined:
            values.append(np.nan)
    return np.array(values, np.float64)


def _resampled(wave: Wave, rate: int, wanted: int) -> Wave:
    if rate == wanted:
        return wave
    import soxr

    resampled: Wave = soxr.resample(wave, rate, wanted)
    return resampled


def _log_mels(waves: torch.Tensor, window: int, bands: int, rate: int) -> torch.Tensor:
    """log10 of the mel magnitudes of [B, C, T], [B, C, bands, frames]."""
    import torch

    flat = waves.reshape(-1, waves.shape[-1])
    hann = torch.hann_window(window)
    spectrum = torch.stft(flat, window, window // 4, window=hann, return_complex=True).abs()
    mels = torch.from_numpy(mel_bands(rate, window, bands)) @ spectrum
    return mels.clamp_min(MEL_FLOOR).log10().reshape(*waves.shape[:2], bands, -1)


@cache
def mel_bands(rate: int, window: int, bands: int) -> NDArray[np.float32]:
    """Triangles of equal area on Slaney's mel scale from 0 Hz to half the rate.

    Weights [bands, window / 2 + 1] of the magnitudes.
    """
    edges = _hertz(np.linspace(0, _mels(rate / 2), bands + 2))
    bins = np.linspace(0, rate / 2, window // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    areas = 2 / (edges[2:] - edges[:-2])
    weights: NDArray[np.float32] = (triangles * areas[:, None]).astype(np.float32)
    return weights


_BREAK_HZ, _HZ_A_MEL = 1000.0, 200 / 3
_BREAK_MEL, _STEP = _BREAK_HZ / _HZ_A_MEL, np.log(6.4) / 27


def _mels(hertz: float) -> float:
    """Slaney's scale: linear up to 1000 Hz, logarithmic above."""
    if hertz < _BREAK_HZ:
        return hertz / _HZ_A_MEL
    return float(_BREAK_MEL + np.log(hertz / _BREAK_HZ) / _STEP)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_STEP * (np.maximum(mels, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mels < _BREAK_MEL, mels * _HZ_A_MEL, above)
