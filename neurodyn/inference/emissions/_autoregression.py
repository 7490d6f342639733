"""Log-likelihood and statistics of a regression on the preceding bins, in standardised units."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.emissions._conditional import block_width, conditionals, over_blocks
from neurodyn.inference.emissions._covariance import inverse_factor
from neurodyn.inference.emissions._standardise import (
    MissingGroup,
    bucket,
    centre_and_scale,
    missing_groups,
    standardise,
)
from neurodyn.inference.emissions._time import chunk_length, map_time, sum_time
from neurodyn.inference.emissions.base import as_mask, working_dtype


class AutoregressiveData(eqx.Module):
    """Standardised observations with their history.

    `usable` bins have all their predecessors inside the trial; `complete` ones are usable and
    wholly observed. Bins with a missing predecessor are listed in `uncertain` (padded with the
    number of bins), never in `groups` or `complete`; their history holds expectations, and
    `history_variance` says how sure these are.
    """

    values: Float[Array, "time unit"]
    mask: Bool[Array, "time unit"]
    history: Float[Array, "time regressor"]
    history_variance: Float[Array, "uncertain regressor"] | None
    start: Bool[Array, " time"]
    usable: Bool[Array, " time"]
    complete: Bool[Array, " time"]
    uncertain: Int[Array, " uncertain"] | None
    centre: Float[Array, " unit"]
    scale: Float[Array, " unit"]
    groups: tuple[MissingGroup, ...]


class Regression(eqx.Module):
    """Parameters in standardised units: `x_t = coefficients [history, 1] + noise`."""

    coefficients: Float[Array, "state unit regressor"]
    covariance: Float[Array, "state unit unit"]


def prepare_autoregression(
    values: np.ndarray,
    mask: np.ndarray,
    start: np.ndarray,
    order: int,
    reference: tuple[np.ndarray, np.ndarray] | None = None,
) -> AutoregressiveData:
    """Standardise (by `reference`, or by the data), stack the history, and list the bins which miss part of it."""
    mask, start = as_mask(mask), np.asarray(start, bool)
    dtype = working_dtype(np.asarray(values))
    centre, scale = centre_and_scale(values, mask) if reference is None else reference
    standard = standardise(values, mask, centre, scale, dtype)
    n_bins, n_units = mask.shape
    first = np.maximum.accumulate(np.where(start, np.arange(n_bins), 0))
    usable = np.arange(n_bins) - first >= order
    carried, drift = _carry_forward(standard, mask, first)
    history = np.zeros((n_bins, order * n_units), dtype)
    known = np.ones(n_bins, bool)
    for lag in range(1, order + 1):
        history[lag:, (lag - 1) * n_units : lag * n_units] = carried[:-lag]
        known[lag:] &= mask[:-lag].all(axis=1)
    history[~usable] = 0
    unsure = np.flatnonzero(usable & ~known)
    padded = np.full(bucket(len(unsure)), n_bins)
    padded[: len(unsure)] = unsure
    variance = np.zeros((len(padded), history.shape[1]), dtype)
    for lag in range(1, order + 1):
        lost = ~mask[unsure - lag]
        variance[: len(unsure), (lag - 1) * n_units : lag * n_units] = lost * drift
    return AutoregressiveData(
        values=jnp.asarray(standard),
        mask=jnp.array(mask),
        history=jnp.asarray(history),
        history_variance=jnp.asarray(variance) if len(unsure) else None,
        start=jnp.array(start),
        usable=jnp.asarray(usable),
        complete=jnp.asarray(usable & known & mask.all(axis=1)),
        uncertain=jnp.asarray(padded, jnp.int32) if len(unsure) else None,
        centre=jnp.asarray(centre, dtype),
        scale=jnp.asarray(scale, dtype),
        groups=missing_groups(mask & (usable & known)[:, None]),
    )


def _carry_forward(
    standard: np.ndarray, mask: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Missing entries replaced by the trial's last observed value, and what that errs by (mean square)."""
    n_bins = len(standard)
    latest = np.maximum.accumulate(np.where(mask, np.arange(n_bins)[:, None], -1), axis=0)
    inside = latest >= first[:, None]
    carried = np.where(inside, np.take_along_axis(standard, np.maximum(latest, 0), axis=0), 0)
    both = mask[1:] & mask[:-1] & (first[1:] == first[:-1])[:, None]
    steps = np.where(both, standard[1:].astype(float) - standard[:-1], 0)
    drift = np.where(both.any(axis=0), (steps**2).sum(axis=0) / np.maximum(both.sum(axis=0), 1), 1.0)
    return carried.astype(standard.dtype), np.minimum(drift, 1.0)


