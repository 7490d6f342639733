"""Agents that learn by trial and error, or follow the last outcome."""

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
    recording, value, _ = _learners(
        n_participants,
        n_trials,
        key,
        reward_probability,
        reversal,
        rates=(learning_rate, 0.0, 1.0),
        response=(inverse_temperature, perseveration, bias),
        source="simulated Rescorla-Wagner learners",
    )
    return recording.assign(value=(("trial", "time", "option"), value))


def pearce_hall(
    *,
    n_participants: int,
    n_trials: int,
    key: int,
    reward_probability: tuple[float, ...] = (0.2, 0.8),
    reversal: int | None = 40,
    learning_rate: float | tuple[float, ...] = 0.6,
    associability_rate: float | tuple[float, ...] = 0.3,
    initial_associability: float | tuple[float, ...] = 1.0,
    inverse_temperature: float | tuple[float, ...] = 4.0,
    perseveration: float | tuple[float, ...] = 0.0,
    bias: float | tuple[float, ...] = 0.0,
) -> xr.Dataset:
    """Choices of Pearce-Hall learners between options that pay off at random.

    .. math:: Q(c) \\leftarrow Q(c) + \\kappa A(c) \\delta, \\quad
        A(c) \\leftarrow \\eta |\\delta| + (1 - \\eta) A(c), \\quad \\delta = r - Q(c)

    with A(c) from before the trial in the first, and choices as in `rescorla_wagner`.

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
    learning_rate, associability_rate, initial_associability : float or tuple of float
        :math:`\\kappa`, :math:`\\eta` and A before the first trial: one for all participants, or one each.
    inverse_temperature, perseveration, bias : float or tuple of float
        One for all participants, or one each.

    Returns
    -------
    xr.Dataset
        A recording: participants are trials, time counts choices, ``outcome`` is a covariate available after
        the choice; the true ``value`` and ``associability`` of each option are further variables
        ``(trial, time, option)``.

    Raises
    ------
    ModelError
        If a size or probability is out of range.

    Examples
    --------
    >>> from neurodyn.simulate.agents import pearce_hall
    >>> pearce_hall(n_participants=3, n_trials=50, key=0)["associability"].shape
    (3, 50, 2)
    """
    recording, value, associability = _learners(
        n_participants,
        n_trials,
        key,
        reward_probability,
        reversal,
        rates=(learning_rate, associability_rate, initial_associability),
        response=(inverse_temperature, perseveration, bias),
        source="simulated Pearce-Hall learners",
    )
    dims = ("trial", "time", "option")
    return recording.assign(value=(dims, value), associability=(dims, associability))


def win_stay_lose_shift(
    *,
    n_participants: int,
    n_trials: int,
    key: int,
    reward_probability: tuple[float, float] = (0.2, 0.8),
    reversal: int | None = 40,
    stay_after_win: float | tuple[float, ...] = 0.9,
    stay_after_loss: float | tuple[float, ...] = 0.3,
) -> xr.Dataset:
    """Choices between two options that are repeated with one probability after a reward, another after none.

    Parameters
    ----------
    n_participants, n_trials : int
        Sizes.
    key : int
        Seed.
    reward_probability : tuple of float
        Probability of a reward of 1 for each of the two options.
    reversal : int, optional
        The probabilities change places after this many trials, again and again.
    stay_after_win, stay_after_loss : float or tuple of float
        Probability of repeating the choice: one for all participants, or one each.

    Returns
    -------
    xr.Dataset
        A recording: participants are trials, time counts choices, ``outcome`` is a covariate available after
        the choice.

    Raises
    ------
    ModelError
        If a size or probability is out of range, or there are more than two options.

    Examples
    --------
    >>> from neurodyn.simulate.agents import win_stay_lose_shift
    >>> win_stay_lose_shift(n_participants=3, n_trials=50, key=0)["activity"].shape
    (3, 50, 1)
    """
    chances = _chances(n_participants, n_trials, reward_probability)
    if len(chances) != 2:
        raise ModelError(
            f"reward_probability is {reward_probability}; give one number for each of two options."
        )
    rng = np.random.default_rng(key)
    for name, given in (("stay_after_win", stay_after_win), ("stay_after_loss", stay_after_loss)):
        if np.min(given) < 0 or np.max(given) > 1:
            raise ModelError(f"{name} is {given}; give probabilities, between 0 and 1.")
    win, loss = (
        np.broadcast_to(np.asarray(value, float), n_participants)
        for value in (stay_after_win, stay_after_loss)
    )
    choices, outcomes = np.zeros((2, n_participants, n_trials))
    choice = rng.integers(0, 2, n_participants)
    for t in range(n_trials):
        reward = rng.uniform(size=n_participants) < _paying(chances, t, reversal)[choice]
        choices[:, t], outcomes[:, t] = choice, reward
        stays = rng.uniform(size=n_participants) < np.where(reward, win, loss)
        choice = np.where(stays, choice, 1 - choice)
    return _recording(choices, outcomes, 2, "simulated win-stay lose-shift agents")


