"""Dynamic connectomes: components are recovered, clocks and animals treated as they say, bad input named."""

import functools

import numpy as np
import pytest
import xarray as xr

from neurodyn import recording
from neurodyn.errors import ModelError, NeurodynWarning, RecordingError
from neurodyn.inference.factorise.comparison import congruence
from neurodyn.models import registry
from neurodyn.models.connectome import ConcurrentChange, DynamicConnectome, affinity, factorise

UNITS = list("abcdefgh")


def planted(clock: str = "own", n_trials: int = 4, n_time: int = 120, seed: int = 0):
    """Pairs of eight units in two overlapping communities that act at their own times."""
    rng = np.random.default_rng(seed)
    member = np.array([[1, 1, 1, 1, 0.5, 0, 0, 0], [0, 0, 0, 0.3, 1, 1, 1, 1]]).T
    first, second = np.triu_indices(8, 1)
    pair = member[first] * member[second]
    course = rng.gamma(0.5, size=(n_trials if clock == "own" else 1, n_time, 2))
    animal = np.ones((n_trials, 2)) if clock == "own" else rng.uniform(0.3, 2, size=(n_trials, 2))
    mean = np.einsum("atr,ar,pr->atp", np.broadcast_to(course, (n_trials, n_time, 2)), animal, pair)
    pairs = recording.make(
        mean,
        sampling_interval=0.5,
        unit=[f"{UNITS[i]}--{UNITS[j]}" for i, j in zip(first, second, strict=True)],
        unit_coords={"source": np.array(UNITS)[first], "target": np.array(UNITS)[second]},
        trial=[f"worm {i}" for i in range(n_trials)],
        dtype="float64",
    )
    return pairs, course, animal, pair


@functools.cache
def fit_of(clock: str):
    return DynamicConnectome(rank=2, clock=clock, shrinkage=0.0).fit(planted(clock)[0], key=0, restarts=3)


@pytest.mark.parametrize("clock", ["own", "shared"])
def test_planted_components_are_found_and_predicted(clock):
    pairs, _, animal, pair = planted(clock)
    fit = fit_of(clock)
    assert congruence((pair,), (fit.parameters["pair"].values,)).mean > 0.99
    np.testing.assert_allclose(fit.predict(pairs)["mean"], pairs["activity"], atol=0.05)
    assert fit.trace.agreement > 0.99
    if clock == "shared":
        found = fit.parameters["animal"].transpose("trial", "component").values
        assert congruence((animal,), (found,)).mean > 0.99


def test_hidden_pairs_are_predicted_from_the_others_of_their_bin():
    pairs, *_ = planted()
    hidden = recording.hide(pairs, pairs["source"] == "a")
    found = fit_of("own").predict(hidden)["mean"]
    np.testing.assert_allclose(found, pairs["activity"], atol=0.1)


def test_factors_of_a_stage_are_those_of_the_model():
    pairs, *_ = planted("shared")
    stage = factorise(pairs, 2, key=0, clock="shared", restarts=3)
    for name in ("weight", "pair", "course", "animal"):
        np.testing.assert_allclose(stage[name], fit_of("shared").parameters[name], rtol=1e-6, atol=1e-6)
    assert stage["source"].values.tolist() == pairs["source"].values.tolist()


def test_an_animal_that_is_not_known_is_adapted_to_or_refused():
    pairs, *_ = planted("shared")
    fit = DynamicConnectome(rank=2, shrinkage=0.0).fit(pairs.isel(trial=slice(0, 3)), key=0)
    new = pairs.isel(trial=[3])
    with pytest.raises(ModelError, match=r"worm 3.*adapt"):
        fit.predict(new)
    half = recording.hide(new, new["source"].isin(list("efgh")))
    adapted = fit.adapt(half)
    np.testing.assert_allclose(adapted.predict(new)["mean"], new["activity"], atol=0.1)
    same = adapted.predict(pairs.isel(trial=slice(0, 3)))["mean"]
    np.testing.assert_allclose(same, fit.predict(pairs.isel(trial=slice(0, 3)))["mean"])
    unsure = (
        DynamicConnectome(rank=2, unknown="prior", shrinkage=0.0)
        .fit(pairs.isel(trial=slice(0, 3)), key=0)
        .predict(new)
    )
    mean = fit.predict(pairs.isel(trial=slice(0, 3)))["mean"].mean("trial")
    np.testing.assert_allclose(unsure["mean"].isel(trial=0), mean, atol=1e-6)


