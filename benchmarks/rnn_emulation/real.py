"""States of a hidden Markov model fitted to a real recording: emulated, and judged on blocks it never saw."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr

from benchmarks.measure import Line, at_most
from benchmarks.recordings import head_direction
from benchmarks.rnn_emulation.cases import (
    SEEDS,
    SEQUENCES,
    TARGET,
    TARGETS,
    emulator,
    generated,
    listed,
    trained,
)
from benchmarks.rnn_emulation.emulate import lines_of, scores
from neurodyn.inference.vae.layers import affine, affine_start, gru_start, gru_step
from neurodyn.models import HMM
from neurodyn.models.recurrent.windows import cut_windows
from neurodyn.recording import hide
from neurodyn.simulate.symbol_chains import SymbolChain, state_recording
from neurodyn.validation import metrics

STATES, WINDOW, CLIP = 3, 40, 0.9
BIN = 0.1
BLOCK = 500


@functools.cache
def sources() -> tuple[object, xr.Dataset, xr.Dataset]:
    """The HMM, its likeliest states in the training blocks, and those in every fourth block, which it did not see."""
    recording = head_direction(BIN)
    held = (np.arange(recording.sizes["time"]) // BLOCK) % 4 == 3
    fit = HMM(n_states=STATES).fit(hide(recording, _where(recording, held)), key=0, restarts=5)
    test = fit.infer(hide(recording, _where(recording, ~held)))["state_path"].where(
        xr.DataArray(held, dims="time")
    )
    train = fit.infer(hide(recording, _where(recording, held)))["state_path"].where(
        xr.DataArray(~held, dims="time")
    )
    return fit, *(state_recording(path, n_states=STATES, sampling_interval=BIN) for path in (train, test))


def _where(recording: xr.Dataset, flags: np.ndarray) -> xr.DataArray:
    """A mask of whole bins."""
    return xr.DataArray(
        np.broadcast_to(flags[:, None], recording["activity"].shape), dims=recording["activity"].dims
    )


def simulated(fit, n_trials: int, key: int) -> xr.Dataset:
    """State paths that the HMM simulates, as symbols."""
    states = fit.simulate(WINDOW, n_trials=n_trials, key=key)["state"]
    return state_recording(states, n_states=STATES, sampling_interval=BIN)


def measure_states(*, quick: bool) -> list[Line]:
    """The emulator against the state paths its HMM simulates."""
    fit = sources()[0]
    target = simulated(fit, 8192 if quick else TARGETS, TARGET)
    fits = [
        trained(emulator(CLIP, quick), simulated(fit, 2048 if quick else SEQUENCES, 100 + seed), seed)
        for seed in range(1 if quick else SEEDS)
    ]
    found = [scores(generated(one, WINDOW, quick), target, quick) for one in fits]
    return lines_of(f"states of an HMM of mouse head-direction cells, K={STATES}", found, fits)


def measure_alone(*, quick: bool) -> list[Line]:
    """The same from the transport between whole sequences alone: what the frequencies of words in the loss are for."""
    fit = sources()[0]
    target = simulated(fit, 8192 if quick else TARGETS, TARGET)
    model = emulator(CLIP, quick, word_weight=0.0)
    found = scores(
        generated(trained(model, simulated(fit, 2048 if quick else SEQUENCES, 100), 0), WINDOW, quick),
        target,
        quick,
    )
    return [
        Line(
            "states of that HMM, trained without words, seed 0: volatility ratio",
            f"{float(found['volatility_ratio']):.3f}",
            note=f"transition error {float(found['transition_error']):.4f}; divergence above the target's own "
            f"{float(found['divergence'] - found['divergence_floor']):.3f}",
        )
    ]


def _windows(recording: xr.Dataset) -> xr.Dataset:
    """Complete windows of the recorded states."""
    values = recording["activity"].values[None, :, 0]
    cut = cut_windows(np.nan_to_num(values).astype(int), np.isfinite(values), WINDOW).symbols
    path = xr.DataArray(cut.astype(float), dims=("trial", "time"))
    return state_recording(path, n_states=STATES, sampling_interval=BIN)


def markov_chain(windows: xr.Dataset) -> SymbolChain:
    """First-order chain with a pseudo-count of one."""
    codes = windows["activity"].values[..., 0].astype(int)
    pairs = np.ones((STATES, STATES))
    np.add.at(pairs, (codes[:, :-1].ravel(), codes[:, 1:].ravel()), 1)
    first = np.bincount(codes[:, 0], minlength=STATES) + 1.0
    return SymbolChain(first / first.sum(), pairs / pairs.sum(1, keepdims=True), np.eye(STATES))


def language_model(windows: xr.Dataset, n_trials: int, steps: int, key: int, width: int = 32) -> xr.Dataset:
    """Sequences drawn from a gated recurrent network trained to predict the next symbol."""
    codes = jnp.asarray(windows["activity"].values[..., 0].astype(int))
    random = np.random.default_rng(key)
    parameters = {
        "cell": gru_start(random, width),
        "input": affine_start(random, STATES + 1, 3 * width),
        "read": affine_start(random, width, STATES),
    }

    def after(parameters, hidden, symbol):
        given = jax.nn.one_hot(symbol, STATES + 1)
        hidden = gru_step(parameters["cell"], hidden, affine(parameters["input"], given))
        return hidden, affine(parameters["read"], hidden)

    def loss(parameters, batch):
        before = jnp.concatenate([jnp.full((len(batch), 1), STATES), batch[:, :-1]], axis=1)
        start = jnp.zeros((len(batch), width))
        logits = jax.lax.scan(lambda h, s: after(parameters, h, s), start, before.T)[1]
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch.T).mean()

    optimiser = optax.adam(3e-3)

    @jax.jit
    def train_step(parameters, moments, batch):
        gradient = jax.grad(loss)(parameters, batch)
        change, moments = optimiser.update(gradient, moments)
        return optax.apply_updates(parameters, change), moments

    moments = optimiser.init(parameters)
    for _ in range(steps):
        chosen = random.integers(0, len(codes), min(64, len(codes)))
        parameters, moments = train_step(parameters, moments, codes[chosen])

    @jax.jit
    def draw(parameters, key):
        def one(carry, t):
            hidden, symbol = carry
            hidden, logits = after(parameters, hidden, symbol)
            symbol = jax.random.categorical(jax.random.fold_in(key, t), logits)
            return (hidden, symbol), symbol

        start = jnp.zeros((n_trials, width)), jnp.full(n_trials, STATES)
        return jax.lax.scan(one, start, jnp.arange(WINDOW))[1]

    path = xr.DataArray(
        np.asarray(draw(parameters, jax.random.key(key))).T.astype(float), dims=("trial", "time")
    )
    return state_recording(path, n_states=STATES, sampling_interval=BIN)


def measure_held_out(*, quick: bool) -> list[Line]:
    """Aligned distance to recorded states of held-out blocks, every model with as many sequences as there are windows."""
    fit, train, test = sources()
    windows, known = _windows(test), _windows(train)
    count, draws = windows.sizes["trial"], 4 if quick else 40

    def distance(sample: xr.Dataset) -> float:
        pieces = [sample.isel(trial=slice(i * count, (i + 1) * count)) for i in range(draws)]
        return float(np.mean([metrics.sequence_distance(one, windows, key=0) for one in pieces]))

    total = count * draws
    ours = [
        distance(
            trained(
                emulator(CLIP, quick), simulated(fit, 2048 if quick else SEQUENCES, 100 + seed), seed
            ).simulate(WINDOW, n_trials=total, key=3, hidden=False)
        )
        for seed in range(1 if quick else SEEDS)
    ]
    theirs = distance(simulated(fit, total, 9))
    others = {
        "first-order Markov chain": distance(markov_chain(known).sample(WINDOW, n_trials=total, key=4)),
        "GRU language model": distance(language_model(known, total, 100 if quick else 600, 0)),
    }
    beside = "; ".join(f"{name} {value:.3f}" for name, value in others.items())
    return [
        at_most(
            "held-out recorded states: distance over the HMM's own, worst seed",
            max(ours) / theirs,
            1.05,
            note=f"{count} windows, {draws} draws; network {listed(ours)}, HMM {theirs:.3f}; {beside}",
        )
    ]
