"""How many states, which rank, how strong a prior: the held-out score of every setting."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.base import Fit, Model
from neurodyn.models.pipeline.pipeline import Pipeline
from neurodyn.recording import check
from neurodyn.validation.comparison.assemble import Column, Evidence, assemble, columns
from neurodyn.validation.comparison.grounds import with_chunks
from neurodyn.validation.comparison.plan import chosen_metrics
from neurodyn.validation.comparison.run import run_model
from neurodyn.validation.holdout import Protocol
from neurodyn.validation.layout import derived_key, whole

RULES = ("one_standard_error", "best")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """Held-out score of every setting of a model.

    Parameters
    ----------
    table : xr.Dataset
        On the dims of the grid: ``score``, ``standard_error``, ``lower``, ``upper``, ``deficit`` (paired
        difference from the best setting) with ``deficit_standard_error``, ``fold_score`` (also on ``fold``),
        ``objective`` (final training objective, mean over folds), ``agreement`` (of restarts, mean over folds),
        ``converged`` (share of folds) and ``seconds``; attrs ``metric``, ``metric_unit``, ``higher_is_better``.
    rule : str
        How `best` is chosen.
    model : Model
        The model whose settings were swept.
    fits : dict of tuple to list of Fit
        By setting, one per fold.
    warnings : dict of tuple to tuple of str
        Warnings and failures, by setting.
    complete : bool
        False where the sweep was interrupted.
    """

    table: xr.Dataset
    rule: str
    model: Model
    fits: dict[tuple, list[Fit]]
    warnings: dict[tuple, tuple[str, ...]]
    complete: bool = True

    @property
    def best(self) -> dict[str, Any]:
        """The chosen setting, by `rule`."""
        return self.choose(self.rule)

    def choose(self, rule: str) -> dict[str, Any]:
        """Choose a setting.

        Parameters
        ----------
        rule : {"one_standard_error", "best"}
            The first setting in the order of the grid whose paired deficit from the best one is at most its
            standard error, or the best one.

        Returns
        -------
        dict of str to object
            Hyperparameters.

        Raises
        ------
        ModelError
            If the rule is unknown, or no setting has a score.

        References
        ----------
        .. [1] Hastie, T., Tibshirani, R. and Friedman, J. (2009). The Elements of Statistical Learning, section
           7.10. doi:10.1007/978-0-387-84858-7
        """
        if rule not in RULES:
            raise ModelError(f"rule is {rule!r}; choose one of {', '.join(RULES)}.")
        score = self.table["score"].values
        if not np.isfinite(score).any():
            raise ModelError("no setting has a score; see the sweep's warnings for the reasons.")
        better = score if self.table.attrs["higher_is_better"] else -score
        top = int(np.nanargmax(better))
        if rule == "one_standard_error":
            deficit = np.abs(self.table["deficit"].values.ravel())
            error = self.table["deficit_standard_error"].values.ravel()
            close = np.isfinite(deficit) & np.isfinite(error) & (deficit <= error)
            close[top] = True
            top = int(np.flatnonzero(close)[0])
        place = np.unravel_index(top, score.shape)
        chosen = {}
        for dim, index in zip(self.table["score"].dims, place, strict=True):
            value = self.table[dim].values[index]
            chosen[str(dim)] = value.item() if hasattr(value, "item") else value
        return chosen

    @property
    def best_model(self) -> Model:
        """The model with the chosen setting, to be fitted to all of the data."""
        return with_setting(self.model, self.best)

    def __repr__(self) -> str:
        """The choice, and how many settings it was made from."""
        state = "" if self.complete else ", interrupted"
        return f"<Sweep: {self.table['score'].size} settings by {self.table.attrs['metric']}, best {self.best}{state}>"


def sweep(
    model: Model,
    recording: xr.Dataset,
    protocol: Protocol,
    *,
    key: Any,
    restarts: int | None = None,
    metric: str = "auto",
    rule: str = "one_standard_error",
    n_bootstrap: int = 1000,
    fit_options: Mapping[str, Any] | None = None,
    progress: Any = None,
    skip_empty_folds: bool = False,
    **grid: Iterable[Any],
) -> Sweep:
    """Fit a model with every combination of some hyperparameters and score each on held-out data.

    All settings are scored on the same entries and resampled with the same draws, so that differences between
    them are paired. The training objective always favours the larger model; it is reported, never used.

    Parameters
    ----------
    model : Model
        The model; hyperparameters outside the grid are kept.
    recording : xr.Dataset
        The data.
    protocol : Protocol
        From `neurodyn.validation.holdout`.
    key : int or jax.Array
        All randomness.
    restarts : int, optional
        Restarts of every fit, where the model has them.
    metric : str
        Name from `neurodyn.validation.metrics.METRICS`; default: the log-likelihood where every setting has one of
        the same kind, else the main metric of the kind of units.
    rule : {"one_standard_error", "best"}
        How the best setting is chosen.
    n_bootstrap : int
        Number of resamples.
    fit_options : dict, optional
        Further options of the model's fit.
    progress : object, optional
        Has a method ``update(fraction, text)``.
    skip_empty_folds : bool
        Leave out folds in which nothing was observed, instead of raising.
    **grid : iterable
        Values by hyperparameter, the simplest first: ``n_states=range(2, 9)``. Of a pipeline: those of its last
        model.

    Returns
    -------
    Sweep
        Scores by setting and the chosen one; after Ctrl-C, the finished settings.

    Raises
    ------
    ModelError
        If the grid is empty or names no hyperparameter of the model.
    NotApplicable
        If the protocol does not apply to the recording.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.models import registry
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import holdout, sweep
    >>> recording = make(np.random.default_rng(0).normal(size=(80, 2)), sampling_interval=0.1)
    >>> found = sweep(registry.create("ar_ridge"), recording, holdout.blocks(3), key=0, order=(1, 2), metric="r2")
    >>> found.table["score"].dims
    ('order',)
    """
    check(recording)
    values, models = _settings(model, grid)
    if rule not in RULES:
        raise ModelError(f"rule is {rule!r}; choose one of {', '.join(RULES)}.")
    options = dict(fit_options or {})
    if restarts is not None:
        options["restarts"] = whole("restarts", restarts, 1, "sweep")
    reach = max(max(item.reach for item in models.values()), 0)
    protocol = protocol.with_gap(reach)
    grounds = with_chunks(reach, protocol, recording, protocol.splits(recording, skip_empty=skip_empty_folds))
    metrics = chosen_metrics(metric, recording)
    evidence = Evidence(grounds=grounds, outcomes={})
    complete, done = True, 0
    try:
        for setting, item in models.items():
            outcomes = []
            for fold, ground in enumerate(grounds):
                text = ", ".join(f"{name}={value}" for name, value in zip(values, setting, strict=True))
                if progress is not None:
                    progress.update(done / (len(models) * len(grounds)), f"{text}, fold {fold + 1}")
                fold_key = derived_key(key, "sweep", fold)
                outcomes.append(run_model(item, ground, metrics, key=fold_key, options=options, strict=False))
                done += 1
                last = outcomes[-1].fit
                if last is not None and last.trace.reason.startswith("interrupted"):
                    raise KeyboardInterrupt
            evidence.outcomes[str(setting)] = outcomes
    except KeyboardInterrupt:
        complete = False
    if progress is not None:
        progress.update(1.0, "scored")
    labels = {str(setting): setting for setting in models}
    return Sweep(
        table=_table(evidence, metrics, metric, values, labels, key, n_bootstrap),
        rule=rule,
        model=model,
        fits={
            labels[name]: [outcome.fit for outcome in outcomes if outcome.fit is not None]
            for name, outcomes in evidence.outcomes.items()
        },
        warnings={
            labels[name]: tuple(
                dict.fromkeys(text for o in outcomes for text in (*o.warnings, o.reason) if text)
            )
            for name, outcomes in evidence.outcomes.items()
        },
        complete=complete,
    )


def _settings(model: Model, grid: Mapping[str, Any]) -> tuple[dict[str, list], dict[tuple, Model]]:
    """Values of every hyperparameter, and the model of every combination."""
    if not isinstance(model, Model):
        raise ModelError(f"sweep: model is a {type(model).__name__}, not a neurodyn Model; make it first.")
    if not grid:
        raise ModelError("sweep: the grid is empty; name a hyperparameter, such as n_states=range(2, 9).")
    values = {name: list(items) for name, items in grid.items()}
    empty = [name for name, items in values.items() if not items]
    if empty:
        raise ModelError(f"sweep: {empty[0]} has no value; give at least one.")
    settings = itertools.product(*values.values())
    return values, {s: with_setting(model, dict(zip(values, s, strict=True))) for s in settings}


def with_setting(model: Model, setting: Mapping[str, Any]) -> Model:
    """The model with other hyperparameters; those that a pipeline lacks are those of its last model.

    Parameters
    ----------
    model : Model
        A model or a pipeline.
    setting : mapping of str to object
        Hyperparameters.

    Returns
    -------
    Model
        A new model.

    Raises
    ------
    ModelError
        If there is no such hyperparameter.

    Examples
    --------
    >>> from neurodyn.models import registry
    >>> with_setting(registry.create("hmm", n_states=2), {"n_states": 5}).n_states
    5
    """
    known = {field.name for field in dataclasses.fields(model) if field.init}
    if isinstance(model, Pipeline) and not set(setting) <= known:
        return Pipeline(*model.steps, with_setting(model.final, setting))
    for name in setting:
        if name not in known:
            raise ModelError(
                f"{model.name} has no hyperparameter {name!r}; it has {', '.join(sorted(known))}."
            )
    return dataclasses.replace(model, **setting)


def _column(found: dict[str, Column], metric: str, evidence: Evidence) -> str:
    """The column that chooses: the likelihood shared by all settings, else the first that any has."""
    able = [name for name, outcomes in evidence.outcomes.items() if not any(o.reason for o in outcomes)]
    if metric == "auto":
        for name, column in found.items():
            if column.kind and able and all(evidence.has(model, column) for model in able):
                return name
    for name, column in found.items():
        if any(evidence.has(model, column) for model in able):
            return name
    every = [outcome for outcomes in evidence.outcomes.values() for outcome in outcomes]
    reasons = [text for outcome in every for text in (outcome.reason, *outcome.missing.values()) if text]
    raise NotApplicable("no setting has a score: " + (reasons[0] if reasons else "nothing was finished."))


def _table(
    evidence: Evidence,
    metrics: tuple,
    metric: str,
    values: dict[str, list],
    labels: dict[str, tuple],
    key: Any,
    n_bootstrap: int,
) -> xr.Dataset:
    """Scores on the dims of the grid."""
    found = columns(metrics, {"sweep": evidence})
    name = _column(found, metric, evidence)
    chosen = {name: found[name]}
    models = tuple(evidence.outcomes)
    options: dict[str, Any] = {"key": key, "n_bootstrap": n_bootstrap, "level": 0.95}
    first = assemble({"sweep": evidence}, chosen, models, models, reference=None, **options)
    scores = first.isel(protocol=0, metric=0)
    shape = tuple(len(items) for items in values.values())
    places = {label: np.unravel_index(k, shape) for k, label in enumerate(labels)}
    dims = tuple(values)

    def spread(numbers: Mapping[str, float]) -> tuple[tuple[str, ...], np.ndarray]:
        grid = np.full(shape, np.nan)
        for label, number in numbers.items():
            grid[places[label]] = number
        return dims, grid

    def of(variable: str) -> dict[str, float]:
        return {label: float(scores[variable].sel(model=label)) for label in models}

    deficit, error = of("difference"), of("difference_standard_error")
    best = str(scores["reference"].values)
    if best:
        deficit[best], error[best] = 0.0, 0.0
    fits = {label: [o.fit for o in evidence.outcomes[label] if o.fit is not None] for label in models}
    folds = np.full((*shape, len(evidence.grounds)), np.nan)
    for label in models:
        folds[places[label]] = scores["fold_value"].sel(model=label).values
    data = {
        "score": spread(of("value")),
        "standard_error": spread(of("standard_error")),
        "lower": spread(of("lower")),
        "upper": spread(of("upper")),
        "deficit": spread(deficit),
        "deficit_standard_error": spread(error),
        "fold_score": ((*dims, "fold"), folds),
        "objective": spread({label: _mean(_objective(fit) for fit in fits[label]) for label in models}),
        "agreement": spread({label: _mean(fit.trace.agreement for fit in fits[label]) for label in models}),
        "converged": spread(
            {label: _mean(float(fit.trace.converged) for fit in fits[label]) for label in models}
        ),
        "seconds": spread({label: sum(o.seconds_fit for o in evidence.outcomes[label]) for label in models}),
    }
    column = found[name]
    attrs = {
        "metric": name,
        "metric_unit": column.metric.unit,
        "metric_label": column.metric.label,
        "higher_is_better": column.metric.higher_is_better,
        "n_chunks": int(scores["n_chunks"]),
    }
    return xr.Dataset(data, coords={dim: _labels(items) for dim, items in values.items()}, attrs=attrs)


def _labels(items: list) -> list:
    """Coordinate values: numbers and text as they are, anything else by its words."""
    plain = all(isinstance(item, (int, float, str, np.number)) for item in items)
    return items if plain else [str(item) for item in items]


def _objective(fit: Fit) -> float:
    """Final training objective; NaN for closed forms."""
    return float(fit.trace.objective[-1]) if len(fit.trace.objective) else float("nan")


def _mean(numbers: Iterable[float]) -> float:
    """Mean of what is finite; NaN where nothing is."""
    known = [number for number in numbers if np.isfinite(number)]
    return float(np.mean(known)) if known else float("nan")
