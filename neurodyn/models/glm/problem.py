"""From a recording to the arrays a generalised linear model is fitted to, and back."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference.bases import Basis
from neurodyn.inference.glm.categorical import CategoricalFamily, to_channels
from neurodyn.inference.glm.design import Design, Weights, make_design
from neurodyn.inference.glm.families import (
    BernoulliFamily,
    Family,
    GaussianFamily,
    NegativeBinomialFamily,
    PoissonFamily,
)
from neurodyn.inference.glm.fill import Kernels, fill_causally
from neurodyn.inference.glm.switching import Chain, Parameters
from neurodyn.models.hmm.choices import count_categories
from neurodyn.models.hmm.covariates import transition_covariates
from neurodyn.models.hmm.layout import Layout, lay_out
from neurodyn.recording import arrays

OBSERVATIONS = ("auto", "poisson", "negative_binomial", "bernoulli", "categorical", "gaussian")
BY_KIND = {"count": "poisson", "binary": "bernoulli", "categorical": "categorical", "continuous": "gaussian"}


def family_for(observation: str, link: str, ceiling: float | None, recording: xr.Dataset) -> Family:
    """The observation model, by name or by the kind of the units.

    Raises
    ------
    RecordingError
        If the units are of several kinds, or of one the observation model does not take.
    """
    kinds = sorted(set(np.unique(recording["kind"].values).tolist()))
    if len(kinds) > 1:
        raise RecordingError(
            f"the units have the kinds {', '.join(kinds)}, but one observation model covers one kind; select the "
            "units of one kind with recording.sel(unit=...)."
        )
    name = BY_KIND[kinds[0]] if observation == "auto" else observation
    n_categories = count_categories(recording) if kinds == ["categorical"] else 2
    family = named_family(name, link, ceiling, n_categories)
    if kinds[0] not in family.kinds:
        raise RecordingError(
            f"units of kind {kinds[0]} do not fit {family.name} observations, which take "
            f"{', '.join(sorted(family.kinds))}; choose observation='auto' or convert the units."
        )
    return family


def named_family(observation: str, link: str, ceiling: float | None, n_categories: int = 2) -> Family:
    """Observation model of a name.

    Raises
    ------
    ModelError
        If it has no such link or ceiling.
    """
    if observation in ("bernoulli", "categorical", "gaussian") and link != "softplus":
        raise ModelError(
            f"link is {link!r}, but {observation} observations have one link only; leave it out."
        )
    if ceiling is not None and (observation != "poisson" or link != "scaled_sigmoid"):
        raise ModelError(
            f"ceiling is {ceiling!r}, but only the scaled sigmoid of Poisson counts has one; choose "
            "link='scaled_sigmoid' or leave the ceiling out."
        )
    if observation == "categorical":
        return CategoricalFamily(n_categories=n_categories)
    if observation == "negative_binomial":
        return NegativeBinomialFamily(link=link)
    if observation == "bernoulli":
        return BernoulliFamily()
    if observation == "gaussian":
        return GaussianFamily()
    return PoissonFamily(link=link, ceiling=ceiling)


def kernels_of(coupling: Basis | None, history: Basis | str | None) -> tuple[np.ndarray, np.ndarray]:
    """Basis functions of coupling and of a separate own history, ``(lag, function)``; no columns: none."""
    shared = np.zeros((0, 0)) if coupling is None else coupling.kernels()
    own = history.kernels() if isinstance(history, Basis) else np.zeros((0, 0))
    return shared, own


@dataclasses.dataclass(frozen=True)
class Grid:
    """A recording as ``(trial, time, ...)``; continuous values are standardised with the reference moments."""

    values: np.ndarray
    mask: np.ndarray
    known: np.ndarray  # what may be a regressor
    covariates: np.ndarray


def grid_of(
    recording: xr.Dataset,
    names: tuple[str, ...],
    family: Family,
    reference: tuple[np.ndarray, np.ndarray] | None,
    inputs: xr.Dataset | None = None,
) -> Grid:
    """Arrays of a recording.

    Parameters
    ----------
    recording : xr.Dataset
        Checked, units in order.
    names : tuple of str
        Covariates used.
    family : Family
        Observation model.
    reference : tuple of ndarray, optional
        Mean and deviation of every unit of continuous values.
    inputs : xr.Dataset, optional
        What may be a regressor; default the recording.

    Returns
    -------
    Grid
        Zero where not observed.
    """
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(recording["activity"].dtype))
    values, mask = arrays(recording, dtype)
    known = mask if inputs is None else arrays(inputs, dtype).mask
    if isinstance(family, GaussianFamily) and reference is not None:
        values = ((values - reference[0]) / reference[1]).astype(dtype)
    if isinstance(family, CategoricalFamily):
        highest = float(np.where(mask, values, 0).max(initial=0.0))
        if highest >= family.n_categories:
            raise RecordingError(
                f"there is a category with the code {highest:g}, but the model knows codes 0 to {family.n_categories - 1}; "
                "name all categories when the recording is made, or drop the others."
            )
        values = to_channels(values, family.n_categories)
        mask, known = (np.repeat(one, family.group, axis=2) for one in (mask, known))
    covariates = np.zeros((*values.shape[:2], 0), dtype)
    if names:
        covariates = transition_covariates(recording, names, "the rates").astype(dtype)
    return Grid(np.where(mask, values, 0).astype(dtype), mask, known, covariates)


def held_covariates(recording: xr.Dataset, names: tuple[str, ...]) -> np.ndarray:
    """Which covariates are measured, so that a forecast holds their last value, ``(covariate,)``."""
    if not names:
        return np.zeros(0, bool)
    return recording["role"].sel(covariate=list(names)).values.astype(str) == "measured"


def reference_moments(recording: xr.Dataset, family: Family) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean and deviation of every continuous unit, 0 and 1 where it was never observed or is constant."""
    if not isinstance(family, GaussianFamily):
        return None
    values, mask = arrays(recording, np.float64)
    count = np.maximum(mask.sum((0, 1)), 1)
    mean = np.where(mask, values, 0).sum((0, 1)) / count
    deviation = np.sqrt(np.where(mask, (values - mean) ** 2, 0).sum((0, 1)) / count)
    return mean, np.where(deviation > 1e-9 * np.abs(mean), deviation, 1.0)


