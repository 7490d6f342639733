"""A model whose hyperparameters are chosen inside every training part, never on what is scored."""

import dataclasses
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.models.base import Fit, Model
from neurodyn.models.pipeline.pipeline import Pipeline
from neurodyn.validation.holdout import Protocol, blocks, trials
from neurodyn.validation.layout import derived_key, has_trials
from neurodyn.validation.selection import RULES, sweep, with_setting

FEWEST_TRIALS = 5
INNER_FOLDS = 5
OWN_OPTIONS = ("checkpoint", "start_parameters")


@dataclasses.dataclass(frozen=True, kw_only=True, init=False, repr=False)
class Selected(Model):
    """A model that chooses hyperparameters by held-out score within its training recording, then fits anew.

    In a comparison every fold makes its own choice, from sub-folds of its own training part, so that the scored
    data have no part in it (nested cross-validation). The fit is that of the chosen model, with its verbs; what was
    chosen is in ``fit.provenance["chosen"]`` and in ``Comparison.chosen``.

    Parameters
    ----------
    model : Model
        The model, or a `Pipeline`; hyperparameters outside the grid are kept.
    protocol : Protocol, optional
        Cuts the training recording; default: whole trials in 5 folds where there are at least 5 trials, else 5
        blocks of time. Folds without a training entry are left out.
    metric : str
        What chooses, as in `neurodyn.validation.sweep`.
    rule : {"one_standard_error", "best"}
        How the best setting is chosen.
    **grid : iterable
        Values by hyperparameter, the simplest first: ``n_states=(2, 4, 6)``. Of a pipeline: those of its last model.

    Raises
    ------
    ModelError
        If the grid is empty, or names no hyperparameter.

    References
    ----------
    .. [1] Varma, S. and Simon, R. (2006). Bias in error estimation when using cross-validation for model selection.
       BMC Bioinformatics 7, 91. doi:10.1186/1471-2105-7-91

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.models import registry
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import Selected
    >>> recording = make(np.random.default_rng(0).normal(size=(80, 2)).cumsum(axis=0), sampling_interval=0.1)
    >>> fit = Selected(registry.create("ar_ridge"), order=(1, 2)).fit(recording, key=0)
    >>> fit.provenance["chosen"]["order"] in (1, 2)
    True
    """

    model: Model
    protocol: Protocol | None = None
    metric: str = "auto"
    rule: str = "one_standard_error"
    grid: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    def __init__(
        self,
        model: Model,
        protocol: Protocol | None = None,
        *,
        metric: str = "auto",
        rule: str = "one_standard_error",
        **grid: Any,
    ):
        if not isinstance(model, Model):
            raise ModelError(
                f"Selected: model is a {type(model).__name__}, not a neurodyn Model; make it first."
            )
        if protocol is not None and not isinstance(protocol, Protocol):
            raise ModelError(
                f"Selected: protocol is a {type(protocol).__name__}; use neurodyn.validation.holdout."
            )
        if rule not in RULES:
            raise ModelError(f"Selected: rule is {rule!r}; choose one of {', '.join(RULES)}.")
        found = grid.pop("grid", None) if isinstance(grid.get("grid"), tuple) else None
        settings = _tupled(dict(found) if found is not None else grid)
        for name, value in (
            ("model", model),
            ("protocol", protocol),
            ("metric", metric),
            ("rule", rule),
            ("grid", settings),
        ):
            object.__setattr__(self, name, value)
        for name, values in settings:
            for value in values:
                with_setting(model, {name: value})

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Name of the model whose settings are chosen."""
        return self.model.name

    @property
    def kinds(self) -> frozenset[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Kinds of units of the model."""
        return self.model.kinds

    @property
    def citations(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Methods of the model."""
        return self.model.citations

    @property
    def fit_options(self) -> Mapping[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Options of the model's fit, used for the fits that choose and for the final one."""
        return self.model.fit_options

    @property
    def fit_type(self) -> type[Fit]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The fit of the model."""
        return self.model.fit_type

    @property
    def final(self) -> Model:
        """The model behind the steps of a pipeline, or the model."""
        return self.model.final if isinstance(self.model, Pipeline) else self.model

    @property
    def reach(self) -> int:
        """The largest reach of a setting, in bins."""
        return max(with_setting(self.model, setting).reach for setting in self.settings())

    def settings(self) -> list[dict[str, Any]]:
        """Every combination of the grid.

        Returns
        -------
        list of dict
            Hyperparameters, the simplest first.
        """
        found: list[dict[str, Any]] = [{}]
        for name, values in self.grid:
            found = [{**setting, name: value} for setting in found for value in values]
        return found

    def _fit(
        self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: jax.Array, options: dict[str, Any]
    ) -> Fit:
        """Choose on sub-folds of the recording, then fit the choice to all of it."""
        shared = {name: value for name, value in options.items() if name not in OWN_OPTIONS}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = sweep(
                self.model,
                recording,
                self.protocol or default_protocol(recording),
                key=derived_key(key, "selected"),
                metric=self.metric,
                rule=self.rule,
                n_bootstrap=200,
                fit_options=shared,
                skip_empty_folds=True,
                **dict[str, Any](self.grid),
            )
        if not found.complete:
            raise KeyboardInterrupt
        fit = found.best_model.fit(recording, key=key, inputs=inputs, **options)
        trace = dataclasses.replace(fit.trace, warnings=())
        return dataclasses.replace(fit, trace=trace, provenance={**fit.provenance, "chosen": found.best})

    def __repr__(self) -> str:
        """As it is made."""
        protocol = "" if self.protocol is None else f", {self.protocol!r}"
        grid = ", ".join(f"{name}={values!r}" for name, values in self.grid)
        return f"Selected({self.model!r}{protocol}, {grid})"


def _tupled(grid: Mapping[str, Iterable[Any]]) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """The grid as tuples, checked."""
    if not grid:
        raise ModelError("Selected: the grid is empty; name a hyperparameter, such as n_states=(2, 4, 6).")
    found = tuple((name, tuple(values)) for name, values in grid.items())
    for name, values in found:
        if not values:
            raise ModelError(f"Selected: {name} has no value; give at least one.")
    return found


def default_protocol(recording: xr.Dataset) -> Protocol:
    """Sub-folds of a training recording: whole trials where enough hold data, else blocks of time.

    Parameters
    ----------
    recording : xr.Dataset
        The training part.

    Returns
    -------
    Protocol
        With 5 folds.
    """
    if has_trials(recording):
        held = recording["activity"].notnull().any(["time", "unit"])
        if int(held.sum()) >= FEWEST_TRIALS:
            return trials(INNER_FOLDS)
    return blocks(INNER_FOLDS)
