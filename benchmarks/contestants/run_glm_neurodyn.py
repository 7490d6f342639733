"""neurodyn's generalised linear model with couplings, through the call a user makes."""

import warnings

import clock
import numpy as np


def prepare(problem, iterations, options):
    """A recording, a model and a fit."""
    del iterations, options
    from neurodyn import recording
    from neurodyn.errors import NeurodynWarning
    from neurodyn.inference.bases import RaisedCosine
    from neurodyn.inference.glm.priors import Ridge
    from neurodyn.models import GLM

    n_lags, n_functions = problem["start_kernels"].shape
    basis = RaisedCosine(n_lags, n_functions, spacing="log", offset=1.0)
    if not np.allclose(basis.kernels(), problem["start_kernels"], atol=1e-6):
        raise ValueError("the basis functions differ from those of the problem")
    data = recording.make(
        problem["values"], sampling_interval=0.01, kind="count", unit=np.arange(problem["values"].shape[1])
    )
    model = GLM(
        coupling=basis, history="coupling", link="softplus", prior=Ridge(float(problem["start_ridge"]))
    )
    last = {}

    def fit():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NeurodynWarning)
            found = model.fit(data, key=0)
        last["trace"] = found.trace
        weight = found.parameters["weight"].isel(state=0).transpose("target", "source", "basis")
        return {"weight": weight.values, "bias": found.parameters["bias"].isel(state=0).values}

    def about():
        return {"converged": bool(last["trace"].converged), "steps": len(last["trace"].objective)}

    return {"fit": fit, "about": about, "compilations": clock.Compilations().listen()}


if __name__ == "__main__":
    clock.run(prepare)
