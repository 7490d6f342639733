"""One small example per registered model, for the contract test."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from neurodyn import recording
from neurodyn.inference.bases import Exponential
from neurodyn.models import registry
from neurodyn.models.base import Model
from neurodyn.models.pipeline import PCA, HighPass, Standardise, TimeDelayEmbedding

N_TRIALS, N_TIME, N_UNITS = 5, 36, 4


@dataclasses.dataclass(frozen=True)
class Example:
    """A model, a recording it can learn from, and which clauses of the contract have a special reading."""

    model: Callable[[], Model]
    recording: Callable[[], xr.Dataset]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    reference: str = "all"  # the mode that brute-force masking is asked in: `all`, where it means the same
    modes: tuple[str, ...] = ("all", "past", "present")
    monotone: bool = True
    needs_trials: bool = False
    unit_count: int | None = None
    tolerance: float = 1e-5


def waves(
    seed: int = 0, n_trials: int = N_TRIALS, n_time: int = N_TIME, n_units: int = N_UNITS
) -> np.ndarray:
    """Correlated autoregressive series that switch between two levels."""
    rng = np.random.default_rng(seed)
    level = np.where((np.arange(n_time) // 9) % 2 == 0, 1.5, -1.5)
    mixing = rng.normal(size=(n_units, n_units))
    values = np.zeros((n_trials, n_time, n_units))
    state = np.zeros((n_trials, n_units))
    for t in range(n_time):
        state = 0.6 * state + rng.normal(size=(n_trials, n_units)) @ mixing * 0.5
        values[:, t] = state + level[t] * mixing[0] + 3.0
    return values


def continuous() -> xr.Dataset:
    """Trials of a continuous recording with a few missing entries and a ragged end."""
    values = waves().astype(np.float64)
    rng = np.random.default_rng(7)
    values[rng.uniform(size=values.shape) < 0.04] = np.nan
    values[2, -6:] = np.nan
    n_bins = np.full(N_TRIALS, N_TIME)
    n_bins[2] = N_TIME - 6
    return recording.make(
        values,
        sampling_interval=0.1,
        unit=[f"unit {i}" for i in range(N_UNITS)],
        trial=[f"trial {i}" for i in range(N_TRIALS)],
        trial_coords={"n_bins": n_bins},
        dtype="float64",
    )


def pairs() -> xr.Dataset:
    """Affinities of four pairs in animals, with missing entries and a ragged end."""
    found = continuous()
    positive = np.abs(found["activity"].values)
    ends = {"source": ("unit", list("aabb")), "target": ("unit", list("bccd"))}
    return found.assign(activity=found["activity"].copy(data=positive)).assign_coords(ends)


def counts() -> xr.Dataset:
    """Trials of spike counts with a few missing entries."""
    base = continuous()
    rate = np.exp(0.3 * base["activity"].fillna(0).values)
    drawn = np.random.default_rng(3).poisson(rate).astype(np.float64)
    drawn[np.isnan(base["activity"].values)] = np.nan
    return base.assign(activity=base["activity"].copy(data=drawn)).assign_coords(
        kind=("unit", ["count"] * N_UNITS)
    )


def single_precision_counts() -> xr.Dataset:
    """The counts in float32."""
    found = counts()
    return found.assign(activity=found["activity"].astype(np.float32))


def choices() -> xr.Dataset:
    """Choices of learners, some of them missing."""
    from neurodyn.simulate.agents import rescorla_wagner

    behaviour = rescorla_wagner(n_participants=3, n_trials=N_TIME, key=0, perseveration=0.5)
    missing = np.random.default_rng(1).uniform(size=behaviour["activity"].shape) < 0.05
    return recording.hide(behaviour, missing)


def responses() -> xr.Dataset:
    """Binary choices of learners after outcomes that were not all seen."""
    found = choices()
    values = found["covariates"].copy(deep=True)
    values[:, 7] = np.nan
    return found.assign(covariates=values).assign_coords(role=("covariate", ["exogenous"]))


def network() -> Model:
    """Beliefs about outcomes and their volatility, and how sharply choices follow them."""
    from neurodyn.models import HGF
    from neurodyn.models.predictive_coding import BinaryResponse

    return HGF(3, source="outcome", response=BinaryResponse(), unknown="prior")


def autoencoder() -> Model:
    """A small driven Langevin flow, briefly trained."""
    from neurodyn.inference.training import Training
    from neurodyn.inference.vae.decoders import TransformerDecoder
    from neurodyn.inference.vae.encoders import GRUEncoder

    return registry.create(
        "sequential_vae",
        encoder=GRUEncoder(8),
        decoder=TransformerDecoder(8, feed_forward=8),
        training=Training(epochs=4, warm_up=2),
    )


def symbols() -> xr.Dataset:
    """Two symbols of lasting states, some of them missing, and a ragged end."""
    from neurodyn.simulate.symbol_chains import SymbolChain

    table = np.array([[0.9, 0.1], [0.1, 0.9]])
    found = SymbolChain(np.full(2, 0.5), table, table).sample(N_TIME, n_trials=N_TRIALS, key=0)
    found = found.drop_vars("state")
    missing = np.random.default_rng(1).uniform(size=found["activity"].shape) < 0.04
    missing[2, -6:] = True
    n_bins = np.full(N_TRIALS, N_TIME)
    n_bins[2] = N_TIME - 6
    return recording.hide(found, missing).assign_coords(n_bins=("trial", n_bins))


def emulator() -> Model:
    """A small network, briefly trained, with few particles."""
    from neurodyn.inference.training import Training

    return registry.create(
        "hmm_emulator",
        width=8,
        noise=4,
        window=6,
        steps=60,
        training=Training(batch_size=16, learning_rate=2e-2, warm_up=2, average=0.0),
        particles=16,
        filters=2,
    )


EXAMPLES: dict[str, Example] = {
    "mean": Example(lambda: registry.create("mean"), counts),
    "persistence": Example(lambda: registry.create("persistence", max_lag=5), continuous),
    "ar_ridge": Example(
        lambda: registry.create("ar_ridge", order=2), continuous, reference="past", modes=("past", "present")
    ),
    "direct_ridge": Example(
        lambda: registry.create("direct_ridge", order=1, max_horizon=4),
        continuous,
        reference="past",
        modes=("past", "present"),
    ),
    "smoothed_rate": Example(lambda: registry.create("smoothed_rate", width=0.2), counts, reference="past"),
    "trial_average": Example(lambda: registry.create("trial_average"), counts, needs_trials=True),
    "factor_analysis": Example(
        lambda: registry.create("factor_analysis", rank=1, max_iterations=200), continuous
    ),
    "smoothed_ridge": Example(lambda: registry.create("smoothed_ridge"), continuous, reference="past"),
    "smoothed_poisson": Example(
        lambda: registry.create("smoothed_poisson", max_horizon=4), counts, reference="past", tolerance=1e-4
    ),
    "smoothed_poisson_time": Example(
        lambda: registry.create("smoothed_poisson_time", width=0.2, time_basis=6, max_horizon=3),
        single_precision_counts,
        reference="past",
        needs_trials=True,
        tolerance=1e-3,
    ),
    "rescorla_wagner": Example(
        lambda: registry.create("rescorla_wagner", max_iterations=3, unknown="prior"), choices, unit_count=1
    ),
    "pearce_hall": Example(
        lambda: registry.create("pearce_hall", max_iterations=3, unknown="prior"), choices, unit_count=1
    ),
    "win_stay_lose_shift": Example(lambda: registry.create("win_stay_lose_shift"), choices, unit_count=1),
    "choice_history_regression": Example(
        lambda: registry.create("choice_history_regression", lags=3), choices, unit_count=1
    ),
    "hmm": Example(
        lambda: registry.create("hmm", n_states=2, emission="poisson"),
        single_precision_counts,
        options={"restarts": 1, "max_iterations": 10},
        tolerance=1e-3,
    ),
    "glm": Example(lambda: registry.create("glm"), single_precision_counts, tolerance=2e-3),
    "switching_glm": Example(
        lambda: registry.create("switching_glm", n_states=2, coupling=Exponential(2)),
        single_precision_counts,
        options={"restarts": 1, "max_iterations": 80},
        tolerance=2e-3,
    ),
    "sequential_vae": Example(autoencoder, single_precision_counts, tolerance=2e-3, monotone=False),
    "hmm_emulator": Example(
        emulator, symbols, reference="past", unit_count=1, tolerance=2e-4, monotone=False
    ),
    "poisson_lds": Example(
        lambda: registry.create("poisson_lds", n_latents=2),
        single_precision_counts,
        options={"max_iterations": 20},
        reference="past",
        tolerance=2e-3,
    ),
    "predictive_coding": Example(network, responses, unit_count=1, tolerance=2e-4),
    "dynamic_connectome": Example(
        lambda: registry.create("dynamic_connectome", rank=2, clock="shared", unknown="prior"),
        pairs,
        options={"restarts": 1},
        tolerance=2e-3,
    ),
    "pair_amplitude": Example(lambda: registry.create("pair_amplitude"), pairs, tolerance=1e-4),
    "window_states": Example(
        lambda: registry.create("window_states", n_states=2, window=7), pairs, reference="past"
    ),
    "pipeline": Example(
        lambda: registry.create(
            "pipeline",
            parts=(Standardise(by="trial", unknown="prior"), PCA(2), registry.create("ar_ridge", order=1)),
        ),
        continuous,
        reference="past",
        modes=("past", "present"),
        tolerance=1e-4,
    ),
}


def filter_of_inputs() -> Model:
    """Beliefs about two measured inputs, one of them volatile."""
    from neurodyn.models.predictive_coding import Belief, Input, LogNormal, Normal, PredictiveCodingNetwork

    return PredictiveCodingNetwork(
        nodes=(
            Input("a", kind="continuous", precision=LogNormal(1.0, 1.0)),
            Input("b", kind="continuous", precision=1.0),
            Belief("x", value_children=("a", "b"), tonic_volatility=Normal(-2.0, 1.0), initial_mean=3.0),
            Belief("v", volatility_children=("x",), tonic_volatility=-4.0),
        ),
        unknown="prior",
    )


def two_units() -> xr.Dataset:
    """Two units of the continuous recording."""
    return continuous().isel(unit=[0, 1])


def generator() -> Model:
    """A generator with inferred inputs and Gaussian observations, trained on windows."""
    from neurodyn.inference.training import Training
    from neurodyn.inference.vae.decoders import LinearDecoder
    from neurodyn.inference.vae.encoders import GRUEncoder
    from neurodyn.inference.vae.latents import GRUGenerator

    return registry.create(
        "sequential_vae",
        encoder=GRUEncoder(6, bidirectional=False),
        latent=GRUGenerator(width=6, inputs=2),
        decoder=LinearDecoder(4),
        reads_encoder=False,
        ablate=None,
        training=Training(epochs=4, warm_up=2, batch_size=4),
        window=12,
        passes=3,
    )


MORE_PIPELINES: dict[str, Example] = {
    "connectome of own clocks": Example(
        lambda: registry.create("dynamic_connectome", rank=1, clock="own"),
        pairs,
        options={"restarts": 1},
        tolerance=2e-3,
    ),
    "filter of inputs": Example(
        filter_of_inputs, two_units, reference="past", modes=("past", "present"), unit_count=2, tolerance=2e-4
    ),
    "generator in windows": Example(
        generator,
        lambda: continuous().astype(np.float32),
        reference="past",
        tolerance=2e-3,
        monotone=False,
    ),
    "surprising cues": Example(
        lambda: registry.create("pearce_hall", learning="cue", max_iterations=3, unknown="prior"),
        responses,
        unit_count=1,
    ),
    "cues and choices before": Example(
        lambda: registry.create("choice_history_regression", learning="cue", lags=3), responses, unit_count=1
    ),
    "high pass": Example(
        lambda: registry.create(
            "pipeline", parts=(HighPass(cutoff=0.3), registry.create("factor_analysis", rank=1))
        ),
        continuous,
    ),
    "embedding": Example(
        lambda: registry.create(
            "pipeline",
            parts=(TimeDelayEmbedding((0, 1, -1)), registry.create("ar_ridge", order=1, strength=0.1)),
        ),
        continuous,
        reference="past",
        modes=("past", "present"),
    ),
}
