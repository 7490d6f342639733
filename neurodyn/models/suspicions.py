"""What looks wrong with a recording before any model is fitted to it."""

import numpy as np
import xarray as xr

# Spreads from the median beyond which a continuous value is called an outlier: no physiological signal comes near.
FAR = 1e3
SAMPLE_ROWS = 4_000
NAMED = 3


def suspicions(recording: xr.Dataset) -> tuple[str, ...]:
    """Units that never change, and values absurdly far from their unit's usual range.

    Parameters
    ----------
    recording : xr.Dataset
        A checked recording.

    Returns
    -------
    tuple of str
        Sentences: what, where, remedy.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> trace = recording.make(np.c_[np.arange(20.0) % 7, np.ones(20)], sampling_interval=1.0, unit=["a", "b"])
    >>> suspicions(trace)[0][:29]
    "1 of 2 units is constant ('b'"
    """
    activity = recording["activity"]
    rows = activity.values.reshape(-1, activity.sizes["unit"])
    if len(rows) < 2:
        return ()
    low, high = np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0)
    return (*_constant(recording, low, high), *_far(recording, rows, low, high))


def _constant(recording: xr.Dataset, low: np.ndarray, high: np.ndarray) -> tuple[str, ...]:
    """Units with a single value; a unit never observed is not one."""
    constant = np.flatnonzero(low == high)
    if not constant.size:
        return ()
    names = ", ".join(repr(str(recording["unit"].values[unit])) for unit in constant[:NAMED])
    more = ", ..." if constant.size > NAMED else ""
    verb = (
        "unit is"
        if constant.size == 1 and len(low) == 1
        else "units is"
        if constant.size == 1
        else "units are"
    )
    return (
        f"{constant.size} of {len(low)} {verb} constant ({names}{more}): a unit that never changes carries no information "
        "and can own no state; drop it with recording.sel(unit=...), or check the file.",
    )


def _far(recording: xr.Dataset, rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[str, ...]:
    """The farthest value of the unit with the farthest one, where that is beyond what a signal does."""
    if "kind" in recording.coords and (recording["kind"].values.astype(str) != "continuous").all():
        return ()
    sample = rows[:: max(1, len(rows) // SAMPLE_ROWS)]
    seen = np.isfinite(sample).any(axis=0)
    quarter, middle, upper = (np.full(len(low), np.nan) for _ in range(3))
    if seen.any():
        quarter[seen], middle[seen], upper[seen] = np.nanquantile(sample[:, seen], [0.25, 0.5, 0.75], axis=0)
    spread = (upper - quarter) / 1.349
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.where(spread > 0, np.maximum(high - middle, middle - low) / spread, 0.0)
    kinds = (
        recording["kind"].values.astype(str)
        if "kind" in recording.coords
        else np.full(len(low), "continuous")
    )
    distance = np.where((kinds == "continuous") & np.isfinite(distance), distance, 0.0)
    unit = int(np.argmax(distance))
    if distance[unit] < FAR:
        return ()
    column = np.abs(rows[:, unit] - middle[unit])
    where = int(np.nanargmax(column))
    time = float(recording["time"].values[where % recording.sizes["time"]])
    trial = f" of trial {where // recording.sizes['time']}" if "trial" in recording["activity"].dims else ""
    return (
        f"unit {str(recording['unit'].values[unit])!r} holds {rows[where, unit]:g} at time {time:g}{trial}, "
        f"{distance[unit]:.0f} times its usual spread from its median: if that is an artefact set it to NaN, else it will "
        "own a state or a direction of the fit.",
    )
