"""What a figure needs of a fit, whatever the fit is made of: an HMM, or a pipeline that ends in one."""

import dataclasses

import numpy as np
import xarray as xr

from neurodyn.analysis.connectivity import functional_connectivity, state_connectivity
from neurodyn.errors import NotApplicable
from neurodyn.models.base import Fit

CENTRES = ("mean", "rate", "probability")


@dataclasses.dataclass(frozen=True)
class StateView:
    """The discrete states of a fit on one recording.

    Parameters
    ----------
    probability : xr.DataArray
        State probabilities ``([trial,] time, state)``.
    path : xr.DataArray
        Most probable sequence ``([trial,] time)``.
    """

    probability: xr.DataArray
    path: xr.DataArray


def last(fit: Fit) -> Fit:
    """The fit that holds the latent model: of a pipeline its last child."""
    while fit.children and "transition" not in fit.parameters:
        fit = fit.children[-1]
    return fit


def has_states(fit: Fit) -> bool:
    """Whether a fit infers discrete states."""
    return hasattr(fit, "infer") and "transition" in last(fit).parameters


def states(fit: Fit, recording: xr.Dataset) -> StateView:
    """Infer the states of a recording, or say that there are none."""
    if not has_states(fit):
        raise NotApplicable(f"{fit.model.name} has no discrete states to show; fit an HMM.")
    inferred = fit.infer(recording)  # type: ignore[attr-defined]
    probability, path = inferred["state_probability"], inferred["state_path"]
    if "n_bins" in recording.coords and "n_bins" not in probability.coords and "trial" in probability.dims:
        probability = probability.assign_coords(n_bins=("trial", recording["n_bins"].values))
        path = path.assign_coords(n_bins=("trial", recording["n_bins"].values))
    return StateView(probability, path)


def transition(fit: Fit) -> xr.DataArray:
    """Transition matrix, averaged over time where it varies."""
    held = last(fit).parameters
    if "transition" not in held:
        raise NotApplicable(f"{fit.model.name} has no transition matrix to show; fit an HMM.")
    matrix = held["transition"]
    extra = [dim for dim in matrix.dims if dim not in ("state", "state_next")]
    return matrix.mean(extra) if extra else matrix


def state_means(fit: Fit, recording: xr.Dataset | None) -> tuple[xr.DataArray, str]:
    """Expected activity (state, unit) and its name: of the emission, or of the data in each state."""
    held = last(fit).parameters
    if last(fit) is fit:
        for name in CENTRES:
            if name in held and set(held[name].dims) == {"state", "unit"}:
                return held[name].transpose("state", "unit"), name
    if recording is None:
        raise NotApplicable(
            f"the state means of {fit.model.name} are not in the units of the recording; give the recording "
            "too."
        )
    view = states(fit, recording)
    weights = np.nan_to_num(view.probability.values).reshape(-1, view.probability.sizes["state"])
    activity = recording["activity"].values.reshape(len(weights), -1).astype(np.float64)
    seen = np.isfinite(activity)
    total = weights.T @ np.where(seen, activity, 0.0)
    mass = weights.T @ seen
    means = np.divide(total, mass, out=np.full_like(total, np.nan), where=mass > 1e-9)
    coords = {"state": view.probability["state"].values, "unit": recording["unit"].values}
    return xr.DataArray(means, dims=("state", "unit"), coords=coords), "mean activity"


def connectivity(fit: Fit, recording: xr.Dataset | None) -> xr.DataArray:
    """Correlations (state, unit, unit_2): of the emission, or of the data weighted by state probability."""
    held = last(fit).parameters
    if last(fit) is fit and "covariance" in held and held["covariance"].dims == ("state", "unit", "unit_2"):
        return state_connectivity(held["covariance"])
    if recording is None:
        raise NotApplicable(
            f"{fit.model.name} has no covariance for each state in the units of the recording; give the "
            "recording too."
        )
    view = states(fit, recording)
    parts = [
        functional_connectivity(recording, view.probability.isel(state=k, drop=True))
        for k in range(view.probability.sizes["state"])
    ]
    return xr.concat(parts, dim="state").assign_coords(state=view.probability["state"].values)
