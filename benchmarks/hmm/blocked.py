"""Blocked message passing against the plain recursion in double precision, for every block length."""

import numpy as np

from benchmarks.measure import Line, at_most

N_STATES = 4
BARS = {"single": 1e-5, "double": 1e-9}


def sequential(
    log_likelihood: np.ndarray, transition: np.ndarray, initial: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed probabilities ``(time, state)`` and log normalisers ``(time,)``, one step after the other."""
    n_time, n_states = log_likelihood.shape
    likelihood = np.exp(log_likelihood)
    filtered, norms = np.empty((n_time, n_states)), np.empty(n_time)
    for t in range(n_time):
        ahead = initial if start[t] else filtered[t - 1] @ transition
        joint = ahead * likelihood[t]
        norms[t] = joint.sum()
        filtered[t] = joint / norms[t]
    backward = np.ones((n_time, n_states))
    for t in range(n_time - 2, -1, -1):
        if not start[t + 1]:
            backward[t] = transition @ (likelihood[t + 1] * backward[t + 1]) / norms[t + 1]
    return filtered * backward, np.log(norms)


def problem(n_time: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihoods, transitions, initial distribution and trial starts, exact in single precision."""
    rng = np.random.default_rng(seed)
    log_likelihood = rng.normal(size=(n_time, N_STATES)).astype(np.float32).astype(np.float64) * 2
    transition = np.array([[40, 8, 8, 8], [4, 52, 4, 4], [16, 16, 16, 16], [2, 2, 2, 58]]) / 64
    initial = np.array([32, 16, 8, 8]) / 64
    start = np.zeros(n_time, bool)
    start[[0, n_time // 3, n_time // 3 + 1]] = True
    return log_likelihood, transition, initial, start


def largest_error(n_time: int, dtype: str) -> tuple[float, int]:
    """Largest error over every block length from 1 to T + 3, and how many lengths that is."""
    import jax.numpy as jnp

    from neurodyn.inference.message_passing import forward_backward

    log_likelihood, transition, initial, start = problem(n_time)
    smoothed, norms = sequential(log_likelihood, transition, initial, start)
    arrays = [jnp.asarray(array.astype(dtype)) for array in (log_likelihood, transition, initial)]
    worst = 0.0
    for length in range(1, n_time + 4):
        found = forward_backward(*arrays, jnp.asarray(start), block_length=length)
        pair = ((found.smoothed, smoothed), (found.log_normalizer, norms))
        for ours, truth in pair:
            error = float(np.abs(np.asarray(ours, np.float64) - truth).max())
            worst = max(worst, error if error == error else float("inf"))
    return worst, n_time + 3


def measure(quick: bool = False) -> list[Line]:
    """Both precisions; T is prime, so no block length but 1 and T divides it.

    Parameters
    ----------
    quick : bool
        A shorter sequence.

    Returns
    -------
    list of Line
        One for each precision.
    """
    import jax

    n_time = 7 if quick else 37
    lines = []
    for precision, bar in BARS.items():
        with jax.enable_x64(precision == "double"):
            worst, lengths = largest_error(n_time, "float64" if precision == "double" else "float32")
        note = f"{lengths} block lengths, T {n_time}, three trials, one of a single bin"
        name = f"blocked equals sequential, {precision} precision"
        lines.append(at_most(name, worst, bar, "absolute", note))
    return lines
