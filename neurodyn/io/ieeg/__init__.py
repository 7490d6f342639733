"""EEG, intracranial EEG and MEG: every format mne reads, in volts, with holes where the data are bad."""

from pathlib import Path
from typing import Any

import numpy as np

from neurodyn import recording
from neurodyn.errors import FileError, ModelError
from neurodyn.io.files import contents, cut_interval, reading, warn
from neurodyn.io.ieeg import channels as channel_module
from neurodyn.io.ieeg import signals
from neurodyn.io.ieeg.events import events_table, read_events
from neurodyn.io.ieeg.opening import READERS, open_raw, sniff
from neurodyn.io.registry import Loader
from neurodyn.recording.masks import available_memory

__all__ = ["LOADER", "read_events", "read_ieeg"]


def read_ieeg(
    path,
    *,
    picks=None,
    channels=None,
    bad: str = "nan",
    reference=None,
    notch=None,
    band_pass: tuple[float | None, float | None] | None = None,
    envelope: bool = False,
    resample: float | None = None,
    interval: tuple[float, float] | None = None,
    causal: bool = False,
    edge: float = 0.0,
    scale: float | None = None,
    subject: str | None = None,
    session: str = "",
):
    r"""Read EEG, intracranial EEG or MEG into a recording.

    In this order: the interval is read, units corrected, bad channels and stretches set to NaN,
    re-referenced, notch filtered, band-passed, turned into the amplitude
    :math:`|x(t) + i \mathcal{H}x(t)|`, resampled. Filters run over each observed stretch on its own,
    so a hole never leaks into its surroundings; a stretch shorter than one period of the lowest
    frequency becomes NaN. The ends of a stretch carry the filter's edge effect for about one such
    period: `edge` hides them. Zero-phase filters (the default) mix a little of the future into
    every value, which a forecast would exploit: with `causal=True` they do not.

    Parameters
    ----------
    path : path-like
        The recording (EDF, BDF, BrainVision, FIF, EEGLAB, ...); BIDS tables beside it are used.
    picks : str or sequence of str, optional
        Channel names or types (`eeg`, `ecog`, `seeg`, `dbs`, `mag`, `misc`, ...); default all neural ones.
    channels : path-like or DataFrame, optional
        BIDS `channels.tsv` with name, type, status; default the one beside the file.
    bad : {"nan", "drop", "keep"}
        What becomes of bad channels; "nan" and "drop" also hide stretches annotated as bad.
    reference : None, "average", "bipolar" or sequence of pairs of str
        Re-referencing of neural channels; "bipolar" takes neighbouring contacts of one electrode.
    notch : float or sequence of float, optional
        Line frequencies to remove, Hz.
    band_pass : tuple of float, optional
        (low, high) in Hz; either may be None.
    envelope : bool
        Amplitude of the band-passed signal.
    resample : float, optional
        New rate, Hz.
    interval : tuple of float, optional
        (start, stop) in seconds from the first sample; only this stretch is read.
    causal : bool
        Filter forward only (resampling and the envelope still look one filter length ahead).
    edge : float
        Seconds at both ends of every observed stretch set to NaN after filtering.
    scale : float, optional
        Factor to volts, where the file's unit is wrong (1e-6 for microvolts labelled volts).
    subject, session : str
        Attributes; the subject defaults to the BIDS entity `sub` of the file name.

    Returns
    -------
    xarray.Dataset
        Recording; `activity` (time, unit) in volts (tesla for magnetometers). Coordinates on `unit`:
        `channel_type`, `bad`, `x`/`y`/`z` (m) where known. Events: `read_events`.

    Raises
    ------
    FileError
        The file is missing, damaged, of no known format, or its amplitudes cannot be volts.
    ModelError
        An option is out of range.

    Examples
    --------
    >>> from neurodyn.io import read_ieeg
    >>> gamma = read_ieeg("run.vhdr", band_pass=(70, 150), envelope=True, resample=50)  # doctest: +SKIP
    """
    if bad not in ("nan", "drop", "keep"):
        raise ModelError(f"bad={bad!r} is not known; choose 'nan', 'drop' or 'keep'.")
    if envelope and band_pass is None:
        raise ModelError("envelope=True needs a band, for example band_pass=(70, 150).")
    raw = open_raw(path)
    table = channel_module.channel_table(path, channels)
    types = channel_module.channel_types(raw, table)
    bads = channel_module.bad_channels(raw, table)
    names = _picked(raw, types, picks, path)
    if bad == "drop":
        names = [name for name in names if name not in bads]
        if not names:
            raise FileError(f"{path}: all chosen channels are marked bad; use bad='keep' to read them.")
    values, start, history = _values(raw, path, names, interval, bad != "keep")
    rate = float(raw.info["sfreq"])
    neural = np.array([types[name] in channel_module.NEURAL for name in names])
    if scale is not None:
        values[:, neural] *= scale
        history.append(f"multiplied neural channels by {scale:g} as asked")
    else:
        factors = channel_module.unit_corrections(raw, path, set(names))
        values *= np.array([factors.get(name, 1.0) for name in names])
        if factors:
            history.append(f"corrected the unit of {len(factors)} channels to volts")
        factor = channel_module.amplitude_correction(values, types, names, path)
        if factor != 1.0:
            values[:, neural] *= factor
            history.append(f"multiplied neural channels by {factor:g}: microvolts were labelled volts")
    if bad == "nan":
        marked = [name in bads for name in names]
        values[:, marked] = np.nan
        if any(marked):
            history.append(f"set {sum(marked)} bad channels to NaN")
    values, labels, coords, history = _referenced(values, names, types, bads, raw, path, reference, history)
    values, rate, history = _filtered(
        values, rate, history, notch, band_pass, envelope, resample, causal, round(edge * rate)
    )
    kinds = {types[name] for name in names}
    entity = [part[4:] for part in Path(path).name.split("_") if part.startswith("sub-")]
    return recording.make(
        values,
        time=start + np.arange(len(values)) / rate,
        sampling_interval=1 / rate,
        unit=labels,
        unit_coords=coords,
        units=_unit(kinds),
        modality=_modality(kinds),
        subject=subject if subject is not None else (entity[0] if entity else ""),
        session=session,
        source=Path(path).name,
        history=history,
    )


