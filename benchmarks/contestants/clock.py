"""Seconds, memory and compilation of the fits made in one process; standard library and numpy only.

A contestant is run as `python <script> problem.npz iterations output.json [option ...]` and writes the
JSON, and its learnt parameters as `output.npz`.
"""

import gc
import json
import pathlib
import sys
import time

import numpy as np


def cpu_seconds():
    """User and system seconds of this process, all its threads included."""
    return time.process_time()


def peak_memory_gb():
    """Largest resident memory of this process in GB.

    The kernel's ru_maxrss of a fresh process starts at what its parent held, so the process's own mark is
    read where there is one.
    """
    status = pathlib.Path("/proc/self/status")
    if status.is_file():
        for row in status.read_text().splitlines():
            if row.startswith("VmHWM:"):
                return int(row.split()[1]) * 1024 / 1e9
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


class Compilations:
    """Time spans in which JAX traced, lowered or compiled, heard from its monitoring hooks."""

    def __init__(self):
        self.spans = []
        self.traces = 0
        self.compiled = 0

    def listen(self):
        """Begin to listen."""
        from jax import monitoring

        monitoring.register_event_duration_secs_listener(self.hear)
        return self

    def hear(self, event, duration, **about):
        """Note one event that has just ended."""
        del about
        if not event.startswith("/jax/core/compile"):
            return
        now = time.perf_counter()
        self.spans.append((now - duration, now))
        self.traces += "jaxpr_trace" in event
        self.compiled += "backend_compile" in event

    def seconds(self, since=0.0):
        """Wall seconds covered by the spans that began after `since`; nested spans count once."""
        total, reached = 0.0, since
        for begin, end in sorted(self.spans):
            begin = max(begin, reached)
            if end > begin:
                total += end - begin
                reached = end
        return total


def timed(action, compilations=None):
    """Run an action once: its result, and the seconds it took."""
    gc.collect()
    before = (compilations.traces, compilations.compiled) if compilations else (0, 0)
    cpu, wall = cpu_seconds(), time.perf_counter()
    result = action()
    spent = {"cpu": cpu_seconds() - cpu, "wall": time.perf_counter() - wall}
    if compilations:
        spent["compile_wall"] = compilations.seconds(since=wall)
        spent["traces"] = compilations.traces - before[0]
        spent["compiled"] = compilations.compiled - before[1]
    return result, spent


def run(prepare):
    """Time the first and the second fit of a process, and a third without recompiling where there is one.

    Parameters
    ----------
    prepare : callable
        ``prepare(problem, iterations, options)`` imports and converts, and returns a dict with ``fit`` (no
        arguments, returns a dict of arrays) and optionally ``warm`` (the same fit, compiled beforehand), ``repeats`` (of
        the second fit, whose median counts; default 1),
        ``compilations`` and ``about`` (called at the end, further figures).
    """
    problem_path, iterations, output = sys.argv[1:4]
    with np.load(problem_path) as stored:
        problem = {
            name: stored[name] for name in stored.files if name == "values" or name.startswith("start_")
        }
    made = prepare(problem, int(iterations), sys.argv[4:])
    del problem
    compilations = made.get("compilations")
    at_rest = peak_memory_gb()
    parameters, first = timed(made["fit"], compilations)
    again = [timed(made["fit"], compilations)[1] for _ in range(made.get("repeats", 1))]
    second = sorted(again, key=lambda spent: spent["cpu"])[len(again) // 2]
    figures = {"first": first, "second": second, "peak_gb": peak_memory_gb(), "peak_before_gb": at_rest}
    if "warm" in made:
        made["warm"]()
        _, figures["warm"] = timed(made["warm"], compilations)
    if "about" in made:
        figures["about"] = made["about"]()
    output = pathlib.Path(output)
    np.savez(output.with_suffix(".npz"), **{name: np.asarray(array) for name, array in parameters.items()})
    output.write_text(json.dumps(figures))
