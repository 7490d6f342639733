"""Neurodata Without Borders: units, calcium, field potentials, behaviour and trials of one session."""

import numpy as np

from neurodyn import recording
from neurodyn.errors import FileError, ModelError
from neurodyn.io.files import cut_interval
from neurodyn.io.nwb import behaviour as behaviour_module
from neurodyn.io.nwb import catalogue, opening, tables, units
from neurodyn.io.nwb import series as series_module
from neurodyn.io.registry import Loader
from neurodyn.io.resample import labels_on_bins

MODALITIES = {
    "RoiResponseSeries": ("calcium", ""),
    "ElectricalSeries": ("ieeg", "V"),
    "PatchClampSeries": ("intracellular", ""),
}
SI_UNITS = {
    "volts": "V",
    "volt": "V",
    "v": "V",
    "amperes": "A",
    "ampere": "A",
    "a": "A",
    "meters": "m",
    "meter": "m",
    "metres": "m",
    "m": "m",
    "seconds": "s",
    "s": "s",
    "radian": "rad",
    "radians": "rad",
    "rad": "rad",
}


def read_nwb(
    path,
    *,
    bin_width: float | None = None,
    series: str | None = None,
    channels=None,
    interval: tuple[float, float] | None = None,
    units_where=None,
    behaviour=True,
    outside: str = "nan",
    trials: bool | str = False,
    align: str = "start_time",
    window: tuple[float, float] | None = None,
):
    r"""Read an NWB file (HDF5, NWB 2) into a recording.

    Sorted units become counts, :math:`x_{tu} = \#\{s \in S_u : t \Delta \le s - t_0 < (t+1) \Delta\}`;
    a `series` (calcium, field potential, voltage, current) becomes continuous values,
    stored number x conversion + offset. A file without units and with exactly one calcium or
    electrical series is read as that series.

    Parameters
    ----------
    path : path-like
        The file.
    bin_width : float, optional
        Bin width for spikes, seconds; required for units.
    series : str, optional
        Name or path of a series to read instead of the units, as `inspect` prints it.
    channels : sequence of int, optional
        Columns of the series to read; default all.
    interval : tuple of float, optional
        (start, stop) in seconds of the session clock, either may be None; only this stretch is read, cut to what
        the file holds.
    units_where : str, mapping or callable, optional
        Which units: a query such as `"region == 'adn'"`, a mapping of column to allowed values, or a
        function of the units table (DataFrame) returning one boolean per unit.
    behaviour : bool, str or sequence of str
        Resample behaviour onto the bins as covariates: all that is found, the named ones, or none.
        A bin takes the mean of its samples (the circular mean for angles within one turn).
    outside : {"nan", "restrict"}
        What to do where behaviour was not measured: keep the activity with NaN covariates (models that
        use the covariates will ask for finite ones), or restrict the recording to the span of bins
        in which every covariate was measured, the activity of gaps inside it set to NaN and the
        covariates there held at their last value.
    trials : bool or str
        Cut into trials: True for the trials table, or the name of an interval table.
    align : str
        Column of that table with the time of the event (s) the `window` is placed around.
    window : tuple of float, optional
        Seconds before and after the event, such as (-0.5, 1.0); default from start to stop of each row.

    Returns
    -------
    xarray.Dataset
        Recording; `activity` (time, unit) or (trial, time, unit), counts or SI units. Coordinates on
        `unit`: `region`, `group`, `x`/`y`/`z` (m) and the table's other columns; on `time`: `epoch`
        where the file has epochs. Bins outside a unit's observation intervals are NaN.

    Raises
    ------
    FileError
        The file is not NWB, is damaged, refers to files outside its folder, or has no units: the
        message lists what it holds.
    ModelError
        `bin_width` is missing or an option is out of range.

    References
    ----------
    Ruebel et al. (2022), eLife 11:e78362, doi:10.7554/eLife.78362

    Examples
    --------
    >>> from neurodyn.io import read_nwb
    >>> recording = read_nwb("session.nwb", bin_width=0.1, units_where="region == 'adn'")  # doctest: +SKIP
    """
    if outside not in ("nan", "restrict"):
        raise ModelError(f"outside={outside!r} is not known; choose 'nan' or 'restrict'.")
    if interval is not None and None not in interval and not interval[1] > interval[0]:
        raise ModelError(f"interval={interval} is not (start, stop) with stop after start, in seconds.")
    with opening.open_nwb(path) as nwbfile:
        if series is None and (nwbfile.units is None or not len(nwbfile.units)):
            series = _only_neural_series(nwbfile, path)
        if series is None:
            result = _read_units(nwbfile, path, bin_width, interval, units_where)
        else:
            if units_where is not None:
                raise ModelError(
                    "units_where chooses sorted units and does not apply to a series; use channels."
                )
            result = _read_series(nwbfile, path, series, channels, interval)
        result = _with_epochs(result, nwbfile, path)
        if behaviour is not False and behaviour is not None:
            result = _with_behaviour(result, nwbfile, path, behaviour, outside)
        if trials:
            table = tables.intervals(nwbfile, "trials" if trials is True else trials, path)
            result = _cut(result, table, align, window, path)
    return recording.check(result)


