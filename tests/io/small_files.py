"""Builders of small files, for fixtures and for tests that need a file of their own."""

import datetime
import pathlib

import numpy as np


def new_nwb(**options):
    """An NWB file object with a subject."""
    import pynwb

    nwbfile = pynwb.NWBFile(
        session_description="test",
        identifier="session-1",
        session_start_time=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        **options,
    )
    nwbfile.subject = pynwb.file.Subject(subject_id="mouse-1", age="P90D", species="Mus musculus", sex="M")
    return nwbfile


def write_nwb(nwbfile, path: pathlib.Path) -> pathlib.Path:
    """Write an NWB file object."""
    import pynwb

    with pynwb.NWBHDF5IO(str(path), "w") as stream:
        stream.write(nwbfile)
    return path


def make_raw(seconds: float = 4.0, rate: float = 200.0, bads=(), types=None):
    """An mne recording of microvolts in volts: four depth contacts, one eye channel."""
    import mne

    names = ["A1", "A2", "A3", "B1", "EOG"]
    info = mne.create_info(names, rate, types or ["seeg"] * 4 + ["eog"])
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(1).normal(size=(5, time.size))
    values = 2e-5 * (np.sin(2 * np.pi * 10 * time) + 0.5 * noise)
    raw = mne.io.RawArray(values, info, verbose="ERROR")
    raw.info["bads"] = list(bads)
    raw.set_annotations(
        mne.Annotations([0.5, 1.0, 2.0], [0.0, 0.25, 0.0], ["stimulus", "BAD_movement", "stimulus"])
    )
    return raw


def write_brainvision(path: pathlib.Path, unit: str, values, data_file: str | None = None) -> pathlib.Path:
    """A BrainVision recording of float32 values (time, channel) at 1000 Hz with a unit in its header."""
    values = np.asarray(values, dtype="<f4")
    data = path.with_suffix(".eeg")
    data.write_bytes(values.tobytes())
    channels = "\n".join(f"Ch{i + 1}=E{i + 1},,1,{unit}" for i in range(values.shape[1]))
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={data_file or data.name}\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={values.shape[1]}\nSamplingInterval=1000\n[Binary Infos]\n"
        f"BinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\n{channels}\n",
        encoding="utf-8",
    )
    return path
