"""What silencing a set of units does to switching, against random sets and sets read out alike."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurodyn.analysis.dynamics.protocol import ReadOut, compiled
from neurodyn.analysis.dynamics.residency import check_symbols
from neurodyn.errors import ModelError

NEAREST = 12
WITHIN = 40


def as_low(found: float, null: Float[np.ndarray, " control"]) -> float:
    """Rank probability of a value as low as the one found, among those of control sets."""
    return float((1 + (null <= found).sum()) / (1 + len(null)))


class Silencing(NamedTuple):
    """Effect of silencing a set of units on the way from one symbol to another.

    Parameters
    ----------
    leaves, occupancy : float
        Probability that the symbol changes within the steps looked at, and share of these steps in which the target is
        read, with the set silenced.
    intact_leaves, intact_occupancy : float
        The same with nothing silenced.
    random, matched : array
        Occupancy for every random set, and for every set of units with similar readout.
    random_leaves, matched_leaves : array
        Probability of leaving for these.
    """

    leaves: float
    occupancy: float
    intact_leaves: float
    intact_occupancy: float
    random: Float[np.ndarray, " control"]
    matched: Float[np.ndarray, " control"]
    random_leaves: Float[np.ndarray, " control"]
    matched_leaves: Float[np.ndarray, " control"]

    @property
    def effect(self) -> float:
        """Share of the target's occupancy that is lost."""
        return 1 - self.occupancy / self.intact_occupancy if self.intact_occupancy > 0 else float("nan")

    @property
    def p_random(self) -> float:
        """Probability that a random set lowers the occupancy as far."""
        return as_low(self.occupancy, self.random)

    @property
    def p_matched(self) -> float:
        """Probability that a set of units with similar readout lowers the occupancy as far."""
        return as_low(self.occupancy, self.matched)

    @property
    def verdict(self) -> str:
        """``traps`` where the origin is left with a probability below .1, else ``slows``; ``nothing`` without effect."""
        if self.leaves < min(self.intact_leaves, 0.1):
            return "traps"
        return "slows" if self.occupancy < self.intact_occupancy else "nothing"


def matched_set(
    units: Int[np.ndarray, " chosen"],
    readout: Float[np.ndarray, " unit"],
    random: np.random.Generator,
    nearest: int = NEAREST,
    excluded: Int[np.ndarray, " excluded"] | None = None,
) -> Int[np.ndarray, " chosen"]:
    """As many other units, each drawn among those whose readout is nearest to that of one of the set.

    Parameters
    ----------
    units : array of int
        The set.
    readout : array
        What is to be matched, one number per unit.
    random : np.random.Generator
        Randomness.
    nearest : int
        How many are drawn from.
    excluded : array of int, optional
        Units that are not drawn either.

    Returns
    -------
    array of int
        Units outside of the set, each once.
    """
    free = np.ones(len(readout), bool)
    free[units] = False
    if excluded is not None:
        free[excluded] = False
    found = []
    for unit in random.permutation(units):
        left = np.flatnonzero(free)
        near = left[np.argsort(np.abs(readout[left] - readout[unit]), kind="stable")[:nearest]]
        drawn = int(random.choice(near))
        free[drawn] = False
        found.append(drawn)
    return np.array(found, int)


class Switching(NamedTuple):
    """How runs from one symbol fare.

    Parameters
    ----------
    leaves : float
        Probability that the symbol changes within the steps looked at.
    occupancy : float
        Share of these steps in which the target is read.
    """

    leaves: float
    occupancy: float


def switching(
    dynamics: ReadOut,
    states: Any,
    origin: int,
    target: int,
    *,
    key: jax.Array,
    n_runs: int = 256,
    n_steps: int = WITHIN,
) -> Switching:
    """Start from states read as the origin, and see how often it is left and the target reached.

    With networks made by `Rectified.scaled`, the same states and the same key, this gives the curve of an intervention.

    Parameters
    ----------
    dynamics : ReadOut
        What moves, with a readout.
    states : array
        States of noisy runs (of the intact network), ``(point, state)``.
    origin, target : int
        Symbols.
    key : jax.Array
        Randomness.
    n_runs, n_steps : int
        Runs, and steps looked at.

    Returns
    -------
    Switching
        Probability of leaving, and occupancy of the target.

    Raises
    ------
    ModelError
        If no state is read as the origin.
    """
    starts = starts_read_as(dynamics, states, origin, target, key, n_runs)
    masks = np.ones((1, dynamics.n_state), np.float32)
    leaves, occupancy = _with_masks(dynamics, masks, starts, origin, target, key, n_steps)
    return Switching(float(leaves[0]), float(occupancy[0]))


def starts_read_as(
    dynamics: ReadOut, states: Any, origin: int, target: int, key: jax.Array, n_runs: int
) -> Float[Array, "run state"]:
    """States read as the origin, drawn with replacement."""
    check_symbols(dynamics, origin, target)
    points = np.asarray(states, np.float32)
    here = points[np.asarray(jnp.argmax(dynamics.logits(points), axis=-1)) == origin]
    if not len(here):
        raise ModelError(f"no state is read as symbol {origin}; give states of longer noisy runs.")
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
    return jnp.asarray(here[random.integers(0, len(here), n_runs)])


