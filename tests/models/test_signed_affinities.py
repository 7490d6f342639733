"""Correlations in two channels: what goes together and what is opposed, through the verbs."""

import numpy as np
import pytest

from neurodyn import recording
from neurodyn.errors import ModelError
from neurodyn.models import DynamicConnectome, create
from neurodyn.models.connectome import WindowCorrelation, affinity, communities, factorise, graphs
from neurodyn.report import plot_connectome_summary
from neurodyn.validation import holdout

LABELS = list("abcdef")
SIGNED = WindowCorrelation(15, signed=True)


@pytest.fixture(scope="module")
def traces():
    """Two groups of three units that oppose each other."""
    rng = np.random.default_rng(0)
    course = rng.normal(size=(240, 1)).cumsum(axis=0)
    values = np.hstack([course, course, course, -course, -course, -course]) + rng.normal(size=(240, 6))
    return recording.make(values, sampling_interval=0.5, unit=LABELS)


def test_channels_are_the_parts_of_one_correlation(traces):
    both = affinity(traces, SIGNED)["activity"]
    positive = affinity(traces, WindowCorrelation(15))["activity"].values
    flipped = traces.copy()
    flipped["activity"] = traces["activity"] * np.array([1, 1, 1, -1, -1, -1])
    turned = affinity(flipped, WindowCorrelation(15))["activity"].values
    together, opposed = (both.values[:, both["sign"].values == sign] for sign in ("together", "opposed"))
    np.testing.assert_array_equal(together, positive)
    across = [first in "abc" and second in "def" for first, second in zip(*_ends(both), strict=True)][:15]
    np.testing.assert_allclose(opposed[:, across], turned[:, across], atol=1e-12)
    assert (np.nan_to_num(together) * np.nan_to_num(opposed) == 0).all()


def _ends(pairs):
    return pairs["source"].values.tolist(), pairs["target"].values.tolist()


def test_graphs_of_both_channels_show_groups_and_what_opposes_them(traces):
    found = factorise(affinity(traces, SIGNED), 1, key=0)
    within, between = graphs(found)[0], graphs(found, "opposed")[0]
    level = communities(within, key=0)["group"].isel(level=0)
    assert level.sel(node=["a", "b", "c"]).values.tolist() == [level.sel(node="a")] * 3
    assert len(set(level.values.tolist())) == 2
    strength = {
        name: [one.get_edge_data(*pair, {"weight": 0})["weight"] for pair in (("a", "b"), ("a", "d"))]
        for name, one in (("within", within), ("between", between))
    }
    assert strength["within"][0] > 5 * strength["within"][1]
    assert strength["between"][1] > 5 * strength["between"][0]
    on_the_fly = factorise(traces, 1, measure=SIGNED, key=0, clock="own")
    np.testing.assert_array_equal(on_the_fly["unit"], found["unit"])
    np.testing.assert_allclose(on_the_fly["pair"], found["pair"], rtol=1e-3, atol=1e-4)


def test_units_are_held_out_in_both_channels_and_every_model_is_scored(traces):
    protocol = holdout.of_pairs(holdout.units(fraction=0.34, gap=0, key=0), SIGNED)
    split = protocol(traces)
    scored = np.isfinite(split.target["activity"].values).any(axis=0)
    np.testing.assert_array_equal(scored[:15], scored[15:])
    for model in (DynamicConnectome(rank=1, clock="own"), create("pair_amplitude")):
        mean = model.fit(split.train, key=0).predict(split.given, mode=split.mode)["mean"].values
        target = split.target["activity"].values
        static = np.nanmean(split.train["activity"].values, axis=0)
        known = np.isfinite(target)
        assert ((mean - target)[known] ** 2).sum() < 1.1 * ((static - target)[known] ** 2).sum()


def test_a_summary_draws_what_goes_together(traces):
    fit = DynamicConnectome(rank=1, clock="own").fit(affinity(traces, SIGNED), key=0)
    assert set(fit.parameters["sign"].values.tolist()) == {"together", "opposed"}
    assert plot_connectome_summary(fit).axes


def test_a_channel_that_is_not_there_is_refused(traces):
    found = factorise(affinity(traces, WindowCorrelation(15)), 1, key=0)
    with pytest.raises(ModelError, match="two channels"):
        graphs(found, "opposed")
