"""A whole fit: pooled model, starts, expectation-maximisation with missing regressors, and the one-hot stage."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neurodyn.inference.em import TransitionPrior
from neurodyn.inference.glm.design import Design, Weights, with_longer_chunks
from neurodyn.inference.glm.families import Family
from neurodyn.inference.glm.hyper import PriorState, Shape
from neurodyn.inference.glm.kernels import kernel_step
from neurodyn.inference.glm.loop import run_em
from neurodyn.inference.glm.one_hot import Expansion, OneHot, fit_one_hot
from neurodyn.inference.glm.passes import exact_curvature
from neurodyn.inference.glm.priors import CouplingPrior, OneHotPrior, Ridge
from neurodyn.inference.glm.starts import WINDOWS, score_labels
from neurodyn.inference.glm.switching import Chain, Parameters, Run, Settings
from neurodyn.inference.threads import one_thread

PRODUCTS, PRODUCTS_ALONE = 5, 25
SCREEN, SURVIVORS = 12, 2
STAY = 0.98
ROUNDS = 3
KERNEL_TURNS = 12
CURVATURE_CHUNKS = 16
COVARIATE_RIDGE = 1e-6


@dataclasses.dataclass(frozen=True)
class Setup:
    """Everything that stays the same during a fit.

    Parameters
    ----------
    design_of : callable
        Design for given parameters and kernel: missing regressors are replaced by their predictions (None: by means).
    kernel : ndarray
        Basis functions of the coupling, where a learnt one begins.
    learns_kernel : bool
        Whether the fit changes the kernel.
    incomplete : bool
        Whether any regressor is missing, so that the design changes with the parameters.
    chain : Chain
        The flat time axis.
    since, valid : ndarray
        Bins since the trial's first; False in the padding.
    family : Family
        Observation model.
    prior : CouplingPrior
        On the couplings.
    transition_prior : TransitionPrior
        On the chain.
    shape : Shape
        Which weights are free.
    n_states : int
        Number of states.
    scale : ndarray
        Where the units' scales begin.
    level : ndarray
        Linear predictor of every unit's mean.
    """

    design_of: Callable[[Parameters | None, np.ndarray], Design]
    kernel: np.ndarray
    learns_kernel: bool
    incomplete: bool
    chain: Chain
    since: np.ndarray
    valid: np.ndarray
    family: Family
    prior: CouplingPrior
    transition_prior: TransitionPrior
    shape: Shape
    n_states: int
    scale: np.ndarray
    level: np.ndarray


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
        n_products=PRODUCTS_ALONE,
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


def random_start(key: int, pooled: Parameters, n_states: int) -> Parameters:
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


@dataclasses.dataclass
class Outcome:
    """All runs, the best of them, and what the one-hot stage found."""

    best: Run
    runs: list[Run]
    prior: PriorState
    design: Design
    kernel: np.ndarray
    one_hot: OneHot | None = None


def start_runs(
    key: int, setup: Setup, design: Design, pooled: Parameters, n_starts: int, initialisation: str
) -> list[tuple[Parameters, jax.Array | None]]:
    """Starting parameters, with the state probabilities of the first M-step."""
    dtype = design.targets.dtype
    found: list[tuple[Parameters, jax.Array | None]] = []
    for index in range(n_starts):
        if initialisation == "random":
            found.append((random_start(key + index, pooled, setup.n_states), None))
            continue
        length = WINDOWS[index % len(WINDOWS)]
        labels = score_labels(
            key + index,
            pooled.weights,
            pooled.scale,
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


def run_once(
    setup: Setup,
    design: Design,
    start: Parameters,
    posterior: jax.Array | None,
    settings: Settings,
    prior: PriorState,
    stage: str,
) -> Run:
    """Expectation-maximisation from one start on one design."""
    return run_em(
        start,
        design,
        setup.chain,
        setup.family,
        prior,
        setup.transition_prior,
        settings,
        stage=stage,
        posterior=posterior,
        n_products=PRODUCTS if setup.n_states > 1 else PRODUCTS_ALONE,
    )


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
    if setup.learns_kernel and not best.interrupted:
        best, kernel = with_learnt_kernel(setup, design, best, settings, prior)
    if setup.incomplete and not best.interrupted:
        for turn in range(ROUNDS):
            design = setup.design_of(best.parameters, kernel)
            best = run_once(setup, design, best.parameters, None, settings, prior, f"filled {turn}")
            if best.interrupted:
                break
    outcome = Outcome(best, runs, prior, design, kernel)
    if isinstance(setup.prior, OneHotPrior) and not best.interrupted:
        outcome = harden(key, setup, setup.prior, outcome, settings)
    return outcome


def with_learnt_kernel(
    setup: Setup, design: Design, best: Run, settings: Settings, prior: PriorState
) -> tuple[Run, np.ndarray]:
    """Steps on the kernel and runs with it in turn, as long as the objective rises."""
    kernel = setup.kernel
    for turn in range(KERNEL_TURNS):
        weight = best.posterior * jnp.asarray(setup.chain.valid, best.posterior.dtype)[:, None]
        parameters = best.parameters
        moved, weights = kernel_step(
            kernel, parameters.weights, parameters.scale, design, weight, setup.family
        )
        start = parameters._replace(weights=weights)
        changed = setup.design_of(start, moved)
        run = run_once(setup, changed, start, None, settings, prior, f"kernel {turn}")
        if run.interrupted or not run.objective:
            return dataclasses.replace(best, interrupted=run.interrupted), kernel
        gain = run.objective[-1] - best.objective[-1]
        if gain <= 0:
            break
        run.objective = [*best.objective, run.objective[-1]]
        best, kernel, design = run, moved, changed
        if gain < settings.tolerance * float(setup.valid.sum()):
            break
    return best, kernel


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
            after.objective = before.objective + after.objective
            runs[index] = after
            if after.interrupted:
                break
    scores = [run.objective[-1] if run.objective else -np.inf for run in runs]
    return runs, priors[int(np.argmax(scores))]


def harden(key: int, setup: Setup, prior: OneHotPrior, outcome: Outcome, settings: Settings) -> Outcome:
    """One-hot categories around the Gaussian fit, then the weights of present couplings without shrinkage."""
    design, run = outcome.design, outcome.best
    shape, inside = setup.shape, setup.shape.n_coupling
    parameters = run.parameters
    posterior = run.posterior * jnp.asarray(setup.chain.valid, run.posterior.dtype)[:, None]
    # Every chunk adds to all matrices, so that there should be few.
    few = with_longer_chunks(design, CURVATURE_CHUNKS)
    gradient, curvature = exact_curvature(
        parameters.weights, parameters.scale, few, posterior, family=setup.family
    )
    centre, slope = (jnp.transpose(leaf, (1, 2, 0)) for leaf in (parameters.weights.shared, gradient.shared))
    expansion = Expansion(centre, slope, curvature)
    deviation = standard_errors(np.asarray(curvature), inside, prior.deviation)
    allowed = np.asarray(shape.allowed.shared)[: shape.n_units, 0].T
    tied = np.asarray(shape.tied.shared)[inside:, 0, 0] > 0
    found = fit_one_hot(jax.random.key(key), expansion, deviation, allowed, tied, prior, shape.n_functions)
    refitted, categories = run, found
    kept = np.asarray(found.weights)
    for turn in range(2):  # a refitted weight of the wrong sign is no connection of that kind
        support = (np.abs(kept[:, :, :inside]) > 0).transpose(2, 0, 1)
        free = np.asarray(shape.allowed.shared).copy()
        free[:inside] *= support
        narrow = dataclasses.replace(
            shape, allowed=Weights(jnp.asarray(free, run.posterior.dtype), shape.allowed.own)
        )
        hard = PriorState(Ridge(0.0), narrow, COVARIATE_RIDGE)
        shared = jnp.asarray(kept.transpose(2, 0, 1), run.posterior.dtype)
        start = parameters._replace(weights=Weights(shared, parameters.weights.own))
        refitted = run_once(setup, design, start, posterior, settings, hard, f"refit {turn}")
        if refitted.interrupted:
            break
        fresh = np.asarray(refitted.parameters.weights.shared).transpose(1, 2, 0)
        sign = np.concatenate([categories.chance.argmax(axis=-1) - 1] * shape.n_functions, axis=-1)
        wrong = (fresh[:, :, :inside] * sign < 0) & support.transpose(1, 2, 0)
        if not wrong.any() or shape.n_functions > 1:
            break
        kept = fresh.copy()
        kept[:, :, :inside][wrong] = 0
        parameters = refitted.parameters
    return dataclasses.replace(outcome, best=refitted, one_hot=categories)


def standard_errors(curvature: np.ndarray, inside: int, deviation: float) -> np.ndarray:
    """Posterior standard deviations of the coupling weights, ``(state, unit, coupling)``."""
    n_features = curvature.shape[-1]
    prior = np.zeros(n_features)
    prior[:inside] = 1 / deviation**2
    prior[inside:] = 1e-3
    found = np.empty((*curvature.shape[:2], inside))
    for state, rows in enumerate(curvature):
        for unit, matrix in enumerate(rows):
            inverse = np.linalg.inv(matrix.astype(float) + np.diag(prior))
            found[state, unit] = np.sqrt(np.maximum(np.diagonal(inverse)[:inside], 0))
    return found
