"""Fitted generalised linear models and their verbs."""

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.compilation import light_jit
from neurodyn.inference.glm.categorical import CategoricalFamily, from_channels
from neurodyn.inference.glm.design import Design
from neurodyn.inference.glm.families import Family, GaussianFamily
from neurodyn.inference.glm.fill import forecast, mixture
from neurodyn.inference.glm.passes import state_likelihoods
from neurodyn.inference.glm.switching import Chain, Parameters
from neurodyn.inference.message_passing import Messages, checked_messages, predict_states
from neurodyn.inference.viterbi import viterbi
from neurodyn.models.base import Prediction
from neurodyn.models.glm.graphs import coupling_graph, coupling_kernels
from neurodyn.models.glm.problem import (
    Problem,
    from_dataset,
    grid_of,
    held_covariates,
    named_family,
    problem_of,
    regressors_of,
)
from neurodyn.models.hmm.relabelling import HasStates
from neurodyn.models.hmm.states import stationary_distribution
from neurodyn.models.verbs import HasLogLikelihood, HasSimulate, exact_by_reach
from neurodyn.recording import arrays

if TYPE_CHECKING:
    import networkx


@light_jit(static_argnames=("guard",))
def _checked(
    likelihood: jax.Array, parameters: Parameters, chain: Chain, *, guard: bool
) -> tuple[Messages, jax.Array]:
    """Messages of a flat sequence, and whether underflow left them right."""
    return checked_messages(
        likelihood, parameters.transition, parameters.initial, chain.start, valid=chain.valid, guard=guard
    )


@light_jit()
def _path(likelihood: jax.Array, parameters: Parameters, chain: Chain) -> jax.Array:
    """Most probable path."""
    return viterbi(likelihood, parameters.transition, parameters.initial, chain.start).path