def few_units(units: Any, n_state: int, excluded: int = 0) -> Int[np.ndarray, " chosen"]:
    """The units of a set, each once; refused where too few others remain to draw controls from."""
    chosen = np.unique(np.asarray(units, int))
    most = (n_state - excluded) // 2
    if not 1 <= len(chosen) <= most or chosen.min() < 0 or chosen.max() >= n_state:
        raise ModelError(
            f"the set has {len(chosen)} units ({chosen.min(initial=n_state)} to {chosen.max(initial=-1)}) of "
            f"{n_state}; give 1 to {most} of them, numbered from 0, so that controls remain."
        )
    return chosen


def readout_difference(
    dynamics: ReadOut, states: Any, origin: int, target: int
) -> Float[np.ndarray, " unit"]:
    """Difference of the readout weights of two symbols times the unit's standard deviation, in logits."""
    n = dynamics.n_state
    zero = dynamics.logits(jnp.zeros(n))
    weights = np.asarray(jax.vmap(dynamics.logits)(jnp.eye(n)) - zero)
    return (weights[:, target] - weights[:, origin]) * np.asarray(states, np.float32).std(axis=0)


def control_sets(
    chosen: Int[np.ndarray, " chosen"],
    match: Float[np.ndarray, " unit"],
    random: np.random.Generator,
    count: int,
    excluded: Int[np.ndarray, " excluded"] | None = None,
) -> tuple[list[Int[np.ndarray, " chosen"]], list[Int[np.ndarray, " chosen"]]]:
    """Random sets, and as many of similar `match`, none of them with a unit chosen or excluded."""
    barred = chosen if excluded is None else np.union1d(chosen, excluded)
    others = np.setdiff1d(np.arange(len(match)), barred)
    drawn = [random.choice(others, len(chosen), replace=False) for _ in range(count)]
    return drawn, [matched_set(chosen, match, random, excluded=excluded) for _ in range(count)]


def silencing(
    dynamics: ReadOut,
    units: Any,
    states: Any,
    origin: int,
    target: int,
    *,
    key: jax.Array,
    n_runs: int = 256,
    n_steps: int = WITHIN,
    n_controls: int = 200,
) -> Silencing:
    """Hold a set of units at zero, start from states read as the origin, and see how often the target is reached.

    All sets see the same starts and the same noise.

    Parameters
    ----------
    dynamics : ReadOut
        What moves, with a linear readout.
    units : array of int
        The set.
    states : array
        States of noisy runs, ``(point, state)``; the runs begin from those read as the origin.
    origin, target : int
        Symbols.
    key : jax.Array
        Randomness.
    n_runs : int
        Runs for every set.
    n_steps : int
        Steps looked at.
    n_controls : int
        Random sets, and as many with similar readout: the same difference of readout weights times the unit's standard
        deviation.

    Returns
    -------
    Silencing
        Effects and controls.

    Raises
    ------
    ModelError
        If too few units are left to draw controls from, or no state is read as the origin.
    """
    check_symbols(dynamics, origin, target)
    n = dynamics.n_state
    chosen = few_units(units, n)
    starts = starts_read_as(dynamics, states, origin, target, key, n_runs)
    random = np.random.default_rng([*np.asarray(jax.random.key_data(key)).ravel().tolist(), 1])
    readout = readout_difference(dynamics, states, origin, target)
    drawn, alike = control_sets(chosen, readout, random, n_controls)
    sets = [np.zeros(0, int), chosen, *drawn, *alike]
    masks = np.ones((len(sets), n), np.float32)
    for mask, one in zip(masks, sets, strict=True):
        mask[one] = 0
    leaves, occupancy = (
        np.asarray(x, float) for x in _with_masks(dynamics, masks, starts, origin, target, key, n_steps)
    )
    first, second = slice(2, 2 + n_controls), slice(2 + n_controls, None)
    return Silencing(
        leaves=float(leaves[1]),
        occupancy=float(occupancy[1]),
        intact_leaves=float(leaves[0]),
        intact_occupancy=float(occupancy[0]),
        random=occupancy[first],
        matched=occupancy[second],
        random_leaves=leaves[first],
        matched_leaves=leaves[second],
    )


def _with_masks(
    dynamics: ReadOut,
    masks: Any,
    starts: Any,
    origin: int,
    target: int,
    key: jax.Array,
    n_steps: int,
) -> tuple[Array, Array]:
    """Probability of leaving and occupancy of the target for every mask."""

    def run(dynamics: ReadOut, masks: Array, starts: Array) -> tuple[Array, Array]:
        def with_mask(mask: Array) -> tuple[Array, Array]:
            def one(carry: tuple[Array, Array, Array], t: Array) -> tuple[tuple[Array, Array, Array], None]:
                state, left, there = carry
                noise = jax.random.normal(jax.random.fold_in(key, t), (len(starts), dynamics.n_input))
                state = dynamics.step(state, noise) * mask
                read = jnp.argmax(dynamics.logits(state), axis=-1)
                return (state, left | (read != origin), there + (read == target)), None

            start = starts * mask, jnp.zeros(len(starts), bool), jnp.zeros(len(starts))
            _, left, there = jax.lax.scan(one, start, jnp.arange(n_steps))[0]
            return left.mean(), there.mean() / n_steps

        return jax.lax.map(with_mask, masks)

    return compiled(dynamics, run)(jnp.asarray(masks), starts)
