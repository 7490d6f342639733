"""Networks that emulate discrete states: what they are trained on, what they refuse, and what they say."""

import functools
import warnings

import jax
import numpy as np
import pytest
import xarray as xr

import neurodyn
from neurodyn import recording
from neurodyn.analysis.dynamics import course, noise_curve
from neurodyn.errors import ModelError, NeurodynWarning
from neurodyn.models import HMM, HMMEmulator
from neurodyn.models.recurrent import Training
from neurodyn.models.recurrent.model import codes
from neurodyn.models.recurrent.windows import cut_windows, doubts, window_length
from neurodyn.simulate.symbol_chains import SymbolChain, fully_connected, state_recording
from neurodyn.validation import metrics

TABLE = np.array([[0.95, 0.05], [0.05, 0.95]])
TWO = SymbolChain(np.full(2, 0.5), TABLE, np.array([[0.97, 0.03], [0.03, 0.97]]))
CHAIN = (
    fully_connected()
)  # 40 windows of 12 bins wherever nothing is learnt, so that all fits share what is compiled
QUICK = Training(batch_size=16, warm_up=2, average=0.0)


def small(**changes) -> HMMEmulator:
    return HMMEmulator(
        **{"width": 8, "noise": 4, "steps": 6, "training": QUICK, "particles": 16, "filters": 2, **changes}
    )


@functools.cache
def trained():
    """A network of twelve units that has learnt to stay."""
    data = TWO.sample(12, n_trials=256, key=0).drop_vars("state")
    settings = Training(
        batch_size=128, learning_rate=2e-2, last=0.1, weight_decay=0.0, clip=0.9, betas=(0.9, 0.9)
    )
    model = HMMEmulator(width=12, noise=8, steps=200, training=settings, particles=128, filters=4)
    return model.fit(data, key=1)


def test_a_small_network_learns_how_long_states_last():
    fit = trained()
    found = fit.simulate(12, n_trials=2000, key=5, hidden=False)["activity"].values[..., 0]
    true = TWO.draw(2000, 12, key=6)[0]
    changes, expected = (np.diff(x, axis=1).astype(bool).mean() for x in (found, true))
    assert abs(changes - 0.5) > 3 * abs(changes - expected)
    assert found.mean() == pytest.approx(0.5, abs=0.1)
    assert fit.trace.objective[-1] > fit.trace.objective[0]


def test_it_predicts_new_symbols_better_than_their_frequencies_and_says_how_sure_it_is():
    fit = trained()
    data = TWO.sample(12, n_trials=6, key=9).drop_vars("state")
    terms = fit.log_likelihood(data)
    assert terms.attrs["kind"] == "estimate"
    assert float(terms.sum()) > 6 * 12 * np.log(0.5) * 0.75
    best = TWO.log_likelihood(data["activity"].values[..., 0].astype(int)).sum()
    error = fit.monte_carlo_error(data)
    assert error.dims == ("trial",)
    assert ((error > 0) & (error < 1.5)).all()
    assert float(terms.sum()) < best + 6
    ahead = fit.predict(data, mode="past")["mean"]
    np.testing.assert_allclose(ahead.sum("category"), 1, atol=1e-5)
    assert fit.monte_carlo_error(data.isel(trial=0, drop=True)).dims == ()


def test_what_it_infers_is_labelled_and_fills_gaps():
    fit = trained()
    data = TWO.sample(12, n_trials=2, key=9).drop_vars("state")
    data["activity"].values[:] = 0
    gap = np.zeros(data["activity"].shape, bool)
    gap[0, 5:7] = True
    found = fit.infer(recording.hide(data, gap))
    assert found["mean"].dims == ("trial", "time", "hidden")
    assert (found["standard_deviation"] >= 0).all()
    assert (found["symbol_probability"].sel(category="0")[0, 5:7] > 0.6).all()


