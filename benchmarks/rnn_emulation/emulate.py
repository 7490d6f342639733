"""Whether a network's sequences have the statistics of its target, seed by seed."""

import numpy as np
import xarray as xr

from benchmarks.measure import HOLDS, REPORTED, SHORT, Line, at_most
from benchmarks.rnn_emulation.cases import (
    BATCH,
    QUICK_BATCH,
    QUICK_STEPS,
    SEEDS,
    Case,
    case_fit,
    cases,
    emulator,
    generated,
    listed,
    plateau,
    settings,
    trained,
)
from neurodyn.models.recurrent import HMMEmulatorFit
from neurodyn.simulate.symbol_chains import SymbolChain, linear_chain
from neurodyn.validation import metrics

DRAWS = 24
MINUTES = 12.0


def scores(sample: xr.Dataset, target: xr.Dataset, quick: bool, batch: int | None = None) -> xr.Dataset:
    """All measures of one network, beside those of the target against itself."""
    usual = QUICK_BATCH if quick else BATCH
    return metrics.compare_sequences(
        sample, target, key=11, batch=batch or usual, draws=8 if quick else DRAWS
    )


def lines_of(name: str, found: list[xr.Dataset], fits: list[HMMEmulatorFit]) -> list[Line]:
    """What must hold, for the worst seed."""
    every = xr.concat(found, dim="seed")
    excess = (every["divergence"] - every["divergence_floor"]).values
    error = np.sqrt(every["divergence_error"] ** 2 + every["divergence_floor_error"] ** 2).values
    volatility = np.abs(every["volatility_ratio"].values - 1)
    minutes = np.array([fit.trace.seconds for fit in fits]) / 60
    within = bool((np.abs(excess) <= 2 * error).all())
    floor = every["divergence_floor"].values
    return [
        Line(
            f"{name}: divergence above the target's own, seeds",
            listed(excess),
            "within 2 se of 0",
            HOLDS if within else SHORT,
            f"2 se {listed(2 * error)}; the target against itself {listed(floor)}",
        ),
        at_most(
            f"{name}: transition matrix, summed squared error, worst seed",
            float(every["transition_error"].max()),
            0.005,
            note=f"seeds {listed(every['transition_error'], 4)}; target against itself "
            f"{listed(every['transition_error_floor'], 5)}",
        ),
        at_most(
            f"{name}: volatility, relative error, worst seed",
            float(volatility.max()),
            0.05,
            note=f"ratios {listed(every['volatility_ratio'])}",
        ),
        at_most(
            f"{name}: largest error of a symbol's frequency", float(every["frequency_error"].max()), 0.01
        ),
        at_most(
            f"{name}: rarest symbol, relative error of its frequency, worst seed",
            float(np.abs(every["rare_ratio"].values - 1).max()),
            0.3,
            note=f"ratios {listed(every['rare_ratio'])}",
        ),
        Line(
            f"{name}: aligned distance, network / target against itself",
            f"{listed(every['distance'])} / {listed(every['distance_floor'])}",
            "",
            REPORTED,
            f"{found[0].attrs['compared']} sequences; below the floor means less varied",
        ),
        Line(
            f"{name}: changes, network / target: variance of their number, share undone at once",
            f"{listed(every['changes_variance_ratio'])}; {listed(every['return_share_ratio'])}",
            "",
            REPORTED,
        ),
        at_most(
            f"{name}: minutes of training, longest",
            float(minutes.max()),
            MINUTES,
            note=f"steps until half of the loss's fall {[plateau(fit) for fit in fits]}",
        ),
    ]


def measure_case(key: str, *, quick: bool, seeds: int = SEEDS) -> list[Line]:
    """The lines of one target."""
    case: Case = cases()[key]
    target = case.target(quick)
    fits = [case_fit(case, seed, quick) for seed in range(1 if quick else seeds)]
    found = [scores(generated(fit, case.steps, quick), target, quick) for fit in fits]
    return lines_of(case.name, found, fits)


def measure_power(*, quick: bool) -> list[Line]:
    """The divergence tells an early network from the target, by how many standard errors."""
    case = cases()["linear_3"]
    target = case.target(quick)
    few = 20  # passes are whole: as many batches are recorded
    model = emulator(case.clip, quick, steps=few)
    fit = trained(model, case.recording(few * model.training.batch_size, key=100), 0)
    found = scores(generated(fit, case.steps, quick), target, quick)
    excess = float(found["divergence"] - found["divergence_floor"])
    error = float(np.hypot(found["divergence_error"], found["divergence_floor_error"]))
    return [
        Line(
            "power: divergence of a network after 20 steps, in standard errors",
            f"{excess / error:.1f}",
            ">= 5",
            HOLDS if excess / error >= 5 else SHORT,
            f"{excess:.3f}, se {error:.3f}; transition error {float(found['transition_error']):.3f}",
        )
    ]


