"""Lines from results over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.measure import HOLDS, REPORTED, SHORT, Line
from benchmarks.switching_glm.cases import PRIORS, Case, Result

BEHIND = 0.003
GAPS = {"Gaussian": 0.0015, "one-hot": 0.001}
ERRORS = {"Gaussian": 0.025, "one-hot": 0.008}
Results = Mapping[str, Sequence[Result]]


def listed(values: Sequence[float], digits: int = 4) -> str:
    """Mean, standard deviation and every value in the order of the seeds."""
    found = np.asarray(values, float)
    each = ", ".join(f"{value:.{digits}f}" for value in found)
    if len(found) == 1:
        return each
    return f"{found.mean():.{digits}f} +- {found.std(ddof=1):.{digits}f} ({each})"


def judged(
    name: str, values: Sequence[float], sense: str, bar: float | None, digits: int = 4, note: str = ""
) -> Line:
    """The mean over seeds against a bar; the note tells how many seeds reach it by themselves."""
    text = listed(values, digits)
    if bar is None:
        return Line(name, text, note=note)
    found = np.asarray(values, float)
    below = sense == "<="
    holds = found.mean() <= bar if below else found.mean() >= bar
    single = int((found <= bar).sum() if below else (found >= bar).sum())
    count = f"{single} of {len(found)} seeds reach it alone"
    return Line(
        name, text, f"{sense} {bar:g}", HOLDS if holds else SHORT, "; ".join(filter(None, [count, note]))
    )


def state_lines(where: str, cases: Sequence[Case], results: Results) -> list[Line]:
    """State accuracy of the truth and of every fit; every single fit must keep up with the truth."""
    lines = [Line(f"{where}: state accuracy of the truth", listed([case.truth_accuracy for case in cases]))]
    for prior, found in results.items():
        worst = max(one["behind"] for one in found)
        lines.append(
            Line(
                f"{where}: state accuracy, {prior}",
                listed([one["accuracy"] for one in found]),
                f">= truth - {BEHIND} in every fit",
                HOLDS if worst <= BEHIND else SHORT,
                f"largest shortfall {worst:+.4f}",
            )
        )
    return lines


def gap_lines(where: str, cases: Sequence[Case], results: Results) -> list[Line]:
    """Truth's test log-likelihood minus the fit's, per bin and unit."""
    allowance = f"p/2T with known states {cases[0].allowance():.5f}"
    return [
        judged(f"{where}: gap to the truth, {prior}, nats/bin/neuron", [one["gap"] for one in results[prior]], "<=",
               GAPS.get(prior), 5, allowance if prior != "one-hot" else "")
        for prior in results
    ]  # fmt: skip


def error_lines(
    where: str, cases: Sequence[Case], results: Results, bars: Mapping[str, float] = ERRORS
) -> list[Line]:
    """Mean absolute weight error over states and pairs, beside that of no couplings."""
    zero = listed([float(np.abs(case.network.weights).mean()) for case in cases])
    return [
        judged(
            f"{where}: weight error, {prior}",
            [one["mae"] for one in results[prior]],
            "<=",
            bars.get(prior),
            note=f"W = 0: {zero}",
        )
        for prior in results
    ]


def compared(ours: Sequence[float], theirs: Sequence[float], less: bool) -> str:
    """Whether the one-hot fit is better than its rival, in the mean and seed by seed."""
    ahead = np.subtract(theirs, ours) if less else np.subtract(ours, theirs)
    word = "better than" if ahead.mean() > 0 else "not better than"
    counts = f"better in {int((ahead > 0).sum())}, equal in {int((ahead == 0).sum())}, worse in {int((ahead < 0).sum())}"
    return f"the one-hot fit is {word} this, by {abs(ahead.mean()):.4f} in the mean; {counts} of {len(ahead)} seeds"


def link_lines(where: str, results: Results, verdicts: bool = True) -> list[Line]:
    """Signs of the one-hot fit, a thresholded Gaussian fit beside it, and which of the two is better."""
    ours = results["one-hot"]
    bars = {"sign": (">=", 0.97), "recall": (">=", 0.88), "false": ("<=", 0.02)}
    names = {"sign": "sign/zero accuracy", "recall": "recall of present links", "false": "false links"}
    lines = []
    for key, name in names.items():
        sense, bar = bars[key]
        values = [one[key] for one in ours]
        lines.append(judged(f"{where}: {name}, one-hot", values, sense, bar if verdicts else None))
    if "Gaussian" not in results:
        return lines
    theirs = [one["thresholded"] for one in results["Gaussian"]]
    for key, name in {**names, "mae": "weight error"}.items():
        mine, other = ([one[key] for one in group] for group in (ours, theirs))
        lines.append(
            Line(
                f"{where}: {name}, Gaussian fit thresholded at 3 standard errors",
                listed(other),
                note=compared(mine, other, less=key in ("false", "mae")),
            )
        )
    return lines


def connectome_lines(where: str, results: Results, verdicts: bool = True) -> list[Line]:
    """What the learnt connectome tells apart."""
    found = results["one-hot"]
    likely = [one["likely"] for one in found]
    oracle = [one["likely_oracle"] for one in found]
    behind = np.subtract(oracle, likely)
    bars = (0.96, 0.98) if verdicts else (None, None)
    verdict = HOLDS if behind.mean() <= 0.02 else SHORT
    return [
        judged(
            f"{where}: connectome AUC, present in a state", [one["present"] for one in found], ">=", bars[0]
        ),
        Line(
            f"{where}: connectome AUC, true probability of a link above .5",
            listed(likely),
            ">= all states' true links - 0.02" if verdicts else "",
            verdict if verdicts else REPORTED,
            f"true links reach {listed(oracle)}; {int((behind <= 0.02).sum())} of {len(behind)} seeds are within 0.02",
        ),
        judged(
            f"{where}: connectome AUC, excitatory against inhibitory",
            [one["excitatory"] for one in found],
            ">=",
            bars[1],
        ),
    ]


def curve_line(n_train: int, results: Results) -> Line:
    """One point of the curve over training sequences, every prior from the same key."""
    parts = []
    for key, name, digits in (("accuracy", "accuracy", 3), ("mae", "weight error", 4), ("gap", "gap", 4)):
        each = [
            f"{prior} {np.mean(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"
            for prior in PRIORS
            if (values := [one[key] for one in results.get(prior, ())])
        ]
        parts.append(f"{name}: {', '.join(each)}")
    return Line(
        f"N 20, {n_train} training sequence{'s' * (n_train > 1)}",
        "; ".join(parts),
        note="mean (range) over seeds",
    )


def cost_line(where: str, results: Results) -> Line:
    """Seconds of a fit, and the sorts of warnings heard."""
    parts = [f"{prior} {listed([one['cpu'] for one in found], 0)}" for prior, found in results.items()]
    heard: Any = {
        said.split(":")[0][:60] for found in results.values() for one in found for said in one["warnings"]
    }
    return Line(
        f"{where}: CPU seconds of a fit",
        "; ".join(parts),
        note="warnings: " + ("; ".join(sorted(heard)) or "none"),
    )
