r"""How much two signals go together in a band of frequencies, in a sliding window, on bare arrays.

The band is cut out by a filter of finite length that is centred on its bin, so that every value depends on a known number
of bins to either side and on no other: what is not observed makes exactly those values NaN that would need it.
"""

import numpy as np
from jaxtyping import Complex, Float, Int, Shaped
from scipy.signal import firwin, oaconvolve

from neurodyn.errors import ModelError
from neurodyn.inference.affinity import window_correlation

WIDTH = 3.3  # transition of a Hamming window, in units of the sampling rate over the number of taps
SHARE = 0.25  # of the lower edge of the band, the width of the transition


def check_band(band: tuple[float, float], rate: float) -> None:
    """Refuse a band that the sampling rate does not have.

    Parameters
    ----------
    band : (low, high)
        Hz.
    rate : float
        Samples a second.

    Raises
    ------
    ModelError
        If the edges are not above 0, in order, and below half the sampling rate.

    Examples
    --------
    >>> check_band((13.0, 30.0), rate=1000.0)
    """
    if not rate > 0:
        raise ModelError(f"the sampling rate is {rate!r} Hz; give one above 0.")
    low, high = band
    if not 0 < low < high < rate / 2:
        raise ModelError(
            f"the band goes from {low:g} to {high:g} Hz; give two edges in order above 0 and below half the sampling rate, "
            f"{rate / 2:g} Hz."
        )


def filter_reach(band: tuple[float, float], rate: float) -> int:
    """Bins to either side that the filter of a band needs.

    Parameters
    ----------
    band : (low, high)
        Hz.
    rate : float
        Samples a second.

    Returns
    -------
    int
        Half the length of a Hamming-windowed filter whose transition is a quarter of the lower edge wide, or half the band
        if that is narrower.

    Raises
    ------
    ModelError
        If the sampling rate does not have the band.

    Examples
    --------
    >>> filter_reach((13.0, 30.0), rate=1000.0)
    508
    """
    check_band(band, rate)
    transition = min(SHARE * band[0], (band[1] - band[0]) / 2)
    return int(np.ceil(WIDTH * rate / transition / 2))


def analytic_signal(
    traces: Float[np.ndarray, "time unit"], *, band: tuple[float, float], rate: float
) -> Complex[np.ndarray, "time unit"]:
    r"""The part of every trace within a band, with its envelope and phase.

    .. math:: z(t) = 2 \sum_{|k| \le K} h_k \, e^{2 \pi i f_0 k / f_s} \, x(t - k)

    with h a low-pass filter of half the band's width (Hamming window) and :math:`f_0` its middle; what would pass of a
    constant is taken away. The filter is centred and
    has no phase of its own; :math:`\operatorname{Re} z` is the band-passed trace, :math:`|z|` its envelope.

    Parameters
    ----------
    traces : (time, unit)
        NaN where not observed.
    band : (low, high)
        Hz.
    rate : float
        Samples a second.

    Returns
    -------
    (time, unit)
        NaN within `filter_reach` bins of a bin that was not observed or of an end of the recording.

    Raises
    ------
    ModelError
        If the sampling rate does not have the band, or the recording is shorter than the filter.

    Examples
    --------
    >>> time = np.arange(1000) / 500
    >>> wave = analytic_signal(3 * np.cos(2 * np.pi * 20 * time + 1)[:, None], band=(15.0, 25.0), rate=500.0)
    >>> np.abs(wave[500]).round(2).tolist(), np.angle(wave[500]).round(2).tolist()
    ([3.0], [1.0])
    """
    half = filter_reach(band, rate)
    taps = 2 * half + 1
    if taps > len(traces):
        raise ModelError(
            f"the filter of {band[0]:g} to {band[1]:g} Hz has {taps} bins, but the recording only {len(traces)}; give a "
            "higher band or a longer recording."
        )
    low, high = band
    place = np.arange(-half, half + 1)
    kernel = (
        2
        * np.asarray(firwin(taps, (high - low) / 2, fs=rate))
        * np.exp(1j * np.pi * (low + high) * place / rate)
    )
    # Nothing of a constant is to pass, not even the little that a filter of finite length lets through.
    bell = np.hamming(taps)
    kernel -= bell * (kernel.sum().real / bell.sum())
    seen = np.isfinite(traces)
    level = np.take_along_axis(np.where(seen, traces, 0), seen.argmax(0)[None], axis=0)
    filled = np.where(seen, traces - level, 0)
    inner = oaconvolve(filled, kernel[:, None], mode="valid", axes=0)
    # A stretch that stands still has no phase; what the transform leaves of it is rounding.
    inner[_sum_within(np.diff(filled, axis=0) != 0, taps - 1) == 0] = 0
    found = np.full(traces.shape, np.nan, complex)
    found[half : len(traces) - half] = np.where(_sum_within(~seen, taps) > 0, np.nan, inner)
    return found


