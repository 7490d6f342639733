"""Log-likelihoods and state probabilities of given sequences under given parameters, by neurodyn.

`python oracle_neurodyn.py cases.npz output.npz`, in double precision where JAX_ENABLE_X64 is set.
"""

import sys

import jax
import numpy as np
import xarray as xr


def answer(case, dtype):
    """Total log-likelihood and smoothed probabilities, sequences end to end."""
    from neurodyn import recording
    from neurodyn.models import HMM, HMMFit

    poisson = "rate" in case
    values, lengths = case["values"].astype(dtype), case["lengths"]
    n_states, n_units = len(case["initial"]), values.shape[1]
    parts = np.split(values, np.cumsum(lengths)[:-1])
    data = recording.make(
        parts,
        sampling_interval=0.1,
        kind="count" if poisson else "continuous",
        unit=np.arange(n_units),
        dtype=dtype,
    )
    variables = {
        "initial": ("state", case["initial"]),
        "transition": (("state", "state_next"), case["transition"]),
        "trial_start": ((), np.int8(1)),
    }
    coords = {"state": np.arange(n_states), "state_next": np.arange(n_states), "unit": np.arange(n_units)}
    if poisson:
        variables["rate"] = (("state", "unit"), case["rate"])
    else:
        variables["mean"] = (("state", "unit"), case["mean"])
        variables["covariance"] = (("state", "unit", "unit_2"), case["covariance"])
        coords["unit_2"] = np.arange(n_units)
    model = HMM(n_states=n_states, emission="poisson" if poisson else "gaussian")
    fit = HMMFit(model=model, parameters=xr.Dataset(variables, coords=coords))
    total = float(fit.log_likelihood(data).values.sum(dtype=np.float64))
    found = fit.infer(data)["state_probability"].values
    smoothed = np.concatenate([found[trial, :length] for trial, length in enumerate(lengths)])
    return total, smoothed


def main():
    """Answer every case of the file."""
    dtype = "float64" if jax.config.jax_enable_x64 else "float32"
    results = {}
    with np.load(sys.argv[1]) as stored:
        for name in sorted({key.split("/")[0] for key in stored.files}):
            case = {key.split("/")[1]: stored[key] for key in stored.files if key.startswith(f"{name}/")}
            results[f"{name}/total"], results[f"{name}/smoothed"] = answer(case, dtype)
    np.savez(sys.argv[2], **results)


if __name__ == "__main__":
    main()
