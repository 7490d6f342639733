"""Log-likelihood and statistics of Gaussians with dense covariances, in standardised units.

Time is the last, contiguous axis. Chunk by chunk, on pieces that stay in the cache, the second moments of all
states are one matrix product. So are the whitened residuals while a fit runs; where a recording is scored, the
residual of each state is formed before it is whitened, so that no digits are lost where a state is narrow or far
from the data's centre.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.emissions._conditional import block_width, conditionals, over_blocks
from neurodyn.inference.emissions._covariance import sound_factor
from neurodyn.inference.emissions._standardise import (
    MissingGroup,
    centre_and_scale,
    missing_groups,
    standardise,
)
from neurodyn.inference.emissions._time import column_chunk, map_columns, sum_columns
from neurodyn.inference.emissions.base import as_mask, working_dtype
from neurodyn.inference.rows import all_observed


class Factors(eqx.Module):
    """What scoring needs of the parameters, in standardised units: means, W with W cov W' = I, log-determinants."""

    location: Float[Array, "state unit"]
    whitener: Float[Array, "state unit unit"]
    log_det: Float[Array, " state"]


class DenseData(eqx.Module):
    """Standardised observations; bins observed in part are listed in `groups`.

    `fitting` says that speed counts for more than the last digit of a likelihood. `factors`, where there are any,
    stand for the parameters: they were computed in double precision.
    """

    time_axes: ClassVar[Mapping[str, int]] = {"values": 1, "complete": 0}

    values: Float[Array, "unit time"]
    complete: Bool[Array, " time"]
    centre: Float[Array, " unit"]
    scale: Float[Array, " unit"]
    groups: tuple[MissingGroup, ...]
    fitting: bool = eqx.field(static=True, default=False)
    factors: Factors | None = None


def prepare_dense(values: np.ndarray, mask: np.ndarray) -> DenseData:
    """Standardise on the host and group the rows which miss entries."""
    mask = as_mask(mask)
    dtype = working_dtype(np.asarray(values))
    # Rounded first, so that parameters are mapped by the very numbers that map the values.
    centre, scale = (part.astype(dtype).astype(float) for part in centre_and_scale(values, mask))
    return DenseData(
        values=jnp.asarray(standardise(values, mask, centre, scale, dtype, turned=True)),
        complete=jnp.asarray(all_observed(mask)),
        centre=jnp.asarray(centre, dtype),
        scale=jnp.asarray(scale, dtype),
        groups=missing_groups(mask),
    )


def with_factors(
    data: DenseData, mean: Float[np.ndarray, "state unit"], covariance: Float[np.ndarray, "state unit unit"]
) -> DenseData:
    """The data with the factors of parameters in their own units, from double precision on the host.

    A covariance that is not positive definite leaves them out, for the compiled code to make the best of it.
    """
    centre, scale = np.asarray(data.centre, float), np.asarray(data.scale, float)
    dtype = data.values.dtype
    try:
        factor = np.linalg.cholesky(np.asarray(covariance, float) / (scale[:, None] * scale))
    except np.linalg.LinAlgError:
        return data
    whitener = np.linalg.inv(factor)
    log_det = 2 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    parts = ((np.asarray(mean, float) - centre) / scale, np.tril(whitener), log_det)
    if not all(np.isfinite(part).all() for part in parts):
        return data
    return dataclasses.replace(data, factors=Factors(*(jnp.asarray(part, dtype) for part in parts)))


def _factors(
    mean: Float[Array, "state unit"], covariance: Float[Array, "state unit unit"], data: DenseData
) -> Factors:
    """Those the data bring along, or new ones."""
    return Factors(mean, *sound_factor(covariance)) if data.factors is None else data.factors


def _gather(data: DenseData, bins: Int[Array, "block slot"]) -> Float[Array, "block slot unit"]:
    """Values of some bins; zeros where the index points behind the recording."""
    return jnp.moveaxis(data.values.at[:, bins].get(mode="fill", fill_value=0), 0, -1)


def _fold(rows: Float[Array, "row *state time"]) -> Float[Array, "*state time"]:
    """Sum over rows, halves on halves: each addition runs along time, and rounding grows with the logarithm."""
    rest = jnp.zeros_like(rows[0])
    while rows.shape[0] > 1:
        half = rows.shape[0] // 2
        rest = rest + rows[-1] if rows.shape[0] % 2 else rest
        rows = rows[:half] + rows[half : 2 * half]
    return rows[0] + rest


