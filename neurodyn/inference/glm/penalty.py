"""Quadratic penalties on weights, which weights may differ from zero, and which are one for all states."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurodyn.inference.glm.design import Weights


class Penalty(NamedTuple):
    r"""A Gaussian log prior, as one quadratic form.

    .. math:: \tfrac12 \sum p_{fsn} (w_{fsn} - c_{fsn})^2 + \tfrac12 \sum q_{fn} (w_{fsn} - \bar w_{fn})^2

    with the mean over states :math:`\bar w`.

    Parameters
    ----------
    precision, centre : Weights
        p and c.
    pooled : Weights
        q, with one state.
    allowed : Weights
        1 where a weight may differ from zero, else 0.
    tied : Weights
        1 for features with one weight for all states, shapes ``(feature, 1, 1)`` and ``(function, 1, 1)``.
    """

    precision: Weights
    centre: Weights
    pooled: Weights
    allowed: Weights
    tied: Weights


def no_penalty(weights: Weights) -> Penalty:
    """No prior, all weights free in every state."""
    zero, one = jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.ones_like, weights)
    return Penalty(
        zero,
        zero,
        jax.tree.map(lambda leaf: jnp.zeros_like(leaf[:, :1]), weights),
        one,
        jax.tree.map(lambda leaf: jnp.zeros_like(leaf[:, :1, :1]), weights),
    )


def project(weights: Weights, penalty: Penalty) -> Weights:
    """Nearest weights that are allowed and tied."""

    def one(leaf: Array, allowed: Array, tied: Array) -> Array:
        return jnp.where(tied > 0, leaf.mean(axis=1, keepdims=True), leaf) * allowed

    return jax.tree.map(one, weights, penalty.allowed, penalty.tied)


def penalty_value(weights: Weights, penalty: Penalty) -> Float[Array, " unit"]:
    """The penalty of every unit."""

    def one(leaf: Array, precision: Array, centre: Array, pooled: Array) -> Array:
        deviation = leaf - leaf.mean(axis=1, keepdims=True)
        return 0.5 * (precision * (leaf - centre) ** 2 + pooled * deviation**2).sum(axis=(0, 1))

    parts = jax.tree.map(one, weights, penalty.precision, penalty.centre, penalty.pooled)
    return parts.shared + parts.own


def penalty_gradient(weights: Weights, penalty: Penalty) -> Weights:
    """Its derivative."""

    def one(leaf: Array, precision: Array, centre: Array, pooled: Array) -> Array:
        deviation = leaf - leaf.mean(axis=1, keepdims=True)
        return precision * (leaf - centre) + pooled * deviation

    return jax.tree.map(one, weights, penalty.precision, penalty.centre, penalty.pooled)


def penalty_product(direction: Weights, penalty: Penalty) -> Weights:
    """Its curvature times a direction."""

    def one(leaf: Array, precision: Array, pooled: Array) -> Array:
        return precision * leaf + pooled * (leaf - leaf.mean(axis=1, keepdims=True))

    return jax.tree.map(one, direction, penalty.precision, penalty.pooled)


def allowed_features(
    n_units: int,
    n_functions: int,
    n_covariates: int,
    *,
    self_coupling: bool,
    silent: Bool[np.ndarray, " unit"],
    group: int = 1,
) -> Float[np.ndarray, "feature unit"]:
    """1 where a unit may use a shared feature: all but its own history, and units that are no one's regressor.

    Parameters
    ----------
    n_units, n_functions, n_covariates : int
        Sizes.
    self_coupling : bool
        Whether a unit's own history is among the coupling features it uses.
    silent : ndarray of bool, (N,)
        Units whose history nobody may use.
    group : int
        Neighbours that are one unit (the options of a choice).

    Returns
    -------
    ndarray, (B x N + C + 1, N)
        Features by units.

    Examples
    --------
    >>> import numpy as np
    >>> allowed_features(2, 1, 0, self_coupling=False, silent=np.zeros(2, bool)).tolist()
    [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    block = np.ones((n_units, n_units))
    if not self_coupling:
        block[np.kron(np.eye(n_units // group), np.ones((group, group))) > 0] = 0.0
    block[silent] = 0.0
    rest = np.ones((n_covariates + 1, n_units))
    return np.concatenate([block] * n_functions + [rest])
