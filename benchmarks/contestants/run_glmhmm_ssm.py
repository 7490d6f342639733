"""ssm's only packaged release with a likelihood added: it has no observations that read the inputs.

Its base class of observations is written to be extended and brings the M-step (BFGS on its automatic gradient); only
parameters and likelihood are ours, everything else, the chain and its messages included, is the package's.
"""

import warnings

import clock
import numpy as np


def prepare(problem, iterations, options):
    """Choices and inputs with a constant in front, and a fit from the given start."""
    del options
    import autograd.numpy as autonumpy
    import autograd.scipy.misc as moved
    from autograd.scipy.special import logsumexp

    moved.logsumexp = logsumexp
    import ssm
    from ssm.observations import Observations

    class LogisticObservations(Observations):
        """A choice by the logistic of the inputs, weights of every state."""

        @property
        def params(self):
            return self.weight

        @params.setter
        def params(self, value):
            self.weight = value

        def log_likelihoods(self, data, input, mask, tag):
            drive = autonumpy.dot(input, self.weight.T)
            return data * drive - autonumpy.logaddexp(0.0, drive)

    start = {name: array.astype(np.float64) for name, array in problem.items()}
    choices = problem["values"].astype(int)
    inputs = np.concatenate([np.ones((len(choices), 1)), start["start_inputs"]], axis=1)
    begin = np.concatenate([start["start_bias"][:, None], start["start_weight"]], axis=1)
    n_states, n_inputs = begin.shape

    def fit():
        observations = LogisticObservations(n_states, 1, n_inputs)
        observations.params = begin.copy()
        model = ssm.HMM(n_states, 1, n_inputs, observations=observations)
        model.transitions.log_Ps = np.log(start["start_transition"])
        model.init_state_distn.log_pi0 = np.log(start["start_initial"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(choices, inputs=inputs, method="em", num_em_iters=iterations, initialize=False)
        first = np.exp(model.init_state_distn.log_pi0)
        rows = np.exp(model.transitions.log_Ps)
        return {
            "initial": first / first.sum(),
            "transition": rows / rows.sum(axis=1, keepdims=True),
            "bias": model.observations.params[:, 0],
            "weight": model.observations.params[:, 1:],
        }

    return {"fit": fit}


if __name__ == "__main__":
    clock.run(prepare)
