"""ssm's only packaged release, Poisson emissions; autograd has since moved one function it imports."""

import clock
import numpy as np


def prepare(problem, iterations, options):
    """Counts as integers, and a fit from the given start."""
    del options
    import autograd.scipy.misc as moved
    from autograd.scipy.special import logsumexp

    moved.logsumexp = logsumexp
    import ssm

    values = problem["values"].astype(int)
    start = {name: array.astype(np.float64) for name, array in problem.items() if name.startswith("start_")}
    n_states, n_units = start["start_rate"].shape

    def fit():
        model = ssm.HMM(n_states, n_units, observations="poisson")
        model.observations.log_lambdas = np.log(start["start_rate"])
        model.transitions.log_Ps = np.log(start["start_transition"])
        model.init_state_distn.log_pi0 = np.log(start["start_initial"])
        model.fit(values, method="em", num_em_iters=iterations, initialize=False)
        first = np.exp(model.init_state_distn.log_pi0)
        rows = np.exp(model.transitions.log_Ps)
        return {
            "initial": first / first.sum(),
            "transition": rows / rows.sum(axis=1, keepdims=True),
            "rate": np.exp(model.observations.log_lambdas),
        }

    return {"fit": fit}


if __name__ == "__main__":
    clock.run(prepare)