def _only_neural_series(nwbfile, path) -> str:
    """The path of the file's one neural series, where it has no units; else an error that lists it all."""
    for kind in catalogue.NEURAL:
        found = list(catalogue.all_series(nwbfile, (kind,)))
        if len(found) == 1:
            return found[0]
    raise units.no_units(nwbfile, path)


def _about(nwbfile, path) -> dict:
    """Attributes that describe the session."""
    subject = nwbfile.subject
    return {
        "subject": str(getattr(subject, "subject_id", "") or ""),
        "session": str(nwbfile.session_id or nwbfile.identifier or ""),
        "source": str(getattr(path, "name", path)).replace("\\", "/").split("/")[-1],
    }


def _read_units(nwbfile, path, bin_width, interval, where):
    """Spike counts of the chosen units."""
    if bin_width is None:
        raise ModelError(
            f"{path} holds spike times of {len(nwbfile.units)} units: give bin_width in seconds, e.g. bin_width=0.1."
        )
    chosen = units.unit_rows(nwbfile, where, path)
    times = units.spike_times(nwbfile, chosen, path)
    start, stop, why = units.observed_span(nwbfile, chosen, times)
    if interval is not None:
        # Without epochs only the spikes tell when the session was recorded, and a session may begin in silence.
        if why == units.BY_SPIKES:
            start, stop = min(start, 0.0), stop + bin_width
        start, stop = cut_interval(interval, start, stop, f"{path} ({why})")
        times, why = units.within(times, start, stop), "the interval asked for"
    if not stop - start >= bin_width:
        raise FileError(
            f"{path}: {why} last from {start:g} to {stop:g} s, less than one bin of {bin_width:g} s; "
            "give interval=(start, stop) and a shorter bin_width."
        )
    result = recording.from_spikes(
        times,
        bin_width=bin_width,
        start=start,
        stop=stop,
        unit=units.unit_labels(nwbfile, chosen),
        unit_coords=units.unit_coords(nwbfile, chosen),
        **_about(nwbfile, path),
    )
    result = recording.with_history(result, f"read units of an NWB file from {start:g} to {stop:g} s ({why})")
    observed = units.observation_intervals(nwbfile, chosen)
    if observed is not None:
        result = _hide(
            result, units.unobserved(observed, result["time"].values, bin_width), "observation intervals"
        )
    return result


def _hide(result, mask, why):
    """The recording with entries of a (time, unit) mask set to NaN."""
    if not mask.any():
        return result
    activity = result["activity"].where(~mask)
    return recording.with_history(
        result.assign(activity=activity.astype(result["activity"].dtype)),
        f"set {int(mask.sum())} entries outside the {why} to NaN",
    )


