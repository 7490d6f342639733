"""How trained networks switch: no attractor but the origin, noise that keeps them going, and units that kick."""

import jax
import numpy as np

from benchmarks.measure import HOLDS, SHORT, Line, at_least, at_most
from benchmarks.rnn_emulation.cases import SEEDS, case_fit, cases, listed
from neurodyn.analysis.dynamics import (
    adjoint_score,
    crossing_score,
    crossings,
    growth_rates,
    lyapunov_exponents,
    noise_curve,
    noisy_states,
    residency,
    silencing,
    zones,
)

KICKS = 20
DIRECTIONS = ((0, 2), (2, 0))


def _states(dynamics, quick: bool, key: int = 0) -> np.ndarray:
    """States of noisy runs, ``(step, run, unit)``."""
    n_runs = 64 if quick else 200
    return np.asarray(noisy_states(dynamics, jax.random.key(key), n_runs, 60, discard=30))


def measure_decay(*, quick: bool) -> list[Line]:
    """Homogeneity, decay without noise, switching with it, and contraction under common noise; every seed."""
    rates, exponents, off, turns = [], [], [], []
    for seed in range(1 if quick else SEEDS):
        dynamics = case_fit(cases()["linear_3"], seed, quick).dynamics()
        states = _states(dynamics, quick)
        random = np.random.default_rng(seed)
        flat = states.reshape(-1, dynamics.n_state)
        starts = np.concatenate(
            [flat[random.permutation(len(flat))[:700]], np.abs(random.normal(size=(500, dynamics.n_state)))]
        )
        rates.append(growth_rates(dynamics, starts, n_steps=300).max())
        drives = random.normal(size=(300, dynamics.n_input))
        exponents.append(lyapunov_exponents(dynamics, states[-1, 0], drives, count=1, discard=50)[0])
        curve = noise_curve(dynamics, (0.3, 1.0, 3.7), key=jax.random.key(seed))
        off.append(np.abs(curve.radius / (curve.scale * curve.radius[1]) - 1).max())
        turns.append(curve.leading[1])
    return [
        at_most("M=3: growth per step without noise, worst of 1,200 starts, worst seed", max(rates), 0.9999),
        at_least(
            "M=3: changes of the leading symbol per step with noise, fewest",
            float(min(turns)),
            0.01,
            note=listed(turns),
        ),
        at_most("M=3: largest departure of the orbit's radius from homogeneity", float(max(off)), 1e-4),
        Line("M=3: largest Lyapunov exponent under common noise, seeds", listed(exponents)),
    ]


def measure_kicks(*, quick: bool) -> list[Line]:
    """Silencing the 20 units with the largest adjoint score, in both directions, against both kinds of control."""
    lines = []
    for seed in range(1 if quick else SEEDS):
        dynamics = case_fit(cases()["linear_3"], seed, quick).dynamics()
        states = _states(dynamics, quick)
        flat = states.reshape(-1, dynamics.n_state)
        for origin, target in DIRECTIONS:
            score = adjoint_score(dynamics, flat, origin, target, key=jax.random.key(seed))
            chosen = np.argsort(-score)[:KICKS]
            found = silencing(
                dynamics,
                chosen,
                flat,
                origin,
                target,
                key=jax.random.key(50 + seed),
                n_controls=120 if quick else 200,
            )
            p = max(found.p_random, found.p_matched)
            holds = found.effect >= 0.5 and p < 0.01
            lines.append(
                Line(
                    f"kick units, seed {seed}, {origin} to {target}: lost share of the target's occupancy",
                    f"{found.effect:.2f}",
                    ">= 0.5, p < .01",
                    HOLDS if holds else SHORT,
                    f"p {found.p_random:.3f} random, {found.p_matched:.3f} matched; P(leave in 40) "
                    f"{found.intact_leaves:.2f} to {found.leaves:.2f} ({found.verdict}); controls' occupancy "
                    f"{found.random.mean():.3f}, {found.matched.mean():.3f}; intact {found.intact_occupancy:.3f}",
                )
            )
    return lines


def measure_zones(*, quick: bool) -> list[Line]:
    """Residency zones of seed 0, and how far the crossing score agrees with the adjoint one; reported."""
    dynamics = case_fit(cases()["linear_3"], 0, quick).dynamics()
    states = _states(dynamics, quick)[:, : 32 if quick else 64]
    flat = states.reshape(-1, dynamics.n_state)
    steps = residency(dynamics, flat, key=jax.random.key(1), n_runs=16)
    found = zones(steps.reshape(states.shape[:2]))
    share = np.bincount(found.zone.ravel(), minlength=3) / found.zone.size
    lines = [
        Line(
            "zones: share of transition, kick zone, cluster",
            listed(share),
            note=f"bounds {found.bounds[0]:.1f} and {found.bounds[1]:.1f} steps, {'fixed' if found.fixed else 'thirds'}",
        )
    ]
    symbols = np.asarray(dynamics.logits(states)).argmax(-1)
    for origin, target in DIRECTIONS:
        events = crossings(found.zone, symbols, origin, target)
        if events[4:].sum() < 2:
            lines.append(Line(f"crossing score, {origin} to {target}", "too few crossings"))
            continue
        crossing = crossing_score(states, events, key=0)
        adjoint = adjoint_score(dynamics, flat, origin, target, key=jax.random.key(0))
        both = np.intersect1d(np.argsort(-crossing)[:KICKS], np.argsort(-adjoint)[:KICKS])
        lines.append(
            Line(
                f"crossing score, {origin} to {target}: shared with the {KICKS} units of the adjoint score",
                f"{len(both)}",
                note=f"{int(events.sum())} crossings; correlation {np.corrcoef(crossing, adjoint)[0, 1]:.2f}",
            )
        )
    return lines
