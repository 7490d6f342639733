"""Posterior of a volatility parent without bounds on where its update equations hold: two expansions, blended."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

STEPS = 12


def lambert_w(log_argument: Array) -> Array:
    r"""Principal branch :math:`W_0(z)` from :math:`L = \log z`, by Newton's method on :math:`w + \log w = L`.

    Parameters
    ----------
    log_argument : Array
        :math:`L`, any finite number.

    Returns
    -------
    Array
        :math:`w > 0`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> round(float(lambert_w(jnp.log(jnp.e))), 5)
    1.0
    """
    # With w = e^x this is x + e^x = L, which Newton's method from above solves without overshooting.
    large = jnp.log(jnp.maximum(log_argument, 1.0))
    x = jnp.where(log_argument > 1, large, log_argument)
    for _ in range(STEPS):
        size = jnp.exp(x)
        x = x - (x + size - log_argument) / (1 + size)
    return jnp.exp(x)


def unbounded_posterior(
    predicted: Array,
    certainty: Array,
    kappa: Array,
    tonic: Array,
    time_step: Array,
    variance_before: Array,
    square: Array,
    child_certainty: Array,
) -> tuple[Array, Array]:
    r"""Mean and precision of a volatility parent.

    Parameters
    ----------
    predicted, certainty : ()
        :math:`\hat\mu, \hat\pi` of the parent.
    kappa, tonic : ()
        Coupling to the child, and the child's tonic volatility.
    time_step : ()
        t.
    variance_before : ()
        a: variance of the child after the step before.
    square : ()
        b: the child's posterior variance plus its squared error.
    child_certainty : ()
        :math:`\hat\pi` of the child.

    Returns
    -------
    () and ()
        Moments of a mixture of an expansion about the prediction and one about the other mode.
    """
    a, b = variance_before, square
    log_time = jnp.log(time_step)
    gamma = log_time + kappa * predicted + tonic
    weight = 1 / (1 + a * jnp.exp(-gamma))
    surprise = child_certainty * b - 1
    first_precision = certainty + kappa**2 * weight * (1 - weight) / 2
    first_mean = predicted + kappa * weight * surprise / (2 * first_precision)

    rate = certainty / kappa**2
    log_argument = jnp.log(b) - jnp.log(2 * rate) + 1 / (2 * rate) - gamma
    mode = gamma + lambert_w(log_argument) - 1 / (2 * rate)
    about = (mode - log_time - tonic) / kappa
    step = time_step * jnp.exp(kappa * about + tonic)
    weight = 1 / (1 + a / step)
    surprise = b / (a + step) - 1
    bend = certainty + kappa**2 * weight * (weight + (2 * weight - 1) * surprise) / 2
    flat = certainty + kappa**2 * weight * (1 - weight) / 2
    second_precision = jnp.where(bend > 0, bend, flat)
    second_mean = about + (kappa * weight * surprise / 2 - certainty * (about - predicted)) / second_precision

    def energy(x: Array) -> Array:
        total = a + jnp.exp(log_time + kappa * x + tonic)
        return -jnp.log(total) / 2 - b / (2 * total) - certainty * (x - predicted) ** 2 / 2

    usable = jnp.isfinite(second_precision) & jnp.isfinite(second_mean)
    second_precision = jnp.where(usable, second_precision, first_precision)
    second_mean = jnp.where(usable, second_mean, first_mean)
    share = jax.nn.sigmoid(energy(second_mean) - energy(first_mean))
    share = jnp.where(usable & jnp.isfinite(share), share, 0.0)
    mean = (1 - share) * first_mean + share * second_mean
    between = share * (1 - share) * (first_mean - second_mean) ** 2
    variance = (1 - share) / first_precision + share / second_precision + between
    return mean, 1 / variance
