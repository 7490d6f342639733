"""A rectified recurrent network driven by noise, and the symbols it emits."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurodyn.inference.recurrent.noise import gaussian_noise
from neurodyn.inference.recurrent.rectified import rectified_logits

Parameters = dict[str, Array]
GAIN = 4.0  # of the logits before training; from 1 they stay too soft, and symbols change too often


@dataclasses.dataclass(frozen=True)
class Network:
    """Sizes of a network; its arrays are kept apart.

    .. math:: h_t = \\mathrm{ReLU}(W_{in} x_t + W h_{t-1} + b), \\quad x_t \\sim N(0, I_d), \\quad
        s_t \\sim \\mathrm{softmax}(C h_t)

    with :math:`h_0 = 0`. Without b the network is positively homogeneous: noise c times as strong makes the states c
    times as large, and the largest logit stays where it was.

    Parameters
    ----------
    width : int
        Units H.
    noise : int
        Dimensions d of the noise.
    symbols : int
        Symbols K.
    bias : bool
        Whether there is b.

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674.

    Examples
    --------
    >>> import jax
    >>> from neurodyn.inference.recurrent import Network
    >>> network = Network(width=8, noise=4, symbols=3)
    >>> hidden = network.run(network.start(jax.random.key(0)), jax.random.normal(jax.random.key(1), (10, 5, 4)))
    >>> hidden.shape
    (10, 5, 8)
    """

    width: int
    noise: int
    symbols: int
    bias: bool = False

    def start(self, key: jax.Array) -> Parameters:
        """Parameters before training, uniform within one over the root of the width.

        Parameters
        ----------
        key : jax.Array
            Randomness.

        Returns
        -------
        dict
            ``input`` (unit, noise), ``recurrent`` (unit, unit), ``readout`` (symbol, unit), ``bias`` (unit,), and
            ``log_gain``: the logits are exp of it times C h, so that their sharpness is one direction of training.
        """
        shapes: dict[str, tuple[int, ...]] = {
            "input": (self.width, self.noise),
            "recurrent": (self.width, self.width),
            "readout": (self.symbols, self.width),
        }
        if self.bias:
            shapes["bias"] = (self.width,)
        bound = 1 / np.sqrt(self.width)
        found = {
            name: jax.random.uniform(jax.random.fold_in(key, number), shape, minval=-bound, maxval=bound)
            for number, (name, shape) in enumerate(shapes.items())
        }
        return {**found, "log_gain": jnp.log(jnp.asarray(GAIN))}

    def step(
        self, parameters: Parameters, hidden: Float[Array, "*batch unit"], noise: Float[Array, "*batch noise"]
    ) -> Float[Array, "*batch unit"]:
        """Next state.

        Parameters
        ----------
        parameters : dict
            As `start` makes them.
        hidden, noise : array
            State before, and noise of the step.

        Returns
        -------
        array
            State.
        """
        return self._onward(parameters, hidden, noise @ parameters["input"].T)

    def _onward(self, parameters: Parameters, hidden: Array, driven: Array) -> Array:
        """Next state, given what the noise adds to it."""
        before = driven + hidden @ parameters["recurrent"].T
        return jax.nn.relu(before + parameters["bias"] if self.bias else before)

    def run(
        self,
        parameters: Parameters,
        noise: Float[Array, "time batch noise"],
        first: Float[Array, "batch unit"] | None = None,
    ) -> Float[Array, "time batch unit"]:
        """States of every step.

        Parameters
        ----------
        parameters : dict
            As `start` makes them.
        noise : array
            Noise of every step.
        first : array, optional
            State before the first step; default: zero.

        Returns
        -------
        array
            States.
        """
        driven = noise @ parameters["input"].T
        hidden = jnp.zeros(driven.shape[1:], driven.dtype) if first is None else first

        def one(hidden: Array, driven: Array) -> tuple[Array, Array]:
            hidden = self._onward(parameters, hidden, driven)
            return hidden, hidden

        return jax.lax.scan(one, hidden, driven)[1]

    def _weights(self, parameters: Parameters) -> Parameters:
        """The arrays alone, with the gain of the logits in the readout."""
        names = ("input", "recurrent", "bias") if self.bias else ("input", "recurrent")
        return {
            **{name: parameters[name] for name in names},
            "readout": self._gain(parameters) * parameters["readout"],
        }

    @staticmethod
    def _gain(parameters: Parameters) -> Array | float:
        """Factor of the logits."""
        return jnp.exp(parameters["log_gain"]) if "log_gain" in parameters else 1.0

    def logits(self, parameters: Parameters, hidden: Float[Array, "*batch unit"]) -> Array:
        """Logits of the symbols, ``(..., symbol)``."""
        return self._gain(parameters) * (hidden @ parameters["readout"].T)

    def generate(
        self,
        parameters: Parameters,
        key: jax.Array,
        n_sequences: int,
        n_steps: int,
        temperature: float = 1.0,
    ) -> tuple[Float[Array, "sequence step symbol"], Float[Array, "step symbol sequence"]]:
        """Sequences of one-hot symbols whose gradient is that of the softened ones, and what they were drawn from.

        Parameters
        ----------
        parameters : dict
            As `start` makes them.
        key : jax.Array
            Randomness.
        n_sequences, n_steps : int
            How many, and how long.
        temperature : float
            Of the softened symbols.

        Returns
        -------
        array, array
            Symbols, and their probabilities given the states with sequences side by side; the symbols of a sequence are
            independent given its states.

        References
        ----------
        Jang et al. (2017), arXiv:1611.01144.
        """
        first, second = jax.random.split(key)
        noise = gaussian_noise(first, (n_steps, self.noise, n_sequences))
        logits = rectified_logits(self._weights(parameters), noise)
        perturbed = logits + jax.random.gumbel(second, logits.shape)
        soft = jax.nn.softmax(perturbed / temperature, axis=1)
        hard = jax.nn.one_hot(jnp.argmax(perturbed, axis=1), self.symbols, axis=1, dtype=soft.dtype)
        symbols = hard + soft - jax.lax.stop_gradient(soft)
        chances = jax.nn.softmax(logits, axis=1)
        return jnp.moveaxis(symbols, 2, 0), chances

    def draw(
        self, parameters: Parameters, key: jax.Array, n_sequences: int, n_steps: int
    ) -> tuple[Int[Array, "sequence step"], Float[Array, "sequence step unit"]]:
        """Sequences of symbols, and the states behind them.

        Parameters
        ----------
        parameters : dict
            As `start` makes them.
        key : jax.Array
            Randomness.
        n_sequences, n_steps : int
            How many, and how long.

        Returns
        -------
        array, array
            Symbols and states.
        """
        first, second = jax.random.split(fast_key(key))
        noise = jax.random.normal(first, (n_steps, n_sequences, self.noise))
        hidden = self.run(parameters, noise)
        symbols = jax.random.categorical(second, self.logits(parameters, hidden))
        return symbols.T, jnp.moveaxis(hidden, 0, 1)


def fast_key(key: jax.Array) -> jax.Array:
    """A key of the generator that is quick for many draws, from one of the usual kind.

    Parameters
    ----------
    key : jax.Array
        A typed key.

    Returns
    -------
    jax.Array
        A key of the kind ``rbg``.
    """
    words = jax.random.key_data(key).ravel()
    if words.shape[0] == 4:
        return key
    return jax.random.wrap_key_data(jnp.concatenate([words, words ^ jnp.uint32(0x9E3779B9)]), impl="rbg")
