"""What a step of a pipeline owes the pipeline."""

import abc
import dataclasses
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.models.base import Trace
from neurodyn.recording import arrays


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step(abc.ABC):
    """A transformation of recordings; `fit` learns it from a training recording.

    Subclasses are frozen dataclasses with a registered name `component`, final, and state what they do with NaN.
    """

    component: ClassVar[str]
    citations: ClassVar[tuple[str, ...]] = ()
    fit_type: ClassVar[type["StepFit"]]

    @property
    def local(self) -> bool:
        """Whether some parameters belong to a label (a session) that a new recording may not share."""
        return False

    @property
    def invertible(self) -> bool:
        """Whether what a model simulates behind this step can be mapped back without knowing more."""
        return False

    @property
    def lead(self) -> int:
        """Bins of the future that one transformed bin contains."""
        return 0

    @property
    def reach(self) -> int:
        """Bins of the past that one transformed bin contains; -1 unbounded."""
        return 0

    @abc.abstractmethod
    def fit(self, recording: xr.Dataset) -> "StepFit":
        """Learn the transformation from the observed entries.

        Parameters
        ----------
        recording : xr.Dataset
            A training recording, checked.

        Returns
        -------
        StepFit
            The learnt transformation.
        """


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StepFit(abc.ABC):
    """A learnt transformation of recordings.

    Parameters
    ----------
    model : Step
        Its hyperparameters.
    parameters : xr.Dataset
        Labelled learnt arrays.
    trace, provenance, children
        As for a fit of a model, so that both are saved alike.
    """

    model: Any
    parameters: xr.Dataset
    trace: Trace = dataclasses.field(default_factory=Trace)
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    children: tuple[Any, ...] = ()

    @abc.abstractmethod
    def forward(self, recording: xr.Dataset) -> xr.Dataset:
        """Transform a recording.

        Parameters
        ----------
        recording : xr.Dataset
            With the training units in order.

        Returns
        -------
        xr.Dataset
            A recording of kind continuous.
        """

    @abc.abstractmethod
    def inverse(
        self,
        mean: np.ndarray,
        variance: np.ndarray | None,
        recording: xr.Dataset,
        *,
        mode: str,
        horizon: int,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Map predictions back.

        Parameters
        ----------
        mean, variance : np.ndarray
            Of the transformed entries, ``(trial, time, transformed unit)``.
        recording : xr.Dataset
            What was given to `forward`.
        mode, horizon
            Of the prediction: what may be used of `recording`.

        Returns
        -------
        mean, variance : np.ndarray
            ``(trial, time, unit)``.
        """

    def log_jacobian(self, recording: xr.Dataset) -> np.ndarray:
        """Log-determinant of the transformation of each bin's observed entries.

        Parameters
        ----------
        recording : xr.Dataset
            What is given to `forward`.

        Returns
        -------
        np.ndarray
            ``(trial, time)``; zeros for a transformation that keeps volume.
        """
        return np.zeros(arrays(recording).mask.shape[:2])

    def likelihood_attrs(self, recording: xr.Dataset, attrs: dict[str, str]) -> dict[str, str]:
        """Kind and space of a likelihood of the transformed recording, as one of the original.

        Parameters
        ----------
        recording : xr.Dataset
            What is given to `forward`.
        attrs : dict
            ``kind`` and ``space`` after the step.

        Returns
        -------
        dict
            ``kind`` and ``space`` before the step.
        """
        del recording
        return attrs

    def adapt(self, recording: xr.Dataset) -> "StepFit":
        """Learn the local parameters of the recording's labels.

        Parameters
        ----------
        recording : xr.Dataset
            With labels the step may not know yet.

        Returns
        -------
        StepFit
            Itself, where there is nothing local.
        """
        del recording
        return self

    def citation_keys(self) -> tuple[str, ...]:
        """Keys of the methods this step used.

        Returns
        -------
        tuple of str
            Keys of `neurodyn.models.citations`.
        """
        return self.model.citations


def with_values(recording: xr.Dataset, values: np.ndarray, mask: np.ndarray) -> xr.Dataset:
    """The recording with other values of the same units, now continuous; NaN where the mask is False."""
    activity = recording["activity"]
    filled = np.where(mask, values, np.nan).astype(activity.dtype)
    new = xr.DataArray(filled if activity.ndim == 3 else filled[0], dims=activity.dims)
    kinds = np.full(recording.sizes["unit"], "continuous")
    return recording.assign(activity=new).assign_coords(kind=("unit", kinds))


def with_units(recording: xr.Dataset, values: np.ndarray, mask: np.ndarray, labels: list[str]) -> xr.Dataset:
    """The recording with other, continuous units; NaN where the mask is False."""
    activity = recording["activity"]
    filled = np.where(mask, values, np.nan).astype(activity.dtype)
    new = xr.DataArray(filled if activity.ndim == 3 else filled[0], dims=activity.dims)
    coords = {"unit": labels, "kind": ("unit", np.full(len(labels), "continuous"))}
    return recording.drop_dims("unit").assign(activity=new).assign_coords(coords)
