"""hmmlearn in either of its implementations; double precision is all it has."""

import logging

import clock
import numpy as np


def prepare(problem, iterations, options):
    """Arrays in double precision, and a fit."""
    from hmmlearn.hmm import GaussianHMM, PoissonHMM

    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    values = problem["values"].astype(np.float64)
    poisson = "start_rate" in problem
    n_states = len(problem["start_initial"])
    shared = {
        "implementation": options[0],
        "n_iter": iterations,
        "tol": -np.inf,
        "init_params": "",
    }
    initial = problem["start_initial"].astype(np.float64)
    transition = problem["start_transition"].astype(np.float64)

    def fit():
        if poisson:
            model = PoissonHMM(n_states, params="stl", lambdas_prior=0.0, lambdas_weight=0.0, **shared)
            model.lambdas_ = problem_start["start_rate"].copy()
        else:
            model = GaussianHMM(n_states, "full", params="stmc", min_covar=0.0, covars_prior=0.0, **shared)
            model.means_ = problem_start["start_mean"].copy()
            model.covars_ = problem_start["start_covariance"].copy()
        model.startprob_ = initial / initial.sum()
        model.transmat_ = transition / transition.sum(axis=1, keepdims=True)
        model.fit(values)
        learnt = {"initial": model.startprob_, "transition": model.transmat_}
        if poisson:
            return {**learnt, "rate": model.lambdas_}
        return {**learnt, "mean": model.means_, "covariance": model.covars_}

    problem_start = {name: array.astype(np.float64) for name, array in problem.items() if name != "values"}
    return {"fit": fit}


if __name__ == "__main__":
    clock.run(prepare)
