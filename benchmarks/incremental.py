"""A long recording from the default starts, with and without incremental passes: seconds and what they lead to.

python -m benchmarks.incremental [--time 1000000] [--passes 2]
"""

import argparse
import dataclasses
import sys
import time
import warnings

import numpy as np

from benchmarks.contestants.clock import cpu_seconds
from benchmarks.measure import Line, lines_table, table, versions, write_page
from benchmarks.problems import Task, generating_model


def measure(n_time: int, passes: int, restarts: int) -> tuple[list[tuple], list[Line]]:
    """Fit one recording twice from the same starts, and score both fits on a fresh sequence.

    Parameters
    ----------
    n_time : int
        Bins; half a million and more.
    passes : int
        Incremental passes of the second fit.
    restarts : int
        Starts of either fit.

    Returns
    -------
    list of tuple
        A row of figures for each fit.
    list of Line
        Ratio of the times, difference of the held-out scores.
    """
    from neurodyn.errors import NeurodynWarning
    from neurodyn.models import HMM

    task = Task("incremental", "gaussian", 8, 16, n_time, 0)
    truth = generating_model(task)
    recording, fresh = truth.sample(n_time, key=1), truth.sample(100_000, key=2)
    recording["activity"], fresh["activity"] = (
        one["activity"].astype(np.float32) for one in (recording, fresh)
    )
    rows, seconds, scores = [], [], []
    for chosen in (0, passes):
        began, cpu = time.perf_counter(), cpu_seconds()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NeurodynWarning)
            fit = HMM(n_states=8).fit(recording, key=0, restarts=restarts, incremental_passes=chosen)
        used, wall = cpu_seconds() - cpu, time.perf_counter() - began
        score = float(fit.log_likelihood(fresh).sum()) / fresh.sizes["time"]
        rows.append(
            (
                chosen,
                f"{used:.1f}",
                f"{wall:.1f}",
                f"{fit.trace.objective[-1] / n_time:.4f}",
                f"{score:.4f}",
                fit.trace.reason,
            )
        )
        seconds.append(used)
        scores.append(score)
    lines = [
        Line("CPU time with incremental passes over without", f"{seconds[1] / seconds[0]:.2f}"),
        Line("held-out nats/sample with incremental passes minus without", f"{scores[1] - scores[0]:+.5f}"),
    ]
    return rows, lines


def main() -> int:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--time", type=int, default=1_000_000)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--restarts", type=int, default=8)
    chosen = parser.parse_args()
    rows, lines = measure(chosen.time, chosen.passes, chosen.restarts)
    header = (
        "incremental passes",
        "CPU s",
        "wall s",
        "training nats/sample",
        "held-out nats/sample",
        "how it ended",
    )
    body = f"Gaussian, 8 states, 16 units, {chosen.time:,} bins, {chosen.restarts} restarts; compiling included.\n\n"
    body += table(header, rows) + "\n\n" + lines_table(lines)
    print(body)
    record = {"rows": rows, "lines": [dataclasses.asdict(one) for one in lines]}
    record["versions"] = versions("neurodyn", "jax", "numpy")
    command = f"python -m benchmarks.incremental --time {chosen.time} --passes {chosen.passes}"
    write_page("incremental", "Incremental passes over a long recording", command, body, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
