"""Stages of a fit on one design: a run of expectation-maximisation, and what may follow on the best one."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from neurodyn.inference.em import TransitionPrior
from neurodyn.inference.glm.design import Design, Weights, with_longer_chunks
from neurodyn.inference.glm.families import Family
from neurodyn.inference.glm.hyper import PriorState, Shape
from neurodyn.inference.glm.kernels import kernel_step
from neurodyn.inference.glm.loop import run_em
from neurodyn.inference.glm.one_hot import Expansion, OneHot, fit_one_hot
from neurodyn.inference.glm.passes import exact_curvature
from neurodyn.inference.glm.priors import CouplingPrior, OneHotPrior, Ridge
from neurodyn.inference.glm.switching import Chain, Parameters, Run, Settings

PRODUCTS = 25
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


@dataclasses.dataclass
class Outcome:
    """All runs, the best of them, and what the one-hot stage found."""

    best: Run
    runs: list[Run]
    prior: PriorState
    design: Design
    kernel: np.ndarray
    one_hot: OneHot | None = None


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
        n_products=PRODUCTS,
    )


def finish(key: int, setup: Setup, settings: Settings, outcome: Outcome) -> None:
    """What follows on the best run, as far as it is asked for: learnt kernel, missing regressors, one-hot categories."""
    if setup.learns_kernel and not outcome.best.interrupted:
        with_learnt_kernel(setup, outcome, settings)
    for turn in range(ROUNDS if setup.incomplete else 0):
        if outcome.best.interrupted:
            return
        outcome.design = setup.design_of(outcome.best.parameters, outcome.kernel)
        start = outcome.best.parameters
        outcome.best = run_once(setup, outcome.design, start, None, settings, outcome.prior, f"filled {turn}")
    if isinstance(setup.prior, OneHotPrior) and not outcome.best.interrupted:
        harden(key, setup, setup.prior, outcome, settings)


def with_learnt_kernel(setup: Setup, outcome: Outcome, settings: Settings) -> None:
    """Steps on the kernel and runs with it in turn, as long as the objective rises; a step that is too long is halved."""
    length = 1.0
    for turn in range(KERNEL_TURNS):
        best, design = outcome.best, outcome.design
        weight = best.posterior * jnp.asarray(setup.chain.valid, best.posterior.dtype)[:, None]
        parameters = best.parameters
        moved, weights = kernel_step(
            outcome.kernel, parameters.weights, parameters.scale, design, weight, setup.family, length
        )
        start = parameters._replace(weights=weights)
        changed = setup.design_of(start, moved)
        run = run_once(setup, changed, start, None, settings, outcome.prior, f"kernel {turn}")
        if run.interrupted:
            outcome.best = dataclasses.replace(best, interrupted=True)
            return
        gain = run.objective[-1] - best.objective[-1] if run.objective else -np.inf
        if gain <= 0:
            length /= 4
            continue
        run.objective = [*best.objective, run.objective[-1]]
        outcome.best, outcome.kernel, outcome.design = run, moved, changed
        if gain < settings.tolerance * float(setup.valid.sum()):
            return


def harden(key: int, setup: Setup, prior: OneHotPrior, outcome: Outcome, settings: Settings) -> None:
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
    kept = np.asarray(found.weights)
    kinds = np.concatenate([found.chance.argmax(axis=-1) - 1] * shape.n_functions, axis=-1)
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
        outcome.best, outcome.one_hot = refitted, found
        if refitted.interrupted:
            return
        fresh = np.asarray(refitted.parameters.weights.shared).transpose(1, 2, 0)
        wrong = (fresh[:, :, :inside] * kinds < 0) & support.transpose(1, 2, 0)
        if not wrong.any():
            return
        kept = fresh.copy()
        kept[:, :, :inside][wrong] = 0
        parameters = refitted.parameters
        found = found._replace(chance=without(found.chance, kept[:, :, :inside], shape.n_functions))


def without(
    chance: Float[np.ndarray, "state unit source category"],
    weights: Float[np.ndarray, "state unit feature"],
    n_functions: int,
) -> Float[np.ndarray, "state unit source category"]:
    """Probabilities of the categories, certain of none where a connection was dropped."""
    present = np.any(weights.reshape(*weights.shape[:2], n_functions, -1), axis=2)
    dropped = ~present & (chance.argmax(axis=-1) != 1)
    return np.where(dropped[..., None], np.array([0.0, 1.0, 0.0]), chance)


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
