"""Removal of slow drifts, honest about what it knows of the future."""

import dataclasses

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.inference.ridge import solve
from neurodyn.models.baselines.common import moments, one_of, past_is_complete, positive_number
from neurodyn.models.pipeline.step import Step, StepFit, with_values
from neurodyn.recording import arrays, trial_lengths

RIDGE = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True)
class HighPass(Step):
    """Subtract a slow drift from every unit of every trial.

    ``method="causal"`` subtracts an exponentially weighted mean of the unit's *earlier* observed entries,

    .. math:: y_t = x_t - m_{t-1}, \\qquad m_t = m_{t-1} + (1 - e^{-2 \\pi f \\Delta}) (x_t - m_{t-1}),

    starting at the training mean; a missing entry stays missing and leaves m as it is. Given the past this is a
    shift, so every mode of prediction and the likelihood keep their meaning.

    ``method="cosine"`` regresses cosines slower than the cutoff on the observed entries, as is usual in fMRI.
    That drift is estimated from both sides, so with it only mode ``all`` and `infer` are applicable; in a held-out
    stretch the drift is interpolated from the entries around it.

    Parameters
    ----------
    cutoff : float
        Frequency in Hz (per unit of `time`), above 0 and below half the sampling rate.
    method : {"causal", "cosine"}
        See above.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.pipeline import HighPass
    >>> drift = recording.make(np.linspace(0, 10, 200), sampling_interval=1.0)
    >>> left = HighPass(cutoff=0.05).fit(drift).forward(drift)["activity"]
    >>> bool(left[50:].std() < 0.1)
    True
    """

    component = "high_pass"

    cutoff: float
    method: str = "causal"

    def __post_init__(self):
        positive_number("HighPass", "cutoff", self.cutoff)
        one_of("HighPass", "method", self.method, ("causal", "cosine"))

    @property
    def reach(self) -> int:
        """Bins of the past that one transformed bin contains: unbounded."""
        return -1

    def fit(self, recording: xr.Dataset) -> "HighPassFit":
        """The training mean, where the causal drift starts.

        Parameters
        ----------
        recording : xr.Dataset
            Training recording.

        Returns
        -------
        HighPassFit
            The transformation.

        Raises
        ------
        ModelError
            If the cutoff is not below the Nyquist frequency of the recording.
        """
        nyquist = 0.5 / float(recording.attrs["sampling_interval"])
        if self.cutoff >= nyquist:
            raise ModelError(
                f"HighPass: cutoff is {self.cutoff:g} Hz, but the recording has bins of "
                f"{float(recording.attrs['sampling_interval']):g} s and so nothing at or above its Nyquist frequency of "
                f"{nyquist:g} Hz; give a cutoff well below that."
            )
        mean, _ = moments(*arrays(recording, np.float64))
        return HighPassFit(
            model=self,
            parameters=xr.Dataset({"mean": ("unit", mean)}, coords={"unit": recording["unit"].values}),
        )


def causal_drift(values: np.ndarray, mask: np.ndarray, start: np.ndarray, gain: float) -> np.ndarray:
    """Weighted mean of the entries before each bin and, last, before the bin after the end.

    Parameters
    ----------
    values, mask : np.ndarray
        ``(trial, time, unit)``.
    start : np.ndarray
        Mean before the first bin, ``(unit,)``.
    gain : float
        Weight of a new entry.

    Returns
    -------
    np.ndarray
        ``(trial, time + 1, unit)``.
    """
    n_trials, n_time, n_units = values.shape
    drift = np.empty((n_trials, n_time + 1, n_units))
    drift[:, 0] = start
    weight = gain * mask
    for t in range(n_time):
        drift[:, t + 1] = drift[:, t] + weight[:, t] * (values[:, t] - drift[:, t])
    return drift