def regress(history: Array, coefficients: Float[Array, "state unit regressor"]) -> Array:
    """Predicted observation of every state from histories (..., regressor): (..., state, unit)."""
    return jnp.einsum("...r,kdr->...kd", history, coefficients[:, :, :-1]) + coefficients[:, :, -1]


def regression_log_likelihood(regression: Regression, data: AutoregressiveData) -> Float[Array, "time state"]:
    """log p(observed entries | history, state); zero where the trial is too young."""
    coefficients, covariance = regression.coefficients, regression.covariance
    n_states, n_units = coefficients.shape[:2]
    whitener, log_det = inverse_factor(covariance)
    joined = jnp.concatenate([whitener, -whitener @ coefficients], axis=2)
    wide = jnp.moveaxis(joined, 2, 0).reshape(joined.shape[2], -1)
    pool = jnp.repeat(jnp.eye(n_states, dtype=wide.dtype), n_units, axis=0)
    log_scale = jnp.log(data.scale)
    constant = -0.5 * (n_units * jnp.log(2 * jnp.pi) + log_det) - log_scale.sum()

    def rows(values: Array, history: Array, complete: Array) -> Array:
        residual = values @ wide[:n_units] + history @ wide[n_units:-1] + wide[-1]
        return jnp.where(complete[:, None], constant - 0.5 * (jnp.square(residual) @ pool), 0)

    arrays = (data.values, data.history, data.complete)
    result = map_time(rows, arrays, len(data.values), chunk_length(n_states * n_units))
    precision = jnp.swapaxes(whitener, 1, 2) @ whitener
    for group in data.groups:

        def block(missing: Array, index: Array) -> Array:
            residual = _residuals(data, index, coefficients)
            filled, _, log_det_gap = conditionals(missing, residual, precision)
            squares = jnp.square(jnp.einsum("kij,nbkj->nbki", whitener, filled)).sum(-1)
            lost = log_scale.at[missing].get(mode="fill", fill_value=0).sum(1)
            lost = lost + 0.5 * jnp.log(2 * jnp.pi) * (missing < n_units).sum(1)
            return (constant + lost[:, None] - 0.5 * log_det_gap)[:, None] - 0.5 * squares

        values = over_blocks(
            block, (group.missing, group.rows), block_width(group, n_states, n_units), accumulate=False
        )
        result = result.at[group.rows.reshape(-1)].set(values.reshape(-1, n_states), mode="drop")
    if data.uncertain is None:
        return result

    def unsure(row: tuple[Array, Array]) -> Array:
        index, variance = row
        values, mask, history = data.values[index], data.mask[index], data.history[index]
        slopes = coefficients[:, :, :-1]
        inflated = covariance + jnp.einsum("kir,r,kjr->kij", slopes, variance, slopes)
        both = mask[:, None] & mask
        inflated = jnp.where(both, inflated, jnp.eye(n_units, dtype=values.dtype))
        root, log_det_row = inverse_factor(inflated)
        residual = jnp.where(mask, values - regress(history, coefficients), 0)
        squares = jnp.square(jnp.einsum("kij,kj->ki", root, residual)).sum(1)
        return -0.5 * (squares + log_det_row) - mask @ (0.5 * jnp.log(2 * jnp.pi) + log_scale)

    unsure_rows = jax.lax.map(unsure, (data.uncertain, data.history_variance), batch_size=64)
    return result.at[data.uncertain].set(unsure_rows, mode="drop")


