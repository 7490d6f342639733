"""Frequencies of words of symbols, and how far two batches miss them."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.inference.recurrent import (
    change_error,
    change_frequencies,
    change_lags,
    lags,
    stretches,
    word_error,
    word_frequencies,
    word_length,
)
from neurodyn.simulate.symbol_chains import cyclic, fully_connected


def missed(one, two, recorded, count=3, known=np.inf):
    """Error of words of codes; frequencies known from so many sequences."""
    hot = [jnp.moveaxis(jax.nn.one_hot(jnp.asarray(codes), count), 0, 2) for codes in (one, two)]
    return float(word_error(*hot, tuple(map(jnp.asarray, recorded)), known))


def test_words_have_three_symbols_unless_sequences_are_short_or_symbols_many():
    assert [word_length(steps, 3) for steps in (2, 3, 4, 30)] == [2, 2, 3, 3]
    assert [word_length(30, count) for count in (2, 16, 17)] == [3, 3, 2]


def test_lags_leave_half_of_the_steps_to_begin_a_word_and_stretches_double():
    assert [lags(steps, 2) for steps in (2, 9, 30)] == [(1,), (1, 2, 4), (1, 2, 4, 8)]
    assert [lags(steps, 3) for steps in (4, 9, 30)] == [(1,), (1, 2), (1, 2, 4)]
    assert stretches(1) == ((0, 1),)
    assert stretches(8) == ((0, 1), (1, 2), (2, 4), (4, 8))
    assert stretches(9) == (*stretches(8), (8, 9))


@pytest.mark.parametrize(("count", "steps"), [(3, 9), (17, 9), (3, 2)])
def test_frequencies_are_counts_over_their_number_at_every_lag_and_stretch(count, steps):
    codes = np.random.default_rng(1).integers(0, count, (20, steps)).astype(np.int32)
    length = word_length(steps, count)
    every = word_frequencies(codes, count)
    assert len(every) == len(lags(steps, length))
    for lag, found in zip(lags(steps, length), every, strict=True):
        for (start, stop), frequencies in zip(stretches(steps - (length - 1) * lag), found, strict=True):
            counted = np.zeros((count,) * length)
            for sequence, first in itertools.product(codes, range(start, stop)):
                counted[tuple(sequence[first + place * lag] for place in range(length))] += 1
            np.testing.assert_allclose(frequencies, counted / (20 * (stop - start)), rtol=1e-6)


@pytest.mark.parametrize("count", [3, 17])
def test_words_are_missed_by_the_product_of_two_errors_relative_to_what_was_recorded(count):
    """Words never recorded among them, which are divided by half a word of the recorded sequences."""
    random = np.random.default_rng(0)
    one, two, known = (random.integers(0, count, (n, 10)).astype(np.int32) for n in (50, 50, 20))
    first, second, recorded = (word_frequencies(codes, count) for codes in (one, two, known))
    length = word_length(10, count)
    expected = 0.0
    for k, lag in enumerate(lags(10, length)):
        for i, (start, stop) in enumerate(stretches(10 - (length - 1) * lag)):
            product = (first[k][i] - recorded[k][i]) * (second[k][i] - recorded[k][i])
            least = 0.5 / (20 * (stop - start))
            expected += ((stop - start) / 2 * product / np.maximum(recorded[k][i], least)).sum()
    assert any((one == 0).any() for one in recorded)
    assert missed(one, two, recorded, count, 20) == pytest.approx(expected, rel=1e-4)


def test_the_frequencies_given_probabilities_are_those_of_symbols_drawn_from_them():
    """A word has the product of its letters' probabilities, sequence by sequence: they are independent given the states."""
    random = np.random.default_rng(0)
    chances = random.dirichlet(np.ones(3), (2, 8))
    rows = np.repeat(np.arange(2), 40_000)
    drawn = (random.random((len(rows), 8, 1)) > np.cumsum(chances, axis=-1)[rows]).sum(-1).clip(0, 2)
    recorded = tuple(map(jnp.asarray, word_frequencies(drawn.astype(np.int32), 3)))
    batch = jnp.moveaxis(jnp.asarray(chances, jnp.float32), 0, 2)
    assert abs(float(word_error(batch, batch, recorded, 80_000))) < 5e-3
    assert float(word_error(batch[..., :1], batch[..., :1], recorded, 80_000)) > 0.1


def test_words_add_nothing_on_average_where_the_distributions_agree_and_see_rarer_changes():
    """Twenty pairs of batches: within three standard errors of zero, and far from it for a chain that stays longer."""
    chain = fully_connected()
    exact = word_frequencies(chain.draw(200_000, 30, key=9)[0].astype(np.int32), 3)
    slower = dataclasses.replace(chain, transition=0.4 * chain.transition + 0.6 * np.eye(3))

    def values(source):
        batches = [source.draw(256, 30, key=key)[0] for key in range(40)]
        return np.array([missed(*batches[i : i + 2], exact) for i in range(0, 40, 2)])

    agree, rarer = values(chain), values(slower)
    assert abs(agree.mean()) < 3 * agree.std(ddof=1) / np.sqrt(20)
    assert rarer.mean() > 8 * agree.std(ddof=1) / np.sqrt(20)


