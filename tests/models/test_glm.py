"""Generalised linear models through their public verbs: special cases, known truth, missing values."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from neurodyn import recording
from neurodyn.errors import ModelError
from neurodyn.inference.bases import Exponential, Lags, RaisedCosine
from neurodyn.inference.glm.priors import GaussianPrior, GroupLasso, OneHotPrior, Ridge
from neurodyn.models import GLM, HMM, SwitchingGLM
from neurodyn.simulate.glm_network import GLMNetwork
from neurodyn.simulate.markov import MarkovModel


@pytest.fixture(scope="module")
def network() -> GLMNetwork:
    return GLMNetwork.draw(3, n_states=2, n_units=5)


@pytest.fixture(scope="module")
def drawn(network) -> xr.Dataset:
    return network.sample(1500, key=5, n_trials=6)


@pytest.fixture(scope="module")
def switching(drawn):
    return SwitchingGLM(n_states=2).fit(drawn, key=0, restarts=2)


def parameters_of(network: GLMNetwork, fit) -> xr.Dataset:
    """The network's own parameters in the place of learnt ones."""
    data = fit.parameters.copy(deep=True)
    data["initial"].values[:] = network.initial
    data["transition"].values[:] = network.transition
    data["bias"].values[:] = network.bias
    data["weight"].values[..., 0] = network.weights
    return data


def test_one_state_of_a_switching_model_is_the_plain_model(drawn):
    plain = GLM(prior=Ridge(1e-3)).fit(drawn, key=0)
    single = SwitchingGLM(n_states=1, prior=Ridge(1e-3)).fit(drawn, key=0)
    np.testing.assert_allclose(plain.parameters["weight"], single.parameters["weight"], atol=1e-6)
    np.testing.assert_allclose(
        plain.log_likelihood(drawn).values, single.log_likelihood(drawn).values, atol=1e-5
    )


def test_without_regressors_it_is_the_poisson_hmm():
    chain = np.array([[0.95, 0.05], [0.1, 0.9]])
    rates = np.array([[0.5, 2.0, 1.0], [2.0, 0.4, 1.1]])
    data = MarkovModel(np.ones(2) / 2, chain, rates).sample(1200, key=0)
    states = HMM(n_states=2).fit(data, key=0, tolerance=1e-8)
    glm = SwitchingGLM(n_states=2, coupling=None, history=None).fit(data, key=0, tolerance=1e-8)
    np.testing.assert_allclose(glm.trace.objective[-1], states.trace.objective[-1], atol=0.05)
    mean = np.log1p(np.exp(glm.parameters["bias"].values))
    np.testing.assert_allclose(mean, states.parameters["rate"].values, rtol=0.01)
    np.testing.assert_allclose(
        float(glm.log_likelihood(data).sum()), float(states.log_likelihood(data).sum()), atol=0.1
    )


def test_at_the_true_parameters_the_likelihood_is_that_of_the_generating_network(network, drawn, switching):
    truth = dataclasses.replace(switching, parameters=parameters_of(network, switching))
    np.testing.assert_allclose(
        truth.log_likelihood(drawn).values, network.log_likelihood_terms(drawn), atol=2e-3
    )
    inferred = truth.infer(drawn)["state_probability"].argmax("state").values
    assert (inferred == network.state_path(drawn)).mean() > 0.9999


def test_couplings_and_states_of_a_network_are_recovered(network, drawn, switching):
    inferred = switching.infer(drawn)["state_path"].values
    truth = float(np.mean(network.state_path(drawn) == drawn["state"].values))
    agree = float(np.mean(inferred == drawn["state"].values))
    assert max(agree, 1 - agree) > truth - 0.01
    order = [0, 1]
    wrong = np.abs(switching.parameters["weight"].values[..., 0][order] - network.weights).mean()
    if wrong > 0.1:
        order = [1, 0]
        wrong = np.abs(switching.parameters["weight"].values[..., 0][order] - network.weights).mean()
    assert wrong < 0.05
    np.testing.assert_allclose(
        switching.parameters["transition"].values[order][:, order], network.transition, atol=0.01
    )


def test_a_one_hot_prior_finds_the_links_and_their_signs():
    network = GLMNetwork.draw(0, n_states=2, n_units=8)
    data = network.sample(2000, key=1, n_trials=8)
    fit = SwitchingGLM(n_states=2, prior=OneHotPrior()).fit(data, key=0, restarts=2)
    found = fit.parameters["weight"].values[..., 0]
    best = min(([0, 1], [1, 0]), key=lambda order: np.abs(found[order] - network.weights).sum())
    signs = np.sign(found[best])
    assert (signs == network.present).mean() > 0.93
    np.testing.assert_allclose(fit.parameters["connectome"].sum("category"), 1, atol=1e-5)
    np.testing.assert_allclose(fit.parameters["connection_probability"].sum("category"), 1, atol=1e-5)
    assert (np.abs(found) > 0).mean() < 0.5


