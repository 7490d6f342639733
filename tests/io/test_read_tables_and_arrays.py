"""Tables of choices, spike triplets and plain arrays."""

import warnings

import h5py
import numpy as np
import pandas
import pytest

from neurodyn import io
from neurodyn.errors import FileError, ModelError, NeurodynWarning, RecordingError


def test_choices_become_zero_and_one_by_participant(choices_path):
    found = io.read_table(choices_path, responses="choice", participant="who")
    assert found["trial"].values.tolist() == ["a", "b"]
    assert found["n_bins"].values.tolist() == [4, 3]
    assert found["kind"].values.tolist() == ["binary"]
    assert found["activity"].values[0, :, 0].tolist() == [0, 1, 1, 0]
    assert any("-1 to 0, 1 to 1" in line for line in found.attrs["history"])


def test_kinds_are_judged_by_the_values_or_given(choices_path):
    judged = io.read_table(choices_path, responses=["choice", "reaction_time"], participant="who")
    assert judged["kind"].values.tolist() == ["binary", "continuous"]
    given = io.read_table(choices_path, responses={"reaction_time": "continuous"})
    assert dict(given["activity"].sizes) == {"trial": 1, "time": 7, "unit": 1}


def test_time_between_trials_becomes_a_covariate(choices_path):
    found = io.read_table(choices_path, responses="choice", participant="who", onset="onset")
    steps = found["covariates"].sel(covariate="time_step").values
    assert steps[0].tolist() == [2.0, 2.0, 3.0, 1.0]
    assert steps[1, :3].tolist() == [3.5, 2.0, 5.0]


def test_signed_contrast_is_made_of_the_two_sides(choices_path):
    found = io.read_table(choices_path, responses="choice", covariates=["signed_contrast"])
    assert found["covariates"].values[0, :, 0].tolist() == [-0.5, 0.5, 0.25, -1.0, 1.0, -0.25, 0.0]


def test_one_sided_contrasts_are_warned_of(choices_path):
    with pytest.warns(NeurodynWarning, match="use the covariate signed_contrast instead"):
        io.read_table(choices_path, responses="choice", covariates=["contrastLeft"])


def test_a_missing_column_is_named(choices_path):
    with pytest.raises(RecordingError, match="no column 'answer'"):
        io.read_table(choices_path, responses="answer")
    with pytest.raises(FileError, match="no column 'when'"):
        io.read_table(choices_path, responses="choice", onset="when")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_and_byte_order_marks_are_dealt_with(tmp_path, separator):
    path = tmp_path / "t.csv"
    text = separator.join(["choice", "cue"]) + "\n" + separator.join(["left", "0.5"]) + "\n"
    text += separator.join(["right", "n/a"]) + "\n"
    path.write_text(text, encoding="utf-8-sig")
    found = io.read_table(path, responses="choice", covariates=["cue"])
    assert found["unit"].values.tolist() == ["choice"]
    assert np.isnan(found["covariates"].values[0, 1, 0])


def test_a_column_without_header_is_read_whole(tmp_path):
    path = tmp_path / "responses.txt"
    np.savetxt(path, [1.0, 0.0, 1.0])
    assert io.read_table(path, responses="column-0")["activity"].values.ravel().tolist() == [1, 0, 1]


def test_a_binary_file_named_csv_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\x00\x01\x02" * 50)
    with pytest.raises(FileError, match="not a text table"):
        io.read_table(path, responses="choice")


def test_spike_triplets_are_counted_into_trials(spikes_path):
    counts = io.read_spike_table(
        spikes_path, bin_width=0.01, window=(0.0, 0.1), time_unit="ms", trial_columns=["tap"]
    )
    assert dict(counts["activity"].sizes) == {"trial": 4, "time": 10, "unit": 2}
    assert counts["unit"].values.tolist() == [3, 8]
    assert counts["activity"].values[0, :2, 0].tolist() == [1, 1]
    assert counts["activity"].values[1, 1, 1] == 1
    assert counts["activity"].values[3].sum() == 0
    assert float(counts["activity"].sum()) == 5
    assert counts["tap"].values.tolist() == [1, 2, 3, 4]


def test_spike_triplets_are_read_from_a_table_of_text(tmp_path):
    path = tmp_path / "spikes.csv"
    pandas.DataFrame({"neuron": ["x", "y", "x"], "spike_times": [0.1, 0.2, 0.3]}).to_csv(path, index=False)
    counts = io.read(path, bin_width=0.1)
    assert counts["activity"].sum("time").values.tolist() == [2, 1]
    assert counts["activity"].dims == ("time", "unit")


