"""Couplings by lag, and as networkx graphs."""

from typing import TYPE_CHECKING

import xarray as xr

from neurodyn.errors import ModelError

if TYPE_CHECKING:
    import networkx


def coupling_kernels(parameters: xr.Dataset) -> xr.DataArray:
    """Weights times basis functions, ``(state, target, source, lag)``."""
    if "weight" not in parameters:
        raise ModelError("this fit has no coupling; give the model a coupling basis.")
    found = (parameters["weight"] * parameters["kernel"]).sum("basis")
    return found.transpose("state", "target", "source", "lag").rename("coupling")


def coupling_graph(parameters: xr.Dataset, state: int, threshold: float) -> "networkx.DiGraph":
    """Directed graph of one state, from source to target."""
    import networkx

    if state not in parameters["state"].values:
        raise ModelError(
            f"there is no state {state!r}; the fit has the states {', '.join(map(str, parameters['state'].values))}."
        )
    total = coupling_kernels(parameters).sel(state=state).sum("lag")
    graph = networkx.DiGraph(state=int(state))
    columns = [
        str(name) for name, coord in parameters.coords.items() if coord.dims == ("unit",) and name != "unit"
    ]
    if "channel" in parameters.dims:
        columns = []  # of categorical units a node is one of their options
    for position, label in enumerate(parameters["target"].values.tolist()):
        graph.add_node(label, **{name: parameters[name].values[position].item() for name in columns})
    sources, targets = total["source"].values.tolist(), total["target"].values.tolist()
    for row, target in enumerate(targets):
        for column, source in enumerate(sources):
            weight = float(total.values[row, column])
            if abs(weight) > threshold:
                graph.add_edge(
                    source, target, weight=weight, kind="excitatory" if weight > 0 else "inhibitory"
                )
    return graph