def test_permuting_states_changes_no_prediction_and_matching_undoes_it(drawn, switching):
    swapped = switching.permute_states([1, 0])
    np.testing.assert_allclose(
        swapped.predict(drawn, mode="past")["mean"], switching.predict(drawn, mode="past")["mean"], atol=1e-5
    )
    again = switching.match(swapped, drawn)
    xr.testing.assert_allclose(again.parameters["weight"], switching.parameters["weight"])


def test_couplings_by_lag_and_as_a_graph_are_labelled(drawn):
    named = drawn.assign_coords(unit=list("abcde"), region=("unit", list("xxyyy")))
    fit = GLM(coupling=RaisedCosine(6, 3), prior=Ridge(1e-3)).fit(named, key=0)
    kernels = fit.coupling()
    expected = np.einsum("kb,stmb->stmk", fit.parameters["kernel"], fit.parameters["weight"])
    np.testing.assert_allclose(kernels, expected, atol=1e-6)
    graph = fit.graph(0)
    assert graph.nodes["c"]["region"] == "y"
    total = kernels.sel(state=0).sum("lag")
    for source, target, edge in graph.edges(data=True):
        np.testing.assert_allclose(edge["weight"], float(total.sel(target=target, source=source)), rtol=1e-5)
        assert edge["kind"] == ("excitatory" if edge["weight"] > 0 else "inhibitory")
    strong = fit.graph(0, threshold=0.1)
    assert strong.number_of_edges() == int((np.abs(total) > 0.1).sum())
    with pytest.raises(ModelError, match="no state"):
        fit.graph(7)
    with pytest.raises(ModelError, match="no coupling"):
        GLM(coupling=None, history=None).fit(named, key=0).coupling()


def test_own_history_with_a_basis_of_its_own_is_apart_from_the_coupling(drawn):
    fit = GLM(coupling=Exponential(), history=Lags(2), prior=Ridge(1e-3)).fit(drawn, key=0)
    weight = fit.parameters["weight"].isel(state=0, basis=0).values
    assert (np.diag(weight) == 0).all()
    assert fit.parameters["history_weight"].dims == ("state", "unit", "history_basis")
    lags = GLM(coupling=Lags(2), prior=Ridge(1e-3)).fit(drawn, key=0)
    both = GLM(coupling=Lags(2), history=Lags(2), prior=Ridge(1e-3)).fit(drawn, key=0)
    np.testing.assert_allclose(
        float(both.log_likelihood(drawn).sum()), float(lags.log_likelihood(drawn).sum()), atol=0.5
    )
    inside = lags.parameters["weight"].isel(state=0).values
    np.testing.assert_allclose(
        both.parameters["history_weight"].isel(state=0).values,
        np.stack([inside[n, n] for n in range(5)]),
        atol=2e-3,
    )


def test_history_none_leaves_out_the_own_past(drawn):
    fit = SwitchingGLM(n_states=2, history=None).fit(drawn, key=0, restarts=1, max_iterations=5)
    weight = fit.parameters["weight"].isel(basis=0).values
    assert (np.diagonal(weight, axis1=1, axis2=2) == 0).all()


def test_a_value_hidden_from_a_neuron_is_no_target_and_its_own_rate_as_regressor(switching, drawn):
    hidden = np.zeros(drawn["activity"].shape, bool)
    hidden[1, 300:320, 2] = True
    given = recording.hide(drawn, hidden)
    terms = switching.log_likelihood(given)
    assert terms.attrs["kind"] == "estimate"
    exact = terms["exact"].values
    assert not exact[1, 301:325].any()
    assert exact[1, :300].all()
    assert not exact[1, 325:].any()  # the belief carries it on
    assert exact[2:].all()
    assert exact[0].all()
    parameters = switching.parameters
    mean = switching.predict(given, mode="past")["mean"].values
    # By hand: the first hidden value is replaced by its prediction, and enters the next one's history.
    values = drawn["activity"].values.astype(float).copy()
    np.testing.assert_allclose(
        mean[1, 300], switching.predict(drawn, mode="past")["mean"].values[1, 300], atol=1e-5
    )
    values[1, 300, 2] = mean[1, 300, 2]
    history = np.einsum("k,kn->n", parameters["kernel"].values[:, 0], values[1, 296:301][::-1])
    eta = parameters["bias"].values + np.einsum("stm,m->st", parameters["weight"].values[..., 0], history)
    chance = predicted_state(switching, given, 1, 301)
    np.testing.assert_allclose(mean[1, 301], chance @ np.log1p(np.exp(eta)), rtol=1e-4)


def predicted_state(fit, given: xr.Dataset, trial: int, at: int) -> np.ndarray:
    """State probabilities one step after the bins before `at`."""
    later = np.zeros(given["activity"].shape, bool)
    later[:, at:] = True
    past = fit.infer(recording.hide(given, later))["state_probability"].values
    return past[trial, at]


def averaging(fit):
    """The same fit, predicting by simulated paths."""
    return dataclasses.replace(fit, model=dataclasses.replace(fit.model, missing="paths"))


