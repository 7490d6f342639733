"""Pearce-Hall learning of trial-by-trial choices: surprise sets the pace, with a population prior."""

import dataclasses
from typing import ClassVar

import numpy as np

from neurodyn.errors import ModelError
from neurodyn.inference.reinforcement import Rule
from neurodyn.models.baselines.common import positive_number
from neurodyn.models.baselines.learner import Learner, LearnerFit

STEADY = -4.0  # logit of a rate at which associability hardly moves


@dataclasses.dataclass(frozen=True, kw_only=True)
class PearceHall(Learner):
    """Pearce-Hall hybrid learning with a softmax choice: errors raise the rate of the learning that follows.

    .. math::

        Q_{t+1}(c_t) = Q_t(c_t) + \\kappa A_t(c_t) \\delta_t, \\qquad
        A_{t+1}(c_t) = \\eta |\\delta_t| + (1 - \\eta) A_t(c_t), \\qquad \\delta_t = r_t - Q_t(c_t)

    and the choice follows from the values as in `RescorlaWagner`, which is the case :math:`\\eta = 0`. Every option
    has an associability A of its own; with ``learning="cue"`` both options learn from every event. Associability is
    at most 1, a bound that matters only for outcomes outside 0 to 1. Participants are the trials of the recording
    (without a trial dimension, its subject); time counts choices. Each participant has local parameters (learning
    rate :math:`\\kappa`, associability rate :math:`\\eta`, inverse temperature, perseveration, bias, stimulus
    weights) with a Gaussian population prior on the unconstrained scale, learnt by empirical Bayes from two starts, with
    associability that follows surprise and with associability that hardly moves; the better one is kept. A missing
    choice teaches nothing; a missing outcome changes no value and no associability; a missing stimulus counts as 0.
    `inputs` of `fit` is not used.

    Parameters
    ----------
    outcome : str or None
        Name of the covariate that followed each choice; None switches learning off.
    stimulus : tuple of str
        Covariates, known before the choice, that favour option 1 (such as a signed contrast).
    learning : {"reward", "cue"}
        Whether the outcome rewards the chosen option, or is an event (0 or 1) that the choice predicts.
    perseveration, bias : bool
        Whether the tendency to repeat, and a preference for an option, are learnt.
    initial_value : float
        Value of every option before the first trial.
    initial_associability : float
        Associability of every option before the first trial, above 0 and at most 1.
    unknown : {"raise", "prior"}
        What to do for a participant not in training: raise an error that names `adapt`, or use the
        population's mean.
    max_iterations : int
        Iterations of the population prior.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> from neurodyn.models.baselines import PearceHall
    >>> from neurodyn.simulate.agents import pearce_hall
    >>> behaviour = pearce_hall(n_participants=2, n_trials=60, key=0)
    >>> fit = PearceHall(max_iterations=2).fit(behaviour, key=0)
    >>> fit.predict(behaviour, mode="past")["mean"].shape
    (2, 60, 1)
    >>> fit.infer(behaviour)["associability"].dims
    ('trial', 'time', 'option')

    References
    ----------
    Pearce, J. M. & Hall, G. (1980). A model for Pavlovian learning: variations in the effectiveness of conditioned
    but not of unconditioned stimuli. Psychological Review 87, 532-552. doi:10.1037/0033-295X.87.6.532
    Li, J. et al. (2011). Differential roles of human striatum and amygdala in associative learning. Nature
    Neuroscience 14, 1250-1252. doi:10.1038/nn.2904
    Huys, Q. J. M. et al. (2011). Disentangling the roles of approach, activation and valence in instrumental
    and Pavlovian responding. PLoS Computational Biology 7, e1002028. doi:10.1371/journal.pcbi.1002028
    """

    name = "pearce_hall"
    citations = ("pearce1980", "li2011", "huys2011")
    _centres: ClassVar[dict[str, float]] = {
        "learning_rate_logit": 0.0,
        "inverse_temperature_log": 0.5,
        "associability_rate_logit": 0.0,
    }

    initial_associability: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        positive_number(self.name, "initial_associability", self.initial_associability)
        if self.initial_associability > 1:
            raise ModelError(
                f"{self.name}: initial_associability is {self.initial_associability!r}; it must be at most 1."
            )

    def _rule(self, n_options: int) -> Rule:
        """What is fixed of how participants learn."""
        return super()._rule(n_options)._replace(associability=float(self.initial_associability))

    def _parameter_names(self, n_options: int) -> tuple[str, ...]:
        """Names of the unconstrained parameters, in order."""
        return (*super()._parameter_names(n_options), "associability_rate_logit")

    def _starts(self, centre: np.ndarray, free: np.ndarray, names: tuple[str, ...]) -> list[np.ndarray]:
        """With surprise that counts, and nearly without."""
        last = names.index("associability_rate_logit")
        steady = np.where(np.arange(len(names)) == last, STEADY, centre)
        return [centre, steady] if free[last] else [centre]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PearceHallFit(LearnerFit):
    """Fitted participants; `parameters` has ``individual`` (participant, parameter) and the population's moments."""


PearceHall.fit_type = PearceHallFit