def regressors_of(
    grid: Grid,
    silent: np.ndarray,
    parameters: Parameters | None,
    kernels: Kernels,
    family: Family,
    level: np.ndarray,
) -> np.ndarray:
    """Values that enter the histories, ``(trial, time, unit)``, where missing the model's own prediction.

    Without `parameters` a missing value is the unit's mean; of units nobody may use it is zero.
    """
    known = grid.known | silent
    values = np.where(grid.known, grid.values, 0)
    if known.all():
        return values
    if parameters is None:
        return np.where(known, values, level.astype(values.dtype))
    filled = fill_causally(
        parameters,
        jnp.asarray(grid.values),
        jnp.asarray(known),
        jnp.asarray(grid.mask & grid.known),
        jnp.asarray(grid.covariates),
        kernels,
        family=family,
    )
    return np.where(known, values, np.asarray(filled))


@dataclasses.dataclass(frozen=True)
class Problem:
    """A recording on the flat time axis."""

    layout: Layout
    grid: Grid
    covariates: np.ndarray  # flat
    since: np.ndarray
    chain: Chain
    silent: np.ndarray
    kernel: np.ndarray
    own_kernel: np.ndarray

    @property
    def kernels(self) -> Kernels:
        """Basis functions as the scan over time takes them."""
        dtype = self.grid.values.dtype
        return Kernels(jnp.asarray(self.kernel, dtype), jnp.asarray(self.own_kernel, dtype))

    def incomplete(self) -> bool:
        """Whether a value that could be a regressor is missing before its trial's last observation."""
        known = self.grid.known | self.silent
        last = np.flip(np.maximum.accumulate(np.flip(self.grid.mask.any(axis=2), axis=1), axis=1), axis=1)
        return bool((~known.all(axis=2) & last).any())

    def design(self, regressors: np.ndarray, n_states: int, *, keep: bool = True) -> Design:
        """The design with these regressors ``(trial, time, unit)``."""
        return make_design(
            self.layout.values,
            self.layout.mask,
            self.layout.flatten(regressors),
            self.since,
            self.covariates,
            self.kernel,
            self.own_kernel,
            n_states,
            keep=keep,
        )


def problem_of(
    grid: Grid, kernel: np.ndarray, own_kernel: np.ndarray, silent: np.ndarray, *, strip: bool
) -> Problem:
    """Trials end to end."""
    layout = lay_out(grid.values, grid.mask, strip=strip)
    since = np.zeros(len(layout.valid), np.int32)
    since[: len(layout.index)] = layout.index % layout.shape[1]
    chain = Chain(jnp.asarray(layout.start), jnp.asarray(layout.valid))
    return Problem(layout, grid, layout.flatten(grid.covariates), since, chain, silent, kernel, own_kernel)


