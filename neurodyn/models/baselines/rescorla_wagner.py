"""Rescorla-Wagner learning of trial-by-trial choices, with a population prior over participants."""

import dataclasses

from neurodyn.models.baselines.learner import Learner, LearnerFit


@dataclasses.dataclass(frozen=True, kw_only=True)
class RescorlaWagner(Learner):
    """Rescorla-Wagner (delta-rule) learning with a softmax choice.

    .. math::

        Q_{t+1}(c_t) = Q_t(c_t) + \\alpha (r_t - Q_t(c_t)), \\qquad
        p(c_t = k) \\propto \\exp(\\beta Q_t(k) + \\kappa [c_{t-1} = k] + b_k + [k = 1]\\, w^T s_t)

    Participants are the trials of the recording (without a trial dimension, its subject); time counts
    choices. Each participant has local parameters (learning rate, inverse temperature, perseveration, bias,
    stimulus weights) with a Gaussian population prior on the unconstrained scale, learnt by empirical Bayes
    (expectation-maximisation with a Laplace approximation). A missing choice teaches nothing; a missing
    outcome changes no value; a missing stimulus counts as 0. `inputs` of `fit` is not used.

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
    >>> from neurodyn.models.baselines import RescorlaWagner
    >>> from neurodyn.simulate.agents import rescorla_wagner
    >>> behaviour = rescorla_wagner(n_participants=2, n_trials=60, key=0)
    >>> fit = RescorlaWagner(max_iterations=2).fit(behaviour, key=0)
    >>> fit.predict(behaviour, mode="past")["mean"].shape
    (2, 60, 1)

    References
    ----------
    Rescorla, R. A. & Wagner, A. R. (1972). A theory of Pavlovian conditioning. In Classical Conditioning II.
    Huys, Q. J. M. et al. (2011). Disentangling the roles of approach, activation and valence in instrumental
    and Pavlovian responding. PLoS Computational Biology 7, e1002028. doi:10.1371/journal.pcbi.1002028
    """

    name = "rescorla_wagner"
    citations = ("rescorla1972", "huys2011")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RescorlaWagnerFit(LearnerFit):
    """Fitted participants; `parameters` has ``individual`` (participant, parameter) and the population's moments."""


RescorlaWagner.fit_type = RescorlaWagnerFit
