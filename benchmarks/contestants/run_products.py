"""The two matrix products no Gaussian expectation-maximisation step avoids, in single precision under JAX.

Samples by products of pairs of units, times (pairs by states); and its transpose times state probabilities.
"""

import json
import pathlib
import sys

import clock
import numpy as np

ROWS = 100_000
REPEATS = 20


def main():
    """Time the products of one iteration, in slices of the recording so that memory does not decide."""
    import jax
    import jax.numpy as jnp

    problem_path, _, output = sys.argv[1:4]
    with np.load(problem_path) as stored:
        n_time, n_units = stored["values"].shape
        n_states = len(stored["start_initial"])
    pairs = n_units * (n_units + 1) // 2
    rows = min(ROWS, n_time)
    rng = np.random.default_rng(0)
    table = jnp.asarray(rng.normal(size=(rows, pairs)).astype(np.float32))
    weight = jnp.asarray(rng.normal(size=(pairs, n_states)).astype(np.float32))
    posterior = jnp.asarray(rng.uniform(size=(rows, n_states)).astype(np.float32))
    forward = jax.jit(lambda x, w: x @ w)
    backward = jax.jit(lambda p, x: p.T @ x)
    slices = -(-n_time // rows)

    def iteration():
        for _ in range(slices):
            jax.block_until_ready((forward(table, weight), backward(posterior, table)))

    def many():
        for _ in range(REPEATS):
            iteration()

    iteration()
    _, spent = clock.timed(many)
    scale = n_time / (rows * slices) / REPEATS
    figures = {"cpu": spent["cpu"] * scale, "wall": spent["wall"] * scale}
    pathlib.Path(output).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
