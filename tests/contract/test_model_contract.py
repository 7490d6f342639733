"""What every registered model owes the rest of the package; a model without an example fails."""

import functools

import numpy as np
import pytest
import xarray as xr
from model_examples import EXAMPLES, MORE_PIPELINES, Example

import neurodyn
from neurodyn import recording
from neurodyn.errors import ModelError, NotApplicable, RecordingError
from neurodyn.models import registry
from neurodyn.models.verbs import HasLogLikelihood
from neurodyn.recording import masks

ALL = {**EXAMPLES, **MORE_PIPELINES}
NAMES = sorted(ALL)
OUR_ERRORS = (RecordingError, ModelError, NotApplicable)


@functools.cache
def data_of(name: str) -> xr.Dataset:
    return ALL[name].recording()


@functools.cache
def fit_of(name: str):
    return fitted(ALL[name], data_of(name))


def fitted(example: Example, data: xr.Dataset, **more):
    return example.model().fit(data, key=0, **example.options, **more)


def predictions(example: Example, fit, data: xr.Dataset) -> list[np.ndarray]:
    return [fit.predict(data, mode=mode)["mean"].values for mode in example.modes]


def same(left: list[np.ndarray], right: list[np.ndarray], tolerance: float) -> None:
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def later(data: xr.Dataset, first: int) -> np.ndarray:
    where = np.zeros(data["activity"].shape, dtype=bool)
    where[..., max(first, 0) :, :] = True
    return where


def test_every_registered_model_has_an_example():
    missing = [name for name in registry.names() if name not in EXAMPLES]
    assert not missing, f"add a builder to model_examples.py for {missing}"


# Variants of a model share its code around masks and shapes: one fill, and no odd shapes.
FILLS = [
    (name, fill) for name in NAMES for fill in (1.0, 1e3, "random") if name in EXAMPLES or fill == "random"
]


