"""Gaussian, Beta and switching inputs and volatile beliefs through the public verbs."""

import warnings

import networkx
import numpy as np
import pytest
import scipy.stats
import xarray as xr

from neurodyn import models, recording
from neurodyn.errors import ModelError, NeurodynWarning
from neurodyn.models import HGF, PredictiveCodingNetwork
from neurodyn.models.predictive_coding import (
    Belief,
    BetaInput,
    BinaryResponse,
    GaussianInput,
    GaussianResponse,
    Input,
    LogNormal,
    Normal,
    Shared,
    SwitchingInput,
    VolatileBelief,
)

SHARED = Shared("volatility of statistics", Normal(-4.0, 1.0))
STEADY = {"tonic_volatility": SHARED, "initial_precision": 10.0}
NETWORKS = {
    "fixed weight": PredictiveCodingNetwork(nodes=(GaussianInput("u", pseudo_count=LogNormal(10.0, 1.0)),)),
    "counts": PredictiveCodingNetwork(
        nodes=(GaussianInput("u", pseudo_count=3.0, forgetting=LogNormal(0.05, 1.0), initial_mean=0.5),)
    ),
    "followed statistics": PredictiveCodingNetwork(
        nodes=(
            GaussianInput("u"),
            Belief("m", value_children=("u.first_moment",), **STEADY),
            Belief("s", value_children=("u.second_moment",), initial_mean=1.0, **STEADY),
        )
    ),
    "chance": PredictiveCodingNetwork(nodes=(BetaInput("u", forgetting=LogNormal(0.1, 1.0)),)),
    "switching": PredictiveCodingNetwork(
        nodes=(
            SwitchingInput("u", ("a", "b"), precision=4.0, switching_rate=LogNormal(0.05, 1.0)),
            Belief("x_a", value_children=("u.a",), initial_mean=-2.0),
            VolatileBelief("x_b", value_children=("u.b",), initial_mean=Normal(2.0, 1.0)),
        )
    ),
    "switching chances": PredictiveCodingNetwork(
        nodes=(
            SwitchingInput("u", ("a", "b"), kind="binary", switching_rate=LogNormal(0.05, 1.0)),
            Belief("x_a", value_children=("u.a",), initial_mean=-2.0),
            Belief("x_b", value_children=("u.b",), initial_mean=2.0),
        )
    ),
    "volatile": PredictiveCodingNetwork(
        nodes=(
            Input("u", kind="continuous", precision=10.0),
            VolatileBelief("x1", value_children=("u",), tonic_volatility=Normal(-4.0, 1.0)),
            Belief("top", volatility_children=("x1.volatility",)),
        )
    ),
}


def at_centre(network: PredictiveCodingNetwork, **settings):
    """A fit with the parameters at the centres of their priors."""
    plan = network.plan()
    pairs = zip(plan.names, plan.mean, plan.task.slots, strict=True)
    values = {name: np.exp(mean) if slot.scale == "log" else mean for name, mean, slot in pairs}
    return network.at(values, **settings)


def simulated(network: PredictiveCodingNetwork, n_time: int = 60, n_people: int = 2) -> xr.Dataset:
    """What it expects of its own inputs, a few of them not seen."""
    found = at_centre(network).simulate(n_time, key=1, n_trials=n_people).drop_vars("expected_mean")
    found["activity"][:, 10:14] = np.nan
    return found


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_every_verb_works_and_a_saved_fit_comes_back(network, tmp_path):
    data = simulated(network)
    fit = at_centre(network, recording=data)
    terms = fit.log_likelihood(data)
    unseen = data["activity"].isnull().isel(unit=0)
    assert float(np.abs(terms.where(unseen)).max()) == 0
    assert (terms.values[~unseen.values] != 0).all()
    past, present = (fit.predict(data, mode=mode) for mode in ("past", "present"))
    for found in (past, present):
        assert np.isfinite(found["mean"]).all()
        assert (found["variance"] > 0).all()
    inferred = fit.infer(data)
    structure = network.plan().task.structure
    assert inferred["node"].values.tolist() == list(structure.names)
    assert inferred["node"].values.tolist() == list(network.graph())
    fit.save(tmp_path / "fit.nc")
    again = models.load(tmp_path / "fit.nc")
    assert again.model == network
    xr.testing.assert_identical(again.predict(data, mode="past"), past)
    xr.testing.assert_identical(again.infer(data), inferred)


