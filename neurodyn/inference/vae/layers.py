"""Layers of sequence networks: affine maps, gated recurrent units, layer normalisation, attention, dropout."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer, UInt8

Parameters = dict[str, Any]
BYTE = 256


def affine_start(random: np.random.Generator, n_in: int, n_out: int, *, gain: float = 1.0) -> Parameters:
    """Weights with variance ``gain^2 / n_in`` and zero biases of an affine map.

    Parameters
    ----------
    random : np.random.Generator
        Randomness.
    n_in, n_out : int
        Features.
    gain : float
        Scale of the weights.

    Returns
    -------
    dict
        ``weight`` (in, out) and ``bias`` (out).
    """
    return {"weight": normal(random, gain / max(n_in, 1) ** 0.5, n_in, n_out), "bias": zeros(n_out)}


def normal(random: np.random.Generator, deviation: float, *shape: int) -> Float[np.ndarray, "..."]:
    """Normal numbers in single precision."""
    return (deviation * random.standard_normal(shape)).astype(np.float32)


def zeros(*shape: int) -> Float[np.ndarray, "..."]:
    """Zeros in single precision."""
    return np.zeros(shape, np.float32)


def affine(parameters: Parameters, values: Float[Array, "... features"]) -> Float[Array, "... outputs"]:
    """``x W + b``."""
    return values @ parameters["weight"] + parameters["bias"]


def by_unit(
    random: np.random.Generator, seeds: Integer[np.ndarray, " unit"], width: int, *, gain: float
) -> Float[np.ndarray, "unit width"]:
    """Weights drawn unit by unit from seeds of their own, so that they follow a unit wherever it stands.

    Parameters
    ----------
    random : np.random.Generator
        Randomness.
    seeds : array
        One integer per unit.
    width : int
        Weights per unit.
    gain : float
        Standard deviation.

    Returns
    -------
    array
        ``(unit, width)``.
    """
    base = int(random.integers(2**32))
    drawn = [np.random.default_rng([base, int(seed)]).standard_normal(width) for seed in np.asarray(seeds)]
    return (gain * np.array(drawn).reshape(len(drawn), width)).astype(np.float32)


def orthogonal(random: np.random.Generator, n: int) -> Float[np.ndarray, "n n"]:
    """A random orthogonal matrix."""
    return np.linalg.qr(random.standard_normal((n, n)))[0].astype(np.float32)


def gru_start(random: np.random.Generator, n_hidden: int) -> Parameters:
    """Recurrent weights of a gated recurrent unit, gates in the order reset, update, candidate.

    Parameters
    ----------
    random : np.random.Generator
        Randomness.
    n_hidden : int
        Hidden units.

    Returns
    -------
    dict
        ``recurrent`` (hidden, 3 hidden), ``recurrent_bias`` (hidden) of the candidate.
    """
    blocks = [orthogonal(random, n_hidden) for _ in range(3)]
    return {"recurrent": np.concatenate(blocks, axis=1), "recurrent_bias": zeros(n_hidden)}


def gru_step(
    parameters: Parameters, state: Float[Array, "*batch hidden"], driven: Float[Array, "*batch gates"]
) -> Float[Array, "*batch hidden"]:
    """One step of a gated recurrent unit.

    .. math::

        r = \\sigma(a_r + h U_r), \\quad u = \\sigma(a_u + h U_u), \\quad
        c = \\tanh(a_c + r \\odot (h U_c + b)), \\quad h' = u \\odot h + (1 - u) \\odot c

    Parameters
    ----------
    parameters : dict
        As `gru_start` makes them.
    state : array
        ``h``.
    driven : array
        Inputs to the gates ``a``, ``(..., 3 hidden)``.

    Returns
    -------
    array
        ``h'``.

    References
    ----------
    Cho et al. (2014), arXiv:1406.1078.
    """
    pulled = state @ parameters["recurrent"]
    n = state.shape[-1]
    gates = jax.nn.sigmoid(driven[..., : 2 * n] + pulled[..., : 2 * n])
    reset, update = gates[..., :n], gates[..., n:]
    candidate = jnp.tanh(driven[..., 2 * n :] + reset * (pulled[..., 2 * n :] + parameters["recurrent_bias"]))
    return update * state + (1 - update) * candidate


def gru(
    parameters: Parameters,
    driven: Float[Array, "time batch gates"],
    first: Float[Array, "batch hidden"],
    *,
    reverse: bool = False,
) -> Float[Array, "time batch hidden"]:
    """Hidden states of a gated recurrent unit after every bin.

    Parameters
    ----------
    parameters : dict
        As `gru_start` makes them.
    driven : array
        Inputs to the gates, time first.
    first : array
        State before the first bin (after the last one, with `reverse`).
    reverse : bool
        Run backwards.

    Returns
    -------
    array
        ``(time, batch, hidden)``.
    """

    def step(state: Array, at: Array) -> tuple[Array, Array]:
        after = gru_step(parameters, state, at)
        return after, after

    return jax.lax.scan(step, first, driven, reverse=reverse)[1]


def layer_norm(parameters: Parameters, values: Float[Array, "... features"]) -> Float[Array, "... features"]:
    """Zero mean and unit variance over the features, then a learnt scale and shift."""
    centred = values - values.mean(-1, keepdims=True)
    spread = jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-5)
    return centred * spread * parameters["scale"] + parameters["shift"]


def layer_norm_start(width: int) -> Parameters:
    """Scale one, shift zero."""
    return {"scale": zeros(width) + 1, "shift": zeros(width)}


def dropout(
    values: Float[Array, "*shape"], rate: float, coins: UInt8[Array, "*shape"] | None
) -> Float[Array, "*shape"]:
    """Set a share of the values to zero and scale up the others, to a 256th; nothing without coins.

    Parameters
    ----------
    values : array
        Anything.
    rate : float
        Share set to zero, rounded to a 256th: random bytes cost a quarter of random numbers.
    coins : array or None
        A random byte per value; None: `values` as they are.

    Returns
    -------
    array
        As `values`.
    """
    dropped = round(rate * BYTE)
    if coins is None or dropped == 0:
        return values
    return jnp.where(coins >= dropped, values * (BYTE / (BYTE - dropped)), 0)


class Coins:
    """Random bytes for all the dropout of a pass, drawn at once.

    Parameters
    ----------
    key : jax.Array or None
        Randomness; None: there are none.
    shape : tuple of int
        Trials and bins.
    width : int
        Bytes per bin.
    """

    def __init__(self, key: jax.Array | None, shape: tuple[int, ...], width: int) -> None:
        self.bytes = None if key is None else jax.random.bits(key, (*shape, width), jnp.uint8)
        self.used = 0

    def take(self, width: int) -> UInt8[Array, "trial time width"] | None:
        """The next bytes of every bin."""
        self.used += width
        return None if self.bytes is None or width == 0 else self.bytes[..., self.used - width : self.used]


def keep_mask(
    key: jax.Array, seeds: Integer[Array, " unit"], keep: float, n_trials: int, n_time: int
) -> Bool[Array, "trial time unit"]:
    """Independent coins that follow a unit wherever it stands.

    Parameters
    ----------
    key : jax.Array
        Randomness.
    seeds : array
        One integer per unit.
    keep : float
        Probability of True, rounded to a 256th.
    n_trials, n_time : int
        Shape.

    Returns
    -------
    array
        True where kept.
    """
    threshold = round(keep * BYTE)
    if threshold >= BYTE:
        return jnp.ones((n_trials, n_time, seeds.shape[0]), bool)
    draw = functools.partial(jax.random.bits, shape=(n_trials, n_time), dtype=jnp.uint8)
    bits = jax.vmap(lambda seed: draw(jax.random.fold_in(key, seed)), out_axes=-1)(seeds)
    return bits < threshold


def attention(
    query: Float[Array, "batch time width"],
    key: Float[Array, "batch time width"],
    value: Float[Array, "batch time width"],
    heads: int,
    seen: Bool[Array, "time time"] | None,
    rate: float,
    coins: UInt8[Array, "batch time looks"] | None,
) -> Float[Array, "batch time width"]:
    """Scaled dot-product attention in several heads.

    Parameters
    ----------
    query, key, value : array
        ``(batch, time, width)``.
    heads : int
        Heads; they divide the width.
    seen : array or None
        True where the row's bin may look at the column's; None: everywhere.
    rate : float
        Dropout of the attention weights.
    coins : array or None
        Random bytes of the dropout, heads times bins of them per bin.

    Returns
    -------
    array
        ``(batch, time, width)``.

    References
    ----------
    Vaswani et al. (2017), arXiv:1706.03762.
    """
    batch, n_time, width = query.shape

    def split(values: Array) -> Array:
        return values.reshape(batch, n_time, heads, width // heads).transpose(0, 2, 1, 3)

    scores = split(query) @ split(key).transpose(0, 1, 3, 2) / jnp.sqrt(width // heads).astype(query.dtype)
    if seen is not None:
        scores = jnp.where(seen, scores, -jnp.inf)
    if coins is not None:
        coins = coins.reshape(batch, n_time, heads, n_time).transpose(0, 2, 1, 3)
    weights = dropout(jax.nn.softmax(scores, axis=-1), rate, coins)
    return (weights @ split(value)).transpose(0, 2, 1, 3).reshape(batch, n_time, width)
