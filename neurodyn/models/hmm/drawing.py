"""Paths of states drawn from a fitted chain."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from neurodyn.errors import ModelError
from neurodyn.inference.em_state import HMMParameters
from neurodyn.inference.transitions import transition_matrices
from neurodyn.models.hmm.covariates import transition_covariates
from neurodyn.recording import check

# Bins drawn before a trial of an autoregression and dropped again: its history is then typical, not zero.
LEAD = 256


def driving_covariates(
    given: object, parameters: xr.Dataset, n_time: int, n_trials: int
) -> Float[np.ndarray, "trial time covariate"]:
    """Standardised covariates, from the recording that brings them.

    Raises
    ------
    ModelError
        If it is no recording, or of other sizes than what is to be drawn.
    """
    names = [str(name) for name in parameters["covariate"].values]
    if not isinstance(given, xr.Dataset):
        raise ModelError(
            f"the transitions depend on {', '.join(names)}; give simulate the option covariates, a recording with "
            "these covariates in the bins to draw."
        )
    values = transition_covariates(check(given, allow_empty=True), names)
    if values.shape[:2] != (n_trials, n_time):
        raise ModelError(
            f"covariates has {values.shape[0]} trials of {values.shape[1]} bins, but {n_trials} of {n_time} are to "
            "be drawn; give n_time and n_trials of the recording with the covariates."
        )
    return (values - parameters["covariate_mean"].values) / parameters["covariate_deviation"].values


@jax.jit
def draw_paths(
    key: jax.Array,
    parameters: HMMParameters,
    covariates: Float[Array, "trial time covariate"],
) -> Int[Array, "trial time"]:
    """State paths from the chain's prior; without weights the covariates only say how many bins there are."""

    def one(trial_key: jax.Array, known: jax.Array) -> jax.Array:
        first_key, rest_key = jax.random.split(trial_key)
        first = jax.random.categorical(first_key, jnp.log(parameters.initial))

        def step(state: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            step_key, now = inputs
            matrix = parameters.transition
            if parameters.weights is not None:
                matrix = transition_matrices(matrix, parameters.weights, now[None])[0]
            following = jax.random.categorical(step_key, jnp.log(matrix[state]))
            return following, following

        keys = jax.random.split(rest_key, known.shape[0] - 1)
        _, rest = jax.lax.scan(step, first, (keys, known[1:]))
        return jnp.concatenate([first[None], rest])

    return jax.vmap(one)(jax.random.split(key, covariates.shape[0]), covariates)


@functools.partial(jax.jit, static_argnames=("n_before",))
def draw_before(
    key: jax.Array,
    first: Int[Array, " trial"],
    transition: Float[Array, "state state"],
    stationary: Float[Array, " state"],
    n_before: int,
) -> Int[Array, "trial before"]:
    r"""States before each trial's first, from the chain run backwards.

    .. math:: p(z_{t-1} = i \mid z_t = j) = \pi_i A_{ij} / \sum_l \pi_l A_{lj}
    """
    backward = jnp.log(stationary[:, None] * transition).T

    def step(state: jax.Array, step_key: jax.Array) -> tuple[jax.Array, jax.Array]:
        earlier = jax.random.categorical(step_key, backward[state])
        return earlier, earlier

    def one(trial_key: jax.Array, begin: jax.Array) -> jax.Array:
        return jax.lax.scan(step, begin, jax.random.split(trial_key, n_before))[1][::-1]

    return jax.vmap(one)(jax.random.split(key, first.shape[0]), first)
