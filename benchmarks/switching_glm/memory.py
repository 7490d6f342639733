"""Memory and time of a large fit, and how an iteration's cost grows with neurons and bins."""

import itertools
import json
import pathlib
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.measure import LEFT_OUT, Line, at_most
from benchmarks.race import run_script

UNITS, BINS, STATES = 300, 100_000, 4
LARGEST_GB = 8.0
SIZES, LENGTHS = (20, 50, 100, 300), (2_000, 10_000, 100_000)
QUICK_SIZES, QUICK_LENGTHS = (20, 50), (2_000, 10_000)
# Of a timed run: enough for one whole cycle of renewals after the first iterations.
ITERATIONS = 9
Figures = Mapping[str, Any]


def write_counts(n_units: int, n_time: int, folder: pathlib.Path) -> pathlib.Path:
    """Counts of one long recording of a network stabilised by scaling."""
    from neurodyn.simulate.glm_network import GLMNetwork

    path = folder / f"counts-{n_units}.npz"
    network = GLMNetwork.draw(0, n_states=STATES, n_units=n_units)
    np.savez(path, counts=network.sample(n_time, key=1)["activity"].values.astype(np.float32))
    return path


def fit_apart(counts: pathlib.Path, max_iterations: int, tolerance: float) -> Figures:
    """One fit in a process of its own."""
    output = counts.with_suffix(".json")
    arguments = [str(counts), str(max_iterations), str(tolerance), str(output)]
    run_script(sys.executable, pathlib.Path(__file__).with_name("fit_once.py"), arguments)
    return json.loads(output.read_text())


def exponents(seconds: Mapping[tuple[int, int], float]) -> tuple[float, float]:
    """Powers of neurons and of bins in a least-squares plane through the logarithms."""
    rows = np.log([[n, t] for n, t in seconds])
    design = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    found = np.linalg.lstsq(design, np.log(list(seconds.values())), rcond=None)[0]
    return float(found[0]), float(found[1])


def large_fit(folder: pathlib.Path) -> tuple[list[Line], Figures]:
    """The fit that must stay within the memory, to its own stopping rule."""
    figures = fit_apart(write_counts(UNITS, BINS, folder), 200, 1e-6)
    where = f"{UNITS} neurons x {BINS:,} bins x {STATES} states, Gaussian prior, one start"
    lines = [
        at_most(
            f"{where}: peak memory",
            figures["peak_gb"],
            LARGEST_GB,
            "GB",
            f"{figures['peak_before_gb']:.2f} GB before the fit",
        ),
        Line(
            f"{where}: time",
            f"{figures['wall']:.0f} s wall, {figures['cpu']:.0f} CPU s",
            note=f"{figures['reason']}; {figures['cpu_per_iteration']:.1f} CPU s an iteration",
        ),
    ]
    return lines, figures


def table_lines(seconds: Mapping[tuple[int, int], float]) -> list[Line]:
    """CPU seconds an iteration by neurons and bins, and the powers."""
    sizes, lengths = sorted({n for n, _ in seconds}), sorted({t for _, t in seconds})
    lines = []
    for n in sizes:
        cells = [f"{seconds[n, t]:.3g} at {t:,} bins" for t in lengths if (n, t) in seconds]
        lines.append(Line(f"CPU s an iteration, {n} neurons, {STATES} states", ", ".join(cells)))
    by_size, by_length = exponents(seconds)
    steps = [
        f"{a}-{b} neurons {np.log(seconds[b, lengths[-1]] / seconds[a, lengths[-1]]) / np.log(b / a):.2f}"
        for a, b in itertools.pairwise(sizes)
    ]
    lines.append(
        Line(
            "growth of an iteration's cost",
            f"neurons^{by_size:.2f} x bins^{by_length:.2f}",
            note=f"powers over the whole table; at {lengths[-1]:,} bins: {', '.join(steps)}",
        )
    )
    return lines


def measure(quick: bool = False) -> list[Line]:
    """The large fit, and the table.

    Parameters
    ----------
    quick : bool
        Leaves the large fit out; a smaller table.

    Returns
    -------
    list of Line
        Peak memory with the verdict; time and growth without.
    """
    sizes, lengths = (QUICK_SIZES, QUICK_LENGTHS) if quick else (SIZES, LENGTHS)
    seconds: dict[tuple[int, int], float] = {}
    with tempfile.TemporaryDirectory(prefix="neurodyn-memory-") as name:
        folder = pathlib.Path(name)
        if quick:
            lines = [Line("peak memory of the large fit", "not measured", f"<= {LARGEST_GB:g} GB", LEFT_OUT)]
        else:
            lines, figures = large_fit(folder)
            seconds[UNITS, BINS] = figures["cpu_per_iteration"]
        for n_units in sizes:
            longest = max(t for t in lengths if (n_units, t) not in seconds)
            with np.load(write_counts(n_units, longest, folder)) as stored:
                counts = stored["counts"]
            for n_time in (t for t in lengths if (n_units, t) not in seconds):
                path = folder / "part.npz"
                np.savez(path, counts=counts[:n_time])
                seconds[n_units, n_time] = fit_apart(path, ITERATIONS, 0.0)["cpu_per_iteration"]
                print(
                    f"   N {n_units}, T {n_time:,}: {seconds[n_units, n_time]:.3g} CPU s an iteration",
                    flush=True,
                )
    return [*lines, *table_lines(seconds)]
