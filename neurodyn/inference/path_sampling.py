"""Paths of states drawn from their posterior distribution."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from neurodyn.inference.backtracking import follow
from neurodyn.inference.blocks import cut, join
from neurodyn.inference.guarded import default_block_length, log_filtered_states


@partial(jax.jit, static_argnames=("n_samples", "block_length"))
def sample_paths(
    key: PRNGKeyArray | Array,
    log_likelihood: Float[Array, "time state"],
    transition: Float[Array, "state state"] | Float[Array, "time state state"],
    initial: Float[Array, " state"],
    start: Bool[Array, " time"],
    *,
    n_samples: int = 1,
    block_length: int | None = None,
) -> Int[Array, "sample time"]:
    r"""Draw whole paths of states from their posterior distribution by backward sampling.

    .. math:: p(z_{t-1} = i \mid z_t = j, x_{<t}) \propto p(z_{t-1} = i \mid x_{<t})\, A_{ij}

    Parameters
    ----------
    key : JAX key
        Source of randomness.
    log_likelihood : (T, K)
        log p(x_t | z_t = k) in nats. A row of zeros is a bin without any observation.
    transition : (K, K) or (T, K, K)
        Rows sum to one. `transition[t]` leads from t - 1 to t; it is ignored at starts.
    initial : (K,)
        Distribution of the state at each trial's first bin.
    start : (T,)
        True at each trial's first bin, and at padding bins. The first bin always is one.
    n_samples : int
        Number of paths S.
    block_length : int, optional
        Steps per block; the paths do not depend on it.

    Returns
    -------
    (S, T)
        Independent paths of state indices.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> start = jnp.array([True, False, False])
    >>> flip = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    >>> sample_paths(jax.random.key(0), jnp.zeros((3, 2)), flip, jnp.array([1.0, 0.0]), start).tolist()
    [[0, 1, 0]]

    References
    ----------
    Fruhwirth-Schnatter (1994), Journal of Time Series Analysis 15:183-202,
    doi:10.1111/j.1467-9892.1994.tb00184.x.
    """
    time, n_states = log_likelihood.shape
    dtype = log_likelihood.dtype
    transition, initial = jnp.asarray(transition, dtype), jnp.asarray(initial, dtype)
    length = min(default_block_length(time) if block_length is None else block_length, time + 1)
    log_transition, log_initial = jnp.log(transition), jnp.log(initial)
    log_filtered = log_filtered_states(log_likelihood, transition, initial, start, block_length)
    # One padding bin at least: the map of a start does not depend on the state it is asked for.
    padding = length - time % length
    before = jnp.concatenate([log_initial[None], log_filtered])
    before = cut(jnp.pad(before, ((0, padding - 1), (0, 0))), length)
    first = cut(jnp.pad(start, (0, padding), constant_values=True), length)
    uniform = jax.random.uniform(
        key, (time + 1, n_samples), dtype, maxval=1 - 4 * float(jnp.finfo(dtype).eps)
    )
    uniform = cut(jnp.pad(uniform, ((0, padding - 1), (0, 0))), length)
    constant, matrix = log_transition, None
    if log_transition.ndim == 3:
        matrix = cut(jnp.pad(log_transition, ((0, padding), (0, 0), (0, 0))), length)

    def maps_at(inputs: tuple) -> Array:
        earlier, begins, draw, scanned = inputs
        scanned = constant[..., None] if scanned is None else scanned
        weight = earlier[:, None] + jnp.where(begins, jnp.zeros_like(scanned), scanned)
        peak = jnp.max(weight, axis=0)
        weight = jnp.exp(weight - jnp.where(peak == -jnp.inf, jnp.zeros_like(peak), peak))
        # A cumulative sum is flat over impossible states, so a strict comparison never draws them.
        cumulative = jnp.cumsum(weight, axis=0)
        passed = cumulative[None, :-1] <= draw[:, None, None] * cumulative[-1]
        return jnp.sum(passed, axis=1, dtype=jnp.int32)

    states = follow(maps_at, (before, first, uniform, matrix), (n_samples, n_states, before.shape[2]))
    return join(states, time).T