def channel_dim(family: Family) -> str:
    """Dimension of what has a linear predictor of its own."""
    return "channel" if isinstance(family, CategoricalFamily) else "unit"


def channel_labels(recording: xr.Dataset, family: Family) -> np.ndarray:
    """Labels of the units, or of the options of categorical ones."""
    labels = recording["unit"].values
    if not isinstance(family, CategoricalFamily):
        return labels
    return np.array([f"{label}={option}" for label in labels for option in range(1, family.n_categories)])


def to_dataset(
    parameters: Parameters,
    recording: xr.Dataset,
    coupling: Basis | None,
    history: Basis | str | None,
    covariates: tuple[str, ...],
    covariate_scale: np.ndarray,
    family: Family,
) -> xr.Dataset:
    """Labelled parameters; covariate weights in the covariates' own units.

    Of categorical units the place of a unit is taken by a channel, one an option but the first.
    """
    labels, channel = channel_labels(recording, family), channel_dim(family)
    kernel, own_kernel = kernels_of(coupling, history)
    n_units, n_functions = len(labels), kernel.shape[1]
    shared, own = (np.asarray(leaf) for leaf in parameters.weights)
    n_states = shared.shape[1]
    inside = n_functions * n_units
    variables: dict[str, Any] = {
        "initial": (("state",), np.asarray(parameters.initial)),
        "transition": (("state", "state_next"), np.asarray(parameters.transition)),
        "bias": (("state", channel), shared[-1]),
        "scale": ((channel,), np.asarray(parameters.scale)),
    }
    coords: dict[str, Any] = {
        "state": np.arange(n_states),
        "state_next": np.arange(n_states),
        channel: labels,
        "unit": recording["unit"].values,
        "kind": ("unit", recording["kind"].values.astype(str)),
    }
    for name, coord in recording["unit"].coords.items():
        if name not in ("unit", "kind") and coord.dims == ("unit",):
            coords[str(name)] = ("unit", coord.values)
    if coupling is not None:
        grid = shared[:inside].reshape(n_functions, n_units, n_states, n_units)
        variables["weight"] = (("state", "target", "source", "basis"), grid.transpose(2, 3, 1, 0))
        variables["kernel"] = (("lag", "basis"), kernel)
        coords |= {
            "target": labels,
            "source": labels,
            "basis": list(coupling.labels()),
            "lag": np.arange(1, len(kernel) + 1),
        }
    if isinstance(history, Basis):
        variables["history_weight"] = (("state", channel, "history_basis"), own.transpose(1, 2, 0))
        variables["history_kernel"] = (("history_lag", "history_basis"), own_kernel)
        coords |= {
            "history_basis": list(history.labels()),
            "history_lag": np.arange(1, len(own_kernel) + 1),
        }
    if covariates:
        raw = shared[inside:-1] / covariate_scale[:, None, None]
        variables["covariate_weight"] = (("state", channel, "covariate"), raw.transpose(1, 2, 0))
        coords["covariate"] = list(covariates)
    return xr.Dataset(variables, coords=coords)


def from_dataset(data: xr.Dataset, dtype: Any) -> Parameters:
    """Bare parameters, for covariates in their own units."""
    channel = "channel" if "channel" in data.dims else "unit"
    n_states, n_units = data.sizes["state"], data.sizes[channel]
    blocks = []
    if "weight" in data:
        weight = data["weight"].transpose("basis", "source", "state", "target").values
        blocks.append(weight.reshape(-1, n_states, n_units))
    if "covariate_weight" in data:
        blocks.append(data["covariate_weight"].transpose("covariate", "state", channel).values)
    blocks.append(data["bias"].transpose("state", channel).values[None])
    own = np.zeros((0, n_states, n_units))
    if "history_weight" in data:
        own = data["history_weight"].transpose("history_basis", "state", channel).values
    return Parameters(
        jnp.asarray(data["initial"].values, dtype),
        jnp.asarray(data["transition"].values, dtype),
        Weights(jnp.asarray(np.concatenate(blocks), dtype), jnp.asarray(own, dtype)),
        jnp.asarray(data["scale"].values, dtype),
    )