@pytest.mark.parametrize("name", ["followed statistics", "chance", "switching"])
def test_priors_are_learnt_with_a_finite_evidence(name):
    network = NETWORKS[name]
    fit = network.fit(simulated(network), key=0, restarts=1)
    assert np.isfinite(fit.parameters["log_evidence"]).all()
    assert (np.abs(fit.parameters["individual"] - fit.parameters["population_mean"]) > 1e-4).all()
    assert (np.diagonal(fit.parameters["individual_covariance"], axis1=1, axis2=2) > 0).all()


@pytest.mark.parametrize("name", ["counts", "followed statistics", "switching", "volatile"])
def test_predictions_do_not_know_what_they_predict(name):
    network = NETWORKS[name]
    data = simulated(network, 30, 1)
    fit = at_centre(network, recording=data)
    ahead = {horizon: fit.predict(data, mode="past", horizon=horizon) for horizon in (1, 3)}
    present = fit.predict(data, mode="present")
    for step in (8, 20):
        for horizon, found in ahead.items():
            hidden = data.copy(deep=True)
            hidden["activity"][:, step - horizon + 1 :] = np.nan
            expected = fit.predict(hidden, mode="past")
            for name in ("mean", "variance"):
                np.testing.assert_allclose(
                    found[name].isel(time=step), expected[name].isel(time=step), rtol=2e-4, atol=1e-5
                )
        later = data.copy(deep=True)
        later["activity"][:, step + 1 :] = np.nan
        np.testing.assert_allclose(
            fit.predict(later, mode="present")["mean"].isel(time=step),
            present["mean"].isel(time=step),
            rtol=1e-5,
        )


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_a_network_comes_back_from_its_graph(network):
    graph = network.graph()
    assert PredictiveCodingNetwork.from_graph(graph) == network
    inside = {name: graph.nodes[name]["inside"] for name in graph if "inside" in graph.nodes[name]}
    assert inside == {name: part.name for part in network.nodes for name in part.inside}
    assert {name for name in graph if graph.nodes[name]["level"] == 0} == {"u"}


def test_graphs_drawn_by_hand_need_no_nodes_inside_parts():
    graph = networkx.DiGraph()
    graph.add_node("u", kind="gaussian")
    graph.add_edge("m", "u.first_moment", coupling="value")
    graph.nodes["m"].update(STEADY)
    graph.add_edge("s", "u.second_moment", coupling="value")
    graph.nodes["s"].update(initial_mean=1.0, **STEADY)
    assert PredictiveCodingNetwork.from_graph(graph) == NETWORKS["followed statistics"]
    graph.add_edge("u.first_moment", "y", coupling="value")
    with pytest.raises(ModelError, match=r"'u.first_moment' is inside 'u'"):
        PredictiveCodingNetwork.from_graph(graph)
    graph = NETWORKS["chance"].graph()
    graph.nodes["u"]["kind"] = "binary"
    graph.nodes["u"]["parameters"] = {}
    with pytest.raises(ModelError, match="which has no such node"):
        PredictiveCodingNetwork.from_graph(graph)