@pytest.mark.parametrize(("name", "fill"), FILLS)
def test_the_value_behind_the_mask_changes_nothing(name, fill, monkeypatch):
    original = masks._filled
    rng = np.random.default_rng(5)

    def other(variable, dtype, what, copy=True):
        values, mask = original(variable, dtype, what, copy)
        noise = rng.normal(size=values.shape) * 100 if fill == "random" else fill
        return masks.Arrays(np.where(mask, values, noise).astype(values.dtype), mask)

    example, data = ALL[name], data_of(name)
    expected = predictions(example, fit_of(name), data)
    monkeypatch.setattr(masks, "_filled", other)
    same(predictions(example, fitted(example, data), data), expected, 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_of_nan_adds_nothing(name):
    example, data = ALL[name], data_of(name)
    empty = data.isel(trial=[0]).assign_coords(trial=["an empty trial"])
    empty = recording.hide(empty, np.ones(empty["activity"].shape, dtype=bool))
    longer = xr.concat([data, empty], dim="trial").assign_attrs(data.attrs)
    same(
        predictions(example, fitted(example, longer), data),
        predictions(example, fit_of(name), data),
        example.tolerance,
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_tail_of_nan_adds_nothing(name):
    example, data = ALL[name], data_of(name)
    step = float(data.attrs["sampling_interval"])
    extra = data["time"].values[-1] + step * np.arange(1, 8)
    longer = data.reindex(time=np.concatenate([data["time"].values, extra]))
    longer["activity"].attrs = dict(data["activity"].attrs)
    same(
        predictions(example, fitted(example, longer), data),
        predictions(example, fit_of(name), data),
        example.tolerance,
    )


@pytest.mark.parametrize("name", [name for name in NAMES if ALL[name].unit_count is None])
def test_a_unit_of_nan_changes_no_other_unit(name):
    example, data = ALL[name], data_of(name)
    silent = recording.hide(data, data["unit"] == data["unit"][1])
    without = data.isel(unit=[0, 2, 3])
    try:
        found = predictions(example, fitted(example, silent), silent)
    except OUR_ERRORS:
        return
    expected = predictions(example, fitted(example, without), without)
    same([array[..., [0, 2, 3]] for array in found], expected, max(example.tolerance, 1e-3))
    assert all(np.isfinite(array).all() for array in found)


@pytest.mark.parametrize("name", NAMES)
def test_altering_the_original_at_held_out_entries_changes_no_fit(name):
    from neurodyn.validation import holdout

    example, data = ALL[name], data_of(name)
    altered = data.copy(deep=True)
    protocol = holdout.trials(folds=3, key=0)
    split = protocol(data)
    target = split.target["activity"].notnull().values
    other = np.random.default_rng(2).permutation(data["activity"].values[target])
    altered["activity"].values[target] = other
    again = protocol(altered)
    assert again.target["activity"].notnull().values[target].all()
    first, second = fitted(example, split.train), fitted(example, again.train)
    xr.testing.assert_identical(first.parameters, second.parameters)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("horizon", [1, 3])
def test_past_equals_brute_force_masking(name, horizon):
    example, data, fit = ALL[name], data_of(name), fit_of(name)
    found = fit.predict(data, mode="past", horizon=horizon)["mean"]
    for t in (0, 1, horizon, 11, data.sizes["time"] - 1):
        hidden = recording.hide(data, later(data, t - horizon + 1))
        expected = fit.predict(hidden, mode=example.reference)["mean"]
        np.testing.assert_allclose(
            found.isel(time=t), expected.isel(time=t), rtol=example.tolerance, atol=example.tolerance
        )


@pytest.mark.parametrize("name", NAMES)
def test_present_equals_brute_force_masking(name):
    example, data, fit = ALL[name], data_of(name), fit_of(name)
    found = fit.predict(data, mode="present")["mean"]
    mode = "all" if example.reference == "all" else "present"
    for t in (0, 1, 11, data.sizes["time"] - 1):
        expected = fit.predict(recording.hide(data, later(data, t + 1)), mode=mode)["mean"]
        np.testing.assert_allclose(
            found.isel(time=t), expected.isel(time=t), rtol=example.tolerance, atol=example.tolerance
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_prediction_is_finite_and_labelled_even_from_nothing(name):
    example, data, fit = ALL[name], data_of(name), fit_of(name)
    nothing = recording.hide(data, np.ones(data["activity"].shape, dtype=bool))
    for mode in example.modes:
        for given in (data, nothing):
            mean = fit.predict(given, mode=mode)["mean"]
            assert np.isfinite(mean).all()
            assert mean.isel(category=0).shape == data["activity"].shape if "category" in mean.dims else True
            assert mean.dims[:3] == data["activity"].dims
            assert (mean["unit"] == data["unit"]).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_mode_it_does_not_answer_is_not_applicable_with_a_reason(name):
    example, fit = ALL[name], fit_of(name)
    for mode in {"all", "past", "present"} - set(example.modes):
        with pytest.raises(NotApplicable) as caught:
            fit.predict(data_of(name), mode=mode)
        assert len(caught.value.reason) > 20


@pytest.mark.parametrize("name", NAMES)
def test_a_datum_is_never_its_own_prediction(name):
    data, fit = data_of(name), fit_of(name)
    trial, unit = 1, 0
    at = 12 + int(np.argmax(np.isfinite(data["activity"].values[trial, 12:, unit])))
    changed = data.copy(deep=True)
    kind = str(data["kind"].values[unit])
    value = data["activity"].values[trial, at, unit]
    changed["activity"].values[trial, at, unit] = (
        1 - value if kind in ("binary", "categorical") else value + 1
    )
    before = fit.predict(data, mode="past")["mean"].values
    after = fit.predict(changed, mode="past")["mean"].values
    np.testing.assert_allclose(after[trial, : at + 1], before[trial, : at + 1], atol=1e-9)
    for mode in ALL[name].modes:
        moved = (
            fit.predict(changed, mode=mode)["mean"].values[trial, at, unit]
            - fit.predict(data, mode=mode)["mean"].values[trial, at, unit]
        )
        assert np.abs(moved).max() < 0.95


@pytest.mark.parametrize("name", NAMES)
def test_saving_and_loading_keeps_every_prediction(name, tmp_path):
    example, data, fit = ALL[name], data_of(name), fit_of(name)
    fit.save(tmp_path / "fit.nc")
    loaded = neurodyn.load(tmp_path / "fit.nc")
    assert type(loaded) is type(fit)
    assert loaded.model == fit.model
    for before, after in zip(
        predictions(example, fit, data), predictions(example, loaded, data), strict=True
    ):
        np.testing.assert_array_equal(before, after)
    assert loaded.provenance == fit.provenance
    assert loaded.cite() == fit.cite()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_key_gives_the_same_result(name):
    example, data = ALL[name], data_of(name)
    again = fitted(example, data)
    xr.testing.assert_identical(again.parameters, fit_of(name).parameters)
    for one, two in zip(again.children, fit_of(name).children, strict=True):
        xr.testing.assert_identical(one.parameters, two.parameters)


@pytest.mark.parametrize("name", [name for name in NAMES if ALL[name].unit_count is None])
def test_units_permuted_give_the_result_permuted(name):
    example, data, fit = ALL[name], data_of(name), fit_of(name)
    order = [2, 0, 3, 1]
    shuffled = data.isel(unit=order)
    expected = [array[:, :, order] for array in predictions(example, fit, data)]
    same(predictions(example, fit, shuffled), expected, 1e-6)
    same(predictions(example, fitted(example, shuffled), shuffled), expected, max(example.tolerance, 1e-3))


def one_trial(data: xr.Dataset) -> xr.Dataset:
    return data.isel(trial=[0])


def without_trials(data: xr.Dataset) -> xr.Dataset:
    return data.isel(trial=0, drop=True).drop_vars("n_bins", errors="ignore")


def one_unit(data: xr.Dataset) -> xr.Dataset:
    return data.isel(unit=[0])


def constant_unit(data: xr.Dataset) -> xr.Dataset:
    changed = data.copy(deep=True)
    changed["activity"].values[..., 0] = np.where(np.isnan(changed["activity"].values[..., 0]), np.nan, 1.0)
    return changed


def one_bin(data: xr.Dataset) -> xr.Dataset:
    short = data.isel(time=[0])
    return short.assign_coords(n_bins=("trial", np.ones(data.sizes["trial"], dtype=int)))


def unobserved_unit(data: xr.Dataset) -> xr.Dataset:
    return recording.hide(data, data["unit"] == data["unit"][-1])


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.parametrize(
    "shape",
    [one_trial, without_trials, one_unit, constant_unit, one_bin, unobserved_unit],
    ids=lambda f: f.__name__,
)
def test_odd_shapes_work_or_raise_our_error(name, shape):
    example, data = ALL[name], shape(data_of(name))
    try:
        fit = fitted(example, data)
    except OUR_ERRORS as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert 30 < len(message) < 400
        return
    for mode in example.modes:
        assert np.isfinite(fit.predict(data, mode=mode)["mean"]).all()
    if isinstance(fit, HasLogLikelihood):
        assert np.isfinite(fit.log_likelihood(data)).all()


@pytest.mark.parametrize("name", NAMES)
def test_log_likelihood_terms_depend_on_the_past_and_sum_to_the_joint(name):
    data, fit = data_of(name), fit_of(name)
    if not isinstance(fit, HasLogLikelihood):
        assert not hasattr(fit, "log_likelihood")
        return
    terms = fit.log_likelihood(data)
    assert terms.dims == ("trial", "time")
    assert terms.attrs["kind"] in ("exact", "bound", "estimate")
    assert np.isfinite(terms).all()
    cut = recording.hide(data, later(data, 20))
    earlier = fit.log_likelihood(cut)
    np.testing.assert_allclose(earlier[:, :20], terms[:, :20], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(earlier[:, 20:], 0, atol=1e-5)
    rest = fit.log_likelihood(data, given=cut)
    np.testing.assert_allclose(float(rest.sum()), float(terms.sum() - earlier.sum()), rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_objective_rises(name):
    objective = np.asarray(fit_of(name).trace.objective, dtype=float)
    if objective.size == 0:
        assert fit_of(name).trace.converged
        return
    assert np.isfinite(objective).all()
    slack = 1e-6 * max(abs(objective[-1]), 1.0)
    if ALL[name].monotone:
        assert (np.diff(objective) >= -slack).all()
    assert objective[-1] >= objective[0] - slack


@pytest.mark.parametrize("name", NAMES)
def test_inputs_may_hide_entries_and_nothing_else(name):
    example, data = ALL[name], data_of(name)
    inputs = recording.hide(data, later(data, data.sizes["time"] - 4))
    fit = fitted(example, data, inputs=inputs)
    assert all(np.isfinite(array).all() for array in predictions(example, fit, data))
    with pytest.raises(ModelError, match="never add"):
        fitted(example, inputs, inputs=data)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_units_and_options_are_refused_by_name(name):
    example, data, fit = ALL[name], data_of(name), fit_of(name)
    labels = [f"{label}*" if i == 0 else label for i, label in enumerate(data["unit"].values)]
    with pytest.raises(ModelError, match=r"lacks unit"):
        fit.predict(data.assign_coords(unit=labels), mode=example.modes[0])
    with pytest.raises(ModelError, match="flavour"):
        fitted(example, data, flavour=1)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_whom_to_cite(name):
    assert fit_of(name).cite().count("@") >= 1
