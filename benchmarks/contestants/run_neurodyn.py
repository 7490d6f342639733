"""neurodyn's hidden Markov model, through the call a user makes."""

import time
import warnings

import clock
import numpy as np
import xarray as xr


class Stopwatch:
    """Progress object that notes when each chunk of iterations returned."""

    def __init__(self):
        self.seen = []

    def update(self, fraction, text):
        """Note the share of iterations done, and both clocks."""
        del text
        self.seen.append((fraction, time.perf_counter(), clock.cpu_seconds()))


def prepare(problem, iterations, options):
    """A recording, a start, and a fit."""
    del options
    from neurodyn import recording
    from neurodyn.errors import NeurodynWarning
    from neurodyn.models import HMM

    poisson = "start_rate" in problem
    n_states, n_units = problem["start_rate" if poisson else "start_mean"].shape
    data = recording.make(
        problem["values"],
        sampling_interval=0.01,
        kind="count" if poisson else "continuous",
        unit=np.arange(n_units),
    )
    variables = {
        "initial": ("state", problem["start_initial"]),
        "transition": (("state", "state_next"), problem["start_transition"]),
    }
    coords = {"state": np.arange(n_states), "state_next": np.arange(n_states), "unit": np.arange(n_units)}
    if poisson:
        variables["rate"] = (("state", "unit"), problem["start_rate"])
    else:
        variables["mean"] = (("state", "unit"), problem["start_mean"])
        variables["covariance"] = (("state", "unit", "unit_2"), problem["start_covariance"])
        coords["unit_2"] = np.arange(n_units)
    start = xr.Dataset(variables, coords=coords)
    model = HMM(n_states=n_states, emission="poisson" if poisson else "gaussian", concentration=1.0)
    last = {}

    def fit():
        watch = Stopwatch()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NeurodynWarning)
            found = model.fit(
                data,
                key=0,
                start_parameters=start,
                max_iterations=iterations,
                tolerance=0.0,
                accelerate=False,
                progress=watch,
            )
        last["watch"], last["steps"] = watch.seen, len(found.trace.objective)
        names = ["initial", "transition", *(["rate"] if poisson else ["mean", "covariance"])]
        return {name: found.parameters[name].values for name in names}

    def about():
        seen = last["watch"]
        figures = {"iterations": last["steps"]}
        if len(seen) >= 2 and seen[-1][0] > seen[0][0]:
            steps = (seen[-1][0] - seen[0][0]) * iterations
            figures["wall_per_iteration"] = (seen[-1][1] - seen[0][1]) / steps
            figures["cpu_per_iteration"] = (seen[-1][2] - seen[0][2]) / steps
        return figures

    return {"fit": fit, "about": about, "compilations": clock.Compilations().listen()}


if __name__ == "__main__":
    clock.run(prepare)
