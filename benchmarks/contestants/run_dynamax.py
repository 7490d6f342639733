"""dynamax: `fit_em` as its users call it (it compiles anew in every call), and the same compiled beforehand."""

import clock
import numpy as np


def prepare(problem, iterations, options):
    """Arrays on the device, flat Dirichlet priors, and the two fits."""
    del options
    import jax
    import jax.numpy as jnp
    from dynamax.hidden_markov_model import GaussianHMM, PoissonHMM

    compilations = clock.Compilations().listen()
    poisson = "start_rate" in problem
    n_states, n_units = problem["start_rate" if poisson else "start_mean"].shape
    flat = {"initial_probs_concentration": 1.0 + 1e-6, "transition_matrix_concentration": 1.0 + 1e-6}
    start = {
        "initial_probs": jnp.asarray(problem["start_initial"] / problem["start_initial"].sum()),
        "transition_matrix": jnp.asarray(
            problem["start_transition"] / problem["start_transition"].sum(1, keepdims=True)
        ),
    }
    if poisson:
        flat |= {"emission_prior_concentration": 1.0 + 1e-6, "emission_prior_rate": 1e-6}
        model = PoissonHMM(n_states, n_units, **flat)
        start["emission_rates"] = jnp.asarray(problem["start_rate"])
    else:
        model = GaussianHMM(n_states, n_units, **flat)
        start["emission_means"] = jnp.asarray(problem["start_mean"])
        start["emission_covariances"] = jnp.asarray(problem["start_covariance"])
    begin, properties = model.initialize(jax.random.PRNGKey(0), method="prior", **start)
    values = jnp.asarray(problem["values"])

    def em(parameters, emissions):
        return model.fit_em(parameters, properties, emissions, num_iters=iterations, verbose=False)

    compiled = jax.jit(em)

    def arrays(parameters):
        learnt = {
            "initial": np.asarray(parameters.initial.probs),
            "transition": np.asarray(parameters.transitions.transition_matrix),
        }
        if poisson:
            return {**learnt, "rate": np.asarray(parameters.emissions.rates)}
        emissions = parameters.emissions
        return {**learnt, "mean": np.asarray(emissions.means), "covariance": np.asarray(emissions.covs)}

    return {
        "fit": lambda: arrays(em(begin, values)[0]),
        "warm": lambda: arrays(compiled(begin, values)[0]),
        "compilations": compilations,
    }


if __name__ == "__main__":
    clock.run(prepare)
