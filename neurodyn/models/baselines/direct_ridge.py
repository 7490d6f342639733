"""One ridge regression for every number of steps ahead."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import NotApplicable, RecordingError
from neurodyn.inference.ridge import STRENGTHS, choose, shifted, solve
from neurodyn.inference.threads import one_thread
from neurodyn.models.base import Fit, Model, Prediction, Trace
from neurodyn.models.baselines.common import (
    cast,
    into_range,
    learn_floor,
    moments,
    positive_number,
    replicate_variance,
    unit_kinds,
    unit_parameters,
    whole_number,
)
from neurodyn.recording import arrays

ORDERS = (1, 2, 3, 5)
LARGEST_TABLE = 50_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class DirectRidge(Model):
    """Ridge regression straight onto the bin k steps ahead, one for every k.

    .. math:: z_{t} = B_k\\, (z_{t-k}, \\ldots, z_{t-k-p+1}) + \\epsilon, \\qquad k = 1, \\ldots, K

    on values standardised with training moments. Unlike an iterated forecast it cannot compound the errors of
    one step. k is the number of bins since the latest bin with an observed entry (and at least the horizon);
    beyond `max_horizon` the training mean is predicted. A missing predecessor counts as the training mean.
    It has no joint density, so `log_likelihood` is absent. `inputs` of `fit` is not used.

    Parameters
    ----------
    max_horizon : int
        Largest number of steps K.
    order : int, optional
        Number of lags p; None chooses among 1, 2, 3 and 5 on held-out blocks at one step.
    strength : float, optional
        Ridge penalty per training row; None chooses it on held-out blocks, for every k anew.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.baselines import DirectRidge
    >>> wave = recording.make(np.sin(np.arange(200) / 5)[:, None], sampling_interval=0.01)
    >>> fit = DirectRidge(max_horizon=5, order=2).fit(wave, key=0)
    >>> error = fit.predict(wave, mode="past", horizon=5)["mean"] - wave["activity"]
    >>> bool(abs(error)[10:].max() < 0.05)
    True

    References
    ----------
    Hoerl, A. E. & Kennard, R. W. (1970). Ridge regression: biased estimation for nonorthogonal problems.
    Technometrics 12, 55-67. doi:10.1080/00401706.1970.10488634
    """

    name = "direct_ridge"
    kinds = frozenset({"continuous", "count"})
    citations = ("hoerl1970",)

    max_horizon: int = 10
    order: int | None = None
    strength: float | None = None

    def __post_init__(self):
        whole_number(self.name, "max_horizon", self.max_horizon, 1)
        if self.order is not None:
            whole_number(self.name, "order", self.order, 1)
        if self.strength is not None:
            positive_number(self.name, "strength", self.strength)

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: the order, or the largest candidate."""
        return max(ORDERS) if self.order is None else self.order

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """One regression a horizon."""
        del inputs, key, options
        values, mask = arrays(recording, np.float64)
        if mask.shape[1] < 2:
            raise RecordingError(
                "direct_ridge needs at least 2 time bins in a trial, but there is 1; use mean instead."
            )
        mean, variance = moments(values, mask)
        deviation = np.sqrt(variance)
        standard = np.where(mask, (values - mean) / deviation, 0.0)
        strengths = STRENGTHS if self.strength is None else (float(self.strength),)
        order, weights, errors = self._order(standard, mask, strengths), [], []
        for ahead in range(1, self.max_horizon + 1):
            found = _regress(standard, mask, ahead, (order,), strengths)
            if found is None:
                break
            weights.append(found[0])
            errors.append(found[1])
        n_units = len(mean)
        if not weights:
            weights, errors = [np.zeros((order * n_units, n_units))], [np.ones(n_units)]
        coefficients = np.stack(weights).reshape(len(weights), order, n_units, n_units).transpose(0, 1, 3, 2)
        predicted = mean + deviation * _forecast(standard, mask, coefficients, 1)[0]
        variables = {
            "mean": ("unit", mean),
            "deviation": ("unit", deviation),
            "rate_floor": ("unit", learn_floor(predicted, values, mask, np.maximum(mean, 0))),
            "coefficients": (("ahead", "lag", "unit", "predecessor"), coefficients),
            "error": (("ahead", "unit"), np.minimum(np.stack(errors), 1.0)),
        }
        parameters = unit_parameters(recording, variables).assign_coords(
            predecessor=recording["unit"].values, ahead=np.arange(1, len(weights) + 1)
        )
        trace = Trace(reason=f"closed form, order {order}, {len(weights)} horizons")
        return DirectRidgeFit(model=self, parameters=parameters, trace=trace)

    def _order(self, standard: np.ndarray, mask: np.ndarray, strengths: tuple[float, ...]) -> int:
        """The given order, or the one with the smallest held-out one-step error."""
        if self.order is not None:
            return self.order
        fitting = [p for p in ORDERS if 4 * p < mask.shape[1] and p * mask.size <= LARGEST_TABLE] or [1]
        found = _regress(standard, mask, 1, tuple(fitting), strengths)
        return fitting[0] if found is None else len(found[0]) // mask.shape[2]


