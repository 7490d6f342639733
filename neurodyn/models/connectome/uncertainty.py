"""How sure the components are: fits to resampled animals."""

from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import NotApplicable
from neurodyn.inference.factorise.comparison import congruence
from neurodyn.inference.random import as_key, key_words
from neurodyn.models.connectome.fit import DynamicConnectomeFit


def bootstrap_components(
    fit: DynamicConnectomeFit, pairs: xr.Dataset, *, key: Any, n_resamples: int = 20, restarts: int = 1
) -> xr.Dataset:
    """Fit to animals drawn with replacement, and say how much the pairs of every component move.

    Components of a resample are matched to those of the fit by their pairs.

    Parameters
    ----------
    fit : DynamicConnectomeFit
        What to judge.
    pairs : xr.Dataset
        The recording it was fitted to; animals are trials.
    key : int or jax.Array
        Draws animals and starts.
    n_resamples : int
        Number of fits.
    restarts : int
        Restarts of each.

    Returns
    -------
    xr.Dataset
        ``pair`` and its ``standard_error`` on ``(unit, component)``, of loadings of length 1; ``congruence`` on ``(resample,
        component)``: the cosine of a component's pairs with those of its match. What moves here may be animals that differ
        or a fit that is not unique; congruence of restarts (``fit.trace.agreement``) tells which.

    Raises
    ------
    NotApplicable
        If there are fewer than three animals.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.connectome import DynamicConnectome, affinity, bootstrap_components
    >>> traces = np.random.default_rng(0).normal(size=(3, 80, 4)).cumsum(axis=1)
    >>> pairs = affinity(recording.make(traces, sampling_interval=0.5, trial=list("abc")))
    >>> fit = DynamicConnectome(rank=1, clock="own").fit(pairs, key=0)
    >>> bootstrap_components(fit, pairs, key=0, n_resamples=3)["congruence"].shape
    (3, 1)
    """
    n_trials = pairs.sizes.get("trial", 1)
    if n_trials < 3:
        raise NotApplicable(
            f"a bootstrap over animals needs three or more, this recording has {n_trials}; see how restarts agree instead."
        )
    draw = np.random.default_rng(key_words(as_key(key)))
    base = fit.parameters["pair"].values
    found, alike = [], []
    for _ in range(n_resamples):
        chosen = draw.integers(n_trials, size=n_trials)
        again = pairs.isel(trial=chosen).assign_coords(trial=[f"draw {i}" for i in range(n_trials)])
        other = fit.model.fit(again, key=int(draw.integers(2**31)), restarts=restarts)
        loadings = other.parameters["pair"].sel(unit=fit.parameters["unit"].values).values
        match = congruence((base,), (loadings,))
        found.append(loadings[:, match.partner])
        alike.append(match.components)
    dims = ("unit", "component")
    coords = {
        name: fit.parameters[name]
        for name in ("unit", "source", "target", "sign", "component")
        if name in fit.parameters.coords
    }
    return xr.Dataset(
        {
            "pair": (dims, base),
            "standard_error": (dims, np.std(found, axis=0, ddof=1)),
            "congruence": (("resample", "component"), np.array(alike)),
        },
        coords=coords,
    )
