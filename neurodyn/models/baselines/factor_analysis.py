"""Factor analysis and probabilistic PCA: the linear, timeless latent model."""

import dataclasses
from typing import Any

import jax
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.inference import factor_analysis as fa
from neurodyn.inference.random import key_words
from neurodyn.models.base import Model, Prediction, Trace
from neurodyn.models.baselines.common import (
    cast,
    into_range,
    learn_floor,
    moments,
    one_of,
    replicate_variance,
    unit_kinds,
    unit_parameters,
    whole_number,
)
from neurodyn.models.verbs import HasInfer, HasLogLikelihood, HasSimulate
from neurodyn.recording import arrays, make

RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
HIDDEN_FRACTION = 0.1
PATIENCE = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class FactorAnalysis(Model):
    """Factor analysis: a few common factors and independent noise.

    .. math:: x_t = \\mu + W z_t + \\epsilon_t, \\quad z_t \\sim N(0, I), \\quad \\epsilon_{ti} \\sim N(0, \\psi_i)

    Fitted by accelerated exact EM on the observed entries. It predicts an entry from the other units of the same bin,
    so it is the floor of co-smoothing; from the past alone (mode ``past``) it predicts the mean. Counts are
    accepted as numbers: their predictions are kept above a floor learnt in training, but a Gaussian density of
    counts is not comparable with the probability of a count, so for counts `log_likelihood` is not applicable.
    `inputs` of `fit` is not used, because training feeds no entry to its own prediction.

    Parameters
    ----------
    rank : int, optional
        Number of factors, below the number of units; None chooses it by the likelihood of randomly held-out
        training entries given the rest of their bins (`key` chooses the entries): the smallest number that is
        worse than the best by no more than a standard error.
    noise : {"factor_analysis", "ppca"}
        One noise variance per unit, or the same for all (probabilistic PCA).
    max_iterations : int
        Most EM iterations.
    tolerance : float
        Stop when the log-likelihood per bin rises by less.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.baselines import FactorAnalysis
    >>> z = np.random.default_rng(0).normal(size=(300, 1))
    >>> x = recording.make(z + 0.1 * np.random.default_rng(1).normal(size=(300, 4)), sampling_interval=1.0)
    >>> fit = FactorAnalysis(rank=1).fit(x, key=0)
    >>> hidden = recording.hide(x, x.unit == 3)
    >>> bool(np.corrcoef(fit.predict(hidden)["mean"][:, 3], x["activity"][:, 3])[0, 1] > 0.95)
    True

    References
    ----------
    Rubin, D. B. & Thayer, D. T. (1982). EM algorithms for ML factor analysis. Psychometrika 47, 69-76.
    doi:10.1007/BF02293851
    Tipping, M. E. & Bishop, C. M. (1999). Probabilistic principal component analysis. Journal of the Royal
    Statistical Society B 61, 611-622. doi:10.1111/1467-9868.00196
    Varadhan, R. & Roland, C. (2008). Simple and globally convergent methods for accelerating the convergence
    of any EM algorithm. Scandinavian Journal of Statistics 35, 335-353. doi:10.1111/j.1467-9469.2007.00585.x
    """

    name = "factor_analysis"
    kinds = frozenset({"continuous", "count"})
    citations = ("rubin1982", "tipping1999", "varadhan2008")

    rank: int | None = None
    noise: str = "factor_analysis"
    max_iterations: int = 500
    tolerance: float = 1e-6

    def __post_init__(self):
        if self.rank is not None:
            whole_number(self.name, "rank", self.rank, 1)
        one_of(self.name, "noise", self.noise, ("factor_analysis", "ppca"))
        whole_number(self.name, "max_iterations", self.max_iterations, 1)

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: none."""
        return 0

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Choose the rank on hidden entries, then fit all of them."""
        del inputs, options
        values, mask = arrays(recording, np.float64)
        mean, variance = moments(values, mask)
        scale = (
            np.sqrt(variance)
            if self.noise == "factor_analysis"
            else np.full(len(mean), variance.mean() ** 0.5)
        )
        standard = np.where(mask, (values - mean) / scale, 0.0)
        seen = mask.any(-1)
        rank, start = self._rank(standard[seen], mask[seen], key)
        learnt, objective, converged = fa.fit(
            standard[seen],
            mask[seen],
            rank,
            isotropic=self.noise == "ppca",
            max_iterations=self.max_iterations,
            tolerance=self.tolerance,
            start=start,
        )
        objective = objective - (mask * np.log(scale)).sum()
        predicted = mean + scale * _expected(learnt, standard, mask)[0]
        parameters = unit_parameters(
            recording,
            {
                "mean": ("unit", mean + scale * learnt.mean),
                "loadings": (("unit", "factor"), scale[:, None] * learnt.loadings),
                "noise": ("unit", np.square(scale) * learnt.noise),
                "rate_floor": ("unit", learn_floor(predicted, values, mask, np.maximum(mean, 0))),
            },
        ).assign_coords(factor=np.arange(rank))
        reason = "log-likelihood settled" if converged else "reached max_iterations"
        trace = Trace(objective=objective, converged=converged, reason=f"{reason}, rank {rank}")
        return FactorAnalysisFit(model=self, parameters=parameters, trace=trace)

    def _rank(self, values: np.ndarray, mask: np.ndarray, key: Any) -> tuple[int, fa.Factors | None]:
        """The given rank, or the smallest one that predicts hidden entries as well as the best, and its fit."""
        n_units = mask.shape[1]
        if self.rank is not None:
            if self.rank >= n_units and n_units > 1:
                raise ModelError(
                    f"factor_analysis: rank is {self.rank}, but the recording has {n_units} units; it must be "
                    f"below, at most {n_units - 1}."
                )
            return min(self.rank, n_units), None
        candidates = [rank for rank in RANKS if rank < n_units] or [1]
        if len(candidates) == 1:
            return 1, None
        kept = mask & ~_hidden(mask, key)
        whole, given = fa.group_rows(values, mask), fa.group_rows(values, kept)
        scores: list[np.ndarray] = []
        fits: list[fa.Factors] = []
        for rank in candidates:
            learnt, _, _ = fa.fit(
                values,
                kept,
                rank,
                isotropic=self.noise == "ppca",
                max_iterations=100,
                tolerance=1e-4,
                start=fa.grow(fits[-1], values, kept, rank) if fits else None,
            )
            fits.append(learnt)
            scores.append(
                fa.posterior(learnt, whole).log_likelihood - fa.posterior(learnt, given).log_likelihood
            )
            best = int(np.argmax([score.sum() for score in scores]))
            if len(scores) - 1 - best >= PATIENCE:
                break
        # The smallest rank that is worse by no more than the standard error of the difference.
        for rank, score, learnt in zip(candidates, scores, fits, strict=False):
            worse = scores[best] - score
            if worse.sum() <= np.sqrt(len(worse)) * worse.std():
                return rank, learnt
        return candidates[best], fits[best]