@one_thread()
def _regress(
    standard: np.ndarray, mask: np.ndarray, ahead: int, orders: tuple[int, ...], strengths: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Weights and held-out mean squared errors ``(unit,)`` for bins `ahead` of an observed one."""
    n_units = mask.shape[2]
    rows = mask.any(-1) & shifted(mask, ahead).any(-1)
    if rows.sum() < 4:
        return None
    lags = [shifted(standard, ahead + lag)[rows] for lag in range(max(orders))]
    predictors, targets, observed = np.concatenate(lags, axis=1), standard[rows], mask[rows]
    path = choose(
        predictors, targets, observed, widths=tuple(p * n_units for p in orders), strengths=strengths
    )
    leading = predictors[:, : path.width]
    gram, penalty = leading.T @ leading, path.strength * len(targets)
    weights = solve(gram, leading.T @ targets, penalty)
    if not observed.all():
        gain = solve(gram, np.eye(len(gram)), penalty)
        for _ in range(5):
            completed = np.where(observed, targets, leading @ weights)
            weights = gain @ (leading.T @ completed)
    errors = np.square(path.residuals).sum(0) / np.maximum(observed.sum(0), 1)
    return weights, np.where(observed.any(0), np.maximum(errors, 1e-6), 1.0)


def _forecast(
    standard: np.ndarray, mask: np.ndarray, coefficients: np.ndarray, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Standardised prediction of every bin, and the steps ahead it was made (0: the mean)."""
    n_trials, n_time, _ = standard.shape
    time = np.broadcast_to(np.arange(n_time), (n_trials, n_time))
    latest = np.maximum.accumulate(np.where(mask.any(-1), time, -1), axis=1)
    latest = shifted(latest[..., None] + 1, horizon)[..., 0] - 1
    ahead = np.where(latest >= 0, time - latest, 0)
    ahead = np.where(ahead <= len(coefficients), ahead, 0)
    result = np.zeros_like(standard)
    for k in np.unique(ahead[ahead > 0]):
        trial, at = np.nonzero(ahead == k)
        for lag, weight in enumerate(coefficients[k - 1]):
            source = at - k - lag
            before = np.where((source >= 0)[:, None], standard[trial, np.maximum(source, 0)], 0.0)
            result[trial, at] += before @ weight.T
    return result, ahead


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class DirectRidgeFit(Fit):
    """Fitted regressions; `parameters` has ``coefficients`` (ahead, lag, unit, predecessor)."""

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """From the latest observed bin at least `horizon` back."""
        del key
        if mode == "all":
            raise NotApplicable(
                "direct_ridge predicts from the past only, so it has no prediction from entries on both sides "
                "(mode 'all'); use mode 'past'."
            )
        values, mask = arrays(recording, np.float64)
        mean, deviation = self.parameters["mean"].values, self.parameters["deviation"].values
        standard = np.where(mask, (values - mean) / deviation, 0.0)
        forecast, ahead = _forecast(standard, mask, self.parameters["coefficients"].values, horizon)
        errors = np.concatenate([np.ones((1, len(mean))), self.parameters["error"].values])
        kinds = unit_kinds(recording)
        expected = into_range(mean + deviation * forecast, kinds, self.parameters["rate_floor"].values)
        variance = replicate_variance(expected, np.square(deviation) * errors[ahead], kinds)
        return Prediction(cast(recording, expected), cast(recording, variance))


DirectRidge.fit_type = DirectRidgeFit
