"""From a name, or from the kind of the units, to an emission family."""

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference import emissions
from neurodyn.inference.emissions.base import Emission

NAMES = (
    "gaussian",
    "gaussian_diagonal",
    "gaussian_tied",
    "gaussian_low_rank",
    "autoregressive",
    "poisson",
    "bernoulli",
    "categorical",
)
BY_KIND = {"continuous": "gaussian", "count": "poisson", "binary": "bernoulli"}


def named_emission(name: str, n_categories: int = 2) -> Emission:
    """Emission family with its default settings."""
    if name == "gaussian":
        return emissions.Gaussian()
    if name == "gaussian_tied":
        return emissions.Gaussian(covariance="tied")
    if name == "gaussian_diagonal":
        return emissions.DiagonalGaussian()
    if name == "gaussian_low_rank":
        return emissions.LowRankGaussian()
    if name == "autoregressive":
        return emissions.AutoregressiveGaussian()
    if name == "poisson":
        return emissions.Poisson()
    if name == "bernoulli":
        return emissions.Bernoulli()
    if name == "categorical":
        return emissions.Categorical(n_categories=n_categories)
    raise ModelError(f"emission is {name!r}; choose one of auto, {', '.join(NAMES)}.")


def emission_for(emission: str | Emission, recording: xr.Dataset) -> Emission:
    """Resolve ``"auto"`` and check the family against the kinds of the recording's units."""
    kinds = set(np.unique(recording["kind"].values).tolist())
    if isinstance(emission, str):
        if len(kinds) > 1:
            raise RecordingError(
                f"the units have the kinds {', '.join(sorted(kinds))}, but one emission covers one kind; select "
                "the units of one kind with recording.sel(unit=...)."
            )
        kind = kinds.pop()
        if kind == "categorical":
            return emissions.Categorical(n_categories=count_categories(recording))
        return named_emission(BY_KIND[kind])
    wrong = sorted(kinds - emission.kinds)
    if wrong:
        values = recording["activity"].values
        counts = (np.isnan(values) | ((values >= 0) & (values == np.floor(values)))).all()
        if "count" in emission.kinds and wrong == ["continuous"] and counts:
            raise RecordingError(
                f"units of kind continuous do not fit {type(emission).__name__} emissions, yet all values are whole "
                "numbers: if they are counts say so with kind='count' when the recording is made."
            )
        raise RecordingError(
            f"units of kind {wrong[0]} do not fit {type(emission).__name__} emissions, which take "
            f"{', '.join(sorted(emission.kinds))}; choose emission='auto' or convert the units."
        )
    return emission


def count_categories(recording: xr.Dataset) -> int:
    """Number of categories: as named in the recording, or the largest code plus one."""
    named = recording["activity"].attrs.get("categories") or {}
    longest = max((len(names) for names in named.values()), default=0)
    largest = recording["activity"].max(skipna=True).item()
    return max(longest, int(largest) + 1 if np.isfinite(largest) else 0, 2)
