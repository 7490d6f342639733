r"""How much two traces change together: non-negative affinities of pairs, bin by bin, on bare arrays.

What is not observed is NaN, and so is every affinity that would need it.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import savgol_coeffs

from neurodyn.errors import ModelError

MAD = 1.4826  # standard deviations of a normal variable in a median absolute deviation


def pairs_of(n_units: int) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """First and second unit of every pair, first below second, row by row.

    Parameters
    ----------
    n_units : int
        Units.

    Returns
    -------
    tuple of (pair,)
        Places of the two units.

    Examples
    --------
    >>> [place.tolist() for place in pairs_of(3)]
    [[0, 0, 1], [1, 2, 2]]
    """
    first, second = np.triu_indices(n_units, 1)
    return first, second


def slopes(
    traces: Float[np.ndarray, "time unit"],
    *,
    window: int = 5,
    order: int = 2,
    scale_on: Bool[np.ndarray, "time unit"] | None = None,
) -> Float[np.ndarray, "time unit"]:
    r"""Derivatives of smoothed traces, in robust standard deviations of each trace's own.

    A polynomial is fitted by least squares to the bins of a window about every bin (Savitzky-Golay); its slope at that bin
    is divided by 1.4826 times the median absolute slope of the trace, or, where that is 0, by the root of their mean square.

    Parameters
    ----------
    traces : (time, unit)
        NaN where not observed.
    window : int
        Bins, an odd number above the order.
    order : int
        Of the polynomial, 1 or more.
    scale_on : (time, unit), optional
        Entries whose windows the scale is learnt on; of a trace without any, and by default, all.

    Returns
    -------
    (time, unit)
        NaN where the window holds a bin that was not observed, or leaves the recording; a trace that does not change has
        slopes of zero.

    Raises
    ------
    ModelError
        If the window is even or too short for the order or too long for the recording.

    References
    ----------
    Savitzky & Golay (1964), Analytical Chemistry 36, 1627-1639, doi:10.1021/ac60214a047.

    Examples
    --------
    >>> ramp = np.abs(np.arange(9.0) - 4)[:, None]
    >>> slopes(ramp, window=3, order=1)[:, 0].round(2).tolist()
    [nan, -0.67, -0.67, -0.67, 0.0, 0.67, 0.67, 0.67, nan]
    """
    if window % 2 == 0 or window <= order or order < 1:
        raise ModelError(
            f"the window has {window} bins and the polynomial order {order}; give an odd window above an order of 1 or more."
        )
    if window > len(traces):
        raise ModelError(
            f"the window has {window} bins, but the recording only {len(traces)}; give a shorter window."
        )
    weights = savgol_coeffs(window, order, deriv=1, use="dot")
    half = window // 2
    found = np.full(traces.shape, np.nan)
    inner = sum(weight * traces[at : len(traces) - window + 1 + at] for at, weight in enumerate(weights))
    found[half : len(traces) - half] = inner
    size = np.abs(found)
    scale = MAD * _median(size)
    if scale_on is not None:
        whole = np.zeros_like(scale_on)
        whole[half : len(traces) - half] = sliding_window_view(scale_on, window, axis=0).all(-1)
        learnt = MAD * _median(np.where(whole, size, np.nan))
        scale = np.where(np.isfinite(learnt), learnt, scale)
    # A trace at rest in more than half of its bins is scaled by what it does in the others.
    square = np.where(np.isfinite(found), found, 0.0)
    seen = np.isfinite(found).sum(0)
    scale = np.where(scale > 0, scale, np.sqrt(np.square(square).sum(0) / np.maximum(seen, 1)))
    # Rounding leaves a trace that stands still slopes of a few units in the last place.
    still = ~(
        scale > 1e-12 * np.nanmax(np.abs(np.where(np.isfinite(traces), traces, 0)), axis=0, initial=1e-300)
    )
    scaled = found / np.where(still, 1, scale)
    return np.where(np.isfinite(scaled) & still, 0.0, scaled)


def stretch_about(start: int, stop: int, window: int, n_time: int) -> tuple[int, int]:
    """First bin and the one after the last of what windows about the bins from `start` to before `stop` reach.

    A stretch shorter than the window is widened, so that what is too short is the recording alone.

    Parameters
    ----------
    start, stop : int
        Bins asked for.
    window : int
        Bins of a window, odd.
    n_time : int
        Bins of the recording.

    Returns
    -------
    tuple of int
        Within the recording.

    Examples
    --------
    >>> stretch_about(10, 12, 5, 100), stretch_about(0, 1, 5, 100)
    ((8, 14), (0, 5))
    """
    half = window // 2
    low, high = max(start - half, 0), min(stop + half, n_time)
    if n_time < window:
        return low, high
    return max(min(low, high - window), 0), min(max(high, low + window), n_time)


def _median(values: Float[np.ndarray, "time unit"]) -> Float[np.ndarray, " unit"]:
    """Median of what is finite; NaN where nothing is."""
    found = np.full(values.shape[1], np.nan)
    for unit, column in enumerate(values.T):
        seen = column[np.isfinite(column)]
        if len(seen):
            found[unit] = np.median(seen)
    return found


def concurrent_change(
    slope: Float[np.ndarray, "time unit"],
    first: Int[np.ndarray, " pair"],
    second: Int[np.ndarray, " pair"],
    *,
    rises: bool = False,
) -> Float[np.ndarray, "time pair"]:
    r"""Affinity of pairs whose traces rise, or fall, at the same time.

    .. math:: a_{ij}(t) = \sqrt{\max(0, \dot x_i(t)\, \dot x_j(t))}

    Opposite changes count as none.

    Parameters
    ----------
    slope : (time, unit)
        As `slopes` gives them.
    first, second : (pair,)
        Places of the units of every pair.
    rises : bool
        Whether common falls count as none too.

    Returns
    -------
    (time, pair)
        Standard deviations of slopes; NaN where either is.

    Examples
    --------
    >>> concurrent_change(np.array([[1.0, 4.0, -1.0]]), *pairs_of(3)).tolist()
    [[2.0, 0.0, 0.0]]
    """
    if rises:
        slope = np.maximum(slope, 0)
    product = slope[:, first] * slope[:, second]
    return np.sqrt(np.maximum(product, 0))


def window_correlation(
    traces: Float[np.ndarray, "time unit"],
    first: Int[np.ndarray, " pair"],
    second: Int[np.ndarray, " pair"],
    *,
    window: int,
    opposed: bool = False,
) -> Float[np.ndarray, "time pair"]:
    """Pearson correlation within a sliding window, its positive part or its negative one.

    Parameters
    ----------
    traces : (time, unit)
        NaN where not observed.
    first, second : (pair,)
        Places of the units of every pair.
    window : int
        Bins, an odd number of 3 or more.
    opposed : bool
        Whether to return the size of negative correlations, and 0 for positive ones.

    Returns
    -------
    (time, pair)
        Between 0 and 1; 0 where a trace stands still in the window; NaN where the window holds a bin that was not observed
        or leaves the recording.

    Raises
    ------
    ModelError
        If the window is even, below 3 or longer than the recording.

    Examples
    --------
    >>> traces = np.stack([np.arange(5.0), 2 * np.arange(5.0), -np.arange(5.0)], axis=1)
    >>> window_correlation(traces, *pairs_of(3), window=3)[2].round(6).tolist()
    [1.0, 0.0, 0.0]
    """
    n_time = len(traces)
    if window % 2 == 0 or window < 3 or window > n_time:
        raise ModelError(
            f"the window has {window} bins; give an odd number from 3 to the recording's {n_time} bins."
        )
    half = window // 2
    inside = sliding_window_view(traces, window, axis=0)
    centred = inside - inside.mean(axis=-1, keepdims=True)
    size = np.sqrt(np.square(centred).sum(axis=-1, keepdims=True))
    moves = np.ptp(inside, axis=-1, keepdims=True) > 0
    unit_length = np.divide(centred, size, out=np.zeros_like(centred), where=moves)
    unit_length[np.isnan(size[..., 0])] = np.nan
    # Bin by bin of the window: all at once would need it as a further axis of the pairs.
    value = sum(unit_length[:, first, at] * unit_length[:, second, at] for at in range(window))
    found = np.full((n_time, len(first)), np.nan)
    found[half : n_time - half] = np.clip(-value if opposed else value, 0, 1)
    return found
