"""neurodyn's state-switching logistic regression of choices, through the call a user makes."""

import warnings

import clock
import numpy as np
import xarray as xr

COVARIATES = ("stimulus", "previous_choice", "win_stay")


def prepare(problem, iterations, options):
    """A recording with its covariates, a start, and a fit."""
    del options
    from neurodyn import recording
    from neurodyn.errors import NeurodynWarning
    from neurodyn.models import SwitchingGLM

    n_states = len(problem["start_bias"])
    data = recording.make(
        problem["values"],
        kind="binary",
        unit=["choice"],
        covariates=dict(zip(COVARIATES, problem["start_inputs"].T, strict=True)),
        time_unit="trial",
    )
    start = xr.Dataset(
        {
            "initial": ("state", problem["start_initial"]),
            "transition": (("state", "state_next"), problem["start_transition"]),
            "bias": (("state", "unit"), problem["start_bias"][:, None]),
            "covariate_weight": (("state", "unit", "covariate"), problem["start_weight"][:, None]),
        },
        coords={
            "state": np.arange(n_states),
            "state_next": np.arange(n_states),
            "unit": ["choice"],
            "covariate": list(COVARIATES),
        },
    )
    model = SwitchingGLM(
        n_states=n_states, coupling=None, history=None, covariates=COVARIATES, concentration=1.0
    )
    last = {}

    def fit():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NeurodynWarning)
            found = model.fit(data, key=0, start_parameters=start, max_iterations=iterations, tolerance=0.0)
        last["trace"] = found.trace
        weight = found.parameters["covariate_weight"].isel(unit=0).sel(covariate=list(COVARIATES))
        return {
            "initial": found.parameters["initial"].values,
            "transition": found.parameters["transition"].values,
            "bias": found.parameters["bias"].isel(unit=0).values,
            "weight": weight.transpose("state", "covariate").values,
        }

    def about():
        return {"iterations": len(last["trace"].objective)}

    return {"fit": fit, "about": about, "compilations": clock.Compilations().listen()}


if __name__ == "__main__":
    clock.run(prepare)
