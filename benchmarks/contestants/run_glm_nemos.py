"""nemos's population model: its own convolution, penalty and solver; options: double, solver=, steps=, tol=.

Its loss is summed over units and averaged over bins, its ridge half the strength times the squared coefficients, the
intercepts free: the common objective as it stands. Counts are led by zeros, as many as the kernels are long; nemos
drops the bins whose past is unknown, and keeps all of the recording.
"""

import warnings

import clock
import numpy as np


def prepare(problem, iterations, options):
    """Counts behind zeros, and a fit; every call compiles its solver anew, a small share of the whole."""
    del iterations
    import jax

    if "double" in options:
        jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    import nemos

    compilations = clock.Compilations().listen()
    chosen = dict(option.split("=") for option in options if "=" in option)
    settings = {"tol": float(chosen["tol"])} if "tol" in chosen else {}
    if "steps" in chosen:
        settings["maxiter"] = int(chosen["steps"])
    dtype = np.float64 if "double" in options else np.float32
    kernels, ridge = problem["start_kernels"].astype(dtype), float(problem["start_ridge"])
    n_units = problem["values"].shape[1]
    counts = np.concatenate([np.zeros((len(kernels), n_units)), problem["values"]]).astype(dtype)
    last = {}

    def fit():
        features = nemos.convolve.create_convolutional_predictor(kernels, counts)
        features = features.reshape(len(counts), -1)
        model = nemos.glm.PopulationGLM(
            observation_model="Poisson",
            inverse_link_function=jax.nn.softplus,
            regularizer="Ridge",
            regularizer_strength=ridge,
            solver_name=chosen.get("solver"),
            solver_kwargs=settings,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            model.fit(features, jnp.asarray(counts))
        last["model"] = model
        return arrays(model)

    def arrays(model):
        weight = np.asarray(model.coef_).reshape(n_units, -1, n_units)
        return {"weight": weight.transpose(2, 0, 1), "bias": np.asarray(model.intercept_)}

    def about():
        model = last["model"]
        return {
            "converged": bool(model.optim_info_.converged),
            "steps": int(model.optim_info_.num_steps),
            "solver": model.solver_name,
        }

    return {"fit": fit, "about": about, "compilations": compilations}


if __name__ == "__main__":
    clock.run(prepare)