def test_poisson_adaptation_finds_the_loadings_too():
    pairs, *_ = planted("shared")
    fit = DynamicConnectome(rank=2, loss="poisson", shrinkage=0.0).fit(pairs.isel(trial=slice(0, 3)), key=0)
    new = pairs.isel(trial=[3])
    np.testing.assert_allclose(fit.adapt(new).predict(new)["mean"], new["activity"], atol=0.1)


def test_the_clock_is_the_time_of_the_recording():
    pairs, *_ = planted("shared")
    later = pairs.isel(time=slice(40, 80))
    whole = fit_of("shared").predict(pairs)["mean"].isel(time=slice(40, 80))
    np.testing.assert_allclose(fit_of("shared").predict(later)["mean"], whole, atol=1e-12)


def test_bins_unseen_in_training_are_inferred_from_what_is_given():
    pairs, *_ = planted("shared")
    gone = np.zeros(pairs["activity"].shape, bool)
    gone[:, 50:60] = True
    fit = DynamicConnectome(rank=2, shrinkage=0.0).fit(recording.hide(pairs, gone), key=0)
    np.testing.assert_allclose(fit.predict(pairs)["mean"], pairs["activity"], atol=0.1)
    known = fit.infer(pairs)
    assert known["course"].dims == ("time", "component")
    assert bool(known["seen"].all())


def test_the_order_of_pairs_does_not_matter():
    pairs, *_ = planted()
    order = np.random.default_rng(1).permutation(pairs.sizes["unit"])
    again = DynamicConnectome(rank=2, clock="own", shrinkage=0.0).fit(
        pairs.isel(unit=order), key=0, restarts=3
    )
    np.testing.assert_allclose(again.parameters["pair"], fit_of("own").parameters["pair"].isel(unit=order))


def test_affinities_made_on_the_fly_give_the_same_components():
    rng = np.random.default_rng(2)
    bursts = rng.normal(size=(2, 150, 2)).cumsum(axis=1)
    traces = np.repeat(bursts, 3, axis=2) + 0.1 * rng.normal(size=(2, 150, 6))
    traces[1, :, 5] = np.nan
    data = recording.make(traces, sampling_interval=0.5, unit=list("abcdef"), trial=["one", "two"])
    measure = ConcurrentChange(window=7)
    fast = factorise(
        affinity(data, measure), 2, key=0, clock="own", restarts=1, max_sweeps=1000, tolerance=1e-9
    )
    streamed = factorise(data, 2, key=0, clock="own", measure=measure, max_sweeps=1000, tolerance=1e-9)
    assert streamed["unit"].values.tolist() == fast["unit"].values.tolist()
    assert streamed["course"].shape == fast["course"].shape
    assert abs(streamed.attrs["objective"] / fast.attrs["objective"] - 1) < 0.02
    both = ~np.isnan(fast["course"].values).any(-1)
    assert (both == ~np.isnan(streamed["course"].values).any(-1)).all()


