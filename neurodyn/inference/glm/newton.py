"""Damped Newton steps for all units and states at once, by conjugate gradients that share one design.

The curvature matrix of unit n in state s is the features' second moments weighted bin by bin. None of these
matrices is formed: products with all of them are two matrix products over the recording. Conjugate gradients are
preconditioned with the second moments of each state (one eigendecomposition for all units) scaled by each unit's
mean curvature; where the curvature differs much between bins, in bursts for one, the bins count by it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Bool, Float

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.glm.design import Design, Weights
from neurodyn.inference.glm.families import Family
from neurodyn.inference.glm.passes import Slopes, curvature_product, slopes
from neurodyn.inference.glm.penalty import (
    Penalty,
    penalty_gradient,
    penalty_product,
    penalty_value,
    project,
)

TINY = 1e-30
JITTER = 1e-6
TIGHT = (
    0.1  # precision that ties the states, over the typical curvature, from which their mean is treated apart
)


class Spectrum(NamedTuple):
    """Eigenvalues ``(state, feature)`` and vectors ``(state, feature, feature)`` of the features' second moments.

    `whole` ``(feature,)`` and `around` ``(feature, feature)`` are those of their sum over states.
    """

    values: Array
    vectors: Array
    whole: Array
    around: Array


def whole_states(spectrum: Spectrum) -> int:
    """Number of states."""
    return spectrum.values.shape[0]


class Step(NamedTuple):
    """What a Newton step proposes.

    Parameters
    ----------
    direction : Weights
        Where to go.
    value : (chunk, unit)
        Expected log-likelihood where the step begins.
    penalty : (unit,)
        Penalty there.
    gain : (unit,)
        Slope of the objective along the direction.
    average : (state, unit)
        Mean curvature.
    products : scalar
        Products with the curvature made.
    bend : (time, state)
        Mean over units of the curvature in every state.
    uneven : scalar
        Largest coefficient of variation of `bend` within a state.
    """

    direction: Weights
    value: Array
    penalty: Array
    gain: Array
    average: Array
    products: Array
    bend: Array
    uneven: Array


def inner(left: Weights, right: Weights) -> Float[Array, " unit"]:
    """Inner product unit by unit."""
    return (left.shared * right.shared).sum(axis=(0, 1)) + (left.own * right.own).sum(axis=(0, 1))


def scaled(weights: Weights, factor: Float[Array, " unit"]) -> Weights:
    """Every unit's weights times its factor."""
    return jax.tree.map(lambda leaf: leaf * factor, weights)


def added(left: Weights, right: Weights) -> Weights:
    """Sum of two sets of weights."""
    return jax.tree.map(jnp.add, left, right)


def typical_bend(
    bend: Float[Array, "time state"], posterior: Float[Array, "time state"]
) -> Float[Array, " state"]:
    """Mean of the bins' curvature in every state."""
    return (bend * posterior).sum(axis=0) / jnp.maximum(posterior.sum(axis=0), 1e-6)


def unevenness(bend: Float[Array, "time state"], posterior: Float[Array, "time state"]) -> Float[Array, ""]:
    """Largest coefficient of variation of the bins' curvature within a state."""
    relative = bend / jnp.maximum(typical_bend(bend, posterior), TINY)
    square = ((relative - 1) ** 2 * posterior).sum(axis=0) / jnp.maximum(posterior.sum(axis=0), 1e-6)
    return jnp.sqrt(square.max())


@light_jit()
def by_bend(
    bend: Float[Array, "time state"], posterior: Float[Array, "time state"]
) -> Float[Array, "time state"]:
    """State probabilities times the bins' relative curvature."""
    return posterior * bend / jnp.maximum(typical_bend(bend, posterior), TINY)


def spectrum_of(moments: Float[Array, "state feature feature"]) -> Spectrum:
    """Eigendecomposition of the second moments, negative rounding errors removed.

    On the host, whose routine takes a small fraction of the time of the compiled one.
    """
    host = np.asarray(moments)
    matrices = [*host, host.sum(axis=0)] if len(host) > 1 else [*host]
    found = [scipy.linalg.eigh(matrix, driver="evd", check_finite=False) for matrix in matrices]
    values, vectors = (np.stack(one) for one in zip(*found, strict=True))
    values = jnp.asarray(np.maximum(values, 0))
    return Spectrum(
        values[: len(host)], jnp.asarray(vectors[: len(host)]), values[-1], jnp.asarray(vectors[-1])
    )


