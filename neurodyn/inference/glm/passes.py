"""Passes over a design: likelihood of every state, objective, gradient, curvature, and products with it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.glm.design import Design, Rows, Weights, rows_of
from neurodyn.inference.glm.families import Family, NegativeBinomialFamily


class Slopes(NamedTuple):
    """First and second order of the expected log-likelihood at given weights.

    Parameters
    ----------
    value : (chunk, unit)
        Expected log-likelihood, to be summed in double precision.
    gradient : Weights
        Its derivative.
    curvature : (chunk, bin, state, unit)
        Curvature in the linear predictor, times the state's probability.
    own_moments : (state, unit, function, function)
        Of every unit's own history, weighted with the curvature.
    average : (state, unit)
        Mean curvature.
    bend : (time, state)
        Mean over units of the curvature in every state, whatever the state's probability.
    """

    value: Array
    gradient: Weights
    curvature: Array
    own_moments: Array
    average: Array
    bend: Array


def linear_predictor(weights: Weights, rows: Rows) -> Float[Array, "time state unit"]:
    """u of every bin, state and unit."""
    n_features, n_states, n_units = weights.shared.shape
    flat = rows.features @ weights.shared.reshape(n_features, n_states * n_units)
    eta = flat.reshape(-1, n_states, n_units)
    if weights.own.shape[0]:
        eta = eta + jnp.einsum("tbn,bsn->tsn", rows.own, weights.own)
    return eta


def spread_back(residual: Float[Array, "time state unit"], rows: Rows) -> Weights:
    """Transpose of `linear_predictor`."""
    n_time, n_states, n_units = residual.shape
    shared = rows.features.T @ residual.reshape(n_time, n_states * n_units)
    own = jnp.einsum("tbn,tsn->bsn", rows.own, residual)
    return Weights(shared.reshape(-1, n_states, n_units), own)


def weighted_sum(terms: Float[Array, "time state unit"], weight: Float[Array, "time state"]) -> Array:
    """Sum over time and state, ``(unit,)``.

    A product, like the other sums here: what goes into a product is computed once, while the compiler would compute it
    anew inside every plain sum.
    """
    return weight.reshape(-1) @ terms.reshape(-1, terms.shape[2])


def unit_sum(terms: Float[Array, "time state unit"]) -> Float[Array, "time state"]:
    """Sum over units."""
    ones = jnp.ones(terms.shape[2], terms.dtype)
    return (terms.reshape(-1, terms.shape[2]) @ ones).reshape(terms.shape[:2])


def _masked(terms: Array, rows: Rows) -> Array:
    """Terms of what was not observed are zero."""
    known = rows.seen[:, None, None] if rows.mask is None else rows.mask[:, None, :]
    return jnp.where(known, terms, 0)


@light_jit(static_argnames=("family",))
def state_likelihoods(weights: Weights, scale: Array, design: Design, *, family: Family) -> Array:
    """log p(observed of bin t | state) up to what depends on the data alone, ``(time, state)``."""

    def one(index: Array) -> Array:
        rows = rows_of(design, index)
        terms = family.terms(linear_predictor(weights, rows), rows.targets[:, None], scale)
        return unit_sum(_masked(terms, rows))

    return jax.lax.map(one, jnp.arange(design.n_chunks)).reshape(-1, weights.shared.shape[1])


@light_jit(static_argnames=("family",))
def evaluate(
    weights: Weights, scale: Array, design: Design, posterior: Array, *, family: Family
) -> tuple[Array, Array]:
    """Expected log-likelihood ``(chunk, unit)`` and the likelihood of every state ``(time, state)``."""
    n_states = weights.shared.shape[1]

    def one(index: Array) -> tuple[Array, Array]:
        rows = rows_of(design, index)
        terms = _masked(family.terms(linear_predictor(weights, rows), rows.targets[:, None], scale), rows)
        chance = jax.lax.dynamic_slice_in_dim(posterior, index * design.chunk, design.chunk)
        return weighted_sum(terms, chance), unit_sum(terms)

    value, likelihood = jax.lax.map(one, jnp.arange(design.n_chunks))
    return value, likelihood.reshape(-1, n_states)


@light_jit()
def feature_moments(design: Design, posterior: Array) -> Float[Array, "state feature feature"]:
    """Second moments of the features under every state, summed over the bins."""
    n_states = posterior.shape[1]

    def one(carry: Array, index: Array) -> tuple[Array, None]:
        rows = rows_of(design, index)
        chance = jax.lax.dynamic_slice_in_dim(posterior, index * design.chunk, design.chunk)
        for state in range(n_states):
            weighted = rows.features * (chance[:, state] * rows.seen)[:, None]
            carry = carry.at[state].add(weighted.T @ rows.features)
        return carry, None

    start = jnp.zeros((n_states, design.n_features, design.n_features), design.targets.dtype)
    return jax.lax.scan(one, start, jnp.arange(design.n_chunks))[0]


def slopes(weights: Weights, scale: Array, design: Design, posterior: Array, family: Family) -> Slopes:
    """Expected log-likelihood, its gradient and curvature."""
    _, n_states, n_units = weights.shared.shape
    n_own, dtype = weights.own.shape[0], weights.shared.dtype

    def one(carry: tuple, index: Array) -> tuple[tuple, tuple]:
        rows = rows_of(design, index)
        eta = linear_predictor(weights, rows)
        chance = jax.lax.dynamic_slice_in_dim(posterior, index * design.chunk, design.chunk)
        terms, score, curvature = family.derivatives(eta, rows.targets[:, None], scale)
        weight = chance[:, :, None]
        bend = unit_sum(curvature) / n_units
        score, curvature = _masked(score * weight, rows), _masked(curvature * weight, rows)
        value = weighted_sum(_masked(terms, rows), chance)
        gradient, own_second, total = carry
        gradient = jax.tree.map(jnp.add, gradient, spread_back(score, rows))
        if n_own:
            own_second = own_second + jnp.einsum("tsn,tbn,tcn->snbc", curvature, rows.own, rows.own)
        each = jnp.ones(design.chunk, curvature.dtype) @ curvature.reshape(design.chunk, -1)
        total = total + each.reshape(n_states, n_units)
        return (gradient, own_second, total), (value, curvature, bend)

    start = (
        jax.tree.map(jnp.zeros_like, weights),
        jnp.zeros((n_states, n_units, n_own, n_own), dtype),
        jnp.zeros((n_states, n_units), dtype),
    )
    found, (value, curvature, bend) = jax.lax.scan(one, start, jnp.arange(design.n_chunks))
    gradient, own_second, total = found
    known = (posterior * design.seen[:, None]).sum(axis=0)
    average = total / jnp.maximum(known, 1e-6)[:, None]
    return Slopes(value, gradient, curvature, own_second, average, bend.reshape(-1, n_states))


def curvature_product(direction: Weights, design: Design, curvature: Array) -> Weights:
    """Curvature matrix times a direction, without the prior; `curvature` is ``(chunk, bin, state, unit)``."""

    def one(carry: Weights, index: Array) -> tuple[Weights, None]:
        rows = rows_of(design, index)
        change = linear_predictor(direction, rows) * curvature[index]
        return jax.tree.map(jnp.add, carry, spread_back(change, rows)), None

    start = jax.tree.map(jnp.zeros_like, direction)
    return jax.lax.scan(one, start, jnp.arange(design.n_chunks))[0]


@light_jit(static_argnames=("family",))
def scale_statistics(
    weights: Weights, scale: Array, design: Design, posterior: Array, *, family: Family
) -> tuple[Array, Array]:
    """What re-estimates the scale: for Gaussian values weighted squares and weights, else a derivative in log scale.

    Both ``(unit,)``.
    """

    def one(index: Array) -> tuple[Array, Array]:
        rows = rows_of(design, index)
        eta = linear_predictor(weights, rows)
        chance = jax.lax.dynamic_slice_in_dim(posterior, index * design.chunk, design.chunk)[:, :, None]
        target = rows.targets[:, None]
        if isinstance(family, NegativeBinomialFamily):
            first = family.scale_gradient(eta, target, scale)
        else:
            first = (target - eta) ** 2
        return _masked(first * chance, rows).sum((0, 1)), _masked(
            jnp.broadcast_to(chance, first.shape), rows
        ).sum((0, 1))

    one_sum, two_sum = jax.lax.map(one, jnp.arange(design.n_chunks))
    return one_sum.sum(axis=0), two_sum.sum(axis=0)


@light_jit(static_argnames=("family",))
def exact_curvature(
    weights: Weights, scale: Array, design: Design, posterior: Array, *, family: Family
) -> tuple[Weights, Float[Array, "state unit feature feature"]]:
    """Gradient, and the whole curvature matrix of every state and unit in the shared features."""
    n_features, n_states, n_units = weights.shared.shape

    def one(carry: tuple, index: Array) -> tuple[tuple, None]:
        rows = rows_of(design, index)
        chance = jax.lax.dynamic_slice_in_dim(posterior, index * design.chunk, design.chunk)[:, :, None]
        _, score, curvature = family.derivatives(
            linear_predictor(weights, rows), rows.targets[:, None], scale
        )
        score, curvature = _masked(score * chance, rows), _masked(curvature * chance, rows)
        gradient, total = carry
        gradient = jax.tree.map(jnp.add, gradient, spread_back(score, rows))

        def add(position: Array, current: Array) -> Array:
            weight = curvature.reshape(curvature.shape[0], -1)[:, position]
            return current.at[position].add((rows.features * weight[:, None]).T @ rows.features)

        return (gradient, jax.lax.fori_loop(0, n_states * n_units, add, total)), None

    start = (
        jax.tree.map(jnp.zeros_like, weights),
        jnp.zeros((n_states * n_units, n_features, n_features), weights.shared.dtype),
    )
    (gradient, total), _ = jax.lax.scan(one, start, jnp.arange(design.n_chunks))
    return gradient, total.reshape(n_states, n_units, n_features, n_features)