def _picked(raw, types, picks, path) -> list[str]:
    """Names of the channels asked for, by name or type, in the file's order."""
    if picks is None:
        names = [name for name in raw.ch_names if types[name] in channel_module.NEURAL]
        names = names or [name for name in raw.ch_names if types[name] in channel_module.MAGNETIC]
        if not names:
            kinds = ", ".join(sorted(set(types.values())))
            raise FileError(
                f"{path} has no neural channels, only {kinds}; name those you want with picks=[...]."
            )
        return names
    wanted = {picks} if isinstance(picks, str) else {str(pick) for pick in picks}
    unknown = wanted - set(types) - set(types.values())
    if unknown or not wanted:
        near = ", ".join(raw.ch_names[:8])
        raise FileError(f"{path} has no channel or type {', '.join(sorted(unknown))!r}; channels: {near} ...")
    return [name for name in raw.ch_names if name in wanted or types[name] in wanted]


def _values(raw, path, names, interval, hide_bad):
    """Values (time, channel) of the interval, NaN in stretches annotated as bad, and its start."""
    rate = float(raw.info["sfreq"])
    begin, end = 0, int(raw.n_times)
    if interval is not None:
        first, last = cut_interval(interval, 0.0, end / rate, path)
        begin = min(max(int(np.ceil(first * rate - 1e-6)), 0), end)
        end = min(max(int(np.ceil(last * rate - 1e-6)), 0), end)
        if end <= begin:
            raise FileError(
                f"{path} lasts {raw.n_times / rate:g} s; the interval {interval} s holds no sample of it."
            )
    needed, free = 8 * len(names) * (end - begin) * 2, available_memory()
    if free is not None and needed > free:
        raise FileError(
            f"{path}: {len(names)} channels x {end - begin} samples need {needed:,} bytes, {free:,} are free; "
            "read a part with interval=(start, stop) or picks=[...]."
        )
    with reading(Path(path), "a recording"):
        index = [raw.ch_names.index(name) for name in names]
        mode = "NaN" if hide_bad else None
        values = raw.get_data(
            picks=index, start=begin, stop=end, reject_by_annotation=mode, verbose="ERROR"
        ).T
    values = np.array(values, dtype=np.float64, order="C")
    history = [f"read {len(names)} channels, samples {begin} to {end} at {rate:g} Hz"]
    hidden = int(np.isnan(values).any(axis=1).sum())
    if hidden:
        history.append(f"set {hidden} samples annotated as bad to NaN")
    return values, begin / rate, history


