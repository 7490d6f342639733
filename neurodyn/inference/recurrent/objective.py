"""What a network that emits symbols is trained on: the divergence of its sequences from those recorded."""

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from neurodyn.errors import ModelError
from neurodyn.inference.recurrent.network import Network, Parameters
from neurodyn.inference.sinkhorn import transport_cost

LOSSES = ("independent", "paper")


class Sequences(NamedTuple):
    """Recorded sequences, on the device.

    Parameters
    ----------
    symbols : array
        Codes.
    real : array
        False where a row only fills a batch up.
    """

    symbols: Int[Array, "sequence step"]
    real: Bool[Array, " sequence"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective:
    """Sinkhorn divergence between a batch of generated sequences and one of recorded ones.

    ``"independent"`` draws two generated batches x and x' and takes
    :math:`\\tfrac12 (\\mathrm{OT}(x, y) + \\mathrm{OT}(x', y) - \\mathrm{OT}(x, x'))`, on average least where the
    distributions agree. ``"paper"`` is the loss as published, :math:`\\mathrm{OT}(x, y) - \\tfrac12 \\mathrm{OT}(x, x)`:
    every sequence finds itself in the self term, so that on finite batches it is least for sequences that are less
    varied than those recorded. The term of the recorded sequences alone is left out, as nothing depends on it.

    Whole sequences that are far from each other anyway hardly change their distance when a symbol flickers, so that the
    transport alone settles on too many changes. To ``"independent"`` is therefore added how far the frequencies q of
    pairs of symbols k = 1, 2, 4, ... steps apart in all recorded sequences are missed by p and p' in the two batches:

    .. math:: w \\sum_{ki} \\frac{n_{ki}}{2} \\sum_{ab}
        \\frac{(p_{kiab} - q_{kiab}) (p'_{kiab} - q_{kiab})}{q_{kiab}}

    with i a stretch of n steps after the start, each twice as long as the one before: the network starts from nothing,
    and without stretches rarer changes later on would make up for frequent ones at the start. With w = 1 and the first
    lag alone this is about the Kullback-Leibler divergence of first-order Markov chains, in nats. Two batches, so that
    the noise of finite batches adds nothing on average; p is of the probabilities of the symbols rather than of the
    symbols drawn, which has the same mean, less noise, and an exact gradient.

    Parameters
    ----------
    network : Network
        The network.
    loss : {"independent", "paper"}
        As above.
    blur : float
        Entropic regularisation of the transport.
    temperature : float
        Of the softened symbols that gradients are taken of.
    batch : int
        Generated sequences of a batch.
    transitions : float
        Weight w of the pairs; the published loss has none.
    ramp : (float, float)
        Epochs between which the weight of the gradient rises from zero to w; the value has all of it throughout, so that
        losses of all epochs compare. From the first step on, pairs can be met by sequences that flicker beside others that
        never change, from which the transport finds out late.

    Raises
    ------
    ModelError
        If the loss is unknown.

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674. Feydy et al. (2019), arXiv:1810.08278.

    Examples
    --------
    >>> from neurodyn.inference.recurrent import Network, Objective
    >>> Objective(network=Network(8, 4, 3), batch=64).loss
    'independent'
    """

    network: Network
    loss: str = "independent"
    blur: float = 0.04
    temperature: float = 1.0
    batch: int = 1024
    transitions: float = 10.0
    ramp: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Check the loss."""
        if self.loss not in LOSSES:
            raise ModelError(f"hmm_emulator: loss is {self.loss!r}; choose one of {', '.join(LOSSES)}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts of the loss."""
        return ("towards", "among", "transitions") if self._with_transitions else ("towards", "among")

    @property
    def _with_transitions(self) -> bool:
        """Whether pairs of symbols are part of the loss."""
        return self.loss == "independent" and self.transitions > 0

    def parts(
        self,
        parameters: Parameters,
        batch: Sequences,
        context: dict[str, Any],
        key: jax.Array,
        epoch: Array,
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Cost towards the recorded sequences, and the self term.

        Parameters
        ----------
        parameters : dict
            Of the network.
        batch : Sequences
            Recorded sequences.
        context : dict
            ``symbols``, all recorded sequences, their number ``count``, and their `pair_frequencies` as ``pairs``.
        key : jax.Array
            Randomness.
        epoch : array
            Epochs before this one.

        Returns
        -------
        dict, dict
            The parts in `names`, and their denominators, which are one.
        """
        first, second = jax.random.split(key)
        target = self._target(batch, context, first)
        steps = batch.symbols.shape[1]
        if self.loss == "paper":
            x, _ = self._generated(parameters, second, self.batch, steps)
            towards, self_cost = self._costs([x, x], [target, x], steps)
            found = {"towards": towards, "among": -self_cost / 2}
        else:
            both, chances = self._generated(parameters, second, 2 * self.batch, steps)
            x, other = both[: self.batch], both[self.batch :]
            one, two, among = self._costs([x, other, x], [target, target, other], steps)
            found = {"towards": (one + two) / 2, "among": -among / 2}
            if self._with_transitions:
                whole = self.transitions * pair_error(
                    chances[: self.batch], chances[self.batch :], context["pairs"]
                )
                still = jax.lax.stop_gradient(whole)
                found["transitions"] = still + self._risen(epoch) * (whole - still)
        return found, {name: jnp.ones(()) for name in found}

    def _risen(self, epoch: Array) -> Array:
        """Share of their weight with which the pairs drive the parameters."""
        first, last = self.ramp
        return jnp.clip((epoch + 1.0 - first) / max(last - first, 1.0), 0.0, 1.0)

    def _costs(self, left: list[Array], right: list[Array], steps: int) -> list[Array]:
        """Transport cost of every pair of batches, compiled once where all are of one size."""

        def cost(pair: tuple[Array, Array]) -> Array:
            return transport_cost(*pair, steps=steps, blur=self.blur)

        if len({batch.shape for batch in (*left, *right)}) == 1:
            return list(jax.lax.map(cost, (jnp.stack(left), jnp.stack(right))))
        return [cost(pair) for pair in zip(left, right, strict=True)]

    def score(self, parameters: Parameters, batch: Sequences, context: dict[str, Any]) -> tuple[Array, Array]:
        """Loss on held-out sequences with the same noise every time, times their number, and that number.

        Parameters
        ----------
        parameters : dict
            Of the network.
        batch : Sequences
            Held-out sequences.
        context : dict
            As for `parts`.

        Returns
        -------
        array, array
            Sum and count.
        """
        found, _ = self.parts(parameters, batch, context, jax.random.key(0), jnp.asarray(self.ramp[1]))
        count = batch.real.sum().astype(jnp.float32)
        return jnp.stack(list(found.values())).sum() * count, count

    def _generated(
        self, parameters: Parameters, key: jax.Array, n: int, steps: int
    ) -> tuple[Float[Array, "n f"], Float[Array, "n step symbol"]]:
        """Flattened sequences of the network, and the probabilities of their symbols."""
        symbols, chances = self.network.generate(parameters, key, n, steps, self.temperature)
        return symbols.reshape(n, -1), chances

    def _target(self, batch: Sequences, context: dict[str, Any], key: jax.Array) -> Float[Array, "n f"]:
        """Flattened recorded sequences; rows that fill up are drawn from all of them."""
        rows = len(batch.real)
        drawn = (jax.random.uniform(key, (rows,)) * context["count"]).astype(jnp.int32)
        symbols = jnp.where(batch.real[:, None], batch.symbols, context["symbols"][drawn])
        return jax.nn.one_hot(symbols, self.network.symbols).reshape(rows, -1)


def lags(steps: int) -> tuple[int, ...]:
    """Lags at which pairs of symbols are compared: 1, 2, 4, ... as long as half of the steps have a partner.

    Parameters
    ----------
    steps : int
        Steps of a sequence.

    Returns
    -------
    tuple of int
        Lags in steps.
    """
    return tuple(2**k for k in range(max(steps // 2, 1).bit_length()))


def stretches(steps: int) -> tuple[tuple[int, int], ...]:
    """Stretches of doubling length after the start: the first step, the next, the next two, the next four, ...

    Parameters
    ----------
    steps : int
        Steps in all.

    Returns
    -------
    tuple of (int, int)
        First step of each, and the one after its last.
    """
    bounds = [0, *(2**k for k in range((steps - 1).bit_length())), steps]
    return tuple(pairwise(bounds))


def pair_frequencies(
    symbols: Int[np.ndarray, "sequence step"], count: int
) -> tuple[Float[np.ndarray, "_ symbol symbol"], ...]:
    """Relative frequencies of pairs of symbols at every lag, in every stretch after the start.

    Parameters
    ----------
    symbols : np.ndarray
        Codes.
    count : int
        How many symbols there are.

    Returns
    -------
    tuple of np.ndarray
        Of every of the `lags`, ``(stretch, before, after)``: the frequencies in every of the `stretches` of the steps
        that have a partner, which sum to 1.
    """
    found = []
    for lag in lags(symbols.shape[1]):
        pairs = symbols[:, :-lag].astype(np.int64) * count + symbols[:, lag:]
        cut = [pairs[:, start:stop] for start, stop in stretches(pairs.shape[1])]
        counted = [
            np.bincount(part.ravel(), minlength=count**2).reshape(count, count) / part.size for part in cut
        ]
        found.append(np.asarray(counted, np.float32))
    return tuple(found)


def pair_error(
    one: Float[Array, "sequence step symbol"],
    two: Float[Array, "sequence step symbol"],
    recorded: Sequence[Float[Array, "_ symbol symbol"]],
) -> Float[Array, ""]:
    """How far the pairs of two independent batches are from those recorded; zero on average where they agree.

    .. math:: \\sum_{ki} \\frac{n_{ki}}{2} \\sum_{ab} \\frac{(p_{kiab} - q_{kiab}) (p'_{kiab} - q_{kiab})}{q_{kiab}}

    Parameters
    ----------
    one, two : array
        Symbols of the batches, which have p and p': one-hot, or their probabilities where they are independent given
        something else.
    recorded : sequence of array
        q of every of the `lags` and `stretches`, as `pair_frequencies` gives it; a pair never recorded is divided by half
        a pair of a batch.

    Returns
    -------
    array
        The error, in nats where it is small.
    """
    total = jnp.zeros(())
    for lag, known in zip(lags(one.shape[1]), recorded, strict=True):
        for (start, stop), q in zip(stretches(one.shape[1] - lag), known, strict=True):
            pairs = one.shape[0] * (stop - start)
            missed = [
                jnp.einsum("nta,ntb->ab", x[:, start:stop], x[:, start + lag : stop + lag]) / pairs - q
                for x in (one, two)
            ]
            total += (stop - start) / 2 * (missed[0] * missed[1] / jnp.maximum(q, 0.5 / pairs)).sum()
    return total
