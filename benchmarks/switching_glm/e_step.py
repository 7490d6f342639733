"""The E-step at 100 units beside hmmlearn's: state probabilities of a Poisson hidden Markov model at given rates."""

import time
import warnings

import numpy as np

from benchmarks.measure import Line, NotMeasured, at_most

N_UNITS, N_STATES, N_TIME, ROUNDS = 100, 8, 20_000, 7


def measure(quick: bool) -> list[Line]:
    """CPU seconds of `infer` (which also decodes the path) over those of hmmlearn's `score_samples`, both warmed up."""
    try:
        from hmmlearn.hmm import PoissonHMM
    except ImportError as error:
        raise NotMeasured(f"hmmlearn is not installed: {error}") from error
    from neurodyn.models import SwitchingGLM
    from neurodyn.simulate.markov import MarkovModel

    rng = np.random.default_rng(0)
    n_time = N_TIME // 4 if quick else N_TIME
    chain = np.full((N_STATES, N_STATES), 0.05 / (N_STATES - 1))
    np.fill_diagonal(chain, 0.95)
    rates = rng.gamma(2.0, 0.5, size=N_UNITS) * np.exp(0.5 * rng.normal(size=(N_STATES, N_UNITS))) + 0.02
    data = MarkovModel(np.full(N_STATES, 1 / N_STATES), chain, rates).sample(n_time, key=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = SwitchingGLM(n_states=N_STATES, coupling=None, history=None, start="trial").fit(
            data, key=0, restarts=1, max_iterations=30
        )
    peer = PoissonHMM(n_components=N_STATES, implementation="scaling")
    peer.startprob_ = fit.parameters["initial"].values.astype(float)
    peer.startprob_ /= peer.startprob_.sum()
    peer.transmat_ = fit.parameters["transition"].values.astype(float)
    peer.transmat_ /= peer.transmat_.sum(axis=1, keepdims=True)
    peer.lambdas_ = np.logaddexp(0, fit.parameters["bias"].values.astype(float))
    values = data["activity"].values.astype(int)
    mine, theirs = [], []
    ours = peers = np.zeros(0)
    for _ in range(ROUNDS + 1):
        began = time.process_time()
        ours = fit.infer(data)["state_probability"].values
        mine.append(time.process_time() - began)
        began = time.process_time()
        peers = peer.score_samples(values)[1]
        theirs.append(time.process_time() - began)
    ratio = float(np.median(mine[1:]) / np.median(theirs[1:]))
    apart = float(np.abs(ours - peers).max())
    note = (
        f"ours {np.median(mine[1:]) * 1e3:.0f} ms ({min(mine[1:]) * 1e3:.0f} to {max(mine[1:]) * 1e3:.0f}), hmmlearn "
        f"{np.median(theirs[1:]) * 1e3:.0f} ms, T {n_time}, K {N_STATES}, N {N_UNITS}; the bar is ours"
    )
    return [
        at_most("E-step CPU ratio to hmmlearn's Poisson HMM at N = 100", ratio, 1.0, note=note),
        at_most("largest difference of a state probability from hmmlearn's", apart, 1e-3),
    ]
