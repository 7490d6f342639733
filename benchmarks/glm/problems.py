"""Data, basis functions and starting parameters on one file, the same for every contestant."""

import dataclasses
import pathlib

import numpy as np

from benchmarks.problems import as_stem

# Of the simulated network: bins it runs before it is recorded, share of pairs that are coupled, range of mean rates.
WARM_UP = 500
CONNECTED = 0.1
RATES = (0.05, 0.3)
STRENGTH = 0.44
# Bias, stimulus, previous choice, win-stay of an engaged state and two biased ones, and the chain they follow.
CHOICE_WEIGHTS = ((0.0, 4.0, 0.3, 0.2), (-1.8, 1.2, 0.5, 0.4), (1.6, 1.0, 0.8, 0.1))
STAY = (0.98, 0.96, 0.97)
CONTRASTS = (-1.0, -0.5, -0.25, -0.125, 0.0, 0.125, 0.25, 0.5, 1.0)
INPUTS = ("stimulus", "previous_choice", "win_stay")


@dataclasses.dataclass(frozen=True)
class CouplingTask:
    """Size of the network and the penalty on its couplings.

    Parameters
    ----------
    name : str
        Short name, used for files.
    n_units, n_functions, n_lags : int
        N, basis functions of a pair, bins they reach back.
    n_time, n_test : int
        Training bins, and the test bins that follow them.
    ridge : float
        Strength of the penalty, beside the mean over bins of the negative log-likelihood.
    seed : int
        Of the network and its spikes.
    iterations : int
        0: everybody stops by its own rule.
    """

    name: str
    n_units: int = 50
    n_functions: int = 8
    n_lags: int = 25
    n_time: int = 26_000
    n_test: int = 6_500
    ridge: float = 0.02
    seed: int = 0
    iterations: int = 0

    @property
    def stem(self) -> str:
        """The name, fit for a file."""
        return as_stem(self.name)


@dataclasses.dataclass(frozen=True)
class ChoiceTask:
    """Size of the choice problem and the passes made over it.

    Parameters
    ----------
    name : str
        Short name, used for files.
    n_time : int
        Trials of the training sequence, and of the fresh one.
    iterations : int
        Expectation-maximisation steps of every contestant.
    seed : int
        Of the data and the start.
    """

    name: str
    n_time: int = 3_000
    iterations: int = 25
    seed: int = 0

    @property
    def n_states(self) -> int:
        """K."""
        return len(CHOICE_WEIGHTS)

    @property
    def stem(self) -> str:
        """The name, fit for a file."""
        return as_stem(self.name)


def log_cosines(n_lags: int, n_functions: int, offset: float = 1.0) -> np.ndarray:
    """Raised cosines on a logarithmic axis of the lag, peak 1, ``(lag, function)``: the shapes of the true couplings."""
    place = np.log(np.arange(1, n_lags + 1) + offset)
    centres, step = np.linspace(place[0], place[-1], n_functions, retstep=True)
    angle = np.clip((place[:, None] - centres) * np.pi / (2 * step), -np.pi, np.pi)
    return (1 + np.cos(angle)) / 2


def true_network(task: CouplingTask) -> tuple[np.ndarray, np.ndarray]:
    """Couplings as filters ``(lag, source, target)``, and the rates wanted: sparse, signed by source, own refractoriness."""
    rng = np.random.default_rng([task.seed, 1])
    n = task.n_units
    shapes = log_cosines(task.n_lags, task.n_functions)
    sign = np.where(rng.uniform(size=n) < 0.5, 1.0, -1.0)
    present = rng.uniform(size=(n, n)) < CONNECTED
    np.fill_diagonal(present, False)
    # Every pair peaks at a lag of its own: smooth weights over neighbouring functions.
    peak = rng.uniform(0, task.n_functions - 3, size=(n, n))
    profile = np.exp(-0.5 * (np.arange(task.n_functions) - peak[..., None]) ** 2)
    size = STRENGTH * rng.gamma(2.0, 0.5, size=(n, n)) * sign[:, None] * present
    filters = np.einsum("lb,stb->lst", shapes, profile)
    filters *= size / np.sqrt((filters**2).sum(axis=0))
    refractory = -1.5 * np.exp(-np.arange(task.n_lags) / 2.0)
    filters[:, np.arange(n), np.arange(n)] = refractory[:, None]
    low, high = np.log(RATES)
    return filters, np.exp(rng.uniform(low, high, size=n))


