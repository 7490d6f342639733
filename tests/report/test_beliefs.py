"""Figures of beliefs show what the fit infers and predicts, and what was seen."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from neurodyn import models, recording, report
from neurodyn.errors import ModelError, NeurodynWarning, NotApplicable
from neurodyn.models import HGF, PredictiveCodingNetwork
from neurodyn.models.predictive_coding import (
    Belief,
    BinaryResponse,
    GaussianInput,
    GaussianResponse,
    Input,
    Normal,
    Shared,
    SoftmaxResponse,
    SwitchingInput,
    VolatileBelief,
)
from neurodyn.report.courses import groups_of, in_words

ARMS = "abc"


def choices(n_people: int = 2, n_time: int = 60) -> xr.Dataset:
    """Choices after outcomes, of which some were not seen."""
    rng = np.random.default_rng(0)
    seen = (rng.uniform(size=(n_people, n_time)) < 0.7).astype(float)
    seen[:, 10:13] = np.nan
    seen[:, 40] = np.nan
    done = (rng.uniform(size=(n_people, n_time)) < 0.6).astype(float)
    return recording.make(
        done[..., None],
        sampling_interval=1.0,
        kind="binary",
        time_unit="trial",
        unit=["choice"],
        trial=["first", "second"][:n_people],
        trial_coords={"participant": ["Ada", "Bo"][:n_people]},
        covariates={"u": (seen, "after", "measured")},
    )


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    """Two participants."""
    return choices()


@pytest.fixture(scope="module")
def fit():
    """Given parameters of both."""
    values = {"x1.tonic_volatility": [-2.0, -1.0], "response.inverse_temperature": [2.0, 5.0]}
    model = HGF(3, source="u", response=BinaryResponse())
    return model.at(values, participants=["Ada", "Bo"], unit=["choice"])


@pytest.fixture(scope="module")
def bandit():
    """Three arms in an environment, each rewarded with a chance of its own."""
    nodes = [Input(f"u_{arm}", source=f"reward_{arm}") for arm in ARMS]
    volatility = Shared("volatility", Normal(-2.0, 2.0))
    nodes += [Belief(f"x_{arm}", value_children=(f"u_{arm}",), tonic_volatility=volatility) for arm in ARMS]
    network = PredictiveCodingNetwork(
        nodes=tuple(nodes), response=SoftmaxResponse(tuple(f"u_{arm}" for arm in ARMS))
    )

    def environment(trial: int, response: float, random: np.random.Generator) -> np.ndarray:
        shown = np.full(3, np.nan)
        shown[int(response)] = random.uniform() < np.roll([0.8, 0.5, 0.2], trial // 30)[int(response)]
        return shown

    agents = network.at({"volatility": [-2.0, -1.0], "response.inverse_temperature": [3.0, 5.0]})
    return agents, agents.simulate(80, key=0, n_trials=2, environment=environment)


def line(axes, gid: str):
    """The line of a node."""
    (found,) = [one for one in axes.lines if one.get_gid() == gid]
    return found


def labelled(axes, label: str):
    """The marks with a label."""
    (found,) = [one for one in axes.lines if one.get_label() == label]
    return found


def band(axes, gid: str) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of a node's band."""
    (found,) = [one for one in axes.collections if one.get_gid() == gid]
    points = found.get_paths()[0].vertices
    n_time = (len(points) - 3) // 2
    return points[1 : n_time + 1, 1], points[n_time + 2 : -1, 1][::-1]


@pytest.mark.parametrize("width", [3.9, 8.0])
@pytest.mark.parametrize("participant", [None, "Bo", "second"])
def test_beliefs_inputs_and_choices_are_those_of_the_participant(fit, data, width, participant) -> None:
    figure = report.plot_beliefs(fit, data, participant=participant, width=width)
    assert figure.get_size_inches()[0] == pytest.approx(width)
    figure.canvas.draw()
    place = 0 if participant is None else 1
    inferred = fit.infer(data).isel(trial=place)
    above, middle, below = figure.axes
    assert above.get_title("left") == "x2 sets the volatility of x1"
    assert middle.get_title("left") == "x1 predicts u"
    for axes, node in ((above, "x2"), (middle, "x1")):
        one = inferred.sel(node=node)
        np.testing.assert_allclose(line(axes, node).get_ydata(), one["expected_mean"], rtol=1e-4, atol=1e-6)
        spread = 1 / np.sqrt(one["precision"].values)
        for end, sign in zip(band(axes, node), (-1, 1), strict=True):
            np.testing.assert_allclose(end, one["expected_mean"] + sign * spread, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        line(below, "u").get_ydata(), inferred["expected_mean"].sel(node="u"), rtol=1e-5
    )
    predicted = fit.predict(data, mode="past")["mean"].values[place, :, 0]
    np.testing.assert_allclose(line(below, "response").get_ydata(), predicted, rtol=1e-4)
    seen = data["covariates"].sel(covariate="u").values[place]
    np.testing.assert_array_equal(labelled(below, "u seen").get_ydata(), seen)
    chosen = labelled(below, "choice").get_ydata()
    np.testing.assert_array_equal(chosen > 0.5, data["activity"].values[place, :, 0] > 0.5)
    spans = [(patch.get_x(), patch.get_width()) for patch in below.patches]
    assert spans == [(9.5, 3.0), (39.5, 1.0)]
    assert below.get_xlabel() == f"trial of participant {['Ada', 'Bo'][place]}"
    assert plt.get_fignums() == []


