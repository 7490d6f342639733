"""Transition probabilities that depend on covariates: one multinomial logistic regression per state."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

FLOOR = 1e-30
INNER_STEPS = 3


def transition_matrices(
    transition: Float[Array, "state state"],
    weights: Float[Array, "state state covariate"],
    covariates: Float[Array, "time covariate"],
) -> Float[Array, "time state state"]:
    r"""Transition matrix into every bin.

    .. math:: A_t(i, j) = \frac{A(i, j) \exp(w_{ij} \cdot u_t)}{\sum_l A(i, l) \exp(w_{il} \cdot u_t)}

    Parameters
    ----------
    transition : (K, K)
        The matrix where all covariates are zero.
    weights : (K, K, C)
        Change of the log-odds per unit of a covariate, from row to column.
    covariates : (T, C)
        What is known when the chain moves into a bin.

    Returns
    -------
    (T, K, K)
        Rows sum to one.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> flat = transition_matrices(jnp.full((2, 2), 0.5), jnp.zeros((2, 2, 1)), jnp.ones((3, 1)))
    >>> flat.shape, float(flat[0, 0, 0])
    ((3, 2, 2), 0.5)
    """
    log_odds = jnp.log(jnp.maximum(transition, FLOOR)) + jnp.einsum("ijc,tc->tij", weights, covariates)
    return jax.nn.softmax(log_odds, axis=-1)


def pair_probabilities(
    filtered: Float[Array, "time state"],
    predicted: Float[Array, "time state"],
    smoothed: Float[Array, "time state"],
    matrices: Float[Array, "time state state"],
    inside: Bool[Array, " time"],
) -> Float[Array, "time state state"]:
    """Posterior probability of every transition into a bin; zero where `inside` is False.

    Parameters
    ----------
    filtered, predicted, smoothed : (T, K)
        Messages of a forward-backward pass.
    matrices : (T, K, K)
        Transition matrix into every bin.
    inside : (T,)
        True where the bin before belongs to the same trial.

    Returns
    -------
    (T, K, K)
        Sums to one over pairs where `inside`.
    """
    before = jnp.concatenate([filtered[:1], filtered[:-1]])
    ratio = smoothed / jnp.maximum(predicted, FLOOR)
    pairs = before[:, :, None] * matrices * ratio[:, None, :]
    return jnp.where(inside[:, None, None], pairs, 0.0)


def maximise_transitions(
    pairs: Float[Array, "time state state"],
    transition: Float[Array, "state state"],
    weights: Float[Array, "state state covariate"],
    covariates: Float[Array, "time covariate"],
    pseudo_counts: Float[Array, "state state"],
    ridge: float,
) -> tuple[Float[Array, "state state"], Float[Array, "state state covariate"]]:
    r"""Improve the regressions by steps on a quadratic lower bound, none of which can lower the objective.

    The Hessian of a multinomial regression is bounded by :math:`\tfrac12 (I - 1 1^T / K) \otimes S` with
    :math:`S = \sum_t n_t x_t x_t^T`, so the step :math:`2 S^{-1} g` never overshoots.

    Parameters
    ----------
    pairs : (T, K, K)
        Expected transitions.
    transition, weights, covariates
        As in `transition_matrices`; the current point.
    pseudo_counts : (K, K)
        Added to the transitions at covariates of zero.
    ridge : float
        Strength of the penalty on the weights.

    Returns
    -------
    (K, K) and (K, K, C)
        The improved point.

    References
    ----------
    Boehning (1992), Multinomial logistic regression algorithm, doi:10.1007/BF00048682.
    """
    n_time, n_states = covariates.shape[0], transition.shape[0]
    design = jnp.concatenate([jnp.ones((n_time, 1), covariates.dtype), covariates], axis=1)
    leaving = pairs.sum(axis=2)
    extra = pseudo_counts.sum(axis=1)
    curvature = jnp.einsum("ti,tc,td->icd", leaving, design, design)
    curvature = curvature.at[:, 0, 0].add(extra)
    penalty = jnp.full(design.shape[1], ridge, covariates.dtype).at[0].set(0.0)
    curvature = curvature + 2 * jnp.diag(penalty) + 1e-6 * jnp.eye(design.shape[1], dtype=covariates.dtype)
    point = jnp.concatenate([jnp.log(jnp.maximum(transition, FLOOR))[..., None], weights], axis=2)

    def step(_: Array, current: Array) -> Array:
        chance = jax.nn.softmax(jnp.einsum("ijc,tc->tij", current, design), axis=-1)
        surplus = pairs - leaving[:, :, None] * chance
        gradient = jnp.einsum("tij,tc->ijc", surplus, design)
        resting = jax.nn.softmax(current[:, :, 0], axis=-1)
        gradient = gradient.at[:, :, 0].add(pseudo_counts - extra[:, None] * resting)
        gradient = gradient - penalty * current
        return current + 2 * jnp.swapaxes(jnp.linalg.solve(curvature, jnp.swapaxes(gradient, 1, 2)), 1, 2)

    point = jax.lax.fori_loop(0, INNER_STEPS, step, point)
    moved = point[:, :, 1:]
    moved = moved - moved.mean(axis=1, keepdims=True) if n_states > 1 else jnp.zeros_like(moved)
    return jax.nn.softmax(point[:, :, 0], axis=-1), moved
