"""Latent dynamics: states that move from bin to bin, pushed by innovations.

Every kind has the form ``s_t = step(s_{t-1}, e_t)`` with innovations ``e_t ~ N(0, q^2)`` a priori. The posterior of
the first state comes from the encoder, and so does that of the innovations where the latent is driven; where it is
not, they are drawn from the prior and no data enter after the first bin.
"""

import abc
import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurodyn.inference.vae.encoders import whole_number
from neurodyn.inference.vae.layers import (
    Parameters,
    affine,
    affine_start,
    gru_start,
    gru_step,
    normal,
    orthogonal,
    zeros,
)

LOG_DEVIATION = (-6.0, 2.0)


class Path(NamedTuple):
    """A path of the latent state, and what it costs.

    Parameters
    ----------
    state : array
        ``(trial, time, state)``.
    initial : array
        Divergence of the first state's posterior from its prior in nats, ``(trial,)``.
    steps : array
        Divergence of the innovations' posterior from their prior in nats, ``(trial, time)``.
    innovation : array
        ``(trial, time - 1, innovation)``.
    """

    state: Float[Array, "trial time state"]
    initial: Float[Array, " trial"]
    steps: Float[Array, "trial time"]
    innovation: Float[Array, "trial later innovation"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latent(abc.ABC):
    """What the kinds of latent dynamics have in common.

    Parameters
    ----------
    width : int
        Dimensions of the latent.
    drive : bool
        Whether the encoder's state sets the posterior of the innovations.
    """

    width: int = 32
    drive: bool = True

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        whole_number("width", self.width, 1, type(self).__name__)
        self._check()

    def _check(self) -> None:
        """Check what one kind alone has."""
        return

    @property
    def n_state(self) -> int:
        """Numbers that describe the state."""
        return self.width

    @property
    def n_innovation(self) -> int:
        """Numbers that push the state."""
        return self.width

    @abc.abstractmethod
    def start_dynamics(self, random: np.random.Generator) -> Parameters:
        """Parameters of the dynamics at the beginning of training."""

    @abc.abstractmethod
    def prepare(self, dynamics: Parameters) -> Parameters:
        """What is computed once for all bins."""

    @abc.abstractmethod
    def step(
        self,
        prepared: Parameters,
        state: Float[Array, "batch state"],
        innovation: Float[Array, "batch innovation"],
    ) -> Float[Array, "batch state"]:
        """The state of the next bin."""

    @abc.abstractmethod
    def deviation(self, prepared: Parameters) -> Float[Array, ""]:
        """Standard deviation q of the innovations a priori."""

    def start(self, random: np.random.Generator, n_hidden: int) -> Parameters:
        """Parameters at the beginning of training.

        Parameters
        ----------
        random : np.random.Generator
            Randomness.
        n_hidden : int
            Features of the encoder's state.

        Returns
        -------
        dict
            ``dynamics``, the head of the first state's posterior and, where driven, that of the innovations.
        """
        found = {
            "dynamics": self.start_dynamics(random),
            "initial": affine_start(random, n_hidden, 2 * self.n_state, gain=0.5),
        }
        if self.drive:
            found["push"] = affine_start(random, n_hidden, 2 * self.n_innovation, gain=0.5)
        return found

    def path(
        self, parameters: Parameters, hidden: Float[Array, "trial time hidden"], key: jax.Array | None
    ) -> Path:
        """A path drawn from the posterior, or that of its means without a key.

        Parameters
        ----------
        parameters : dict
            As `start` makes them.
        hidden : array
            The encoder's states.
        key : jax.Array or None
            Randomness.

        Returns
        -------
        Path
            The path and its divergence from the prior.
        """
        prepared = self.prepare(parameters["dynamics"])
        scale = self.deviation(prepared)
        n_trials, n_time = hidden.shape[:2]
        mean, log_deviation = _head(parameters["initial"], hidden[:, 0])
        sizes = (self.n_state, (n_time - 1) * self.n_innovation)
        noise = None if key is None else jax.random.normal(key, (n_trials, sum(sizes)), hidden.dtype)
        first = None if noise is None else noise[:, : sizes[0]]
        later = (
            None if noise is None else noise[:, sizes[0] :].reshape(n_trials, n_time - 1, self.n_innovation)
        )
        state = _draw(mean, log_deviation, first)
        initial = _divergence(mean, log_deviation, jnp.ones(())).sum(-1)
        if self.drive:
            mean, log_deviation = _head(parameters["push"], hidden[:, 1:])
            mean, log_deviation = mean * scale, log_deviation + jnp.log(scale)
            steps = _divergence(mean, log_deviation, scale).sum(-1)
        else:
            mean = jnp.zeros((n_trials, n_time - 1, self.n_innovation), hidden.dtype)
            log_deviation = jnp.log(jnp.maximum(scale, 1e-12))
            steps = jnp.zeros((n_trials, n_time - 1), hidden.dtype)
        innovation = _draw(mean, log_deviation, later)
        return Path(
            self.run(prepared, state, innovation),
            initial,
            jnp.concatenate([jnp.zeros_like(steps, shape=(n_trials, 1)), steps], axis=1),
            innovation,
        )

    def run(
        self,
        prepared: Parameters,
        state: Float[Array, "trial state"],
        innovation: Float[Array, "trial later innovation"],
    ) -> Float[Array, "trial time state"]:
        """States from the first one and the innovations.

        Parameters
        ----------
        prepared : dict
            As `prepare` makes it.
        state : array
            Of the first bin.
        innovation : array
            Of the bins after it.

        Returns
        -------
        array
            ``(trial, time, state)``.
        """

        def advance(state: Array, push: Array) -> tuple[Array, Array]:
            after = self.step(prepared, state, push)
            return after, after

        later = jax.lax.scan(advance, state, innovation.transpose(1, 0, 2))[1]
        return jnp.concatenate([state[:, None], later.transpose(1, 0, 2)], axis=1)

    def prior(self, parameters: Parameters, n_trials: int, n_time: int, key: jax.Array) -> Array:
        """States drawn without data, ``(trial, time, state)``."""
        prepared = self.prepare(parameters["dynamics"])
        first, second = jax.random.split(key)
        state = jax.random.normal(first, (n_trials, self.n_state))
        push = jax.random.normal(second, (n_trials, n_time - 1, self.n_innovation))
        return self.run(prepared, state, push * self.deviation(prepared))


def _head(parameters: Parameters, hidden: Float[Array, "... hidden"]) -> tuple[Array, Array]:
    """Mean and log standard deviation."""
    mean, log_deviation = jnp.split(affine(parameters, hidden), 2, axis=-1)
    return mean, jnp.clip(log_deviation - 1.0, *LOG_DEVIATION)


def _draw(mean: Array, log_deviation: Array, noise: Array | None) -> Array:
    """A draw, or the mean without noise."""
    return mean if noise is None else mean + jnp.exp(log_deviation) * noise


def _divergence(mean: Array, log_deviation: Array, scale: Array) -> Array:
    """Kullback-Leibler divergence of N(mean, deviation^2) from N(0, scale^2), entry by entry."""
    return (
        jnp.log(scale)
        - log_deviation
        + 0.5 * ((jnp.exp(2 * log_deviation) + jnp.square(mean)) / jnp.square(scale) - 1)
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class IndependentNoise(Latent):
    """Standard normal noise, new in every bin and independent of the data: what a latent is worth that says nothing.

    Examples
    --------
    >>> from neurodyn.inference.vae.latents import IndependentNoise
    >>> IndependentNoise(width=8).n_state
    8
    """

    drive: bool = False

    def start_dynamics(self, random: np.random.Generator) -> Parameters:
        """None."""
        del random
        return {}

    def prepare(self, dynamics: Parameters) -> Parameters:
        """Nothing."""
        return dynamics

    def step(self, prepared: Parameters, state: Array, innovation: Array) -> Array:
        """The innovation."""
        del prepared, state
        return innovation

    def deviation(self, prepared: Parameters) -> Array:
        """One."""
        del prepared
        return jnp.ones(())


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomWalk(Latent):
    """A random walk.

    .. math:: z_t = z_{t-1} + e_t

    Examples
    --------
    >>> from neurodyn.inference.vae.latents import RandomWalk
    >>> RandomWalk(width=8).drive
    True
    """

    def start_dynamics(self, random: np.random.Generator) -> Parameters:
        """Logarithm of the step's standard deviation."""
        del random
        return {"log_deviation": zeros() + np.float32(np.log(0.3))}

    def prepare(self, dynamics: Parameters) -> Parameters:
        """Nothing."""
        return dynamics

    def step(self, prepared: Parameters, state: Array, innovation: Array) -> Array:
        """A step."""
        del prepared
        return state + innovation

    def deviation(self, prepared: Parameters) -> Array:
        """Learnt."""
        return jnp.exp(prepared["log_deviation"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearDynamics(Latent):
    """Linear dynamics.

    .. math:: z_t = A z_{t-1} + e_t

    Examples
    --------
    >>> from neurodyn.inference.vae.latents import LinearDynamics
    >>> LinearDynamics(width=8).n_innovation
    8
    """

    def start_dynamics(self, random: np.random.Generator) -> Parameters:
        """A rotation, contracted a little, and the logarithm of the innovations' standard deviation."""
        return {
            "transition": np.float32(0.95) * orthogonal(random, self.width),
            "log_deviation": zeros() + np.float32(np.log(0.3)),
        }

    def prepare(self, dynamics: Parameters) -> Parameters:
        """Nothing."""
        return dynamics

    def step(self, prepared: Parameters, state: Array, innovation: Array) -> Array:
        """A step."""
        return state @ prepared["transition"].T + innovation

    def deviation(self, prepared: Parameters) -> Array:
        """Learnt."""
        return jnp.exp(prepared["log_deviation"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class GRUGenerator(Latent):
    """A gated recurrent unit, pushed by inferred inputs where it is driven: the generator of LFADS.

    .. math:: g_t = \\mathrm{GRU}(g_{t-1}, e_t)

    Parameters
    ----------
    width : int
        Hidden units.
    inputs : int
        Inferred inputs.
    drive : bool
        Whether there are inferred inputs.

    References
    ----------
    Pandarinath et al. (2018), Nature Methods 15, doi:10.1038/s41592-018-0109-9.

    Examples
    --------
    >>> from neurodyn.inference.vae.latents import GRUGenerator
    >>> GRUGenerator(width=64, inputs=2).n_innovation
    2
    """

    width: int = 64
    inputs: int = 4

    def _check(self) -> None:
        """Check the number of inputs."""
        whole_number("inputs", self.inputs, 1, "GRUGenerator")

    @property
    def n_innovation(self) -> int:
        """Inferred inputs."""
        return self.inputs

    def start_dynamics(self, random: np.random.Generator) -> Parameters:
        """Weights."""
        found = {**gru_start(random, self.width), "bias": zeros(3 * self.width)}
        if self.drive:
            found["input"] = normal(random, self.inputs**-0.5, self.inputs, 3 * self.width)
        return found

    def prepare(self, dynamics: Parameters) -> Parameters:
        """Nothing."""
        return dynamics

    def step(self, prepared: Parameters, state: Array, innovation: Array) -> Array:
        """A step."""
        driven = prepared["bias"] + (innovation @ prepared["input"] if self.drive else 0)
        return gru_step(prepared, state, jnp.broadcast_to(driven, (state.shape[0], 3 * self.width)))

    def deviation(self, prepared: Parameters) -> Array:
        """One for inferred inputs."""
        del prepared
        return jnp.ones(())


def masked_steps(
    steps: Float[Array, "trial time"], inside: Bool[Array, "trial time"]
) -> Float[Array, " trial"]:
    """Divergence of a trial's steps, without those after its end."""
    return jnp.where(inside, steps, 0).sum(-1)
