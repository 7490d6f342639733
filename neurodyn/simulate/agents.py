"""Agents that learn by trial and error."""

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.recording import make


def rescorla_wagner(
    *,
    n_participants: int,
    n_trials: int,
    key: int,
    reward_probability: tuple[float, ...] = (0.2, 0.8),
    reversal: int | None = 40,
    learning_rate: float | tuple[float, ...] = 0.3,
    inverse_temperature: float | tuple[float, ...] = 4.0,
    perseveration: float | tuple[float, ...] = 0.0,
    bias: float | tuple[float, ...] = 0.0,
) -> xr.Dataset:
    """Choices of Rescorla-Wagner learners between options that pay off at random.

    .. math:: Q(c) \\leftarrow Q(c) + \\alpha (r - Q(c)), \\quad
        p(k) \\propto \\exp(\\beta Q(k) + \\kappa [c_{t-1} = k] + b [k = 1])

    Parameters
    ----------
    n_participants, n_trials : int
        Sizes.
    key : int
        Seed.
    reward_probability : tuple of float
        Probability of a reward of 1 for each option; its length is the number of options.
    reversal : int, optional
        The probabilities move on by one option after this many trials, again and again.
    learning_rate, inverse_temperature, perseveration, bias : float or tuple of float
        One for all participants, or one each.

    Returns
    -------
    xr.Dataset
        A recording: participants are trials, time counts choices, ``outcome`` is a covariate available after
        the choice; the true ``value`` of each option is a further variable ``(trial, time, option)``.

    Raises
    ------
    ModelError
        If a size or probability is out of range.

    Examples
    --------
    >>> from neurodyn.simulate.agents import rescorla_wagner
    >>> rescorla_wagner(n_participants=3, n_trials=50, key=0)["activity"].shape
    (3, 50, 1)
    """
    for name, size in (("n_participants", n_participants), ("n_trials", n_trials)):
        if size < 1:
            raise ModelError(f"{name} is {size}; it must be 1 or more.")
    chances = np.asarray(reward_probability, float)
    if len(chances) < 2 or chances.min() < 0 or chances.max() > 1:
        raise ModelError(
            f"reward_probability is {reward_probability}; give two or more numbers between 0 and 1."
        )
    rng = np.random.default_rng(key)
    alpha, beta, kappa, lean = (
        np.broadcast_to(np.asarray(value, float), n_participants)
        for value in (learning_rate, inverse_temperature, perseveration, bias)
    )
    n_options, everyone = len(chances), np.arange(n_participants)
    value = np.zeros((n_participants, n_options))
    previous = np.zeros_like(value)
    choices, outcomes = np.zeros((2, n_participants, n_trials))
    values = np.zeros((n_participants, n_trials, n_options))
    for t in range(n_trials):
        values[:, t] = value
        logits = beta[:, None] * value + kappa[:, None] * previous
        logits[:, 1] += lean
        choice = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
        paying = np.roll(chances, 0 if reversal is None else t // reversal)
        reward = (rng.uniform(size=n_participants) < paying[choice]).astype(float)
        value[everyone, choice] += alpha * (reward - value[everyone, choice])
        previous = np.eye(n_options)[choice]
        choices[:, t], outcomes[:, t] = choice, reward
    recording = make(
        choices[..., None],
        kind="binary" if n_options == 2 else "categorical",
        unit=["choice"],
        trial=[f"participant {i}" for i in range(n_participants)],
        covariates={"outcome": (outcomes, "after", "measured")},
        categories=None if n_options == 2 else {"choice": [str(k) for k in range(n_options)]},
        modality="behaviour",
        source="simulated Rescorla-Wagner learners",
        time_unit="trial",
    )
    return recording.assign(value=(("trial", "time", "option"), values))