def measure_paper(*, quick: bool) -> list[Line]:
    """The published loss, trained at the published rate, and its own floor; the rest reported."""
    import dataclasses

    import jax.numpy as jnp

    from neurodyn.inference.sinkhorn import sinkhorn_divergence

    case = cases()["linear_3"]
    recipe = dataclasses.replace(settings(case.clip, quick), learning_rate=1e-3, last=0.1)
    steps = QUICK_STEPS if quick else STEPS
    fit = case_fit(case, 0, quick, loss="paper", steps=steps, training=recipe)
    target = case.target(quick)
    sample = generated(fit, case.steps, quick)
    size = QUICK_BATCH if quick else BATCH

    def flat(recording: xr.Dataset, first: int) -> jnp.ndarray:
        codes = recording["activity"].values[first : first + size, :, 0].astype(int)
        return jnp.asarray(np.eye(case.chain.n_symbols, dtype=np.float32)[codes].reshape(size, -1))

    def loss(one: xr.Dataset, two: xr.Dataset, shift: int) -> float:
        values = [
            float(sinkhorn_divergence(flat(one, i * size), flat(two, (i + shift) * size), steps=case.steps))
            for i in range(4)
        ]
        return float(np.mean(values))

    ours, floor = loss(sample, target, 0), loss(target, target, 5)
    found = scores(sample, target, quick)
    bar = 1.05
    return [
        at_most("published loss, M=3: over its floor", ours / floor, bar, note=f"{ours:.2f} / {floor:.2f}"),
        Line(
            "published loss, M=3: transition error, volatility ratio, rare symbol's ratio",
            f"{float(found['transition_error']):.4f}, {float(found['volatility_ratio']):.3f}, "
            f"{float(found['rare_ratio']):.2f}",
            note=f"divergence {float(found['divergence']):.3f}, of the target {float(found['divergence_floor']):.3f}",
        ),
    ]


def measure_large(*, quick: bool) -> list[Line]:
    """One run at the published batch of 4096."""
    import dataclasses

    case = cases()["linear_3"]
    model = emulator(case.clip, quick)
    if not quick:
        model = dataclasses.replace(
            model, steps=300, training=dataclasses.replace(model.training, batch_size=4096)
        )
    fit = trained(model, case.recording(2048 if quick else 12_288, key=100), 0)
    target = case.target(quick)
    found = lines_of("M=3 at batch 4096", [scores(generated(fit, case.steps, quick), target, quick)], [fit])
    minutes = at_most("M=3 at batch 4096: minutes", fit.trace.seconds / 60, 60.0)
    return [*found[:-1], minutes]


def measure_bias(*, quick: bool) -> list[Line]:
    """Both losses at the target and at two chains near it: without the rare symbol, and with rarer changes."""
    import dataclasses

    import jax.numpy as jnp

    from neurodyn.inference.sinkhorn import independent_divergence, sinkhorn_divergence

    chain, steps, draws = linear_chain(3), 30, 4 if quick else 20
    size = QUICK_BATCH if quick else BATCH
    common = chain.emission * np.array([1, 0, 1])
    slower = chain.transition * np.where(np.eye(3), 0, 0.6)
    family = {
        "target": chain,
        "no rare symbol": dataclasses.replace(chain, emission=common / common.sum(1, keepdims=True)),
        "changes x .6": dataclasses.replace(chain, transition=slower + np.diag(1 - slower.sum(1))),
    }

    def flat(one: SymbolChain, key: int) -> jnp.ndarray:
        return jnp.asarray(np.eye(3, dtype=np.float32)[one.draw(size, steps, key=key)[0]].reshape(size, -1))

    found: dict[str, tuple[float, float, float]] = {}
    for name, one in family.items():
        published, independent = [], []
        for k in range(draws):
            x, other = flat(one, 4 * k), flat(one, 4 * k + 1)
            y, second = flat(chain, 4 * k + 2), flat(chain, 4 * k + 3)
            published.append(float(sinkhorn_divergence(x, y, steps=steps)))
            independent.append(float(independent_divergence(x, other, y, second, steps=steps)))
        error = float(np.std(independent, ddof=1) / np.sqrt(draws))
        found[name] = float(np.mean(published)), float(np.mean(independent)), error
    lines = [
        Line(
            f"losses at batch {size}, {name}: published, independent",
            f"{published:.3f}, {independent:.3f}",
            note=f"se of the independent one {error:.3f}",
        )
        for name, (published, independent, error) in found.items()
    ]
    _, at_target, error = found["target"]
    lines.append(
        Line(
            "the independent loss is zero at the target, in standard errors",
            f"{at_target / error:.1f}",
            "within 3",
            HOLDS if abs(at_target) <= 3 * error else SHORT,
        )
    )
    return lines
