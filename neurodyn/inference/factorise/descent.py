"""Sweep after sweep, each from factors extrapolated along the last step; a sweep that rises is undone.

.. math:: Y = \\max(0, \\; F + \\beta (F - F^-)) \\quad \\text{or} \\quad F (F / F^-)^\\beta,
    \\qquad F^+ = \\mathrm{sweep}(Y)

the first for least squares, the second for Poisson.

Where the objective of :math:`F^+` is above that of F, F is kept, :math:`\\beta` falls, and the next sweep starts from F
itself; otherwise :math:`\\beta` grows, up to a ceiling which grows more slowly.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.factorise.contractions import Tail, Tensor
from neurodyn.inference.factorise.penalties import ModePenalty
from neurodyn.inference.factorise.sweeps import SQUARES, Settings, sweep

CHUNK = 50
FIRST_MOMENTUM, GROWTH, CEILING_GROWTH, FALL = 0.5, 1.05, 1.01, 1.5
MOST_CHANGE = 2.0


class Descent(NamedTuple):
    """Where a descent is.

    Attributes
    ----------
    factors, before : tuple of (component, entry)
        The last accepted factors, and those before them.
    momentum, ceiling : ()
        How far to extrapolate, and the most it may become.
    plain : ()
        Whether the next sweep starts from the factors themselves.
    objective : ()
        Of the factors.
    """

    factors: Tail
    before: Tail
    momentum: Float[Array, "*restart"]
    ceiling: Float[Array, "*restart"]
    plain: Bool[Array, "*restart"]
    objective: Float[Array, "*restart"]


def begin(factors: tuple[Float[Array, "*restart component _"], ...]) -> Descent:
    """A descent that starts from these factors, each ``(restart, component, entry)`` or ``(component, entry)``."""
    shape, dtype = factors[0].shape[:-2], factors[0].dtype
    return Descent(
        factors,
        factors,
        jnp.full(shape, FIRST_MOMENTUM, dtype),
        jnp.ones(shape, dtype),
        jnp.ones(shape, bool),
        jnp.full(shape, jnp.inf, dtype),
    )


def proposed(state: Descent, loss: str) -> Tail:
    """Factors from which the next sweep starts.

    A multiplicative update never leaves zero and is slow to leave its neighbourhood, so that with Poisson loss the
    logarithm of the factors is extrapolated.
    """

    def ahead(now: Array, before: Array) -> Array:
        if loss == SQUARES:
            moved = jnp.maximum(now + state.momentum * (now - before), 0.0)
        else:
            change = jnp.where(before > 0, now / jnp.where(before > 0, before, 1.0), 1.0)
            moved = now * jnp.clip(change, 1 / MOST_CHANGE, MOST_CHANGE) ** state.momentum
        return jnp.where(state.plain, now, moved)

    return tuple(ahead(now, before) for now, before in zip(state.factors, state.before, strict=True))


def judged(state: Descent, factors: Tail, objective: Array, accelerate: bool) -> Descent:
    """Accept the factors of a sweep, or return to those before it."""
    if not accelerate:
        return state._replace(factors=factors, before=state.factors, objective=objective)
    good = state.plain | (objective <= state.objective)
    pick = lambda new, old: jnp.where(good, new, old)  # noqa: E731
    return Descent(
        tuple(pick(new, old) for new, old in zip(factors, state.factors, strict=True)),
        state.factors,
        pick(jnp.minimum(state.ceiling, GROWTH * state.momentum), state.momentum / FALL),
        pick(jnp.minimum(1.0, CEILING_GROWTH * state.ceiling), state.momentum),
        ~good,
        pick(objective, state.objective),
    )


@light_jit(static_argnames=["settings"])
def descend(
    tensor: Tensor,
    states: Descent,
    penalties: tuple[ModePenalty, ...],
    n_sweeps: Int[Array, ""] | int,
    *,
    settings: Settings,
) -> tuple[Descent, Float[Array, "restart sweep"]]:
    """Sweep from several starts side by side.

    Parameters
    ----------
    tensor : Tensor
        The data, shared by all.
    states : Descent
        One a restart, on a leading axis.
    penalties : tuple of ModePenalty
        One a mode.
    n_sweeps : int
        How many sweeps, at most `CHUNK`; it does not compile anew.
    settings : Settings
        What to fit.

    Returns
    -------
    states : Descent
        After the sweeps.
    objective : (restart, sweep)
        After every sweep, `CHUNK` of them; those beyond `n_sweeps` are 0.

    References
    ----------
    .. [1] Ang, A. M. S. & Gillis, N. (2019). Accelerating nonnegative matrix factorization algorithms using
       extrapolation. Neural Computation 31, 417-439. doi:10.1162/neco_a_01157
    .. [2] Ang, A. M. S., Cohen, J. E., Gillis, N. & Hien, L. T. K. (2021). Accelerating block coordinate descent for
       nonnegative tensor factorization. Numerical Linear Algebra with Applications 28, e2373. doi:10.1002/nla.2373
    """

    def one(state: Descent) -> tuple[Descent, Array]:
        def step(index: Array, carried: tuple) -> tuple:
            state, trace = carried
            start = proposed(state, settings.loss) if settings.accelerate else state.factors
            state = judged(state, *sweep(tensor, start, penalties, settings), settings.accelerate)
            return state, trace.at[index].set(state.objective)

        return lax.fori_loop(0, n_sweeps, step, (state, jnp.zeros(CHUNK, state.objective.dtype)))

    if len(states.objective) == 1:
        # Without the axis of restarts, which the compiler turns into slower products.
        return jax.tree.map(lambda part: part[None], one(jax.tree.map(lambda part: part[0], states)))
    return jax.vmap(one)(states)


def compiled(loss: str) -> Callable[..., tuple[Descent, Float[Array, "restart sweep"]]]:
    """`descend`; the logarithms of a loss that has them are worth the compiler's full effort."""
    return descend if loss == SQUARES else descend.full
