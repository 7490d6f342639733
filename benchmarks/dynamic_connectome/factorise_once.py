"""One factorisation in a process of its own: `python factorise_once.py request.json output.json`.

The request holds `way` ("dense" or "blocks"), `units`, `frames`, `animals`, `rank`, `sweeps` and `block` (frames made at
once). Simulated traces of the animals share a few signals and one clock; their affinities make the tensor frame x animal x
pair, at once or block by block from the slopes of the traces, which are all that is kept.
"""

import json
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from benchmarks.contestants.clock import cpu_seconds, peak_memory_gb

SIGNALS, WINDOW = 6, 5


def traces(units: int, frames: int, animals: int) -> np.ndarray:
    """Smooth signals common to all animals, in each unit's own mixture, and noise of its own: ``(animal, frame, unit)``."""
    rng = np.random.default_rng(0)
    kernel = np.exp(-0.5 * np.square(np.arange(-12, 13) / 4.0))
    signals = rng.normal(size=(frames + 24, SIGNALS)).T
    signals = np.array([np.convolve(one, kernel, "valid") for one in signals]).T
    mixture = rng.gamma(0.3, size=(SIGNALS, units))
    found = signals @ mixture
    found = found / found.std(0)
    return (
        found
        + 0.2 * rng.normal(size=(animals, frames, units)).cumsum(1) / np.arange(1, frames + 1)[:, None] ** 0.5
    )


class Pairs:
    """Affinities of some frames of all animals, made when asked for."""

    def __init__(self, units: int, frames: int, animals: int) -> None:
        from neurodyn.inference.affinity import pairs_of, slopes

        self.first, self.second = pairs_of(units)
        found = [slopes(one, window=WINDOW) for one in traces(units, frames, animals)]
        # Slopes that the window cannot see, at both ends, leave with their frames.
        reach = WINDOW // 2
        self.slopes = np.array(found, np.float32)[:, reach:-reach]

    def frames(self, begin: int, end: int) -> np.ndarray:
        """``(frame, animal, pair)``."""
        from neurodyn.inference.affinity import concurrent_change

        parts = [concurrent_change(one[begin:end], self.first, self.second) for one in self.slopes]
        return parts[0][:, None] if len(parts) == 1 else np.stack(parts, axis=1)


def main(request: str, output: str) -> None:
    """Fit, and write what it took."""
    from neurodyn.inference.factorise.fitting import fit
    from neurodyn.inference.factorise.streaming import fit_blocks

    asked = json.loads(pathlib.Path(request).read_text())
    source = Pairs(asked["units"], asked["frames"] + WINDOW - 1, asked["animals"])
    frames, length = asked["frames"], asked["block"]
    settings = {"key": 0, "max_sweeps": asked["sweeps"], "tolerance": 0.0}
    at_rest, cpu, wall = peak_memory_gb(), cpu_seconds(), time.perf_counter()
    if asked["way"] == "dense":
        found = fit(source.frames(0, frames), asked["rank"], **settings)[0]
    else:

        def block(index: int) -> tuple[np.ndarray, None]:
            return source.frames(index * length, min((index + 1) * length, frames)), None

        found = fit_blocks(block, -(-frames // length), asked["rank"], **settings)
    figures = {
        "peak_gb": peak_memory_gb(),
        "peak_before_gb": at_rest,
        "cpu": cpu_seconds() - cpu,
        "wall": time.perf_counter() - wall,
        "objective": found.objective.tolist(),
        "shape": [len(factor) for factor in found.factors],
    }
    pathlib.Path(output).write_text(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