def test_a_volatile_belief_is_two_beliefs():
    own = {"tonic_volatility": Normal(-3.0, 1.0), "initial_mean": 0.2, "autoconnection": 0.98}
    inner = {
        "tonic_volatility": Normal(-2.0, 1.0),
        "initial_mean": 0.5,
        "initial_precision": 2.0,
        "tonic_drift": 0.01,
        "volatility_coupling": 0.8,
    }
    leaf = Input("u", kind="continuous", precision=5.0)
    inside = {f"inner_{name}": value for name, value in inner.items()}
    one = PredictiveCodingNetwork(nodes=(leaf, VolatileBelief("x1", value_children=("u",), **own, **inside)))
    two = PredictiveCodingNetwork(
        nodes=(
            Belief("x1.volatility", volatility_children=("x1",), **inner),
            Belief("x1", value_children=("u",), **own),
            leaf,
        )
    )
    assert sorted(one.plan().names) == sorted(two.plan().names)
    walk = np.cumsum(np.random.default_rng(0).normal(scale=0.3, size=(1, 80)), axis=1)
    data = recording.make(walk[..., None], sampling_interval=1.0)
    values = dict.fromkeys(one.plan().names, -2.5)
    first, second = (network.at(values, recording=data) for network in (one, two))
    np.testing.assert_allclose(first.log_likelihood(data), second.log_likelihood(data), rtol=1e-5, atol=1e-6)
    nodes = ["u", "x1", "x1.volatility"]
    for name in ("mean", "precision", "expected_mean"):
        beliefs = [fit.infer(data)[name].sel(node=nodes) for fit in (first, second)]
        np.testing.assert_allclose(*beliefs, rtol=1e-5, atol=1e-6)
    mean = first.infer(data)["mean"].sel(node="x1.volatility")
    assert float(mean.std()) > 0.01


def test_the_weight_of_a_gaussian_input_is_recovered_and_its_variance_tracked():
    network = NETWORKS["fixed weight"]
    true = np.array([4.0, 8.0, 16.0, 40.0, 100.0] * 3)
    agents = network.at({"u.pseudo_count": true})
    data = agents.simulate(300, key=2, n_trials=len(true)).drop_vars("expected_mean")
    found = network.fit(data, key=0, restarts=1).values().sel(parameter="u.pseudo_count")
    assert np.corrcoef(np.log(found), np.log(true))[0, 1] > 0.9
    rng = np.random.default_rng(0)
    scale = np.where(np.arange(400) < 200, 1.0, 4.0)
    noisy = recording.make((scale * rng.normal(size=(1, 400)))[..., None], sampling_interval=1.0)
    fit = network.at({"u.pseudo_count": 15.0}, recording=noisy)
    spread = np.sqrt(fit.predict(noisy, mode="past")["variance"].values[0, :, 0])
    assert np.abs(np.log(np.median(spread[100:200]))) < 0.3
    assert np.abs(np.log(np.median(spread[300:]) / 4)) < 0.3
    constant = scipy.stats.norm(0.0, noisy["activity"].values.std()).logpdf(noisy["activity"].values).sum()
    assert float(fit.log_likelihood(noisy).sum()) > constant + 50


