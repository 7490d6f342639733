"""Data, starting parameters and a fresh sequence on one file, the same for every contestant."""

import dataclasses
import pathlib

import numpy as np

from neurodyn.simulate.markov import MarkovModel

BINS_IN_STATE = (5.0, 50.0)
START_STAY = 0.9


@dataclasses.dataclass(frozen=True)
class Task:
    """Size of a problem and the work done on it.

    Parameters
    ----------
    name : str
        Short name, used for files.
    emission : str
        ``gaussian`` or ``poisson``.
    n_states, n_units, n_time : int
        K, D (or N) and T.
    iterations : int
        Expectation-maximisation steps of every contestant.
    seed : int
        Of the generating model, the data and the start.
    """

    name: str
    emission: str
    n_states: int
    n_units: int
    n_time: int
    iterations: int
    seed: int = 0

    @property
    def stem(self) -> str:
        """The name, fit for a file."""
        return as_stem(self.name)


def as_stem(name: str) -> str:
    """A name with everything but letters and digits replaced by hyphens."""
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def generating_model(task: Task) -> MarkovModel:
    """Random sticky chain with overlapping states."""
    rng = np.random.default_rng([task.seed, 1])
    k, d = task.n_states, task.n_units
    low, high = np.log(BINS_IN_STATE)
    stay = 1 - 1 / np.exp(rng.uniform(low, high, size=k))
    transition = np.zeros((k, k))
    for state in range(k):
        others = np.arange(k) != state
        transition[state, others] = (1 - stay[state]) * rng.dirichlet(np.ones(k - 1))
        transition[state, state] = stay[state]
    initial = np.full(k, 1 / k)
    if task.emission == "poisson":
        base = rng.gamma(2.0, 0.5, size=d)
        return MarkovModel(
            initial, transition, np.maximum(base * np.exp(0.5 * rng.normal(size=(k, d))), 0.02)
        )
    directions = rng.normal(size=(k, d))
    means = 2.5 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    covariances = []
    for _ in range(k):
        rotation, _ = np.linalg.qr(rng.normal(size=(d, d)))
        covariances.append((rotation * rng.uniform(0.3, 2.0, size=d)) @ rotation.T)
    return MarkovModel(initial, transition, means, np.stack(covariances))


def starting_parameters(task: Task, values: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of data as means and the pooled covariance (rates: halfway from the overall mean to a row)."""
    rng = np.random.default_rng([task.seed, 2])
    k = task.n_states
    rows = values[rng.choice(len(values), size=k, replace=False)].astype(np.float64)
    transition = np.full((k, k), (1 - START_STAY) / (k - 1))
    np.fill_diagonal(transition, START_STAY)
    start = {"initial": np.full(k, 1 / k), "transition": transition}
    average = values.mean(axis=0, dtype=np.float64)
    if task.emission == "poisson":
        return {**start, "rate": 0.5 * (rows + np.maximum(average, 1e-3))}
    pooled = np.cov(values, rowvar=False, dtype=np.float64)
    return {**start, "mean": rows, "covariance": np.repeat(pooled[None], k, axis=0)}


def write(task: Task, folder: pathlib.Path, n_fresh: int | None = None) -> pathlib.Path:
    """Draw a problem and write it; every array in single precision, so all are fed the same rounded values.

    Parameters
    ----------
    task : Task
        What to draw.
    folder : Path
        Where to write.
    n_fresh : int, optional
        Samples of the fresh sequence; default as many as the data, at most 100,000.

    Returns
    -------
    Path
        An .npz with ``values``, ``fresh``, ``start_*`` and ``true_*``.
    """
    model = generating_model(task)
    values = model.sample(task.n_time, key=1_000 + task.seed)["activity"].values.astype(np.float32)
    fresh_size = min(task.n_time, 100_000) if n_fresh is None else n_fresh
    fresh = model.sample(fresh_size, key=2_000 + task.seed)["activity"].values.astype(np.float32)
    start = {
        f"start_{name}": array.astype(np.float32) for name, array in starting_parameters(task, values).items()
    }
    true = {"true_initial": model.initial, "true_transition": model.transition}
    if model.covariances is None:
        true["true_rate"] = model.means
    else:
        true |= {"true_mean": model.means, "true_covariance": model.covariances}
    path = folder / f"{task.stem}.npz"
    np.savez(path, values=values, fresh=fresh, **start, **true)
    return path
