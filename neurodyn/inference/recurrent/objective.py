"""What a network that emits symbols is trained on: the divergence of its sequences from those recorded."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
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

    def __post_init__(self) -> None:
        """Check the loss."""
        if self.loss not in LOSSES:
            raise ModelError(f"hmm_emulator: loss is {self.loss!r}; choose one of {', '.join(LOSSES)}.")

    def parts(
        self,
        parameters: Parameters,
        batch: Sequences,
        context: dict[str, Array],
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
            ``symbols``, all recorded sequences, and their number ``count``.
        key : jax.Array
            Randomness.
        epoch : array
            Not used.

        Returns
        -------
        dict, dict
            ``towards`` and ``among``, and their denominators, which are one.
        """
        del epoch
        first, second = jax.random.split(key)
        target = self._target(batch, context, first)
        steps = batch.symbols.shape[1]
        if self.loss == "paper":
            x = self._generated(parameters, second, self.batch, steps)
            towards, self_cost = self._costs([x, x], [target, x], steps)
            found = {"towards": towards, "among": -self_cost / 2}
        else:
            both = self._generated(parameters, second, 2 * self.batch, steps)
            x, other = both[: self.batch], both[self.batch :]
            one, two, among = self._costs([x, other, x], [target, target, other], steps)
            found = {"towards": (one + two) / 2, "among": -among / 2}
        return found, {name: jnp.ones(()) for name in found}

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
        found, _ = self.parts(parameters, batch, context, jax.random.key(0), jnp.zeros((), jnp.int32))
        count = batch.real.sum().astype(jnp.float32)
        return jnp.stack(list(found.values())).sum() * count, count

    def _generated(self, parameters: Parameters, key: jax.Array, n: int, steps: int) -> Float[Array, "n f"]:
        """Flattened sequences of the network."""
        return self.network.generate(parameters, key, n, steps, self.temperature).reshape(n, -1)

    def _target(self, batch: Sequences, context: dict[str, Any], key: jax.Array) -> Float[Array, "n f"]:
        """Flattened recorded sequences; rows that fill up are drawn from all of them."""
        rows = len(batch.real)
        drawn = (jax.random.uniform(key, (rows,)) * context["count"]).astype(jnp.int32)
        symbols = jnp.where(batch.real[:, None], batch.symbols, context["symbols"][drawn])
        return jax.nn.one_hot(symbols, self.network.symbols).reshape(rows, -1)