def test_windows_have_no_gaps_and_what_is_left_over_is_counted():
    symbols = np.arange(30).reshape(2, 15)
    observed = np.ones((2, 15), bool)
    observed[0, 6] = observed[1, 14] = False
    found = cut_windows(symbols, observed, 4)
    np.testing.assert_array_equal(found.symbols[:, 0], [0, 7, 11, 15, 19, 23])
    assert found.dropped == 28 - 24
    np.testing.assert_array_equal(found.symbols[2], [11, 12, 13, 14])
    assert window_length([36, 36, 30]) == 30
    assert window_length([36, 36, 3]) == 36
    assert window_length([10_000]) == 100
    assert window_length([40, 20, 20, 20, 20, 20]) == 20


def test_sequences_of_different_length_and_a_single_one_are_cut_into_windows():
    pieces = [CHAIN.draw(1, n, key=n)[0][0][:, None] for n in (12 * 13 + 5, 12 * 17, 12 * 10 + 11)]
    names = {"symbol": ["0", "1", "2"]}
    data = recording.make(
        pieces, sampling_interval=1.0, kind="categorical", unit=["symbol"], categories=names
    )
    fit = small(window=12).fit(data, key=0)
    assert fit.provenance["windows"] == 40
    assert fit.provenance["dropped_bins"] == 5 + 11
    longer = CHAIN.sample(20, n_trials=3, key=0).drop_vars("state")
    longer["activity"].values[1, 14:] = np.nan
    terms = fit.log_likelihood(longer)
    assert np.isfinite(terms).all()
    assert (terms[1, 14:] == 0).all()
    assert fit.predict(longer)["mean"].shape == (3, 20, 1, 3)
    single = CHAIN.sample(12 * 40 + 3, key=0).drop_vars("state")
    fit = small(window=12).fit(single, key=0)
    assert (fit.provenance["windows"], fit.provenance["dropped_bins"]) == (40, 3)
    assert fit.log_likelihood(single.isel(time=slice(0, 20))).dims == ("time",)
    one = CHAIN.sample(60, key=0).drop_vars("state")
    assert len(cut_windows(*codes(one)[:2], 20).symbols) == 3
    with pytest.raises(ModelError, match="smaller window"):
        small().fit(one, key=0)


def test_without_noise_it_says_that_it_cannot_switch_and_does_not():
    data = CHAIN.sample(12, n_trials=40, key=0).drop_vars("state")
    with pytest.warns(NeurodynWarning, match="cannot switch"):
        fit = small(noise=0).fit(data, key=0)
    drawn = fit.simulate(12, n_trials=500, key=1)
    assert (drawn["hidden"] == 0).all()
    follows = (drawn["activity"].values[:, 1:] == drawn["activity"].values[:, :-1]).mean()
    assert follows == pytest.approx(1 / 3, abs=0.03)
    assert any("cannot switch" in words for words in fit.trace.warnings)
    key = jax.random.key(0)
    still = noise_curve(fit.dynamics(), (1.0,), key=key, n_runs=16, n_steps=60)
    assert (still.radius[0], still.leading[0]) == (0, 0)
    assert still.drawn[0] == pytest.approx(2 / 3, abs=0.04)
    passed = course([fit.dynamics()], key=key, n_runs=4, n_steps=10, n_starts=5)
    assert not passed.switches[0]
    found = metrics.compare_sequences(
        fit.simulate(12, n_trials=200, key=2, hidden=False),
        CHAIN.sample(12, n_trials=200, key=3).drop_vars("state"),
        key=0,
        batch=32,
        draws=4,
    )
    assert float(found["volatility_ratio"]) > 3
    assert float(found["divergence"]) > 5 * float(found["divergence_error"])


