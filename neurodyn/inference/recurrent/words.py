"""How often words of symbols occur, and how far a network's sequences are from it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

LONGEST = 3  # symbols of a word
MOST_WORDS = 4096  # of more symbols than 16, words have two


def word_length(steps: int, count: int) -> int:
    """Symbols of the words that are compared: three, or two where sequences are short or symbols are many.

    Parameters
    ----------
    steps : int
        Steps of a sequence.
    count : int
        How many symbols there are.

    Returns
    -------
    int
        Length of a word.
    """
    return LONGEST if steps >= 2 * (LONGEST - 1) and count**LONGEST <= MOST_WORDS else 2


def lags(steps: int, length: int) -> tuple[int, ...]:
    """Steps from one symbol of a word to the next: 1, 2, 4, ... as long as half of the steps begin a word.

    Parameters
    ----------
    steps : int
        Steps of a sequence.
    length : int
        Symbols of a word.

    Returns
    -------
    tuple of int
        Lags in steps.
    """
    return tuple(2**k for k in range(max(steps // 2 // (length - 1), 1).bit_length()))


def stretches(steps: int) -> tuple[tuple[int, int], ...]:
    """Stretches of doubling length after the start: the first step, the next, the next two, the next four, ...

    Parameters
    ----------
    steps : int
        Steps in all.

    Returns
    -------
    tuple of (int, int)
        First step of each, and the one after its last.
    """
    bounds = [0, *(2**k for k in range((steps - 1).bit_length())), steps]
    return tuple(pairwise(bounds))


def change_lags(steps: int) -> tuple[int, ...]:
    """Steps from one change to another: 2, 4, 8, ... as far as there are two.

    Neighbouring changes share a symbol, so that their chances are not independent given the states: words see those.

    Parameters
    ----------
    steps : int
        Steps of a sequence.

    Returns
    -------
    tuple of int
        Lags in steps.
    """
    return tuple(2**k for k in range(1, max(steps - 2, 1).bit_length()))


def _letters(steps: int, length: int, lags: Sequence[int]) -> Iterator[list[slice]]:
    """Of every lag, where the first, the second, ... symbols of all words are."""
    for lag in lags:
        begun = steps - (length - 1) * lag
        yield [slice(place * lag, place * lag + begun) for place in range(length)]


def _counted(
    symbols: Int[np.ndarray, "sequence step"], count: int, length: int, lags: Sequence[int]
) -> tuple[Float[np.ndarray, "_ *word"], ...]:
    """Frequencies of words of so many symbols, at every lag, in every stretch."""
    found = []
    for letters in _letters(symbols.shape[1], length, lags):
        words = symbols[:, letters[0]].astype(np.int64)
        for letter in letters[1:]:
            words = words * count + symbols[:, letter]
        counted = [
            np.bincount(words[:, start:stop].ravel(), minlength=count**length) / words[:, start:stop].size
            for start, stop in stretches(words.shape[1])
        ]
        found.append(np.asarray(counted, np.float32).reshape(-1, *(count,) * length))
    return tuple(found)


def word_frequencies(
    symbols: Int[np.ndarray, "sequence step"], count: int
) -> tuple[Float[np.ndarray, "_ *word"], ...]:
    """Relative frequencies of words of symbols at every lag, in every stretch after the start.

    Parameters
    ----------
    symbols : np.ndarray
        Codes.
    count : int
        How many symbols there are.

    Returns
    -------
    tuple of np.ndarray
        Of every of the `lags`, ``(stretch, first, second, third)``, or ``(stretch, first, second)`` where `word_length` is
        2: the frequencies in every of the `stretches` of the steps that begin a word, which sum to 1.
    """
    length = word_length(symbols.shape[1], count)
    return _counted(symbols, count, length, lags(symbols.shape[1], length))


def change_frequencies(symbols: Int[np.ndarray, "sequence step"]) -> tuple[Float[np.ndarray, "_ 2 2"], ...]:
    """Relative frequencies of two changes some steps apart.

    Parameters
    ----------
    symbols : np.ndarray
        Codes.

    Returns
    -------
    tuple of np.ndarray
        Of every of the `change_lags`, ``(stretch, whether the first is a change, whether the second is)``: the frequencies
        in every of the `stretches`, which sum to 1.
    """
    changes = (symbols[:, 1:] != symbols[:, :-1]).astype(np.int32)
    return _counted(changes, 2, 2, change_lags(symbols.shape[1]))


def word_error(
    one: Float[Array, "step symbol sequence"],
    two: Float[Array, "step symbol sequence"],
    recorded: Sequence[Float[Array, "_ *word"]],
    count: Float[Array, ""] | float | int,
) -> Float[Array, ""]:
    """How far the words of two independent batches are from those recorded; zero on average for those frequencies.

    .. math:: \\sum_{ki} \\frac{n_{ki}}{2} \\sum_{abc}
        \\frac{(p_{kiabc} - q_{kiabc}) (p'_{kiabc} - q_{kiabc})}{q_{kiabc}}

    with p and p' the frequencies in the two batches, q those recorded, of words a b c with k = 1, 2, 4, ... steps from a to
    b and from b to c, and i one of the `stretches` after the start, of n steps: a network starts from nothing, and without
    stretches rarer changes later on would make up for frequent ones at the start. It is about the Kullback-Leibler
    divergence of the distributions of words, in nats, summed over the steps that begin one and the lags.

    Pairs do not tell a symbol that comes back after one step (a b a) from one that goes on (a b c), and a network that
    misses both keeps its pairs right with changes that cluster.

    Parameters
    ----------
    one, two : array
        Symbols of the batches, sequences side by side: one-hot, or their probabilities where they are independent given
        something else. These have the same mean, less noise, and an exact gradient. Two batches, so that the noise of finite
        ones adds nothing on average.
    recorded : sequence of array
        q, as `word_frequencies` gives it. These are of a sample: of few sequences with many symbols they are far from those
        of what was recorded.
    count : float
        Recorded sequences. A word never recorded is divided by half a word of them, or of a batch if that has fewer.

    Returns
    -------
    array
        The error, in nats where it is small.
    """
    length = recorded[0].ndim - 1
    return _error((one, two), recorded, count, lags(one.shape[0], length))


def change_error(
    one: Float[Array, "step symbol sequence"],
    two: Float[Array, "step symbol sequence"],
    recorded: Sequence[Float[Array, "_ 2 2"]],
    count: Float[Array, ""] | float | int,
) -> Float[Array, ""]:
    """How far two batches miss how often changes of symbol come together; zero on average for the frequencies recorded.

    .. math:: \\sum_{ki} \\frac{n_{ki}}{2} \\sum_{uv}
        \\frac{(r_{kiuv} - \\rho_{kiuv}) (r'_{kiuv} - \\rho_{kiuv})}{\\rho_{kiuv}}

    with u whether a symbol is followed by another one, v whether that is so k = 2, 4, 8, ... steps later, r and r' how often
    in the two batches, and rho how often in the recorded sequences; stretches i as in `word_error`. The chance of a change
    given the states is :math:`1 - \\sum_a p_t(a) p_{t+1}(a)`.

    Short words have the right number of changes on average. Whether the same sequences have many of them, and others none,
    is seen over longer spans alone.

    Parameters
    ----------
    one, two : array
        As for `word_error`.
    recorded : sequence of array
        As `change_frequencies` gives it.
    count : float
        Recorded sequences.

    Returns
    -------
    array
        The error, in nats where it is small.
    """
    batches = []
    for batch in (one, two):
        stays = (batch[1:] * batch[:-1]).sum(1)
        batches.append(jnp.stack([stays, 1 - stays], axis=1))
    return _error(batches, recorded, count, change_lags(one.shape[0]))


def _error(
    batches: Sequence[Array], recorded: Sequence[Array], count: Array | float | int, lags: Sequence[int]
) -> Array:
    """Product of the two batches' errors, relative to the recorded frequencies, over all lags and stretches."""
    total = jnp.zeros(())
    if not recorded:
        return total
    steps, length = batches[0].shape[0], recorded[0].ndim - 1
    rows = jnp.minimum(jnp.float32(batches[0].shape[2]), count)
    for letters, known in zip(_letters(steps, length, lags), recorded, strict=True):
        one, two = (_frequencies([batch[letter] for letter in letters]) for batch in batches)
        total += product_of_errors(one, two, known.reshape(len(known), -1), rows)
    return total


def _frequencies(letters: list[Array]) -> Array:
    """Frequencies of words ``(step, word)``, given their first, second, ... symbols ``(step, symbol, sequence)``."""
    *before, last = letters
    joined = before[0]
    for letter in before[1:]:
        joined = (joined[:, :, None] * letter[:, None]).reshape(len(joined), -1, joined.shape[-1])
    words = jnp.einsum("twn,tan->twa", joined, last) / last.shape[-1]
    return words.reshape(len(words), -1)


def product_of_errors(
    one: Float[Array, "step event"],
    two: Float[Array, "step event"],
    recorded: Float[Array, "stretch event"],
    rows: Float[Array, ""] | float | int,
) -> Float[Array, ""]:
    """Product of the errors of two independent batches' frequencies, relative to those recorded, summed over the steps.

    Parameters
    ----------
    one, two : array
        Relative frequencies of events at every step.
    recorded : array
        Those recorded, in every of the `stretches`.
    rows : float
        Sequences: an event never recorded is divided by half of one in so many.

    Returns
    -------
    array
        The error, in nats where it is small.
    """
    bounds = stretches(len(one))
    sizes = np.array([stop - start for start, stop in bounds], np.float32)
    steps = np.arange(len(one))
    means = (
        jnp.asarray([(start <= steps) & (steps < stop) for start, stop in bounds], one.dtype) / sizes[:, None]
    )
    product = (means @ one - recorded) * (means @ two - recorded)
    least = 0.5 / (rows * sizes[:, None])
    return (sizes[:, None] / 2 * product / jnp.maximum(recorded, least)).sum()
