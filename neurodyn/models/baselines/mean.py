"""The mean of each unit: the floor of all floors."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.models.base import Model, Prediction
from neurodyn.models.baselines.common import (
    cast,
    entry_log_density,
    moments,
    prior_mean,
    replicate_variance,
    unit_kinds,
    unit_parameters,
)
from neurodyn.models.verbs import HasLogLikelihood, HasSimulate
from neurodyn.recording import arrays, make


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mean(Model):
    """Each unit's training mean, whatever is given.

    .. math:: x_{ti} \\sim p(\\cdot \\mid \\mu_i)

    with a Gaussian for continuous units, a Poisson for counts, a Bernoulli for binary and a categorical
    distribution for categorical units. Counts have a prior worth one observation at the population's rate,
    binary and categorical units half an observation of every answer, so that no held-out entry is impossible.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.baselines import Mean
    >>> spikes = recording.make(np.full((20, 2), 3), sampling_interval=0.1, kind="count")
    >>> float(Mean().fit(spikes, key=0).predict(spikes)["mean"][0, 0])
    3.0
    """

    name = "mean"
    kinds = frozenset({"continuous", "count", "binary", "categorical"})

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: none."""
        return 0

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Average over the observed entries."""
        del inputs, key, options
        kinds = unit_kinds(recording)
        values, mask = arrays(recording)
        if "categorical" in kinds:
            return MeanFit(model=self, parameters=_frequencies(recording, values, mask, kinds))
        _, variance = moments(values, mask)
        mean = prior_mean(values, mask, kinds)
        variables = {"mean": ("unit", mean), "variance": ("unit", replicate_variance(mean, variance, kinds))}
        return MeanFit(model=self, parameters=unit_parameters(recording, variables))


def _frequencies(
    recording: xr.Dataset, values: np.ndarray, mask: np.ndarray, kinds: np.ndarray
) -> xr.Dataset:
    """Smoothed frequency of every category of every unit."""
    if (kinds != "categorical").any():
        raise RecordingError(
            "mean cannot mix categorical units with others, whose predictions have no categories; select one "
            'sort with recording.sel(unit=recording.kind == "categorical").'
        )
    named = recording["activity"].attrs.get("categories", {})
    labels = [str(label) for label in recording["unit"].values]
    lengths = [len(named.get(label, ())) for label in labels]
    n_categories = max(int(values[mask].max()) + 1, 2, *lengths)
    names = next((named[label] for label in labels if len(named.get(label, ())) == n_categories), None)
    category = [str(i) for i in range(n_categories)] if names is None else [str(name) for name in names]
    counts = np.stack([((values == k) & mask).sum((0, 1)) for k in range(n_categories)], axis=-1)
    probability = (counts + 0.5) / (counts.sum(-1, keepdims=True) + 0.5 * n_categories)
    parameters = unit_parameters(recording, {"probability": (("unit", "category"), probability)})
    return parameters.assign_coords(category=category)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MeanFit(HasLogLikelihood, HasSimulate):
    """Fitted means; `parameters` has ``mean`` and ``variance`` (unit), or ``probability`` (unit, category)."""

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """The same for every bin."""
        del mode, horizon, key
        shape = arrays(recording).values.shape
        if "probability" in self.parameters:
            probability = self.parameters["probability"].values
            names = tuple(self.parameters["category"].values.tolist())
            full = np.broadcast_to(probability, (*shape, probability.shape[-1]))
            return Prediction(cast(recording, full), category=names)
        mean, variance = (
            np.broadcast_to(self.parameters[name].values, shape) for name in ("mean", "variance")
        )
        return Prediction(cast(recording, mean), cast(recording, variance))

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Independent entries."""
        values, mask = arrays(recording)
        if "probability" in self.parameters:
            probability = self.parameters["probability"].values
            codes = np.where(mask, values, 0).astype(int)
            if codes.max(initial=0) >= probability.shape[-1]:
                raise ModelError(
                    f"the recording holds the category code {codes.max()}, but the training recording had "
                    f"{probability.shape[-1]} categories; name all of them with recording.make(categories=...)."
                )
            log_density = np.log(probability)[np.arange(len(probability)), codes]
            return np.where(mask, log_density, 0.0).sum(-1)
        mean, variance = (self.parameters[name].values for name in ("mean", "variance"))
        mean = np.broadcast_to(mean, values.shape)
        return entry_log_density(values, mask, mean, variance, unit_kinds(recording)).sum(-1)

    def _simulate(self, n_time: int, n_trials: int, key: Any, options: dict[str, Any]) -> xr.Dataset:
        """Independent draws."""
        import jax

        refuse_options(options)
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
        shape = (n_trials, n_time, self.parameters.sizes["unit"])
        kinds = self.parameters["kind"].values.astype(str)
        if "probability" in self.parameters:
            edges = np.cumsum(self.parameters["probability"].values, axis=-1)
            drawn = (rng.uniform(size=(*shape, 1)) > edges[:, :-1]).sum(-1).astype(float)
        else:
            mean, variance = (self.parameters[name].values for name in ("mean", "variance"))
            drawn = mean + np.sqrt(variance) * rng.normal(size=shape)
            drawn = np.where(kinds == "count", rng.poisson(np.maximum(mean, 0), size=shape), drawn)
            drawn = np.where(kinds == "binary", rng.uniform(size=shape) < mean, drawn)
        return make(
            drawn,
            sampling_interval=float(self.provenance.get("sampling_interval", 1.0)),
            kind=kinds.tolist(),
            unit=self.units,
            source="simulated from a fit of mean",
        )


Mean.fit_type = MeanFit


def refuse_options(options: dict[str, Any]) -> None:
    """Refuse options of a simulator that has none."""
    if options:
        raise ModelError(f"simulate got the unknown option {next(iter(options))!r}; it takes none.")
