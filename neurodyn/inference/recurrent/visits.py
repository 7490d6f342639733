"""How long symbols last and whether the one before comes back, and how far a network's sequences are from it."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurodyn.inference.recurrent.words import product_of_errors, stretches

LONGEST = 8  # steps of a visit


def longest_visit(steps: int) -> int:
    """Steps of the longest visit that is told from longer ones: eight, or less than half of a short sequence.

    Parameters
    ----------
    steps : int
        Steps of a sequence.

    Returns
    -------
    int
        Steps; 0: sequences are too short for visits.
    """
    return min(LONGEST, max(steps // 2 - 1, 0))


def visit_frequencies(
    symbols: Int[np.ndarray, "sequence step"], count: int
) -> Float[np.ndarray, "stretch visit"]:
    """Relative frequencies of visits to a symbol by their length and by whether the symbol before comes back.

    Parameters
    ----------
    symbols : np.ndarray
        Codes.
    count : int
        How many symbols there are.

    Returns
    -------
    np.ndarray
        In every of the `stretches` of the steps after which a visit may begin, the frequencies of visits to the first
        symbol that last one step and return, that last one step and go on, that last two and return, ..., those of visits
        to the second symbol, ..., and of no visit that begins and ends by `longest_visit`; they sum to 1. Empty for
        sequences too short for visits.
    """
    longest = longest_visit(symbols.shape[1])
    n_visits = 2 * count * longest
    if not longest:
        return np.zeros((0, 1), np.float32)
    starts = symbols.shape[1] - longest - 1
    before, visited = symbols[:, :starts], symbols[:, 1 : starts + 1].astype(np.int64)
    lasts, found = before != visited, np.full(before.shape, n_visits, np.int64)
    for length in range(1, longest + 1):
        after = symbols[:, length + 1 : length + 1 + starts]
        code = (visited * longest + length - 1) * 2 + (after != before)
        found = np.where(lasts & (after != visited), code, found)
        lasts = lasts & (after == visited)
    spans = stretches(starts)
    counted = [
        np.bincount(found[:, i:j].ravel(), minlength=n_visits + 1) / found[:, i:j].size for i, j in spans
    ]
    return np.asarray(counted, np.float32)


def visit_error(
    one: Float[Array, "step symbol sequence"],
    two: Float[Array, "step symbol sequence"],
    recorded: Float[Array, "stretch visit"],
    count: Float[Array, ""] | float | int,
) -> Float[Array, ""]:
    """How far two independent batches miss how long symbols last; zero on average for the frequencies recorded.

    .. math:: \\sum_i \\frac{n_i}{2} \\sum_v \\frac{(p_{iv} - q_{iv}) (p'_{iv} - q_{iv})}{q_{iv}}

    with p and p' the frequencies of visits v in the two batches, q those recorded, as `visit_frequencies` gives them, and i
    one of the `stretches`, of n steps. A visit to b from a, of l steps, has given the states the probability
    :math:`\\sum_{a \\ne b} p_t(a) \\prod_{k=1}^{l} p_{t+k}(b) \\, p_{t+l+1}(c)` summed over c = a or over the c beyond both.

    A crossing from one state to another that takes several steps goes back and forth, which short words do not tell from a
    symbol that flickers.

    Parameters
    ----------
    one, two : array
        As for `word_error`.
    recorded : array
        As `visit_frequencies` gives it.
    count : float
        Recorded sequences. A visit never recorded is divided by half of one in them, or in a batch if that has fewer.

    Returns
    -------
    array
        The error, in nats where it is small.
    """
    if not len(recorded):
        return jnp.zeros(())
    rows = jnp.minimum(jnp.float32(one.shape[2]), count)
    return product_of_errors(_frequencies(one), _frequencies(two), recorded, rows)


def _frequencies(chances: Array) -> Array:
    """Frequencies of visits ``(step, visit)`` after every step, given probabilities of symbols.

    With a and c the symbols before and after b x l, those other than b are what is left of all: sums over them are
    differences of the chances of b x l, b x (l + 1), b x (l + 2).
    """
    longest = longest_visit(len(chances))
    starts = len(chances) - longest - 1
    runs = [chances]  # chances of one, two, ... times the same symbol from a step on
    for length in range(1, longest + 2):
        runs.append(jax.lax.optimization_barrier(runs[-1][:-1] * chances[length:]))
    means = [run.mean(-1) for run in runs]
    visits = []
    for length in range(1, longest + 1):
        run, one_more, two_more = means[length - 1 : length + 2]
        both = two_more[:starts]
        ended = run[1 : starts + 1] - one_more[:starts] - one_more[1 : starts + 1] + both
        same = (chances[:starts] * chances[length + 1 :][:starts]).sum(1)
        of_same = jnp.einsum("tn,tbn->tb", same, runs[length - 1][1 : starts + 1]) / chances.shape[-1]
        visits.append(jnp.stack([of_same - both, ended - of_same + both], axis=-1))
    flat = jnp.stack(visits, axis=2).reshape(starts, -1)
    return jnp.concatenate([flat, 1 - flat.sum(-1, keepdims=True)], axis=-1)
