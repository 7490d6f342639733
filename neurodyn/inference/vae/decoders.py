"""Decoders: from the latent and hidden states of all bins to features that are read out as rates."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurodyn.errors import ModelError
from neurodyn.inference.vae.encoders import proportion, whole_number
from neurodyn.inference.vae.layers import (
    Coins,
    Parameters,
    affine,
    affine_start,
    attention,
    dropout,
    layer_norm,
    layer_norm_start,
)


@dataclasses.dataclass(frozen=True)
class LinearDecoder:
    """An affine map of every bin's features by itself.

    Parameters
    ----------
    width : int
        Features read out.

    Examples
    --------
    >>> from neurodyn.inference.vae.decoders import LinearDecoder
    >>> LinearDecoder(16).causal
    True
    """

    width: int = 64

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        whole_number("width", self.width, 1, "LinearDecoder")

    @property
    def causal(self) -> bool:
        """Whether a bin's output depends on nothing after it."""
        return True

    def n_features(self, n_in: int) -> int:
        """Features read out."""
        del n_in
        return self.width

    def n_coins(self, n_time: int, n_in: int) -> int:
        """No dropout."""
        del n_time, n_in
        return 0

    def start(self, random: np.random.Generator, n_in: int) -> Parameters:
        """Weights at the beginning of training.

        Parameters
        ----------
        random : np.random.Generator
            Randomness.
        n_in : int
            Features of a bin.

        Returns
        -------
        dict
            ``read_in``.
        """
        return {"read_in": affine_start(random, n_in, self.width)}

    def __call__(
        self, parameters: Parameters, features: Float[Array, "trial time features"], coins: Coins
    ) -> Float[Array, "trial time width"]:
        """Features read out.

        Parameters
        ----------
        parameters : dict
            As `start` makes them.
        features : array
            ``(trial, time, features)``.
        coins : Coins
            Not used.

        Returns
        -------
        array
            ``(trial, time, width)``.
        """
        del coins
        return affine(parameters["read_in"], features)


@dataclasses.dataclass(frozen=True)
class TransformerDecoder:
    """One post-norm Transformer encoder layer over all bins of a trial.

    Parameters
    ----------
    width : int or None
        Features after an affine read-in; None: none, the layer is as wide as what it is given.
    heads : int
        Attention heads.
    feed_forward : int
        Hidden units of the feed-forward part.
    dropout : float
        Share of the features, and of the attention weights, set to zero in training.
    causal : bool
        Let a bin attend to no bin after it.
    positions : bool
        Add sinusoids of the bin's number, without which the layer cannot tell the order of bins.

    References
    ----------
    Vaswani et al. (2017), arXiv:1706.03762.

    Examples
    --------
    >>> from neurodyn.inference.vae.decoders import TransformerDecoder
    >>> TransformerDecoder(width=None).n_features(30)
    30
    """

    width: int | None = 64
    heads: int = 2
    feed_forward: int = 128
    dropout: float = 0.0
    causal: bool = False
    positions: bool = True

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        if self.width is not None:
            whole_number("width", self.width, 1, "TransformerDecoder")
        whole_number("heads", self.heads, 1, "TransformerDecoder")
        whole_number("feed_forward", self.feed_forward, 1, "TransformerDecoder")
        proportion("dropout", self.dropout, "TransformerDecoder")
        if self.width is not None and self.width % self.heads:
            raise ModelError(
                f"TransformerDecoder: width is {self.width} and heads {self.heads}; the heads must divide the width."
            )

    def n_features(self, n_in: int) -> int:
        """Features read out."""
        return n_in if self.width is None else self.width

    def n_coins(self, n_time: int, n_in: int) -> int:
        """Random bytes of a bin's dropout."""
        return sum(self._coins(n_time, self.n_features(n_in)))

    def _coins(self, n_time: int, width: int) -> tuple[int, int, int, int]:
        """Bytes for the attention weights, what they gather, the hidden units and what comes of them."""
        if self.dropout == 0:
            return 0, 0, 0, 0
        return self.heads * n_time, width, self.feed_forward, width

    def start(self, random: np.random.Generator, n_in: int) -> Parameters:
        """Weights at the beginning of training.

        Parameters
        ----------
        random : np.random.Generator
            Randomness.
        n_in : int
            Features of a bin.

        Returns
        -------
        dict
            Weights of the parts by name.

        Raises
        ------
        ModelError
            If the heads do not divide the width.
        """
        width = self.n_features(n_in)
        if width % self.heads:
            raise ModelError(
                f"TransformerDecoder: {n_in} features come in and heads is {self.heads}; give a width that the heads "
                "divide."
            )
        found = {
            "project": affine_start(random, width, 3 * width),
            "join": affine_start(random, width, width),
            "widen": affine_start(random, width, self.feed_forward, gain=float(np.sqrt(2))),
            "narrow": affine_start(random, self.feed_forward, width),
            "first_norm": layer_norm_start(width),
            "second_norm": layer_norm_start(width),
        }
        return found if self.width is None else {"read_in": affine_start(random, n_in, width), **found}

    def __call__(
        self, parameters: Parameters, features: Float[Array, "trial time features"], coins: Coins
    ) -> Float[Array, "trial time width"]:
        """Features read out.

        Parameters
        ----------
        parameters : dict
            As `start` makes them.
        features : array
            ``(trial, time, features)``.
        coins : Coins
            Randomness of the dropout.

        Returns
        -------
        array
            ``(trial, time, width)``.
        """
        values = features if self.width is None else affine(parameters["read_in"], features)
        n_time, width = values.shape[1:]
        drawn = [coins.take(size) for size in self._coins(n_time, width)]
        if self.positions:
            values = values + sinusoids(n_time, width).astype(values.dtype)
        seen = jnp.asarray(_earlier(n_time)) if self.causal else None
        query, key, value = jnp.split(affine(parameters["project"], values), 3, axis=-1)
        mixed = attention(query, key, value, self.heads, seen, self.dropout, drawn[0])
        mixed = affine(parameters["join"], mixed)
        values = layer_norm(parameters["first_norm"], values + dropout(mixed, self.dropout, drawn[1]))
        inner = dropout(jax.nn.relu(affine(parameters["widen"], values)), self.dropout, drawn[2])
        outer = dropout(affine(parameters["narrow"], inner), self.dropout, drawn[3])
        return layer_norm(parameters["second_norm"], values + outer)


def _earlier(n_time: int) -> Bool[np.ndarray, "time time"]:
    """True where the column's bin is not after the row's."""
    return np.tril(np.ones((n_time, n_time), dtype=bool))


def sinusoids(n_time: int, width: int) -> Float[Array, "time width"]:
    """Sinusoids of the bin's number with wavelengths from 2 pi to 2 pi x 10,000 bins.

    Parameters
    ----------
    n_time, width : int
        Shape.

    Returns
    -------
    array
        ``(time, width)``.
    """
    rank = np.arange(width)
    angle = np.arange(n_time)[:, None] / 10_000.0 ** (2 * (rank // 2) / max(width, 1))
    return jnp.asarray(np.where(rank % 2 == 0, np.sin(angle), np.cos(angle)), jnp.float32)
