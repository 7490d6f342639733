"""Generalised linear models: odd recordings, other observation models, choices, services of a fit."""

import warnings

import jax
import numpy as np
import pytest
import xarray as xr

from neurodyn import recording
from neurodyn.errors import FileError, ModelError, RecordingError
from neurodyn.inference.bases import Exponential, Lags, LearntKernel
from neurodyn.inference.glm.priors import GaussianPrior, GroupLasso, OneHotPrior, Ridge
from neurodyn.models import GLM, SwitchingGLM
from neurodyn.simulate.glm_network import GLMNetwork


def counts(seed: int = 0, n_time: int = 600, n_units: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.7, size=(n_time, n_units)).astype(float)


def made(values: np.ndarray, kind: str = "count", **more) -> xr.Dataset:
    return recording.make(values, sampling_interval=0.01, kind=kind, **more)


def said(model, data: xr.Dataset, **options) -> tuple[object, str]:
    """A fit and everything it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = model.fit(data, key=0, **options)
    return fit, " | ".join(str(one.message) for one in caught)


def finite(fit, data: xr.Dataset) -> bool:
    return bool(np.isfinite(fit.predict(data, mode="past")["mean"]).all()) and bool(
        np.isfinite(fit.log_likelihood(data)).all()
    )


@pytest.mark.parametrize("model", [GLM(), SwitchingGLM(n_states=2)], ids=["glm", "switching"])
def test_a_silent_neuron_is_named_and_the_fit_goes_on(model):
    values = counts()
    values[:, 1] = 0
    data = made(values, unit=["a", "b", "c"])
    fit, words = said(model, data, restarts=1)
    assert "b never fired" in words
    assert finite(fit, data)
    assert float(fit.predict(data, mode="past")["mean"].sel(unit="b").max()) < 0.05


def test_a_neuron_that_is_silent_in_one_state_is_named():
    rng = np.random.default_rng(1)
    state = (np.arange(1200) // 100) % 2
    values = rng.poisson(np.where(state[:, None] == 0, [2.0, 0.2, 1.0], [0.2, 2.0, 1.0])).astype(float)
    third = rng.poisson(1.5, size=1200) * (state == 1)
    data = made(np.column_stack([values, third]), unit=["a", "b", "c", "d"])
    fit, words = said(SwitchingGLM(n_states=2, bias="state"), data, restarts=2)
    assert "d never fires in one of the states" in words
    assert finite(fit, data)


def test_perfectly_correlated_neurons_are_named_and_share_their_weight():
    values = counts()
    values[:, 2] = values[:, 0]
    data = made(values, unit=["a", "b", "c"])
    fit, words = said(GLM(prior=Ridge(1e-3)), data)
    assert "a and c are perfectly correlated" in words
    weight = fit.parameters["weight"].isel(state=0, basis=0)
    np.testing.assert_allclose(
        weight.sel(target="b", source="a"), weight.sel(target="b", source="c"), atol=1e-3
    )
    unpenalised, _ = said(GLM(prior=Ridge(0.0)), data)
    assert finite(unpenalised, data)
    assert np.abs(unpenalised.parameters["weight"]).max() < 5


def test_covariates_that_depend_on_each_other_are_named():
    rng = np.random.default_rng(0)
    one = rng.normal(size=600)
    data = made(counts(), covariates={"speed": one, "double": 2 * one, "light": rng.normal(size=600)})
    fit, words = said(GLM(covariates=("speed", "double", "light")), data)
    assert "speed, double" in words
    assert "light" not in words.split("depend linearly")[0].split("covariates")[-1]
    assert finite(fit, data)


def test_more_parameters_than_bins_is_said():
    fit, words = said(SwitchingGLM(n_states=3), made(counts(n_time=12, n_units=5)), restarts=1)
    assert "12 observed bins for 15 parameters" in words
    assert fit.n_states == 3


def test_a_state_that_empties_is_said():
    fit, words = said(
        SwitchingGLM(n_states=6, concentration=1.0, start="trial"), made(counts(n_time=60)), restarts=1
    )
    share = fit.infer(made(counts(n_time=60)))["state_probability"].sum("time").values
    assert ("fewer states suffice" in words) == bool((share < 1).any())
    assert finite(fit, made(counts(n_time=60)))


def test_counts_above_the_ceiling_of_the_link_are_named():
    data = made(counts(), unit=["a", "b", "c"])
    fit, words = said(GLM(link="scaled_sigmoid", ceiling=2.0), data)
    assert "above the ceiling" in words
    assert finite(fit, data)
    fit, words = said(GLM(link="scaled_sigmoid"), data)
    assert "ceiling" not in words
    np.testing.assert_allclose(fit.parameters["scale"], counts().max(axis=0) + 1)


def test_wrong_values_kinds_and_names_are_refused():
    with pytest.raises(RecordingError, match="do not fit poisson"):
        GLM(observation="poisson").fit(made((counts() > 0).astype(float), kind="binary"), key=0)
    with pytest.raises(ModelError, match="tanh"):
        GLM(link="tanh")
    with pytest.raises(ModelError, match="coupling"):
        GLM(coupling=3)
    with pytest.raises(ModelError, match="one-hot"):
        GLM(prior=OneHotPrior())
    with pytest.raises(ModelError, match="one-hot"):
        SwitchingGLM(n_states=2, coupling=None, history=None, prior=OneHotPrior())
    with pytest.raises(ModelError, match="n_states"):
        SwitchingGLM(n_states=0)
    with pytest.raises(ModelError, match="learnt deviation"):
        GLM(history=Lags(1), prior=GaussianPrior("learnt")).fit(made(counts()), key=0)
    with pytest.raises(ModelError, match="missing"):
        GLM(missing="zero")
    with pytest.raises(ModelError, match="bias"):
        SwitchingGLM(n_states=2, bias="both")
    with pytest.raises(RecordingError, match="whisking"):
        GLM(covariates=("whisking",)).fit(made(counts()), key=0)
    with pytest.raises(ModelError, match="initialisation"):
        SwitchingGLM(n_states=2).fit(made(counts()), key=0, initialisation="truth")
    with pytest.raises(ModelError, match="deviation"):
        GaussianPrior(0.0)


def test_continuous_values_are_least_squares_on_standardised_ones():
    rng = np.random.default_rng(0)
    values = np.zeros((800, 3))
    matrix = np.array([[0.5, 0.2, 0.0], [0.0, 0.4, -0.3], [0.1, 0.0, 0.6]])
    for t in range(1, 800):
        values[t] = matrix @ values[t - 1] + rng.normal(size=3)
    values = 100 + 20 * values
    data = made(values, kind="continuous")
    fit = GLM(coupling=Lags(1), prior=Ridge(0.0)).fit(data, key=0)
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    past = np.vstack([np.zeros(3), standard[:-1]])
    table = np.column_stack([past, np.ones(800)])
    expected = np.linalg.lstsq(table, standard, rcond=None)[0]
    np.testing.assert_allclose(fit.parameters["weight"].values[0, :, :, 0], expected[:3].T, atol=1e-3)
    residual = standard - table @ expected
    np.testing.assert_allclose(fit.parameters["scale"], (residual**2).mean(axis=0), rtol=1e-3)
    predicted = fit.predict(data, mode="past")["mean"].values
    np.testing.assert_allclose(
        predicted, values.mean(axis=0) + values.std(axis=0) * (table @ expected), rtol=1e-3
    )
    density = -0.5 * (
        residual**2 / (residual**2).mean(axis=0) + np.log(2 * np.pi * (residual**2).mean(axis=0))
    )
    density -= np.log(values.std(axis=0))
    np.testing.assert_allclose(float(fit.log_likelihood(data).sum()), density.sum(), rtol=1e-4)


def test_overdispersed_counts_have_their_dispersion_found():
    rng = np.random.default_rng(0)
    rate = 2.0 * rng.gamma(1.5, 1 / 1.5, size=(4000, 2))
    data = made(rng.poisson(rate).astype(float))
    fit = GLM(coupling=None, history=None, observation="negative_binomial").fit(data, key=0)
    np.testing.assert_allclose(fit.parameters["scale"], 1.5, rtol=0.15)
    poisson = GLM(coupling=None, history=None).fit(data, key=0)
    assert float(fit.log_likelihood(data).sum()) > float(poisson.log_likelihood(data).sum()) + 50


def test_choices_of_two_strategies_are_told_apart_over_sessions():
    rng = np.random.default_rng(2)
    state = (np.arange(400) // 80) % 2
    stimulus = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size=(5, 400))
    weight, bias = np.array([5.0, 0.3]), np.array([0.0, 1.5])
    chance = 1 / (1 + np.exp(-(bias[state] + weight[state] * stimulus)))
    choice = (rng.uniform(size=chance.shape) < chance).astype(float)
    data = recording.make(
        choice[..., None],
        sampling_interval=1.0,
        kind="binary",
        trial=[f"session {i}" for i in range(5)],
        covariates={"stimulus": stimulus},
    )
    model = SwitchingGLM(n_states=2, coupling=None, history=Lags(1), covariates=("stimulus",))
    fit = model.fit(data, key=0)
    found = fit.parameters["covariate_weight"].values[:, 0, 0]
    order = np.argsort(-found)
    np.testing.assert_allclose(found[order], weight, atol=0.9)
    np.testing.assert_allclose(fit.parameters["bias"].values[order, 0], bias, atol=0.5)
    np.testing.assert_allclose(fit.parameters["history_weight"].values.ravel(), 0, atol=0.8)
    path = fit.infer(data)["state_path"].values
    assert (order[state] == path).mean() > 0.93 or (np.argsort(order)[path] == state).mean() > 0.93


def test_a_covariate_seen_only_after_the_response_counts_from_the_next_bin():
    rng = np.random.default_rng(0)
    outcome = rng.normal(size=900)
    chance = 1 / (1 + np.exp(-2 * np.concatenate([[0], outcome[:-1]])))
    choice = (rng.uniform(size=900) < chance).astype(float)
    data = recording.make(
        choice[:, None], sampling_interval=1.0, kind="binary", covariates={"outcome": outcome}
    )
    later = data.assign_coords(available=("covariate", ["after"]))
    model = GLM(coupling=None, history=None, covariates=("outcome",))
    before, after = (
        float(model.fit(one, key=0).parameters["covariate_weight"].item()) for one in (data, later)
    )
    assert abs(before) < 0.3
    np.testing.assert_allclose(after, 2.0, atol=0.4)


class Interrupting:
    """Progress that presses Ctrl-C."""

    def __init__(self, at: int) -> None:
        self.left = at

    def update(self, fraction: float, text: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", [2, 9, 13])
def test_an_interrupted_fit_resumes_to_the_same_numbers(at, tmp_path):
    data = GLMNetwork.draw(3, n_states=2, n_units=5).sample(300, key=5, n_trials=3)
    model, options = SwitchingGLM(n_states=2), {"restarts": 3, "max_iterations": 20}
    path = tmp_path / "checkpoint.npz"
    whole = model.fit(data, key=0, **options)
    services = {"checkpoint": path, "checkpoint_seconds": 0.0}
    try:
        part, words = said(model, data, progress=Interrupting(at), **services, **options)
        assert "interrupted" in words
        assert finite(part, data)
    except KeyboardInterrupt:
        assert at == 2  # before any start had begun
    assert path.exists()
    again = model.fit(data, key=0, **services, **options)
    assert not path.exists()
    xr.testing.assert_identical(again.parameters, whole.parameters)
    np.testing.assert_array_equal(again.trace.objective, whole.trace.objective)


def test_a_checkpoint_of_another_fit_is_refused(tmp_path):
    data = made(counts())
    path = tmp_path / "checkpoint.npz"
    services = {"checkpoint": path, "checkpoint_seconds": 0.0, "restarts": 1}
    said(SwitchingGLM(n_states=2), data, progress=Interrupting(5), **services)
    with pytest.raises(FileError, match="another fit"):
        SwitchingGLM(n_states=3).fit(data, key=0, **services)
    path.write_bytes(b"broken")
    with pytest.raises(FileError, match="damaged"):
        SwitchingGLM(n_states=2).fit(data, key=0, **services)


def test_a_second_fit_of_the_same_shape_compiles_nothing():
    model = SwitchingGLM(n_states=2)
    model.fit(made(counts(0)), key=0, restarts=2)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration, **about: compiled.append(event) if "backend_compile" in event else None
    )
    try:
        model.fit(made(counts(1)), key=1, restarts=2)
    finally:
        jax.monitoring.clear_event_listeners()
    assert compiled == []


def test_more_states_do_not_lower_the_training_objective_by_much():
    data = made(counts(n_time=400))
    one = SwitchingGLM(n_states=1, prior=Ridge(1e-3)).fit(data, key=0)
    two = SwitchingGLM(n_states=2, prior=Ridge(1e-3)).fit(data, key=0, restarts=2)
    likelihood = [float(fit.log_likelihood(data).sum()) for fit in (one, two)]
    assert likelihood[1] > likelihood[0] - 1.0


def test_a_learnt_kernel_finds_the_shape_of_the_history():
    rng = np.random.default_rng(0)
    shape = np.array([0.1, 0.5, 0.3, 0.1])
    values = np.zeros((8000, 2))
    for t in range(8000):
        past = sum(shape[k] * values[t - 1 - k] for k in range(4) if t - 1 - k >= 0)
        past = np.zeros(2) if np.isscalar(past) else past
        drive = np.array([-0.5 + 0.9 * past[1] if t else -0.5, -0.5 + 0.8 * past[0] if t else -0.5])
        values[t] = rng.poisson(np.log1p(np.exp(drive)))
    data = made(values)
    fit = GLM(coupling=LearntKernel(4), history=None, prior=Ridge(0.0)).fit(data, key=0)
    np.testing.assert_allclose(fit.parameters["kernel"].values[:, 0].sum(), 1, atol=1e-5)
    np.testing.assert_allclose(fit.parameters["kernel"].values[:, 0], shape, atol=0.1)
    fixed = GLM(coupling=Exponential(4), history=None, prior=Ridge(0.0)).fit(data, key=0)
    assert float(fit.log_likelihood(data).sum()) > float(fixed.log_likelihood(data).sum()) + 5


def test_choices_among_three_options_have_multinomial_weights():
    rng = np.random.default_rng(0)
    stimulus = rng.normal(size=3000)
    weights, biases = np.array([0.0, 1.5, -1.0]), np.array([0.0, 0.3, -0.4])
    logits = biases + stimulus[:, None] * weights
    chance = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    choice = (rng.uniform(size=(3000, 1)) > np.cumsum(chance, axis=1)).sum(axis=1).astype(float)
    data = recording.make(
        choice[:, None], sampling_interval=1.0, kind="categorical", covariates={"stimulus": stimulus}
    )
    fit = GLM(coupling=None, history=None, covariates=("stimulus",)).fit(data, key=0)
    np.testing.assert_allclose(fit.parameters["covariate_weight"].values[0, :, 0], weights[1:], atol=0.15)
    np.testing.assert_allclose(fit.parameters["bias"].values[0], biases[1:], atol=0.15)
    predicted = fit.predict(data, mode="past")["mean"]
    assert predicted.dims == ("time", "unit", "category")
    np.testing.assert_allclose(predicted.sum("category"), 1, atol=1e-5)
    np.testing.assert_allclose(predicted.values[:, 0], chance, atol=0.05)
    expected = np.log(np.take_along_axis(predicted.values[:, 0], choice[:, None].astype(int), axis=1)).sum()
    np.testing.assert_allclose(float(fit.log_likelihood(data).sum()), expected, rtol=1e-4)
    switching = SwitchingGLM(n_states=2, coupling=None, history=Lags(1), covariates=("stimulus",))
    found = switching.fit(data, key=0, restarts=1)
    drawn = found.simulate(3000, key=1, covariates=data)
    assert set(np.unique(drawn["activity"])) <= {0.0, 1.0, 2.0}
    assert np.isfinite(found.predict(data, mode="past")["mean"]).all()
    with pytest.raises(RecordingError, match="code 3"):
        fit.predict(data.assign(activity=data["activity"].where(data["time"] > 5, 3.0)), mode="past")
    alone = GLM(coupling=Lags(1), history=None, prior=Ridge(1e-2)).fit(data, key=0)
    assert (alone.parameters["weight"] == 0).all()
    joint = GLM(coupling=Lags(1), prior=Ridge(1e-2)).fit(data, key=0)
    assert set(joint.graph(0).nodes) == set(joint.parameters["target"].values.tolist())


def test_priors_are_cited():
    data = made(counts(n_time=100))
    assert "yuan2006" in GLM(prior=GroupLasso(0.01)).fit(data, key=0).cite()
    assert "hoerl1970" in GLM().fit(data, key=0).cite()
