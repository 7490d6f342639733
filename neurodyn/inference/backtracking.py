"""State paths read backwards through blocks of time, all blocks at once.

A path is found from right to left by maps: state at t to state at t - 1. Following the maps of a block
from each possible last state gives the block's own map; a short scan over blocks then gives the state
each block ends in, and a second walk the states inside all blocks.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int


def _look_up(table: Array, state: Array) -> Array:
    """Entries table[s, state, b] for states (path, candidate, block)."""
    return jnp.take_along_axis(table, state, axis=1)


def follow(
    maps_at: Callable[[Any], Int[Array, "path state block"]],
    inputs: Any,
    shape: tuple[int, int, int],
) -> Int[Array, "step path block"]:
    """States of every path at every step.

    `maps_at(inputs[step])` gives, for each state at this step, the state one step earlier; `shape` is
    (paths, states, blocks). The last block's last map must not depend on the state it is asked for.
    """
    n_paths, n_states, n_blocks = shape

    def compose(state: Array, row: Any) -> tuple[Array, None]:
        return _look_up(maps_at(row), state), None

    every = jnp.broadcast_to(jnp.arange(n_states, dtype=jnp.int32)[None, :, None], shape)
    whole, _ = lax.scan(compose, every, inputs, reverse=True)

    def hop(state: Array, table: Array) -> tuple[Array, Array]:
        return _look_up(table, state[:, None])[:, 0], state

    leave = lax.scan(hop, jnp.zeros(n_paths, jnp.int32), jnp.moveaxis(whole, -1, 0), reverse=True)[1]

    def walk(state: Array, row: Any) -> tuple[Array, Array]:
        return _look_up(maps_at(row), state[:, None])[:, 0], state

    return lax.scan(walk, leave.reshape(n_blocks, n_paths).T, inputs, reverse=True)[1]
