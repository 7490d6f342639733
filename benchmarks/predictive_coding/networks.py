"""Networks of the golden values, built as a user would, and the inputs they were run on."""

import csv
import json
import os
import pathlib
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.measure import NotMeasured
from benchmarks.recordings import folder

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
ORDERS = ("standard", "ehgf", "unbounded")


def golden() -> dict[str, Any]:
    """Points and values of the outside oracle."""
    return json.loads((GOLDEN / "hgf.json").read_text())


def golden_column(name: str) -> np.ndarray:
    """A column of the golden inputs."""
    with (GOLDEN / "hgf_inputs.csv").open() as file:
        return np.array([float(row[name]) for row in csv.DictReader(file)])


def network(case: str, update: str) -> Any:
    """The network of a golden case, nothing learnt."""
    from neurodyn.models.predictive_coding import HGF, Belief, BinaryResponse, Input, PredictiveCodingNetwork

    plain: dict[str, Any] = {"update": update, "learn": ()}
    if case in ("binary2", "binary2_softmax4", "binary3"):
        response = BinaryResponse(4.0) if case.endswith("softmax4") else None
        source = "u" if response else None
        return HGF(3 if case == "binary3" else 2, source=source, response=response, **plain)
    if case == "continuous2":
        settings = {"x1_initial_precision": 1e2, "x1_tonic_volatility": -4.0}
        settings |= {"x2_initial_mean": 1.0, "x2_initial_precision": 1e1, "x2_tonic_volatility": -3.0}
        return HGF(2, inputs="continuous", **plain, **settings)
    if case.startswith("continuous3"):
        settings = {f"x{level}_tonic_volatility": -6.0 for level in (1, 2, 3)}
        settings |= {"x1_initial_precision": 1e2, "x2_initial_precision": 1e1, "x3_initial_precision": 1e1}
        settings |= {"scaled_inputs": True} if case.endswith("timesteps") else {}
        return HGF(3, inputs="continuous", **plain, **settings)
    common: dict[str, Any] = {"initial_precision": 1e1, "tonic_volatility": -5.0}
    nodes = (
        Input("u", kind="continuous"),
        Belief("x1", value_children=("u",), **common),
        Belief("x2", value_children=("x1",), **common),
        Belief("x3", volatility_children=("x1",), **common),
    )
    return PredictiveCodingNetwork(nodes=nodes, update=update)


def golden_recording(case: str, dtype: str) -> xr.Dataset:
    """The 400 golden trials as the network of a case reads them."""
    from neurodyn.recording import make

    covariates: dict[str, tuple] = {}
    values, kind, unit = golden_column("u" if case.startswith("binary") else "y"), "continuous", "u"
    if case.startswith("binary"):
        kind = "binary"
    if case.endswith("softmax4"):
        covariates["u"] = (values, "after", "exogenous")
        values, unit = golden_column("response"), "response"
    if case.endswith("timesteps"):
        covariates["time_step"] = (golden_column("time_step"), "before", "exogenous")
    return make(
        values[:, None],
        kind=kind,
        unit=[unit],
        covariates=covariates or None,
        time_unit="trial",
        dtype=dtype,
    )


def human_choices(dtype: str = "float32") -> xr.Dataset:
    """320 predictions of a binary outcome by a volunteer; the outcome is told after each."""
    from neurodyn.recording import make

    path = folder("behaviour-pyhgf")
    outcome, response = (np.loadtxt(path / f"binary_{name}.txt") for name in ("input", "response"))
    return make(
        response[:, None],
        kind="binary",
        unit=["response"],
        covariates={"u": (outcome, "after", "measured")},
        modality="behaviour",
        time_unit="trial",
        source="binary_response.txt",
        dtype=dtype,
    )


def with_data(action: Any) -> Any:
    """What needs the recordings, or None where they are not there."""
    if not os.environ.get("NEURODYN_DATA"):
        return None
    try:
        return action()
    except NotMeasured:
        return None
