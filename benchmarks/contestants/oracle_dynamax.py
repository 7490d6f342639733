"""Log-likelihoods and state probabilities of given sequences under given parameters, by dynamax."""

import sys

import jax
import jax.numpy as jnp
import numpy as np


def answer(case):
    """Total log-likelihood and smoothed probabilities; one call a sequence, for it has no ragged ones."""
    from dynamax.hidden_markov_model import GaussianHMM, PoissonHMM

    n_states, n_units = len(case["initial"]), case["values"].shape[1]
    dtype = jnp.float64 if jax.config.jax_enable_x64 else jnp.float32
    start = {
        "initial_probs": jnp.asarray(case["initial"], dtype),
        "transition_matrix": jnp.asarray(case["transition"], dtype),
    }
    if "rate" in case:
        model = PoissonHMM(n_states, n_units)
        start["emission_rates"] = jnp.asarray(case["rate"], dtype)
    else:
        model = GaussianHMM(n_states, n_units)
        start["emission_means"] = jnp.asarray(case["mean"], dtype)
        start["emission_covariances"] = jnp.asarray(case["covariance"], dtype)
    parameters, _ = model.initialize(jax.random.PRNGKey(0), method="prior", **start)
    total, smoothed = 0.0, []
    for part in np.split(case["values"], np.cumsum(case["lengths"])[:-1]):
        posterior = model.smoother(parameters, jnp.asarray(part, dtype))
        total += float(posterior.marginal_loglik)
        smoothed.append(np.asarray(posterior.smoothed_probs))
    return total, np.concatenate(smoothed)


def main():
    """Answer every complete case of the file."""
    results = {}
    with np.load(sys.argv[1]) as stored:
        for name in sorted({key.split("/")[0] for key in stored.files}):
            case = {key.split("/")[1]: stored[key] for key in stored.files if key.startswith(f"{name}/")}
            if np.isfinite(case["values"]).all():
                results[f"{name}/total"], results[f"{name}/smoothed"] = answer(case)
    np.savez(sys.argv[2], **results)


if __name__ == "__main__":
    main()