def test_rarer_changes_later_on_do_not_make_up_for_frequent_ones_at_the_start():
    """Symbols that change at every one of the first four steps and seldom afterwards, as often in all as those recorded."""
    random = np.random.default_rng(0)

    def walk(chances):
        return np.cumsum(random.random((4000, len(chances))) < chances, axis=1) % 3

    recorded = word_frequencies(walk(np.full(30, 0.2)).astype(np.int32), 3)
    early = np.where(np.arange(30) < 5, 1.0, 0.07)
    assert early[1:].mean() == pytest.approx(0.2, abs=0.03)
    as_often = [missed(walk(np.full(30, 0.2)), walk(np.full(30, 0.2)), recorded) for _ in range(3)]
    assert missed(walk(early), walk(early), recorded) > 10 * max(abs(value) for value in as_often)


def test_a_symbol_that_comes_back_is_told_from_one_that_goes_on():
    """A chain of first order with the same pairs, start and all: it forgets where it was before, which pairs cannot see."""
    chain = cyclic()
    symbols = chain.draw(100_000, 12, key=0)[0].astype(np.int32)
    recorded = word_frequencies(symbols, 3)
    pairs = np.stack([symbols[:, :-1].ravel(), symbols[:, 1:].ravel()])
    counts = np.zeros((3, 3))
    np.add.at(counts, tuple(pairs), 1)
    edges = np.cumsum(counts / counts.sum(1, keepdims=True), axis=1)
    random = np.random.default_rng(1)
    forgetful = np.zeros((2, 4000, 12), int)
    forgetful[..., 0] = random.choice(symbols[:, 0], (2, 4000))
    for step in range(1, 12):
        forgetful[..., step] = (random.random((2, 4000, 1)) > edges[forgetful[..., step - 1]]).sum(-1)
    again = [chain.draw(4000, 12, key=key)[0] for key in (1, 2)]
    assert missed(*forgetful, recorded) > 20 * abs(missed(*again, recorded))
    lag_one = [
        np.einsum("nta,ntb->ab", *(np.eye(3)[x[:, cut]] for cut in (slice(11), slice(1, 12))))
        for x in forgetful
    ]
    np.testing.assert_allclose(lag_one[0] / 44_000, counts / counts.sum(), atol=0.01)


def clustered(random, n, share):
    """Sequences of which a share changes at a rate of .4 throughout and the others never, to any other symbol."""
    lively = random.random((n, 1)) < share
    return np.cumsum((random.random((n, 20)) < 0.4) & lively, axis=1) % 3


def test_changes_have_lags_from_two_on_as_neighbours_share_a_symbol():
    assert [change_lags(steps) for steps in (2, 3, 4, 5, 6, 30)] == [
        (),
        (),
        (2,),
        (2,),
        (2, 4),
        (2, 4, 8, 16),
    ]
    assert change_frequencies(np.zeros((4, 3), np.int32)) == ()
    assert float(change_error(jnp.ones((3, 2, 2)), jnp.ones((3, 2, 2)), (), 4)) == 0


def test_frequencies_of_changes_are_counts_over_their_number():
    codes = np.random.default_rng(0).integers(0, 3, (20, 8)).astype(np.int32)
    for lag, found in zip(change_lags(8), change_frequencies(codes), strict=True):
        for (start, stop), frequencies in zip(stretches(7 - lag), found, strict=True):
            counted = np.zeros((2, 2))
            for sequence, first in itertools.product(codes, range(start, stop)):
                early, late = (int(sequence[k] != sequence[k + 1]) for k in (first, first + lag))
                counted[early, late] += 1
            np.testing.assert_allclose(frequencies, counted / (20 * (stop - start)), rtol=1e-6)


def test_chances_of_changes_given_probabilities_are_those_of_symbols_drawn_from_them():
    random = np.random.default_rng(0)
    chances = random.dirichlet(np.ones(3), (2, 8))
    rows = np.repeat(np.arange(2), 40_000)
    drawn = (random.random((len(rows), 8, 1)) > np.cumsum(chances, axis=-1)[rows]).sum(-1).clip(0, 2)
    recorded = tuple(map(jnp.asarray, change_frequencies(drawn.astype(np.int32))))
    batch = jnp.moveaxis(jnp.asarray(chances, jnp.float32), 0, 2)
    assert abs(float(change_error(batch, batch, recorded, 80_000))) < 1e-3
    assert float(change_error(batch[..., :1], batch[..., :1], recorded, 80_000)) > 0.01


def test_changes_that_come_in_some_sequences_only_are_told_from_as_many_in_all():
    """Some change at a rate of .4, the others never, or all at one in between: words of neighbours differ little."""
    random = np.random.default_rng(0)
    recorded = np.cumsum(random.random((40_000, 20)) < 0.2, axis=1) % 3
    known = tuple(map(jnp.asarray, change_frequencies(recorded.astype(np.int32))))

    def error(one, two):
        return float(
            change_error(
                *(jnp.moveaxis(jax.nn.one_hot(jnp.asarray(x), 3), 0, 2) for x in (one, two)), known, 40_000
            )
        )

    same = [np.cumsum(random.random((4000, 20)) < 0.2, axis=1) % 3 for _ in range(2)]
    some = [clustered(random, 4000, 0.5) for _ in range(2)]
    assert error(*some) > 20 * abs(error(*same))
