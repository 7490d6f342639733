"""Simulation: fresh recordings, and predictions averaged over simulated paths of what is missing."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.glm.categorical import CategoricalFamily, from_channels
from neurodyn.inference.glm.fill import Kernels
from neurodyn.inference.glm.particles import draw_recordings, predict_by_particles
from neurodyn.models.glm.problem import grid_of, held_covariates
from neurodyn.models.hmm.covariates import transition_covariates
from neurodyn.recording import check, make

if TYPE_CHECKING:
    from neurodyn.models.glm.fit import _CoupledFit

PARTICLES = 200


def _kernels(fit: "_CoupledFit", dtype: Any) -> Kernels:
    """Basis functions on the device."""
    return Kernels(*(jnp.asarray(one, dtype) for one in fit._kernels()))


def simulate(fit: "_CoupledFit", n_time: int, n_trials: int, key: jax.Array, given: Any) -> xr.Dataset:
    """Draw recordings; latent states as a further variable where there are any."""
    model: Any = fit.model
    covariates = np.zeros((n_trials, n_time, 0), np.float32)
    if model.covariates:
        if not isinstance(given, xr.Dataset):
            raise ModelError(
                f"the rates depend on {', '.join(model.covariates)}; give simulate the option covariates, a recording with "
                "these covariates in the bins to draw."
            )
        covariates = transition_covariates(check(given, allow_empty=True), model.covariates, "the rates")
        if covariates.shape[:2] != (n_trials, n_time):
            raise ModelError(
                f"covariates has {covariates.shape[0]} trials of {covariates.shape[1]} bins, but {n_trials} of {n_time} are "
                "to be drawn; give n_time and n_trials of the recording with the covariates."
            )
    parameters = fit.bare()
    values, states = draw_recordings(
        key,
        parameters,
        jnp.asarray(covariates, parameters.transition.dtype),
        _kernels(fit, parameters.transition.dtype),
        family=fit.family,
    )
    values = np.asarray(values)
    reference = fit._reference()
    if reference is not None:
        values = reference[0] + reference[1] * values
    family = fit.family
    if isinstance(family, CategoricalFamily):
        values = from_channels(values, family.n_categories).argmax(axis=-1)
    found = make(
        values,
        sampling_interval=float(fit.provenance.get("sampling_interval", 1.0)),
        kind=fit.parameters["kind"].values,
        unit=fit.units,
        source=f"simulated by neurodyn.models.{type(fit).__name__}.simulate",
    )
    if model.covariates:
        found["covariates"] = (
            given["covariates"].variable
            if "trial" in given["covariates"].dims
            else (
                ("trial", *given["covariates"].dims),
                given["covariates"].values[None],
            )
        )
        found = found.assign_coords(
            {
                name: given[name].variable
                for name in ("covariate", "available", "role")
                if name in given.coords
            }
        )
    if fit.n_states > 1:
        found["state"] = (("trial", "time"), np.asarray(states))
    return found


def average_paths(
    fit: "_CoupledFit", recording: xr.Dataset, *, mode: str, horizon: int, key: jax.Array
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance ``(trial, time, unit)`` over simulated paths of the values that are missing."""
    model: Any = fit.model
    family = fit.family
    grid = grid_of(recording, model.covariates, family, fit._reference())
    parameters = fit.bare(grid.values.dtype)
    known = grid.known | fit._silent()
    mean, variance = predict_by_particles(
        key,
        parameters,
        jnp.asarray(grid.values),
        jnp.asarray(known),
        jnp.asarray(grid.mask),
        jnp.asarray(grid.covariates),
        _kernels(fit, grid.values.dtype),
        jnp.asarray(held_covariates(recording, model.covariates)),
        family=family,
        n_particles=PARTICLES,
        horizon=horizon,
        present=mode == "present",
    )
    return np.asarray(mean), np.asarray(variance)
