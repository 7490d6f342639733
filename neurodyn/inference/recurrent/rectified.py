"""Logits of a rectified network and their gradient, in one pass each over the steps."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Parameters = dict[str, Array]


@jax.custom_vjp
def rectified_logits(
    parameters: Parameters, noise: Float[Array, "time noise batch"]
) -> Float[Array, "time symbol batch"]:
    """Logits of every step of a rectified network that starts from zero.

    .. math:: y_t = C h_t, \\quad h_t = \\mathrm{ReLU}(W_{in} x_t + W h_{t-1} + b)

    The gradient goes back over the steps once, and sums those of the weights as it goes: all it needs of the way forward
    are the states, as a rectified unit passes a gradient where it is above zero. Of reverse mode alone, and of the
    parameters alone: nothing passes to the noise. Sequences lie side by side in memory, so that every product reads its
    operands as they are.

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
    return _run(parameters, noise)[2]


def _run(parameters: Parameters, noise: Array) -> tuple[Array, Array, Array]:
    """Last state, and the state before every step and its logits; nothing as long as all steps is made but these."""
    driving, recurrent, readout = (parameters[name] for name in ("input", "recurrent", "readout"))
    bias = parameters["bias"][:, None] if "bias" in parameters else jnp.zeros(())

    def one(before: Array, noise: Array) -> tuple[Array, tuple[Array, Array]]:
        hidden = jnp.maximum(driving @ noise + recurrent @ before + bias, 0)
        return hidden, (before, readout @ hidden)

    first = jnp.zeros((recurrent.shape[0], noise.shape[2]), noise.dtype)
    last, (before, logits) = jax.lax.scan(one, first, noise)
    return last, before, logits


def _forward(parameters: Parameters, noise: Array) -> tuple[Array, tuple[Parameters, Array, Array, Array]]:
    """Logits, and what the way back needs."""
    last, before, logits = _run(parameters, noise)
    return logits, (parameters, noise, before, last)


def _backward(kept: tuple[Parameters, Array, Array, Array], slopes: Array) -> tuple[Parameters, None]:
    """Gradients of the parameters, from those of the logits."""
    parameters, noise, states, last = kept

    def one(carry: tuple[Array, Array, Parameters], step: tuple[Array, ...]) -> tuple[tuple, None]:
        later, hidden, sums = carry
        slope, before, noise = step
        passed = jnp.where(hidden > 0, parameters["readout"].T @ slope + later, 0)
        added = {"input": passed @ noise.T, "recurrent": passed @ before.T, "readout": slope @ hidden.T}
        if "bias" in sums:
            added["bias"] = passed.sum(1)
        return (parameters["recurrent"].T @ passed, before, jax.tree.map(jnp.add, sums, added)), None

    zero = (jnp.zeros_like(last), last, jax.tree.map(jnp.zeros_like, parameters))
    return jax.lax.scan(one, zero, (slopes, states, noise), reverse=True)[0][2], None


rectified_logits.defvjp(_forward, _backward)
