"""Plain sweeps against tensorly itself, in double precision; and what lies behind a mask."""

import pathlib
import tempfile

import jax
import numpy as np

from benchmarks import environments
from benchmarks.measure import HOLDS, SHORT, Line, NotMeasured, at_most, unmeasured
from benchmarks.race import SCRIPTS, run_script
from neurodyn.inference.factorise.fitting import fit
from neurodyn.inference.factorise.streaming import fit_blocks
from neurodyn.simulate.tensors import planted_tensor

SHAPE, RANK, SWEEPS, SAME = (100, 100, 500), 10, 30, 1e-6
QUICK_SHAPE, QUICK_RANK = (30, 40, 50), 5
# Inner passes over the components at every update of a mode: of tensorly's packaged algorithm, and of the classic one.
PASSES = {"whole": 5, "single": 1}
NAMES = {
    "whole": "non_negative_parafac_hals, its 5 inner passes",
    "single": "its hals_nnls and unfolding_dot_khatri_rao, 1 pass a mode and sweep",
}
FILLS = (0.0, 1e3, -1.0, np.nan, np.inf)


def measure(*, quick: bool) -> list[Line]:
    """The lines."""
    shape, rank = (QUICK_SHAPE, QUICK_RANK) if quick else (SHAPE, RANK)
    return [*tensorly_lines(shape, rank), *mask_lines(shape if quick else (60, 70, 80), rank)]


def tensorly_lines(shape: tuple[int, ...], rank: int) -> list[Line]:
    """Largest relative difference of the squared error after any sweep, and of the fitted tensors at the end."""
    planted, rng = planted_tensor(shape, rank, key=0), np.random.default_rng([0, 5])
    start = [rng.gamma(2.0, size=(size, rank)) for size in shape]
    claim = "Plain HALS, relative difference of the objective from tensorly's"
    try:
        theirs = ask(planted.values, start)
    except NotMeasured as error:
        return [unmeasured(claim, f"<= {SAME:g}", str(error))]
    half_square = 0.5 * float(np.square(planted.values).sum())
    lines = []
    for name, passes in PASSES.items():
        with jax.enable_x64(True):
            run = fit(
                planted.values,
                rank,
                start=start,
                accelerate=False,
                passes=passes,
                max_sweeps=SWEEPS,
                tolerance=0.0,
            )[0]
        objective = half_square * np.square(theirs[f"{name}_errors"])
        if len(objective) != SWEEPS:
            lines.append(
                unmeasured(claim, f"<= {SAME:g}", f"tensorly made {len(objective)} of {SWEEPS} sweeps")
            )
            continue
        worst = float(np.abs(run.objective / objective - 1).max())
        factors = [theirs[f"{name}_factor_{mode}"] for mode in range(len(shape))]
        model = np.einsum("ir,jr,kr->ijk", *factors, optimize=True)
        apart = float(np.linalg.norm(run.dense() - model) / np.linalg.norm(model))
        note = (
            f"{' x '.join(map(str, shape))}, rank {rank}, no mask, float64, one start, the worst of {SWEEPS} sweeps; "
            f"the fitted tensors differ by {apart:.2g} of their norm at the end"
        )
        lines.append(at_most(f"{claim}: {NAMES[name]}", worst, SAME, note=note))
    return lines


def ask(values: np.ndarray, start: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Tensorly's answer, from a process in its own environment."""
    python = environments.ensure("tensorly")
    with tempfile.TemporaryDirectory(prefix="neurodyn-equality-") as name:
        problem, output = pathlib.Path(name) / "problem.npz", pathlib.Path(name) / "output.npz"
        given = {"values": values, "n_sweeps": np.array(SWEEPS)}
        given |= {f"start_{mode}": factor for mode, factor in enumerate(start)}
        np.savez(problem, **given)  # pyright: ignore[reportArgumentType]
        run_script(python, SCRIPTS / "oracle_tensorly.py", [str(problem), str(output)])
        with np.load(output) as stored:
            return dict(stored)


def mask_lines(shape: tuple[int, ...], rank: int) -> list[Line]:
    """Whether fits differ in any bit once masked entries are altered, in memory and block by block."""
    planted = planted_tensor(shape, rank, key=1, missing=0.3)
    mask = np.isfinite(planted.values)
    half = len(mask) // 2
    worst = []
    for loss in ("squares", "poisson"):
        found = []
        for fill in FILLS:
            values = np.where(mask, planted.values, fill)

            def block(index: int, values: np.ndarray = values) -> tuple[np.ndarray, np.ndarray]:
                here = slice(half * index, half * (index + 1))
                return values[here], mask[here]

            whole = fit(values, rank, mask=mask, key=0, loss=loss, restarts=2, max_sweeps=20)
            found.append([*whole, fit_blocks(block, 2, rank, key=0, loss=loss, max_sweeps=20)])
        for other in found[1:]:
            for one, first in zip(other, found[0], strict=True):
                pairs = zip((one.objective, *one.factors), (first.objective, *first.factors), strict=True)
                worst.append(all(np.array_equal(a, b) for a, b in pairs))
    same = all(worst)
    note = f"{len(worst)} fits with 0, 1000, -1, NaN or infinity behind the mask: two losses, in memory and in blocks"
    said = "no bit differs" if same else f"{worst.count(False)} fits differ"
    return [Line("Masked entries altered", said, "no bit differs", HOLDS if same else SHORT, note)]
