"""Draws from the posteriors of participants, each by itself or all with the population they come from."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.chains import effective_draws, no_u_turn, potential_scale_reduction
from neurodyn.inference.predictive_coding.leaves import gaussian_surprise
from neurodyn.models.predictive_coding import learning
from neurodyn.models.predictive_coding.plans import Plan

if TYPE_CHECKING:
    from neurodyn.models.predictive_coding.fit import PredictiveCodingFit


def sampled(
    fit: "PredictiveCodingFit",
    recording: xr.Dataset,
    key: jax.Array,
    n_draws: int,
    n_warmup: int,
    n_chains: int,
) -> xr.Dataset:
    """Draw from posteriors; see `PredictiveCodingFit.sample`."""
    for name, size, least in (("n_draws", n_draws, 4), ("n_warmup", n_warmup, 20), ("n_chains", n_chains, 1)):
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < least:
            raise ModelError(f"sample: {name} is {size!r}; it must be a whole number, {least} or more.")
    told, plan, behaviour, individual = fit._prepared(recording)
    if not plan.names:
        raise ModelError("sample: this network learns no parameter; give one a prior.")
    covariance = fit.parameters["individual_covariance"].sel(participant=told.labels).values
    deviation = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 1e-6))
    begin, run = jax.random.split(key)
    noise = np.asarray(jax.random.normal(begin, (len(individual), n_chains, len(plan.names))), float)
    start = individual[:, None] + 0.5 * noise * deviation[:, None]
    arguments = {"n_warmup": int(n_warmup), "n_draws": int(n_draws)}
    if fit.model.pooling == "partial":
        return _together(fit, plan, behaviour, told.labels, start, run, arguments)
    data = learning.prepared(plan, behaviour, plan.mean, plan.deviation)
    drawn = no_u_turn(plan.task, jnp.asarray(start, data[0].inputs.dtype), data, run, **arguments)
    return labelled(plan, told.labels, np.asarray(drawn.position, float), np.asarray(drawn.divergent))


def population_density(plan: Plan, n_people: int) -> Any:
    r"""Log posterior of the population and all participants.

    The position holds the population's means m, log-deviations s, and for each participant z with
    :math:`\theta_i = m + e^{s} z_i`, so that narrow populations are no funnel.
    """
    size = len(plan.names)

    def density(position: jax.Array, data: tuple) -> jax.Array:
        centre, width = (jnp.asarray(one, position.dtype) for one in (plan.mean, plan.deviation))
        mean, log_deviation = position[:size], position[size : 2 * size]
        noise = position[2 * size :].reshape(n_people, size)
        free = mean + jnp.exp(log_deviation) * noise
        likelihood = jax.vmap(plan.task.log_likelihood)(free, data).sum()
        prior = gaussian_surprise(mean, centre, 1 / width**2).sum()
        ratio = 2 * (jnp.log(width) - log_deviation)
        spread = 0.5 * learning.PRIOR_COUNT * (jnp.exp(ratio) - ratio).sum()
        return likelihood - prior - spread - gaussian_surprise(noise, jnp.zeros(()), jnp.ones(())).sum()

    return density


def _together(
    fit: "PredictiveCodingFit",
    plan: Plan,
    behaviour: Any,
    labels: list[str],
    start: np.ndarray,
    key: jax.Array,
    arguments: dict[str, int],
) -> xr.Dataset:
    """Population and participants in one chain."""
    size, (n_people, n_chains) = len(plan.names), start.shape[:2]
    data = learning.prepared(plan, behaviour, plan.mean, plan.deviation)[:3]
    mean, deviation = (fit.parameters[f"population_{part}"].values for part in ("mean", "deviation"))
    noise = (start - mean) / deviation
    head = np.concatenate([mean, np.log(deviation)])
    position = np.concatenate(
        [np.broadcast_to(head, (n_chains, 2 * size)), noise.transpose(1, 0, 2).reshape(n_chains, -1)], axis=1
    )
    dtype = data[0].inputs.dtype
    everything = jax.tree.map(lambda leaf: leaf[None], data)
    drawn = no_u_turn(
        population_density(plan, n_people), jnp.asarray(position[None], dtype), everything, key, **arguments
    )
    chains = np.asarray(drawn.position, float)[0]
    means, spreads = chains[..., :size], np.exp(chains[..., size : 2 * size])
    each = chains[..., 2 * size :].reshape(*chains.shape[:2], n_people, size)
    people = (means[:, :, None] + spreads[:, :, None] * each).transpose(2, 0, 1, 3)
    divergent = np.broadcast_to(np.asarray(drawn.divergent), (n_people, n_chains))
    found = labelled(plan, labels, people, divergent)
    where = ("chain", "draw", "parameter")
    return found.assign(population_mean=(where, means), population_deviation=(where, spreads))


def labelled(plan: Plan, labels: list[str], position: np.ndarray, divergent: np.ndarray) -> xr.Dataset:
    """Draws ``(participant, chain, draw, parameter)`` with what tells whether they can be trusted."""
    values = position.copy()
    for number, slot in enumerate(plan.task.slots):
        if slot.scale == "log":
            values[..., number] = np.exp(values[..., number])
    dims = ("participant", "chain", "draw", "parameter")
    return xr.Dataset(
        {
            "individual": (dims, position),
            "value": (dims, values),
            "scale_reduction": (
                ("participant", "parameter"),
                np.stack([potential_scale_reduction(one) for one in position]),
            ),
            "effective_draws": (
                ("participant", "parameter"),
                np.stack([effective_draws(one) for one in position]),
            ),
            "divergent": (("participant", "chain"), divergent),
        },
        coords={"participant": labels, "parameter": list(plan.names)},
    )
