"""A fitted Poisson linear dynamical system and its verbs."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy.special import gammaln

from neurodyn.errors import ModelError
from neurodyn.inference.compilation import light_jit
from neurodyn.inference.linear_dynamics.expectation import expect, on_device, problem_of
from neurodyn.inference.linear_dynamics.filtering import Filtered, filter_counts, forecast
from neurodyn.inference.linear_dynamics.learning import SURE, SURE_STEPS
from neurodyn.inference.linear_dynamics.parameters import Parameters
from neurodyn.inference.linear_dynamics.poisson import LARGEST_LOG_RATE, Counts, Loadings, log_rates
from neurodyn.inference.linear_dynamics.smoother import Dynamics, Gaussians
from neurodyn.models.base import Prediction
from neurodyn.models.baselines.common import cast
from neurodyn.models.verbs import HasInfer, HasLogLikelihood, HasSimulate
from neurodyn.recording import arrays, make

LARGEST_SPREAD = 10.0  # variance of a log rate beyond which that of the counts is no number to use


@light_jit()
def _filtered(dynamics: Dynamics, loadings: Loadings, counts: Counts, typical: jax.Array) -> Filtered:
    """Latents before and after every bin."""
    return filter_counts(dynamics, loadings, counts, typical)


@light_jit()
def _ahead(dynamics: Dynamics, after: Gaussians, horizon: jax.Array) -> Gaussians:
    """Latents given bins up to some ago."""
    return forecast(dynamics, after, horizon)


@light_jit()
def _log_rates(loadings: Loadings, latent: Gaussians) -> tuple[jax.Array, jax.Array]:
    """Mean and variance of log rates."""
    return log_rates(loadings, latent)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PoissonLDSFit(HasLogLikelihood, HasInfer, HasSimulate):
    """Poisson linear dynamical system with learnt parameters.

    ``parameters`` holds ``transition`` (latent, latent_before: from columns to rows), ``drive`` (latent, function) on
    ``time_function`` (bin, function), ``noise``, ``initial_mean`` and ``initial_covariance``, ``loadings`` (unit,
    latent) and ``offset`` (unit). Over the training data the latents have mean 0 and covariance I, the most
    influential first.

    See Also
    --------
    neurodyn.models.PoissonLDS : the model and its hyperparameters.
    """

    likelihood_kind: ClassVar[str] = "estimate"

    def bare(self) -> Parameters:
        """Parameters as bare arrays.

        Returns
        -------
        Parameters
            In double precision.
        """
        names = ("transition", "drive", "noise", "initial_mean", "initial_covariance", "loadings", "offset")
        return Parameters(*(self.parameters[name].values for name in names))

    def _basis(self, n_time: int) -> np.ndarray:
        """Functions of time of every bin; later ones are as the last of training."""
        known = self.parameters["time_function"].values
        return known[np.minimum(np.arange(n_time), len(known) - 1)]

    def _smoothed(self, recording: xr.Dataset) -> list[Gaussians]:
        """Latents of groups of trials given everything observed."""
        values, mask = arrays(recording, np.float32)
        parameters = self.bare()
        problem = problem_of(values, mask, self._basis(values.shape[1]), parameters.transition.shape[0])
        found = expect(parameters, problem, None, steps=SURE_STEPS, tolerance=SURE)
        return [known.latent for known in found.latents]

    def _filter(self, recording: xr.Dataset) -> tuple[Dynamics, list[Filtered]]:
        """Latents of groups of trials, bin by bin."""
        values, mask = arrays(recording, np.float32)
        parameters = self.bare()
        problem = problem_of(values, mask, self._basis(values.shape[1]), parameters.transition.shape[0])
        dynamics, loadings = on_device(parameters, problem.basis)
        typical = jnp.asarray(np.exp(np.minimum(parameters.offset, LARGEST_LOG_RATE)) + 0.01, jnp.float32)
        return dynamics, [_filtered(dynamics, loadings, group.counts, typical) for group in problem.groups]

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """Expected rates over the latents' uncertainty."""
        del key
        n_trials = recording.sizes.get("trial", 1)
        if mode == "all":
            latents = self._smoothed(recording)
        else:
            dynamics, found = self._filter(recording)
            latents = [
                one.after if mode == "present" else _ahead(dynamics, one.after, jnp.asarray(horizon))
                for one in found
            ]
        _, loadings = on_device(self.bare(), self.parameters["time_function"].values)
        pairs = [_log_rates(loadings, latent) for latent in latents]
        mean, spread = (_whole([pair[index] for pair in pairs], n_trials) for index in (0, 1))
        ceiling = self.parameters["ceiling"].values
        rate = np.exp(np.minimum(mean + 0.5 * spread, np.log(ceiling)))
        variance = rate + np.square(rate) * np.expm1(np.minimum(spread, LARGEST_SPREAD))
        return Prediction(cast(recording, rate), cast(recording, variance))

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Bounds on each bin's log-probability under the filter's prediction."""
        values, mask = arrays(recording, np.float64)
        _, found = self._filter(recording)
        terms = _whole([one.terms for one in found], len(values))
        return np.where(mask.any(-1), terms - gammaln(np.where(mask, values, 0.0) + 1).sum(-1), 0.0)

    def _infer(self, recording: xr.Dataset) -> xr.Dataset:
        """Posterior mean and standard deviation of the latents."""
        n_trials = recording.sizes.get("trial", 1)
        latents = self._smoothed(recording)
        mean = _whole([one.mean for one in latents], n_trials)
        variance = _whole([jnp.diagonal(one.covariance, axis1=2, axis2=3) for one in latents], n_trials)
        activity = recording["activity"]
        dims = (*activity.dims[:-1], "latent")
        coords = {name: c for name, c in activity.coords.items() if set(c.dims) <= set(activity.dims[:-1])}
        found = [mean, np.sqrt(np.maximum(variance, 0))]
        if "trial" not in dims:
            found = [array[0] for array in found]
        variables = dict(zip(("mean", "standard_deviation"), ((dims, array) for array in found), strict=True))
        return xr.Dataset(variables, coords={**coords, "latent": self.parameters["latent"].values})

    def _simulate(self, n_time: int, n_trials: int, key: jax.Array, options: dict[str, Any]) -> xr.Dataset:
        """Latents, then counts; the latents as a further variable."""
        if options:
            raise ModelError(f"simulate got the unknown option {next(iter(options))!r}; it takes none.")
        parameters = self.bare()
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
        latent = draw_latents(parameters, self._basis(n_time), rng, n_trials)
        log_rate = latent @ parameters.weight.T + parameters.offset
        drawn = make(
            rng.poisson(np.exp(np.minimum(log_rate, LARGEST_LOG_RATE))).astype(np.float32),
            sampling_interval=float(self.provenance.get("sampling_interval", 1.0)),
            kind="count",
            unit=self.units,
            source="simulated from a fit of poisson_lds",
        )
        return drawn.assign(latents=(("trial", "time", "latent"), latent))


def draw_latents(
    parameters: Parameters, basis: np.ndarray, rng: np.random.Generator, n_trials: int
) -> np.ndarray:
    """Paths of the latents, ``(trial, time, latent)``."""

    def root(matrix: np.ndarray) -> np.ndarray:
        size, vectors = np.linalg.eigh(matrix)
        return vectors * np.sqrt(np.maximum(size, 0))

    drive = basis @ parameters.drive.T
    path = rng.normal(size=(n_trials, *drive.shape))
    path[:, 0] = parameters.initial_mean + path[:, 0] @ root(parameters.initial_covariance).T
    path[:, 1:] = drive[1:] + path[:, 1:] @ root(parameters.noise).T
    for t in range(1, len(drive)):
        path[:, t] += path[:, t - 1] @ parameters.transition.T
    return path


def _whole(parts: list[jax.Array], n_trials: int) -> np.ndarray:
    """Groups ``(time, trial, ...)`` as one host array ``(trial, time, ...)`` without padding, in double precision."""
    joined = np.concatenate([np.asarray(part, np.float64) for part in parts], axis=1)[:, :n_trials]
    return np.moveaxis(joined, 1, 0)
