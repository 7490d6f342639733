"""Mouse olfactory cortex: few trials; reported, whoever wins."""

import numpy as np
import xarray as xr

from benchmarks.langevin_flow.models import ablations
from benchmarks.langevin_flow.rat import BASELINE, Task, bits_per_spike, co_smoothing, paired, rates
from benchmarks.measure import Line
from benchmarks.recordings import folder
from neurodyn.errors import ModelError, NotApplicable, RecordingError
from neurodyn.models import create

EPOCHS, BIN, FOLDS = 150, 0.02, 3


def recording() -> xr.Dataset:
    """45 trials of half a second, 30 units."""
    import neurodyn

    return neurodyn.read(
        folder("mouse-olfaction-affinewarp") / "pinene_data.npz",
        bin_width=BIN,
        time_unit="ms",
        window=(0, 0.5),
    )


def tasks(data: xr.Dataset) -> list[Task]:
    """Three folds: ten units of every third by rank, hidden in every third trial."""
    rank = np.argsort(np.argsort(data["activity"].mean(("trial", "time")).values))
    trials = np.arange(data.sizes["trial"])
    return [co_smoothing(data, rank % FOLDS == fold, trials % FOLDS == fold) for fold in range(FOLDS)]


def measure(*, quick: bool) -> list[Line]:
    """Every ablation and baseline."""
    found = tasks(recording())[: 1 if quick else FOLDS]
    rows = dict(ablations(EPOCHS, EPOCHS, quick))
    for name in (
        "smoothed_ridge",
        "smoothed_poisson",
        BASELINE,
        "trial_average",
        "factor_analysis",
        "poisson_lds",
    ):
        rows[name] = create(name)
    counts = np.concatenate([task.counts for task in found])
    reference = np.ones(0)
    lines = []
    for name, model in rows.items():
        try:
            expected = np.concatenate([rates(model, task, 0) for task in found])
        except (NotApplicable, ModelError, RecordingError) as error:
            lines.append(Line(f"Mouse olfaction, {name}", "not applicable", note=str(error)))
            continue
        if name == "default":
            reference = expected
        pooled, median, _ = bits_per_spike(expected, counts)
        gain, error = paired(expected, reference, counts)
        note = f"median unit {median:.3f}; against the default {gain:+.4f} (s.e. {error:.4f}); {len(found)} folds"
        lines.append(Line(f"Mouse olfaction, {name}: bits/spike", f"{pooled:.3f}", note=note))
    return lines
