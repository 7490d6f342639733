"""Posteriors of participants by Markov chains, against integration on a grid."""

import numpy as np
import pytest

from neurodyn import recording
from neurodyn.errors import ModelError
from neurodyn.models.predictive_coding import HGF, Normal


def outcomes(n_participants: int = 2) -> object:
    """Binary outcomes whose chance reverses."""
    rng = np.random.default_rng(0)
    chance = np.repeat([0.85, 0.15, 0.85], 30)
    values = (rng.uniform(size=(n_participants, 90)) < chance).astype(float)
    return recording.make(
        values[..., None],
        kind="binary",
        unit=["u"],
        time_unit="trial",
        trial=[f"person {number}" for number in range(n_participants)],
    )


def test_a_posterior_of_one_parameter_is_that_of_a_grid():
    pytest.importorskip("blackjax", reason="sampling needs the extra bayes")
    data, prior = outcomes(), Normal(-2.0, 1.0)
    model = HGF(2, learn=(), x1_tonic_volatility=prior)
    drawn = model.fit(data, key=0).sample(data, key=1, n_draws=2000, n_warmup=300)
    grid = np.linspace(-7, 3, 201)
    for person in range(2):
        alone = data.isel(trial=[person] * len(grid)).assign_coords(trial=[str(k) for k in range(len(grid))])
        everyone = model.at({"x1.tonic_volatility": grid}, unit=["u"])
        logs = everyone.log_likelihood(alone).values.sum(axis=1) - 0.5 * (grid + 2.0) ** 2
        weight = np.exp(logs - logs.max())
        weight /= weight.sum()
        mean = float((weight * grid).sum())
        deviation = float(np.sqrt((weight * (grid - mean) ** 2).sum()))
        chains = drawn["value"].isel(participant=person).values
        assert chains.mean() == pytest.approx(mean, abs=0.15 * deviation)
        assert chains.std() == pytest.approx(deviation, rel=0.12)
    assert (drawn["scale_reduction"] < 1.02).all()


def test_participants_of_a_population_are_drawn_to_it():
    pytest.importorskip("blackjax", reason="sampling needs the extra bayes")
    data = outcomes(4)
    apart = HGF(2, learn=(), x1_tonic_volatility=Normal(-2.0, 1.5))
    pooled = HGF(2, learn=(), x1_tonic_volatility=Normal(-2.0, 1.5), pooling="partial")
    alone, together = (
        model.fit(data, key=0).sample(data, key=1, n_draws=500, n_warmup=200) for model in (apart, pooled)
    )
    spread = [one["value"].mean(("chain", "draw")).values.std() for one in (alone, together)]
    assert spread[1] < spread[0]
    assert together["population_mean"].dims == ("chain", "draw", "parameter")
    assert (together["population_deviation"] > 0).all()


def test_draws_that_make_no_sense_are_refused_in_one_sentence():
    data = outcomes(1)
    fit = HGF(2).fit(data, key=0)
    with pytest.raises(ModelError, match="n_draws is 0"):
        fit.sample(data, key=0, n_draws=0)
    with pytest.raises(ModelError, match="learns no parameter"):
        HGF(2, learn=()).at({}, participants=["person 0"], unit=["u"]).sample(data, key=0)
