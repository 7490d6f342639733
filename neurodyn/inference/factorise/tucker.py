"""Non-negative Tucker factorisation: components of every mode, and a core that says which go together."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from neurodyn.errors import ModelError
from neurodyn.inference.compilation import light_jit
from neurodyn.inference.factorise.checks import check_tensor
from neurodyn.inference.random import as_key, key_words

CHUNK = 10
LETTERS = "abcdefgh"
CORE = "stuvwxyz"


class Tucker(NamedTuple):
    r"""Core times factors, :math:`\hat x_{i \dots k} = \sum_{r \dots s} g_{r \dots s} f_{ir} \cdots h_{ks}`.

    Attributes
    ----------
    core : numpy.ndarray
        Non-negative, ``(rank of the first mode, ...)``.
    factors : tuple of numpy.ndarray
        ``(entry, component)``, one a mode; columns of length 1, or 0.
    objective : numpy.ndarray
        Half the squared error over observed entries after every sweep.
    converged : bool
        Whether it fell by less than the tolerance.
    """

    core: np.ndarray
    factors: tuple[np.ndarray, ...]
    objective: np.ndarray
    converged: bool

    def dense(self) -> np.ndarray:
        """The model of every entry of the tensor."""
        return np.einsum(_all(len(self.factors)), self.core, *self.factors, optimize=True)


def tucker(
    values: Shaped[np.ndarray, "..."],
    ranks: Sequence[int],
    *,
    mask: Bool[np.ndarray, "..."] | None = None,
    key: Any,
    max_sweeps: int = 500,
    tolerance: float = 1e-6,
) -> Tucker:
    r"""Fit non-negative factors and a non-negative core by multiplicative updates.

    .. math:: f \leftarrow f \circ \frac{(W \circ X) \times \cdots}{(W \circ \hat X) \times \cdots}

    with the mask W, for every factor and the core in turn. Each update lowers the squared error of the observed entries or
    leaves it. Unlike canonical polyadic components, those of one mode may join several of another: a community that is
    active in two courses, animals that mix them. The price is that factors are less unique.

    Parameters
    ----------
    values : numpy.ndarray
        Two to eight modes, 0 or more.
    ranks : sequence of int
        Number of components of every mode.
    mask : numpy.ndarray of bool, optional
        Which entries were observed; all by default.
    key : int or jax.Array
        Draws the start.
    max_sweeps : int
        Most sweeps.
    tolerance : float
        Least relative gain of a sweep.

    Returns
    -------
    Tucker
        Core and factors.

    Raises
    ------
    ModelError
        If the ranks do not fit the tensor, or an observed entry is negative.

    References
    ----------
    Kim, Y.-D. & Choi, S. (2007). Nonnegative Tucker decomposition. IEEE Conference on Computer Vision and Pattern
    Recognition. doi:10.1109/CVPR.2007.383405

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.tucker import tucker
    >>> found = tucker(np.outer(np.arange(1.0, 5), np.arange(1.0, 4)), (1, 1), key=0)
    >>> bool(np.allclose(found.dense()[3], [4, 8, 12], rtol=1e-3))
    True
    """
    checked = check_tensor(values, mask)
    shape = checked.values.shape
    ranks = tuple(ranks)
    if len(ranks) != len(shape) or len(shape) > len(LETTERS):
        raise ModelError(
            f"ranks has {len(ranks)} numbers, the tensor {len(shape)} modes; give one a mode (up to 8 modes)."
        )
    for mode, (rank, size) in enumerate(zip(ranks, shape, strict=True)):
        if isinstance(rank, bool) or not isinstance(rank, (int, np.integer)) or not 1 <= rank <= size:
            raise ModelError(
                f"the rank of mode {mode} is {rank!r}; it must be a whole number from 1 to {size}."
            )
    draw = np.random.default_rng(key_words(as_key(key)))
    dtype = checked.values.dtype
    factors = tuple(
        jnp.asarray(draw.gamma(2.0, size=(size, rank)) * seen[:, None], dtype)
        for size, rank, seen in zip(shape, ranks, checked.seen, strict=True)
    )
    core = jnp.asarray(draw.gamma(2.0, size=ranks), dtype)
    core = core * (checked.mean / max(float(_model(core, factors).mean()), np.finfo(float).tiny))
    weight = jnp.ones(shape, dtype) if checked.mask is None else jnp.asarray(checked.mask, dtype)
    data = jnp.asarray(checked.values)
    trace: list[float] = []
    converged = False
    while len(trace) < max_sweeps and not converged:
        before = trace[-1] if trace else np.inf
        length = min(CHUNK, max_sweeps - len(trace))
        core, factors, objective = _sweeps(data, weight, core, factors, length=length)
        trace += np.asarray(objective).tolist()
        converged = before - trace[-1] <= tolerance * length * abs(trace[-1])
    lengths = [np.linalg.norm(np.asarray(factor), axis=0) for factor in factors]
    scaled = np.einsum(
        ",".join([CORE[: len(shape)], *CORE[: len(shape)]]) + "->" + CORE[: len(shape)],
        np.asarray(core),
        *lengths,
    )
    unit = tuple(np.asarray(f) / np.where(n > 0, n, 1) for f, n in zip(factors, lengths, strict=True))
    return Tucker(scaled, unit, np.array(trace), converged)


def _all(modes: int) -> str:
    """Subscripts of the core times every factor."""
    factors = [LETTERS[mode] + CORE[mode] for mode in range(modes)]
    return ",".join([CORE[:modes], *factors]) + "->" + LETTERS[:modes]


def _model(core: Array, factors: tuple[Array, ...]) -> Array:
    """The core times every factor."""
    return jnp.einsum(_all(len(factors)), core, *factors, optimize="optimal")


def _gradient_of(tensor: Array, core: Array, factors: tuple[Array, ...], mode: int) -> Array:
    """A tensor contracted with the core and all factors but that of a mode, ``(entry, component)``."""
    others = [m for m in range(len(factors)) if m != mode]
    terms = [LETTERS[: len(factors)], CORE[: len(factors)], *[LETTERS[m] + CORE[m] for m in others]]
    out = LETTERS[mode] + CORE[mode]
    return jnp.einsum(
        ",".join(terms) + "->" + out, tensor, core, *[factors[m] for m in others], optimize="optimal"
    )


def _core_gradient(tensor: Array, factors: tuple[Array, ...]) -> Array:
    """A tensor contracted with every factor."""
    terms = [LETTERS[: len(factors)], *[LETTERS[m] + CORE[m] for m in range(len(factors))]]
    return jnp.einsum(",".join(terms) + "->" + CORE[: len(factors)], tensor, *factors, optimize="optimal")


@light_jit(static_argnames=["length"])
def _sweeps(
    values: Float[Array, "..."],
    weight: Float[Array, "..."],
    core: Array,
    factors: tuple[Array, ...],
    *,
    length: int,
) -> tuple[Array, tuple[Array, ...], Array]:
    """A chunk of sweeps, and the error after each."""
    tiny = jnp.finfo(values.dtype).tiny ** 0.5

    def sweep(state: tuple, _: None) -> tuple[tuple, Array]:
        core, factors = state
        for mode in range(len(factors)):
            above = _gradient_of(values, core, factors, mode)
            below = _gradient_of(weight * _model(core, factors), core, factors, mode)
            new = factors[mode] * above / jnp.maximum(below, tiny)
            factors = (*factors[:mode], new, *factors[mode + 1 :])
        below = _core_gradient(weight * _model(core, factors), factors)
        core = core * _core_gradient(values, factors) / jnp.maximum(below, tiny)
        return (core, factors), 0.5 * (weight * jnp.square(values - _model(core, factors))).sum()

    (core, factors), trace = jax.lax.scan(sweep, (core, factors), None, length=length)
    return core, factors, trace
