"""Hidden Markov models with known parameters, and the random problems that initialisation is judged on."""

import dataclasses

import numpy as np
import xarray as xr
from scipy.special import gammaln, logsumexp

from neurodyn.errors import ModelError
from neurodyn.recording import arrays, make

EMISSIONS = ("gaussian", "poisson")


@dataclasses.dataclass(frozen=True, eq=False)
class MarkovModel:
    """Parameters of a hidden Markov model that generates recordings.

    .. math:: z_1 \\sim \\pi, \\quad z_t \\sim A_{z_{t-1}}, \\quad
        x_t \\mid z_t = k \\sim N(\\mu_k, \\Sigma_k) \\text{ or } \\prod_i \\mathrm{Poisson}(\\lambda_{ki})

    Parameters
    ----------
    initial : np.ndarray
        :math:`\\pi`, ``(state,)``.
    transition : np.ndarray
        Row-stochastic A, ``(state, state)``.
    means : np.ndarray
        Means (expected counts per bin for Poisson), ``(state, unit)``.
    covariances : np.ndarray or None
        ``(state, unit, unit)``; None for Poisson emissions.
    sampling_interval : float
        Seconds per bin.

    Raises
    ------
    ModelError
        If the shapes do not fit or the probabilities do not sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.simulate.markov import MarkovModel
    >>> model = MarkovModel(np.ones(1), np.ones((1, 1)), np.array([[2.0, 5.0]]))
    >>> model.sample(100, key=0)["activity"].shape
    (100, 2)
    """

    initial: np.ndarray
    transition: np.ndarray
    means: np.ndarray
    covariances: np.ndarray | None = None
    sampling_interval: float = 0.01

    def __post_init__(self):
        n_states, n_units = self.means.shape
        shapes = {"initial": (n_states,), "transition": (n_states, n_states)}
        if self.covariances is not None:
            shapes["covariances"] = (n_states, n_units, n_units)
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ModelError(
                    f"{name} has shape {getattr(self, name).shape}; with these means it must be {shape}."
                )
        for name in ("initial", "transition"):
            table = getattr(self, name)
            if (table < 0).any() or not np.allclose(table.sum(-1), 1):
                raise ModelError(f"{name} must hold probabilities that sum to 1 along its last axis.")
        if self.covariances is None and (self.means <= 0).any():
            raise ModelError("means of Poisson emissions must be above 0.")

    @property
    def emission(self) -> str:
        """``gaussian`` or ``poisson``."""
        return "poisson" if self.covariances is None else "gaussian"

    @property
    def n_states(self) -> int:
        """Number of states."""
        return len(self.means)

    @property
    def n_parameters(self) -> int:
        """Free parameters: initial, transitions, means, covariances."""
        n_states, n_units = self.means.shape
        per_state = n_units if self.covariances is None else n_units + n_units * (n_units + 1) // 2
        return (n_states - 1) + n_states * (n_states - 1) + n_states * per_state

    def sample(self, n_time: int, *, key: int, n_trials: int | None = None) -> xr.Dataset:
        """Draw a recording.

        Parameters
        ----------
        n_time : int
            Bins per trial.
        key : int
            Seed.
        n_trials : int, optional
            Number of trials; None gives no trial dimension.

        Returns
        -------
        xr.Dataset
            A recording with the true ``state`` on ``([trial,] time)`` as a further variable.

        Raises
        ------
        ModelError
            If a size is not positive.
        """
        trials = 1 if n_trials is None else n_trials
        if n_time < 1 or trials < 1:
            raise ModelError(f"n_time is {n_time} and n_trials {n_trials}; both must be 1 or more.")
        rng = np.random.default_rng(key)
        states = self._states(rng, trials, n_time)
        if self.covariances is None:
            values = rng.poisson(self.means[states]).astype(float)
        else:
            roots = np.linalg.cholesky(self.covariances)
            values = rng.normal(size=(trials, n_time, self.means.shape[1]))
            for k, root in enumerate(roots):
                at = states == k
                values[at] = self.means[k] + values[at] @ root.T
        recording = make(
            values if n_trials is not None else values[0],
            sampling_interval=self.sampling_interval,
            kind="count" if self.covariances is None else "continuous",
            unit=np.arange(values.shape[-1]),
            source="simulated hidden Markov model",
        )
        if n_trials is None:
            return recording.assign(state=("time", states[0]))
        return recording.assign(state=(("trial", "time"), states))

    def _states(self, rng: np.random.Generator, n_trials: int, n_time: int) -> np.ndarray:
        """State sequences, ``(trial, time)``."""
        draws = rng.uniform(size=(n_trials, n_time))
        edges = np.cumsum(self.transition, axis=1)
        edges[:, -1] = 1.0
        states = np.empty((n_trials, n_time), dtype=np.int64)
        for trial, row in enumerate(draws):
            state = int(np.searchsorted(np.cumsum(self.initial)[:-1], row[0], side="right"))
            states[trial, 0] = state
            for t, draw in enumerate(row[1:].tolist(), start=1):
                state = int(edges[state].searchsorted(draw, side="right"))
                states[trial, t] = state
        return states

    def emission_log_density(self, recording: xr.Dataset) -> np.ndarray:
        """Log-density of each complete bin under each state.

        Parameters
        ----------
        recording : xr.Dataset
            A recording without missing entries.

        Returns
        -------
        np.ndarray
            ``(trial, time, state)``.

        Raises
        ------
        ModelError
            If an entry is missing.
        """
        values, mask = arrays(recording, np.float64)
        if not mask.all():
            raise ModelError(
                "the generating model scores complete recordings, but an entry is NaN; select complete bins."
            )
        result = np.empty((*values.shape[:2], self.n_states))
        for k, mean in enumerate(self.means):
            if self.covariances is None:
                result[..., k] = values @ np.log(mean) - mean.sum() - gammaln(values + 1).sum(-1)
                continue
            root = np.linalg.cholesky(self.covariances[k])
            white = (values - mean) @ np.linalg.inv(root).T
            constant = 2 * np.log(np.diag(root)).sum() + len(mean) * np.log(2 * np.pi)
            result[..., k] = -0.5 * (np.square(white).sum(-1) + constant)
        return result

    def log_likelihood(self, recording: xr.Dataset) -> float:
        """Log-likelihood of a complete recording: the level that no fit can exceed on average.

        Parameters
        ----------
        recording : xr.Dataset
            A recording without missing entries.

        Returns
        -------
        float
            In nats, all trials summed.
        """
        table = self.emission_log_density(recording)
        belief = np.log(np.maximum(self.initial, 1e-300)) + table[:, 0]
        total = 0.0
        for t in range(1, table.shape[1] + 1):
            norm = np.asarray(logsumexp(belief, axis=1))
            total += float(norm.sum())
            if t < table.shape[1]:
                ahead = np.exp(belief - norm[:, None]) @ self.transition
                belief = np.log(np.maximum(ahead, 1e-300)) + table[:, t]
        return total


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """A generating model and a recording drawn from it.

    Parameters
    ----------
    seed : int
        Number of the problem.
    model : MarkovModel
        The generating model.
    separated : bool
        Whether the states are well separated.
    recording : xr.Dataset
        Training recording.
    """

    seed: int
    model: MarkovModel
    separated: bool
    recording: xr.Dataset

    @property
    def allowance(self) -> float:
        """Parameters over twice the training samples, p / 2T: the loss per sample no estimator avoids."""
        return self.model.n_parameters / (2 * self.recording.sizes["time"])

    def fresh(self) -> xr.Dataset:
        """A second recording of the same length from the same model, to score on.

        Returns
        -------
        xr.Dataset
            Independent of the training recording.
        """
        return self.model.sample(self.recording.sizes["time"], key=2_000_000 + self.seed)


