"""Task fMRI: state paths of held-out runs against what was on the screen, leave one run out."""

import itertools
from collections.abc import Sequence

import numpy as np
import xarray as xr

from benchmarks.hmm.hcp import Setting, chosen_without, hidden_markov
from benchmarks.measure import HOLDS, SHORT, Line, NotMeasured, unmeasured
from benchmarks.recordings import haxby_runs

STATES, STRENGTHS = (3, 6, 9, 12), (0, 100)
COMPONENTS = 10
RESTARTS = 3
SLOWEST = 1 / 128
LEVEL = 0.05
# The blood follows the brain by about five seconds; labels are compared with the volumes they act on.
HAEMODYNAMIC_LAG = 5.0
Pair = tuple[xr.DataArray, xr.DataArray]


def held_out_paths(
    recording: xr.Dataset, settings: Sequence[Setting], runs: int | None
) -> tuple[list[Pair], list]:
    """State path and labels of every held-out run, and the setting chosen for it.

    The labels, later by the haemodynamic lag, take no part in any fit or choice: number of states and prior strength
    are those with the highest held-out likelihood on the other runs.
    """
    from neurodyn.models import PCA, Pipeline, Standardise
    from neurodyn.validation import holdout

    scores: dict[Setting, list[float]] = {setting: [] for setting in settings}
    paths: list[dict[Setting, xr.DataArray]] = []
    splits = holdout.groups("run").splits(recording)[:runs]
    for split in splits:
        run = recording.isel(trial=[int(split.test_trials[0])])
        found = {}
        for setting in settings:
            model = Pipeline(Standardise(), PCA(COMPONENTS), hidden_markov(setting))
            fit = model.fit(split.train, key=split.fold, restarts=RESTARTS)
            scores[setting].append(float(fit.log_likelihood(split.target).mean()))
            found[setting] = fit.infer(run)["state_path"]
        paths.append(found)
    table = {setting: np.array(values) for setting, values in scores.items()}
    chosen = [chosen_without(table, fold) for fold in range(len(splits))]
    pairs = []
    for split, found, setting in zip(splits, paths, chosen, strict=True):
        path = found[setting]
        labels = recording.isel(trial=[int(split.test_trials[0])])["label"]
        labels = labels.drop_vars([name for name in labels.coords if name not in path.coords])
        lag = round(HAEMODYNAMIC_LAG / recording.attrs["sampling_interval"])
        pairs.append((path, labels.copy(data=np.roll(labels.values, lag, axis=labels.dims.index("time")))))
    return pairs, chosen


def averaged_alignment(pairs: list[Pair]) -> tuple[float, float, float]:
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


def without_rest(pairs: list[Pair]) -> list[Pair]:
    """The same paths, with the volumes of rest unlabelled: only the eight categories remain."""
    return [(path, labels.where(labels != "rest", "")) for path, labels in pairs]


def measure(quick: bool = False) -> list[Line]:
    """Leave one run out.

    Parameters
    ----------
    quick : bool
        Only the first four runs are held out in turn, and two numbers of states tried.

    Returns
    -------
    list of Line
        Alignment to the eight categories and rest (with the verdict), and to the categories alone.
    """
    from neurodyn.models import HighPass

    name = "task fMRI, held-out runs: states and the 8 categories with rest"
    try:
        recording = haxby_runs()
    except NotMeasured as error:
        return [unmeasured(name, f"p <= {LEVEL:g}", str(error))]
    # Every run loses its own slow drift; nothing passes from run to run.
    recording = HighPass(cutoff=SLOWEST, method="cosine").fit(recording).forward(recording)
    grid = ((6, 9), (0,)) if quick else (STATES, STRENGTHS)
    pairs, chosen = held_out_paths(recording, list(itertools.product(*grid)), 4 if quick else None)
    settings = ", ".join(f"{k} states with strength {strength}" for k, strength in sorted(set(chosen)))
    about = f"{settings}; {len(pairs)} of {recording.sizes['trial']} runs held out, circular shifts"
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
