"""A recording in words."""

import numpy as np
import xarray as xr

from neurodyn.recording.schema import check, listed, trial_lengths


def describe(recording: xr.Dataset) -> str:
    """Say in a few lines what a recording holds.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording.

    Returns
    -------
    str
        Several lines of text.

    Raises
    ------
    RecordingError
        If it is not a recording.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> bold = recording.make(np.ones((250, 3)), sampling_interval=1.89, modality="fmri", subject="01")
    >>> print(recording.describe(bold))
    fmri recording of subject 01
      size      250 time steps x 3 units
      time      0 to 472.5 s, one step is 1.89 s
      observed  100 % of 750 entries
      kinds     continuous 3
    """
    check(recording, allow_empty=True)
    attrs, activity = recording.attrs, recording["activity"]
    rows = [("size", _size(recording)), ("time", _time(recording))]
    if "trial" in activity.dims:
        rows.append(("trials", _trials(recording)))
    rows.append(("observed", _observed(recording)))
    rows.append(("kinds", _counts(recording["kind"].values)))
    if attrs["units"]:
        rows.append(("units", attrs["units"]))
    if "region" in recording.coords:
        rows.append(("regions", _counts(recording["region"].values)))
    if "covariates" in recording:
        named = recording["covariates"]
        rows.append(
            (
                "inputs",
                listed(
                    [
                        f"{n} ({a})"
                        for n, a in zip(named["covariate"].values, named["available"].values, strict=True)
                    ]
                ),
            )
        )
    if attrs["source"]:
        rows.append(("source", attrs["source"]))
    rows += [("history" if i == 0 else "", line) for i, line in enumerate(attrs["history"])]
    title = " ".join([attrs["modality"] or "unnamed", "recording"])
    title += f" of subject {attrs['subject']}" if attrs["subject"] else ""
    title += f", session {attrs['session']}" if attrs["session"] else ""
    return "\n".join([title, *(f"  {name:<8}  {text}" for name, text in rows)])


def _size(recording: xr.Dataset) -> str:
    """Numbers of trials, time steps and units."""
    words = {"trial": "trial", "time": "time step", "unit": "unit"}
    sizes = [(recording.sizes[dim], words[str(dim)]) for dim in recording["activity"].dims]
    return " x ".join(f"{n:,} {word}{'' if n == 1 else 's'}" for n, word in sizes)


def _time(recording: xr.Dataset) -> str:
    """Extent and step of time."""
    interval, first = recording.attrs["sampling_interval"], float(recording["time"].values[0])
    if recording.attrs.get("time_unit") == "trial":
        return f"counts trials, {recording.sizes['time']} at most"
    last = float(recording["time"].values[-1]) + interval
    return f"{first:.6g} to {last:.6g} s, one step is {interval:.6g} s"


def _trials(recording: xr.Dataset) -> str:
    """Lengths of the trials and the columns known of them."""
    lengths = trial_lengths(recording)
    columns = [
        n for n, c in recording.coords.items() if c.dims == ("trial",) and n not in ("trial", "n_bins")
    ]
    span = f"{lengths.min()}" if lengths.min() == lengths.max() else f"{lengths.min()} to {lengths.max()}"
    return f"{span} bins long" + (f"; columns {listed(columns, 8)}" if columns else "")


def _observed(recording: xr.Dataset) -> str:
    """Share of entries that were observed, padding aside."""
    units = recording.sizes["unit"]
    total = int(trial_lengths(recording).sum()) * units
    n = int(recording["activity"].notnull().sum())
    share = 100 * n / max(total, 1)
    text = "100" if n == total else f"{min(share, 99.9):.1f}"
    return f"{text} % of {total:,} entries"


def _counts(values: np.ndarray) -> str:
    """How often each word occurs."""
    names, counts = np.unique(values.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return listed([f"{names[i] or 'none'} {counts[i]}" for i in order], 8)
