"""Named recordings and descriptions in words."""

import importlib.util

import numpy as np
import pytest

from neurodyn import datasets, recording
from neurodyn.errors import FileError

needs_nitime = pytest.mark.skipif(
    importlib.util.find_spec("nitime") is None, reason='nitime is not installed: pip install "neurodyn[demo]"'
)


@needs_nitime
def test_resting_fmri_is_as_its_file_says():
    bold = datasets.load("nitime_fmri")
    assert bold.activity.shape == (250, 31)
    assert bold.attrs["sampling_interval"] == 1.89
    assert bold.unit.values[3] == "LCau"
    assert bold.activity.sel(unit="WM").values[0] == pytest.approx(10125.9)
    assert (bold.tissue == "grey matter").sum() == 28
    recording.check(bold, strict=True)


@needs_nitime
def test_grasshopper_spikes_are_all_counted():
    spikes = datasets.load("nitime_grasshopper")
    assert spikes.activity.shape == (2, 10_000, 1)
    lines = datasets.path("nitime_grasshopper").read_text().splitlines()
    times = np.array([float(line) for line in lines if line.strip() and not line.startswith("#")]) * 1e-6
    assert spikes.activity.values[0].sum() == times.size
    assert spikes.activity.values[0, int(times[0] * 1000), 0] == 1
    values, mask = recording.covariate_arrays(spikes, ["stimulus"])
    assert mask.all()
    assert values[0].std() > 0.05
    recording.check(spikes, kinds={"count"}, strict=True)


@needs_nitime
def test_every_named_data_set_is_there():
    for name, summary in datasets.names().items():
        assert datasets.path(name).is_file()
        assert "BSD-3" in summary


@needs_nitime
def test_shipped_recordings_survive_the_file(tmp_path):
    for name in ("nitime_fmri", "nitime_grasshopper"):
        made = datasets.load(name)
        assert recording.load(recording.save(made, tmp_path / "recording.nc")).identical(made)


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    with pytest.raises(FileError, match="no data set 'mnist': choose one of nitime_fmri"):
        datasets.load("mnist")
    with pytest.raises(FileError, match=r"datasets.path\('nitime_fmri_nifti'\)"):
        datasets.load("nitime_fmri_nifti")
    with pytest.raises(FileError, match="does not exist, or is a folder"):
        datasets.load("nitime_fmri", tmp_path)
    bad = tmp_path / "bad.csv"
    bad.write_text('"a","b"\n1,2\n3\n')
    with pytest.raises(FileError, match="is not a table of numbers"):
        datasets.load("nitime_fmri", bad)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileError, match=r'pip install "neurodyn\[demo\]"'):
        datasets.load("nitime_fmri")


def test_description_says_what_a_recording_holds():
    made = recording.from_spikes(
        {"a": [0.1, 0.5, 3.0], "b": [0.2]},
        bin_width=0.1,
        intervals=[(0, 1), (2.5, 4)],
        as_trials=True,
        unit_coords={"region": ["ca1", "adn"]},
        trial_coords={"cue": ["x", "y"]},
        covariates={"speed": np.zeros(15)},
        subject="m1",
        session="s2",
        source="file.nwb",
    )
    text = recording.describe(recording.hide(made, made.unit == "b"))
    assert text.splitlines() == [
        "spikes recording of subject m1, session s2",
        "  size      2 trials x 15 time steps x 2 units",
        "  time      0 to 1.5 s, one step is 0.1 s",
        "  trials    10 to 15 bins long; columns start_time, cue",
        "  observed  50.0 % of 50 entries",
        "  kinds     count 2",
        "  regions   adn 1, ca1 1",
        "  inputs    speed (before)",
        "  source    file.nwb",
        "  history   counted spikes in bins of 0.1 s in 2 trials; 0 spikes outside dropped",
        "            hid 25 observed entries",
    ]