def test_an_absorbing_state_and_a_symbol_that_never_occurs_are_named():
    stuck = SymbolChain(
        np.array([1.0, 0.0]), np.array([[0.8, 0.2], [0.0, 1.0]]), np.array([[1.0, 0, 0], [0, 0, 1.0]])
    )
    data = stuck.sample(12, n_trials=40, key=0).drop_vars("state")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = small().fit(data, key=0)
    said = [str(one.message) for one in caught]
    assert any("'1'" in words and "never occur" in words for words in said)
    assert any("'2'" in words and "never left" in words for words in said)
    assert fit.parameters.sizes["category"] == 3
    unheard = data.copy(deep=True)
    unheard["activity"].values[0, :3] = 1
    assert np.isfinite(fit.log_likelihood(unheard)).all()
    found = metrics.compare_sequences(fit.simulate(12, n_trials=40, key=0), data, key=0, batch=8, draws=4)
    undone = {"return_share_ratio", "return_share_ratio_floor"}  # no change of the target ever is
    assert all(np.isfinite(float(value)) == (name not in undone) for name, value in found.items())
    assert not doubts(CHAIN.draw(100, 30, key=0)[0], ["0", "1", "2"])


def test_states_of_a_fitted_hmm_of_which_one_is_absorbing_are_named_too():
    """Activity that settles: the HMM's likeliest path enters the last state and stays."""
    level = np.repeat([[0.0] * 7 + [4.0] * 23], 20, axis=0) + 0.3 * np.random.default_rng(0).normal(
        size=(20, 30)
    )
    fitted = HMM(n_states=2).fit(recording.make(level[..., None], sampling_interval=1.0), key=0)
    path = fitted.infer(recording.make(level[..., None], sampling_interval=1.0))["state_path"]
    with pytest.warns(NeurodynWarning, match="never left once it is entered"):
        small(window=15).fit(state_recording(path, n_states=2), key=0)


def test_without_biases_the_strength_of_noise_scales_all_states_and_with_them_it_does_not():
    scales, key = (0.1, 1.0, 3.7), jax.random.key(2)
    free = noise_curve(trained().dynamics(), scales, key=key, n_runs=200, n_steps=12, discard=0)
    np.testing.assert_allclose(free.radius / (free.scale * free.radius[1]), 1, atol=1e-4)
    np.testing.assert_allclose(free.leading, free.leading[1], atol=1e-3)
    assert free.drawn[0] > 1.5 * free.leading[0]  # weak noise leaves much to chance
    assert free.drawn[0] > free.drawn[1] > free.drawn[2] - 0.02  # drawn 2,200 times each
    assert free.drawn[2] == pytest.approx(free.leading[2], rel=0.1)  # strong noise leaves nothing to chance
    data = CHAIN.sample(12, n_trials=40, key=0).drop_vars("state")
    biased = small(bias=True).fit(data, key=0).dynamics()
    assert biased.bias is not None
    found = noise_curve(biased, (0.0, *scales), key=key, n_runs=32)
    assert np.abs(found.radius[1:] / (found.scale[1:] * found.radius[2]) - 1).max() > 0.01
    assert np.ptp(found.leading[1:]) > 0.01
    # Without noise the biases alone decide: the state comes to rest, and drawn symbols are independent.
    rest = np.zeros(8)
    for _ in range(300):
        rest = np.asarray(biased.step(rest, np.zeros(4)))
    chance = np.asarray(jax.nn.softmax(biased.logits(rest)))
    assert found.radius[0] == pytest.approx(0, abs=1e-4)
    assert found.leading[0] == 0
    assert found.drawn[0] == pytest.approx(1 - np.square(chance).sum(), abs=0.03)


def test_two_units_unknown_symbols_and_bad_settings_are_refused():
    data = CHAIN.sample(12, n_trials=40, key=0).drop_vars("state")
    both = xr.concat([data, data.assign_coords(unit=["other"])], dim="unit").assign_attrs(data.attrs)
    with pytest.raises(ModelError, match="2 units"):
        small().fit(both.transpose("trial", "time", "unit", ...), key=0)
    fit = small().fit(data, key=0)
    more = data.copy(deep=True)
    more["activity"].attrs = {}
    more["activity"].values[0, 0] = 3
    with pytest.raises(ModelError, match="this fit knows 3"):
        fit.predict(more)
    for changes in ({"loss": "x"}, {"width": 0}, {"noise": -1}, {"window": 1}, {"blur": 0.0}, {"filters": 1}):
        with pytest.raises(ModelError, match=next(iter(changes))):
            small(**changes)
    with pytest.raises(ModelError, match="no Training"):
        small(training=3)
    with pytest.raises(ModelError, match="hidden"):
        fit.simulate(5, key=0, other=1)


