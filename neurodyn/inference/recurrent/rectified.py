"""Logits of a rectified network and their gradient, in one pass each over the steps."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Parameters = dict[str, Array]


@jax.custom_vjp
def rectified_logits(
    parameters: Parameters, noise: Float[Array, "time batch noise"]
) -> Float[Array, "time batch symbol"]:
    """Logits of every step of a rectified network that starts from zero.

    .. math:: y_t = C h_t, \\quad h_t = \\mathrm{ReLU}(W_{in} x_t + W h_{t-1} + b)

    The gradient goes back over the steps once, and sums those of the weights as it goes: all it needs of the way forward
    are the states, as a rectified unit passes a gradient where it is above zero. Of reverse mode alone.

    Parameters
    ----------
    parameters : dict
        ``input`` (unit, noise), ``recurrent`` (unit, unit), ``readout`` (symbol, unit), and maybe ``bias`` (unit,).
    noise : array
        Noise of every step.

    Returns
    -------
    array
        Logits.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from neurodyn.inference.recurrent.rectified import rectified_logits
    >>> weights = {"input": jnp.ones((2, 1)), "recurrent": 0.5 * jnp.eye(2), "readout": jnp.ones((1, 2))}
    >>> rectified_logits(weights, jnp.array([[[1.0]], [[-0.25]], [[-3.0]]]))[:, 0, 0].tolist()
    [2.0, 0.5, 0.0]
    """
    return _run(parameters, noise)[1]


def _run(parameters: Parameters, noise: Array) -> tuple[Array, Array]:
    """States and logits of every step; nothing as long as all steps is made but these."""
    driving, recurrent, readout = (parameters[name].T for name in ("input", "recurrent", "readout"))
    bias = parameters.get("bias", jnp.zeros(()))

    def one(hidden: Array, noise: Array) -> tuple[Array, tuple[Array, Array]]:
        hidden = jnp.maximum(noise @ driving + hidden @ recurrent + bias, 0)
        return hidden, (hidden, hidden @ readout)

    first = jnp.zeros((noise.shape[1], recurrent.shape[0]), noise.dtype)
    return jax.lax.scan(one, first, noise)[1]


def _forward(parameters: Parameters, noise: Array) -> tuple[Array, tuple[Parameters, Array, Array]]:
    """Logits, and what the way back needs."""
    hidden, logits = _run(parameters, noise)
    return logits, (parameters, noise, hidden)


def _backward(kept: tuple[Parameters, Array, Array], slopes: Array) -> tuple[Parameters, Array]:
    """Gradients of the parameters and of the noise, from those of the logits."""
    parameters, noise, hidden = kept
    before = jnp.concatenate([jnp.zeros_like(hidden[:1]), hidden[:-1]])

    def one(
        carry: tuple[Array, Parameters], step: tuple[Array, ...]
    ) -> tuple[tuple[Array, Parameters], Array]:
        later, sums = carry
        slope, hidden, before, noise = step
        passed = jnp.where(hidden > 0, slope @ parameters["readout"] + later, 0)
        added = {"input": passed.T @ noise, "recurrent": passed.T @ before, "readout": slope.T @ hidden}
        if "bias" in sums:
            added["bias"] = passed.sum(0)
        return (passed @ parameters["recurrent"], jax.tree.map(jnp.add, sums, added)), passed

    zero = (jnp.zeros_like(hidden[0]), jax.tree.map(jnp.zeros_like, parameters))
    (_, sums), passed = jax.lax.scan(one, zero, (slopes, hidden, before, noise), reverse=True)
    return sums, passed @ parameters["input"]


rectified_logits.defvjp(_forward, _backward)
