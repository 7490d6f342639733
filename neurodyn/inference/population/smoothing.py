"""Smoothed activity as a regressor, and the time within a trial as another."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import BSpline
from scipy.ndimage import convolve1d
from scipy.signal import oaconvolve

TRUNCATE = 4.0
DIRECT = 128  # bins a kernel reaches up to which summing directly is the faster way


def smoothed(
    values: Float[np.ndarray, "trial time unit"],
    mask: Bool[np.ndarray, "trial time unit"],
    mean: Float[np.ndarray, " unit"],
    width: float,
    side: str,
) -> Float[np.ndarray, "trial time unit"]:
    r"""Deviations from the mean, averaged over neighbouring bins with Gaussian weights.

    .. math:: s_{tm} = \frac{\sum_{l} w(l)\, m_{t-l,m}\, (x_{t-l,m} - \mu_m)}{\sum_l w(l)}, \qquad
        w(l) = e^{-l^2 / 2 \sigma^2}

    A missing entry, and what lies beyond the trial, counts as the mean.

    Parameters
    ----------
    values : numpy.ndarray
        Activity, ``(trial, time, unit)``.
    mask : numpy.ndarray of bool
        What was observed.
    mean : numpy.ndarray
        What stands for a missing entry, ``(unit,)``.
    width : float
        :math:`\sigma` in bins, above 0.
    side : {"both", "around", "past"}
        Lags l that count: all; all but 0 (the bin itself); 0 and above (the bin itself and those before).

    Returns
    -------
    numpy.ndarray
        In the units of `values`, with their floating type.

    Examples
    --------
    >>> import numpy as np
    >>> pulse = np.array([0.0, 0.0, 1.0, 0.0, 0.0])[None, :, None]
    >>> found = smoothed(pulse, np.ones(pulse.shape, bool), np.zeros(1), 1.0, "past")[0, :, 0]
    >>> (found > 0).tolist()
    [False, False, True, True, True]
    """
    kernel = gaussian_kernel(width, side)
    furthest = len(kernel) // 2
    deviation = np.where(mask, values - mean, 0.0)
    if furthest <= DIRECT:
        return convolve1d(deviation, kernel, axis=1, mode="constant", output=values.dtype)
    found = oaconvolve(deviation, kernel[None, :, None], mode="full", axes=1)
    return found[:, furthest : furthest + values.shape[1]].astype(values.dtype)


def gaussian_kernel(width: float, side: str) -> Float[np.ndarray, " lag"]:
    """Weights of lags from minus to plus four standard deviations, with sum 1; see `smoothed`."""
    furthest = max(int(np.ceil(TRUNCATE * width)), 1)
    lags = np.arange(-furthest, furthest + 1)
    kernel = np.exp(-0.5 * np.square(lags / width))
    if side == "past":
        kernel[lags < 0] = 0.0
    if side == "around":
        # A kernel narrower than a bin still looks at the bins beside it.
        kernel[np.abs(lags) == 1] = np.maximum(kernel[np.abs(lags) == 1], 1e-3)
        kernel[lags == 0] = 0.0
    return kernel / kernel.sum()


def time_functions(n_bins: int, n_functions: int) -> Float[np.ndarray, "time function"]:
    """Cubic B-splines of the time since a trial's start, which sum to 1 in every bin.

    Parameters
    ----------
    n_bins : int
        Bins of the longest trial.
    n_functions : int
        Number of splines wanted; no more than there are bins, and of a lower degree where there are fewer than 4.

    Returns
    -------
    numpy.ndarray
        ``(time, function)``.

    Examples
    --------
    >>> time_functions(50, 8).shape, float(time_functions(50, 8).sum(axis=1).max().round(6))
    ((50, 8), 1.0)
    """
    count = max(min(n_functions, n_bins), 1)
    degree = min(3, count - 1)
    if degree == 0:
        return np.ones((n_bins, 1))
    inner = np.linspace(0.0, n_bins - 1.0, count - degree + 1)
    knots = np.pad(inner, degree, mode="edge")
    return BSpline.design_matrix(np.arange(float(n_bins)), knots, degree).toarray()
