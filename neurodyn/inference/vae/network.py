"""The network: encoder, latent dynamics, decoder and readout, put together."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer

from neurodyn.errors import ModelError
from neurodyn.inference.vae.decoders import LinearDecoder, TransformerDecoder
from neurodyn.inference.vae.encoders import GRUEncoder
from neurodyn.inference.vae.latents import Latent, Path
from neurodyn.inference.vae.layers import Coins, Parameters, affine, affine_start, by_unit
from neurodyn.inference.vae.likelihoods import Likelihood

ABLATIONS = ("latent", "noise", "encoder")


class Output(NamedTuple):
    """What a pass through the network gives.

    Parameters
    ----------
    read : array
        What the likelihood takes, ``(trial, time, unit)``.
    path : Path
        The latent path.
    hidden : array
        The encoder's states, ``(trial, time, hidden)``.
    features : array
        What is read out linearly, ``(trial, time, width)``.
    """

    read: Float[Array, "trial time unit"]
    path: Path
    hidden: Float[Array, "trial time hidden"]
    features: Float[Array, "trial time width"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """Encoder x latent dynamics x decoder x likelihood.

    Parameters
    ----------
    encoder, latent, decoder, likelihood
        The parts.
    reads_encoder : bool
        Whether the decoder is given the encoder's states beside the latent ones.
    ablate : str or None
        ``"latent"``: the decoder gets zeros in place of the latent; ``"noise"``: independent standard normal numbers;
        ``"encoder"``: zeros in place of the encoder's states. The decoder stays as wide as it was.
    """

    encoder: GRUEncoder
    latent: Latent
    decoder: TransformerDecoder | LinearDecoder
    likelihood: Likelihood
    reads_encoder: bool = True
    ablate: str | None = None
    factors: int | None = None

    def __post_init__(self) -> None:
        """Check the combination."""
        if self.ablate is not None and self.ablate not in ABLATIONS:
            raise ModelError(f"ablate is {self.ablate!r}; choose one of {', '.join(ABLATIONS)}, or None.")
        if self.ablate == "encoder" and not self.reads_encoder:
            raise ModelError("ablate is 'encoder', but the decoder is not given the encoder's states.")

    @property
    def n_given(self) -> int:
        """Features the decoder gets."""
        return self.latent.n_state + (self.encoder.n_hidden if self.reads_encoder else 0)

    @property
    def causal(self) -> bool:
        """Whether the output of a bin depends on nothing after it."""
        return self.encoder.causal and self.decoder.causal

    @property
    def uses_latent(self) -> bool:
        """Whether the latent state reaches the output."""
        return self.ablate not in ("latent", "noise")

    def start(
        self,
        random: np.random.Generator,
        seeds: Integer[np.ndarray, " unit"],
        mean: Float[np.ndarray, " unit"],
        deviation: Float[np.ndarray, " unit"],
    ) -> Parameters:
        """Parameters at the beginning of training.

        Parameters
        ----------
        random : np.random.Generator
            Randomness.
        seeds : array
            One integer per unit.
        mean, deviation : array
            Training moments of the units.

        Returns
        -------
        dict
            Parameters of the parts by name.
        """
        width = self.decoder.n_features(self.n_given)
        factors = {}
        if self.factors is not None:
            factors = {"factors": affine_start(random, width, self.factors)}
            width = self.factors
        return {
            **factors,
            "encoder": self.encoder.start(random, seeds),
            "latent": self.latent.start(random, self.encoder.n_hidden),
            "decoder": self.decoder.start(random, self.n_given),
            "readout": {"weight": by_unit(random, seeds, width, gain=0.5 / width**0.5)},
            "likelihood": self.likelihood.start(mean, deviation),
        }

    def __call__(
        self,
        parameters: Parameters,
        values: Float[Array, "trial time unit"],
        observed: Bool[Array, "trial time unit"],
        *,
        dropout: jax.Array | None = None,
        sample: jax.Array | None = None,
    ) -> Output:
        """One pass.

        Parameters
        ----------
        parameters : dict
            As `start` makes them.
        values : array
            Standardised values, zero where not observed.
        observed : array
            What the network is shown.
        dropout : jax.Array, optional
            Randomness of the dropout; None: none.
        sample : jax.Array, optional
            Randomness of the latent; None: its posterior mean.

        Returns
        -------
        Output
            What is read out, and the states on the way.
        """
        shape = values.shape[:2]
        coins = Coins(dropout, shape, self.encoder.n_coins + self.decoder.n_coins(shape[1], self.n_given))
        hidden = self.encoder(parameters["encoder"], values, observed, coins)
        path = self.latent.path(parameters["latent"], hidden, sample)
        given = [self._shown(path.state, sample)]
        if self.reads_encoder:
            given.append(jnp.zeros_like(hidden) if self.ablate == "encoder" else hidden)
        features = self.decoder(parameters["decoder"], jnp.concatenate(given, axis=-1), coins)
        if self.factors is not None:
            features = affine(parameters["factors"], features)
        return Output(self.read(parameters, features), path, hidden, features)

    def read(self, parameters: Parameters, features: Float[Array, "trial time width"]) -> Array:
        """Linear readout, ``(trial, time, unit)``."""
        return features @ parameters["readout"]["weight"].T

    def _shown(self, state: Float[Array, "trial time state"], sample: jax.Array | None) -> Array:
        """What the decoder sees of the latent."""
        if self.uses_latent:
            return state
        if self.ablate == "latent" or sample is None:
            return jnp.zeros_like(state)
        return jax.random.normal(jax.random.fold_in(sample, 1), state.shape, state.dtype)
