"""Held-out scores of many models on the same entries, and lines from them.

Every model, at every number of states, is fitted to the same training parts and scored on the same entries of the
held-out ones. Which number of states a family uses on a fold is decided by its scores on the other folds.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.measure import HOLDS, SHORT, Line

CHOOSES = "log_likelihood"
KINDS = ("", "_exact", "_estimate")
# Standard errors above which a mean difference counts.
WANTED = 2.0
Family = Callable[[int], Any]


def of_states(family: str, n_states: int) -> str:
    """Label of a family's model."""
    return f"{family}, {n_states}"


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
    """Fold by fold, what a comparison found.

    Parameters
    ----------
    comparisons : tuple of neurodyn.validation.Comparison
        Under one protocol, of different models on the same entries.
    families : dict of str to tuple of int
        Names of models with a number of states, and the numbers they were fitted with.
    follow : dict of str to str
        Families that take the numbers of states another one chooses.
    """

    comparisons: tuple[Any, ...]
    families: dict[str, tuple[int, ...]]
    follow: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def comparison(self) -> Any:
        """The first comparison."""
        return self.comparisons[0]

    def joined(self, other: "Scores", follow: str) -> "Scores":
        """Both, where the other's families take the numbers of states that one of these chooses."""
        sizes = [int(one.scores["n_entries"].max()) for one in (*self.comparisons, *other.comparisons)]
        if len(set(sizes)) > 1:
            raise RuntimeError(f"the comparisons score {sizes} entries; they must score the same ones")
        return Scores(
            (*self.comparisons, *other.comparisons),
            {**self.families, **other.families},
            {**self.follow, **dict.fromkeys(other.families, follow)},
        )

    def home(self, label: str) -> Any:
        """The comparison that holds a model."""
        return next(one for one in self.comparisons if label in one.scores["model"].values)

    @property
    def protocol(self) -> str:
        """The one protocol."""
        return str(self.comparison.scores["protocol"].values[0])

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.comparison.scores.sizes["fold"])

    def folds(self, label: str, metric: str) -> np.ndarray:
        """A model's score in every fold, of whatever kind its likelihood is."""
        found = self.home(label).scores["fold_value"].isel(protocol=0).sel(model=label)
        columns = [metric + kind for kind in KINDS if metric + kind in found["metric"].values]
        values = [found.sel(metric=column).values for column in columns]
        return next((one for one in values if np.isfinite(one).all()), np.full(self.n_folds, np.nan))

    def estimated(self, label: str, metric: str) -> bool:
        """Whether a model's likelihood is an estimate: of some bins it was approximated."""
        found = self.home(label).scores["fold_value"].isel(protocol=0).sel(model=label)
        column = f"{metric}_estimate"
        return column in found["metric"].values and bool(np.isfinite(found.sel(metric=column)).all())

    def numbers(self, family: str) -> list[int]:
        """Number of states on every fold: the best mean on the other folds, so that the fold itself has no say."""
        family = self.follow.get(family, family)
        table = {n: self.folds(of_states(family, n), CHOOSES) for n in self.families[family]}
        return [
            max(table, key=lambda n: float(np.delete(table[n], fold).mean())) for fold in range(self.n_folds)
        ]

    def labels(self, name: str) -> list[str]:
        """The model that stands for a name on every fold."""
        if name not in self.families:
            return [name] * self.n_folds
        return [of_states(name, n) for n in self.numbers(name)]

    def values(self, name: str, metric: str) -> np.ndarray:
        """Score in every fold, of a model or of a family with its number of states chosen by the other folds."""
        return np.array(
            [self.folds(label, metric)[fold] for fold, label in enumerate(self.labels(name))], float
        )

    def seconds(self) -> str:
        """Seconds spent in the fits of every family and model."""
        known = {of_states(name, n): name for name, numbers in self.families.items() for n in numbers}
        totals: dict[str, float] = {}
        for one in self.comparisons:
            spent = one.scores["seconds_fit"].isel(protocol=0)
            for label, value in zip(spent["model"].values, spent.values, strict=True):
                name = known.get(str(label), str(label))
                totals[name] = totals.get(name, 0.0) + float(value)
        return ", ".join(f"{name} {value:.0f}" for name, value in totals.items())

    def fit(self, name: str, fold: int) -> Any:
        """The fit that stands for a name on one fold."""
        label = self.labels(name)[fold]
        return self.home(label).fits[self.protocol, label][fold]


def score(
    recording: Any,
    protocol: Any,
    families: Mapping[str, tuple[Family, Sequence[int]]],
    models: Mapping[str, Any],
    metrics: Sequence[str],
    options: Mapping[str, Any],
) -> Scores:
    """All families with all their numbers of states, and models without, in one comparison."""
    import neurodyn

    every = {
        of_states(name, n): make(n) for name, (make, numbers) in families.items() for n in numbers
    } | dict(models)
    comparison = neurodyn.compare(
        every,
        recording,
        protocol,
        key=0,
        metrics=list(metrics),
        nulls=(),
        repeats=None,
        n_bootstrap=50,
        fit_options=dict(options),
        on_error="raise",
    )
    return Scores((comparison,), {name: tuple(numbers) for name, (_, numbers) in families.items()})


def error_of(values: np.ndarray) -> float:
    """Standard error of a mean over folds."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def told(values: np.ndarray, digits: int = 3, sign: str = "+") -> str:
    """Mean, standard error and every fold."""
    each = ", ".join(f"{value:{sign}.{digits}f}" for value in values)
    return f"{values.mean():{sign}.{digits}f} (standard error {error_of(values):.{digits}f}; folds {each})"


def table_lines(where: str, scores: Scores, names: Sequence[str], metrics: Mapping[str, str]) -> list[Line]:
    """Every model's scores, fold by fold."""
    lines = []
    for name in names:
        found = {metric: scores.values(name, metric) for metric in metrics}
        parts = [
            f"{unit} {told(found[metric], sign='' if metric == 'accuracy' else '+')}"
            for metric, unit in metrics.items()
            if np.isfinite(found[metric]).all()  # a likelihood of another kind has no place in the table
        ]
        notes = []
        if name in scores.families:
            notes.append(f"states chosen by the other folds: {', '.join(map(str, scores.numbers(name)))}")
        if scores.estimated(scores.labels(name)[0], CHOOSES):
            notes.append(
                "likelihood an estimate: how a block begins depends on bins before it, which are hidden"
            )
        lines.append(Line(f"{where}: {name}", "; ".join(parts), note="; ".join(notes)))
    return lines


def curve_lines(where: str, scores: Scores, metric: str, unit: str) -> list[Line]:
    """Held-out score against the number of states, mean and standard error over folds."""
    lines = []
    for family, numbers in scores.families.items():
        found = {n: scores.folds(of_states(family, n), metric) for n in numbers}
        if len(found) < 2:
            continue
        text = ", ".join(f"{n}: {v.mean():+.3f} +- {error_of(v):.3f}" for n, v in found.items())
        lines.append(Line(f"{where}: {unit} by number of states, {family}", text))
    return lines


def paired_line(
    claim: str, scores: Scores, mine: str, other: str, metric: str, unit: str, note: str = ""
) -> Line:
    """A paired difference over folds, held against twice its standard error."""
    gain = scores.values(mine, metric) - scores.values(other, metric)
    error = error_of(gain)
    above = int((gain > 0).sum())
    return Line(
        claim,
        f"{told(gain)} {unit}, {above} of {len(gain)} folds above 0",
        f"> {WANTED:g} standard errors",
        HOLDS if gain.mean() > WANTED * error else SHORT,
        note,
    )