def test_predicted_moments_are_those_of_the_predictive_density():
    data = simulated(NETWORKS["fixed weight"], 40, 1)
    fit = NETWORKS["fixed weight"].at({"u.pseudo_count": 6.0}, recording=data)
    inferred, past = fit.infer(data), fit.predict(data, mode="past")
    first, second = (
        inferred["expected_mean"].sel(node=f"u.{name}").values[0]
        for name in ("first_moment", "second_moment")
    )
    density = scipy.stats.t(7.0, first, np.sqrt(second - first**2))
    np.testing.assert_allclose(past["mean"].values[0, :, 0], density.mean(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(past["variance"].values[0, :, 0], density.var(), rtol=1e-4)
    values = data["activity"].values[0, :, 0]
    seen = np.isfinite(values)
    np.testing.assert_allclose(
        fit.log_likelihood(data).values[0][seen], density.logpdf(values)[seen], rtol=1e-4, atol=1e-5
    )


def test_a_beta_learner_explains_choices_and_is_a_delta_rule_at_fixed_weight():
    rng = np.random.default_rng(3)
    seen = (rng.uniform(size=(3, 120)) < np.where(np.arange(120) // 40 % 2, 0.2, 0.8)).astype(float)
    data = recording.make(
        np.zeros((3, 120, 1)),
        sampling_interval=1.0,
        kind="binary",
        time_unit="trial",
        covariates={"outcome": (seen, "after", "measured")},
    )
    network = PredictiveCodingNetwork(
        nodes=(BetaInput("u", source="outcome", pseudo_count=4.0, forgetting=None),),
        response=BinaryResponse(inverse_temperature=2.0),
    )
    fit = network.at({}, recording=data)
    rule = np.full(3, 0.5)
    predicted = fit.predict(data, mode="past")["mean"].values[..., 0]
    for step in range(120):
        np.testing.assert_allclose(predicted[:, step], rule**2 / (rule**2 + (1 - rule) ** 2), rtol=1e-4)
        rule = rule + (seen[:, step] - rule) / 5
    counting = PredictiveCodingNetwork(
        nodes=(BetaInput("u", source="outcome", forgetting=LogNormal(0.1, 1.5)),), response=BinaryResponse()
    )
    true = {"u.forgetting": [0.05, 0.1, 0.4], "response.inverse_temperature": [3.0, 3.0, 3.0]}
    done = counting.at(true).simulate(120, key=0, n_trials=3, inputs=data)
    found = counting.fit(done.drop_vars("expected_mean"), key=0, restarts=2).values()
    assert found.sel(parameter="u.forgetting").values.argmax() == 2
    assert (found > 0).all()


def test_the_context_that_drives_an_input_is_recovered():
    rng = np.random.default_rng(4)
    context = np.cumsum(rng.uniform(size=(2, 300)) < 0.03, axis=1) % 2
    values = np.where(context == 0, -1.0, 1.2) + 0.6 * rng.normal(size=context.shape)
    data = recording.make(values[..., None], sampling_interval=1.0)
    beliefs = {"tonic_volatility": -6.0}
    network = PredictiveCodingNetwork(
        nodes=(
            SwitchingInput(
                "u", ("low", "high"), precision=LogNormal(1.0, 1.0), switching_rate=LogNormal(0.1, 1.0)
            ),
            Belief("x_low", value_children=("u.low",), initial_mean=-0.5, **beliefs),
            Belief("x_high", value_children=("u.high",), initial_mean=0.5, **beliefs),
        )
    )
    fit = network.fit(data, key=0, restarts=2)
    learnt = fit.values()
    believed = fit.infer(data)["mean"].sel(node="u.high").values > 0.5
    assert (believed == context).mean() > 0.95
    assert (np.abs(np.log(learnt.sel(parameter="u.precision") * 0.36)) < 0.4).all()
    true = -np.log(1 - 2 * (np.diff(context, axis=1) != 0).mean(axis=1))
    assert (np.abs(np.log(learnt.sel(parameter="u.switching_rate") / true)) < 1.0).all()
    constant = scipy.stats.norm(values.mean(), values.std()).logpdf(values).sum()
    assert float(fit.log_likelihood(data).sum()) > constant + 100


def test_statistics_without_variance_are_refused_in_fits_and_named_once_in_new_data():
    """The belief about the mean follows at once, that about the second moment hardly."""
    network = PredictiveCodingNetwork(
        nodes=(
            GaussianInput("u"),
            Belief("m", value_children=("u.first_moment",), tonic_volatility=2.0, initial_precision=0.1),
            Belief(
                "s",
                value_children=("u.second_moment",),
                tonic_volatility=-9.0,
                initial_mean=1.0,
                initial_precision=100.0,
            ),
        )
    )
    values = np.zeros((1, 20))
    values[:, 5:] = 6.0
    data = recording.make(values[..., None], sampling_interval=1.0, trial=["p0"])
    words = r"statistics of input 'u' leave no variance at trial 6 of participant 'p0'"
    with pytest.raises(ModelError, match=words + r".*give both statistics the same filter"):
        network.fit(data, key=0)
    fit = network.at({}, recording=data)
    for verb in (
        lambda: fit.predict(data, mode="past"),
        lambda: fit.infer(data),
        lambda: fit.log_likelihood(data),
        lambda: fit.log_likelihood(data, given=data),
    ):
        with pytest.warns(NeurodynWarning, match=words) as caught:
            verb()
        assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(fit.predict(data, mode="past")["variance"]).all()


def test_at_takes_labels_from_the_recording_it_will_meet():
    seen = np.random.default_rng(0).integers(0, 2, size=(3, 20)).astype(float)
    data = recording.make(
        np.ones((3, 20, 1)),
        sampling_interval=1.0,
        kind="binary",
        unit=["left or right"],
        trial=["p0", "p1", "p2"],
        time_unit="trial",
        covariates={"outcome": (seen, "after", "measured")},
    )
    model = HGF(2, source="outcome", response=BinaryResponse(inverse_temperature=1.0))
    for values in (-3.0, [-3.0, -3.0, -3.0]):
        fit = model.at({"x1.tonic_volatility": values}, recording=data)
        assert fit.parameters["participant"].values.tolist() == ["p0", "p1", "p2"]
        assert fit.predict(data, mode="past")["mean"].shape == (3, 20, 1)
    with pytest.raises(ModelError, match="3 participants, but parameters of 2"):
        model.at({"x1.tonic_volatility": [-3.0, -2.0]}, recording=data)
    with pytest.raises(ModelError, match="leave the labels out"):
        model.at({"x1.tonic_volatility": -3.0}, recording=data, unit=["choice"])
    continuous = HGF(2, source="outcome", response=GaussianResponse("x1"))
    with pytest.raises(ValueError, match="kind"):
        continuous.at(dict.fromkeys(continuous.plan().names, 1.0), recording=data)


def test_parts_out_of_range_are_refused_in_one_sentence():
    wrong = {
        "pseudo_count is 0": lambda: GaussianInput("u", pseudo_count=0.0),
        "forgetting is -1": lambda: BetaInput("u", forgetting=-1.0),
        "forgetting is above 0, so its prior": lambda: BetaInput("u", forgetting=Normal(0.1, 1.0)),
        "initial_chance is 1.0": lambda: BetaInput("u", initial_chance=1.0),
        "precisions is": lambda: GaussianInput("u", precisions=(1.0,)),
        "source is 3": lambda: GaussianInput("u", source=3),
        "two or more different names": lambda: SwitchingInput("u", ("a",)),
        "kind is 'other'": lambda: SwitchingInput("u", ("a", "b"), kind="other"),
        "inner_initial_precision|initial_precision is -1": lambda: VolatileBelief(
            "x", inner_initial_precision=-1.0
        ),
        "no belief drives": lambda: PredictiveCodingNetwork(nodes=(SwitchingInput("u", ("a", "b")),)),
        "has no effect": lambda: PredictiveCodingNetwork(
            nodes=(
                GaussianInput("u", pseudo_count=LogNormal(1.0, 1.0)),
                Belief("m", value_children=("u.first_moment", "u.second_moment")),
            )
        ),
        "no belief follows": lambda: PredictiveCodingNetwork(
            nodes=(BetaInput("u", precision=LogNormal(1.0, 1.0)),)
        ),
        "leave forgetting out": lambda: PredictiveCodingNetwork(
            nodes=(BetaInput("u"), Belief("x", value_children=("u.chance",)))
        ),
    }
    for words, make in wrong.items():
        with pytest.raises(ModelError, match=words) as caught:
            make()
        assert str(caught.value).count(". ") == 0
