"""dynamax's logistic regression chain: `fit_em` as its users call it, and the same compiled beforehand.

Its M-step of the weights is fifty steps of gradient descent, as it comes.
"""

import clock
import numpy as np


def prepare(problem, iterations, options):
    """Arrays on the device, flat Dirichlet priors, and the two fits."""
    del options
    import jax
    import jax.numpy as jnp
    from dynamax.hidden_markov_model import LogisticRegressionHMM

    compilations = clock.Compilations().listen()
    n_states, n_inputs = problem["start_weight"].shape
    model = LogisticRegressionHMM(
        n_states,
        n_inputs,
        initial_probs_concentration=1.0 + 1e-6,
        transition_matrix_concentration=1.0 + 1e-6,
    )
    begin, properties = model.initialize(
        jax.random.PRNGKey(0),
        method="prior",
        initial_probs=jnp.asarray(problem["start_initial"] / problem["start_initial"].sum()),
        transition_matrix=jnp.asarray(
            problem["start_transition"] / problem["start_transition"].sum(1, keepdims=True)
        ),
        emission_weights=jnp.asarray(problem["start_weight"]),
        emission_biases=jnp.asarray(problem["start_bias"]),
    )
    choices, inputs = jnp.asarray(problem["values"][:, 0]), jnp.asarray(problem["start_inputs"])

    def em(parameters, emissions, regressors):
        return model.fit_em(
            parameters, properties, emissions, inputs=regressors, num_iters=iterations, verbose=False
        )

    compiled = jax.jit(em)

    def arrays(parameters):
        return {
            "initial": np.asarray(parameters.initial.probs),
            "transition": np.asarray(parameters.transitions.transition_matrix),
            "bias": np.asarray(parameters.emissions.biases),
            "weight": np.asarray(parameters.emissions.weights),
        }

    return {
        "fit": lambda: arrays(em(begin, choices, inputs)[0]),
        "warm": lambda: arrays(compiled(begin, choices, inputs)[0]),
        "compilations": compilations,
    }


if __name__ == "__main__":
    clock.run(prepare)