def test_spike_triplets_that_do_not_fit_are_refused(spikes_path, tmp_path):
    with pytest.raises(FileError, match="no 'cell'"):
        io.read_spike_table(spikes_path, bin_width=0.01, unit="cell")
    with pytest.raises(FileError, match="have 5, 4 and 5 entries"):
        io.read_spike_table(spikes_path, bin_width=0.01, time="tap")
    with pytest.raises(FileError, match="trial numbers run to 2"):
        io.read_spike_table(spikes_path, bin_width=0.01, n_trials=2)
    with pytest.raises(ModelError, match="choose one of s, ms, us"):
        io.read_spike_table(spikes_path, bin_width=0.01, time_unit="minutes")
    with pytest.raises(ModelError, match="longer than the window"):
        io.read_spike_table(spikes_path, bin_width=1.0, window=(0, 0.1))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".h5"])
def test_an_array_is_read_from_every_container(tmp_path, suffix):
    values = np.random.default_rng(0).normal(size=(6, 20))
    path = tmp_path / f"lfp{suffix}"
    if suffix == ".npy":
        np.save(path, values)
    elif suffix == ".npz":
        np.savez(path, lfp=values)
    elif suffix == ".mat":
        import scipy.io

        scipy.io.savemat(path, {"lfp": values})
    else:
        with h5py.File(path, "w") as file:
            file["lfp"] = values
    found = io.read_array(path, dims=("trial", "time"), sampling_interval=0.5, scale=1e-6, units="V")
    np.testing.assert_allclose(found["activity"].values[..., 0], values * 1e-6, rtol=1e-6)
    assert io.inspect(path, loader="array")["shape"][0] == (6, 20)


def test_several_arrays_ask_for_a_key(spikes_path):
    with pytest.raises(FileError, match="holds 4 arrays; name one with key=...: neuron_ids, spiketimes"):
        io.read_array(spikes_path, sampling_interval=1.0)
    with pytest.raises(FileError, match="no array 'rates'"):
        io.read_array(spikes_path, key="rates", sampling_interval=1.0)
    with pytest.raises(ModelError, match="does not name the axes"):
        io.read_array(spikes_path, key="tap", dims=("unit",), sampling_interval=1.0)


def test_pickled_objects_are_never_loaded(tmp_path):
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(FileError):
        io.read_array(path, sampling_interval=1.0)
    archive = tmp_path / "objects.npz"
    np.savez(archive, a=np.array([{"a": 1}], dtype=object))
    with pytest.raises(FileError, match="holds object values, not numbers"):
        io.read_array(archive, key="a", sampling_interval=1.0)
    with pytest.raises(FileError, match="holds 0 arrays"):
        io.read_array(archive, sampling_interval=1.0)


def test_damaged_array_files_are_one_sentence(spikes_path, tmp_path):
    cut = tmp_path / "cut.npz"
    cut.write_bytes(spikes_path.read_bytes()[:400])
    with pytest.raises(FileError, match="cannot be read as an array file"):
        io.read_array(cut, key="tap", sampling_interval=1.0)


def test_a_damaged_file_is_told_before_options_are_asked_for(spikes_path, tmp_path):
    cut = tmp_path / "cut.npz"
    cut.write_bytes(spikes_path.read_bytes()[:400])
    with pytest.raises(FileError, match="cannot be read as an array file"):
        io.read(cut)


def test_an_hdf5_file_that_links_out_is_refused(tmp_path):
    path = tmp_path / "linked.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros(3)
        file["b"] = h5py.ExternalLink("../other.h5", "/a")
    with pytest.raises(FileError, match="outside its own folder"):
        io.read_array(path, key="b", sampling_interval=1.0)


def test_an_array_with_time_along_its_shorter_axis_is_doubted(tmp_path):

    path = tmp_path / "wide.npy"
    np.save(path, np.zeros((4, 50)))
    with pytest.warns(NeurodynWarning, match=r"4 time steps of 50 units; give dims=\('unit', 'time'\)"):
        io.read_array(path, sampling_interval=0.72)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dims in (("unit", "time"), ("time", "unit")):
            io.read_array(path, sampling_interval=0.72, dims=dims)
