"""Expected history of autoregressive observations when predecessors are missing."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float

from neurodyn.inference.emissions._autoregression import (
    AutoregressiveData,
    Regression,
    regression_log_likelihood,
)


def fill_history(
    regression: Regression,
    data: AutoregressiveData,
    transition: Float[Array, "state state"],
    initial: Float[Array, " state"],
) -> AutoregressiveData:
    """Replace missing predecessors by their filtered expectation, and say how sure it is.

    An assumed-density filter: the belief over states and one Gaussian over the last `order`
    observations go through time together; after each bin the mixture over states is replaced
    by the Gaussian with its mean and covariance. Bins whose whole past is observed cost a
    belief update only. It is an approximation, since the exact posterior has a component for
    every path of states since the gap began.
    """
    if data.uncertain is None:
        return data
    likelihood = regression_log_likelihood(regression, data)
    _, n_units, width = regression.coefficients.shape
    width = width - 1
    dtype = data.values.dtype

    def step(carry: tuple[Array, Array, Array], inputs: tuple) -> tuple:
        belief, mean, covariance = carry
        values, mask, first, usable, row = inputs
        belief = jnp.where(first, initial, belief @ transition)
        covariance = jnp.where(first, 0, covariance)
        variance = jnp.diagonal(covariance)
        doubtful = (covariance != 0).any() | ~mask.all()

        def uncertain(_: None) -> tuple[Array, Array, Array]:
            return lax.cond(
                usable,
                lambda: _update(regression, belief, mean, covariance, values, mask),
                lambda: (belief, *_young(mean, covariance, values, mask)),
            )

        def certain(_: None) -> tuple[Array, Array, Array]:
            weight = belief * jnp.exp(row - row.max())
            moved = jnp.concatenate([values, mean[: width - n_units]])
            return weight / jnp.maximum(weight.sum(), 1e-30), moved, jnp.zeros_like(covariance)

        return lax.cond(doubtful, uncertain, certain, None), (mean, variance)

    zero = (initial.astype(dtype), jnp.zeros(width, dtype), jnp.zeros((width, width), dtype))
    inputs = (data.values, data.mask, data.start, data.usable, likelihood)
    _, (means, variances) = lax.scan(step, zero, inputs)
    history = jnp.where(data.usable[:, None], means, 0)
    variance = variances.at[data.uncertain].get(mode="fill", fill_value=1)
    return eqx.tree_at(lambda d: (d.history, d.history_variance), data, (history, variance))


def _young(
    mean: Float[Array, " regressor"],
    covariance: Float[Array, "regressor regressor"],
    values: Float[Array, " unit"],
    mask: Bool[Array, " unit"],
) -> tuple[Float[Array, " regressor"], Float[Array, "regressor regressor"]]:
    """Push a bin without a full past: what it misses has the recording's mean and variance."""
    n_units, width = len(values), len(mean)
    kept = width - n_units
    moved = jnp.concatenate([jnp.where(mask, values, 0), mean[:kept]])
    pushed = jnp.zeros_like(covariance)
    pushed = pushed.at[n_units:, n_units:].set(covariance[:kept, :kept])
    return moved, pushed.at[:n_units, :n_units].set(jnp.diag(1 - mask.astype(mean.dtype)))


def _update(
    regression: Regression,
    belief: Float[Array, " state"],
    mean: Float[Array, " regressor"],
    covariance: Float[Array, "regressor regressor"],
    values: Float[Array, " unit"],
    mask: Bool[Array, " unit"],
) -> tuple[Float[Array, " state"], Float[Array, " regressor"], Float[Array, "regressor regressor"]]:
    """Belief and moments of the last observations after a bin that is observed in part."""
    n_units, width = len(values), len(mean)
    slopes, shift = regression.coefficients[:, :, :-1], regression.coefficients[:, :, -1]
    identity = jnp.eye(n_units, dtype=mean.dtype)

    def condition(slope: Array, offset: Array, noise: Array) -> tuple[Array, Array, Array]:
        predicted = slope @ mean + offset
        spread = slope @ covariance @ slope.T + noise
        joint = jnp.block([[spread, slope @ covariance], [covariance @ slope.T, covariance]])
        centre = jnp.concatenate([predicted, mean])
        root = jnp.linalg.cholesky(jnp.where(mask[:, None] & mask, spread, identity))
        residual = jnp.where(mask, values - predicted, 0)
        whitened = solve_triangular(root, residual, lower=True)
        gain = solve_triangular(root, joint[:n_units] * mask[:, None], lower=True)
        log_density = -0.5 * whitened @ whitened - jnp.log(jnp.diagonal(root)).sum()
        return log_density, centre + gain.T @ whitened, joint - gain.T @ gain

    log_density, centres, joints = jax.vmap(condition)(slopes, shift, regression.covariance)
    weight = belief * jnp.exp(log_density - log_density.max())
    weight = weight / jnp.maximum(weight.sum(), 1e-30)
    centre = (weight @ centres)[:width]
    apart = centres[:, :width] - centre
    mixed = jnp.einsum("k,kij->ij", weight, joints[:, :width, :width])
    mixed = mixed + jnp.einsum("k,ki,kj->ij", weight, apart, apart)
    known = jnp.concatenate([mask, jnp.zeros(width - n_units, bool)])
    centre = jnp.where(known, jnp.pad(values, (0, width - n_units)), centre)
    return weight, centre, jnp.where(known[:, None] | known, 0, 0.5 * (mixed + mixed.T))