def _preconditioner(found: Slopes, spectrum: Spectrum, penalty: Penalty):
    """An approximate inverse of the curvature with the prior."""
    total = penalty.precision.shared + penalty.pooled.shared
    count = jnp.maximum(penalty.allowed.shared.sum(axis=0), 1)
    prior = (jnp.minimum(total, 1e6) * penalty.allowed.shared).sum(axis=0) / count  # (state, unit)
    typical = spectrum.values.mean(axis=1)[:, None] * found.average
    prior = jnp.minimum(prior, typical + total.min(axis=0) + 1.0) + JITTER * typical + TINY
    stiff = jnp.maximum(total - prior, 0) / (typical + prior)
    damping = jax.lax.rsqrt(1 + stiff)  # (feature, state, unit)
    own_total = (penalty.precision.own + penalty.pooled.own).transpose(1, 2, 0)
    n_own = own_total.shape[2]

    # A prior that ties the states together leaves their mean free: that direction has a block of its own.
    whole, around = spectrum.whole, spectrum.around
    level = found.average.mean(axis=0)
    tight = penalty.pooled.shared.max() > TIGHT * typical.max()
    free = (jnp.minimum(penalty.precision.shared, 1e6) * penalty.allowed.shared).sum(axis=(0, 1))
    free = free / jnp.maximum(penalty.allowed.shared.sum(axis=(0, 1)), 1) * whole_states(spectrum)

    def in_states(residual: Array) -> Array:
        inside = jnp.einsum("sfe,fsn->esn", spectrum.vectors, residual * damping)
        inside = inside / (spectrum.values.T[:, :, None] * found.average + prior)
        return jnp.einsum("sfe,esn->fsn", spectrum.vectors, inside) * damping

    def in_common(residual: Array) -> Array:
        inside = jnp.einsum("fe,fn->en", around, residual.sum(axis=1))
        bend = whole[:, None] * level + free + JITTER * whole.mean() * level + TINY
        return jnp.einsum("fe,en->fn", around, inside / bend)[:, None]

    def apart(residual: Array) -> Array:
        return residual - residual.mean(axis=1, keepdims=True)

    def apply(residual: Weights) -> Weights:
        shared = jax.lax.cond(
            tight,
            lambda one: apart(in_states(apart(one))) + in_common(one),
            in_states,
            residual.shared,
        )
        own = residual.own
        if n_own:
            matrix = found.own_moments + jax.vmap(jax.vmap(jnp.diag))(own_total)
            level = jnp.trace(matrix, axis1=2, axis2=3)[..., None, None] * JITTER + TINY
            solved = jnp.linalg.solve(
                matrix + level * jnp.eye(n_own, dtype=matrix.dtype),
                residual.own.transpose(1, 2, 0)[..., None],
            )
            own = solved[..., 0].transpose(2, 0, 1)
        return project(Weights(shared, own), penalty)

    return apply


@light_jit(static_argnames=("family",))
def newton_step(
    weights: Weights,
    scale: Array,
    design: Design,
    posterior: Array,
    penalty: Penalty,
    spectrum: Spectrum,
    products: Array,
    tolerance: Array,
    *,
    family: Family,
) -> Step:
    """Newton direction of the penalised expected log-likelihood of every unit.

    Parameters
    ----------
    weights : Weights
        Where to begin.
    scale : (N,)
        Scale of the family.
    design : Design
        The recording.
    posterior : (T, S)
        Probability of every state in every bin.
    penalty : Penalty
        The prior.
    spectrum : Spectrum
        Of the features, for this posterior or one like it.
    products : scalar
        Most products with the curvature.
    tolerance : scalar
        Residual over gradient, in the preconditioner's norm, at which a unit is done.
    family : Family
        Observation model.

    Returns
    -------
    Step
        The direction and what is needed to judge it.
    """
    found = slopes(weights, scale, design, posterior, family)
    curvature = found.curvature
    gradient = jax.tree.map(jnp.subtract, found.gradient, penalty_gradient(weights, penalty))
    gradient = project(gradient, penalty)
    precondition = _preconditioner(found, spectrum, penalty)

    def curve(direction: Weights) -> Weights:
        whole = added(curvature_product(direction, design, curvature), penalty_product(direction, penalty))
        return project(whole, penalty)

    first = precondition(gradient)
    start_size = inner(gradient, first)

    def going(state: tuple) -> Bool[Array, ""]:
        _, _, _, size, done = state
        return (done < products) & jnp.any(size > tolerance**2 * start_size + TINY)

    def advance(state: tuple) -> tuple:
        solution, residual, search, size, done = state
        image = curve(search)
        bend = inner(search, image)
        live = (size > tolerance**2 * start_size + TINY) & (bend > TINY)
        length = jnp.where(live, size / jnp.where(live, bend, 1), 0)
        solution = added(solution, scaled(search, length))
        residual = added(residual, scaled(image, -length))
        turned = precondition(residual)
        following = jnp.maximum(inner(residual, turned), 0)
        ratio = jnp.where(live, following / jnp.maximum(size, TINY), 0)
        search = added(turned, scaled(search, ratio))
        return solution, residual, search, jnp.where(live, following, 0 * size), done + 1

    zero = jax.tree.map(jnp.zeros_like, weights)
    state = (zero, gradient, first, start_size, jnp.zeros((), jnp.int32))
    solution, _, _, _, done = jax.lax.while_loop(going, advance, state)
    return Step(
        solution,
        found.value,
        penalty_value(weights, penalty),
        inner(gradient, solution),
        found.average,
        done,
        found.bend,
        unevenness(found.bend, posterior * design.seen[:, None]),
    )
