"""How long a recording remembers itself: the width of the gap around a held-out block."""

import numpy as np

LARGEST_SHARE = 0.05


def autocorrelation(values: np.ndarray, mask: np.ndarray, n_lags: int) -> np.ndarray:
    """Autocorrelation pooled over units, from pairs of observed entries only.

    Parameters
    ----------
    values : np.ndarray
        ``(trial, time, unit)``; whatever lies behind the mask is ignored.
    mask : np.ndarray
        Boolean, same shape: the entry counts.
    n_lags : int
        Largest lag, in bins.

    Returns
    -------
    np.ndarray
        ``(n_lags + 1,)``, 1 at lag 0; each unit is standardised first, so that loud units do not decide.
    """
    n_time = values.shape[1]
    n_lags = min(n_lags, n_time - 1)
    size = 1 << int(np.ceil(np.log2(n_time + n_lags + 1)))
    products = np.zeros(n_lags + 1)
    pairs = np.zeros(n_lags + 1)
    for unit in range(values.shape[2]):
        seen = mask[:, :, unit]
        if seen.sum() < 3:
            continue
        series = np.where(seen, values[:, :, unit], 0.0).astype(float)
        centred = np.where(seen, series - series.sum() / seen.sum(), 0.0)
        scale = np.sqrt((centred**2).sum() / seen.sum())
        if scale == 0:
            continue
        products += _lagged(centred / scale, size, n_lags)
        pairs += _lagged(seen.astype(float), size, n_lags)
    enough = pairs > 0.5
    result = np.where(enough, products / np.where(enough, pairs, 1.0), 0.0)
    return result / result[0] if result[0] > 0 else np.eye(1, n_lags + 1)[0]


def autocorrelation_time(values: np.ndarray, mask: np.ndarray, n_lags: int) -> int:
    """First lag at which the pooled autocorrelation falls below 1/e.

    Parameters
    ----------
    values : np.ndarray
        ``(trial, time, unit)``; whatever lies behind the mask is ignored.
    mask : np.ndarray
        Boolean, same shape: the entry counts.
    n_lags : int
        Largest answer, in bins.

    Returns
    -------
    int
        Bins.
    """
    if n_lags < 1:
        return 0
    below = np.flatnonzero(autocorrelation(values, mask, n_lags) < np.exp(-1))
    return int(below[0]) if len(below) else int(n_lags)


def _lagged(series: np.ndarray, size: int, n_lags: int) -> np.ndarray:
    """Sums of products at every lag, over trials."""
    spectrum = np.fft.rfft(series, n=size, axis=1)
    return np.fft.irfft((spectrum * spectrum.conj()).sum(axis=0).real, n=size)[: n_lags + 1]
