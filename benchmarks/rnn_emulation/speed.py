"""Seconds of the divergence with its gradient, against the page's prototype."""

import time

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.measure import Line, at_most
from neurodyn.inference.compilation import light_jit
from neurodyn.inference.sinkhorn import transport_cost
from neurodyn.simulate.symbol_chains import linear_chain

PROTOTYPE = {256: 0.0022, 1024: 0.031, 4096: 0.49}
STEPS, SYMBOLS = 30, 3


def _paper(x: jax.Array, y: jax.Array) -> jax.Array:
    """The published loss, without the term of the targets alone."""
    return transport_cost(x, y, steps=STEPS) - transport_cost(x, x, steps=STEPS) / 2


_both = light_jit()(jax.value_and_grad(_paper))


def measure(*, quick: bool) -> list[Line]:
    """The lines."""
    lines = []
    for size, bar in PROTOTYPE.items():
        if quick and size > 1024:
            continue
        batches = [
            jnp.asarray(
                np.eye(SYMBOLS, dtype=np.float32)[linear_chain(3).draw(size, STEPS, key=k)[0]].reshape(
                    size, -1
                )
            )
            for k in (0, 1)
        ]
        jax.block_until_ready(_both(*batches))
        found = []
        for _ in range(5):
            began = time.perf_counter()
            jax.block_until_ready(_both(*batches))
            found.append(time.perf_counter() - began)
        lines.append(
            at_most(
                f"divergence and gradient at batch {size}", min(found), bar, "s", "bar: the page's prototype"
            )
        )
    return lines
