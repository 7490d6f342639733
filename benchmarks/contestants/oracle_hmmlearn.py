"""Log-likelihoods and state probabilities of given sequences under given parameters, by hmmlearn."""

import sys

import numpy as np


def answer(case):
    """Total log-likelihood and smoothed probabilities, sequences end to end."""
    from hmmlearn.hmm import GaussianHMM, PoissonHMM

    n_states = len(case["initial"])
    if "rate" in case:
        model = PoissonHMM(n_states)
        model.lambdas_ = case["rate"]
        model.n_features = case["rate"].shape[1]
    else:
        model = GaussianHMM(n_states, "full")
        model.means_, model.covars_ = case["mean"], case["covariance"]
    model.startprob_, model.transmat_ = case["initial"], case["transition"]
    return model.score_samples(case["values"].astype(np.float64), case["lengths"].tolist())


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
