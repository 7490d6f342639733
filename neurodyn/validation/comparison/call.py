"""The comparison call: all models, all protocols, the same entries."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.recording import check
from neurodyn.validation.comparison.assemble import Evidence, assemble, columns, unit_scores
from neurodyn.validation.comparison.ceilings import ceilings
from neurodyn.validation.comparison.grounds import with_chunks
from neurodyn.validation.comparison.leaks import NullScore, chosen_nulls, empties, null_score
from neurodyn.validation.comparison.plan import Plan, make_plan
from neurodyn.validation.comparison.repeats import conditions
from neurodyn.validation.comparison.result import Comparison, join
from neurodyn.validation.comparison.run import Ground, Outcome, run_model
from neurodyn.validation.layout import derived_key, whole


def compare(
    models: Any,
    recording: xr.Dataset | Mapping[str, xr.Dataset],
    protocols: Any,
    *,
    key: Any,
    metrics: Any = "auto",
    nulls: Any = "auto",
    reference: str | None = None,
    repeats: Any = "auto",
    n_bootstrap: int = 1000,
    level: float = 0.95,
    fit_options: Mapping[str, Any] | None = None,
    progress: Any = None,
    on_error: str = "report",
) -> Comparison:
    """Fit every model under every protocol and score all of them on the same held-out entries.

    The mean is added as a floor where it is absent. Entries that the longest-reaching model cannot predict from
    within a held-out stretch are dropped for every model, and gaps are raised to that reach. Uncertainty comes
    from resampled trials, groups or stretches of time, with the same draws for every model; differences are
    paired, taken from the best baseline, and corrected over models (Holm). Beside the floor stands a ceiling, data
    against data: averages over training trials in place of a model, extrapolated to infinitely many repeats, or for
    connectivity the training part itself. Where the data were measured once there is none, and the table says so.

    Parameters
    ----------
    models : dict of str to Model, or list of Model
        What is compared.
    recording : xr.Dataset or dict of str to xr.Dataset
        The data; several recordings are compared one by one, the scores get a dim ``recording``, and `pooled` holds
        the mean over recordings, with an uncertainty over recordings and the stretches of data within each.
    protocols : Protocol, list of Protocol, or dict of str to Protocol
        From `neurodyn.validation.holdout`.
    key : int or jax.Array
        All randomness; each fit's key depends on it, the model's name, the protocol and the fold only.
    metrics : "auto" or list of str
        Names from `neurodyn.validation.metrics.METRICS`; default: those that suit the kinds of the units, for which
        "auto" also stands in a list, as in ``["auto", "connectivity_match"]``.
    nulls : "auto", name, or sequence of names
        Null recordings on which every model is fitted once per protocol; a model that scores above the floor
        where nothing can be found is reported as leaking. An empty tuple skips the check.
    reference : str, optional
        Model that differences are taken from; default: the best baseline of each column.
    repeats : "auto", str, sequence of str, or None
        Coordinates of the trials whose equal values mark repeats of one condition, for the ceiling; default:
        ``condition``, ``stimulus`` or ``stimulus_id`` where there is one, else all trials. None: trials are no repeats.
    n_bootstrap : int
        Number of resamples.
    level : float
        Coverage of intervals.
    fit_options : dict, optional
        Options given to every model's fit that knows them, such as ``{"restarts": 5}``.
    progress : object, optional
        Has a method ``update(fraction, text)``.
    on_error : {"report", "raise"}
        Whether a model that fails is reported in the table or stops the comparison.

    Returns
    -------
    Comparison
        Scores, fits, splits, warnings; after Ctrl-C, what was finished, marked as incomplete.

    Raises
    ------
    ModelError
        If an argument is out of range.
    NotApplicable
        If no protocol applies to the recording.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.models import registry
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import compare, holdout
    >>> noise = np.random.default_rng(0).normal(size=(60, 2))
    >>> recording = make(noise, sampling_interval=0.1)
    >>> comparison = compare([registry.create("mean")], recording, holdout.blocks(3), key=0, nulls=())
    >>> comparison.scores["value"].dims
    ('protocol', 'metric', 'model')
    """
    if on_error not in ("report", "raise"):
        raise ModelError(f"compare: on_error is {on_error!r}; choose 'report' or 'raise'.")
    if not 0 < level < 1:
        raise ModelError(f"compare: level is {level}; it must lie between 0 and 1, such as 0.95.")
    n_bootstrap = whole("n_bootstrap", n_bootstrap, 0, "compare")
    settings = {
        "metrics": metrics,
        "nulls": nulls,
        "reference": reference,
        "repeats": repeats,
        "n_bootstrap": n_bootstrap,
        "level": level,
        "options": dict(fit_options or {}),
        "strict": on_error == "raise",
    }
    if isinstance(recording, xr.Dataset):
        return _compare_one(models, recording, protocols, key, progress, settings)
    if not isinstance(recording, Mapping) or not recording:
        raise ModelError("compare: recording must be a recording, or a dict of names to recordings.")
    parts: dict[str, Comparison] = {}
    for number, (name, item) in enumerate(recording.items()):
        inner = _Part(progress, number / len(recording), 1 / len(recording), f"{name}: ")
        parts[str(name)] = _compare_one(models, item, protocols, key, inner, settings)
        if not parts[str(name)].complete:
            break
    return join(parts, key=key, reference=reference)


class _Part:
    """Progress within a part of the work."""

    def __init__(self, progress: Any, start: float, share: float, prefix: str):
        self.progress, self.start, self.share, self.prefix = progress, start, share, prefix

    def update(self, fraction: float, text: str) -> None:
        """Pass on the overall fraction."""
        if self.progress is not None:
            self.progress.update(self.start + self.share * fraction, self.prefix + text)


def _compare_one(
    models: Any, recording: xr.Dataset, protocols: Any, key: Any, progress: Any, settings: dict[str, Any]
) -> Comparison:
    """Compare on one recording."""
    check(recording)
    plan = make_plan(models, recording, protocols, settings["metrics"])
    if settings["reference"] is not None and settings["reference"] not in plan.models:
        raise ModelError(
            f"compare: reference is {settings['reference']!r}, which is not among the models "
            f"{', '.join(plan.models)}."
        )
    conditions(recording, settings["repeats"])
    grounds, refused = _lay_grounds(plan, recording)
    nulls = chosen_nulls(settings["nulls"], recording)
    work = sum(len(item) + len(nulls) for item in grounds.values()) * len(plan.models)
    steps = _Steps(progress, work)
    evidence = {
        name: Evidence(grounds=item, outcomes={model: [] for model in plan.models})
        for name, item in grounds.items()
    }
    found_nulls: list[NullScore] = []
    complete = True
    try:
        for name, item in evidence.items():
            for fold, ground in enumerate(item.grounds):
                for label, outcome in _run_all(plan, ground, name, fold, key, steps, settings):
                    item.outcomes[label].append(outcome)
            found_nulls += _null_scores(plan, recording, name, nulls, key, steps, settings)
    except KeyboardInterrupt:
        complete = False
    named = columns(plan.metrics, evidence)
    scores = assemble(
        evidence,
        named,
        tuple(plan.models),
        plan.baselines,
        reference=settings["reference"],
        key=key,
        n_bootstrap=settings["n_bootstrap"],
        level=settings["level"],
    )
    stands = ceilings(
        evidence,
        named,
        recording,
        repeats=settings["repeats"],
        key=key,
        n_bootstrap=settings["n_bootstrap"],
        level=settings["level"],
    )
    draws, scores = scores["draws"], scores.drop_vars("draws").assign(stands.data_vars)
    scored = next(iter(grounds.values()))[0].split.recording
    per_unit = unit_scores(
        evidence, named, scores, scored["unit"].values, key=key, n_bootstrap=settings["n_bootstrap"]
    )
    return Comparison.from_evidence(
        plan=plan,
        recording=recording,
        evidence=evidence,
        refused=refused,
        scores=scores,
        unit_scores=per_unit,
        nulls=tuple(found_nulls),
        complete=complete,
        key=key,
        draws=draws,
    )


class _Steps:
    """Counts steps for a progress object."""

    def __init__(self, progress: Any, total: int):
        self.progress, self.total, self.done = progress, max(total, 1), 0

    def before(self, text: str) -> None:
        """Say what is about to run."""
        if self.progress is not None:
            self.progress.update(self.done / self.total, text)

    def after(self, text: str) -> None:
        """Say that it has run."""
        self.done += 1
        if self.progress is not None:
            self.progress.update(self.done / self.total, text)


def _lay_grounds(plan: Plan, recording: xr.Dataset) -> tuple[dict[str, list[Ground]], dict[str, str]]:
    """Splits with their common entries and chunks, by protocol; and why a protocol does not apply."""
    grounds: dict[str, list[Ground]] = {}
    refused: dict[str, str] = {}
    for name, protocol in plan.protocols.items():
        try:
            splits = protocol.splits(recording)
            grounds[name] = with_chunks(plan.reach, protocol, recording, splits)
        except (NotApplicable, ModelError) as error:
            refused[name] = str(error)
    if not grounds:
        raise NotApplicable("no protocol applies to this recording: " + " ".join(refused.values()))
    scored = {name: item[0].split.recording["unit"].values.tolist() for name, item in grounds.items()}
    first, units = next(iter(scored.items()))
    for name, others in scored.items():
        if others != units:
            raise ModelError(
                f"compare: the protocol {first!r} scores {len(units)} units such as {units[0]!r}, {name!r} {len(others)} "
                f"such as {others[0]!r}; compare them in calls of their own."
            )
    return grounds, refused


def _run_all(
    plan: Plan, ground: Ground, name: str, fold: int, key: Any, steps: _Steps, settings: dict[str, Any]
) -> list[tuple[str, Outcome]]:
    """All models on one split."""
    results = []
    for label, model in plan.models.items():
        text = f"{label}, {name}, fold {fold + 1}"
        steps.before(text)
        outcome = run_model(
            model,
            ground,
            plan.metrics,
            key=derived_key(key, name, label, fold),
            options=settings["options"],
            strict=settings["strict"],
        )
        results.append((label, outcome))
        steps.after(text)
    return results


def _null_scores(
    plan: Plan,
    recording: xr.Dataset,
    name: str,
    nulls: dict[str, Any],
    key: Any,
    steps: _Steps,
    settings: dict[str, Any],
) -> list[NullScore]:
    """Score every model once on every null recording; a leak shows without restarts."""
    found: list[NullScore] = []
    plan = dataclasses.replace(
        plan, metrics=tuple(metric for metric in plan.metrics if "connectivity" not in metric.needs)
    )
    metrics = {metric.name: metric for metric in plan.metrics if "log_likelihood" not in metric.needs}
    for label, null in nulls.items():
        try:
            shuffled = null(recording, key=derived_key(key, "null", label))
            protocol = plan.protocols[name]
            ground = with_chunks(plan.reach, protocol, shuffled, [protocol(shuffled)])[0]
        except (NotApplicable, ModelError):
            steps.done += len(plan.models)
            continue
        once = {**settings, "options": {**settings["options"], "restarts": 1}}
        for model, outcome in _run_all(plan, ground, name, 0, derived_key(key, label), steps, once):
            score = null_score(
                outcome.sums,
                metrics,
                ground.n_chunks,
                key=key,
                n_bootstrap=max(settings["n_bootstrap"], 1000),
                empty=empties(null, name, recording),
                labels=(name, model, label),
            )
            if score is not None:
                found.append(score)
    return found
