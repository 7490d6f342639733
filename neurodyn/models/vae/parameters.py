"""A tree of parameters as labelled arrays, and back."""

from typing import Any

import numpy as np
import xarray as xr

MARK = "network"
NOTHING = "nothing"  # the leaf that stands for a branch without parameters


def to_dataset(tree: dict[str, Any], units: np.ndarray) -> xr.Dataset:
    """Arrays by the path to them; axes of units are labelled.

    Parameters
    ----------
    tree : dict
        Nested dictionaries of arrays.
    units : np.ndarray
        Labels of the units the network reads and predicts.

    Returns
    -------
    xr.Dataset
        Variables such as ``network.encoder.forward.recurrent``.
    """
    found = {}
    for path, leaf in _walk(tree, ()):
        values = np.asarray(leaf)
        name = ".".join((MARK, *path))
        dims = [f"{name}.{axis}" for axis in range(values.ndim)]
        if values.ndim and _first_axis_is_units(path):
            dims[0] = "trained_unit"
        found[name] = (tuple(dims), values)
    return xr.Dataset(found, coords={"trained_unit": units})


def from_dataset(parameters: xr.Dataset) -> dict[str, Any]:
    """Inverse of `to_dataset`.

    Parameters
    ----------
    parameters : xr.Dataset
        Of a fit.

    Returns
    -------
    dict
        Nested dictionaries of arrays.
    """
    tree: dict[str, Any] = {}
    for name, variable in parameters.data_vars.items():
        steps = str(name).split(".")
        if steps[0] != MARK:
            continue
        branch = tree
        for step in steps[1:-1]:
            branch = branch.setdefault(step, {})
        if steps[-1] != NOTHING:
            branch[steps[-1]] = variable.values
    return tree


def _walk(tree: Any, path: tuple[str, ...]) -> Any:
    """Paths and arrays, in order."""
    if not isinstance(tree, dict):
        yield path, tree
        return
    if not tree:
        yield (*path, NOTHING), np.zeros(0, np.float32)
    for name in sorted(tree):
        yield from _walk(tree[name], (*path, name))


def _first_axis_is_units(path: tuple[str, ...]) -> bool:
    """Whether an array has one row per unit."""
    return path[0] == "likelihood" or path == ("readout", "weight") or path[-2:] == ("input", "weight")
