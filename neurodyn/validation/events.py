"""State probabilities around events, averaged, with their uncertainty."""

from typing import Any

import numpy as np
import xarray as xr

from neurodyn.analysis.events import event_aligned
from neurodyn.errors import ModelError
from neurodyn.validation import uncertainty


def event_average(
    posterior: xr.DataArray | xr.Dataset,
    events: Any,
    *,
    window: tuple[float, float],
    key: Any,
    n_bootstrap: int = 1000,
    level: float = 0.95,
) -> xr.Dataset:
    """Average state probabilities around events, with bootstrap intervals over events.

    Parameters
    ----------
    posterior : xr.DataArray or xr.Dataset
        State probabilities ``([trial,] time, state)``, or what ``fit.infer`` returns.
    events : array-like
        Times of the events in seconds, shape ``(event,)``; with trials, they count in every trial.
    window : tuple of float
        First and last time around the event in seconds.
    key : int or jax.Array
        Draws the resamples.
    n_bootstrap : int
        Number of resamples of the events.
    level : float
        Coverage of the intervals.

    Returns
    -------
    xr.Dataset
        ``mean``, ``standard_error``, ``lower``, ``upper`` on ``(lag, state)`` and ``n_events`` on ``lag``; NaN
        where no event has data.

    Raises
    ------
    ModelError
        If the posterior holds no state probabilities, or no event falls into the recording.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurodyn.validation import event_average
    >>> path = np.tile(np.eye(2)[[0, 0, 1, 1]], (20, 1))
    >>> p = xr.DataArray(path, dims=("time", "state"), coords={"time": np.arange(80.0)})
    >>> average = event_average(p, np.arange(6.0, 70.0, 4.0), window=(-1.0, 2.0), key=0)
    >>> average["mean"].sel(state=1).values.tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    if isinstance(posterior, xr.Dataset):
        if "state_probability" not in posterior:
            raise ModelError(
                f"the posterior holds {', '.join(map(str, posterior.data_vars))} but no state_probability; "
                "infer "
                "with a model that has states."
            )
        posterior = posterior["state_probability"]
    aligned = event_aligned(posterior, events, window=window).transpose("event", "lag", "state")
    values = aligned.values
    seen = np.asarray(np.isfinite(values).all(axis=2))
    kept = seen.any(axis=1)
    values, seen = np.where(seen[..., None], values, 0.0)[kept], seen[kept].astype(float)
    n_events = len(values)
    weights = uncertainty.resamples(max(n_events, 1), n_bootstrap, key)
    total, count = values.sum(axis=0), seen.sum(axis=0)
    mean = np.where(count[:, None] > 0, total / np.maximum(count, 1.0)[:, None], np.nan)
    drawn_count = weights @ seen
    drawn = np.tensordot(weights, values, axes=1) / np.where(drawn_count > 0, drawn_count, np.nan)[..., None]
    found = uncertainty.interval(mean, drawn, n_events, level)
    dims = ("lag", "state")
    coords = {name: aligned.coords[name] for name in ("lag", "state") if name in aligned.coords}
    return xr.Dataset(
        {
            "mean": (dims, found.value),
            "standard_error": (dims, found.standard_error),
            "lower": (dims, found.lower),
            "upper": (dims, found.upper),
            "n_events": ("lag", count.astype(int)),
        },
        coords=coords,
        attrs={"level": level, "n_bootstrap": n_bootstrap},
    )
