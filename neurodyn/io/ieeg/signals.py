"""References and filters for signals with holes: each observed stretch is treated on its own."""

import re
from collections.abc import Callable

import numpy as np

from neurodyn.errors import ModelError


def average_reference(values, neural):
    """Subtract at each time the mean of the observed neural channels, from those channels."""
    values = values.copy()
    part = values[:, neural]
    seen = np.isfinite(part)
    number = seen.sum(axis=1, keepdims=True)
    mean = np.where(seen, part, 0).sum(axis=1, keepdims=True) / np.maximum(number, 1)
    values[:, neural] = np.where(number > 1, part - mean, np.nan)
    return values


def bipolar_pairs(names, types) -> list[tuple[str, str]]:
    """Neighbouring contacts of each electrode by their numbers: A1-A2, A2-A3."""
    parsed = {}
    for name in names:
        match = re.fullmatch(r"(.*?)(\d+)(\D*)", name)
        if match:
            parsed[(match.group(1), match.group(3), types[name], int(match.group(2)))] = name
    pairs = []
    for (prefix, tail, kind, number), name in parsed.items():
        after = parsed.get((prefix, tail, kind, number + 1))
        if after is not None:
            pairs.append((name, after))
    return pairs


def on_stretches(values, treat: Callable, shortest: int, edge: int = 0):
    """Apply a function to every observed stretch of every channel; shorter ones become NaN.

    Parameters
    ----------
    values : array (time, channel)
        Signal, NaN where not observed.
    treat : callable
        From a stretch (time, channel) without NaN to one of the same shape.
    shortest : int
        Samples a stretch must have.
    edge : int
        Samples at both ends of each stretch set to NaN afterwards.

    Returns
    -------
    values : array (time, channel)
        Treated signal.
    lost : int
        Samples that became NaN because their stretch was too short.
    """
    result = np.full(values.shape, np.nan)
    lost = 0
    for columns in _columns_alike(np.isfinite(values)):
        seen = np.isfinite(values[:, columns[0]])
        for begin, end in _runs(seen):
            if end - begin < shortest:
                lost += (end - begin) * len(columns)
                continue
            part = treat(values[begin:end, columns])
            if edge:
                part[:edge] = np.nan
                part[-edge:] = np.nan
            result[begin:end, columns] = part
    return result, lost


def _columns_alike(seen) -> list[np.ndarray]:
    """Groups of channels observed at the same times."""
    _, which = np.unique(np.packbits(seen, axis=0), axis=1, return_inverse=True)
    which = which.ravel()
    return [np.flatnonzero(which == group) for group in range(which.max() + 1)]


def _runs(seen) -> list[tuple[int, int]]:
    """Begin and end of every stretch of True."""
    change = np.flatnonzero(np.diff(np.concatenate([[0], seen.astype(np.int8), [0]])))
    return list(zip(change[::2].tolist(), change[1::2].tolist(), strict=True))


def band_filter(values, rate: float, low: float | None, high: float | None, *, causal: bool, edge: int = 0):
    """Butterworth band-pass, high-pass or low-pass of order 4, forward and backward unless causal."""
    from scipy.signal import butter

    nyquist = rate / 2
    for name, limit in (("low", low), ("high", high)):
        if limit is not None and not 0 < limit < nyquist:
            raise ModelError(
                f"The {name} edge of {limit:g} Hz must lie between 0 and half the rate, {nyquist:g} Hz."
            )
    if low is not None and high is not None and low >= high:
        raise ModelError(f"band_pass=({low:g}, {high:g}) Hz has its low edge above its high edge.")
    if low is None and high is None:
        raise ModelError("band_pass needs a low or a high edge in Hz, such as (1, 40) or (None, 40).")
    if low is not None and high is not None:
        lowest, sections = low, butter(4, (low, high), "bandpass", fs=rate, output="sos")
    elif low is not None:
        lowest, sections = low, butter(4, low, "highpass", fs=rate, output="sos")
    else:
        lowest, sections = float(high or 0), butter(4, high, "lowpass", fs=rate, output="sos")
    return _filtered(values, sections, causal, max(int(np.ceil(rate / lowest)), 30), edge)


def notch_filter(values, rate: float, frequencies, *, causal: bool, edge: int = 0):
    """Second-order notches of quality 30 at the given frequencies."""
    from scipy.signal import iirnotch, tf2sos

    lost = 0
    for frequency in np.atleast_1d(np.asarray(frequencies, dtype=float)):
        if not 0 < frequency < rate / 2:
            raise ModelError(f"notch={frequency:g} Hz must lie between 0 and half the rate, {rate / 2:g} Hz.")
        sections = tf2sos(*iirnotch(frequency, 30, fs=rate))
        values, short = _filtered(values, sections, causal, max(int(np.ceil(rate / frequency * 3)), 30), edge)
        lost += short
    return values, lost


def _filtered(values, sections, causal, shortest, edge):
    """Every stretch through second-order sections, once (from rest at its first value) or both ways."""
    from scipy.signal import sosfilt, sosfilt_zi, sosfiltfilt

    def treat(part):
        if causal:
            state = sosfilt_zi(sections)[:, :, None] * part[0]
            return sosfilt(sections, part, axis=0, zi=state)[0]
        return sosfiltfilt(sections, part, axis=0, padlen=min(len(part) - 1, 3 * shortest))

    return on_stretches(values, treat, shortest, edge)


def envelope(values):
    """Amplitude of the analytic signal of every observed stretch (Hilbert transform)."""
    from scipy.signal import hilbert

    return on_stretches(values, lambda part: np.abs(hilbert(part, axis=0)), 30)


def resample(values, rate: float, new_rate: float):
    """Polyphase resampling with an anti-alias filter; holes are bridged for the filter and stay NaN."""
    from fractions import Fraction

    from scipy.signal import resample_poly

    if not new_rate > 0:
        raise ModelError(f"resample={new_rate:g} Hz must be positive.")
    ratio = Fraction(new_rate / rate).limit_denominator(1000)
    if ratio <= 0 or abs(float(ratio) * rate - new_rate) > 1e-6 * new_rate:
        raise ModelError(
            f"resample={new_rate:g} Hz is not a simple ratio of {rate:g} Hz; choose a near rate."
        )
    if ratio == 1:
        return values, rate
    seen = np.isfinite(values)
    bridged = values.copy()
    positions = np.arange(len(values))
    for column in range(values.shape[1]):
        good = seen[:, column]
        if not good.all():
            known = np.flatnonzero(good)
            bridged[:, column] = np.interp(positions, known, values[known, column]) if len(known) else 0.0
    result = resample_poly(bridged, ratio.numerator, ratio.denominator, axis=0, padtype="line")
    step = 1 / float(ratio)
    left = np.clip(np.floor(np.arange(len(result)) * step - max(step, 1) / 2).astype(int), 0, len(values) - 1)
    right = np.clip(np.ceil(np.arange(len(result)) * step + max(step, 1) / 2).astype(int), 0, len(values) - 1)
    missing = np.concatenate([np.zeros((1, values.shape[1]), dtype=int), np.cumsum(~seen, axis=0)])
    result[(missing[right + 1] - missing[left]) > 0] = np.nan
    return result, float(ratio) * rate
