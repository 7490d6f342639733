"""Encoders: from what is fed to the network to a hidden state for every bin."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer

from neurodyn.errors import ModelError
from neurodyn.inference.vae.layers import (
    Coins,
    Parameters,
    affine,
    by_unit,
    dropout,
    gru,
    gru_start,
    normal,
    zeros,
)

EXTRA = 1  # one more input: which share of the units is observed in the bin


def whole_number(name: str, value: Any, least: int, what: str) -> None:
    """Refuse a hyperparameter that is not a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ModelError(f"{what}: {name} is {value!r}; it must be a whole number, {least} or more.")


def proportion(name: str, value: Any, what: str, *, most: float = 1.0) -> None:
    """Refuse a hyperparameter outside of [0, most)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < most:
        raise ModelError(f"{what}: {name} is {value!r}; it must be at least 0 and below {most:g}.")


@dataclasses.dataclass(frozen=True)
class GRUEncoder:
    """Gated recurrent unit over the bins, in one direction or both.

    .. math::

        h_t = \\mathrm{GRU}(h_{t-1}, y_t), \\qquad y_t = [m_t \\odot (x_t - \\mu) / s,\\; \\bar m_t]

    where m_t says which units are observed, so that a missing value is fed as the unit's mean, and the last input is
    the share of units observed.

    Parameters
    ----------
    width : int
        Hidden units of one direction.
    bidirectional : bool
        Also run backwards, so that the state of a bin has seen the whole trial.
    dropout : float
        Share of hidden units set to zero in training.
    hold : bool
        Feed a bin in which nothing is observed with the last input before it.

    References
    ----------
    Cho et al. (2014), arXiv:1406.1078.

    Examples
    --------
    >>> from neurodyn.inference.vae.encoders import GRUEncoder
    >>> GRUEncoder(32, bidirectional=True).n_hidden
    64
    """

    width: int = 64
    bidirectional: bool = True
    dropout: float = 0.05
    hold: bool = False

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        whole_number("width", self.width, 1, "GRUEncoder")
        proportion("dropout", self.dropout, "GRUEncoder")

    @property
    def n_hidden(self) -> int:
        """Features of a bin's hidden state."""
        return self.width * (2 if self.bidirectional else 1)

    @property
    def causal(self) -> bool:
        """Whether the state of a bin depends on nothing after it."""
        return not self.bidirectional

    @property
    def n_coins(self) -> int:
        """Random bytes of a bin's dropout."""
        return self.n_hidden if self.dropout > 0 else 0

    def start(self, random: np.random.Generator, seeds: Integer[np.ndarray, " unit"]) -> Parameters:
        """Weights at the beginning of training.

        Parameters
        ----------
        random : np.random.Generator
            Randomness.
        seeds : array
            One integer per unit; a unit's weights depend on nothing else.

        Returns
        -------
        dict
            ``forward`` and ``backward``.
        """

        def one() -> Parameters:
            gain = float((len(seeds) + EXTRA) ** -0.5)
            rows = by_unit(random, seeds, 3 * self.width, gain=gain)
            extra = normal(random, gain, EXTRA, 3 * self.width)
            return {
                "input": {"weight": rows, "extra": extra, "bias": zeros(3 * self.width)},
                "first": zeros(self.width),
                **gru_start(random, self.width),
            }

        return {"forward": one(), **({"backward": one()} if self.bidirectional else {})}

    def __call__(
        self,
        parameters: Parameters,
        values: Float[Array, "trial time unit"],
        observed: Bool[Array, "trial time unit"],
        coins: Coins,
    ) -> Float[Array, "trial time hidden"]:
        """Hidden states.

        Parameters
        ----------
        parameters : dict
            As `start` makes them.
        values : array
            Standardised values, zero where not observed.
        observed : array
            What is observed.
        coins : Coins
            Randomness of the dropout.

        Returns
        -------
        array
            ``(trial, time, hidden)``.
        """
        share = observed.mean(-1, keepdims=True, dtype=values.dtype)
        if self.hold:
            values, share = _held(values, share)
        # Time first before the values widen into gates: the narrow array is the cheaper one to turn.
        values, share = values.transpose(1, 0, 2), share.transpose(1, 0, 2)
        found = []
        for name in ("forward", "backward")[: 1 + self.bidirectional]:
            weights = parameters[name]
            driven = affine(weights["input"], values) + share @ weights["input"]["extra"]
            first = jnp.broadcast_to(weights["first"], (values.shape[1], self.width))
            found.append(gru(weights, driven, first, reverse=name == "backward"))
        hidden = jnp.concatenate(found, axis=-1).transpose(1, 0, 2)
        return dropout(hidden, self.dropout, coins.take(self.n_coins)) if self.n_coins else hidden


def _held(
    values: Float[Array, "trial time unit"], share: Float[Array, "trial time 1"]
) -> tuple[Float[Array, "trial time unit"], Float[Array, "trial time 1"]]:
    """The last input with anything observed, for every bin."""
    n_time = values.shape[1]
    at = jnp.where(share[..., 0] > 0, jnp.arange(n_time), 0)
    last = jax.lax.cummax(at, axis=1)[..., None]
    return jnp.take_along_axis(values, last, axis=1), jnp.take_along_axis(share, last, axis=1)