def test_one_participant_without_trials_needs_no_name(fit, data) -> None:
    alone = data.isel(trial=0, drop=True)
    alone.attrs["subject"] = "Ada"
    figure = report.plot_beliefs(fit, alone, participant="Ada")
    together = report.plot_beliefs(fit, data)
    np.testing.assert_allclose(
        line(figure.axes[1], "x1").get_ydata(), line(together.axes[1], "x1").get_ydata(), rtol=1e-5
    )
    assert figure.axes[-1].get_xlabel() == "trial"


def test_a_participant_ends_where_the_trials_do(fit, data) -> None:
    ragged = data.copy(deep=True)
    ragged["activity"][1, 45:] = np.nan
    ragged = ragged.assign_coords(n_bins=("trial", [60, 45]))
    figure = report.plot_beliefs(fit, ragged, participant="Bo")
    assert len(line(figure.axes[0], "x2").get_ydata()) == 45
    assert figure.axes[-1].get_xlim()[1] < 45


@pytest.mark.parametrize("width", [3.9, 8.0])
def test_arms_share_panels_and_show_which_was_chosen(bandit, width) -> None:
    agents, data = bandit
    figure = report.plot_beliefs(agents, data, participant="1", width=width)
    figure.canvas.draw()
    beliefs, inputs, chosen = figure.axes
    one = data.isel(trial=1)
    inferred = agents.infer(data).isel(trial=1)
    chance = agents.predict(data, mode="past")["mean"].values[1, :, 0]
    colours = set()
    for k, arm in enumerate(ARMS):
        expected = inferred["expected_mean"].sel(node=f"x_{arm}")
        np.testing.assert_allclose(line(beliefs, f"x_{arm}").get_ydata(), expected, rtol=1e-5)
        expected = inferred["expected_mean"].sel(node=f"u_{arm}")
        np.testing.assert_allclose(line(inputs, f"u_{arm}").get_ydata(), expected, rtol=1e-5)
        np.testing.assert_allclose(line(chosen, str(k)).get_ydata(), chance[:, k], rtol=1e-4)
        taken = np.isfinite(line(chosen, f"{k} 1").get_ydata())
        np.testing.assert_array_equal(taken, one["activity"].values[:, 0] == k)
        reward = one["covariates"].sel(covariate=f"reward_{arm}").values
        for value in (0, 1):
            shown = np.isfinite(line(inputs, f"u_{arm} {value}").get_ydata())
            np.testing.assert_array_equal(shown, reward == value)
        own = {
            line(beliefs, f"x_{arm}").get_color(),
            line(inputs, f"u_{arm}").get_color(),
            line(chosen, str(k)).get_color(),
        }
        assert len(own) == 1
        colours |= own
    assert len(colours) == 3
    names = [tick.get_text() for tick in inputs.get_yticklabels()]
    assert names[3:] == ["u_a", "u_b", "u_c"]


