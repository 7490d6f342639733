"""Traces of communities."""

import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.models.connectome import DynamicConnectome, affinity
from neurodyn.simulate.communities import community_traces


def test_units_of_a_community_go_together_and_clocks_are_as_said():
    own = community_traces(n_animals=2, key=0, missing=0.0)
    correlation = np.corrcoef(own["activity"].isel(trial=0).values.T)
    same = own["community"].values[:, None] == own["community"].values
    off = ~np.eye(len(same), dtype=bool)
    assert correlation[same & off].mean() > correlation[~same].mean() + 0.3
    assert not np.array_equal(own["bursts"][0], own["bursts"][1])
    shared = community_traces(n_animals=2, key=0, clock="shared")
    np.testing.assert_array_equal(shared["bursts"][0], shared["bursts"][1])


def test_a_connectome_finds_the_communities_and_when_they_burst():
    data = community_traces(key=1)
    pairs = affinity(data)
    fit = DynamicConnectome(rank=3, clock="own").fit(pairs, key=0)
    kind = data["community"].to_series()
    inside = {
        c: (pairs["source"].to_series().map(kind) == c) & (pairs["target"].to_series().map(kind) == c)
        for c in range(3)
    }
    loads = np.array(
        [[fit.parameters["pair"].values[inside[c].values, r].mean() for c in range(3)] for r in range(3)]
    )
    assert sorted(loads.argmax(1).tolist()) == [0, 1, 2]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ModelError, match="clock is 'common'"):
        community_traces(key=0, clock="common")
    with pytest.raises(ModelError, match="a community needs a unit"):
        community_traces(n_units=2, n_communities=3, key=0)
