"""
Worms that turn round: a component found without behaviour
==========================================================

Five worms crawled freely while the calcium in most neurons of their heads was recorded; many of the neurons could be named.
Which neurons act together, whatever the animal did? And does a component that was found without a look at behaviour say when
an animal that the fit never saw crawls backwards?

- With ``NEURODYN_DATA`` set: the five worms.
- Otherwise: simulated animals of three communities; the "behaviour" is when the first one bursts.

The files are of a laboratory's own layout, which this package cannot read. ``examples/worm_loader`` is a loader for them;
installed, it serves ``neurodyn.read``.
"""

# sphinx_gallery_thumbnail_number = 2
import importlib.util
import json
import os
import pathlib

import networkx
import numpy as np

import neurodyn
from neurodyn import report
from neurodyn.analysis import graph_association, together
from neurodyn.models import DynamicConnectome
from neurodyn.models.connectome import ConcurrentChange, affinity, graphs
from neurodyn.simulate.communities import community_traces
from neurodyn.validation import association, holdout, sweep

folder = pathlib.Path(os.environ.get("NEURODYN_DATA", "")) / "celegans-flavell-nsm"
worms = sorted(folder.glob("*-data.h5"))
REVERSAL = ("AVA", "AVE", "AIB", "RIM")

if worms:
    here = pathlib.Path(globals().get("__file__", "examples/plot_19_worm_reversals.py")).resolve().parent
    spec = importlib.util.spec_from_file_location("worm_loader", here / "worm_loader" / "worm_loader.py")
    loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loader)
    parts = [loader.read(path).drop_vars(["trace", "confidence"]) for path in worms]
    whole = neurodyn.recording.concatenate(parts, join="outer")
    often = whole["activity"].notnull().any("time").sum("trial") >= 3
    whole = whole.isel(unit=np.flatnonzero(often.values))
    traces = whole.drop_dims("covariate")
    backwards = (whole["covariates"].sel(covariate="velocity") < 0).rename("crawls backwards")
else:
    print("NEURODYN_DATA holds no worms: simulating animals.\n")
    traces = community_traces(n_animals=5, n_units=30, n_time=500, key=0)
    backwards = (traces["bursts"].isel(community_number=0).rolling(time=6, min_periods=1).max() > 0).rename(
        "first bursts"
    )
    traces = traces.drop_vars("bursts")
print(neurodyn.recording.describe(traces))

# %%
# The components of four worms
# ----------------------------
# Affinities are common rises: a rise of the calcium says that a neuron fired, a fall only that it stopped. The number of
# components is chosen among four animals, by holding out each of them: the smallest that predicts as well as the best,
# within a standard error. The fifth animal takes no part in any choice, and no behaviour is looked at.

measure = ConcurrentChange(window=5, rises=True)
others, last = traces.isel(trial=slice(0, 4)), traces.isel(trial=[4])
search = sweep(
    DynamicConnectome(rank=2, clock="own"),
    others,
    holdout.of_pairs(holdout.animals(key=0), measure),
    key=0,
    metric="r2_train_null",
    restarts=1,
    fit_options={"max_sweeps": 300, "tolerance": 1e-5},
    rank=(2, 3, 4, 6),
)
print(search.table[["score", "deficit", "deficit_standard_error"]].to_dataframe().round(4))
fit = search.best_model.fit(affinity(others, measure), key=0, restarts=3)
print(f"{search.best}; restarts agree {fit.trace.agreement:.2f}")

# %%
# The reversal component is told by its neurons: the largest share of its loadings lies on pairs among AVA, AVE, AIB and
# RIM, which are known to drive reversals.

pair = fit.parameters["pair"]
ends = [pair[end].values.astype(str) for end in ("source", "target")]
if worms:
    among = np.all([[label[:3] in REVERSAL for label in end] for end in ends], axis=0)
else:
    first = traces["unit"].values[traces["community"].values == 0]
    among = np.isin(ends[0], first) & np.isin(ends[1], first)
component = int((pair.values[among].sum(0) / pair.values.sum(0)).argmax())
report.plot_component(fit, component, behaviour=backwards.isel(trial=slice(0, 4)))

# %%
# An animal that the fit never saw
# --------------------------------
# Pairs stay as they are, the course of the fifth animal is inferred from its traces, and compared with what it did. The
# level that shifted courses reach says how much two slow signals agree by chance.

inferred = fit.infer(affinity(last, measure))
course = inferred["course"].where(inferred["seen"])
found = association(course, backwards.isel(trial=[4]), key=0, statistic="auc")
print(found[["value", "upper", "p_adjusted"]].isel(trial=0, covariate=0).to_dataframe().round(3))
print(
    f"component {component}: area {float(found['value'].isel(trial=0, covariate=0, component=component)):.3f}"
)
report.plot_connectome_summary(fit, behaviour=backwards.isel(trial=slice(0, 4)))

# %%
# Who goes with whom
# ------------------
# Left and right neurons of a kind are one cell in two places, by name, and nothing of this was given to the fit.

names = np.unique(np.concatenate(ends))
strength = np.stack([pair.values[(ends[0] == name) | (ends[1] == name)].sum(0) for name in names])
leading = dict(zip(names.tolist(), (strength / strength.sum(0)).argmax(1).tolist(), strict=True))
if worms:
    kinds = [(name, f"{name[:-1]}R") for name in names.tolist() if name.endswith("L")]
    beside = together(leading, kinds, key=0)
    print(
        f"left and right led by one component: {beside.value:.2f} of {beside.size} kinds, by chance {beside.expected:.2f}, "
        f"p {beside.p_value:.4f}"
    )

# %%
# Are neurons that act together wired together? The graph of a component against the synapses counted in two other animals
# (`White et al., 1986 <https://doi.org/10.1098/rstb.1986.0056>`__;
# `Witvliet et al., 2021 <https://doi.org/10.1038/s41586-021-03778-8>`__), chemical and electrical ones apart, with names
# exchanged at random for comparison. Of so many rows some have a small p by chance; a claim would need it divided by their
# number.


def wiring(path: pathlib.Path, kind: int) -> networkx.Graph:
    """Synapses of one kind, summed over both directions."""
    found = networkx.Graph()
    for synapse in json.loads(path.read_text()):
        one, other = synapse["pre"], synapse["post"]
        if synapse["typ"] == kind and one != other:
            before = found.get_edge_data(one, other, {"weight": 0.0})["weight"]
            found.add_edge(one, other, weight=before + float(sum(synapse["syn"])))
    return found


if worms:
    for animal in ("white_1986_whole", "witvliet_2020_8"):
        for kind, said in ((0, "chemical"), (2, "electrical")):
            anatomy = wiring(folder / f"{animal}.json", kind)
            for number, graph in graphs(fit).items():
                wired = graph_association(graph, anatomy, key=0, n_permutations=500)
                print(
                    f"{animal}, {said}, component {number}: rank correlation {wired.value:.2f} over {wired.size} neurons, "
                    f"p {wired.p_value:.3f}"
                )

# %%
# What not to read into it: five animals of one laboratory; behaviour was not touched, so that a component goes with
# reversals and does not cause them; and the neurons that could not be named are missing. Components of animals with
# clocks of their own are those of a model of two factors, unique only where each has neurons and moments to itself: hence
# the look at restarts.
