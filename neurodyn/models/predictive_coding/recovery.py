"""Parameter recovery and simulation-based calibration of predictive-coding networks, a call each."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import scipy.stats
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding.sampling import Environment
from neurodyn.models.predictive_coding.network import PredictiveCodingNetwork
from neurodyn.models.predictive_coding.parts import LogNormal, Normal

BINS = 10


def recover(
    network: PredictiveCodingNetwork,
    *,
    n_participants: int,
    n_time: int,
    key: int,
    inputs: xr.Dataset | None = None,
    environment: Environment | None = None,
    population: Mapping[str, Normal | LogNormal] | None = None,
) -> xr.Dataset:
    r"""Draw participants, simulate them, fit them, and compare.

    .. math:: \theta_i \sim p(\theta), \qquad y_i \sim p(y \mid \theta_i), \qquad
        \hat\theta_i = \arg\max_\theta p(\theta \mid y_i)

    Parameters
    ----------
    network : PredictiveCodingNetwork
        The network; its priors are those of the fit.
    n_participants, n_time : int
        Participants, and trials of each.
    key : int
        Seed.
    inputs : xr.Dataset, optional
        Recording whose covariates every participant is shown.
    environment : callable, optional
        What answers to responses, as in `simulate`.
    population : mapping of str to Normal or LogNormal, optional
        What the true parameters are drawn from, by name; by default the network's priors.

    Returns
    -------
    xr.Dataset
        On the unconstrained scale (logarithms of what is above 0) ``true``, ``estimate``, ``deviation`` (posterior, Laplace)
        and ``rank`` (posterior probability below the truth), all ``(participant, parameter)``, and ``correlation``,
        ``slope`` (of the estimate on the truth), ``coverage`` (share of truths in the central 90 per cent) and
        ``uniformity`` (p of a Kolmogorov-Smirnov test of the ranks) by ``parameter``; the coordinate ``scale`` says which
        are logarithms (``"log"``).

    Raises
    ------
    ModelError
        If nothing is learnt, there are fewer than three participants, or the population names an unknown parameter.

    References
    ----------
    Wilson & Collins (2019), eLife 8:e49547, doi:10.7554/eLife.49547. Talts et al. (2018), arXiv:1804.06788.

    Examples
    --------
    >>> from neurodyn.models.predictive_coding import HGF, recover
    >>> found = recover(HGF(2), n_participants=4, n_time=60, key=0)
    >>> found["estimate"].dims
    ('participant', 'parameter')
    """
    plan = network.plan()
    if not plan.names:
        raise ModelError("recover: this network learns no parameter; give one a prior.")
    if n_participants < 3:
        raise ModelError(f"recover: n_participants is {n_participants}; correlations need 3 or more.")
    strange = sorted(set(population or {}) - set(plan.names))
    if strange:
        raise ModelError(
            f"recover: there is no learnt parameter {strange[0]!r}; learnt are {', '.join(plan.names)}."
        )
    moments = [
        population[name].moments if population and name in population else (mean, deviation)
        for name, mean, deviation in zip(plan.names, plan.mean, plan.deviation, strict=True)
    ]
    drawing, simulating, fitting = jax.random.split(jax.random.key(key), 3)
    seed = int(np.asarray(jax.random.bits(drawing)))
    noise = np.random.default_rng(seed).normal(size=(n_participants, len(plan.names)))
    true = noise * [deviation for _, deviation in moments] + [mean for mean, _ in moments]
    labels = [str(number) for number in range(n_participants)]
    own = {
        name: np.exp(true[:, number]) if slot.scale == "log" else true[:, number]
        for number, (name, slot) in enumerate(zip(plan.names, plan.task.slots, strict=True))
    }
    options: dict[str, Any] = {}
    if inputs is not None:
        options["inputs"] = inputs
    if environment is not None:
        options["environment"] = environment
    agents = network.at(own, participants=labels)
    behaviour = agents.simulate(n_time, key=simulating, n_trials=n_participants, **options)
    fit = network.fit(behaviour.drop_vars("expected_mean"), key=fitting)
    order = fit.parameters.sel(participant=[str(one) for one in behaviour["participant"].values])
    estimate = order["individual"].values
    covariance = order["individual_covariance"].values
    deviation = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0))
    rank = scipy.stats.norm.cdf((true - estimate) / np.maximum(deviation, 1e-12))
    slopes = [np.polyfit(true[:, n], estimate[:, n], 1)[0] for n in range(len(plan.names))]
    both = [np.corrcoef(true[:, n], estimate[:, n])[0, 1] for n in range(len(plan.names))]
    pairs = ("participant", "parameter")
    return xr.Dataset(
        {
            "true": (pairs, true),
            "estimate": (pairs, estimate),
            "deviation": (pairs, deviation),
            "rank": (pairs, rank),
            "correlation": ("parameter", both),
            "slope": ("parameter", slopes),
            "coverage": ("parameter", ((rank > 0.05) & (rank < 0.95)).mean(axis=0)),
            "uniformity": ("parameter", [scipy.stats.kstest(column, "uniform").pvalue for column in rank.T]),
        },
        coords={
            "participant": labels,
            "parameter": list(plan.names),
            "scale": ("parameter", [slot.scale for slot in plan.task.slots]),
        },
    )


def calibrate(
    network: PredictiveCodingNetwork,
    *,
    n_participants: int,
    n_time: int,
    key: int,
    inputs: xr.Dataset | None = None,
    environment: Environment | None = None,
) -> xr.Dataset:
    r"""Simulation-based calibration: are posteriors as wide as they should be?

    Participants are drawn from the network's own priors; if posteriors are right, the posterior probability below the
    truth is uniform over participants.

    .. math:: r_i = P(\theta < \theta_i \mid y_i) \sim U(0, 1)

    Parameters
    ----------
    network, n_participants, n_time, key, inputs, environment
        As in `recover`.

    Returns
    -------
    xr.Dataset
        As from `recover`, with ``count`` ``(bin, parameter)``, the histogram of ranks in ten bins.

    Raises
    ------
    ModelError
        As `recover`.

    References
    ----------
    Talts et al. (2018), Validating Bayesian inference algorithms with simulation-based calibration, arXiv:1804.06788.

    Examples
    --------
    >>> from neurodyn.models.predictive_coding import HGF, Normal, calibrate
    >>> network = HGF(2, x1_tonic_volatility=Normal(-3.0, 1.0))
    >>> int(calibrate(network, n_participants=6, n_time=60, key=0)["count"].sum())
    6
    """
    found = recover(
        network, n_participants=n_participants, n_time=n_time, key=key, inputs=inputs, environment=environment
    )
    edges = np.linspace(0, 1, BINS + 1)
    counts = np.stack([np.histogram(column, edges)[0] for column in found["rank"].values.T], axis=1)
    return found.assign(count=(("bin", "parameter"), counts)).assign_coords(bin=(edges[:-1] + edges[1:]) / 2)
