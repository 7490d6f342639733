"""What a network that emits symbols is trained on: the divergence of its sequences from those recorded."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from neurodyn.errors import ModelError
from neurodyn.inference.recurrent.network import Network, Parameters
from neurodyn.inference.recurrent.visits import visit_error
from neurodyn.inference.recurrent.words import change_error, word_error
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
    distributions agree: as many sequences are drawn as there are recorded ones in the batch, as otherwise the two terms
    would be biased by different amounts. ``"paper"`` is the loss as published,
    :math:`\\mathrm{OT}(x, y) - \\tfrac12 \\mathrm{OT}(x, x)`: every sequence finds itself in the self term, so that on
    finite batches it is least for sequences that are less varied than those recorded. The term of the recorded sequences
    alone is left out, as nothing depends on it.

    Whole sequences that are far from each other anyway hardly change their distance when a symbol flickers, so that the
    transport alone settles on too many changes. To ``"independent"`` is therefore added w times the sum of the `word_error`,
    the `change_error` and the `visit_error` of the two batches: how far they miss the frequencies of words of three symbols
    in the recorded sequences, how often changes come together, and how long symbols last.

    Parameters
    ----------
    network : Network
        The network.
    loss : {"independent", "paper"}
        As above.
    blur : float
        Entropic regularisation of the transport, epsilon: where a blur is given as a length, its square.
    temperature : float
        Of the softened symbols that gradients are taken of.
    word_weight : float
        Weight w of words, changes and visits; the published loss has none.
    ramp : (float, float)
        Epochs between which the weight of the gradient rises from zero to w; the value has all of it throughout, so that
        losses of all epochs compare. From the first step on, words can be met by sequences that flicker beside others that
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
    >>> Objective(network=Network(8, 4, 3)).names
    ('towards', 'among', 'words')
    """

    network: Network
    loss: str = "independent"
    blur: float = 0.04
    temperature: float = 1.0
    word_weight: float = 10.0
    ramp: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Check the loss."""
        if self.loss not in LOSSES:
            raise ModelError(f"hmm_emulator: loss is {self.loss!r}; choose one of {', '.join(LOSSES)}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts of the loss."""
        return ("towards", "among", "words") if self._with_words else ("towards", "among")

    @property
    def _with_words(self) -> bool:
        """Whether words are part of the loss."""
        return self.loss == "independent" and self.word_weight > 0

    def parts(
        self,
        parameters: Parameters,
        batch: Sequences,
        context: dict[str, Any],
        key: jax.Array,
        epoch: Array,
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Cost towards the recorded sequences, the self term, and how far words are missed.

        Parameters
        ----------
        parameters : dict
            Of the network.
        batch : Sequences
            Recorded sequences.
        context : dict
            ``symbols``, all recorded sequences, their number ``count``, their `word_frequencies` as
            ``words``, `change_frequencies` as ``changes`` and `visit_frequencies` as ``visits``.
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
        rows, steps = batch.symbols.shape
        if self.loss == "paper":
            x, _ = self._generated(parameters, second, rows, steps)
            towards, self_cost = self._costs([x, x], [target, x], steps)
            found = {"towards": towards, "among": -self_cost / 2}
        else:
            both, chances = self._generated(parameters, second, 2 * rows, steps)
            x, other = both[:rows], both[rows:]
            one, two, among = self._costs([x, other, x], [target, target, other], steps)
            found = {"towards": (one + two) / 2, "among": -among / 2}
            if self._with_words:
                halves, count = (chances[..., :rows], chances[..., rows:]), context["count"]
                missed = word_error(*halves, context["words"], count)
                missed += change_error(*halves, context["changes"], count)
                missed += visit_error(*halves, context["visits"], count)
                whole = self.word_weight * missed
                still = jax.lax.stop_gradient(whole)
                found["words"] = still + self._risen(epoch) * (whole - still)
        return found, {name: jnp.ones(()) for name in found}

    def _risen(self, epoch: Array) -> Array:
        """Share of their weight with which the words drive the parameters."""
        first, last = self.ramp
        return jnp.clip((epoch + 1.0 - first) / max(last - first, 1.0), 0.0, 1.0)

    def _costs(self, left: list[Array], right: list[Array], steps: int) -> list[Array]:
        """Transport cost of every pair of batches, compiled once."""

        def cost(pair: tuple[Array, Array]) -> Array:
            return transport_cost(*pair, steps=steps, blur=self.blur)

        return list(jax.lax.map(cost, (jnp.stack(left), jnp.stack(right))))

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
    ) -> tuple[Float[Array, "n f"], Float[Array, "step symbol n"]]:
        """Flattened sequences of the network, and the probabilities of their symbols."""
        symbols, chances = self.network.generate(parameters, key, n, steps, self.temperature)
        return symbols.reshape(n, -1), chances

    def _target(self, batch: Sequences, context: dict[str, Any], key: jax.Array) -> Float[Array, "n f"]:
        """Flattened recorded sequences; rows that fill up are drawn from all of them."""
        rows = len(batch.real)
        drawn = (jax.random.uniform(key, (rows,)) * context["count"]).astype(jnp.int32)
        symbols = jnp.where(batch.real[:, None], batch.symbols, context["symbols"][drawn])
        return jax.nn.one_hot(symbols, self.network.symbols).reshape(rows, -1)
