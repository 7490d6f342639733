"""Figures of dynamic connectomes show what the fit, the choice of rank and the communities hold."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from neurodyn import models, recording, report
from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.connectome import DynamicConnectome, affinity, factorise
from neurodyn.report.connectome_graphs import apart, strongest_graph
from neurodyn.report.connectome_panels import spread
from neurodyn.report.connectome_views import connectome_view, node_order

UNITS = [f"{group}{number}" for group in "abc" for number in range(4)]


@pytest.fixture(scope="module")
def traces() -> xr.Dataset:
    """Twelve units in three groups, three animals, the last of which lacks a unit."""
    generator = np.random.default_rng(0)
    shared = generator.normal(size=(3, 120, 3)).cumsum(axis=1)
    values = np.repeat(shared, 4, axis=2) + 0.3 * generator.normal(size=(3, 120, 12))
    values[2, :, 5] = np.nan
    return recording.make(values, sampling_interval=0.5, unit=UNITS, trial=["x", "y", "z"])


@pytest.fixture(scope="module")
def pairs(traces: xr.Dataset) -> xr.Dataset:
    """Their affinities."""
    return affinity(traces)


@pytest.fixture(scope="module")
def own(pairs: xr.Dataset):
    """A fit in which animals have clocks of their own."""
    return DynamicConnectome(rank=3, clock="own").fit(pairs, key=0, restarts=2, max_sweeps=60)


@pytest.fixture(scope="module")
def shared(pairs: xr.Dataset) -> xr.Dataset:
    """Factors of animals with one clock."""
    return factorise(pairs, 2, key=0, restarts=1, max_sweeps=60)


def lines_of(figure, gid: str) -> list:
    """Lines with a gid, in the order of the axes."""
    return [line for axes in figure.axes for line in axes.lines if line.get_gid() == gid]


def test_the_parts_of_the_view_multiply_to_the_affinity_of_the_model(own, shared, pairs):
    view = connectome_view(own)
    parts = own.parameters
    expected = np.einsum("r,atr,pr->atp", parts["weight"], parts["course"], parts["pair"])
    shown = np.einsum("atr,rp->atp", view.course, view.share)
    np.testing.assert_allclose(shown, expected, atol=1e-6 * np.nanmax(expected))
    assert np.nanmax(view.share, axis=1).tolist() == [1, 1, 1]
    assert view.total.sum() == pytest.approx(1)

    view = connectome_view(shared)
    expected = np.einsum(
        "r,tr,ar,pr->atp", *(shared[name] for name in ("weight", "course", "animal", "pair"))
    )
    shown = np.einsum("tr,ar,rp->atp", view.course[0], view.animal, view.share)
    np.testing.assert_allclose(shown, expected, atol=1e-6 * np.nanmax(expected))


def test_a_card_shows_the_course_of_every_animal(own):
    before = plt.get_fignums()
    figure = report.plot_component(own, 1)
    assert plt.get_fignums() == before
    shown = [line.get_ydata() for line in lines_of(figure, "course")]
    np.testing.assert_array_equal(shown, connectome_view(own).course[..., 1])
    course = own.parameters["course"].isel(component=1).values
    for mine, fitted in zip(shown, course, strict=True):
        known = np.isfinite(fitted)
        assert np.corrcoef(mine[known], fitted[known])[0, 1] == pytest.approx(1)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert [label for label in labels if label in "xyz" and label] == ["x", "y", "z"]
    np.testing.assert_allclose(lines_of(figure, "course")[0].get_xdata(), own.parameters["time"])
    assert "s)" in " ".join(axes.get_xlabel() for axes in figure.axes)


def test_events_are_shaded_and_means_during_them_are_those_of_the_course(own):
    view = connectome_view(own)
    events = xr.DataArray(np.zeros((3, 120), bool), dims=("trial", "time"), name="turn")
    events[0, 20:40] = True
    events[1, 5] = True
    figure = report.plot_component(own, 0, behaviour=events)
    during, other = (lines_of(figure, gid) for gid in ("during", "else"))
    course = view.course[0, :, 0]
    assert during[0].get_xdata()[0] == pytest.approx(np.nanmean(course[20:40]))
    assert other[0].get_xdata()[0] == pytest.approx(np.nanmean(np.r_[course[:20], course[40:]]))
    assert np.isnan(during[2].get_xdata()[0])
    shades = [c for axes in figure.axes for c in axes.collections if c.get_gid() == "events"]
    spans = [
        [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in one.get_paths()] for one in shades
    ]
    # From the beginning of the first bin to the end of the last, an event of a single bin too.
    np.testing.assert_allclose(spans[0], [(9.75, 19.75)])
    np.testing.assert_allclose(spans[1], [(2.25, 2.75)])
    assert spans[2] == []
    assert "turn" in [t.get_text() for t in during[0].axes.get_legend().get_texts()]


def test_behaviour_with_a_size_is_drawn_in_the_order_of_the_animals(own):
    values = np.random.default_rng(1).normal(size=(3, 120))
    behaviour = xr.DataArray(values, dims=("trial", "time"), coords={"trial": ["z", "y", "x"]}, name="speed")
    figure = report.plot_component(own, 0, behaviour=behaviour)
    np.testing.assert_array_equal([line.get_ydata() for line in lines_of(figure, "behaviour")], values[::-1])


def test_a_shared_clock_has_one_course_and_a_loading_for_each_animal(shared):
    figure = report.plot_component(shared, 0)
    assert len(lines_of(figure, "course")) == 1
    bars = next(axes for axes in figure.axes if "loading" in axes.get_xlabel())
    loading = shared["animal"].isel(component=0).values
    np.testing.assert_allclose([bar.get_width() for bar in bars.patches], loading / loading.mean())
    assert [tick.get_text() for tick in bars.get_yticklabels()] == ["x", "y", "z"]
    turned = xr.DataArray(np.eye(3, 120, dtype=bool), dims=("trial", "time"), name="turn")
    figure = report.plot_component(shared, 0, behaviour=turned)
    np.testing.assert_allclose(lines_of(figure, "behaviour")[0].get_ydata(), turned.mean("trial"))


def test_groups_stand_together_and_the_matrix_holds_the_pairs(own):
    groups = {unit: unit[0] for unit in UNITS}
    figure = report.plot_component(own, 0, groups=groups)
    matrix_axes = next(axes for axes in figure.axes if axes.images)
    named = sorted(
        (text for text in matrix_axes.texts if text.get_gid() == "node"), key=lambda t: t.get_position()[1]
    )
    order = [text.get_text() for text in named]
    assert sorted(order) == UNITS
    letters = "".join(name[0] for name in order)
    assert len(letters.replace("a" * 4, "").replace("b" * 4, "").replace("c" * 4, "")) == 0
    shown = matrix_axes.images[0].get_array()
    pair = own.parameters["pair"].isel(component=0)
    for i, j in ((0, 1), (3, 9), (11, 2)):
        names = sorted((order[i], order[j]))
        expected = pair.sel(unit="--".join(names)) / pair.max()
        assert shown[i, j] == pytest.approx(float(expected), rel=1e-6)
    assert np.ma.getmaskarray(shown).sum() == 12 or np.isnan(np.asarray(shown)).sum() == 12
    strong = pair.idxmax().item()[0]
    assert letters[0] == strong


def test_groups_may_be_labelled_in_any_order_or_a_plain_array(own):
    view = connectome_view(own)
    labelled = xr.DataArray([u[0] for u in UNITS[::-1]], dims="node", coords={"node": UNITS[::-1]})
    orders = [
        node_order(view.matrix(0), report.connectome_views.groups_of(groups, view.nodes))
        for groups in (labelled, [u[0] for u in UNITS], {u: u[0] for u in UNITS})
    ]
    assert orders[0].tolist() == orders[1].tolist() == orders[2].tolist()


def test_without_groups_a_tree_puts_blocks_side_by_side_the_strongest_first():
    weights = np.full((6, 6), 0.05)
    for block, size in (([4, 1], 1.0), ([0, 3, 5], 0.6)):
        weights[np.ix_(block, block)] = size
    np.fill_diagonal(weights, np.nan)
    order = node_order(weights, None).tolist()
    assert set(order[:3]) == {0, 3, 5} or set(order[:2]) == {1, 4}
    places = {node: at for at, node in enumerate(order)}
    assert abs(places[1] - places[4]) == 1
    assert np.ptp([places[k] for k in (0, 3, 5)]) == 2


def test_the_graph_holds_the_strongest_pairs_and_no_name_covers_another(own):
    figure = report.plot_component(own, 0, most_edges=10, groups=[u[0] for u in UNITS])
    graph_axes = next(axes for axes in figure.axes if "pairs" in axes.get_title(loc="left"))
    drawn = {frozenset(line.get_gid().split("--")) for line in graph_axes.lines}
    pair = own.parameters["pair"].isel(component=0).to_series().nlargest(10)
    assert drawn == {frozenset(name.split("--")) for name in pair.index}
    boxes = {
        p.get_gid(): p.get_window_extent(figure.canvas.get_renderer())
        for p in graph_axes.patches
        if p.get_gid()
    }
    assert set(boxes) == {name for edge in drawn for name in edge}
    for one in boxes:
        for other in boxes:
            assert one == other or not boxes[one].overlaps(boxes[other])
    again = report.plot_component(own, 0, most_edges=10, groups=[u[0] for u in UNITS])
    axes = next(axes for axes in again.axes if "pairs" in axes.get_title(loc="left"))
    for mine, theirs in zip(graph_axes.lines, axes.lines, strict=True):
        np.testing.assert_array_equal(mine.get_xydata(), theirs.get_xydata())


def test_crowded_names_are_moved_apart_and_stay_inside():
    generator = np.random.default_rng(0)
    half = np.column_stack([generator.uniform(0.15, 0.3, 30), np.full(30, 0.08)])
    moved = apart(np.tile([[2.0, 2.0]], (30, 1)) + 0.01 * generator.normal(size=(30, 2)), half, 4.0, 3.6)
    assert ((moved >= half - 1e-9) & (moved <= np.array([4.0, 3.6]) - half + 1e-9)).all()
    first, second = np.triu_indices(30, 1)
    clear = np.abs(moved[first] - moved[second]) >= half[first] + half[second] - 1e-6
    assert clear.any(axis=1).all()


def test_labels_are_spread_in_order_as_little_as_needed():
    places = spread(np.array([0.0, 1.0, 1.0, 1.0, 8.0]), 1.0, -0.5, 9.5)
    assert (np.diff(places) >= 1 - 1e-9).all()
    assert places[-1] == 8.0
    assert (
        np.square(places[:4] - [0, 1, 1, 1]).sum()
        <= np.square(np.array([0, 0, 1, 2]) - [0, 1, 1, 1]).sum() + 4
    )


def test_a_graph_stops_at_its_limits():
    weights = np.triu(np.arange(36.0).reshape(6, 6), 1)
    weights = weights + weights.T
    graph = strongest_graph(weights, np.array(list("abcdef")), most_edges=99, most_nodes=3)
    assert len(graph) <= 3
    assert graph.has_edge("e", "f")
    assert (
        strongest_graph(0 * weights, np.array(list("abcdef")), most_edges=9, most_nodes=9).number_of_edges()
        == 0
    )


def test_many_animals_become_a_map(pairs):
    many = xr.concat([pairs] * 6, dim="trial").assign_coords(trial=[f"animal {k}" for k in range(18)])
    factors = factorise(many, 1, key=0, clock="own", restarts=1, max_sweeps=10)
    figure = report.plot_component(factors, 0)
    assert figure.axes[1].images[0].get_array().shape == (18, 120)


def test_a_summary_shows_all_courses_and_the_strongest_nodes(own, shared):
    figure = report.plot_connectome_summary(own)
    maps = [axes for axes in figure.axes if axes.images]
    assert len(maps) == 3
    for place, axes in enumerate(maps):
        np.testing.assert_array_equal(
            np.ma.filled(axes.images[0].get_array(), np.nan), connectome_view(own).course[..., place]
        )
    view = connectome_view(own)
    bars = [axes for axes in figure.axes if axes.patches]
    assert bars[0].get_yticklabels()[0].get_text() == view.nodes[np.nanargmax(view.strength(0))]

    figure = report.plot_connectome_summary(shared)
    expected = np.einsum("t,a->at", shared["course"][:, 1], shared["animal"][:, 1])
    shown = np.ma.filled([axes for axes in figure.axes if axes.images][1].images[0].get_array(), np.nan)
    known = np.isfinite(expected)
    assert np.corrcoef(shown[known], expected[known])[0, 1] == pytest.approx(1)


def test_a_summary_shows_nodes_where_they_lie(own, traces):
    places = np.random.default_rng(0).uniform(0, 1e-3, size=(12, 2))
    placed = traces.assign_coords(x=("unit", places[:, 0]), y=("unit", places[:, 1]))
    figure = report.plot_connectome_summary(own, positions=placed)
    spots = [
        axes.collections[0].get_offsets() for axes in figure.axes if not axes.images and axes.collections
    ]
    assert len(spots) == 3
    assert {tuple(spot) for spot in spots[0].tolist()} == {tuple(place) for place in places.tolist()}
    assert any("µm" in text.get_text() for axes in figure.axes for text in axes.texts)


def selection(**changes) -> xr.Dataset:
    """What select_rank returns, without the work."""
    columns = {
        "units_score": [0.1, 0.2, 0.21],
        "units_standard_error": [0.01, 0.01, 0.02],
        "blocks_score": [0.01, 0.0, -0.1],
        "blocks_standard_error": [0.01, 0.01, 0.01],
        "agreement": [1.0, 0.9, 0.4],
        "core_consistency": [np.nan] * 3,
        **changes,
    }
    return xr.Dataset(
        {name: ("rank", values) for name, values in columns.items()},
        coords={"rank": [1, 2, 4]},
        attrs={"recommended": 2, "reason": "held-out units say so", "alike": 0.8},
    )


def test_a_choice_of_rank_shows_scores_and_marks_the_recommendation():
    figure = report.plot_rank_selection(selection())
    axes = [axes for sub in figure.subfigs for axes in sub.axes]
    assert len(axes) == 3
    np.testing.assert_array_equal(axes[0].containers[0].lines[0].get_ydata(), [0.1, 0.2, 0.21])
    bars = axes[1].containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose(np.diff(bars[2][:, 1]), [0.02])
    for one in axes:
        [mark] = [line for line in one.lines if line.get_gid() == "recommended"]
        assert set(mark.get_xdata()) == {2}
    said = " ".join(text.get_text() for sub in figure.subfigs for text in sub.texts)
    assert "rank 2" in said
    assert "Held-out units say so" in said
    with_core = report.plot_rank_selection(selection(core_consistency=[100.0, 60.0, -900.0]), width=3.9)
    panels = [axes for sub in with_core.subfigs for axes in sub.axes]
    assert len(panels) == 4
    assert "core" in panels[3].get_ylabel()


def test_a_hierarchy_nests_groups_and_names_all_nodes():
    fine, coarse = [0, 1, 0, 2, 1, 3], [0, 0, 0, 1, 0, 1]
    communities = xr.Dataset(
        {"group": (("level", "node"), [fine, coarse])}, coords={"level": [0, 1], "node": list("uvwxyz")}
    )
    figure = report.plot_community_hierarchy(communities)
    boxes = {patch.get_gid(): patch.get_bbox() for patch in figure.axes[0].patches}
    assert set(boxes) == {"0, 0", "0, 1", "0, 2", "0, 3", "1, 0", "1, 1"}
    for inner, outer in (("0", "0"), ("1", "0"), ("2", "1"), ("3", "1")):
        small, large = boxes[f"0, {inner}"], boxes[f"1, {outer}"]
        assert large.y0 - 1e-9 <= small.y0
        assert small.y1 <= large.y1 + 1e-9
        assert small.x0 > large.x0
    written = ", ".join(text.get_text() for text in figure.axes[0].texts if text.get_ha() == "left")
    assert set(written.replace(",", " ").split()) == set("uvwxyz")
    assert "u, w" in written
    assert "v, y" in written
    one = report.plot_community_hierarchy(communities["group"].isel(level=0, drop=True))
    assert len(one.axes[0].patches) == 4


def test_bad_input_is_refused_in_a_sentence(own, pairs, shared):
    with pytest.raises(ModelError, match="no component 7; there are 0, 1, 2"):
        report.plot_component(own, 7)
    mean = models.create("mean").fit(pairs, key=0)
    with pytest.raises(NotApplicable, match="a fit of mean holds no components"):
        report.plot_component(mean, 0)
    with pytest.raises(NotApplicable, match="not pairs"):
        report.plot_component(shared.drop_vars(["source", "target"]), 0)
    with pytest.raises(ModelError, match="groups has shape"):
        report.plot_component(own, 0, groups=["a"])
    with pytest.raises(ModelError, match="none for the node 'c3'"):
        report.plot_component(own, 0, groups=dict.fromkeys(UNITS[:-1], 0))
    short = xr.DataArray(np.zeros((3, 7)), dims=("trial", "time"))
    with pytest.raises(ModelError, match="3 trials of 7 bins"):
        report.plot_component(own, 0, behaviour=short)
    two = xr.DataArray(np.zeros((120, 2)), dims=("time", "covariate"), coords={"covariate": ["p", "q"]})
    with pytest.raises(ModelError, match="2 covariates"):
        report.plot_component(own, 0, behaviour=two)
    with pytest.raises(ModelError, match="names none"):
        report.plot_connectome_summary(own, positions={"elsewhere": (0, 0)})
    with pytest.raises(ModelError, match="no coordinate x"):
        report.plot_connectome_summary(own, positions=pairs)
    with pytest.raises(ModelError, match="lacks units_score"):
        report.plot_rank_selection(selection().drop_vars("units_score"))
    with pytest.raises(ModelError, match="group on"):
        report.plot_community_hierarchy(xr.Dataset({"other": ("node", [0])}))
