"""How long symbols last: frequencies of visits, and how far two batches miss them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.inference.recurrent import longest_visit, stretches, visit_error, visit_frequencies
from neurodyn.simulate.symbol_chains import cyclic, fully_connected


def missed(one, two, recorded, count=3, known=np.inf):
    """Error of visits of codes; frequencies known from so many sequences."""
    hot = [jnp.moveaxis(jax.nn.one_hot(jnp.asarray(codes), count), 0, 2) for codes in (one, two)]
    return float(visit_error(*hot, jnp.asarray(recorded), known))


def visit(sequence, start, longest, count):
    """Number of the visit that begins after a step, told symbol by symbol."""
    before, symbol = int(sequence[start]), int(sequence[start + 1])
    for length in range(1, longest + 1):
        after = int(sequence[start + length + 1])
        if symbol != before and after != symbol:
            return (symbol * longest + length - 1) * 2 + int(after != before)
        if after != symbol:
            break
    return 2 * count * longest


def test_sequences_too_short_for_visits_have_none_and_miss_none():
    assert [longest_visit(steps) for steps in (1, 3, 4, 12, 18, 30)] == [0, 0, 1, 5, 8, 8]
    none = visit_frequencies(np.zeros((4, 3), np.int32), 2)
    assert none.shape == (0, 1)
    assert missed(np.zeros((4, 3), int), np.ones((4, 3), int), none, 2) == 0


@pytest.mark.parametrize(("count", "steps"), [(2, 4), (3, 9), (5, 30)])
def test_frequencies_are_counts_over_their_number(count, steps):
    random = np.random.default_rng(0)
    codes = (
        np.cumsum(random.integers(0, count, (20, steps)) * (random.random((20, steps)) < 0.6), axis=1) % count
    )
    longest = longest_visit(steps)
    found = visit_frequencies(codes.astype(np.int32), count)
    for (start, stop), frequencies in zip(stretches(steps - longest - 1), found, strict=True):
        counted = np.zeros(2 * count * longest + 1)
        for sequence in codes:
            for first in range(start, stop):
                counted[visit(sequence, first, longest, count)] += 1
        np.testing.assert_allclose(frequencies, counted / (20 * (stop - start)), rtol=1e-6)


def test_visits_are_missed_by_the_product_of_two_errors_relative_to_what_was_recorded():
    """Visits never recorded among them, which are divided by half of one in the recorded sequences."""
    random = np.random.default_rng(0)
    one, two, known = (random.integers(0, 3, (n, 10)).astype(np.int32) for n in (50, 50, 20))
    first, second, recorded = (visit_frequencies(codes, 3) for codes in (one, two, known))
    expected = 0.0
    for i, (start, stop) in enumerate(stretches(10 - longest_visit(10) - 1)):
        product = (first[i] - recorded[i]) * (second[i] - recorded[i])
        expected += (
            (stop - start) / 2 * product / np.maximum(recorded[i], 0.5 / (20 * (stop - start)))
        ).sum()
    assert (recorded == 0).any()
    assert missed(one, two, recorded, 3, 20) == pytest.approx(expected, rel=1e-4)


def test_chances_of_visits_given_probabilities_are_those_of_symbols_drawn_from_them():
    """Symbols are independent given the states, so that a visit has the product of the chances of its steps."""
    random = np.random.default_rng(0)
    chances = random.dirichlet(np.full(3, 0.5), (2, 12))
    rows = np.repeat(np.arange(2), 40_000)
    drawn = (random.random((len(rows), 12, 1)) > np.cumsum(chances, axis=-1)[rows]).sum(-1).clip(0, 2)
    recorded = jnp.asarray(visit_frequencies(drawn.astype(np.int32), 3))
    batch = jnp.moveaxis(jnp.asarray(chances, jnp.float32), 0, 2)
    assert abs(float(visit_error(batch, batch, recorded, 80_000))) < 1e-3
    assert float(visit_error(batch[..., :1], batch[..., :1], recorded, 80_000)) > 0.1


@pytest.mark.parametrize("chain", [fully_connected(), cyclic()])
def test_visits_add_nothing_on_average_where_the_distributions_agree(chain):
    """Twenty pairs of batches: within three standard errors of zero."""
    exact = visit_frequencies(chain.draw(200_000, 30, key=9)[0].astype(np.int32), 3)
    batches = [chain.draw(256, 30, key=key)[0] for key in range(40)]
    values = np.array([missed(*batches[i : i + 2], exact) for i in range(0, 40, 2)])
    assert abs(values.mean()) < 3 * values.std(ddof=1) / np.sqrt(20)


def test_crossings_that_go_back_and_forth_are_told_from_flickers():
    """A symbol doubled at every visit of one step: two steps are too frequent, and one step never happens."""
    chain = fully_connected()
    exact = visit_frequencies(chain.draw(100_000, 30, key=9)[0].astype(np.int32), 3)

    def doubled(codes):
        once = (codes[:, :-2] == codes[:, 2:]) & (codes[:, 1:-1] != codes[:, 2:])
        held = codes.copy()
        held[:, 2:] = np.where(once, codes[:, 1:-1], codes[:, 2:])
        return held

    pair = [chain.draw(2000, 30, key=key)[0] for key in (1, 2)]
    assert missed(*map(doubled, pair), exact) > 20 * abs(missed(*pair, exact))
