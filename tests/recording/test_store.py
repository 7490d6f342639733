"""Files: identical after the round trip, one sentence for every broken one."""

import json
import pickle

import h5py
import numpy as np
import pytest
import xarray as xr

from neurodyn import recording
from neurodyn.errors import FileError, RecordingError

RNG = np.random.default_rng(5)


def with_holes(values):
    values = np.array(values, float)
    values.reshape(-1)[::7] = np.nan
    return values


RECORDINGS = {
    "continuous": lambda: recording.make(
        with_holes(RNG.normal(size=(50, 3))), sampling_interval=0.72, units="V"
    ),
    "float64": lambda: recording.make(RNG.normal(size=(50, 3)), sampling_interval=0.1, dtype="float64"),
    "counts": lambda: recording.make(
        with_holes(RNG.poisson(3, (50, 4))), sampling_interval=0.02, kind="count"
    ),
    "large counts": lambda: recording.make([40_000, 2**30, 0], sampling_interval=1, kind="count"),
    "huge counts": lambda: recording.make([2**40, 3], sampling_interval=1, kind="count"),
    "binary": lambda: recording.make([0, 1, np.nan], sampling_interval=1, kind="binary", dtype="float64"),
    "mixed": lambda: recording.make(
        np.stack([[0, 1, 2], [0.1, 0.2, 0.3]], -1),
        kind=["categorical", "continuous"],
        unit=["choice", "reaction time"],
        categories={"choice": ["left", "right", "none"]},
        time_unit="trial",
    ),
    "ragged": lambda: recording.make(
        [np.ones((3, 2)), np.zeros((5, 2))],
        sampling_interval=0.1,
        trial=["a", "b"],
        trial_coords={
            "start_time": [0.5, np.nan],
            "cue": ["left", ""],
            "correct": [True, False],
            "when": np.array(["2020-01-01", "2021-06-01"], "datetime64[ns]"),
        },
        covariates={"speed": (with_holes(RNG.normal(size=(2, 5))), "with", "measured")},
    ),
    "labels": lambda: recording.make(
        np.ones((4, 2)),
        time=[1e6, 1e6 + 0.5, 1e6 + 1, 1e6 + 1.5],
        unit=["µ-électrode", "β"],
        history=("a", "b; c"),
    ),
    "one entry": lambda: recording.make([[3.0]], sampling_interval=1, subject="x", session="y", source="z"),
    "attributes": lambda: recording.make([[3.0]], sampling_interval=1).assign_attrs(
        deep={"tuple": (1, (2.5, None)), "list": [True, "x"]}, number=np.float32(0.5)
    ),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_round_trip_is_identical(tmp_path, name):
    original = RECORDINGS[name]()
    recording.save(original, tmp_path / "recording.nc")
    loaded = recording.load(tmp_path / "recording.nc")
    assert loaded.identical(original)
    assert list(loaded.variables) == list(original.variables) or set(loaded.variables) == set(
        original.variables
    )
    for variable in original.variables:
        assert loaded[variable].dtype == original[variable].dtype, variable
    assert recording.fingerprint(loaded) == recording.fingerprint(original)
    assert isinstance(loaded.attrs["history"], tuple)
    assert [path.name for path in tmp_path.iterdir()] == ["recording.nc"]


def test_saving_leaves_the_original_alone(tmp_path):
    original = RECORDINGS["mixed"]()
    before = original.copy(deep=True)
    recording.save(original, tmp_path / "recording.nc")
    assert original.identical(before)


def test_counts_are_compressed_integers_on_disk(tmp_path):
    counts = recording.make(RNG.poisson(0.1, (20_000, 20)), sampling_interval=0.001, kind="count")
    path = recording.save(counts, tmp_path / "counts.nc")
    with h5py.File(path) as file:
        assert file["activity"].dtype == np.int16
        assert file["activity"].compression == "gzip"
        assert file["activity"].attrs["_FillValue"] == -1
        assert json.loads(file.attrs["neurodyn"])["header"]["format"] == "neurodyn recording"
    assert path.stat().st_size < 0.15 * counts.activity.nbytes


def test_recordings_made_by_each_step_survive_the_file(tmp_path):
    run = recording.from_spikes(
        {"a": RNG.uniform(0, 20, 90), "b": RNG.uniform(0, 20, 50)}, bin_width=0.1, stop=20
    )
    cut = recording.cut_trials(run, [3.0, 9.0], window=(-0.5, 1.0))
    hidden = recording.hide(cut, cut.unit == "b")
    joined = recording.concatenate({"x": hidden, "y": cut})
    for made in (run, cut, hidden, joined, recording.restrict(run, [(1, 2), (5, 6)])):
        loaded = recording.load(recording.save(made, tmp_path / "recording.nc"))
        assert loaded.identical(made)
    assert loaded.attrs["history"][0].startswith("counted spikes")
    assert joined.attrs["history"][-1] == "joined 2 recordings along trial: x, y"


def test_an_existing_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "recording.nc"
    first = RECORDINGS["continuous"]()
    recording.save(first, path)
    with pytest.raises(RecordingError, match="`wrong.*is a set, which cannot be saved"):
        recording.save(first.assign_attrs(wrong={"x": {1, 2}}), path)
    assert recording.load(path).identical(first)
    assert [p.name for p in tmp_path.iterdir()] == ["recording.nc"]


def test_missing_folder_and_folder_as_file_are_named(tmp_path):
    made = RECORDINGS["continuous"]()
    with pytest.raises(FileError, match="does not exist: create it first"):
        recording.save(made, tmp_path / "no" / "recording.nc")
    with pytest.raises(FileError, match="is a folder"):
        recording.save(made, tmp_path)
    with pytest.raises(FileError, match="is a folder"):
        recording.load(tmp_path)
    with pytest.raises(FileError, match="does not exist: check the path"):
        recording.load(tmp_path / "none.nc")


def test_foreign_and_damaged_files_are_named(tmp_path):
    good = recording.save(RECORDINGS["continuous"](), tmp_path / "good.nc").read_bytes()
    path = tmp_path / "bad.nc"
    for content, message in (
        (b"", "is empty, 0 bytes"),
        (b"time,unit\n0,1\n" * 10, "is not a netCDF .HDF5. file"),
        (pickle.dumps({"a": 1}), "is not a netCDF .HDF5. file"),
        (good[:100], "truncated or damaged"),
        (good[: len(good) // 2], "truncated or damaged"),
        (good[:-10], "truncated or damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(FileError, match=message) as caught:
            recording.load(path)
        assert "\n" not in str(caught.value)
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]
    with pytest.raises(FileError, match="not one that neurodyn wrote"):
        recording.load(path)


def test_other_files_of_this_package_are_told_from_recordings(tmp_path):
    recording.write_dataset(xr.Dataset({"x": ("a", [1, 2])}), tmp_path / "fit.nc", {"format": "neurodyn fit"})
    with pytest.raises(FileError, match="holds a neurodyn fit, not a recording"):
        recording.load(tmp_path / "fit.nc")
    made = RECORDINGS["continuous"]()
    recording.write_dataset(made, tmp_path / "new.nc", {"format": "neurodyn recording", "version": 99})
    with pytest.raises(FileError, match="newer neurodyn .recording format 99"):
        recording.load(tmp_path / "new.nc")


def test_any_dataset_and_its_header_can_be_stored(tmp_path):
    data = xr.Dataset(
        {
            "scalar": 3,
            "text": ("name", np.array(["a", "bc"])),
            "long": ("name", np.array([1, 2**60])),
            "flag": True,
        },
        attrs={"a": (1, 2), "b": None},
    )
    recording.write_dataset(data, tmp_path / "any.nc", {"class": "HMM", "seed": 3})
    loaded, header = recording.read_dataset(tmp_path / "any.nc")
    assert header == {"class": "HMM", "seed": 3}
    assert loaded.identical(data)
    assert loaded["long"].values.tolist() == [1, 2**60]
    assert loaded["flag"].dtype == bool


def test_what_netcdf_cannot_hold_is_named(tmp_path):
    made = RECORDINGS["continuous"]()
    with pytest.raises(RecordingError, match="keep `/` out of its name"):
        recording.save(made.assign_coords({"a/b": ("unit", [1, 2, 3])}), tmp_path / "recording.nc")
    assert list(tmp_path.iterdir()) == []


def test_one_trial_of_a_recording_can_be_saved(tmp_path):
    one = RECORDINGS["ragged"]().isel(trial=0)
    assert recording.load(recording.save(one, tmp_path / "one.nc")).identical(one)
