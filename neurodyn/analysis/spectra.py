"""Power spectra of the states, for electrophysiology."""

import numpy as np
import xarray as xr

from neurodyn.analysis.sequences import inside_trials, with_trials
from neurodyn.errors import ModelError


def state_spectra(
    recording: xr.Dataset,
    probability: xr.DataArray,
    *,
    window: float | None = None,
    time_bandwidth: float = 2.5,
    coherence: bool = False,
) -> xr.Dataset:
    """Multitaper spectrum of every unit while the brain is in each state.

    .. math:: S_{k}(f) = \\frac{2}{f_s} \\frac{\\sum_{w,h} \\left| \\sum_t h_t \\gamma_{tk} (x_t - m_k)
              e^{-2 \\pi i f t / f_s} \\right|^2}{\\sum_{w,h} \\sum_t h_t^2 \\gamma_{tk}^2}

    over half-overlapping windows w and tapers h; :math:`\\gamma_{tk}` is the state's probability. Unobserved
    entries have weight 0 in numerator and denominator.

    Parameters
    ----------
    recording : xr.Dataset
        A recording, ``activity`` on ``([trial,] time, unit)``.
    probability : xr.DataArray
        State probabilities, dims ``([trial,] time, state)``, of the same bins.
    window : float, optional
        Window length in seconds; by default 256 bins, or the recording where it is shorter. Frequencies are
        resolved to about ``2 * time_bandwidth / window``.
    time_bandwidth : float
        Time-half-bandwidth product of the discrete prolate spheroidal tapers; their number is twice that,
        minus 1.
    coherence : bool
        Also the magnitude-squared coherence between units, ``coherence (state, frequency, unit, unit_2)``.

    Returns
    -------
    xr.Dataset
        ``power (state, frequency, unit)`` in squared data units per Hz, one-sided; NaN for a state without
        time in a unit's observed bins. ``frequency`` in Hz.

    Raises
    ------
    ModelError
        If the bins do not match, or the window or bandwidth is out of range.

    References
    ----------
    Vidaurre, D., et al. (2016). Spectrally resolved fast transient brain states in electrophysiological data.
    NeuroImage 126, 81-95. https://doi.org/10.1016/j.neuroimage.2015.11.047

    Thomson, D. J. (1982). Spectrum estimation and harmonic analysis. Proc. IEEE 70(9).
    https://doi.org/10.1109/PROC.1982.12433

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurodyn import recording
    >>> wave = np.sin(2 * np.pi * 10 * np.arange(1000) / 100)
    >>> data = recording.make(wave[:, None], sampling_interval=0.01)
    >>> p = xr.DataArray(np.ones((1000, 1)), dims=("time", "state"))
    >>> power = state_spectra(data, p, window=2.0)["power"]
    >>> float(power["frequency"][int(power.values.argmax())])
    10.0
    """
    values = with_trials(recording["activity"], "unit")
    weights = with_trials(probability, "state")
    if values.shape[:2] != weights.shape[:2]:
        raise ModelError(
            f"the probabilities cover {weights.shape[:2]} (trials, bins), the recording {values.shape[:2]}; "
            "infer "
            "the states of this recording."
        )
    interval = float(recording.attrs["sampling_interval"])
    n_time = values.sizes["time"]
    length = min(256, n_time) if window is None else round(window / interval)
    if not 8 <= length <= n_time:
        raise ModelError(
            f"the window has {length} bins of {interval:g} s; it must have from 8 to the {n_time} of the "
            "recording."
        )
    tapers = _tapers(length, time_bandwidth)
    gamma = np.where(inside_trials(weights)[..., None], np.nan_to_num(weights.values.astype(np.float64)), 0.0)
    power, cross = _accumulate(values.values.astype(np.float64), gamma, tapers, coherence)
    frequency = np.fft.rfftfreq(length, interval)
    sides = np.where((frequency == 0) | (np.isclose(frequency, 0.5 / interval)), 1.0, 2.0)
    labels = values["unit"].values
    states = weights["state"].values if "state" in weights.coords else np.arange(weights.sizes["state"])
    result = xr.Dataset(
        {"power": (("state", "frequency", "unit"), power * sides[:, None] * interval)},
        coords={"state": states, "frequency": frequency, "unit": labels},
    )
    result["frequency"].attrs["units"] = "Hz"
    if cross is not None:
        auto = np.real(np.einsum("kfii->kfi", cross))
        scale = auto[..., :, None] * auto[..., None, :]
        value = np.full(scale.shape, np.nan)
        np.divide(np.abs(cross) ** 2, scale, out=value, where=scale > 0)
        result["coherence"] = (("state", "frequency", "unit", "unit_2"), value)
        result = result.assign_coords(unit_2=labels)
    return result


def _tapers(length: int, time_bandwidth: float) -> np.ndarray:
    """Discrete prolate spheroidal sequences, shape (taper, time)."""
    from scipy.signal.windows import dpss

    if not 1 <= time_bandwidth < length / 2:
        raise ModelError(
            f"time_bandwidth is {time_bandwidth!r}; it must be from 1 to half the window's {length} bins."
        )
    return np.asarray(dpss(length, time_bandwidth, Kmax=max(1, int(2 * time_bandwidth) - 1)))


def _accumulate(
    values: np.ndarray, gamma: np.ndarray, tapers: np.ndarray, coherence: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Spectra (state, frequency, unit) and cross-spectra, summed over windows one at a time."""
    seen = np.isfinite(values)
    filled = np.where(seen, values, 0.0)
    n_units, n_states = values.shape[-1], gamma.shape[-1]
    length = tapers.shape[1]
    weight = np.einsum("rtk,rtu->ku", gamma, seen.astype(np.float64))
    total = np.einsum("rtk,rtu->ku", gamma, filled)
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    n_frequencies = length // 2 + 1
    power = np.zeros((n_states, n_frequencies, n_units))
    scale = np.zeros((n_states, n_units))
    cross = np.zeros((n_states, n_frequencies, n_units, n_units), np.complex128) if coherence else None
    hop = max(1, length // 2)
    starts = range(0, values.shape[1] - length + 1, hop)
    for trial in range(len(values)):
        for start in starts:
            part = slice(start, start + length)
            if not gamma[trial, part].any():
                continue
            for k in range(n_states):
                share = gamma[trial, part, k, None] * seen[trial, part]
                signal = share * (filled[trial, part] - mean[k])
                spectrum = np.fft.rfft(tapers[:, :, None] * signal, axis=1)
                power[k] += (np.abs(spectrum) ** 2).sum(axis=0)
                scale[k] += ((tapers**2)[:, :, None] * share**2).sum(axis=(0, 1))
                if cross is not None:
                    cross[k] += np.einsum("hfu,hfv->fuv", spectrum, spectrum.conj())
    result = np.full_like(power, np.nan)
    np.divide(power, scale[:, None, :], out=result, where=scale[:, None, :] > 0)
    return result, cross