def regression_moments(
    posterior: Float[Array, "time state"], regression: Regression, data: AutoregressiveData
) -> dict[str, Array]:
    """Expected weight and second moments of [observation, history, 1] of each state.

    An expected history given the past alone predicts without bias, so it enters as if it had
    been observed; the variance it adds to the residual, `A diag(v) A'`, is taken out again.
    """
    coefficients = regression.coefficients
    n_states, n_units = coefficients.shape[:2]
    posterior = posterior.astype(data.values.dtype)
    size = n_units + coefficients.shape[2]

    def moments(joined: Array, weight: Array) -> dict[str, Array]:
        wide = (weight[:, :, None] * joined[:, None, :]).reshape(-1, n_states * size)
        second = (joined.T @ wide).reshape(size, n_states, size)
        return {"weight": weight.sum(0), "second": jnp.moveaxis(second, 1, 0)}

    def rows(values: Array, history: Array, complete: Array, weight: Array) -> dict[str, Array]:
        joined = jnp.concatenate([values, history, jnp.ones_like(values[:, :1])], axis=1)
        return moments(joined, jnp.where(complete[:, None], weight, 0))

    arrays = (data.values, data.history, data.complete, posterior)
    total = sum_time(rows, arrays, len(data.values), chunk_length(n_states * size))
    whitener, _ = inverse_factor(regression.covariance)
    precision = jnp.swapaxes(whitener, 1, 2) @ whitener
    for group in data.groups:

        def block(missing: Array, index: Array) -> dict[str, Array]:
            weight = posterior.at[index].get(mode="fill", fill_value=0)
            history = data.history.at[index].get(mode="fill", fill_value=0)
            filled, gap, _ = conditionals(missing, _residuals(data, index, coefficients), precision)
            filled = filled + regress(history, coefficients)
            select = jax.nn.one_hot(missing, n_units, dtype=filled.dtype)
            gap = gap * weight.sum(1)[:, None, None, :]
            spread = jnp.einsum("nic,nidk->kcd", select, jnp.einsum("nijk,njd->nidk", gap, select))
            return _filled_moments(filled, history, weight, spread)

        part = over_blocks(
            block, (group.missing, group.rows), block_width(group, n_states, size), accumulate=True
        )
        total = jax.tree.map(jnp.add, total, part)
    if data.uncertain is None:
        return total

    def unsure(row: Array, variance: Array) -> dict[str, Array]:
        weight = posterior.at[row].get(mode="fill", fill_value=0)
        mask = data.mask.at[row].get(mode="fill", fill_value=True)
        history = data.history.at[row].get(mode="fill", fill_value=0)
        lost = jnp.sort(jnp.where(mask, n_units, jnp.arange(n_units)), axis=1)
        residual = data.values.at[row].get(mode="fill", fill_value=0)[:, None, None] - regress(
            history[:, None], coefficients
        )
        filled, gap, _ = conditionals(lost, residual, precision)
        filled = filled + regress(history[:, None], coefficients)
        select = jax.nn.one_hot(lost, n_units, dtype=filled.dtype)
        gap = gap * weight[:, None, None, :]
        spread = jnp.einsum("nic,nidk->kcd", select, jnp.einsum("nijk,njd->nidk", gap, select))
        result = _filled_moments(filled, history[:, None], weight[:, None], spread)
        seen = mask.astype(filled.dtype)
        moved = seen[:, None, :, None] * coefficients[:, :, :-1]
        excess = jnp.einsum("nk,nkir,nr,nkjr->kij", weight, moved, variance, moved)
        result["second"] = result["second"].at[:, :n_units, :n_units].add(-excess)
        return result

    part = over_blocks(
        unsure, (data.uncertain, data.history_variance), n_states * size * size, accumulate=True
    )
    return jax.tree.map(jnp.add, total, part)


