"""Networks and settings whose values an outside oracle gave, in double precision."""

import csv
import json
import pathlib

import jax.numpy as jnp
import numpy as np

from neurodyn.inference.predictive_coding.predictions import Parameters
from neurodyn.inference.predictive_coding.structure import Edge, Node, Structure

FOLDER = pathlib.Path(__file__).parents[2] / "golden"
GOLDEN = json.loads((FOLDER / "hgf.json").read_text())
POINTS, RESULTS = GOLDEN["trajectory_points"], GOLDEN["results"]


def column(name: str) -> np.ndarray:
    """A column of the golden inputs."""
    with (FOLDER / "hgf_inputs.csv").open() as file:
        return np.array([float(row[name]) for row in csv.DictReader(file)])


BINARY2 = Structure((Node("u", "binary"), Node("x1")), (Edge("x1", "u"),))
BINARY3 = Structure((Node("u", "binary"), Node("x1"), Node("x2")), (Edge("x1", "u"),), (Edge("x2", "x1"),))
CONTINUOUS2 = Structure((Node("u", "input"), Node("x1"), Node("x2")), (Edge("x1", "u"),), (Edge("x2", "x1"),))
CONTINUOUS3 = Structure(
    (Node("u", "input"), Node("x1"), Node("x2"), Node("x3")),
    (Edge("x1", "u"),),
    (Edge("x2", "x1"), Edge("x3", "x2")),
)
BOTH = Structure(
    (Node("u", "input"), Node("x1"), Node("x2"), Node("x3")),
    (Edge("x1", "u"), Edge("x2", "x1")),
    (Edge("x3", "x1"),),
)


def parameters(
    structure: Structure, omega: list, mean: list, precision: list, dtype=np.float64
) -> Parameters:
    """All couplings 1, no drift, autoconnection 1."""
    n_nodes = len(structure.nodes)
    return Parameters(
        *(
            jnp.asarray(values, dtype)
            for values in (
                omega,
                np.zeros(n_nodes),
                np.ones(n_nodes),
                mean,
                precision,
                np.ones(len(structure.value)),
                np.ones(len(structure.volatility)),
            )
        )
    )


def settings(case: str, dtype=np.float64) -> tuple[Structure, Parameters, np.ndarray, np.ndarray]:
    """Structure, parameters, inputs and elapsed times of a golden case."""
    inputs, steps = column("u" if case.startswith("binary") else "y"), np.ones(400)
    if case == "continuous3_timesteps":
        steps = column("time_step")
    structure, omega, mean, precision = {
        "binary2": (BINARY2, [0, -4], [0, 0], [1, 1]),
        "binary2_softmax4": (BINARY2, [0, -4], [0, 0], [1, 1]),
        "binary3": (BINARY3, [0, -4, -4], [0, 0, 0], [1, 1, 1]),
        "continuous2": (CONTINUOUS2, [0, -4, -3], [0, 0, 1], [1e3, 1e2, 1e1]),
        "continuous3": (CONTINUOUS3, [0, -6, -6, -6], [0, 0, 1, 1], [1e3, 1e2, 1e1, 1e1]),
        "continuous3_timesteps": (CONTINUOUS3, [0, -6, -6, -6], [0, 0, 1, 1], [1e3, 1e2, 1e1, 1e1]),
        "value_and_volatility_parent": (BOTH, [0, -5, -5, -5], [0, 0, 0, 0], [1e3, 1e1, 1e1, 1e1]),
    }[case]
    return structure, parameters(structure, omega, mean, precision, dtype), inputs, steps
