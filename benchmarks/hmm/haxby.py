"""Task fMRI: state paths of held-out runs against what was on the screen, leave one run out."""

import numpy as np
import xarray as xr

from benchmarks.measure import HOLDS, SHORT, Line, NotMeasured, unmeasured
from benchmarks.recordings import haxby_runs

N_STATES = 9
COMPONENTS = 10
SLOWEST = 1 / 128
LEVEL = 0.05
# The blood follows the brain by about five seconds; labels are compared with the volumes they act on.
HAEMODYNAMIC_LAG = 5.0


def held_out_paths(recording: xr.Dataset, runs: int | None = None) -> list[tuple[xr.DataArray, xr.DataArray]]:
    """State path and labels of every held-out run; the labels, later by the haemodynamic lag, take no part in any fit."""
    from neurodyn.models import HMM, PCA, HighPass, Pipeline, Standardise
    from neurodyn.validation import holdout

    model = Pipeline(
        HighPass(cutoff=SLOWEST, method="cosine"), Standardise(), PCA(COMPONENTS), HMM(n_states=N_STATES)
    )
    found = []
    for split in holdout.groups("run").splits(recording)[:runs]:
        fit = model.fit(split.train, key=split.fold)
        trial = int(split.test_trials[0])
        run = recording.isel(trial=[trial])
        path = fit.infer(run)["state_path"]
        labels = run["label"].drop_vars([name for name in run["label"].coords if name not in path.coords])
        lag = round(HAEMODYNAMIC_LAG / recording.attrs["sampling_interval"])
        labels = labels.copy(data=np.roll(labels.values, lag, axis=labels.dims.index("time")))
        found.append((path, labels))
    return found


def averaged_alignment(pairs: list[tuple[xr.DataArray, xr.DataArray]]) -> tuple[float, float, float]:
    """Mean over runs of the normalised mutual information, the mean of its null, and the p value.

    States of different folds have no common names, so the information is computed run by run; the null shifts
    every run's labels by the same number of volumes.
    """
    from neurodyn.analysis.alignment import alignment_to_labels

    found = [
        alignment_to_labels(path, labels, key=0, n_shifts=10_000).sortby("shift") for path, labels in pairs
    ]
    observed = float(np.mean([one["nmi"] for one in found]))
    null = np.mean([one["null"].values for one in found], axis=0)
    return observed, float(null.mean()), float((1 + (null >= observed - 1e-12).sum()) / (1 + len(null)))


def without_rest(pairs: list[tuple[xr.DataArray, xr.DataArray]]) -> list[tuple[xr.DataArray, xr.DataArray]]:
    """The same paths, with the volumes of rest unlabelled: only the eight categories remain."""
    return [(path, labels.where(labels != "rest", "")) for path, labels in pairs]


def measure(quick: bool = False) -> list[Line]:
    """Leave one run out.

    Parameters
    ----------
    quick : bool
        Only the first four runs are held out in turn.

    Returns
    -------
    list of Line
        Alignment to the eight categories and rest (with the verdict), and to the categories alone.
    """
    name = "task fMRI, held-out runs: states and the 8 categories with rest"
    try:
        recording = haxby_runs()
    except NotMeasured as error:
        return [unmeasured(name, f"p <= {LEVEL:g}", str(error))]
    pairs = held_out_paths(recording, 4 if quick else None)
    about = f"{N_STATES} states, {len(pairs)} of {recording.sizes['trial']} runs held out, circular shifts"
    observed, expected, p_value = averaged_alignment(pairs)
    lines = [
        Line(
            name,
            f"normalised mutual information {observed:.3f}, null {expected:.3f}, p {p_value:.3f}",
            f"p <= {LEVEL:g}",
            HOLDS if p_value <= LEVEL else SHORT,
            about,
        )
    ]
    observed, expected, p_value = averaged_alignment(without_rest(pairs))
    lines.append(
        Line(
            "task fMRI, held-out runs: states and the 8 categories alone",
            f"normalised mutual information {observed:.3f}, null {expected:.3f}, p {p_value:.3f}",
            note="rest left out: what the states tell beyond stimulus against no stimulus",
        )
    )
    return lines