def regression_prediction(
    probability: Float[Array, "time state"],
    regression: Regression,
    data: AutoregressiveData,
    conditional: bool,
) -> tuple[Float[Array, "time unit"], Float[Array, "time unit"]]:
    """Mixture mean and variance of every entry given its history, in standardised units.

    A missing entry is predicted from the entries observed in its bin where its history is
    known. Bins without a full history have mean 0 and variance 1.
    """
    coefficients, covariance = regression.coefficients, regression.covariance
    n_states, n_units = coefficients.shape[:2]
    private = jnp.diagonal(covariance, axis1=1, axis2=2)

    def rows(history: Array, usable: Array, weight: Array) -> tuple[Array, Array]:
        mean = regress(history, coefficients)
        expected = jnp.einsum("tk,tkd->td", weight, mean)
        second = jnp.einsum("tk,tkd->td", weight, mean**2) + weight @ private
        return jnp.where(usable[:, None], expected, 0), jnp.where(usable[:, None], second, 1)

    arrays = (data.history, data.usable, probability)
    expected, second = map_time(rows, arrays, len(data.values), chunk_length(n_states * n_units))
    if data.uncertain is not None:
        slopes = coefficients[:, :, :-1]
        weight = probability.at[data.uncertain].get(mode="fill", fill_value=0)
        extra = jnp.einsum("nk,kdr,nr->nd", weight, slopes**2, data.history_variance)
        second = second.at[data.uncertain].add(extra, mode="drop")
    whitener, _ = inverse_factor(covariance)
    precision = jnp.swapaxes(whitener, 1, 2) @ whitener
    for group in data.groups if conditional else ():

        def block(missing: Array, index: Array) -> tuple[Array, Array]:
            weight = probability.at[index].get(mode="fill", fill_value=0)
            history = data.history.at[index].get(mode="fill", fill_value=0)
            mean = regress(history, coefficients)
            filled, gap, _ = conditionals(missing, _residuals(data, index, coefficients), precision)
            select = jax.nn.one_hot(missing, n_units, dtype=mean.dtype)
            absent = select.sum(1)[:, None, None, :] > 0
            centre = jnp.where(absent, filled + mean, mean)
            spread = jnp.diagonal(gap, axis1=1, axis2=2) @ select
            spread = jnp.where(absent, spread[:, None], private)
            return (
                jnp.einsum("nbk,nbkd->nbd", weight, centre),
                jnp.einsum("nbk,nbkd->nbd", weight, spread + centre**2),
            )

        width = block_width(group, n_states, n_units)
        first_rows, second_rows = over_blocks(block, (group.missing, group.rows), width, accumulate=False)
        where = group.rows.reshape(-1)
        expected = expected.at[where].set(first_rows.reshape(-1, n_units), mode="drop")
        second = second.at[where].set(second_rows.reshape(-1, n_units), mode="drop")
    return expected, jnp.maximum(second - expected**2, 0)


def _residuals(data: AutoregressiveData, index: Array, coefficients: Array) -> Array:
    """Observation minus every state's prediction at bins (block, slot)."""
    values = data.values.at[index].get(mode="fill", fill_value=0)
    history = data.history.at[index].get(mode="fill", fill_value=0)
    return values[:, :, None] - regress(history, coefficients)


def _filled_moments(filled: Array, history: Array, weight: Array, spread: Array) -> dict[str, Array]:
    """Moments of completed observations (block, slot, state, unit) with one history per bin."""
    n_states, n_units = filled.shape[2:]
    fixed = jnp.concatenate([history, jnp.ones_like(history[..., :1])], axis=-1)
    fixed = jnp.broadcast_to(fixed[:, :, None], (*filled.shape[:3], fixed.shape[-1]))
    joined = jnp.concatenate([filled, fixed], axis=-1).reshape(-1, n_states, n_units + fixed.shape[-1])
    weight = weight.reshape(-1, n_states)
    second = jnp.einsum("nki,nkj->kij", weight[:, :, None] * joined, joined)
    second = second.at[:, :n_units, :n_units].add(spread)
    return {"weight": weight.sum(0), "second": second}
