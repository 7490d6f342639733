"""Regression of confounds (motion, physiology, task) out of every unit."""

import dataclasses

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable, RecordingError
from neurodyn.inference.ridge import shifted, solve
from neurodyn.models.pipeline.step import Step, StepFit, with_values
from neurodyn.recording import arrays, covariate_arrays


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConfoundRegression(Step):
    """Subtract what covariates explain of each unit, with weights learnt on training entries.

    .. math:: y_{ti} = x_{ti} - (c_t - \\bar c)^T b_i

    The mean of a unit stays. A missing entry stays missing; a missing covariate counts as its training mean, so it
    changes nothing. A covariate available only after its bin's response enters one bin later. Predictions have
    the confounds' share added back, so they are judged on the original values. Forecasts of more than one step
    are not applicable where a covariate is measured, because its future is unknown.

    Parameters
    ----------
    covariates : tuple of str, optional
        Names of the covariates; None takes all of the recording.

    Raises
    ------
    ModelError
        If `covariates` is a string or empty.
    RecordingError
        By `fit`, if the recording lacks a covariate.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.pipeline import ConfoundRegression
    >>> motion = np.random.default_rng(0).normal(size=100)
    >>> bold = recording.make(3 * motion, sampling_interval=2.0, covariates={"motion": motion})
    >>> bool(abs(ConfoundRegression().fit(bold).forward(bold)["activity"]).max() < 1)
    True
    """

    component = "confound_regression"

    covariates: tuple[str, ...] | None = None

    def __post_init__(self):
        if self.covariates is None:
            return
        if isinstance(self.covariates, str) or not len(self.covariates):
            raise ModelError(
                f"ConfoundRegression: covariates is {self.covariates!r}; give a tuple of names, or None for all."
            )
        object.__setattr__(self, "covariates", tuple(self.covariates))

    def fit(self, recording: xr.Dataset) -> "ConfoundRegressionFit":
        """Least squares on the observed entries of each unit.

        Parameters
        ----------
        recording : xr.Dataset
            Training recording with the covariates.

        Returns
        -------
        ConfoundRegressionFit
            The learnt weights.
        """
        if "covariates" not in recording:
            raise RecordingError(
                "ConfoundRegression found no covariates in the recording; add them with "
                "recording.make(covariates=...), or leave the step out."
            )
        names = (
            recording["covariate"].values.astype(str).tolist() if self.covariates is None else self.covariates
        )
        confounds, known = _confounds(recording, list(names))
        values, mask = arrays(recording, np.float64)
        used = np.asarray(mask.any(-1))
        count = np.maximum((known & used[..., None]).sum((0, 1)), 1)
        centre = np.where(known & used[..., None], confounds, 0.0).sum((0, 1)) / count
        design = np.where(known, confounds - centre, 0.0)
        weights = np.zeros((len(names), mask.shape[2]))
        columns = mask.reshape(-1, mask.shape[2])
        _, first, group = np.unique(
            np.packbits(columns, axis=0), axis=1, return_index=True, return_inverse=True
        )
        for index, unit in enumerate(first):
            rows, members = mask[..., unit], np.flatnonzero(group.reshape(-1) == index)
            if not rows.any():
                continue
            table = design[rows] - design[rows].mean(0)
            target = values[rows][:, members]
            gram = table.T @ table
            ridge = 1e-6 * max(float(np.trace(gram)) / len(gram), 1e-12)
            weights[:, members] = solve(gram, table.T @ (target - target.mean(0)), ridge)
        parameters = xr.Dataset(
            {"weights": (("covariate", "unit"), weights), "centre": ("covariate", centre)},
            coords={"covariate": list(names), "unit": recording["unit"].values},
        )
        return ConfoundRegressionFit(model=self, parameters=parameters)


def _confounds(recording: xr.Dataset, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Covariates and which are known, ``(trial, time, covariate)``; late ones moved to the next bin."""
    values, known = covariate_arrays(recording, names, np.float64)
    late = recording["covariates"].sel(covariate=names)["available"].values.astype(str) == "after"
    shape = (recording.sizes.get("trial", 1), *values.shape[1:])
    values, known = np.broadcast_to(values, shape), np.broadcast_to(known, shape)
    return np.where(late, shifted(values, 1), values), np.where(late, shifted(known, 1), known)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ConfoundRegressionFit(StepFit):
    """Learnt weights; `parameters` has ``weights`` (covariate, unit) and ``centre`` (covariate)."""

    def _share(self, recording: xr.Dataset) -> np.ndarray:
        """What the confounds explain, ``(trial, time, unit)``."""
        confounds, known = _confounds(recording, self.parameters["covariate"].values.astype(str).tolist())
        design = np.where(known, confounds - self.parameters["centre"].values, 0.0)
        return design @ self.parameters["weights"].values

    def forward(self, recording: xr.Dataset) -> xr.Dataset:
        """What the confounds leave.

        Parameters
        ----------
        recording : xr.Dataset
            With the covariates of training.

        Returns
        -------
        xr.Dataset
            Same units.
        """
        values, mask = arrays(recording, np.float64)
        return with_values(recording, values - self._share(recording), mask)

    def inverse(
        self, mean: np.ndarray, variance: np.ndarray | None, recording: xr.Dataset, *, mode: str, horizon: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Predictions with the confounds' share.

        Parameters
        ----------
        mean, variance : np.ndarray
            Of what the confounds leave.
        recording : xr.Dataset
            Holds the covariates.
        mode, horizon
            A forecast of several steps needs covariates that are known ahead.

        Returns
        -------
        mean, variance : np.ndarray
            Of the original units.

        Raises
        ------
        NotApplicable
            For several steps ahead with a measured covariate.
        """
        names = self.parameters["covariate"].values.astype(str).tolist()
        roles = recording["covariates"].sel(covariate=names)["role"].values.astype(str)
        if mode == "past" and horizon > 1 and (roles == "measured").any():
            raise NotApplicable(
                f"ConfoundRegression cannot forecast {horizon} steps ahead, because the covariate "
                f"{names[int(np.argmax(roles == 'measured'))]!r} is measured and its future unknown."
            )
        return mean + self._share(recording), variance


ConfoundRegression.fit_type = ConfoundRegressionFit
