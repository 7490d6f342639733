"""Distance between two samples of sequences, each aligned with its likeliest partner of the other sample."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurodyn.errors import ModelError
from neurodyn.inference.compilation import light_jit
from neurodyn.inference.sinkhorn.updates import cut, potentials

ALIGNMENT_BLUR = 0.1
MOST_PAIRS = 5_000**2  # .1 GB a matrix, of which a few are held


@light_jit(static_argnames=("steps", "blur", "updates"))
def _mean_distance(x: Array, y: Array, *, steps: int, blur: float, updates: int) -> Array:
    """Mean Euclidean distance of every row of y from its partner."""
    distances = jnp.sqrt(jnp.maximum(2 * (steps - x @ y.T), 0))
    nothing = jnp.zeros(x.shape[0], x.dtype), jnp.zeros(y.shape[0], y.dtype)
    pairs = cut(x, y, *nothing, products=-distances)
    start = jnp.asarray(max((2.0 * steps) ** 0.5, 2 * blur), x.dtype)
    f, _ = potentials(pairs, start, blur, 0.5, updates)
    f = f.reshape(-1)[: x.shape[0]]
    partner = jnp.argmax(f[:, None] - distances, axis=0)
    return jnp.take_along_axis(distances, partner[None], axis=0).mean()


def aligned_distance(
    x: Float[Array, "row feature"],
    y: Float[Array, "column feature"],
    *,
    steps: int,
    blur: float = ALIGNMENT_BLUR,
    updates: int = 100,
) -> float:
    """Mean distance of target sequences from the sequences that entropic transport assigns to them.

    .. math:: \\frac1M \\sum_j \\| x_{\\pi(j)} - y_j \\|, \\quad \\pi(j) = \\arg\\max_i P_{ij}

    with P the plan for the Euclidean cost. It compares samples of finite size and is not zero for two samples of one
    distribution: read it beside that floor. Less varied sequences than the targets' can fall below it.

    Parameters
    ----------
    x : array
        Generated sequences, hard one-hot and flattened, ``(row, step x symbol)``.
    y : array
        Target sequences likewise.
    steps : int
        Steps of a sequence.
    blur : float
        Entropic regularisation, in units of the distance.
    updates : int
        Averaged updates at that blur.

    Returns
    -------
    float
        The distance, in units of :math:`\\sqrt{2 \\times \\text{differing steps}}`.

    Raises
    ------
    ModelError
        If there are too many pairs to be held at once.

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from neurodyn.inference.sinkhorn import aligned_distance
    >>> sequences = jnp.eye(2)[jnp.array([[0, 0, 1], [1, 1, 1]])].reshape(2, -1)
    >>> aligned_distance(sequences[::-1], sequences, steps=3)
    0.0
    """
    if x.shape[0] * y.shape[0] > MOST_PAIRS:
        raise ModelError(
            f"aligned_distance got {x.shape[0]} x {y.shape[0]} sequences; their product must be at most {MOST_PAIRS}: "
            "compare a random part of them."
        )
    arrays = jax.tree.map(lambda rows: jnp.asarray(rows, jnp.float32), (x, y))
    return float(_mean_distance(*arrays, steps=steps, blur=float(blur), updates=int(updates)))