def simulate_network(task: CouplingTask) -> np.ndarray:
    """Counts of a stable network, ``(training and test bins, unit)``.

    The bias of every unit is set so that its mean input at the wanted rates gives the wanted rate.

    Raises
    ------
    ValueError
        If the mean rates leave the stable range.
    """
    filters, wanted = true_network(task)
    rng = np.random.default_rng([task.seed, 2])
    bias = np.log(np.expm1(wanted)) - wanted @ filters.sum(axis=0)
    length = WARM_UP + task.n_time + task.n_test
    counts = np.zeros((task.n_lags + length, task.n_units))
    newest_last = filters[::-1].reshape(-1, task.n_units)
    for t in range(task.n_lags, task.n_lags + length):
        drive = bias + counts[t - task.n_lags : t].ravel() @ newest_last
        counts[t] = rng.poisson(np.logaddexp(0, drive))
    counts = counts[task.n_lags + WARM_UP :]
    rate = counts.mean(axis=0)
    if rate.min() < RATES[0] / 3 or rate.max() > RATES[1] * 3:
        raise ValueError(f"the network is not stable: mean rates from {rate.min():.3g} to {rate.max():.3g}")
    return counts


def write_coupling(task: CouplingTask, folder: pathlib.Path) -> pathlib.Path:
    """Draw the network's spikes and write them with the basis of the package.

    Parameters
    ----------
    task : CouplingTask
        What to draw.
    folder : Path
        Where to write.

    Returns
    -------
    Path
        An .npz with ``values`` (training bins), ``fresh`` (the test bins that follow), and what a fit is told:
        ``start_kernels`` (lag, function), row 0 one bin ago, and ``start_ridge``.
    """
    from neurodyn.inference.bases import RaisedCosine

    kernels = np.asarray(RaisedCosine(task.n_lags, task.n_functions, spacing="log", offset=1.0).kernels())
    counts = simulate_network(task).astype(np.float32)
    path = folder / f"{task.stem}.npz"
    np.savez(
        path,
        values=counts[: task.n_time],
        fresh=counts[task.n_time :],
        start_kernels=kernels.astype(np.float32),
        start_ridge=np.float64(task.ridge),
    )
    return path


def draw_choices(n_time: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Choices ``(trial, 1)`` and the inputs ``(trial, 3)`` that led to them: stimulus, previous choice, win-stay."""
    weights, transition = np.array(CHOICE_WEIGHTS), true_transition()
    stimulus = rng.choice(CONTRASTS, size=n_time)
    inputs, choices = np.zeros((n_time, len(INPUTS))), np.zeros((n_time, 1))
    state, before, won = rng.integers(len(weights)), 0.0, 0.0
    for t in range(n_time):
        inputs[t] = stimulus[t], before, won
        chance = 1 / (1 + np.exp(-(weights[state, 0] + weights[state, 1:] @ inputs[t])))
        choices[t] = rng.uniform() < chance
        before = 2 * choices[t, 0] - 1
        correct = rng.uniform() < 0.5 if stimulus[t] == 0 else before * stimulus[t] > 0
        won = before * (1.0 if correct else -1.0)
        state = rng.choice(len(weights), p=transition[state])
    return choices, inputs


def true_transition() -> np.ndarray:
    """The chain behind the choices, ``(state, state)``."""
    k = len(STAY)
    transition = np.repeat((1 - np.array(STAY))[:, None] / (k - 1), k, axis=1)
    np.fill_diagonal(transition, STAY)
    return transition


def write_choice(task: ChoiceTask, folder: pathlib.Path) -> pathlib.Path:
    """Draw two sequences of choices and a start, and write them in single precision.

    Parameters
    ----------
    task : ChoiceTask
        What to draw.
    folder : Path
        Where to write.

    Returns
    -------
    Path
        An .npz with ``values`` and ``start_inputs``, ``fresh`` and ``fresh_inputs``, the start's ``start_initial``,
        ``start_transition``, ``start_bias`` (state) and ``start_weight`` (state, input), and ``true_*`` of these.
    """
    rng = np.random.default_rng([task.seed, 3])
    values, inputs = draw_choices(task.n_time, rng)
    fresh, fresh_inputs = draw_choices(task.n_time, rng)
    k, true = task.n_states, np.array(CHOICE_WEIGHTS)
    transition = np.full((k, k), 0.1 / (k - 1))
    np.fill_diagonal(transition, 0.9)
    arrays = {
        "values": values,
        "start_inputs": inputs,
        "fresh": fresh,
        "fresh_inputs": fresh_inputs,
        "start_initial": np.full(k, 1 / k),
        "start_transition": transition,
        "start_bias": rng.normal(size=k) * 0.5,
        "start_weight": np.array([1.0, 0.0, 0.0]) + rng.normal(size=(k, len(INPUTS))) * 0.5,
        "true_initial": np.full(k, 1 / k),
        "true_transition": true_transition(),
        "true_bias": true[:, 0],
        "true_weight": true[:, 1:],
    }
    path = folder / f"{task.stem}.npz"
    np.savez(path, **{name: np.asarray(array, np.float32) for name, array in arrays.items()})
    return path