def _referenced(values, names, types, bads, raw, path, reference, history):
    """Values, labels and coordinates after re-referencing."""
    place = channel_module.positions(raw, path, names)
    neural = np.array([types[name] in channel_module.NEURAL for name in names])
    if reference in ("average", None):
        if reference == "average":
            usable = neural & ~np.array([name in bads for name in names])
            if usable.sum() < 2:
                raise ModelError(f"{path}: an average reference needs at least 2 good neural channels.")
            values = signals.average_reference(values, np.flatnonzero(usable))
            history = [*history, f"referenced to the average of {int(usable.sum())} neural channels"]
        coords = {
            "channel_type": [types[name] for name in names],
            "bad": [name in bads for name in names],
            **place,
        }
        return values, names, coords, history
    if reference == "bipolar":
        pairs = signals.bipolar_pairs(
            [name for name, chosen in zip(names, neural, strict=True) if chosen], types
        )
    elif isinstance(reference, str):
        raise ModelError(
            f"reference={reference!r} is not known; choose None, 'average', 'bipolar' or pairs of names."
        )
    else:
        pairs = [(str(first), str(second)) for first, second in reference]
    unknown = {name for pair in pairs for name in pair} - set(names)
    if unknown or not pairs:
        raise ModelError(
            f"{path}: no bipolar pairs could be made ({', '.join(sorted(unknown)) or 'no neighbouring contacts'}); "
            f"give pairs of these channels: {', '.join(names[:8])} ..."
        )
    first = [names.index(pair[0]) for pair in pairs]
    second = [names.index(pair[1]) for pair in pairs]
    coords = {
        "channel_type": [types[pair[0]] for pair in pairs],
        "bad": [pair[0] in bads or pair[1] in bads for pair in pairs],
        **{axis: (metres[first] + metres[second]) / 2 for axis, metres in place.items()},
    }
    labels = [f"{one}-{other}" for one, other in pairs]
    return (
        values[:, first] - values[:, second],
        labels,
        coords,
        [*history, f"made {len(pairs)} bipolar channels"],
    )


def _filtered(values, rate, history, notch, band_pass, envelope, new_rate, causal, edge):
    """Values and rate after notch, band-pass, envelope and resampling."""
    history, lost = list(history), 0
    how = "forward" if causal else "zero-phase"
    if notch is not None:
        values, short = signals.notch_filter(values, rate, notch, causal=causal)
        lost += short
        history.append(f"{how} notch at {', '.join(f'{f:g}' for f in np.atleast_1d(notch))} Hz")
    if band_pass is not None:
        if len(band_pass) != 2:
            raise ModelError(f"band_pass={band_pass} must be (low, high) in Hz.")
        low, high = band_pass
        values, short = signals.band_filter(
            values, rate, low, high, causal=causal, edge=0 if envelope else edge
        )
        lost += short
        history.append(f"{how} Butterworth filter of order 4, {low or 0:g} to {high or rate / 2:g} Hz")
    if envelope:
        values, short = signals.envelope(values)
        lost += short
        history.append("amplitude of the analytic signal")
        if edge:
            values, _ = signals.on_stretches(values, np.array, 2 * edge + 1, edge)
    if edge and (band_pass is not None or notch is not None):
        history.append(f"hid {edge} samples at the ends of every stretch")
    if new_rate is not None:
        values, rate = signals.resample(values, rate, new_rate)
        history.append(f"resampled to {rate:g} Hz, polyphase")
    if lost:
        warn(f"{lost} samples lie in observed stretches too short to filter and became NaN.")
    return values, rate, history


def _unit(kinds) -> str:
    """SI unit of channels of these types, empty where they differ."""
    if kinds <= {*channel_module.NEURAL, "eog", "ecg", "emg"}:
        return "V"
    if kinds == {"mag"}:
        return "T"
    return "T/m" if kinds == {"grad"} else ""


def _modality(kinds) -> str:
    """What was recorded, from the channel types."""
    if kinds & {"ecog", "seeg", "dbs"}:
        return "ieeg"
    if "eeg" in kinds:
        return "eeg"
    return "meg" if kinds & set(channel_module.MAGNETIC) else ""


def inspect_ieeg(path):
    """Table of the channel types and kinds of annotation of a recording."""
    raw = open_raw(path)
    table = channel_module.channel_table(path, None)
    types = channel_module.channel_types(raw, table)
    bads = set(channel_module.bad_channels(raw, table))
    rate = float(raw.info["sfreq"])
    rows = []
    for kind in dict.fromkeys(types.values()):
        names = [name for name in raw.ch_names if types[name] == kind]
        note = ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
        number = len(bads & set(names))
        rows.append(
            {
                "kind": "channels",
                "name": kind,
                "shape": (int(raw.n_times), len(names)),
                "rate": rate,
                "unit": _unit({kind}),
                "duration": raw.n_times / rate,
                "note": note + (f"; {number} bad" if number else ""),
            }
        )
    groups: Any = events_table(raw).groupby("description")
    for word, group in groups:
        rows.append(
            {
                "kind": "annotation",
                "name": word,
                "shape": (len(group),),
                "unit": "s",
                "duration": float(group["duration"].sum()),
                "note": f"first at {group['onset'].min():g} s",
            }
        )
    return contents(rows)


LOADER = Loader(name="ieeg", suffixes=tuple(READERS), sniff=sniff, inspect=inspect_ieeg, read=read_ieeg)