def _read_series(nwbfile, path, name, channels, interval):
    """Values of one series on a uniform grid."""
    found = catalogue.find_series(nwbfile, name, path)
    labels, coords = series_module.channel_labels(found, _width(found))
    if channels is not None:
        channels = sorted(int(channel) for channel in channels)
        if not channels or channels[0] < 0 or channels[-1] >= len(labels):
            raise ModelError(f"channels={channels} of {name} must lie between 0 and {len(labels) - 1}.")
        labels = [labels[channel] for channel in channels]
        coords = {key: values[channels] for key, values in coords.items()}
    columns = channels if len(catalogue.shape_of(found)) == 2 else None
    data = series_module.samples(found, series_module.held(found, interval, path), columns, path=path)
    if len(labels) != data.values.shape[1]:
        labels, coords = list(range(data.values.shape[1])), {}
    start, step, values, history = series_module.on_grid(data, catalogue.path_of(found))
    modality, unit = "", SI_UNITS.get((found.unit or "").strip().lower(), "")
    for base in type(found).__mro__:
        if base.__name__ in MODALITIES:
            modality, default = MODALITIES[base.__name__]
            unit = unit or default
    return recording.make(
        values,
        time=start + step * np.arange(len(values)),
        sampling_interval=step,
        kind="continuous",
        unit=labels,
        unit_coords=coords,
        units=unit,
        modality=modality,
        history=history,
        **_about(nwbfile, path),
    )


def _width(series) -> int:
    """Number of channels of a series."""
    shape = catalogue.shape_of(series)
    return shape[1] if len(shape) > 1 else 1


def _with_epochs(result, nwbfile, path):
    """The recording with the name of each bin's epoch as a coordinate, where the file has epochs."""
    if "epochs" not in catalogue.tables(nwbfile):
        return result
    table = tables.intervals(nwbfile, "epochs", path)
    labels = labels_on_bins(
        result["time"].values,
        result.attrs["sampling_interval"],
        table["start_time"],
        table["stop_time"],
        tables.interval_names(table),
    )
    return result.assign_coords(epoch=("time", labels))


def _with_behaviour(result, nwbfile, path, wanted, outside):
    """The recording with behaviour as covariates."""
    import xarray

    starts, width = result["time"].values, result.attrs["sampling_interval"]
    found, history = behaviour_module.covariates(nwbfile, wanted, starts, width, path=path)
    result = recording.with_history(result, *history)
    if found is None:
        return result
    number = len(found["names"])
    block = xarray.DataArray(
        found["values"].astype(np.float32),
        dims=("time", "covariate"),
        coords={
            "covariate": found["names"],
            "available": ("covariate", ["with"] * number),
            "role": ("covariate", ["measured"] * number),
            "covariate_units": ("covariate", found["units"]),
        },
    )
    result = result.assign(covariates=block)
    finite = np.isfinite(found["values"]).all(axis=1)
    if finite.all():
        return result
    if outside == "nan":
        return recording.with_history(
            result, f"behaviour was not measured in {int(np.sum(~finite))} of {len(finite)} bins, NaN there"
        )
    return _restrict_to_behaviour(result, finite, path)


def _restrict_to_behaviour(result, finite, path):
    """From the first to the last bin with all covariates; gaps hide activity and hold the covariates."""
    if not finite.any():
        raise FileError(
            f"{path}: in no bin were all behaviour series measured; name some with behaviour=[...]."
        )
    first, last = int(np.argmax(finite)), len(finite) - int(np.argmax(finite[::-1]))
    result, finite = result.isel(time=slice(first, last)), finite[first:last]
    held = np.maximum.accumulate(np.where(finite, np.arange(len(finite)), 0))
    covariates = result["covariates"].copy(data=result["covariates"].values[held])
    activity = result["activity"].where(finite[:, None]).astype(result["activity"].dtype)
    return recording.with_history(
        result.assign(activity=activity, covariates=covariates),
        f"restricted to bins {first} to {last}, where behaviour was measured; {int(np.sum(~finite))} bins of "
        "gaps in it set to NaN",
    )


def _cut(result, table, align, window, path):
    """The recording cut into trials by the rows of an interval table."""
    if align not in table:
        raise ModelError(
            f"{path}: the interval table has no column {align!r}; it has: {', '.join(table.columns)}."
        )
    cut = recording.cut_trials(result, table, window=window, align=align, stop="stop_time")
    if "epoch" in result.coords:
        position = result.indexes["time"].get_indexer(cut["event_time"].values, method="ffill")
        names = result["epoch"].values
        cut = cut.assign_coords(epoch=("trial", [names[i] if i >= 0 else "" for i in position]))
    return cut


LOADER = Loader(
    name="nwb", suffixes=(".nwb",), sniff=opening.sniff, inspect=catalogue.inspect_nwb, read=read_nwb
)
