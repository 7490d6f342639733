"""Simulated networks, fits of them through the public verbs, and their scores.

True parameters, labels and test trials enter the scores only, never a start, a choice or a fit.
"""

import dataclasses
import time
import warnings
from typing import Any

import numpy as np

from benchmarks.switching_glm import recovery

SEEDS = range(5)
STATES, UNITS, BINS, TRAIN, TEST = 5, 20, 2000, 30, 10
PRIORS = ("none", "Gaussian", "one-hot")
Result = dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A network, recordings of it, and how well its own parameters do on the test trials."""

    seed: int
    network: Any
    train: Any
    test: Any
    truth_accuracy: float
    truth_score: float

    @property
    def size(self) -> int:
        """Entries of the test trials: bins x units."""
        return int(self.test["activity"].size)

    @property
    def unstable(self) -> bool:
        """Whether switching makes the network burst: a count above 100 in a bin."""
        return bool(self.train["activity"].max() > 100)

    def allowance(self, n_train: int | None = None) -> float:
        """What maximum likelihood with known states loses, per bin and unit: parameters of a unit over twice the bins."""
        n_states, n_units = self.network.bias.shape
        trials = self.train.sizes["trial"] if n_train is None else n_train
        return (n_states * n_units + 1) / (2 * trials * self.train.sizes["time"])


def draw(seed: int, n_units: int = UNITS, version: str = "scaled", n_train: int = TRAIN) -> Case:
    """A network and its recordings; training and test trials have keys of their own."""
    from neurodyn.simulate.glm_network import GLMNetwork

    network = GLMNetwork.draw(seed, n_states=STATES, n_units=n_units, version=version)
    train = network.sample(BINS, key=1000 + seed, n_trials=n_train)
    test = network.sample(BINS, key=2000 + seed, n_trials=TEST)
    accuracy = float((network.state_path(test) == test["state"].values).mean())
    return Case(seed, network, train, test, accuracy, network.log_likelihood(test))


def prior_of(name: str) -> Any:
    """The three priors at their defaults; "none" is a ridge of zero."""
    from neurodyn.inference.glm.priors import GaussianPrior, OneHotPrior, Ridge

    return {"none": Ridge(0.0), "Gaussian": GaussianPrior(), "one-hot": OneHotPrior()}[name]


def fit(case: Case, prior: str, n_train: int | None = None, **options: Any) -> tuple[Any, Result]:
    """A fit of the first training trials, the seed its key, and what it cost and warned of."""
    from neurodyn.models import SwitchingGLM

    recording = case.train if n_train is None else case.train.isel(trial=slice(0, n_train))
    options.setdefault("key", case.seed)
    began, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = SwitchingGLM(n_states=STATES, prior=prior_of(prior)).fit(recording, **options)
    said = [str(one.message) for one in heard]
    cost = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    return found, {**cost, "warnings": said}


def score(case: Case, fit: Any) -> Result:
    """Test accuracy, gap and weight error of one fit, states matched on the test trials' true path."""
    path = fit.infer(case.test)["state_probability"].argmax("state").values
    order, accuracy = recovery.match_states(case.test["state"].values, path, STATES)
    weights = fit.parameters["weight"].values[order, ..., 0]
    fitted = float(fit.log_likelihood(case.test).sum())
    return {
        "accuracy": accuracy,
        "behind": case.truth_accuracy - accuracy,
        "gap": (case.truth_score - fitted) / case.size,
        "mae": float(np.abs(weights - case.network.weights).mean()),
        "order": order,
    }


def result_of(
    case: Case, prior: str, n_train: int | None = None, links: bool = True, **options: Any
) -> Result:
    """Fit and score; with `links`, which couplings exist as well."""
    found, cost = fit(case, prior, n_train, **options)
    result = {**score(case, found), **cost}
    network, order = case.network, result["order"]
    if links and prior == "one-hot":
        weights = found.parameters["weight"].values[order, ..., 0]
        result |= recovery.signs(weights, network.present)
        connectome = found.parameters["connectome"].values
        result |= recovery.connectome_areas(connectome, network.connectome, network.present)
    if links and prior == "Gaussian":
        sparse = recovery.thresholded(found, case.train)[order]
        result["thresholded"] = recovery.signs(sparse, network.present)
        result["thresholded"]["mae"] = float(np.abs(sparse - network.weights).mean())
    n_units = network.bias.shape[1]
    trials = case.train.sizes["trial"] if n_train is None else n_train
    print(
        f"   N {n_units} seed {case.seed}, {trials} trials, {prior}: accuracy {result['accuracy']:.4f} (truth "
        f"{case.truth_accuracy:.4f}), gap {result['gap']:.5f}, MAE {result['mae']:.4f}, {cost['seconds']:.0f} s "
        f"({cost['cpu']:.0f} CPU s)",
        flush=True,
    )
    return result