def random_problem(seed: int, *, n_time: int | None = None) -> Problem:
    """A random hidden Markov model to recover: 3 to 12 states, 4 to 32 units.

    Even seeds have Gaussian emissions with full covariances, odd ones Poisson; the four combinations with well and
    poorly separated states recur every four seeds.

    Parameters
    ----------
    seed : int
        Number of the problem, 0 or more.
    n_time : int, optional
        Training bins; None gives 20 bins per free parameter, at least 2,000.

    Returns
    -------
    Problem
        The generating model and its recording.

    Raises
    ------
    ModelError
        If the seed is negative.

    Examples
    --------
    >>> from neurodyn.simulate.markov import random_problem
    >>> random_problem(1, n_time=50).model.emission
    'poisson'
    """
    if seed < 0:
        raise ModelError(f"seed is {seed}; it must be 0 or more.")
    rng = np.random.default_rng([seed, 20])
    n_states = int(rng.integers(3, 13))
    n_units = int(np.round(np.exp(rng.uniform(np.log(4), np.log(32)))))
    separated = (seed // 2) % 2 == 0
    transition = _sticky(rng, n_states)
    initial = rng.dirichlet(np.ones(n_states))
    if seed % 2:
        spread = 0.9 if separated else 0.45
        base = rng.gamma(3.0, 0.5, size=n_units)
        means = np.maximum(base * np.exp(spread * rng.normal(size=(n_states, n_units))), 0.02)
        model = MarkovModel(initial, transition, means)
    else:
        distance = 4.0 if separated else 1.8
        covariances = np.stack([_covariance(rng, n_units) for _ in range(n_states)])
        directions = rng.normal(size=(n_states, n_units))
        means = distance * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        model = MarkovModel(initial, transition, means, covariances)
    length = max(2000, 20 * model.n_parameters) if n_time is None else n_time
    return Problem(seed, model, separated, model.sample(length, key=1_000_000 + seed))


def _sticky(rng: np.random.Generator, n_states: int) -> np.ndarray:
    """Transition matrix with dwell times between 5 and 50 bins."""
    stay = 1 - 1 / np.exp(rng.uniform(np.log(5), np.log(50), size=n_states))
    leave = rng.dirichlet(np.ones(n_states - 1), size=n_states)
    transition = np.zeros((n_states, n_states))
    for k in range(n_states):
        transition[k, np.arange(n_states) != k] = (1 - stay[k]) * leave[k]
        transition[k, k] = stay[k]
    return transition


def _covariance(rng: np.random.Generator, n_units: int) -> np.ndarray:
    """Random covariance with eigenvalues between 0.3 and 2."""
    rotation, _ = np.linalg.qr(rng.normal(size=(n_units, n_units)))
    return (rotation * rng.uniform(0.3, 2.0, size=n_units)) @ rotation.T