def dense_log_likelihood(
    mean: Float[Array, "state unit"], covariance: Float[Array, "state unit unit"], data: DenseData
) -> Float[Array, "time state"]:
    """log N(observed entries | mean_k, covariance_k), parameters in standardised units."""
    n_states, n_units = mean.shape
    length = data.values.shape[1]
    factors = _factors(mean, covariance, data)
    mean, whitener, log_det = factors.location, factors.whitener, factors.log_det
    log_scale = jnp.log(data.scale)
    constant = -0.5 * (n_units * jnp.log(2 * jnp.pi) + log_det) - log_scale.sum()

    def one_by_one(values: Array) -> Array:
        def one(state: tuple[Array, Array]) -> Array:
            location, whiten = state
            return _fold(jnp.square(whiten @ (values - location[:, None])))

        return jax.lax.map(one, (mean, whitener))

    stacked = whitener.reshape(-1, n_units)
    centres = jnp.einsum("kij,kj->ki", whitener, mean)

    def at_once(values: Array) -> Array:
        whitened = (stacked @ values).reshape(n_states, n_units, -1) - centres[:, :, None]
        return _fold(jnp.swapaxes(jnp.square(whitened), 0, 1))

    def columns(values: Array, complete: Array) -> Array:
        squares = at_once(values) if data.fitting else one_by_one(values)
        return jnp.where(complete, constant[:, None] - 0.5 * squares, 0)

    height = n_states * n_units if data.fitting else n_units
    result = map_columns(columns, (data.values, data.complete), length, column_chunk(height)).T
    precision = jnp.swapaxes(whitener, 1, 2) @ whitener
    for group in data.groups:

        def block(missing: Array, index: Array) -> Array:
            residual = _gather(data, index)[:, :, None] - mean
            filled, _, log_det_gap = conditionals(missing, residual, precision)
            squares = jnp.square(jnp.einsum("kij,nbkj->nbki", whitener, filled)).sum(-1)
            absent = missing < n_units
            lost = log_scale.at[missing].get(mode="fill", fill_value=0).sum(1)
            lost = lost + 0.5 * jnp.log(2 * jnp.pi) * absent.sum(1)
            return (constant + lost[:, None] - 0.5 * log_det_gap)[:, None] - 0.5 * squares

        width = block_width(group, n_states, n_units)
        values = over_blocks(block, (group.missing, group.rows), width, accumulate=False)
        result = result.at[group.rows.reshape(-1)].set(values.reshape(-1, n_states), mode="drop")
    return result


def dense_moments(
    posterior: Float[Array, "time state"],
    mean: Float[Array, "state unit"],
    covariance: Float[Array, "state unit unit"],
    data: DenseData,
) -> dict[str, Array]:
    """Expected weight, first and second moments of each state, in standardised units."""
    n_states, n_units = mean.shape
    posterior = posterior.astype(data.values.dtype)

    def columns(weight: Array, values: Array, complete: Array) -> dict[str, Array]:
        weight = jnp.where(complete, weight, 0)
        shares = (weight[:, None] * values).reshape(n_states * n_units, -1)
        second = (shares @ values.T).reshape(n_states, n_units, n_units)
        return {"weight": weight.sum(1), "first": weight @ values.T, "second": second}

    chunk = column_chunk(n_states * n_units // 2)
    total = sum_columns(columns, posterior.T, (data.values, data.complete), chunk)
    if not data.groups:
        return total
    whitener, _ = sound_factor(covariance)
    precision = jnp.swapaxes(whitener, 1, 2) @ whitener
    for group in data.groups:

        def block(missing: Array, index: Array) -> dict[str, Array]:
            weight = posterior.at[index].get(mode="fill", fill_value=0)
            residual = _gather(data, index)[:, :, None] - mean
            filled, gap, _ = conditionals(missing, residual, precision)
            filled = (filled + mean).reshape(-1, n_states, n_units)
            select = jax.nn.one_hot(missing, n_units, dtype=mean.dtype)
            gap = gap * weight.sum(1)[:, None, None, :]
            spread = jnp.einsum("nijk,njd->nidk", gap, select)
            weight = weight.reshape(-1, n_states)
            return {
                "weight": weight.sum(0),
                "first": jnp.einsum("nk,nki->ki", weight, filled),
                "second": jnp.einsum("nki,nkj->kij", weight[:, :, None] * filled, filled)
                + jnp.einsum("nic,nidk->kcd", select, spread),
            }

        width = block_width(group, n_states, n_units)
        total = jax.tree.map(
            jnp.add, total, over_blocks(block, (group.missing, group.rows), width, accumulate=True)
        )
    return total


def dense_prediction(
    mean: Float[Array, "state unit"],
    covariance: Float[Array, "state unit unit"],
    probability: Float[Array, "time state"],
    data: DenseData,
    conditional: bool,
) -> tuple[Float[Array, "time unit"], Float[Array, "time unit"]]:
    """Mixture mean and variance of every entry in standardised units; missing ones conditionally."""
    n_states, n_units = mean.shape
    variance = jnp.diagonal(covariance, axis1=1, axis2=2)
    middle = mean.mean(0)
    expected = probability @ (mean - middle)
    second = probability @ (variance + (mean - middle) ** 2)
    if data.groups and conditional:
        whitener = _factors(mean, covariance, data).whitener
        precision = jnp.swapaxes(whitener, 1, 2) @ whitener
    for group in data.groups if conditional else ():

        def block(missing: Array, index: Array) -> tuple[Array, Array]:
            weight = probability.at[index].get(mode="fill", fill_value=0)
            residual = _gather(data, index)[:, :, None] - mean
            filled, gap, _ = conditionals(missing, residual, precision)
            select = jax.nn.one_hot(missing, n_units, dtype=mean.dtype)
            absent = select.sum(1)[:, None, None, :] > 0
            centre = jnp.where(absent, filled, 0) + mean - middle
            spread = jnp.diagonal(gap, axis1=1, axis2=2) @ select
            spread = jnp.where(absent, spread[:, None], variance)
            return (
                jnp.einsum("nbk,nbkd->nbd", weight, centre),
                jnp.einsum("nbk,nbkd->nbd", weight, spread + centre**2),
            )

        width = block_width(group, n_states, n_units)
        first_rows, second_rows = over_blocks(block, (group.missing, group.rows), width, accumulate=False)
        where = group.rows.reshape(-1)
        expected = expected.at[where].set(first_rows.reshape(-1, n_units), mode="drop")
        second = second.at[where].set(second_rows.reshape(-1, n_units), mode="drop")
    return expected + middle, jnp.maximum(second - expected**2, 0)
