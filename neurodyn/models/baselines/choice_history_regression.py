"""Logistic regression of a choice on the choices and outcomes before it."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import expit

from neurodyn.inference import logistic
from neurodyn.models.base import Model, Prediction, Trace
from neurodyn.models.baselines.behaviour import Behaviour, behaviour, covariate_names, earlier
from neurodyn.models.baselines.common import cast, one_of, positive_number, unit_parameters, whole_number
from neurodyn.models.verbs import HasLogLikelihood


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChoiceHistoryRegression(Model):
    """Ridge logistic regression of a binary choice on the last choices and outcomes, and on what is shown now.

    .. math::

        p(c_t = 1) = \\sigma\\Big(b + \\sum_{k=1}^{K} (u_k \\tilde c_{t-k} + v_k \\tilde o_{t-k}) + w^T s_t\\Big)

    where :math:`\\tilde c` codes choices as -1 and 1, and :math:`\\tilde o` outcomes: the outcome times the coded
    choice (``learning="reward"``), or the event as -1 and 1 (``learning="cue"``). Features are standardised with the
    mean and deviation of their observed entries in training; a missing one is 0 after that, and so contributes nothing,
    as do the lags within the horizon. One regression serves all participants, who are the trials of the recording;
    time counts choices. Weights maximise the log-likelihood less ``ridge`` / 2 times their sum of squares; one more
    choice of each option at average features keeps the bias finite. `inputs` of `fit` is not used.

    Parameters
    ----------
    lags : int
        How many choices back K.
    outcome : str or None
        Name of the covariate that followed each choice; None leaves outcomes out.
    stimulus : tuple of str
        Covariates known before the choice (such as a signed contrast).
    learning : {"reward", "cue"}
        Whether the outcome rewards the chosen option, or is an event (0 or 1) that the choice predicts.
    ridge : float
        Penalty of the weights of standardised features.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> from neurodyn.models.baselines import ChoiceHistoryRegression
    >>> from neurodyn.simulate.agents import win_stay_lose_shift
    >>> behaviour = win_stay_lose_shift(n_participants=2, n_trials=400, key=0)
    >>> fit = ChoiceHistoryRegression(lags=2).fit(behaviour, key=0)
    >>> fit.parameters["feature"].values.tolist()
    ['choice 1 back', 'choice 2 back', 'outcome 1 back', 'outcome 2 back']
    >>> bool(fit.parameters["weights"].sel(feature="outcome 1 back") > 0.5)
    True

    References
    ----------
    Lau, B. & Glimcher, P. W. (2005). Dynamic response-by-response models of matching behavior in rhesus monkeys.
    Journal of the Experimental Analysis of Behavior 84, 555-579. doi:10.1901/jeab.2005.110-04
    Le Cessie, S. & Van Houwelingen, J. C. (1992). Ridge estimators in logistic regression. Applied Statistics 41,
    191-201. doi:10.2307/2347628
    """

    name = "choice_history_regression"
    kinds = frozenset({"binary"})
    citations = ("lau2005", "lecessie1992")

    lags: int = 5
    outcome: str | None = "outcome"
    stimulus: tuple[str, ...] = ()
    learning: str = "reward"
    ridge: float = 1.0

    def __post_init__(self):
        object.__setattr__(self, "stimulus", covariate_names(self.name, self.stimulus))
        whole_number(self.name, "lags", self.lags, 1)
        one_of(self.name, "learning", self.learning, ("reward", "cue"))
        positive_number(self.name, "ridge", self.ridge)

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: the lags."""
        return self.lags

    @property
    def cue(self) -> bool:
        """Whether outcomes are events rather than rewards of the chosen option."""
        return self.learning == "cue"

    def _told(self, recording: xr.Dataset) -> Behaviour:
        """Choices, outcomes and stimuli of a recording."""
        return behaviour(
            recording, model=self.name, outcome=self.outcome, stimulus=self.stimulus, cue=self.cue
        )

    def _feature_names(self) -> list[str]:
        """Names of the features, in order."""
        sources = ("choice",) if self.outcome is None else ("choice", "outcome")
        return [f"{what} {lag} back" for what in sources for lag in range(1, self.lags + 1)] + list(
            self.stimulus
        )

    def _features(self, told: Behaviour, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """Coded features and which of them are known, both ``(participant, time, feature)``."""
        side = 2.0 * told.choice - 1
        sources = [(side, told.chosen, horizon)]
        if self.outcome is not None and self.cue:
            sources.append((2.0 * told.outcome - 1, told.followed, 1 if told.known_ahead else horizon))
        elif self.outcome is not None:
            sources.append((side * told.outcome, told.chosen & told.followed, horizon))
        coded, known = [], []
        for values, observed, first in sources:
            for lag in range(1, self.lags + 1):
                coded.append(earlier(values, lag))
                known.append(earlier(observed, lag) & (lag >= first))
        coded.extend(np.moveaxis(told.stimulus, -1, 0))
        known.extend(np.moveaxis(told.shown, -1, 0))
        return np.stack(coded, axis=-1).astype(np.float64), np.stack(known, axis=-1)

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """One regression over the observed choices of all participants."""
        del inputs, key, options
        told = self._told(recording)
        coded, known = (array[told.chosen] for array in self._features(told, 1))
        centre, deviation = _moments(coded, known)
        features = np.where(known, (coded - centre) / deviation, 0.0)
        found = logistic.fit(features, told.choice[told.chosen] == 1, float(self.ridge))
        variables = {
            "bias": ("unit", [found.bias]),
            "weights": ("feature", found.weights),
            "centre": ("feature", centre),
            "deviation": ("feature", deviation),
        }
        parameters = unit_parameters(recording, variables).assign_coords(feature=self._feature_names())
        trace = Trace(
            objective=found.objective,
            converged=found.converged,
            reason="gradient vanished" if found.converged else "no step improves the objective further",
        )
        return ChoiceHistoryRegressionFit(model=self, parameters=parameters, trace=trace)


def _moments(coded: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the known entries of each feature; deviation 1 where they are all alike."""
    count = np.maximum(known.sum(0), 1)
    centre = np.where(known, coded, 0.0).sum(0) / count
    deviation = np.sqrt(np.where(known, np.square(coded - centre), 0.0).sum(0) / count)
    alike = deviation <= 1e-9 * np.abs(centre)
    return centre, np.where(alike, 1.0, deviation)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ChoiceHistoryRegressionFit(HasLogLikelihood):
    """Fitted regression; `parameters` has ``bias`` (unit), and ``weights`` of the standardised features (feature)."""

    model: ChoiceHistoryRegression

    def _log_odds(self, told: Behaviour, horizon: int) -> np.ndarray:
        """Log-odds of choice 1, ``(participant, time)``."""
        coded, known = self.model._features(told, horizon)
        centre, deviation, weights = (
            self.parameters[name].values for name in ("centre", "deviation", "weights")
        )
        features = np.where(known, (coded - centre) / deviation, 0.0)
        return self.parameters["bias"].values[0] + features @ weights

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """From earlier choices and outcomes and the present stimulus, in every mode."""
        del mode, key
        mean = expit(self._log_odds(self.model._told(recording), horizon))[..., None]
        return Prediction(cast(recording, mean), cast(recording, mean * (1 - mean)))

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Log-probability of every observed choice."""
        told = self.model._told(recording)
        side = 2.0 * told.choice - 1
        return np.where(told.chosen, -np.logaddexp(0, -side * self._log_odds(told, 1)), 0.0)


ChoiceHistoryRegression.fit_type = ChoiceHistoryRegressionFit
