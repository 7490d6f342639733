"""Log-likelihood and posteriors against hmmlearn, dynamax and enumeration, in both precisions."""

import pathlib
import sys
import tempfile
from collections.abc import Mapping

import numpy as np

from benchmarks import environments
from benchmarks.hmm.enumeration import all_paths
from benchmarks.measure import Line, NotMeasured, at_most, unmeasured
from benchmarks.race import SCRIPTS, run_script

BARS = {"single": 1e-5, "double": 1e-9}
X64 = {"JAX_ENABLE_X64": "1"}
LENGTHS = {"ragged": (200, 1, 17, 5), "single-step": (1, 1, 1)}
Answers = Mapping[str, np.ndarray]


def make_cases(seed: int = 0) -> dict[str, np.ndarray]:
    """Parameters and data as numbers that single precision holds exactly, so that all are fed the same.

    Returns
    -------
    dict
        ``case/array``; the cases are emission-lengths, and ``...-missing`` with NaN entries, at most 8 bins.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    n_states, n_units = 3, 3
    # Multiples of 1/64 sum to one exactly in either precision.
    chain = {
        "initial": np.array([32, 20, 12]) / 64,
        "transition": np.array([[52, 8, 4], [6, 50, 8], [2, 4, 58]]) / 64,
    }
    factor = rng.normal(size=(n_states, n_units, n_units)) * 0.4 + np.eye(n_units)
    families = {
        "gaussian": {
            "mean": exact(rng.normal(size=(n_states, n_units)) * 2),
            "covariance": exact(factor @ factor.swapaxes(1, 2)),
        },
        "poisson": {"rate": exact(rng.gamma(2.0, 1.0, size=(n_states, n_units)) + 0.1)},
    }
    for family, parameters in families.items():
        for name, lengths in LENGTHS.items():
            values = draw(rng, parameters, sum(lengths))
            found |= pack(
                f"{family}-{name}", {**chain, **parameters, "values": values, "lengths": np.array(lengths)}
            )
        values = draw(rng, parameters, 13)
        values[rng.uniform(size=values.shape) < 0.3] = np.nan
        values[3] = np.nan
        lengths = np.array([8, 5])
        found |= pack(f"{family}-missing", {**chain, **parameters, "values": values, "lengths": lengths})
    return found


def exact(values: np.ndarray) -> np.ndarray:
    """Values rounded to single precision, held in double."""
    return values.astype(np.float32).astype(np.float64)


def draw(rng: np.random.Generator, parameters: Mapping[str, np.ndarray], n_time: int) -> np.ndarray:
    """Observations from states in runs of a few bins."""
    states = np.repeat(rng.integers(0, 3, size=n_time), 4)[:n_time]
    if "rate" in parameters:
        return rng.poisson(parameters["rate"][states]).astype(np.float64)
    return exact(parameters["mean"][states] + rng.normal(size=(n_time, parameters["mean"].shape[1])))


def pack(name: str, case: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A case under its name."""
    return {f"{name}/{key}": np.asarray(array) for key, array in case.items()}


def unpack(cases: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """One case of several."""
    return {key.split("/")[1]: array for key, array in cases.items() if key.startswith(f"{name}/")}


def enumerated(cases: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Answers to the cases with missing entries, by enumeration."""
    found: dict[str, np.ndarray] = {}
    for name in sorted({key.split("/")[0] for key in cases if "missing" in key}):
        case = unpack(cases, name)
        parts = np.split(case["values"], np.cumsum(case["lengths"])[:-1])
        results = [all_paths(case, part) for part in parts]
        found[f"{name}/total"] = np.array(sum(total for total, _ in results))
        found[f"{name}/smoothed"] = np.concatenate([smoothed for _, smoothed in results])
    return found


def largest_errors(ours: Answers, theirs: Answers) -> tuple[float, float, int]:
    """Largest relative error of a log-likelihood, largest error of a probability, and the number of cases."""
    totals = [key for key in theirs if key.endswith("/total")]
    relative = [abs(float(ours[key]) - float(theirs[key])) / abs(float(theirs[key])) for key in totals]
    errors = [
        np.abs(ours[key] - theirs[key]).max() if np.isfinite(ours[key]).all() else np.inf
        for key in theirs
        if key.endswith("/smoothed")
    ]
    return float(max(relative)), float(max(errors)), len(totals)


def ask(
    python: str, script: str, cases: pathlib.Path, output: pathlib.Path, extra: dict | None = None
) -> Answers:
    """One package's answers."""
    run_script(python, SCRIPTS / script, [str(cases), str(output)], extra)
    with np.load(output) as stored:
        return {name: stored[name] for name in stored.files}


def measure(quick: bool = False) -> list[Line]:
    """Compare in single and double precision with each oracle.

    Parameters
    ----------
    quick : bool
        Makes no difference here.

    Returns
    -------
    list of Line
        One for every oracle, precision and quantity.
    """
    del quick
    cases = make_cases()
    lines = []
    with tempfile.TemporaryDirectory(prefix="neurodyn-equality-") as name:
        folder = pathlib.Path(name)
        path = folder / "cases.npz"
        np.savez(path, **cases)
        ours = {
            "single": ask(sys.executable, "oracle_neurodyn.py", path, folder / "single.npz"),
            "double": ask(sys.executable, "oracle_neurodyn.py", path, folder / "double.npz", X64),
        }
        # An oracle's own rounding must not count against us: dynamax answers in double precision.
        for peer, extra in (("hmmlearn", None), ("dynamax", X64)):
            try:
                python = environments.ensure(peer)
                theirs = ask(python, f"oracle_{peer}.py", path, folder / f"{peer}.npz", extra)
            except NotMeasured as error:
                lines.append(unmeasured(f"equality with {peer}", "1e-5 single, 1e-9 double", str(error)))
                continue
            lines += compare(peer, ours, theirs)
            if peer == "dynamax":
                rounded = ask(python, "oracle_dynamax.py", path, folder / "rounded.npz")
                likelihood, probability, _ = largest_errors(rounded, theirs)
                lines.append(
                    Line(
                        "dynamax's own single precision against its double precision",
                        f"{likelihood:.3g} relative, {probability:.3g} absolute",
                        note="log-likelihood and state probabilities on the same cases",
                    )
                )
    lines += compare("enumeration of all paths, missing entries", ours, enumerated(cases))
    return lines


def compare(oracle: str, ours: Mapping[str, Answers], theirs: Answers) -> list[Line]:
    """Lines of one oracle."""
    lines = []
    for precision, bar in BARS.items():
        likelihood, probability, number = largest_errors(ours[precision], theirs)
        head = f"{precision} precision equals {oracle}"
        note = (
            f"{number} cases: Gaussian and Poisson, {'T <= 8' if 'paths' in oracle else ', '.join(LENGTHS)}"
        )
        lines.append(at_most(f"{head}: log-likelihood", likelihood, bar, "relative", note))
        lines.append(at_most(f"{head}: state probabilities", probability, bar, "absolute", note))
    return lines
