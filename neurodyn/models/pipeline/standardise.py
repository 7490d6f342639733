"""Zero mean and unit variance, for the whole recording or for each session, run or subject."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.models.baselines.common import moments, one_of
from neurodyn.models.pipeline.step import Step, StepFit, with_values
from neurodyn.recording import arrays


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standardise(Step):
    """Subtract each unit's mean and divide by its standard deviation, learnt on training entries.

    .. math:: z_{ti} = (x_{ti} - \\mu_{gi}) / s_{gi}

    A missing entry stays missing and moves no other one. A constant unit is divided by a thousandth of the
    typical standard deviation.

    Parameters
    ----------
    by : str, optional
        A coordinate on trials or time (``"run"``), or the attribute ``"session"`` or ``"subject"``: every value
        of it has its own moments. A value not in training needs `adapt`.
    unknown : {"raise", "prior"}
        For a value not in training: raise an error that names `adapt`, or use the moments over all groups.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> from neurodyn import recording
    >>> from neurodyn.models.pipeline import Standardise
    >>> trace = recording.make([1.0, 3.0], sampling_interval=1.0)
    >>> Standardise().fit(trace).forward(trace)["activity"].values[:, 0].tolist()
    [-1.0, 1.0]
    """

    component = "standardise"

    by: str | None = None
    unknown: str = "raise"

    def __post_init__(self):
        if self.by is not None and not isinstance(self.by, str):
            raise ModelError(f"Standardise: by is {self.by!r}; give the name of a coordinate, or None.")
        one_of("Standardise", "unknown", self.unknown, ("raise", "prior"))

    @property
    def local(self) -> bool:
        """Whether moments belong to a label."""
        return self.by is not None

    @property
    def invertible(self) -> bool:
        """Whether what a model simulates can be mapped back: where all bins share their moments."""
        return self.by is None

    def fit(self, recording: xr.Dataset) -> "StandardiseFit":
        """Moments of every group with an observed entry, and over all of them.

        Parameters
        ----------
        recording : xr.Dataset
            Training recording.

        Returns
        -------
        StandardiseFit
            The learnt moments.
        """
        values, mask = arrays(recording, np.float64)
        mean, variance = moments(values, mask)
        shared = {
            "shared_mean": ("unit", mean),
            "shared_deviation": ("unit", np.sqrt(variance)),
        }
        local = _moments_by_group(recording, self.by, mean, variance)
        parameters = xr.Dataset({**local.data_vars, **shared}, coords=local.coords)
        return StandardiseFit(model=self, parameters=parameters)


def group_labels(recording: xr.Dataset, by: str | None) -> np.ndarray:
    """Group of every bin as text, shape ``(trial, time)``."""
    shape = (recording.sizes.get("trial", 1), recording.sizes["time"])
    if by is None:
        return np.full(shape, "all")
    if by in recording.coords:
        coord = recording[by]
        if coord.dims and set(coord.dims) <= {"trial", "time"}:
            full = coord.broadcast_like(recording["activity"].isel(unit=0, drop=True))
            wanted = ("trial", "time") if "trial" in full.dims else ("time",)
            return full.transpose(*wanted).values.astype(str).reshape(shape)
    if by in recording.attrs:
        return np.full(shape, str(recording.attrs[by]))
    named = [str(name) for name in recording.coords if set(recording[name].dims) <= {"trial", "time"}]
    raise RecordingError(
        f"Standardise(by={by!r}) found no such coordinate on trials or time, nor attribute; the recording has "
        f"{', '.join(named)}."
    )


def _moments_by_group(
    recording: xr.Dataset, by: str | None, mean: np.ndarray, variance: np.ndarray
) -> xr.Dataset:
    """Mean and standard deviation of each group with an observed entry; shared ones for units it lacks."""
    values, mask = arrays(recording, np.float64)
    labels = group_labels(recording, by)
    groups, means, deviations = [], [], []
    for group in np.unique(labels[mask.any(-1)]).tolist():
        rows = labels == group
        seen = mask[rows].any(0)
        own_mean, own_variance = moments(values[rows], mask[rows])
        groups.append(group)
        means.append(np.where(seen, own_mean, mean))
        deviations.append(np.sqrt(np.where(seen, np.maximum(own_variance, 1e-6 * variance), variance)))
    return xr.Dataset(
        {
            "mean": (("group", "unit"), np.stack(means)),
            "deviation": (("group", "unit"), np.stack(deviations)),
        },
        coords={"group": groups, "unit": recording["unit"].values},
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StandardiseFit(StepFit):
    """Learnt moments; `parameters` has ``mean`` and ``deviation`` (group, unit)."""

    def _moments(
        self, recording: xr.Dataset, needed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of every entry; groups without a `needed` bin may be unknown."""
        labels = group_labels(recording, self.model.by)
        known = self.parameters["group"].values.astype(str)
        found, index = np.unique(labels, return_inverse=True)
        unknown = [label for label in found.tolist() if label not in set(known.tolist())]
        wanted = set(np.unique(labels if needed is None else labels[needed]).tolist())
        missing = [label for label in unknown if label in wanted]
        if missing and self.model.unknown == "raise":
            raise ModelError(
                f"Standardise(by={self.model.by!r}) has not seen {self.model.by} {missing[0]!r} in training; learn its "
                "mean and scale with fit.adapt(recording), or use unknown='prior'."
            )
        tables = []
        for name in ("mean", "deviation"):
            own, shared = self.parameters[name].values, self.parameters[f"shared_{name}"].values
            rows = [
                own[int(np.argmax(known == label))] if label not in unknown else shared
                for label in found.tolist()
            ]
            tables.append(np.stack(rows)[index.reshape(labels.shape)])
        return tables[0], tables[1]

    def forward(self, recording: xr.Dataset) -> xr.Dataset:
        """Standardised recording.

        Parameters
        ----------
        recording : xr.Dataset
            In the original units.

        Returns
        -------
        xr.Dataset
            Dimensionless.
        """
        values, mask = arrays(recording, np.float64)
        mean, deviation = self._moments(recording, np.asarray(mask.any(-1)))
        return with_values(recording, (values - mean) / deviation, mask).assign_attrs(units="")

    def inverse(
        self, mean: np.ndarray, variance: np.ndarray | None, recording: xr.Dataset, *, mode: str, horizon: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Predictions in the original units.

        Parameters
        ----------
        mean, variance : np.ndarray
            Standardised.
        recording : xr.Dataset
            Names the groups.
        mode, horizon
            Not used.

        Returns
        -------
        mean, variance : np.ndarray
            In the original units.
        """
        del mode, horizon
        centre, deviation = self._moments(recording)
        spread = None if variance is None else variance * np.square(deviation)
        return centre + deviation * mean, spread

    def log_jacobian(self, recording: xr.Dataset) -> np.ndarray:
        """Minus the log standard deviations of a bin's observed entries.

        Parameters
        ----------
        recording : xr.Dataset
            In the original units.

        Returns
        -------
        np.ndarray
            ``(trial, time)``.
        """
        mask = arrays(recording).mask
        return -np.where(mask, np.log(self._moments(recording, np.asarray(mask.any(-1)))[1]), 0.0).sum(-1)

    def adapt(self, recording: xr.Dataset) -> "StandardiseFit":
        """Moments of the groups of a new recording.

        Parameters
        ----------
        recording : xr.Dataset
            With groups not seen in training; groups seen before are learnt anew.

        Returns
        -------
        StandardiseFit
            Knowing old and new groups.
        """
        if self.model.by is None:
            return self
        shared = [self.parameters[f"shared_{name}"].values for name in ("mean", "deviation")]
        new = _moments_by_group(recording, self.model.by, shared[0], np.square(shared[1]))
        fresh = set(new["group"].values.astype(str).tolist())
        kept = [group for group in self.parameters["group"].values.tolist() if str(group) not in fresh]
        local: Any = self.parameters[["mean", "deviation"]].sel(group=kept)
        merged = xr.concat([local, new], dim="group")
        parameters = xr.Dataset(
            {**merged.data_vars, **self.parameters[["shared_mean", "shared_deviation"]].data_vars},
            coords=merged.coords,
        )
        return dataclasses.replace(self, parameters=parameters)


Standardise.fit_type = StandardiseFit
