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
LEAST_RIDGE = 1e-7
FIRST_ROUNDING, LAST_ROUNDING = 0.3, 1e-6


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
    covariate_deviation : float, optional
        Of a Gaussian prior on covariates' weights, and on biases about `level` where every state has its own.
    level : ndarray, (N,), optional
        Linear predictor of every unit's mean.
    """

    n_functions: int
    n_units: int
    n_covariates: int
    allowed: Weights
    tied: Weights
    n_observed: np.ndarray
    covariate_deviation: float | None = None
    level: np.ndarray | None = None

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
        self._made: tuple[tuple, Penalty] | None = None
        # A group lasso is rounded at zero by this length, which shrinks with every step: else zero would hold what is there.
        self.rounding = FIRST_ROUNDING if isinstance(prior, GroupLasso) else 0.0

    @staticmethod
    def _number(value: float | str | None, start: float) -> float | None:
        """The number itself, or where learning begins."""
        return start if value == "learnt" else value  # type: ignore[return-value]

    def penalty(self, weights: Weights) -> Penalty:
        """Penalty at the current hyperparameters, majorising a group lasso at `weights`; kept while these stay."""
        now = (self.deviation, self.mean_deviation, weights.shared.shape, weights.shared.dtype)
        if self._made is None or self._made[0] != now or isinstance(self.prior, GroupLasso):
            self._made = (now, self._penalty(weights))
        return self._made[1]

    def _penalty(self, weights: Weights) -> Penalty:
        """The penalty, made on the host."""
        shape, dtype, prior = self.shape, weights.shared.dtype, self.prior
        n_states = weights.shared.shape[1]
        observed = np.maximum(shape.n_observed, 1)
        shared, own = np.zeros(weights.shared.shape, dtype), np.zeros(weights.own.shape, dtype)
        pooled, own_pooled = np.zeros_like(shared[:, :1]), np.zeros_like(own[:, :1])
        inside = shape.n_coupling
        shared[inside : inside + shape.n_covariates] = self.covariate_ridge * observed
        centre = np.zeros((len(shared), 1, shared.shape[2]), dtype)
        if shape.covariate_deviation is not None:
            # A weight that all states share is counted once in each of them.
            tied = np.asarray(shape.tied.shared)[inside:, 0, 0] > 0
            precision = 1 / shape.covariate_deviation**2 / np.where(tied, n_states, 1)
            shared[inside:-1] += precision[:-1, None, None]
            if n_states > 1 and not tied[-1] and shape.level is not None:
                shared[-1], centre[-1] = precision[-1], shape.level
        if isinstance(prior, Ridge):
            # Of nothing at all a rounding error is left, so that perfectly correlated regressors have an answer.
            level = max(prior.strength, LEAST_RIDGE) * observed
            shared[:inside], own[:] = level, level
        elif isinstance(prior, GroupLasso):
            coupling, history = self._norms(weights)
            level = prior.strength * observed
            root = np.sqrt(max(shape.n_functions, 1))
            majorant = level * root / np.hypot(coupling, self.rounding)
            shared[:inside] = np.tile(majorant, (shape.n_functions, 1, 1))
            own[:] = level * np.sqrt(len(own)) / np.hypot(history, self.rounding)
        elif isinstance(prior, (GaussianPrior, OneHotPrior)):
            tightness = 1 / float(self.deviation or 1 / 3) ** 2
            about = 0.0
            if self.mean_deviation is not None:
                # The squares of all states are S times that of their mean, and those of the deviations, taken off again.
                about = 1 / self.mean_deviation**2 / n_states
                shared[:inside], own[:] = about, about
            pooled[:inside], own_pooled[:] = tightness - about, tightness - about
        return Penalty(
            Weights(jnp.asarray(shared), jnp.asarray(own)),
            Weights(jnp.asarray(centre), jnp.zeros((1, 1, 1), dtype)),
            Weights(jnp.asarray(pooled), jnp.asarray(own_pooled)),
            shape.allowed,
            shape.tied,
        )

    def _norms(self, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
        """Norm of every group: ``(source, state, unit)`` and ``(1, state, unit)``."""
        shape = self.shape
        shared, own = (np.asarray(leaf, float) for leaf in weights)
        grid = shared[: shape.n_coupling].reshape(shape.n_functions, shape.n_units, *shared.shape[1:])
        return np.sqrt((grid**2).sum(axis=0)), np.sqrt((own**2).sum(axis=0, keepdims=True))

    @staticmethod
    def _largest(coupling: np.ndarray, history: np.ndarray) -> float:
        """Largest norm, at least a thousandth."""
        return max(float(coupling.max(initial=0.0)), float(history.max(initial=0.0)), 1e-3)

    def log_prior(self, weights: Weights) -> float:
        """What of the log prior the penalty made at these weights does not say: normalisers of learnt deviations.

        The quadratic that majorises a group lasso lies below it by a constant, which is said here.
        """
        prior, shape = self.prior, self.shape
        if isinstance(prior, GroupLasso):
            (coupling, history), observed = self._norms(weights), np.maximum(shape.n_observed, 1)
            rest = [
                root
                * (
                    observed * (np.hypot(norm, self.rounding) - 0.5 * norm**2 / np.hypot(norm, self.rounding))
                ).sum()
                for root, norm in (
                    (np.sqrt(max(shape.n_functions, 1)), coupling),
                    (np.sqrt(weights.own.shape[0]), history),
                )
            ]
            return -float(sum(rest)) * prior.strength
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

    @property
    def settled(self) -> bool:
        """Whether the objective no longer changes by itself."""
        return self.rounding <= LAST_ROUNDING

    def learn(self, weights: Weights, spectrum: Spectrum, average: jax.Array) -> None:
        """One step of what changes with the weights: the rounding of a group lasso, and learnt deviations.

        These are squares about the centre plus the posterior variance of the weights.
        """
        prior = self.prior
        if isinstance(prior, GroupLasso):
            self.rounding = max(self.rounding * 0.5, LAST_ROUNDING)
        if not isinstance(prior, GaussianPrior) or "learnt" not in (prior.deviation, prior.mean_deviation):
            return
        n_states = weights.shared.shape[1]
        inside = self.shape.n_coupling
        allowed = np.asarray(self.shape.allowed.shared, float)[:inside, :1]
        leaf = np.asarray(weights.shared, float)[:inside]
        tightness = 1 / float(self.deviation or 1) ** 2 if n_states > 1 else 0.0
        about = 0.0 if self.mean_deviation is None or n_states > 1 else 1 / self.mean_deviation**2
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
        shape, (coupling, history) = self.shape, self._norms(weights)
        least = NEAR_ZERO * self._largest(coupling, history)
        kept = np.tile(coupling > least, (shape.n_functions, 1, 1))
        shared = weights.shared.at[: shape.n_coupling].multiply(jnp.asarray(kept))
        return Weights(shared, jnp.where(jnp.asarray(history > least), weights.own, 0))