def cosine_drift(values: np.ndarray, mask: np.ndarray, n_bins: int, n_cosines: int) -> np.ndarray:
    """Cosine part of a regression of one trial's observed entries on a constant and slow cosines.

    Parameters
    ----------
    values, mask : np.ndarray
        ``(time, unit)``.
    n_bins : int
        Length of the trial, half a period of the slowest cosine.
    n_cosines : int
        Number of cosines.

    Returns
    -------
    np.ndarray
        ``(time, unit)``.
    """
    time = np.arange(len(values))[:, None]
    basis = np.cos(np.pi * np.arange(1, n_cosines + 1) * (time + 0.5) / max(n_bins, 1))
    drift = np.zeros(values.shape)
    _, first, group = np.unique(np.packbits(mask, axis=0), axis=1, return_index=True, return_inverse=True)
    for index, unit in enumerate(first):
        rows, members = mask[:, unit], np.flatnonzero(group.reshape(-1) == index)
        if not rows.any():
            continue
        table, target = basis[rows], values[rows][:, members]
        centred = table - table.mean(0)
        weights = solve(centred.T @ centred, centred.T @ (target - target.mean(0)), RIDGE * int(rows.sum()))
        drift[:, members] = basis @ weights
    return drift


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HighPassFit(StepFit):
    """The filter; `parameters` has ``mean`` (unit), where the causal drift starts."""

    def _drift(self, recording: xr.Dataset) -> np.ndarray:
        """Drift before each bin (causal, one bin more than the recording) or in it (cosine)."""
        values, mask = arrays(recording, np.float64)
        step = float(recording.attrs["sampling_interval"])
        if self.model.method == "causal":
            gain = -np.expm1(-2 * np.pi * self.model.cutoff * step)
            return causal_drift(values, mask, self.parameters["mean"].values, float(gain))
        lengths = trial_lengths(recording)
        parts = [
            cosine_drift(x, m, int(n), int(2 * n * step * self.model.cutoff))
            for x, m, n in zip(values, mask, lengths, strict=True)
        ]
        return np.stack(parts)

    def forward(self, recording: xr.Dataset) -> xr.Dataset:
        """What the drift leaves.

        Parameters
        ----------
        recording : xr.Dataset
            Any.

        Returns
        -------
        xr.Dataset
            Same units.
        """
        values, mask = arrays(recording, np.float64)
        return with_values(recording, values - self._drift(recording)[:, : values.shape[1]], mask)

    def inverse(
        self, mean: np.ndarray, variance: np.ndarray | None, recording: xr.Dataset, *, mode: str, horizon: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Predictions with the drift known at their origin.

        Parameters
        ----------
        mean, variance : np.ndarray
            Of what the drift leaves.
        recording : xr.Dataset
            Holds the drift.
        mode, horizon
            Which entries the drift may use.

        Returns
        -------
        mean, variance : np.ndarray
            Of the original units.

        Raises
        ------
        NotApplicable
            For a cosine drift and a mode other than ``all``.
        """
        drift = self._drift(recording)
        if self.model.method == "cosine":
            if mode != "all":
                raise NotApplicable(_BOTH_SIDES)
            return mean + drift, variance
        origin = np.maximum(np.arange(mean.shape[1]) - (horizon - 1 if mode == "past" else 0), 0)
        return mean + drift[:, origin], variance

    def log_jacobian(self, recording: xr.Dataset) -> np.ndarray:
        """Zero: given the past, the causal filter is a shift.

        Parameters
        ----------
        recording : xr.Dataset
            Any.

        Returns
        -------
        np.ndarray
            ``(trial, time)``.

        Raises
        ------
        NotApplicable
            For a cosine drift.
        """
        if self.model.method == "cosine":
            raise NotApplicable(_BOTH_SIDES)
        return np.zeros(arrays(recording).mask.shape[:2])

    def likelihood_attrs(self, recording: xr.Dataset, attrs: dict[str, str]) -> dict[str, str]:
        """An estimate where an entry is missing before an observed one, since the drift then rests on less.

        Parameters
        ----------
        recording : xr.Dataset
            Any.
        attrs : dict
            After the step.

        Returns
        -------
        dict
            Before the step.
        """
        if attrs["kind"] == "exact" and not past_is_complete(arrays(recording).mask):
            return {**attrs, "kind": "estimate"}
        return attrs


_BOTH_SIDES = (
    "HighPass with method='cosine' estimates the drift from entries on both sides, so a prediction from the past and "
    "a likelihood would know the future; use method='causal'."
)

HighPass.fit_type = HighPassFit
