"""Entropic transport in single precision, as training takes it, against exact assignment and long double iterations."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.measure import Line, at_most, table
from neurodyn.inference.sinkhorn import transport_cost
from neurodyn.simulate.symbol_chains import linear_chain

STEPS, SYMBOLS, BLUR = 30, 3, 0.04
SIZES = (256, 1024)
MOST, CHECKED, TOLERANCE = 20_000, 50, 1e-9
SPREAD = 0.3
SETTINGS = (
    (BLUR, 0.25, 1),
    (BLUR, 0.25, 100),
    (BLUR, 0.7, 5000),
    (BLUR / 4, 0.95, 5000),
    (BLUR / 16, 0.95, 10_000),
)
SAME, SAME_PARTNERS, NEAR = 1e-5, 2e-3, 5e-3


def batches(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Two samples of sequences of the linear chain of three states, one-hot."""
    chain, eye = linear_chain(3), np.eye(SYMBOLS)
    one, two = (eye[chain.draw(size, STEPS, key=key)[0]].reshape(size, -1) for key in (0, 1))
    return one, two


def scattered(size: int) -> tuple[np.ndarray, np.ndarray]:
    """The same with normal noise, so that one assignment alone is the best and the exact gradient exists."""
    random = np.random.default_rng(0)
    one, two = (x + SPREAD * random.normal(size=x.shape) for x in batches(size))
    return one, two


def half_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Half the squared distances."""
    return np.square(x).sum(1)[:, None] / 2 + np.square(y).sum(1) / 2 - x @ y.T


def converged(x: np.ndarray, y: np.ndarray, blur: float) -> tuple[float, np.ndarray, float]:
    """Value, mean partner of every row of x, and largest error of a marginal: double precision, many plain updates."""
    cost, n, m = half_squares(x, y), len(x), len(y)
    f, g, at = np.zeros(n), np.zeros(m), float(cost.max())
    while True:
        f, g = _balanced(f, g, cost, at)
        for _ in range(MOST // CHECKED if at == blur else 2):
            kernel = np.exp((f[:, None] + g - cost) / at)
            u, v = np.ones(n), np.ones(m)
            for _ in range(CHECKED):
                u = 1 / np.maximum(kernel @ v / m, 1e-100)
                v = 1 / np.maximum(u @ kernel / n, 1e-100)
            # The scaled kernel loses what it rounds to zero: every few updates are absorbed and checked in logarithms.
            f, g = _balanced(f + at * np.log(u), g + at * np.log(v), cost, at)
            plan = np.exp((f[:, None] + g - cost) / at)
            error = float(np.abs(plan.mean(0) - 1).max())
            if error < TOLERANCE:
                break
        if at == blur:
            break
        at = max(at * 0.5, blur)
    return float(f.mean() + g.mean()), plan @ y / plan.sum(1, keepdims=True), error


def _balanced(f: np.ndarray, g: np.ndarray, cost: np.ndarray, blur: float) -> tuple[np.ndarray, np.ndarray]:
    """One update of either side in the log domain, which also undoes what the scaling of the kernel left over."""

    def soft_minimum(values: np.ndarray) -> np.ndarray:
        least = values.min(axis=1, keepdims=True)
        return (least - blur * np.log(np.exp((least - values) / blur).mean(axis=1, keepdims=True)))[:, 0]

    g = soft_minimum((cost - f[:, None]).T)
    return soft_minimum(cost - g), g


def assigned(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Cost of the best assignment, and its gradient in x."""
    cost = half_squares(x, y)
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean()), (x - y[columns]) / len(x)


def entropic(
    x: np.ndarray, y: np.ndarray, blur: float, scaling: float, updates: int, steps: int | None = None
) -> tuple[float, np.ndarray]:
    """Value and gradient of the package, in single precision."""
    cost = functools.partial(transport_cost, steps=steps, blur=blur, scaling=scaling, updates=updates)
    value, gradient = jax.value_and_grad(cost)(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32))
    return float(value), np.asarray(gradient, np.float64)


def apart(found: np.ndarray, true: np.ndarray) -> float:
    """Norm of the difference over that of the truth."""
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def errors(sizes: tuple[int, ...] = SIZES, settings: tuple = SETTINGS) -> tuple[str, list[Line]]:
    """Table of errors by size and blur, and what must hold of those with many updates."""
    header = (
        "batch",
        "blur",
        "updates at it",
        "sequences: value / converged, less 1",
        "mean partners / converged",
        "marginal of the reference",
        "sequences: value / assignment, less 1",
        "points: value / assignment, less 1",
        "points: gradient / assignment",
    )
    rows: list[tuple[Any, ...]] = []
    lines: list[Line] = []
    for size in sizes:
        codes, points = batches(size), scattered(size)
        discrete, exact = assigned(*codes), assigned(*points)
        reference = {blur: converged(*codes, blur) for blur in {blur for blur, _, _ in settings}}
        figures: list[tuple[float, float, float]] = []
        for blur, scaling, updates in settings:
            found = entropic(*points, blur, scaling, updates)
            value, gradient = entropic(*codes, blur, scaling, updates, STEPS)
            true, partners, marginal = reference[blur]
            figures.append((value / true - 1, apart(-size * gradient, partners), value / discrete[0] - 1))
            rows.append(
                (
                    size,
                    f"{blur:g}",
                    f"{updates}{' (training)' if updates == 1 else ''}",
                    f"{figures[-1][0]:.1e}",
                    f"{figures[-1][1]:.1e}",
                    f"{marginal:.0e}",
                    f"{figures[-1][2]:.1e}",
                    f"{found[0] / exact[0] - 1:.1e}",
                    f"{apart(found[1], exact[1]):.1e}",
                )
            )
        many = [one for one, (_, _, updates) in zip(figures, settings, strict=True) if updates > 1000]
        if many:
            lines += [
                at_most(
                    f"batch {size}: value, many updates, against double precision",
                    max(abs(one[0]) for one in many),
                    SAME,
                ),
                at_most(f"batch {size}: gradient, likewise", max(one[1] for one in many), SAME_PARTNERS),
                at_most(
                    f"batch {size}: value at the smallest blur against the best assignment",
                    abs(many[-1][2]),
                    NEAR,
                ),
            ]
    return table(header, rows), lines
