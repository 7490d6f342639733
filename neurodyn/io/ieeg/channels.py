"""What the channels are: types, units, positions and badness, from the file and its BIDS tables."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np

from neurodyn.errors import FileError
from neurodyn.io.files import existing_file, warn
from neurodyn.io.ieeg.opening import BRAINVISION, header_lines
from neurodyn.io.table import load_frame

NEURAL = ("eeg", "ecog", "seeg", "dbs")
MAGNETIC = ("mag", "grad", "ref_meg")
VOLT_FACTORS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "nV": 1e-9}
IMPLAUSIBLE = 0.01
"""Volts of spread (interquartile) no electrode on or in a brain shows."""
PLAUSIBLE = (1e-7, 5e-3)
"""Volts of spread that electrodes on or in a brain do show."""

BIDS_TYPES = {
    "EEG": "eeg",
    "ECOG": "ecog",
    "SEEG": "seeg",
    "DBS": "dbs",
    "EOG": "eog",
    "VEOG": "eog",
    "HEOG": "eog",
    "ECG": "ecg",
    "EMG": "emg",
    "TRIG": "stim",
    "MEGMAG": "mag",
    "MEGGRADAXIAL": "mag",
    "MEGGRADPLANAR": "grad",
}


def plain_unit(text: str) -> str:
    """A unit with either micro sign written as u."""
    return unicodedata.normalize("NFKC", text.strip()).replace("μ", "u")


def channel_table(path, given) -> Any:
    """The BIDS channels table, as given or found beside the recording, indexed by channel name; or None."""
    if given is None:
        path = Path(path)
        stem = path.name.split(".")[0]
        base, _, last = stem.rpartition("_")
        found = path.with_name(f"{base}_channels.tsv")
        if last not in ("ieeg", "eeg", "meg") or not found.is_file():
            return None
        given = found
    frame: Any = given if hasattr(given, "columns") else load_frame(existing_file(given))
    if "name" not in frame:
        raise FileError(f"The channels table {given} has no column name; it has: {', '.join(frame.columns)}.")
    return frame.assign(name=frame["name"].astype(str)).set_index("name")


def channel_types(raw, table) -> dict[str, str]:
    """mne's type of each channel, corrected by the BIDS channels table."""
    types = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    if table is not None and "type" in table:
        for name, kind in table["type"].items():
            if name in types:
                types[name] = BIDS_TYPES.get(str(kind).upper(), "misc")
    return types


def bad_channels(raw, table) -> list[str]:
    """Channels marked bad in the file or in the BIDS channels table."""
    bad = set(raw.info["bads"])
    if table is not None and "status" in table:
        bad |= {name for name, status in table["status"].items() if str(status).strip().lower() == "bad"}
    return [name for name in raw.ch_names if name in bad]


def unit_corrections(raw, path, picks) -> dict[str, float]:
    """Factor to volts for channels whose header unit mne took for volts though it is a part of one.

    A header may write the micro sign as a Greek letter, and with other codings; where mne does not
    know it, microvolts come out labelled volts, a million times too large.
    """
    if Path(path).suffix.lower() not in BRAINVISION:
        return {}
    stated = _brainvision_units(Path(path))
    factors = {}
    for number, channel in enumerate(raw.info["chs"]):
        factor = VOLT_FACTORS.get(plain_unit(stated.get(number, "")), 1.0)
        if channel["ch_name"] in picks and factor != 1.0 and float(channel["range"]) == 1.0:
            factors[channel["ch_name"]] = factor
    if factors:
        units = sorted({stated[raw.ch_names.index(name)] for name in factors})
        warn(
            f"{path}: the unit {', '.join(units)} of {len(factors)} channels was not recognised by mne, which takes "
            f"the numbers for volts; they were multiplied by {', '.join(f'{f:g}' for f in sorted(set(factors.values())))}."
        )
    return factors


def _brainvision_units(path: Path) -> dict[int, str]:
    """Unit of each channel number as the header writes it."""
    units = {}
    inside = False
    for line in header_lines(path):
        line = line.strip()
        if line.startswith("["):
            inside = line.lower() == "[channel infos]"
        elif inside and line.startswith("Ch") and "=" in line:
            key, _, value = line.partition("=")
            parts = value.split(",")
            if key[2:].isdigit() and len(parts) > 3:
                units[int(key[2:]) - 1] = parts[3].strip()
    return units


def amplitude_correction(values, types, names, path) -> float:
    """Factor to volts for neural channels whose spread is that of microvolts; 1 where they are plausible.

    A million times too large and plausible after division by a million is the signature of
    microvolts stored as volts; anything else implausible is refused.
    """
    neural = [number for number, name in enumerate(names) if types[name] in NEURAL]
    part = values[:: max(1, len(values) // 20000)][:, neural]
    part = part[:, np.isfinite(part).any(axis=0)]
    if not part.size:
        return 1.0
    low, high = np.nanpercentile(part, [25, 75], axis=0)
    spread = float(np.median(high - low))
    if spread <= IMPLAUSIBLE:
        return 1.0
    if PLAUSIBLE[0] <= 1e-6 * spread <= PLAUSIBLE[1]:
        warn(
            f"{path}: neural channels spread over {spread:.3g} V, a million times what electrodes measure; the numbers "
            "are taken for microvolts labelled volts and multiplied by 1e-6 (give scale=1 to keep them)."
        )
        return 1e-6
    raise FileError(
        f"{path}: neural channels spread over {spread:.3g} V, which no electrode measures; give scale, the factor that "
        "makes volts of the numbers in the file."
    )


def positions(raw, path, names) -> dict[str, np.ndarray]:
    """x, y, z in metres of the named channels from the BIDS electrodes table or the file; {} where unknown."""
    path = Path(path)
    found = (
        sorted(path.parent.glob(f"{path.name.split('_task-')[0]}*_electrodes.tsv"))
        if "_task-" in path.name
        else []
    )
    if len(found) == 1:
        frame = load_frame(found[0])
        if {"name", "x", "y", "z"} <= set(frame.columns):
            table = frame.assign(name=frame["name"].astype(str)).set_index("name").reindex(names)
            metres = table[["x", "y", "z"]].to_numpy(dtype=float) * _electrode_scale(found[0])
            return {axis: metres[:, number] for number, axis in enumerate("xyz")}
    index = {channel["ch_name"]: channel["loc"][:3] for channel in raw.info["chs"]}
    metres = np.array([index[name] for name in names], dtype=float)
    metres[~np.isfinite(metres).all(axis=1) | (metres == 0).all(axis=1)] = np.nan
    if np.isnan(metres).all():
        return {}
    return {axis: metres[:, number] for number, axis in enumerate("xyz")}


def _electrode_scale(path: Path) -> float:
    """Metres per unit of a BIDS electrodes table, from its coordinate system file; metres by default."""
    import json

    sidecar = path.with_name(path.name.replace("_electrodes.tsv", "_coordsystem.json"))
    if not sidecar.is_file():
        return 1.0
    try:
        stated = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise FileError(f"{sidecar} is not JSON ({error}); correct or remove it.") from error
    unit = next((str(value) for key, value in stated.items() if key.endswith("CoordinateUnits")), "m")
    return {"m": 1.0, "mm": 1e-3, "cm": 1e-2}.get(unit, 1.0)
