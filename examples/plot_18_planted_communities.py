"""
Communities that act at times of their own: known answer first
==============================================================

Which neurons act together, when, and in which animal? Here the answer is known: four simulated animals, three communities of
neurons that burst at times of their own, some neurons not found in some animals. The page goes from traces to communities,
step by step, and asks of each step whether it holds on what it never saw.
"""

# sphinx_gallery_thumbnail_number = 2
import numpy as np

import neurodyn
from neurodyn import report
from neurodyn.inference.block_model.partitions import normalised_mutual_information
from neurodyn.models import DynamicConnectome, create
from neurodyn.models.connectome import ConcurrentChange, affinity, communities, graphs, louvain
from neurodyn.simulate.communities import community_traces
from neurodyn.validation import holdout, select_rank

traces = community_traces(n_animals=4, n_units=24, n_communities=3, key=0)
print(neurodyn.recording.describe(traces))

# %%
# From traces to pairs
# --------------------
# Two neurons are alike in a bin if both rise: the square root of the product of their slopes, in units of each one's own.
# The result is a recording too; its units are pairs. Where a neuron was not found, all its pairs are NaN.

measure = ConcurrentChange(rises=True)
pairs = affinity(traces, measure)
print(pairs["activity"].sizes, f"{float(pairs['activity'].isnull().mean()):.0%} not observed")

# %%
# How many components?
# --------------------
# More components always fit better. Entries of the *traces* are held out, units in stretches of time and whole stretches;
# all pairs of a hidden neuron leave together, because a pair is known from the others: with products, :math:`a_{01}
# a_{23} = a_{02} a_{13}`. The other column says whether three random starts found the same components. Communities that
# now and then burst together make pairs of their own, so more components than communities is no error.

ranks = select_rank(traces, (1, 2, 3, 4, 5, 6), key=0, measure=measure, restarts=3)
print(ranks.attrs["reason"])
report.plot_rank_selection(ranks)

# %%
# What the components are
# -----------------------
# The animals burst at their own times, so each has a clock of its own: pairs belong to the model, courses to the animal.

fit = DynamicConnectome(rank=3, clock="own").fit(pairs, key=0)
report.plot_component(fit, 0)

# %%
# Each component's pairs, folded to a graph, are cut into communities by the block model with the shortest description;
# beside it, the cut of largest modularity (Louvain). Of the planted community, the graph of a component shows one as a
# block of strong edges; to name the community of every neuron, take the component it is strongest in.

for component, graph in graphs(fit).items():
    found = communities(graph, key=0)
    groups = found["group"].isel(level=0)
    other = louvain(graph, key=0)
    print(f"component {component}: {len(np.unique(groups))} blocks, {len(set(other.values()))} by modularity")

ends = [fit.parameters[end].values.astype(str) for end in ("source", "target")]
loads = fit.parameters["pair"].values
strongest = [loads[(ends[0] == name) | (ends[1] == name)].sum(0).argmax() for name in traces["unit"].values]
likeness = normalised_mutual_information(np.array(strongest), traces["community"].values)
print(f"strongest component against planted community: normalised mutual information {float(likeness):.2f}")

# %%
# Does it hold on an animal it never saw?
# ---------------------------------------
# Every animal is held out in turn. From the pairs within half of its neurons the courses are inferred, and the pairs
# within the other half predicted. Beside it: a fixed value for every pair, amplitudes of single neurons (who is active,
# without who goes with whom), a single component, and states of a sliding window.

comparison = neurodyn.compare(
    {
        "connectome": DynamicConnectome(rank=3, clock="own"),
        "one component": DynamicConnectome(rank=1, clock="own"),
        "amplitudes": create("pair_amplitude"),
        "states of windows": create("window_states", n_states=6, window=9),
    },
    traces,
    holdout.of_pairs(holdout.animals(key=0), measure),
    key=0,
    metrics=["r2_train_null"],
    nulls=(),
    repeats=None,
    reference="amplitudes",
)
columns = ["value", "standard_error", "difference", "p_adjusted"]
scores = comparison.scores.isel(protocol=0, metric=0)
print(scores[columns].to_dataframe()[columns].round(3).to_string())
report.plot_scores(comparison)

# %%
# Amplitudes predict nothing here: of the scored half no neuron is given, so their amplitudes are unknown. What carries over
# from one half of an animal to the other is that communities span both.
