"""What the states of fits to real recordings are: held-out epochs, and how a mouse chooses in each."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import xarray as xr

from benchmarks.measure import HOLDS, SHORT, Line
from benchmarks.switching_glm.real_scores import Family, Scores

LEVEL = 0.05
CONTRASTS = (-1.0, -0.25, -0.0625, 0.0, 0.0625, 0.25, 1.0)


def decoded_epochs(scores: Scores, name: str, labels: xr.DataArray) -> xr.DataArray:
    """Epoch of every held-out bin, told by its states: 0 or 1 in the order of the names, NaN where not held out.

    A state is known by how often it occurred in either epoch of the training part; spikes of the held-out part are all
    that says which states it is in. Epochs weigh the same, however much of each is in the training part.
    """
    names = np.unique(labels)
    told = np.full(labels.sizes["time"], np.nan)
    for fold, split in enumerate(scores.comparison.splits[scores.protocol]):
        fit = scores.fit(name, fold)
        seen = split.train["activity"].notnull().any("unit").values
        chance = fit.infer(split.train)["state_probability"].values
        occupied = np.array([chance[seen & (labels.values == epoch)].mean(axis=0) for epoch in names])
        second = occupied[1] / np.maximum(occupied.sum(axis=0), 1e-12)
        held = split.target["activity"].notnull().any("unit").values
        told[held] = fit.infer(split.target)["state_probability"].values[held] @ second > 0.5
    return labels.copy(data=told)


def epoch_lines(where: str, scores: Scores, recording: xr.Dataset, names: Sequence[str]) -> list[Line]:
    """Held-out states against the experimenter's epochs, beside circular shifts."""
    from neurodyn.analysis import alignment_to_labels

    labels = recording["epoch"].drop_vars(
        [name for name in recording["epoch"].coords if name not in ("time",)]
    )
    epochs = np.unique(labels)
    lines = []
    for name in names:
        path = decoded_epochs(scores, name, labels)
        held = np.isfinite(path.values)
        right = {
            str(epoch): float((path.values[held & (labels.values == epoch)] == k).mean())
            for k, epoch in enumerate(epochs)
        }
        by_fold = []
        for split in scores.comparison.splits[scores.protocol]:
            at = split.target["activity"].notnull().any("unit").values
            by_fold.append(float((epochs[path.values[at].astype(int)] == labels.values[at]).mean()))
        found = alignment_to_labels(path, labels, key=0, n_shifts=1000)
        p_value = float(found["p_value"])
        lines.append(
            Line(
                f"{where}: held-out states tell {' from '.join(map(str, epochs))}, {name}",
                f"accuracy {np.mean(list(right.values())):.3f} ("
                + ", ".join(f"{epoch} {value:.3f}" for epoch, value in right.items())
                + f"; folds {', '.join(f'{value:.3f}' for value in by_fold)}), normalised mutual information "
                f"{float(found['nmi']):.3f}, null {float(found['null_mean']):.3f} (95 % below "
                f"{float(found['null_95']):.3f}), p {p_value:.3f}",
                f"p <= {LEVEL:g}",
                HOLDS if p_value <= LEVEL else SHORT,
                "one session with one change of epoch: slow drift of the recording would look the same",
            )
        )
    return lines


def choice_lines(where: str, scores: Scores, recording: xr.Dataset, make: Family, name: str) -> list[Line]:
    """What the mouse does in every state of a fit to all trials.

    At the number of states most folds chose, and never fewer than two, so that a reader sees what a second state
    would be.
    """
    chosen = Counter(scores.numbers(name)).most_common(1)[0][0]
    n_states = max(chosen, 2)
    fit = make(n_states).fit(recording, key=0, max_iterations=1000)
    data = fit.parameters
    chance = fit.infer(recording)["state_probability"].values
    stimulus = np.tanh(5 * np.array(CONTRASTS)) / np.tanh(5)
    lines = []
    for state in range(n_states):
        previous = float(data["history_weight"][state, 0, 0])
        bias = float(data["bias"][state, 0]) + 0.5 * previous  # half-way between the two previous choices
        slope = float(data["covariate_weight"][state, 0, 0])
        curve = 1 / (1 + np.exp(-(bias + slope * stimulus)))
        text = ", ".join(f"{c:+g}: {p:.2f}" for c, p in zip(CONTRASTS, curve, strict=True))
        lasts = 1 / max(1 - float(data["transition"][state, state]), 1e-6)
        lines.append(
            Line(
                f"{where}: P(right) by contrast in state {state} of {n_states}, fitted to all trials",
                text,
                note=f"held-out blocks choose {chosen}; {chance[:, state].mean():.0%} of trials, {lasts:.1f} at a stretch; "
                f"log-odds: stimulus {slope:.1f}, bias {bias:+.2f}, previous choice {previous:+.2f}",
            )
        )
    return lines
