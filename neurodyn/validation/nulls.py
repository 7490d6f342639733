"""Recordings in which something is destroyed on purpose; a model that still finds it leaks.

===================  =======================================  ===============================================
null                 keeps                                    destroys
===================  =======================================  ===============================================
`permute_time`       each unit's values                       all dependence, over time and between units
`circular_shift`     each unit's values and autocorrelation   dependence between units
`phase_randomise`    each unit's power spectrum               everything else (or all but linear coupling)
`trial_shuffle`      each unit's trials                       dependence between units beyond what is locked to
                                                              the trial
===================  =======================================  ===============================================
"""

from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable, RecordingError
from neurodyn.recording import trial_lengths, with_history
from neurodyn.validation.layout import as3, generator, has_trials


def _rebuilt(recording: xr.Dataset, values: np.ndarray, said: str) -> xr.Dataset:
    """The recording with other activity, ``(trial, time, unit)``."""
    activity = recording["activity"]
    standard = ("trial", "time", "unit") if "trial" in activity.dims else ("time", "unit")
    shaped = xr.DataArray(values if "trial" in activity.dims else values[0], dims=standard)
    data = shaped.transpose(*activity.dims).values.astype(activity.dtype)
    return with_history(recording.assign(activity=activity.copy(data=data)), said)


def _bins(recording: xr.Dataset) -> np.ndarray:
    """Boolean ``(trial, time)``: bins before each trial's end."""
    n_time = recording["activity"].sizes["time"]
    return np.arange(n_time) < np.asarray(trial_lengths(recording))[:, None]


def permute_time(recording: xr.Dataset, *, key: Any) -> xr.Dataset:
    """Permute every unit's observed values over time and trials, each unit for itself.

    Nothing about an entry can be known but its unit's distribution.

    Parameters
    ----------
    recording : xr.Dataset
        A recording.
    key : int or jax.Array
        Draws the permutations.

    Returns
    -------
    xr.Dataset
        A recording with the same missing entries.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import nulls
    >>> recording = make(np.arange(20.0).reshape(10, 2), sampling_interval=1.0)
    >>> sorted(nulls.permute_time(recording, key=0)["activity"].values[:, 1])[:3]
    [np.float32(1.0), np.float32(3.0), np.float32(5.0)]
    """
    draw = generator(key, "permute_time")
    values = as3(recording["activity"]).copy()
    for unit in range(values.shape[2]):
        column = values[:, :, unit]
        seen = np.isfinite(column)
        column[seen] = draw.permutation(column[seen])
    return _rebuilt(recording, values, "permuted each unit's values over time (a null)")