def test_mean_field_forecasts_agree_with_simulated_paths_on_three_neurons():
    network = GLMNetwork.draw(1, n_states=2, n_units=3)
    data = network.sample(300, key=2, n_trials=12)
    strong = SwitchingGLM(n_states=2).fit(data, key=0, restarts=1)
    later = np.zeros(data["activity"].shape, bool)
    later[:, 240:] = True
    given = recording.hide(data, later)

    def forecasts(fit) -> tuple[np.ndarray, np.ndarray]:
        field = fit.predict(given, mode="past")["mean"].values[:, 240:280]
        return field, averaging(fit).predict(given, mode="past", key=1)["mean"].values[:, 240:280]

    weak = dataclasses.replace(
        strong, parameters=strong.parameters.assign(weight=0.4 * strong.parameters["weight"])
    )
    field, paths = forecasts(weak)
    np.testing.assert_allclose(paths.mean(axis=(0, 1)), field.mean(axis=(0, 1)), rtol=0.03)
    # Near the border of stability the rate depends on the state's own history, which the mean field averages away.
    field, paths = forecasts(strong)
    np.testing.assert_allclose(paths[:, 0], field[:, 0], rtol=1e-3)
    late = strong.simulate(300, key=3, n_trials=150)["activity"].values[:, 100:].mean(axis=(0, 1))
    np.testing.assert_allclose(paths[:, 20:].mean(axis=(0, 1)), late, rtol=0.07)
    assert (field[:, 20:].mean(axis=(0, 1)) <= late * 1.03).all()
    short = data.isel(trial=slice(0, 4), time=slice(0, 150))
    observed = averaging(strong).predict(short, mode="past", key=1)["mean"].values
    known = strong.predict(short, mode="past")["mean"].values
    np.testing.assert_allclose(observed, known, rtol=2e-3, atol=2e-4)
    ahead = averaging(weak).predict(short, mode="past", horizon=3, key=4)["mean"].values
    near = weak.predict(short, mode="past", horizon=3)["mean"].values
    assert np.corrcoef(ahead.ravel(), near.ravel())[0, 1] > 0.8
    np.testing.assert_allclose(ahead.mean(axis=(0, 1)), near.mean(axis=(0, 1)), rtol=0.03)
    with pytest.raises(ModelError, match="pass a key"):
        averaging(strong).predict(short, mode="past")
    both = averaging(strong).predict(short, mode="all", key=0)["mean"]
    np.testing.assert_array_equal(both, strong.predict(short, mode="all")["mean"])
    np.testing.assert_array_equal(strong.predict(short, mode="past", key=9)["mean"], known)


def test_held_out_neurons_are_predicted_from_the_others(switching, network, drawn):
    given = recording.hide(drawn, drawn["unit"] == drawn["unit"][4])
    rate = switching.predict(given, mode="all")["mean"].values[..., 4]
    truth = network.rates(drawn["activity"].values)
    actual = np.take_along_axis(truth, drawn["state"].values[..., None, None], axis=2)[:, :, 0, 4]
    assert np.corrcoef(rate.ravel(), actual.ravel())[0, 1] > 0.5


def test_a_unit_hidden_from_the_inputs_is_no_ones_regressor(drawn):
    inputs = recording.hide(drawn, drawn["unit"] == drawn["unit"][1])
    fit = SwitchingGLM(n_states=2).fit(drawn, key=0, inputs=inputs, restarts=1, max_iterations=5)
    weight = fit.parameters["weight"].isel(basis=0).values
    assert (weight[:, :, 1] == 0).all()
    assert (weight[:, 1, [0, 2]] != 0).all()
    changed = drawn.copy(deep=True)
    known = fit.predict(inputs, mode="past")["mean"]
    changed["activity"].values[..., 1] = np.nan
    xr.testing.assert_allclose(fit.predict(changed, mode="past")["mean"], known)


def test_a_simulation_from_a_fit_has_its_rates(switching, drawn):
    again = switching.simulate(1500, key=7, n_trials=6)
    assert set(np.unique(again["state"])) == {0, 1}
    np.testing.assert_allclose(
        again["activity"].mean(("trial", "time")), drawn["activity"].mean(("trial", "time")), rtol=0.1
    )
    xr.testing.assert_identical(again, switching.simulate(1500, key=7, n_trials=6))


def test_choosing_the_prior_by_empirical_bayes_finds_the_spread_of_the_networks(network, drawn):
    fit = SwitchingGLM(n_states=2, prior=GaussianPrior("learnt", "learnt")).fit(drawn, key=0, restarts=1)
    difference = network.weights - network.weights.mean(axis=0)
    spread = np.sqrt((difference**2).sum(axis=0).mean())
    np.testing.assert_allclose(float(fit.parameters["prior_deviation"]), spread, rtol=0.25)
    mean = np.sqrt((network.weights.mean(axis=0) ** 2).mean())
    np.testing.assert_allclose(float(fit.parameters["prior_mean_deviation"]), mean, rtol=0.25)


def test_a_group_lasso_leaves_connections_out_with_all_their_functions(drawn):
    fit = GLM(coupling=RaisedCosine(6, 2), prior=GroupLasso(0.01)).fit(drawn, key=0)
    weight = fit.parameters["weight"].isel(state=0).values
    present = np.abs(weight) > 0
    assert (present.any(axis=2) == present.all(axis=2)).all()
    assert 0 < present.mean() < 1
