"""Vector autoregression with a ridge penalty: the baseline that one-step prediction has to beat."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr
from scipy.linalg import solve_triangular

from neurodyn.errors import NotApplicable, RecordingError
from neurodyn.inference import autoregression as ar
from neurodyn.inference.ridge import STRENGTHS
from neurodyn.inference.threads import one_thread
from neurodyn.models.base import Model, Prediction, Trace
from neurodyn.models.baselines.common import (
    cast,
    entry_log_density,
    into_range,
    learn_floor,
    moments,
    one_of,
    positive_number,
    replicate_variance,
    unit_kinds,
    unit_parameters,
    whole_number,
)
from neurodyn.models.verbs import HasLogLikelihood, exact_by_reach
from neurodyn.recording import arrays

ORDERS = (1, 2, 3, 5, 8)
LARGEST_SYSTEM = 1000
LARGEST_TABLE = 50_000_000
CHUNK = 256
LARGEST_CHUNK = 2**24
BORDER = 1e30


@dataclasses.dataclass(frozen=True, kw_only=True)
class ARRidge(Model):
    """Vector autoregression of order p with a ridge penalty.

    .. math:: z_t = \\sum_{l=1}^{p} A_l z_{t-l} + \\epsilon_t, \\qquad \\epsilon_t \\sim N(0, S)

    on values `z` standardised with training moments. Order and ridge strength are chosen on held-out
    contiguous blocks of the training recording; `S` is the covariance of those held-out residuals, shrunk
    towards its diagonal. The first bins of a trial use the models of lower order (the first bin the
    training moments). A missing predecessor is replaced by the model's own prediction, so that a gap is
    crossed by the iterated forecast; bins after it have their variance inflated and the likelihood is then an
    estimate. Counts are accepted: their predicted rate is kept above a floor learnt in training, and their
    likelihood is Poisson. `inputs` of `fit` is not used, because training feeds no entry to its own prediction.

    Parameters
    ----------
    order : int, optional
        Number of lags; None chooses among 1, 2, 3, 5 and 8.
    strength : float, optional
        Ridge penalty per training row, on standardised values; None chooses between 1e-4 and 10.
    covariance : {"full", "diagonal"}
        Residual covariance between continuous units.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.baselines import ARRidge
    >>> wave = recording.make(np.sin(np.arange(200) / 5)[:, None], sampling_interval=0.01)
    >>> fit = ARRidge(order=2).fit(wave, key=0)
    >>> bool(abs(fit.predict(wave, mode="past")["mean"] - wave["activity"])[5:].max() < 0.05)
    True

    References
    ----------
    Hoerl, A. E. & Kennard, R. W. (1970). Ridge regression: biased estimation for nonorthogonal problems.
    Technometrics 12, 55-67. doi:10.1080/00401706.1970.10488634
    """

    name = "ar_ridge"
    kinds = frozenset({"continuous", "count"})
    citations = ("hoerl1970",)

    order: int | None = None
    strength: float | None = None
    covariance: str = "full"

    def __post_init__(self):
        if self.order is not None:
            whole_number(self.name, "order", self.order, 1)
        if self.strength is not None:
            positive_number(self.name, "strength", self.strength)
        one_of(self.name, "covariance", self.covariance, ("full", "diagonal"))

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: the order, or the largest candidate."""
        return max(ORDERS) if self.order is None else self.order

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Ridge regression on lagged standardised values."""
        del inputs, key, options
        values, mask = arrays(recording, np.float64)
        mean, variance = moments(values, mask)
        deviation = np.sqrt(variance)
        standard = np.where(mask, (values - mean) / deviation, 0.0)
        learnt = ar.fit(
            standard,
            mask,
            orders=self._orders(mask),
            strengths=STRENGTHS if self.strength is None else (float(self.strength),),
            full_noise=self.covariance == "full",
        )
        filled, spread = ar.fill_causally(standard, mask, learnt)
        predicted = mean + deviation * ar.forecast(filled, spread, learnt, 1)[0]
        unit = recording["unit"].values
        parameters = unit_parameters(
            recording,
            {
                "mean": ("unit", mean),
                "deviation": ("unit", deviation),
                "rate_floor": ("unit", learn_floor(predicted, values, mask, np.maximum(mean, 0))),
                "coefficients": (("order", "lag", "unit", "predecessor"), learnt.coefficients),
                "noise": (("order", "unit", "predecessor"), learnt.noise),
                "strength": learnt.strength,
                "held_out_error": learnt.score,
                "radius": learnt.radius,
            },
        ).assign_coords(predecessor=unit, lag=np.arange(1, learnt.order + 1))
        reason = f"closed form, order {learnt.order}, ridge strength {learnt.strength:.3g}"
        if learnt.radius >= 0.999:
            reason += f", spectral radius {learnt.radius:.3f} brought to 0.999"
        return ARRidgeFit(model=self, parameters=parameters, trace=Trace(reason=reason))

    def _orders(self, mask: np.ndarray) -> tuple[int, ...]:
        """Candidate orders that the recording is long enough for."""
        observed = np.atleast_2d(mask.any(-1))
        longest = max((int(np.ptp(np.flatnonzero(row))) + 1 if row.any() else 0) for row in observed)
        if self.order is not None:
            if longest <= self.order:
                raise RecordingError(
                    f"ar_ridge of order {self.order} needs more than {self.order} time bins in a trial, but the "
                    f"longest has {longest}; lower the order."
                )
            return (self.order,)
        if longest < 2:
            raise RecordingError(
                f"ar_ridge needs at least 2 time bins in a trial, but the longest has {longest}; use mean instead."
            )
        n_units, table = mask.shape[2], mask.size
        return tuple(
            order
            for order in ORDERS
            if order == 1
            or (4 * order < longest and order * n_units <= LARGEST_SYSTEM and order * table <= LARGEST_TABLE)
        )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ARRidgeFit(HasLogLikelihood):
    """Fitted autoregression; `parameters` has ``coefficients`` of every order up to p, ``noise``, ``mean``."""

    @property
    def order(self) -> int:
        """Number of lags."""
        return self.parameters.sizes["lag"]

    def _learnt(self) -> ar.Autoregression:
        """Bare parameters."""
        return ar.Autoregression(
            coefficients=self.parameters["coefficients"].values,
            noise=self.parameters["noise"].values,
            strength=float(self.parameters["strength"]),
            score=float(self.parameters["held_out_error"]),
            radius=float(self.parameters["radius"]),
        )

    def _standard(self, recording: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Standardised values, mask, mean and standard deviation."""
        values, mask = arrays(recording, np.float64)
        mean, deviation = self.parameters["mean"].values, self.parameters["deviation"].values
        return np.where(mask, (values - mean) / deviation, 0.0), mask, mean, deviation

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """Iterated forecasts; a replicate of the present bin is predicted from the past alone."""
        del key
        if mode == "all":
            raise NotApplicable(
                "ar_ridge predicts from the past only, so it has no prediction from entries on both sides "
                "(mode 'all'); use mode 'past'."
            )
        standard, mask, mean, deviation = self._standard(recording)
        learnt = self._learnt()
        filled, spread = ar.fill_causally(standard, mask, learnt)
        forecast, variance = ar.forecast(filled, spread, learnt, horizon)
        return Prediction(*self._in_units(recording, forecast, variance, mean, deviation))

    def _in_units(
        self,
        recording: xr.Dataset,
        forecast: np.ndarray,
        variance: np.ndarray,
        mean: np.ndarray,
        deviation: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance in the units of the recording, counts above their floor."""
        kinds = unit_kinds(recording)
        expected = into_range(mean + deviation * forecast, kinds, self.parameters["rate_floor"].values)
        spread = replicate_variance(expected, np.square(deviation) * variance, kinds)
        return cast(recording, expected), cast(recording, spread)

    def _exact_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Exact wherever the bins reached back to were observed."""
        return exact_by_reach(arrays(recording).mask, int(self.parameters.sizes["lag"]))

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Gaussian terms with the residual covariance; with counts among the units, entry by entry."""
        standard, mask, mean, deviation = self._standard(recording)
        learnt = self._learnt()
        filled, spread = ar.fill_causally(standard, mask, learnt)
        forecast, variance = ar.forecast(filled, spread, learnt, 1)
        kinds = unit_kinds(recording)
        if (kinds == "count").any():
            values = arrays(recording, np.float64).values
            expected = into_range(mean + deviation * forecast, kinds, self.parameters["rate_floor"].values)
            return entry_log_density(values, mask, expected, np.square(deviation) * variance, kinds).sum(-1)
        error = np.where(mask, standard - forecast, 0.0)
        terms = _gaussian_terms(error, mask, spread, learnt)
        return terms - np.where(mask, np.log(deviation), 0.0).sum(-1)


ARRidge.fit_type = ARRidgeFit


@one_thread()
def _gaussian_terms(
    error: np.ndarray, mask: np.ndarray, spread: np.ndarray, learnt: ar.Autoregression
) -> np.ndarray:
    """Log-density of every bin's observed errors, shape ``(trial, time)``."""
    n_trials, n_time, n_units = error.shape
    order = learnt.order
    uncertain = np.zeros((n_trials, n_time), dtype=bool)
    for lag in range(1, order + 1):
        uncertain |= ar.shifted(spread, lag).any(-1)
    partial = mask.any(-1) & ~mask.all(-1)
    terms = np.zeros((n_trials, n_time))
    positions = np.broadcast_to(np.minimum(np.arange(n_time), order), (n_trials, n_time))
    plain = ~uncertain & ~partial & mask.any(-1)
    for q in range(order + 1):
        chosen = plain & (positions == q)
        if chosen.any():
            root = np.linalg.cholesky(learnt.noise[q])
            whitened = solve_triangular(root, error[chosen].T, lower=True)
            constant = 2 * np.log(np.diag(root)).sum() + n_units * np.log(2 * np.pi)
            terms[chosen] = -0.5 * (np.square(whitened).sum(0) + constant)
    trials, times = np.nonzero(mask.any(-1) & ~plain)
    chunk = max(min(CHUNK, LARGEST_CHUNK // n_units**2), 1)
    for first in range(0, len(trials), chunk):
        trial, at = trials[first : first + chunk], times[first : first + chunk]
        covariance = _inflated(learnt, spread, trial, at)
        seen = mask[trial, at]
        both = seen[:, :, None] & seen[:, None, :]
        # The last row of the factor of the covariance bordered by the error is the whitened error.
        bordered = np.zeros((len(at), n_units + 1, n_units + 1))
        bordered[:, :-1, :-1] = np.where(both, covariance, np.eye(n_units))
        bordered[:, -1, :-1], bordered[:, -1, -1] = error[trial, at], BORDER
        root = np.linalg.cholesky(bordered)
        whitened = root[:, -1, :-1]
        log_determinant = 2 * np.log(np.diagonal(root, axis1=1, axis2=2)[:, :-1]).sum(-1)
        constant = log_determinant + seen.sum(-1) * np.log(2 * np.pi)
        terms[trial, at] = -0.5 * (np.square(whitened).sum(-1) + constant)
    return terms


def _inflated(learnt: ar.Autoregression, spread: np.ndarray, trial: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Predictive covariance of bins whose predecessors were filled in, no variance above the marginal one."""
    order = learnt.order
    position = np.minimum(at, order)
    covariance = learnt.noise[position]
    for lag in range(1, order + 1):
        before = np.where((at >= lag)[:, None], spread[trial, np.maximum(at - lag, 0)], 0.0)
        most = int((before > 0).sum(1).max())
        filled = np.argsort(before == 0, axis=1, kind="stable")[:, :most]
        weight = np.swapaxes(learnt.coefficients[:, lag - 1], 1, 2)[position[:, None], filled]
        weight *= np.sqrt(np.take_along_axis(before, filled, axis=1))[:, :, None]
        covariance = covariance + np.swapaxes(weight, 1, 2) @ weight
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    scale = np.sqrt(np.minimum(variance, np.diag(learnt.noise[0])) / variance)
    return covariance * scale[:, :, None] * scale[:, None, :]