def test_an_interrupted_fit_goes_on_to_the_same_numbers(tmp_path):
    data = CHAIN.sample(12, n_trials=40, key=0).drop_vars("state")
    model = small()

    class Stop:
        count = 0

        def update(self, fraction, text):
            self.count += 1
            if self.count == 2:
                raise KeyboardInterrupt

    path = tmp_path / "half.npz"
    with pytest.warns(NeurodynWarning, match="interrupted"):
        model.fit(data, key=3, checkpoint=path, checkpoint_seconds=0.0, progress=Stop())
    assert path.exists()
    resumed = model.fit(data, key=3, checkpoint=path)
    whole = model.fit(data, key=3)
    xr.testing.assert_identical(resumed.parameters, whole.parameters)


def test_networks_of_the_way_are_kept_also_across_an_interruption(tmp_path):
    data = CHAIN.sample(12, n_trials=40, key=0).drop_vars("state")

    class Stop:
        count = 0

        def update(self, fraction, text):
            self.count += 1
            if self.count == 2:
                raise KeyboardInterrupt

    path = tmp_path / "half.npz"
    with pytest.warns(NeurodynWarning, match="interrupted"):
        small().fit(data, key=3, snapshots=3, checkpoint=path, checkpoint_seconds=0.0, progress=Stop())
    resumed = small().fit(data, key=3, snapshots=3, checkpoint=path)
    whole = small().fit(data, key=3, snapshots=3)
    xr.testing.assert_identical(resumed.parameters, whole.parameters)
    whole.save(tmp_path / "fit.nc")
    steps, networks = neurodyn.load(tmp_path / "fit.nc").snapshots()
    assert steps.tolist() == [0, 3, 6]
    last = whole.dynamics()
    for name in ("recurrent", "drive", "readout"):
        np.testing.assert_array_equal(getattr(networks[-1], name), getattr(last, name))
        assert (getattr(networks[0], name) != getattr(last, name)).any()
    assert len(course(networks, key=jax.random.key(0), n_runs=4, n_steps=10, n_starts=5).growth) == 3
    plain = small().fit(data, key=3)
    np.testing.assert_array_equal(plain.parameters["recurrent"], whole.parameters["recurrent"])
    with pytest.raises(ModelError, match="snapshots=10"):
        plain.snapshots()
    with pytest.raises(ModelError, match="snapshots"):
        small().fit(data, key=3, snapshots=-1)


def test_the_best_of_several_starts_is_kept():
    data = CHAIN.sample(12, n_trials=40, key=0).drop_vars("state")
    fit = small().fit(data, key=3, restarts=2)
    assert len(fit.trace.restarts) == 2
    assert fit.trace.objective[-1] == pytest.approx(fit.trace.restarts.max())


def test_of_several_candidates_the_one_ahead_after_the_heat_goes_on():
    data = CHAIN.sample(12, n_trials=40, key=0).drop_vars("state")
    fit = small(steps=12).fit(data, key=4)
    assert fit.parameters.sizes["candidate"] == 3
    single = small(steps=12).fit(data, key=4, candidates=1)
    assert "candidate_loss" not in single.parameters
    same = bool((fit.parameters["recurrent"] == single.parameters["recurrent"]).all())
    # The first candidate is the network there is without heats; with this key another one is ahead.
    assert int(fit.parameters["candidate_loss"].values.argmin()) > 0
    assert not same


def test_candidates_are_a_whole_number():
    data = CHAIN.sample(12, n_trials=40, key=0).drop_vars("state")
    with pytest.raises(ModelError, match="candidates is 0; it must be a whole number, 1 or more"):
        small().fit(data, key=0, candidates=0)
