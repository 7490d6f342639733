"""A whole fit: pooled model, starts, and the stages that follow."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neurodyn.inference.glm.design import Design, Weights
from neurodyn.inference.glm.hyper import PriorState, Shape
from neurodyn.inference.glm.loop import run_em
from neurodyn.inference.glm.priors import CouplingPrior, Ridge
from neurodyn.inference.glm.stages import (
    COVARIATE_RIDGE,
    PRODUCTS,
    Outcome,
    Setup,
    finish,
    run_once,
)
from neurodyn.inference.glm.starts import WINDOWS, score_labels, typical_features
from neurodyn.inference.glm.switching import Parameters, Run, Settings
from neurodyn.inference.threads import one_thread

SCREEN, SURVIVORS = 12, 2
STAY = 0.98


def first_transition(n_states: int) -> np.ndarray:
    """A sticky chain."""
    if n_states == 1:
        return np.ones((1, 1))
    matrix = np.full((n_states, n_states), (1 - STAY) / (n_states - 1))
    np.fill_diagonal(matrix, STAY)
    return matrix


def one_state(shape: Shape) -> Shape:
    """The same for a model with one state."""
    allowed = jax.tree.map(lambda leaf: leaf[:, :1], shape.allowed)
    return dataclasses.replace(shape, allowed=allowed)


def flat_parameters(setup: Setup, design: Design) -> Parameters:
    """One state, no couplings: every unit at its mean."""
    dtype = design.targets.dtype
    n_units = design.targets.shape[1]
    shared = np.zeros((design.n_features, 1, n_units))
    shared[-1, 0] = setup.level
    own = np.zeros((design.own_kernel.shape[1], 1, n_units))
    return Parameters(
        jnp.ones(1, dtype),
        jnp.ones((1, 1), dtype),
        Weights(jnp.asarray(shared, dtype), jnp.asarray(own, dtype)),
        jnp.asarray(setup.scale, dtype),
    )


def fit_pooled(setup: Setup, design: Design, settings: Settings, prior: CouplingPrior | None = None) -> Run:
    """The model with one state."""
    state = PriorState(Ridge(1e-4) if prior is None else prior, one_state(setup.shape), COVARIATE_RIDGE)
    return run_em(
        flat_parameters(setup, design),
        design,
        setup.chain,
        setup.family,
        state,
        setup.transition_prior,
        settings,
        stage="pooled",
        n_products=PRODUCTS,
    )


def widened(pooled: Parameters, n_states: int) -> Parameters:
    """The pooled model in every state of a sticky chain."""
    dtype = pooled.transition.dtype
    weights = jax.tree.map(lambda leaf: jnp.repeat(leaf, n_states, axis=1), pooled.weights)
    return Parameters(
        jnp.full(n_states, 1 / n_states, dtype),
        jnp.asarray(first_transition(n_states), dtype),
        weights,
        pooled.scale,
    )


def random_start(key: tuple[int, ...], pooled: Parameters, n_states: int) -> Parameters:
    """The pooled model, its weights disturbed by standard normal numbers of a tenth: a start that knows no states."""
    rng = np.random.default_rng(key)
    wide = widened(pooled, n_states)
    weights = jax.tree.map(
        lambda leaf: leaf + jnp.asarray(0.1 * rng.normal(size=leaf.shape), leaf.dtype), wide.weights
    )
    return wide._replace(weights=weights)


def posterior_of(labels: np.ndarray, valid: np.ndarray, n_states: int, dtype: Any) -> jax.Array:
    """Labels as state probabilities, zero in the padding."""
    table = np.zeros((len(labels), n_states), dtype)
    table[np.arange(len(labels)), labels] = 1
    table[~valid] = 0
    return jnp.asarray(table)


def start_runs(
    key: int, setup: Setup, design: Design, pooled: Parameters, n_starts: int, initialisation: str
) -> list[tuple[Parameters, jax.Array | None]]:
    """Starting parameters, with the state probabilities of the first M-step."""
    dtype = design.targets.dtype
    found: list[tuple[Parameters, jax.Array | None]] = []
    typical = None if initialisation == "random" else typical_features(design)
    for index in range(n_starts):
        if typical is None:
            found.append((random_start((key, index), pooled, setup.n_states), None))
            continue
        length = WINDOWS[index % len(WINDOWS)]
        labels = score_labels(
            (key, index),
            pooled.weights,
            pooled.scale,
            typical,
            design,
            setup.since,
            setup.valid,
            setup.family,
            setup.n_states,
            length,
        )
        found.append(
            (widened(pooled, setup.n_states), posterior_of(labels, setup.valid, setup.n_states, dtype))
        )
    return found


@one_thread()
def fit_all(
    key: int,
    setup: Setup,
    settings: Settings,
    *,
    restarts: int,
    initialisation: str,
    given: Parameters | None,
) -> Outcome:
    """The whole fit.

    Parameters
    ----------
    key : int
        Seed.
    setup : Setup
        The problem.
    settings : Settings
        Stopping rule of every run.
    restarts : int
        Number of starts; of more than two, the two leading after 12 iterations are finished.
    initialisation : str
        ``scores`` or ``random``.
    given : Parameters, optional
        The only start.

    Returns
    -------
    Outcome
        The run with the highest objective.
    """
    kernel = setup.kernel
    design = setup.design_of(given, kernel)
    prior = PriorState(setup.prior, setup.shape, COVARIATE_RIDGE)
    runs: list[Run] = []
    if given is None and setup.n_states == 1:
        runs = [run_once(setup, design, flat_parameters(setup, design), None, settings, prior, "alone")]
    elif given is not None:
        runs = [run_once(setup, design, given, None, settings, prior, "given")]
    else:
        pooled = fit_pooled(setup, design, dataclasses.replace(settings, max_iterations=12))
        if pooled.interrupted:
            raise KeyboardInterrupt
        starts = start_runs(key, setup, design, pooled.parameters, restarts, initialisation)
        runs, prior = finished(setup, design, starts, settings)
    best = max(runs, key=lambda run: run.objective[-1] if run.objective else -np.inf)
    if any(run.interrupted for run in runs):
        best = dataclasses.replace(best, interrupted=True)
    outcome = Outcome(best, runs, prior, design, kernel)
    try:
        finish(key, setup, settings, outcome)
    except KeyboardInterrupt:
        outcome.best = dataclasses.replace(outcome.best, interrupted=True)
    return outcome


def finished(
    setup: Setup, design: Design, starts: list[tuple[Parameters, jax.Array | None]], settings: Settings
) -> tuple[list[Run], PriorState]:
    """Every start a few iterations, the leaders to the end."""
    screen = len(starts) > SURVIVORS
    runs, priors = [], []
    short = dataclasses.replace(settings, max_iterations=min(SCREEN, settings.max_iterations))
    for index, (start, posterior) in enumerate(starts):
        prior = PriorState(setup.prior, setup.shape, COVARIATE_RIDGE)
        runs.append(
            run_once(setup, design, start, posterior, short if screen else settings, prior, f"start {index}")
        )
        priors.append(prior)
        if runs[-1].interrupted:
            break
    if screen and not runs[-1].interrupted and settings.max_iterations > SCREEN:
        order = np.argsort(
            [-(run.objective[-1] if run.objective else -np.inf) for run in runs], kind="stable"
        )
        rest = dataclasses.replace(settings, max_iterations=settings.max_iterations - SCREEN)
        for index in order[:SURVIVORS]:
            if runs[index].converged:
                continue
            before = runs[index]
            after = run_once(setup, design, before.parameters, None, rest, priors[index], f"finish {index}")
            after.objective = before.objective[:-1] + after.objective  # they meet in the same parameters
            runs[index] = after
            if after.interrupted:
                break
    scores = [run.objective[-1] if run.objective else -np.inf for run in runs]
    return runs, priors[int(np.argmax(scores))]