def phase_locking(
    analytic: Complex[np.ndarray, "time unit"],
    first: Int[np.ndarray, " pair"],
    second: Int[np.ndarray, " pair"],
    *,
    window: int,
) -> Float[np.ndarray, "time pair"]:
    r"""How constant the phase between two signals is within a sliding window.

    .. math:: a_{ij}(t) = \Big| \frac1W \sum_{|k| \le W/2} e^{i (\phi_i(t + k) - \phi_j(t + k))} \Big|

    Independent signals have values about :math:`1 / \sqrt{n}`, with n the window in seconds times the band's width.

    Parameters
    ----------
    analytic : (time, unit)
        As `analytic_signal` gives it.
    first, second : (pair,)
        Places of the units of every pair.
    window : int
        Bins, an odd number of 3 or more.

    Returns
    -------
    (time, pair)
        Between 0 and 1; a signal that is 0 has no phase and locks to none; NaN where the window holds a NaN or leaves the
        recording.

    Raises
    ------
    ModelError
        If the window is even, below 3 or longer than the recording.

    References
    ----------
    Lachaux et al. (1999), Human Brain Mapping 8, 194-208,
    doi:10.1002/(SICI)1097-0193(1999)8:4<194::AID-HBM4>3.0.CO;2-C.

    Examples
    --------
    >>> from neurodyn.inference.affinity import pairs_of
    >>> turning = np.exp(1j * np.arange(9.0))
    >>> phase_locking(np.stack([turning, 2j * turning], 1), *pairs_of(2), window=5)[4].round(6).tolist()
    [1.0]
    """
    size = np.abs(analytic)
    phase = np.divide(analytic, size, out=np.zeros_like(analytic), where=size > 0)
    phase[np.isnan(size)] = np.nan
    found = np.abs(_mean_within(phase[:, first] * phase[:, second].conj(), window))
    return np.minimum(found, 1.0)


def envelope_correlation(
    analytic: Complex[np.ndarray, "time unit"],
    first: Int[np.ndarray, " pair"],
    second: Int[np.ndarray, " pair"],
    *,
    window: int,
) -> Float[np.ndarray, "time pair"]:
    r"""Correlation of two envelopes within a sliding window, its positive part.

    .. math:: a_{ij}(t) = \max(0, \operatorname{corr}_{|k| \le W/2}(|z_i(t + k)|, |z_j(t + k)|))

    Phases play no part; signals that one source reaches at once have it too.

    Parameters
    ----------
    analytic : (time, unit)
        As `analytic_signal` gives it.
    first, second : (pair,)
        Places of the units of every pair.
    window : int
        Bins, an odd number of 3 or more.

    Returns
    -------
    (time, pair)
        As `neurodyn.inference.affinity.window_correlation`.

    Raises
    ------
    ModelError
        If the window is even, below 3 or longer than the recording.

    References
    ----------
    Bruns et al. (2000), NeuroReport 11, 1509-1514, doi:10.1097/00001756-200005150-00029.

    Examples
    --------
    >>> from neurodyn.inference.affinity import pairs_of
    >>> growing = np.arange(1.0, 6) * np.exp(1j * np.arange(5.0))
    >>> envelope_correlation(np.stack([growing, growing[::-1]], 1), *pairs_of(2), window=3)[2].tolist()
    [0.0]
    """
    return window_correlation(np.abs(analytic), first, second, window=window)