def test_an_unneeded_component_is_said_to_be_zero():
    pairs, *_ = planted()
    ones = xr.ones_like(pairs["activity"])
    with pytest.warns(NeurodynWarning, match="are zero"):
        DynamicConnectome(rank=2, clock="own", sparsity=1e4).fit(
            pairs.assign(activity=ones), key=0, restarts=1
        )


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda p: p.assign(activity=p["activity"] - 1.0), RecordingError, "negative"),
        (lambda p: p.assign_coords(unit=["same"] * p.sizes["unit"]), RecordingError, "same"),
        (lambda p: p.isel(unit=[0], time=slice(0, 40)), ModelError, "rank is 2"),
    ],
)
def test_bad_pairs_are_refused_with_a_reason(change, error, words):
    with pytest.raises(error, match=words):
        DynamicConnectome(rank=2, clock="own", shrinkage=0.0).fit(change(planted()[0]), key=0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rank": 0}, "rank is 0"),
        ({"rank": 2, "clock": "common"}, "clock is 'common'"),
        ({"rank": 2, "loss": "huber"}, "loss is 'huber'"),
        ({"rank": 2, "sparsity": -1.0}, "sparsity is -1"),
        ({"rank": 2, "unknown": "guess"}, "unknown is 'guess'"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, words):
    with pytest.raises(ModelError, match=words):
        DynamicConnectome(**settings)


def test_a_neuron_missing_in_all_animals_gets_typical_loadings_and_a_word():
    pairs, *_ = planted()
    gone = (pairs["source"] == "h") | (pairs["target"] == "h")
    fit = DynamicConnectome(rank=2, clock="own", shrinkage=0.0).fit(recording.hide(pairs, gone), key=0)
    found = fit.parameters["pair"].values
    np.testing.assert_allclose(found[gone.values], found[~gone.values].mean(0)[None].repeat(gone.sum(), 0))
    assert any("never observed" in text for text in fit.trace.warnings)


def test_amplitudes_are_found_and_need_pairs():
    rng = np.random.default_rng(3)
    first, second = np.triu_indices(6, 1)
    amplitude, strength = rng.gamma(4.0, 0.25, size=(200, 6)), rng.uniform(0.5, 2.0, size=15)
    values = amplitude[:, first] * amplitude[:, second] * strength
    ends = {"source": np.array(list("abcdef"))[first], "target": np.array(list("abcdef"))[second]}
    pairs = recording.make(values, sampling_interval=1.0, unit=[str(i) for i in range(15)], unit_coords=ends)
    fit = registry.create("pair_amplitude", sweeps=20).fit(pairs, key=0)
    hidden = recording.hide(pairs, pairs["unit"] == "4")
    error = fit.predict(hidden)["mean"].isel(unit=4) - pairs["activity"].isel(unit=4)
    assert float((error**2).mean() / pairs["activity"].isel(unit=4).var()) < 0.05
    with pytest.raises(RecordingError, match="source and target"):
        registry.create("pair_amplitude").fit(pairs.drop_vars(["source", "target"]), key=0)


def test_shrinkage_holds_pairs_that_were_hardly_seen_to_small_loadings():
    pairs, *_ = planted()
    noisy = pairs.assign(
        activity=pairs["activity"] + 0.05 * np.random.default_rng(0).random(pairs["activity"].shape)
    )
    rare = pairs["unit"] == "a--b"
    quiet = noisy["activity"].sum("unit") < noisy["activity"].sum("unit").quantile(0.05)
    hidden = recording.hide(
        noisy, np.broadcast_to((rare & ~quiet).transpose(*noisy["activity"].dims), noisy["activity"].shape)
    )
    loads = [
        DynamicConnectome(rank=2, clock="own", shrinkage=share)
        .fit(hidden, key=0)
        .parameters["pair"]
        .sel(unit="a--b")
        .max()
        for share in (0.0, 0.05)
    ]
    assert float(loads[1]) < 0.5 * float(loads[0])


def test_the_ridge_has_no_scale_of_its_own():
    pairs, *_ = planted()
    fits = [
        DynamicConnectome(rank=2, clock="own", shrinkage=0.05).fit(pairs * scale, key=0)
        for scale in (1.0, 16.0)
    ]
    first, second = (fit.parameters for fit in fits)
    np.testing.assert_allclose(second["weight"], 16 * first["weight"], rtol=1e-3)
    np.testing.assert_allclose(second["pair"], first["pair"], atol=1e-3)


def test_components_that_all_animals_share_hardly_move_over_animals():
    from neurodyn.models.connectome import bootstrap_components

    pairs, *_ = planted()
    found = bootstrap_components(fit_of("own"), pairs, key=0, n_resamples=4)
    assert float(found["congruence"].min()) > 0.98
    assert float(found["standard_error"].max()) < 0.1
    # An animal of its own kind: what it alone has moves with whether it was drawn.
    odd = pairs.copy(deep=True)
    odd["activity"].values[0] = odd["activity"].values[0][:, ::-1]
    moved = bootstrap_components(
        DynamicConnectome(rank=2, clock="own").fit(odd, key=0), odd, key=0, n_resamples=4
    )
    assert float(moved["standard_error"].max()) > float(found["standard_error"].max())