@dataclasses.dataclass(frozen=True)
class _Passed:
    """A recording after message passing."""

    problem: Problem
    design: Design
    parameters: Parameters
    likelihood: jax.Array
    messages: Messages
    offset: np.ndarray  # of every flat bin


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _CoupledFit(HasLogLikelihood, HasSimulate):
    """What fits of one state and of several have in common."""

    @property
    def family(self) -> Family:
        """The observation model the fit resolved to."""
        model: Any = self.model
        n_categories = int(self.parameters["n_categories"]) if "n_categories" in self.parameters else 2
        return named_family(model.observation, model.link, model.ceiling, n_categories)

    @property
    def n_states(self) -> int:
        """Number of states."""
        return int(self.parameters.sizes["state"])

    def _kernels(self) -> tuple[np.ndarray, np.ndarray]:
        """Basis functions of coupling and own history, as fitted."""
        data = self.parameters
        kernel = data["kernel"].values if "kernel" in data else np.zeros((0, 0))
        own = data["history_kernel"].values if "history_kernel" in data else np.zeros((0, 0))
        return kernel, own

    def _reference(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Moments that standardised continuous values."""
        if "reference_mean" not in self.parameters:
            return None
        return self.parameters["reference_mean"].values, self.parameters["reference_deviation"].values

    def _silent(self) -> np.ndarray:
        """Units that are nobody's regressor, so that their missing values matter to no one."""
        silent = np.ones(self.parameters["bias"].shape[-1], bool)
        if "weight" in self.parameters:
            silent &= (self.parameters["weight"] == 0).all(("state", "target", "basis")).values
        if "history_weight" in self.parameters:
            silent &= (self.parameters["history_weight"] == 0).all(("state", "history_basis")).values
        return silent

    def bare(self, dtype: Any = np.float32) -> Parameters:
        """Parameters as bare arrays, the initial distribution being the one that scoring starts from.

        Parameters
        ----------
        dtype : dtype
            Floating type.

        Returns
        -------
        Parameters
            ``initial`` (state,), ``transition`` (state, state), ``weights``, ``scale`` (unit,).
        """
        found = from_dataset(self.parameters, dtype)
        if int(self.parameters["trial_start"]):
            return found
        stationary = stationary_distribution(self.parameters["transition"].values)
        return found._replace(initial=jnp.asarray(stationary, found.transition.dtype))

    def _problem(self, recording: xr.Dataset) -> tuple[Problem, Design, Parameters]:
        """The recording on the flat axis, missing regressors at their expectation."""
        family = self.family
        model: Any = self.model
        grid = grid_of(recording, model.covariates, family, self._reference())
        kernel, own_kernel = self._kernels()
        problem = problem_of(grid, kernel, own_kernel, self._silent(), strip=False)
        parameters = self.bare(grid.values.dtype)
        level = np.zeros(grid.values.shape[2])
        values = regressors_of(grid, problem.silent, parameters, problem.kernels, family, level)
        return problem, problem.design(values, self.n_states), parameters

    def _pass(self, recording: xr.Dataset) -> _Passed:
        """Message passing over a recording."""
        problem, design, parameters = self._problem(recording)
        family, layout = self.family, problem.layout
        likelihood = state_likelihoods(parameters.weights, parameters.scale, design, family=family)
        messages, trusted = _checked(likelihood, parameters, problem.chain, guard=False)
        if not bool(trusted):
            messages, _ = _checked(likelihood, parameters, problem.chain, guard=True)
        values = np.where(layout.mask, layout.values, 0)
        terms = family.data_terms(values)
        reference = self._reference()
        if reference is not None:
            terms = terms - np.log(reference[1])
        offset = np.where(layout.mask, terms, 0).sum(axis=1)
        return _Passed(problem, design, parameters, likelihood, messages, offset)

    def _predict(
        self, recording: xr.Dataset, *, mode: str, horizon: int, key: jax.Array | None
    ) -> Prediction:
        """Mixture over states of each state's expectation."""
        if self.model.missing == "paths" and mode != "all":  # type: ignore[attr-defined]
            if key is None:
                raise ModelError(
                    "predictions averaged over simulated paths are random; pass a key, e.g. key=0, or choose "
                    "missing='mean_field'."
                )
            return self._predict_by_paths(recording, mode=mode, horizon=horizon, key=key)
        passed = self._pass(recording)
        family, layout = self.family, passed.problem.layout
        parameters, messages, chain = passed.parameters, passed.messages, passed.problem.chain
        if mode == "past" and horizon > 1:
            mean, variance = forecast(
                parameters,
                messages.filtered,
                passed.design,
                chain.start,
                jnp.asarray(held_covariates(recording, self.model.covariates)),  # type: ignore[attr-defined]
                family=family,
                horizon=horizon,
            )
        else:
            if mode == "past":
                chance = predict_states(
                    messages.filtered, parameters.transition, parameters.initial, chain.start, 1
                )
            else:
                chance = messages.smoothed if mode == "all" else messages.filtered
            mean, variance = mixture(parameters, chance, passed.design, family=family)
        mean, variance = layout.scatter(np.asarray(mean)), layout.scatter(np.asarray(variance))
        return self._in_units(mean, variance)

    def _in_units(self, mean: np.ndarray, variance: np.ndarray) -> Prediction:
        """Back from standardised values."""
        reference = self._reference()
        if isinstance(self.family, CategoricalFamily):
            n_categories = self.family.n_categories
            chances = from_channels(mean, n_categories).astype(mean.dtype)
            return Prediction(chances, None, tuple(range(n_categories)))
        if reference is not None and isinstance(self.family, GaussianFamily):
            mean = (reference[0] + reference[1] * mean).astype(mean.dtype)
            variance = (np.square(reference[1]) * variance).astype(variance.dtype)
        return Prediction(mean, variance)

    def _predict_by_paths(
        self, recording: xr.Dataset, *, mode: str, horizon: int, key: jax.Array
    ) -> Prediction:
        """Average over simulated paths of what is missing."""
        from neurodyn.models.glm.paths import average_paths

        return self._in_units(*average_paths(self, recording, mode=mode, horizon=horizon, key=key))

    def _exact_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Exact where the regressors were observed."""
        observed = arrays(recording).mask
        silent = self._silent().reshape(observed.shape[2], -1).all(axis=1)
        exact = exact_by_reach(observed | silent, self.model.reach) | ~observed.any(axis=2)
        # With states, what was approximated stays in the belief for the rest of the trial.
        return np.logical_and.accumulate(exact, axis=1) if self.n_states > 1 else exact

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Log normalisers of the forward pass."""
        passed = self._pass(recording)
        flat = np.asarray(passed.messages.log_normalizer, np.float64) + passed.offset
        return passed.problem.layout.scatter(flat)

    def coupling(self) -> xr.DataArray:
        """Coupling of every pair as a function of lag: weights times basis functions.

        Returns
        -------
        xr.DataArray
            ``(state, target, source, lag)``, on the linear predictor per unit of the source's value (a spike); lag in bins.

        Raises
        ------
        ModelError
            If the model has no coupling.
        """
        return coupling_kernels(self.parameters)

    def graph(self, state: int = 0, *, threshold: float = 0.0) -> "networkx.DiGraph":
        """The couplings of one state as a directed graph from source to target.

        Parameters
        ----------
        state : int
            State.
        threshold : float
            Edges whose summed coupling is at most this, in absolute value, are left out.

        Returns
        -------
        networkx.DiGraph
            Nodes carry the units' coordinates; edges ``weight`` (coupling summed over lags) and ``kind``
            (excitatory or inhibitory).

        Raises
        ------
        ModelError
            If the model has no coupling, or there is no such state.
        """
        return coupling_graph(self.parameters, state, threshold)

    def _simulate(self, n_time: int, n_trials: int, key: jax.Array, options: dict[str, Any]) -> xr.Dataset:
        """Ancestral sampling, bin after bin; covariates need the option ``covariates``, a recording that has them."""
        from neurodyn.models.glm.paths import simulate

        given = options.pop("covariates", None)
        if options:
            raise ModelError(f"simulate got the unknown option {sorted(options)[0]!r}; it takes covariates.")
        return simulate(self, n_time, n_trials, key, given)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GLMFit(_CoupledFit):
    """Generalised linear model with learnt parameters.

    ``parameters`` holds ``bias`` (state, unit), ``weight`` (state, target, source, basis), ``history_weight`` (state,
    unit, history_basis), ``covariate_weight`` (state, unit, covariate) as far as the model has them, the basis
    functions ``kernel`` (lag, basis), and ``scale`` (unit: dispersion, variance or ceiling). The dimension ``state``
    has length 1.

    See Also
    --------
    neurodyn.models.GLM : the model and its hyperparameters.
    """


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SwitchingGLMFit(_CoupledFit, HasStates):
    """State-switching generalised linear model with learnt parameters.

    ``parameters`` holds what those of `GLMFit` do, with one entry a state, ``initial`` (state), ``transition`` (state,
    state_next), and under a one-hot prior ``connectome`` (target, source, category): the probability of
    {inhibitory, none, excitatory} shared by all states, and ``connection_probability`` of every state. States are
    ordered by their share of time.

    See Also
    --------
    neurodyn.models.SwitchingGLM : the model and its hyperparameters.
    """

    def _infer(self, recording: xr.Dataset) -> xr.Dataset:
        """State probabilities and the most probable path."""
        passed = self._pass(recording)
        layout = passed.problem.layout
        path = _path(passed.likelihood, passed.parameters, passed.problem.chain)
        activity = recording["activity"]
        dims = tuple(dim for dim in activity.dims if dim != "unit")
        coords = {name: coord for name, coord in activity.coords.items() if set(coord.dims) <= set(dims)}
        probability = layout.scatter(np.asarray(passed.messages.smoothed))
        states = layout.scatter(np.asarray(path).astype(np.int64))
        if "trial" not in dims:
            probability, states = probability[0], states[0]
        result = xr.Dataset(
            {"state_probability": ((*dims, "state"), probability), "state_path": (dims, states)},
            coords={**coords, "state": self.parameters["state"].values},
        )
        result.attrs["sampling_interval"] = recording.attrs.get("sampling_interval", 1.0)
        return result