def test_measured_inputs_have_dots_and_the_predicted_deviation() -> None:
    values = np.random.default_rng(0).normal(size=(50, 1))
    values[20:25] = np.nan
    data = recording.make(values, sampling_interval=1.0, time_unit="trial", unit=["price"])
    fit = HGF(2, inputs="continuous").at({"x1.tonic_volatility": -2.0}, unit=["price"])
    axes = report.plot_beliefs(fit, data).axes[-1]
    found = fit.predict(data, mode="past")
    mean, spread = found["mean"].values[:, 0], np.sqrt(found["variance"].values[:, 0])
    np.testing.assert_allclose(line(axes, "u").get_ydata(), mean, rtol=1e-5, atol=1e-6)
    low, high = band(axes, "u")
    np.testing.assert_allclose(low, mean - spread, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(high, mean + spread, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(labelled(axes, "u seen").get_ydata(), values[:, 0], rtol=1e-6)
    assert [(patch.get_x(), patch.get_width()) for patch in axes.patches] == [(19.5, 5.0)]


def test_measured_responses_have_a_panel_in_their_own_unit() -> None:
    rng = np.random.default_rng(0)
    seen = (rng.uniform(size=40) < 0.7).astype(float)
    times = 500 + 50 * rng.normal(size=(40, 1))
    data = recording.make(
        times,
        sampling_interval=1.0,
        time_unit="trial",
        unit=["reaction time"],
        covariates={"u": (seen, "after", "measured")},
    )
    fit = HGF(2, source="u", response=GaussianResponse("x1")).fit(data, key=0, restarts=1)
    axes = report.plot_beliefs(fit, data).axes[-1]
    found = fit.predict(data, mode="past")
    assert axes.get_ylabel() == "reaction time"
    np.testing.assert_allclose(line(axes, "response").get_ydata(), found["mean"].values[:, 0], rtol=1e-4)
    np.testing.assert_allclose(
        (band(axes, "response")[1] - found["mean"].values[:, 0]) ** 2,
        found["variance"].values[:, 0],
        rtol=1e-3,
    )


def test_categories_show_the_one_that_came() -> None:
    fit = HGF(3, inputs="categorical", categories=4).at({"x1.tonic_volatility": -2.0})
    data = fit.simulate(40, key=0)
    figure = report.plot_beliefs(fit, data)
    axes = figure.axes[-1]
    chance = fit.predict(data, mode="past")["mean"].values.reshape(40, 4)
    for k in range(4):
        np.testing.assert_allclose(line(axes, f"u{k}").get_ydata(), chance[:, k], rtol=1e-4)
        came = np.isfinite(line(axes, f"u{k} 1").get_ydata())
        np.testing.assert_array_equal(came, data["activity"].values.ravel() == k)
    assert not [one for one in axes.lines if str(one.get_gid()).endswith(" 0")]


def test_parts_of_a_network_are_told_apart() -> None:
    network = PredictiveCodingNetwork(
        nodes=(
            Input("u", kind="continuous"),
            Belief("x1", value_children=("u",)),
            Belief("x2", value_children=("x1",)),
            Belief("x3", volatility_children=("x1",)),
        )
    )
    assert groups_of(network) == ([["x2"], ["x3"], ["x1"]], [["u"]])
    assert in_words(network, ["x2"]) == "x2 predicts x1"
    assert in_words(HGF(3, inputs="categorical", categories=9), ["x2"]).endswith("of x1_0 … x1_8")


def test_other_fits_and_unknown_participants_are_refused_in_one_sentence(fit, data) -> None:
    mean = models.create("mean").fit(data, key=0)
    for wrong in (mean, HGF(2), None):
        with pytest.raises(NotApplicable, match="no beliefs to show"):
            report.plot_beliefs(wrong, data)
    with pytest.raises(ModelError, match="no participant 'Cy' in the recording; it has Ada, Bo"):
        report.plot_beliefs(fit, data, participant="Cy")
    with pytest.raises(ModelError, match="the recording has one only"):
        report.plot_beliefs(fit, data.isel(trial=0, drop=True), participant="Cy")


@pytest.mark.parametrize("kind", ["gaussian", "switching", "volatile"])
def test_nodes_inside_parts_have_panels_of_their_own(kind) -> None:
    nodes, titles, labels = {
        "gaussian": (
            (GaussianInput("u"), Belief("m", value_children=("u.first_moment",), initial_precision=10.0)),
            ["m predicts u.first_moment", "u.second_moment predicts u"],
            ["belief", "belief"],
        ),
        "switching": (
            (
                SwitchingInput("u", ("a", "b"), precision=4.0),
                Belief("x_a", value_children=("u.a",), initial_mean=-1.0),
                Belief("x_b", value_children=("u.b",), initial_mean=1.0),
            ),
            ["x_a, x_b predict u.a, u.b", "u.a, u.b predict u"],
            ["belief", "probability"],
        ),
        "volatile": (
            (Input("u"), VolatileBelief("x", value_children=("u",))),
            ["x.volatility sets the volatility of x", "x predicts u"],
            ["belief", "log-odds"],
        ),
    }[kind]
    found = PredictiveCodingNetwork(nodes=nodes).at({})
    seen = found.simulate(30, key=0)
    figure = report.plot_beliefs(found, seen)
    figure.canvas.draw()
    assert [axes.get_title("left") for axes in figure.axes[:-1]] == titles
    assert [axes.get_ylabel() for axes in figure.axes[:-1]] == labels
    inferred = found.infer(seen)
    if kind == "switching":
        colours = {node: line(figure.axes[1], node).get_color() for node in ("u.a", "u.b")}
        assert len(set(colours.values())) == 2
        assert [line(figure.axes[0], f"x_{k}").get_color() for k in "ab"] == list(colours.values())
        np.testing.assert_allclose(
            line(figure.axes[1], "u.a").get_ydata(), inferred["expected_mean"].sel(node="u.a"), rtol=1e-4
        )
    drawn = report.plot_hierarchy(found)
    drawn.canvas.draw()
    names = {str(patch.get_gid()) for patch in drawn.axes[0].patches}
    assert set(inferred["node"].values.tolist()) <= names


def test_an_update_that_fails_is_warned_of_once() -> None:
    fit = HGF(2, inputs="continuous", update="standard", x2_tonic_volatility=2.0).at(
        {"x1.tonic_volatility": -6.0}, unit=["signal"]
    )
    values = np.random.default_rng(0).normal(scale=0.1, size=(1, 60, 1))
    values[:, 30:] += 8.0
    data = recording.make(values, sampling_interval=1.0, unit=["signal"])
    with pytest.warns(NeurodynWarning, match="fails at trial") as caught:
        report.plot_beliefs(fit, data)
    assert len(caught) == 1
    for verb in (lambda: fit.infer(data), lambda: fit.predict(data, mode="past")):
        with pytest.warns(NeurodynWarning) as caught:
            verb()
        assert len(caught) == 1
