"""Win-stay lose-shift: the last outcome alone says whether a choice is repeated."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.models.base import Model, Prediction
from neurodyn.models.baselines.behaviour import Behaviour, behaviour, earlier
from neurodyn.models.baselines.common import cast, entry_log_density, one_of, unit_kinds, unit_parameters
from neurodyn.models.verbs import HasLogLikelihood
from neurodyn.recording import arrays


@dataclasses.dataclass(frozen=True, kw_only=True)
class WinStayLoseShift(Model):
    """A binary choice is repeated with one probability after a win and with another after a loss.

    .. math::

        p(c_t = c_{t-1}) = \\frac{n^{stay}_w + 1}{n_w + 2}, \\qquad w = [\\text{trial } t - 1 \\text{ was a win}]

    where :math:`n_w` counts the training trials after a win (or a loss), and :math:`n^{stay}_w` those of them that
    repeat the choice, over all participants: the mean of a Beta distribution with a prior of (1, 1). Where the choice
    before, or its outcome, is not known (on the first trial, after a missing one, and at a horizon of 2 or more), the
    prediction is the base rate of choice 1, smoothed alike. Participants are the trials of the recording, time counts
    choices. `inputs` of `fit` is not used.

    Parameters
    ----------
    outcome : str
        Name of the covariate that followed each choice.
    learning : {"reward", "cue"}
        A win is an outcome above 0, or an event (0 or 1) that equals the choice.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> from neurodyn.models.baselines import WinStayLoseShift
    >>> from neurodyn.simulate.agents import win_stay_lose_shift
    >>> behaviour = win_stay_lose_shift(n_participants=4, n_trials=500, key=0, stay_after_win=0.9)
    >>> fit = WinStayLoseShift().fit(behaviour, key=0)
    >>> bool(abs(fit.parameters["stay_probability"].sel(result="win") - 0.9) < 0.05)
    True

    References
    ----------
    Robbins, H. (1952). Some aspects of the sequential design of experiments. Bulletin of the American Mathematical
    Society 58, 527-535. doi:10.1090/S0002-9904-1952-09620-8
    Nowak, M. & Sigmund, K. (1993). A strategy of win-stay, lose-shift that outperforms tit-for-tat in the Prisoner's
    Dilemma game. Nature 364, 56-58. doi:10.1038/364056a0
    """

    name = "win_stay_lose_shift"
    kinds = frozenset({"binary"})
    citations = ("robbins1952", "nowak1993")

    outcome: str = "outcome"
    learning: str = "reward"

    def __post_init__(self):
        if not isinstance(self.outcome, str):
            raise ModelError(f"{self.name}: outcome is {self.outcome!r}; give the name of a covariate.")
        one_of(self.name, "learning", self.learning, ("reward", "cue"))

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: one."""
        return 1

    def _told(self, recording: xr.Dataset) -> Behaviour:
        """Choices and outcomes of a recording."""
        cue = self.learning == "cue"
        return behaviour(recording, model=self.name, outcome=self.outcome, stimulus=(), cue=cue)

    def _before(self, told: Behaviour) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The choice before each trial, whether it won, and whether both are known, ``(participant, time)``."""
        won = told.outcome == told.choice if self.learning == "cue" else told.outcome > 0
        known = told.chosen & told.followed
        return earlier(told.choice, 1), earlier(won, 1), earlier(known, 1)

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Count."""
        del inputs, key, options
        told = self._told(recording)
        previous, won, known = self._before(told)
        counted = known & told.chosen
        stayed = told.choice == previous
        trials = np.array([(counted & (won == win)).sum() for win in (False, True)])
        stays = np.array([(counted & (won == win) & stayed).sum() for win in (False, True)])
        variables = {
            "stay_probability": ("result", (stays + 1) / (trials + 2)),
            "trials": ("result", trials),
            "base_rate": ("unit", [(told.choice[told.chosen].sum() + 1) / (told.chosen.sum() + 2)]),
        }
        parameters = unit_parameters(recording, variables).assign_coords(result=["loss", "win"])
        return WinStayLoseShiftFit(model=self, parameters=parameters)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class WinStayLoseShiftFit(HasLogLikelihood):
    """Fitted frequencies; `parameters` has ``stay_probability`` (result) and ``base_rate`` (unit)."""

    model: WinStayLoseShift

    def _expected(self, recording: xr.Dataset, horizon: int) -> np.ndarray:
        """Probability of choice 1, ``(participant, time, 1)``."""
        previous, won, known = self.model._before(self.model._told(recording))
        stay = self.parameters["stay_probability"].values[won.astype(int)]
        base = float(self.parameters["base_rate"].values[0])
        informed = np.where(previous == 1, stay, 1 - stay)
        return np.where(known & (horizon == 1), informed, base)[..., None]

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """From the trial before alone, in every mode."""
        del mode, key
        mean = self._expected(recording, horizon)
        return Prediction(cast(recording, mean), cast(recording, mean * (1 - mean)))

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Log-probability of every observed choice."""
        values, mask = arrays(recording, np.float64)
        mean = self._expected(recording, 1)
        return entry_log_density(values, mask, mean, mean * (1 - mean), unit_kinds(recording)).sum(-1)


WinStayLoseShift.fit_type = WinStayLoseShiftFit