def _hidden(mask: np.ndarray, key: Any) -> np.ndarray:
    """Entries to choose the rank on, one in ten at random.

    Where there are units enough, they are split into ten random groups and every row hides one of them: rows then
    share ten patterns of hidden entries, which is what makes fits without those entries cheap.
    """
    generator = np.random.default_rng(key_words(key))
    n_groups = round(1 / HIDDEN_FRACTION)
    observed = np.flatnonzero(mask.any(0))
    if len(observed) < 2 * n_groups:
        hidden = mask & (generator.random(mask.shape) < HIDDEN_FRACTION)
    else:
        group = np.full(mask.shape[1], -1)
        group[observed] = generator.permutation(len(observed)) % n_groups
        hidden = mask & (group == generator.integers(n_groups, size=len(mask))[:, None])
    hidden[:, (mask & ~hidden).sum(0) == 0] = False
    return hidden


def _expected(
    learnt: fa.Factors, values: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected replicate and its variance, ``(trial, time, unit)``, and the log-density ``(trial, time)``."""
    shape, n_units = mask.shape[:2], mask.shape[2]
    rows = fa.group_rows(values.reshape(-1, n_units), mask.reshape(-1, n_units))
    mean, variance, terms = fa.replicate(learnt, rows)
    return mean.reshape(*shape, n_units), variance.reshape(*shape, n_units), terms.reshape(shape)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FactorAnalysisFit(HasLogLikelihood, HasInfer, HasSimulate):
    """Fitted factors; `parameters` has ``mean`` (unit), ``loadings`` (unit, factor) and ``noise`` (unit)."""

    def _learnt(self) -> fa.Factors:
        """Bare parameters."""
        return fa.Factors(*(self.parameters[name].values for name in ("mean", "loadings", "noise")))

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """From the same bin's observed entries; the marginal from the past."""
        del horizon, key
        values, mask = arrays(recording, np.float64)
        if mode == "past":
            mask = np.zeros_like(mask)
        mean, variance, _ = _expected(self._learnt(), values, mask)
        kinds = unit_kinds(recording)
        mean = into_range(mean, kinds, self.parameters["rate_floor"].values)
        return Prediction(cast(recording, mean), cast(recording, replicate_variance(mean, variance, kinds)))

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Marginal Gaussian density of each bin's observed entries."""
        if (unit_kinds(recording) == "count").any():
            raise NotApplicable(
                "factor_analysis gives counts a Gaussian density, which is not comparable with the probability of "
                "a count; compare its predictions instead."
            )
        return _expected(self._learnt(), *arrays(recording, np.float64))[2]

    def _infer(self, recording: xr.Dataset) -> xr.Dataset:
        """Posterior mean and standard deviation of the factors."""
        values, mask = arrays(recording, np.float64)
        n_units = mask.shape[2]
        rows = fa.group_rows(values.reshape(-1, n_units), mask.reshape(-1, n_units))
        found = fa.posterior(self._learnt(), rows)
        deviation = np.sqrt(np.diagonal(found.covariance, axis1=1, axis2=2))[rows.pattern]
        activity = recording["activity"]
        dims = (*activity.dims[:-1], "factor")
        shape = (*activity.shape[:-1], found.mean.shape[1])
        coords = {name: c for name, c in activity.coords.items() if set(c.dims) <= set(activity.dims[:-1])}
        variables = {
            "mean": (dims, found.mean.reshape(shape)),
            "standard_deviation": (dims, deviation.reshape(shape)),
        }
        return xr.Dataset(variables, coords={**coords, "factor": self.parameters["factor"].values})

    def _simulate(self, n_time: int, n_trials: int, key: Any, options: dict[str, Any]) -> xr.Dataset:
        """Independent bins; the factors as a further variable."""
        if options:
            raise ModelError(f"simulate got the unknown option {next(iter(options))!r}; it takes none.")
        if (self.parameters["kind"].values.astype(str) == "count").any():
            raise NotApplicable("factor_analysis fitted to counts is Gaussian and cannot draw counts.")
        learnt = self._learnt()
        first, second = jax.random.split(key)
        latent = np.asarray(jax.random.normal(first, (n_trials, n_time, learnt.loadings.shape[1])))
        noise = np.asarray(jax.random.normal(second, (n_trials, n_time, len(learnt.mean))))
        drawn = make(
            learnt.mean + latent @ learnt.loadings.T + np.sqrt(learnt.noise) * noise,
            sampling_interval=float(self.provenance.get("sampling_interval", 1.0)),
            unit=self.units,
            source="simulated from a fit of factor_analysis",
        )
        return drawn.assign(factors=(("trial", "time", "factor"), latent))


FactorAnalysis.fit_type = FactorAnalysisFit