def _learners(
    n_participants, n_trials, key, reward_probability, reversal, *, rates, response, source
) -> tuple[xr.Dataset, np.ndarray, np.ndarray]:
    """Recording of learners, and their values and associabilities before each choice."""
    chances = _chances(n_participants, n_trials, reward_probability)
    rng = np.random.default_rng(key)
    alpha, eta, first, beta, kappa, lean = (
        np.broadcast_to(np.asarray(value, float), n_participants) for value in (*rates, *response)
    )
    n_options, everyone = len(chances), np.arange(n_participants)
    value = np.zeros((n_participants, n_options))
    associability = np.repeat(first[:, None], n_options, axis=1)
    previous = np.zeros_like(value)
    choices, outcomes = np.zeros((2, n_participants, n_trials))
    values, associabilities = np.zeros((2, n_participants, n_trials, n_options))
    for t in range(n_trials):
        values[:, t], associabilities[:, t] = value, associability
        logits = beta[:, None] * value + kappa[:, None] * previous
        logits[:, 1] += lean
        choice = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
        reward = (rng.uniform(size=n_participants) < _paying(chances, t, reversal)[choice]).astype(float)
        error, pace = reward - value[everyone, choice], associability[everyone, choice]
        value[everyone, choice] += alpha * pace * error
        associability[everyone, choice] = eta * np.abs(error) + (1 - eta) * pace
        previous = np.eye(n_options)[choice]
        choices[:, t], outcomes[:, t] = choice, reward
    return _recording(choices, outcomes, n_options, source), values, associabilities


def _chances(n_participants: int, n_trials: int, reward_probability: tuple[float, ...]) -> np.ndarray:
    """Probability of a reward of each option, sizes and probabilities checked."""
    for name, size in (("n_participants", n_participants), ("n_trials", n_trials)):
        if size < 1:
            raise ModelError(f"{name} is {size}; it must be 1 or more.")
    chances = np.asarray(reward_probability, float)
    if len(chances) < 2 or chances.min() < 0 or chances.max() > 1:
        raise ModelError(
            f"reward_probability is {reward_probability}; give two or more numbers between 0 and 1."
        )
    return chances


def _paying(chances: np.ndarray, trial: int, reversal: int | None) -> np.ndarray:
    """Probability of a reward of each option on one trial."""
    return np.roll(chances, 0 if reversal is None else trial // reversal)


def _recording(choices: np.ndarray, outcomes: np.ndarray, n_options: int, source: str) -> xr.Dataset:
    """Choices and outcomes ``(participant, trial)`` as a recording."""
    return make(
        choices[..., None],
        kind="binary" if n_options == 2 else "categorical",
        unit=["choice"],
        trial=[f"participant {i}" for i in range(len(choices))],
        covariates={"outcome": (outcomes, "after", "measured")},
        categories=None if n_options == 2 else {"choice": [str(k) for k in range(n_options)]},
        modality="behaviour",
        source=source,
        time_unit="trial",
    )
