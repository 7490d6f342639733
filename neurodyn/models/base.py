"""What every model and every fit owes the rest of the package.

The public verbs are written once here and in `neurodyn.models.verbs`; a model supplies the hooks whose
names begin with an underscore. No public verb is overridden.
"""

import abc
import dataclasses
import time
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import numpy as np
import xarray as xr

from neurodyn.__about__ import __version__
from neurodyn.errors import DataWarning, ModelError, NeurodynWarning
from neurodyn.inference.random import as_key, key_words
from neurodyn.models.suspicions import suspicions
from neurodyn.recording import check, fingerprint

MODES = ("all", "past", "present")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trace:
    """How a fit went.

    Parameters
    ----------
    objective : np.ndarray
        Training objective after each iteration of the kept run, shape ``(iteration,)``; empty for closed forms.
    converged : bool
        Whether the stopping rule was met.
    reason : str
        Why the fit stopped, in words.
    seconds : float
        Wall-clock time of the fit.
    restarts : np.ndarray
        Final training objective of every restart, shape ``(restart,)``.
    agreement : float
        How well the restarts agree after alignment, 1 = identical; NaN with a single run.
    warnings : tuple of str
        Warnings raised on the way.
    """

    objective: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    converged: bool = True
    reason: str = "closed form"
    seconds: float = 0.0
    restarts: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    agreement: float = float("nan")
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Bare arrays of a prediction, ``(trial, time, unit)`` or ``(trial, time, unit, category)``.

    Parameters
    ----------
    mean : np.ndarray
        Expectation of a fresh replicate of every entry.
    variance : np.ndarray or None
        Its variance, where known.
    category : tuple of str or None
        Names of the last axis for categorical units.
    """

    mean: np.ndarray
    variance: np.ndarray | None = None
    category: tuple[Any, ...] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model(abc.ABC):
    """Immutable hyperparameters of a model; `fit` learns its parameters from a recording.

    Subclasses are frozen dataclasses, final, and check their hyperparameters when made.
    """

    name: ClassVar[str]
    kinds: ClassVar[frozenset[str]]
    citations: ClassVar[tuple[str, ...]] = ()
    fit_options: ClassVar[Mapping[str, Any]] = {}
    fit_type: ClassVar[type["Fit"]]

    @property
    @abc.abstractmethod
    def reach(self) -> int:
        """Bins of the past that one prediction needs; 0 where none, -1 where unbounded."""

    @abc.abstractmethod
    def _fit(
        self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: jax.Array, options: dict[str, Any]
    ) -> "Fit":
        """Learn the parameters; `recording` is checked, `options` are complete."""

    def fit(
        self, recording: xr.Dataset, *, key: int | jax.Array, inputs: xr.Dataset | None = None, **options: Any
    ) -> "Fit":
        """Learn the parameters from the entries of a recording that are not NaN.

        Parameters
        ----------
        recording : xr.Dataset
            A recording (see `neurodyn.recording`), activity ``([trial,] time, unit)``, NaN = not observed.
        key : int or jax.Array
            Explicit randomness; the same key gives the same answer.
        inputs : xr.Dataset, optional
            The same recording with NaN wherever an entry may be scored in training but never fed to the
            model (held-out units of co-smoothing, forward bins). Default: the recording.
        **options
            Options of this model's fit, listed in its `fit_options` (such as ``restarts``).

        Returns
        -------
        Fit
            The model with its learnt parameters and the trace of the fit.

        Raises
        ------
        RecordingError
            If the recording breaks the schema or holds a kind of unit this model does not accept.
        ModelError
            If an option is unknown or `inputs` does not match the recording.
        """
        check(recording, kinds=self.kinds, model=self.name)
        if inputs is not None:
            check_inputs(recording, inputs)
        unknown = sorted(set(options) - set(self.fit_options))
        if unknown:
            raise ModelError(
                f"{self.name}.fit got the unknown option {unknown[0]!r}; it takes "
                f"{', '.join(self.fit_options) or 'no options'}."
            )
        complete = {**self.fit_options, **options}
        typed_key = as_key(key)
        doubts = suspicions(recording)
        for doubt in doubts:
            warnings.warn(doubt, DataWarning, stacklevel=2)
        began = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit = self._fit(recording, inputs=inputs, key=typed_key, options=complete)
        # What the parts of a pipeline find odd in transformed data was said of the data above.
        caught = [entry for entry in caught if not issubclass(entry.category, DataWarning)]
        for entry in caught:
            warnings.warn_explicit(entry.message, entry.category, entry.filename, entry.lineno)
        said = tuple(str(entry.message) for entry in caught if issubclass(entry.category, NeurodynWarning))
        trace = dataclasses.replace(
            fit.trace, seconds=time.perf_counter() - began, warnings=doubts + fit.trace.warnings + said
        )
        provenance = {
            "version": __version__,
            "key": tuple(key_words(typed_key)),
            "fingerprint": fingerprint(recording),
            "sizes": {str(dim): int(size) for dim, size in recording.sizes.items()},
            "sampling_interval": float(recording.attrs.get("sampling_interval", 1.0)),
            "subject": str(recording.attrs.get("subject", "")),
            "session": str(recording.attrs.get("session", "")),
            **fit.provenance,
        }
        return dataclasses.replace(fit, trace=trace, provenance=provenance)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Fit(abc.ABC):
    """A model with its learnt parameters.

    Parameters
    ----------
    model : Model
        The hyperparameters.
    parameters : xr.Dataset
        Labelled learnt arrays; its ``unit`` coordinate names the units of the training recording.
    trace : Trace
        Objective, convergence, seconds, restarts, warnings.
    provenance : dict
        Version, key, fingerprint and sizes of the training recording (JSON values only).
    children : tuple of Fit
        Fits this one is composed of (a pipeline's steps).
    """

    model: Model
    parameters: xr.Dataset
    trace: Trace = dataclasses.field(default_factory=Trace)
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    children: tuple["Fit", ...] = ()

    @abc.abstractmethod
    def _predict(
        self, recording: xr.Dataset, *, mode: str, horizon: int, key: jax.Array | None
    ) -> Prediction:
        """Predict bare arrays for a checked recording with the training units in order."""

    @property
    def units(self) -> np.ndarray:
        """Labels of the training recording's units."""
        return self.parameters["unit"].values

    def predict(
        self,
        recording: xr.Dataset,
        *,
        mode: str = "all",
        horizon: int = 1,
        key: int | jax.Array | None = None,
    ) -> xr.Dataset:
        """Expectation of a fresh replicate of every entry, never NaN, never the datum itself.

        Parameters
        ----------
        recording : xr.Dataset
            What is given: entries that are NaN are unknown to the model.
        mode : {"all", "past", "present"}
            Given every observed entry; entries up to ``t - horizon``; entries up to ``t``.
        horizon : int
            Steps ahead for ``mode="past"``.
        key : int or jax.Array, optional
            Needed only by models whose prediction is stochastic.

        Returns
        -------
        xr.Dataset
            ``mean`` (and ``variance`` where known) with the dims and labels of ``activity``; categorical
            units have probabilities on a last dim ``category``.

        Raises
        ------
        ModelError
            If the mode, the horizon or the units do not fit.
        """
        if mode not in MODES:
            raise ModelError(f"mode is {mode!r}; choose one of {', '.join(MODES)}.")
        if isinstance(horizon, bool) or not isinstance(horizon, (int, np.integer)) or horizon < 1:
            raise ModelError(f"horizon is {horizon!r}; it must be a whole number of bins, 1 or more.")
        if horizon != 1 and mode != "past":
            raise ModelError(f"horizon is {horizon} with mode {mode!r}; a horizon needs mode='past'.")
        check(recording, kinds=self.model.kinds, model=self.model.name, allow_empty=True)
        aligned = align_units(recording, self.units, self.model.name)
        typed_key = None if key is None else as_key(key)
        prediction = self._predict(aligned, mode=mode, horizon=int(horizon), key=typed_key)
        result = label_prediction(aligned, prediction)
        result.attrs = {"mode": mode, "horizon": int(horizon), "model": self.model.name}
        return result.sel(unit=recording["unit"].values) if aligned is not recording else result

    def save(self, path: Any) -> None:
        """Write the fit to one netCDF file, without pickling.

        Parameters
        ----------
        path : str or os.PathLike
            File to write; an existing file is replaced only once the new one is complete.
        """
        from neurodyn.models.storage import save_fit

        save_fit(self, path)

    def cite(self) -> str:
        """BibTeX of the methods this fit used.

        Returns
        -------
        str
            One entry per method, the package first.
        """
        from neurodyn.models.citations import bibtex

        return bibtex(self.citation_keys())

    def citation_keys(self) -> tuple[str, ...]:
        """Keys of the methods this fit used, its children's included.

        Returns
        -------
        tuple of str
            Keys of `neurodyn.models.citations`.
        """
        keys = list(self.model.citations)
        for field in dataclasses.fields(self.model):  # priors and other parts of the model bring their own
            value = getattr(self.model, field.name)
            for part in value if isinstance(value, tuple) else (value,):
                keys += [key for key in getattr(part, "citations", ()) if key not in keys]
        for child in self.children:
            keys += [key for key in child.citation_keys() if key not in keys]
        return tuple(keys)


def check_inputs(recording: xr.Dataset, inputs: xr.Dataset) -> None:
    """Refuse inputs that are not the recording with more entries hidden."""
    shape, found = recording["activity"].shape, inputs["activity"].shape
    if shape != found:
        raise ModelError(
            f"inputs has activity of shape {found}, the recording {shape}; inputs must be the same recording "
            "with further entries NaN."
        )
    extra = np.isfinite(inputs["activity"].values) & ~np.isfinite(recording["activity"].values)
    if extra.any():
        raise ModelError(
            f"inputs has {int(extra.sum())} observed entries that are NaN in the recording; it may only hide "
            "entries, never add them."
        )


def align_units(recording: xr.Dataset, units: np.ndarray, name: str) -> xr.Dataset:
    """Return the recording with its units in the fit's order, or say which are unknown."""
    found = recording["unit"].values
    if len(found) == len(units) and (found == units).all():
        return recording
    missing = [label for label in units.tolist() if label not in set(found.tolist())]
    unknown = [label for label in found.tolist() if label not in set(units.tolist())]
    if missing or unknown:
        what = f"lacks unit {missing[0]!r}" if missing else f"has the unknown unit {unknown[0]!r}"
        raise ModelError(
            f"the recording {what} ({len(missing)} missing, {len(unknown)} unknown to this {name} fit of "
            f"{len(units)} units); give missing units as NaN and drop unknown ones."
        )
    return recording.sel(unit=units)


def label_prediction(recording: xr.Dataset, prediction: Prediction) -> xr.Dataset:
    """Wrap bare prediction arrays in the recording's labels."""
    activity = recording["activity"]
    has_trials = "trial" in activity.dims
    dims = tuple(activity.dims)
    coords = dict(activity.coords.items())
    if prediction.category is not None:
        dims = (*dims, "category")
        coords["category"] = ("category", list(prediction.category))

    def wrap(values: np.ndarray) -> xr.DataArray:
        values = np.asarray(values)
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            raise ModelError(
                f"the prediction holds {bad} values that are not finite, which points to parameters out of "
                "range; look at fit.trace.warnings and fit again with a stronger prior or fewer states."
            )
        return xr.DataArray(values if has_trials else values[0], dims=dims, coords=coords)

    variables = {"mean": wrap(prediction.mean)}
    if prediction.variance is not None:
        variables["variance"] = wrap(prediction.variance)
    return xr.Dataset(variables)
