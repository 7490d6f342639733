"""From a prior on couplings to the quadratic penalty of the current step, and its learnt spread."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from neurodyn.inference.glm.design import Weights
from neurodyn.inference.glm.newton import Spectrum
from neurodyn.inference.glm.penalty import Penalty
from neurodyn.inference.glm.priors import CouplingPrior, GaussianPrior, GroupLasso, OneHotPrior, Ridge

NEAR_ZERO = 1e-4  # norm of a group, relative to the largest, that counts as absent
LEAST_DEVIATION = 1e-3


@dataclasses.dataclass
class Shape:
    """Which features the prior is about, and how the weights are bound.

    Parameters
    ----------
    n_functions, n_units, n_covariates : int
        Sizes of the shared features: functions x units, covariates, bias.
    allowed : Weights
        1 where a weight may differ from zero.
    tied : Weights
        1 where it is one for all states.
    n_observed : ndarray, (N,)
        Observed bins of every unit.
    """

    n_functions: int
    n_units: int
    n_covariates: int
    allowed: Weights
    tied: Weights
    n_observed: np.ndarray

    @property
    def n_coupling(self) -> int:
        """Number of coupling features."""
        return self.n_functions * self.n_units


class PriorState:
    """The prior at one moment of a fit: hyperparameters, what was learnt of them, and the penalty they make.

    Parameters
    ----------
    prior : CouplingPrior
        Hyperparameters.
    shape : Shape
        What it is about.
    covariate_ridge : float
        Precision of the covariates' weights per observed bin, for rank-deficient covariates.
    """

    def __init__(self, prior: CouplingPrior, shape: Shape, covariate_ridge: float) -> None:
        self.prior, self.shape, self.covariate_ridge = prior, shape, covariate_ridge
        learns = isinstance(prior, GaussianPrior)
        self.deviation = self._number(prior.deviation, 1 / 3) if learns else 1 / 3
        if isinstance(prior, OneHotPrior):
            self.deviation = prior.deviation
        self.mean_deviation = self._number(prior.mean_deviation, 1.0) if learns else None
        self.group_norms: Weights | None = None

    @staticmethod
    def _number(value: float | str | None, start: float) -> float | None:
        """The number itself, or where learning begins."""
        return start if value == "learnt" else value  # type: ignore[return-value]

    def penalty(self, weights: Weights) -> Penalty:
        """Penalty at the current hyperparameters, majorising a group lasso at `weights`."""
        shape, dtype = self.shape, weights.shared.dtype
        n_states = weights.shared.shape[1]
        observed = jnp.asarray(np.maximum(shape.n_observed, 1), dtype)
        precision = jax.tree.map(jnp.zeros_like, weights)
        pooled = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[:, :1]), weights)
        inside = shape.n_coupling
        stop = inside + shape.n_covariates
        shared, own = precision
        shared = shared.at[inside:stop].set(self.covariate_ridge * observed)
        prior = self.prior
        if isinstance(prior, Ridge):
            # Of nothing at all a rounding error is left, so that perfectly correlated regressors have an answer.
            level = max(prior.strength, 1e-7) * observed
            shared, own = shared.at[:inside].set(level), own + level
        elif isinstance(prior, GroupLasso):
            norms = self._norms(weights)
            floor = 1e-6 * jnp.maximum(
                jnp.maximum(norms.shared.max(initial=0.0), norms.own.max(initial=0.0)), 1e-3
            )
            level = prior.strength * observed
            root = np.sqrt(max(shape.n_functions, 1))
            coupling = level * root / jnp.maximum(norms.shared, floor)
            shared = shared.at[:inside].set(jnp.tile(coupling, (shape.n_functions, 1, 1)))
            if weights.own.shape[0]:
                own = own + level * np.sqrt(weights.own.shape[0]) / jnp.maximum(norms.own, floor)
        elif isinstance(prior, (GaussianPrior, OneHotPrior)):
            tightness = 1 / float(self.deviation or 1 / 3) ** 2
            coupled = jnp.zeros_like(pooled.shared).at[:inside].set(tightness)
            pooled = Weights(coupled, jnp.full_like(pooled.own, tightness))
            if self.mean_deviation is not None:
                # The mean over states has this precision once, not once a state.
                about = 1 / self.mean_deviation**2 / n_states
                shared, own = shared.at[:inside].set(about), own + about
        return Penalty(
            Weights(shared, own), jax.tree.map(jnp.zeros_like, weights), pooled, shape.allowed, shape.tied
        )

    def _norms(self, weights: Weights) -> Weights:
        """Norm of every group: ``(source, state, unit)`` and ``(1, state, unit)``."""
        shape = self.shape
        grid = weights.shared[: shape.n_coupling].reshape(
            shape.n_functions, shape.n_units, *weights.shared.shape[1:]
        )
        return Weights(jnp.sqrt((grid**2).sum(axis=0)), jnp.sqrt((weights.own**2).sum(axis=0, keepdims=True)))

    def log_prior(self, weights: Weights) -> float:
        """What of the log prior the penalty made at these weights does not say: normalisers of learnt deviations.

        The penalty that majorises a group lasso is half of it where it was made; the other half is said here.
        """
        prior, shape = self.prior, self.shape
        if isinstance(prior, GroupLasso):
            norms, observed = self._norms(weights), np.maximum(shape.n_observed, 1)
            total = np.sqrt(max(shape.n_functions, 1)) * (np.asarray(norms.shared, float) * observed).sum()
            total += np.sqrt(weights.own.shape[0]) * (np.asarray(norms.own, float) * observed).sum()
            return -0.5 * float(total) * prior.strength
        total = 0.0
        if isinstance(prior, GaussianPrior):
            pairs = self._n_pairs()
            if prior.deviation == "learnt" and self.deviation is not None:
                total -= (weights.shared.shape[1] - 1) * pairs * float(np.log(self.deviation))
            if prior.mean_deviation == "learnt" and self.mean_deviation is not None:
                total -= pairs * float(np.log(self.mean_deviation))
        return total

    def _n_pairs(self) -> int:
        """Number of coupling and history weights of one state."""
        allowed = self.shape.allowed
        return int(
            np.asarray(allowed.shared)[: self.shape.n_coupling, 0].sum() + np.asarray(allowed.own)[:, 0].sum()
        )

    def learn(self, weights: Weights, spectrum: Spectrum, average: jax.Array) -> None:
        """Re-estimate learnt deviations: squares about their centre plus the posterior variance of the weights."""
        prior = self.prior
        if not isinstance(prior, GaussianPrior) or "learnt" not in (prior.deviation, prior.mean_deviation):
            return
        n_states = weights.shared.shape[1]
        inside = self.shape.n_coupling
        allowed = np.asarray(self.shape.allowed.shared, float)[:inside, :1]
        leaf = np.asarray(weights.shared, float)[:inside]
        tightness = 1 / float(self.deviation or 1) ** 2 if n_states > 1 else 0.0
        about = 0.0 if self.mean_deviation is None else 1 / self.mean_deviation**2
        values, vectors = np.asarray(spectrum.values, float), np.asarray(spectrum.vectors, float)
        curve = np.asarray(average, float)
        variance = np.stack(
            [
                (vectors[s, :inside] ** 2) @ (1 / (values[s][:, None] * curve[s] + tightness + about + 1e-9))
                for s in range(n_states)
            ],
            axis=1,
        )
        mean = leaf.mean(axis=1, keepdims=True)
        if prior.deviation == "learnt" and n_states > 1:
            squares = (((leaf - mean) ** 2 + variance * (n_states - 1) / n_states) * allowed).sum()
            found = np.sqrt(squares / max((n_states - 1) * allowed.sum(), 1))
            self.deviation = float(max(found, LEAST_DEVIATION))
        if prior.mean_deviation == "learnt":
            squares = ((mean**2 + variance.mean(axis=1, keepdims=True) / n_states) * allowed).sum()
            self.mean_deviation = float(max(np.sqrt(squares / max(allowed.sum(), 1)), LEAST_DEVIATION))

    def sparsified(self, weights: Weights) -> Weights:
        """Groups that a group lasso has driven towards zero set to zero."""
        if not self.prior.sparse or isinstance(self.prior, OneHotPrior):
            return weights
        shape, norms = self.shape, self._norms(weights)
        least = NEAR_ZERO * jnp.maximum(
            jnp.maximum(norms.shared.max(initial=0.0), norms.own.max(initial=0.0)), 1e-3
        )
        kept = jnp.tile(norms.shared > least, (shape.n_functions, 1, 1))
        shared = weights.shared.at[: shape.n_coupling].multiply(kept)
        return Weights(shared, jnp.where(norms.own > least, weights.own, 0))
