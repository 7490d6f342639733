"""One fit in a process of its own: `python fit_once.py counts.npz max_iterations tolerance output.json`.

Writes peak memory, seconds, and the CPU seconds of an iteration, heard through the option `progress`.
"""

import json
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from benchmarks.contestants.clock import cpu_seconds, peak_memory_gb

# Second moments are renewed every fourth iteration: means are over whole cycles, after the first iterations.
CYCLE, FIRST = 4, 4


class Clock:
    """Notes when every iteration was told."""

    def __init__(self) -> None:
        self.noted: list[tuple[int, float, float]] = []

    def update(self, fraction: float, text: str) -> None:
        """Note the iteration's number, CPU and wall time."""
        del fraction
        self.noted.append((int(text.split()[-1]), cpu_seconds(), time.perf_counter()))

    def an_iteration(self) -> tuple[float, float]:
        """CPU and wall seconds of one of the last run's iterations."""
        begins = max(index for index, noted in enumerate(self.noted) if noted[0] == 1)
        run = np.array([noted[1:] for noted in self.noted[begins:]])
        steps = len(run) - 1
        if steps < 1:
            return float("nan"), float("nan")
        whole = max((steps - FIRST) // CYCLE * CYCLE, min(steps, CYCLE))
        cpu, wall = (run[-1] - run[-1 - whole]) / whole
        return float(cpu), float(wall)


def main(problem: str, max_iterations: str, tolerance: str, output: str) -> None:
    """Fit four states under the default Gaussian prior from one start."""
    from neurodyn.inference.glm.priors import GaussianPrior
    from neurodyn.models import SwitchingGLM
    from neurodyn.recording import make

    with np.load(problem) as stored:
        recording = make(stored["counts"], sampling_interval=0.01, kind="count", modality="spikes")
    clock, at_rest = Clock(), peak_memory_gb()
    cpu, wall = cpu_seconds(), time.perf_counter()
    model = SwitchingGLM(n_states=4, prior=GaussianPrior())
    fit = model.fit(
        recording,
        key=0,
        restarts=1,
        max_iterations=int(max_iterations),
        tolerance=float(tolerance),
        progress=clock,
    )
    each = clock.an_iteration()
    figures = {
        "cpu": cpu_seconds() - cpu,
        "wall": time.perf_counter() - wall,
        "peak_gb": peak_memory_gb(),
        "peak_before_gb": at_rest,
        "iterations": len(fit.trace.objective),
        "reason": fit.trace.reason,
        "cpu_per_iteration": each[0],
        "wall_per_iteration": each[1],
    }
    pathlib.Path(output).write_text(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