def circular_shift(recording: xr.Dataset, *, key: Any, minimum: int | None = None) -> xr.Dataset:
    """Shift every unit circularly in time by its own random number of bins.

    The bins of all trials count as one circle. Values, missing entries and autocorrelation of each unit are
    kept; the alignment between units is lost.

    Parameters
    ----------
    recording : xr.Dataset
        A recording.
    key : int or jax.Array
        Draws the shifts.
    minimum : int, optional
        Least distance, in bins, from no shift and between the shifts of any two units where the recording is
        long enough for that; default: a twentieth of the circle divided by the number of units.

    Returns
    -------
    xr.Dataset
        A recording; attr ``history`` says what was done.

    Raises
    ------
    NotApplicable
        If the recording is too short to shift.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import nulls
    >>> recording = make(np.arange(40.0).reshape(20, 2), sampling_interval=1.0)
    >>> shifted = nulls.circular_shift(recording, key=0)["activity"].values
    >>> sorted(shifted[:, 0]) == sorted(recording["activity"].values[:, 0])
    True
    """
    draw = generator(key, "circular_shift")
    inside = _bins(recording)
    n_bins, n_units = int(inside.sum()), int(recording["activity"].sizes["unit"])
    slots = n_units + 1
    if n_bins < 2 * slots:
        raise NotApplicable(
            f"circular_shift needs at least {2 * slots} bins to shift {n_units} units apart, this "
            "recording has "
            f"{n_bins}; use permute_time."
        )
    apart = max(n_bins // (20 * slots), 1) if minimum is None else minimum
    free = n_bins - apart * slots
    if apart < 1 or free < 0:
        raise ModelError(
            f"circular_shift: minimum is {minimum!r}; with {n_units} units and {n_bins} bins it must lie "
            "between 1 "
            f"and {n_bins // slots}."
        )
    slack = np.sort(draw.integers(0, free + 1, size=n_units))
    shifts = draw.permutation(apart * np.arange(1, n_units + 1) + slack)
    values = as3(recording["activity"]).copy()
    for unit in range(n_units):
        column = values[:, :, unit]
        column[inside] = np.roll(column[inside], int(shifts[unit]))
    return _rebuilt(recording, values, "shifted each unit circularly in time (a null)")


def phase_randomise(recording: xr.Dataset, *, key: Any, keep_coupling: bool = False) -> xr.Dataset:
    """Give every frequency a random phase, keeping the power spectrum of every unit and trial.

    Parameters
    ----------
    recording : xr.Dataset
        Continuous units; a unit may be unobserved throughout a trial, but not in part of it.
    key : int or jax.Array
        Draws the phases.
    keep_coupling : bool
        Use the same phases for all units, which keeps linear coupling between them too.

    Returns
    -------
    xr.Dataset
        A recording.

    Raises
    ------
    NotApplicable
        If a unit is not continuous.
    RecordingError
        If a unit is observed in parts of a trial only.

    References
    ----------
    .. [1] Theiler, J. et al. (1992). Testing for nonlinearity in time series: the method of surrogate data.
       Physica D 58, 77-94. doi:10.1016/0167-2789(92)90102-S

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import nulls
    >>> recording = make(np.random.default_rng(0).normal(size=(64, 2)), sampling_interval=1.0)
    >>> surrogate = nulls.phase_randomise(recording, key=0)["activity"].values
    >>> np.allclose(surrogate.var(axis=0), recording["activity"].values.var(axis=0), rtol=1e-4)
    True
    """
    kinds = set(recording["kind"].values.astype(str).tolist())
    if kinds != {"continuous"}:
        raise NotApplicable(
            f"phase_randomise needs continuous units, this recording has {', '.join(sorted(kinds))}; use "
            "circular_shift."
        )
    draw = generator(key, "phase_randomise")
    values = as3(recording["activity"]).copy()
    for trial, length in enumerate(np.asarray(trial_lengths(recording))):
        part = values[trial, :length].astype(float)
        seen = np.isfinite(part)
        whole = seen.all(axis=0)
        if (seen.any(axis=0) & ~whole).any():
            unit = recording["unit"].values[np.flatnonzero(seen.any(axis=0) & ~whole)[0]]
            raise RecordingError(
                f"phase_randomise: unit {unit!s} has missing values within trial {trial}; restrict the "
                "recording to "
                "a stretch without them, or use circular_shift."
            )
        spectrum = np.fft.rfft(part[:, whole], axis=0)
        n_phases = 1 if keep_coupling else int(whole.sum())
        turn = np.exp(2j * np.pi * draw.random((len(spectrum), n_phases)))
        turn[0] = 1.0
        if length % 2 == 0:
            turn[-1] = np.where(draw.random(n_phases) < 0.5, 1.0, -1.0)
        values[trial, :length, whole] = np.fft.irfft(spectrum * turn, n=int(length), axis=0).T
    return _rebuilt(recording, values, "randomised the phases of each unit (a null)")


def trial_shuffle(recording: xr.Dataset, *, key: Any) -> xr.Dataset:
    """Permute the trials of every unit, each unit for itself, among trials of the same length.

    What is locked to the trial is kept; dependence between units beyond it is lost.

    Parameters
    ----------
    recording : xr.Dataset
        A recording with trials.
    key : int or jax.Array
        Draws the permutations.

    Returns
    -------
    xr.Dataset
        A recording.

    Raises
    ------
    NotApplicable
        If there are no trials, or no two of the same length.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import nulls
    >>> recording = make(np.random.default_rng(0).poisson(2, size=(6, 10, 3)), sampling_interval=0.1, kind="count")
    >>> nulls.trial_shuffle(recording, key=0).sizes == recording.sizes
    True
    """
    if not has_trials(recording):
        raise NotApplicable("trial_shuffle needs a recording cut into trials; use circular_shift.")
    lengths = np.asarray(trial_lengths(recording))
    groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    if max(len(group) for group in groups) < 2:
        raise NotApplicable("trial_shuffle needs at least two trials of the same length; use circular_shift.")
    draw = generator(key, "trial_shuffle")
    values = as3(recording["activity"])
    shuffled = values.copy()
    for unit in range(values.shape[2]):
        for group in groups:
            shuffled[group, :, unit] = values[draw.permutation(group), :, unit]
    return _rebuilt(recording, shuffled, "shuffled the trials of each unit (a null)")


NULLS = {
    "permute_time": permute_time,
    "circular_shift": circular_shift,
    "phase_randomise": phase_randomise,
    "trial_shuffle": trial_shuffle,
}