def band_coherence(
    analytic: Complex[np.ndarray, "time unit"],
    first: Int[np.ndarray, " pair"],
    second: Int[np.ndarray, " pair"],
    *,
    window: int,
) -> Float[np.ndarray, "time pair"]:
    r"""Squared coherence of two signals of a band within a sliding window.

    .. math:: a_{ij}(t) = \frac{|\sum_k z_i \bar z_j|^2}{\sum_k |z_i|^2 \, \sum_k |z_j|^2}

    summed over the bins :math:`t + k`, :math:`|k| \le W/2`. Unlike phase locking it counts bins by their amplitude.

    Parameters
    ----------
    analytic : (time, unit)
        As `analytic_signal` gives it.
    first, second : (pair,)
        Places of the units of every pair.
    window : int
        Bins, an odd number of 3 or more.

    Returns
    -------
    (time, pair)
        Between 0 and 1; 0 where a signal is 0 throughout the window; NaN where the window holds a NaN or leaves the
        recording.

    Raises
    ------
    ModelError
        If the window is even, below 3 or longer than the recording.

    References
    ----------
    Carter (1987), Proceedings of the IEEE 75, 236-255, doi:10.1109/PROC.1987.13723.

    Examples
    --------
    >>> from neurodyn.inference.affinity import pairs_of
    >>> turning = np.exp(1j * np.arange(9.0))
    >>> band_coherence(np.stack([turning, turning.conj()], 1), *pairs_of(2), window=9)[4].round(3).tolist()
    [0.003]
    """
    power = _mean_within(np.square(np.abs(analytic)), window)
    cross = np.square(np.abs(_mean_within(analytic[:, first] * analytic[:, second].conj(), window)))
    both = power[:, first] * power[:, second]
    found = np.divide(cross, both, out=np.where(np.isnan(both), np.nan, 0.0), where=both > 0)
    return np.minimum(found, 1.0)


def _sum_within(values: Shaped[np.ndarray, "time column"], window: int) -> Shaped[np.ndarray, "_ column"]:
    """Sums of every whole window, of nothing but what is in it: running sums would carry the rounding of what was large."""
    n_time, n_columns = values.shape
    blocks = -(-n_time // window)
    padded = np.zeros((blocks * window, n_columns), np.result_type(values, np.int64))
    padded[:n_time] = values
    padded = padded.reshape(blocks, window, n_columns)
    until = padded.cumsum(1).reshape(-1, n_columns)
    since = padded[:, ::-1].cumsum(1)[:, ::-1].reshape(-1, n_columns)
    starts = np.arange(n_time - window + 1)
    # A window that fills a block is in both.
    return since[starts] + np.where((starts % window == 0)[:, None], 0, until[starts + window - 1])


def _mean_within(values: Shaped[np.ndarray, "time column"], window: int) -> Shaped[np.ndarray, "time column"]:
    """Means of the window about every bin; NaN where it holds one or leaves the recording."""
    n_time = len(values)
    if window % 2 == 0 or window < 3 or window > n_time:
        raise ModelError(
            f"the window has {window} bins; give an odd number from 3 to the recording's {n_time} bins."
        )
    gone = np.isnan(values)
    found = np.full(values.shape, np.nan, values.dtype)
    inner = _sum_within(np.where(gone, 0, values), window) / window
    half = window // 2
    found[half : n_time - half] = np.where(_sum_within(gone, window) > 0, np.nan, inner)
    return found
