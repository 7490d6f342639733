"""NWB: units, series, behaviour, intervals, and what a file must not do."""

import h5py
import numpy as np
import pytest
from small_files import new_nwb, write_nwb

from neurodyn import io
from neurodyn.errors import FileError, ModelError, NeurodynWarning


def test_spikes_are_counted_in_the_bin_that_begins_on_them(nwb_path):
    counts = io.read_nwb(nwb_path, bin_width=0.1, behaviour=False)
    first = counts["activity"].isel(unit=0).values
    assert counts.sizes["time"] == 100
    assert first[:4].tolist() == [1.0, 1.0, 0.0, 1.0]
    assert first[99] == 1.0
    assert np.nansum(first) == 4


def test_bins_outside_a_units_observation_intervals_are_nan(nwb_path):
    counts = io.read_nwb(nwb_path, bin_width=0.1, behaviour=False)["activity"].values
    assert np.isnan(counts[40:60, 1]).all()
    assert np.isfinite(counts[:40, 1]).all()
    assert np.isfinite(counts[60:, 1]).all()
    assert np.isfinite(counts[:, 0]).all()


def test_unit_metadata_come_in_si_units(nwb_path):
    counts = io.read_nwb(nwb_path, bin_width=0.1, behaviour=False)
    assert counts["region"].values.tolist() == ["CA1", "CA1"]
    assert counts["quality"].values.tolist() == ["good", "poor"]
    np.testing.assert_allclose(counts["x"], [0.0, 20e-6])
    np.testing.assert_allclose(counts["z"], 1.5e-3)
    assert counts.attrs["subject"] == "mouse-1"
    assert counts.attrs["session"] == "session-1"


@pytest.mark.parametrize(
    "where", ["quality == 'good'", {"quality": "good"}, lambda units: units["quality"] == "good"]
)
def test_units_are_chosen_by_query_mapping_or_function(nwb_path, where):
    counts = io.read_nwb(nwb_path, bin_width=0.1, units_where=where)
    assert counts["unit"].values.tolist() == [0]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("depth > 3", "columns of the units"),
        ({"depth": 3}, "no column 'depth'"),
        ({"quality": "best"}, "keeps none of the 2 units"),
        (7, "neither a query"),
    ],
)
def test_a_choice_of_units_that_makes_no_sense_is_refused(nwb_path, where, message):
    with pytest.raises((FileError, ModelError), match=message):
        io.read_nwb(nwb_path, bin_width=0.1, units_where=where)


def test_units_without_a_bin_width_ask_for_it(nwb_path):
    with pytest.raises(ModelError, match="give bin_width in seconds"):
        io.read_nwb(nwb_path)


def test_lfp_is_scaled_to_volts_and_only_the_interval_is_read(nwb_path):
    lfp = io.read_nwb(nwb_path, series="lfp", interval=(2.0, 3.0), behaviour=False)
    assert lfp.attrs["units"] == "V"
    assert lfp.sizes["time"] == 100
    np.testing.assert_allclose(lfp["time"].values[[0, -1]], [2.0, 2.99])
    stored = np.arange(2000).reshape(1000, 2)[100:200]
    np.testing.assert_allclose(lfp["activity"], stored * [1e-6, 2e-6] + 1e-3, rtol=1e-5)
    np.testing.assert_allclose(lfp["x"], [0.0, 20e-6])


def test_one_channel_of_a_series_can_be_read(nwb_path):
    both = io.read_nwb(nwb_path, series="lfp", behaviour=False)
    second = io.read_nwb(nwb_path, series="acquisition/lfp", channels=[1], behaviour=False)
    np.testing.assert_array_equal(second["activity"].values[:, 0], both["activity"].values[:, 1])
    assert second["unit"].values[0] == both["unit"].values[1]
    with pytest.raises(ModelError, match="between 0 and 1"):
        io.read_nwb(nwb_path, series="lfp", channels=[2])


def test_a_dropped_imaging_frame_becomes_nan_and_the_others_keep_their_values(nwb_path):
    calcium = io.read_nwb(nwb_path, series="traces", behaviour=False)
    values = calcium["activity"].values
    assert calcium.attrs["modality"] == "calcium"
    assert values.shape == (200, 3)
    assert np.isnan(values[50]).all()
    np.testing.assert_array_equal(np.delete(values[:, 0], 50), np.delete(np.arange(200.0), 50))
    assert any("1 missing frames" in line for line in calcium.attrs["history"])
    assert calcium["region"].values.tolist() == ["V1"] * 3


def test_a_circular_covariate_is_averaged_on_the_circle(nwb_path):
    counts = io.read_nwb(nwb_path, bin_width=0.1, behaviour=["heading"])
    heading = counts["covariates"].sel(covariate="heading").values
    inside = slice(10, 90)
    expected = 2 * np.pi * (counts["time"].values[inside] + 0.045)
    error = np.angle(np.exp(1j * (heading[inside] - expected)))
    assert np.abs(error).max() < 1e-4
    assert heading[inside].min() >= 0
    assert np.isnan(heading[:9]).all()


def test_position_columns_become_named_covariates_in_their_unit(nwb_path):
    counts = io.read_nwb(nwb_path, bin_width=0.1, behaviour="Position")
    assert counts["covariate"].values.tolist() == ["place_x", "place_y"]
    place = counts["covariates"].values[20]
    np.testing.assert_allclose(place, [2.045, 4.09], rtol=1e-5)
    assert set(counts["role"].values) == {"measured"}
    assert set(counts["available"].values) == {"with"}


def test_lists_of_events_are_not_taken_for_signals(nwb_path):
    counts = io.read_nwb(nwb_path, bin_width=0.1)
    assert sorted(counts["covariate"].values) == ["heading", "place_x", "place_y"]


def test_restricting_to_behaviour_leaves_finite_covariates(nwb_path):
    counts = io.read_nwb(nwb_path, bin_width=0.1, outside="restrict")
    assert np.isfinite(counts["covariates"].values).all()
    assert counts.sizes["time"] == 80
    np.testing.assert_allclose(counts["time"].values[0], 1.0)


def test_epochs_label_every_bin(nwb_path):
    counts = io.read_nwb(nwb_path, bin_width=0.1, behaviour=False)
    assert (counts["epoch"].values[:50] == "rest").all()
    assert (counts["epoch"].values[50:] == "run").all()


def test_trials_are_cut_from_start_to_stop_with_their_columns(nwb_path):
    trials = io.read_nwb(nwb_path, bin_width=0.1, behaviour=False, trials=True)
    assert trials["n_bins"].values.tolist() == [11, 13, 16]
    assert trials["choice"].values.tolist() == ["left", "right", "left"]
    assert trials["epoch"].values.tolist() == ["rest", "rest", "run"]
    assert np.isnan(trials["activity"].values[0, 11:]).all()


def test_trials_are_cut_around_an_event_with_covariates_alongside(nwb_path):
    trials = io.read_nwb(nwb_path, bin_width=0.1, trials="trials", window=(-0.2, 0.3), behaviour="heading")
    assert dict(trials["activity"].sizes) == {"trial": 3, "time": 5, "unit": 2}
    assert trials["covariates"].dims == ("trial", "time", "covariate")
    with pytest.raises(FileError, match="no interval table 'laps'; it has: trials, epochs"):
        io.read_nwb(nwb_path, bin_width=0.1, trials="laps")
    with pytest.raises(ModelError, match="no column 'cue'"):
        io.read_nwb(nwb_path, bin_width=0.1, trials=True, align="cue")


def test_inspect_lists_units_series_and_intervals(nwb_path):
    table = io.inspect(nwb_path).set_index("name")
    assert table.loc["units", "shape"] == (2,)
    assert table.loc["acquisition/lfp", "rate"] == 100.0
    assert "irregular" in table.loc["acquisition/licks", "note"]
    assert table.loc["trials", "shape"][0] == 3
    assert abs(table.loc["processing/ophys/Fluorescence/traces", "rate"] - 20) < 1e-6


def test_an_unknown_series_is_answered_with_what_there_is(nwb_path):
    with pytest.raises(FileError, match=r"no series 'emg'; it holds units 'units', ElectricalSeries"):
        io.read_nwb(nwb_path, series="emg")


def test_a_file_without_units_says_what_it_holds_and_how_to_read_it(tmp_path):
    from pynwb.icephys import VoltageClampSeries

    nwbfile = new_nwb()
    device = nwbfile.create_device(name="rig")
    electrode = nwbfile.create_icephys_electrode(name="pipette", description="d", device=device)
    nwbfile.add_acquisition(
        VoltageClampSeries(name="sweep", data=np.zeros(50), electrode=electrode, gain=1.0, rate=1000.0)
    )
    path = write_nwb(nwbfile, tmp_path / "patch.nwb")
    with pytest.raises(FileError, match=r"no units .*VoltageClampSeries 'acquisition/sweep'.*series='sweep'"):
        io.read_nwb(path)
    current = io.read_nwb(path, series="sweep")
    assert current.attrs["units"] == "A"
    assert dict(current.sizes) == {"time": 50, "unit": 1}


def test_an_empty_file_says_so(tmp_path):
    path = write_nwb(new_nwb(), tmp_path / "empty.nwb")
    with pytest.raises(FileError, match="it holds nothing: there is nothing to model"):
        io.read_nwb(path, bin_width=0.1)


def test_hdf5_that_is_not_nwb_lists_its_arrays(tmp_path):
    path = tmp_path / "worm.h5"
    with h5py.File(path, "w") as file:
        file["gcamp/traces"] = np.zeros((5, 3))
    with pytest.raises(FileError, match=r"HDF5 file but not NWB.*'gcamp/traces'.*read_array"):
        io.read_nwb(path)


def test_a_truncated_file_is_one_sentence(nwb_path, tmp_path):
    path = tmp_path / "cut.nwb"
    path.write_bytes(nwb_path.read_bytes()[:20000])
    for call in (lambda: io.read(path, bin_width=0.1), lambda: io.inspect(path)):
        with pytest.raises(FileError, match="cannot be read as NWB: it is truncated, .* copy or download"):
            call()


def test_a_text_file_named_nwb_is_refused(tmp_path):
    path = tmp_path / "note.nwb"
    path.write_text("not found")
    with pytest.raises(FileError, match="does not begin like an HDF5 file"):
        io.read(path)


@pytest.mark.parametrize("target", ["/etc/hostname", "../secret.h5", "http://example.org/a.h5"])
def test_a_link_out_of_the_folder_is_refused(nwb_path, tmp_path, target):
    path = tmp_path / "linked.nwb"
    path.write_bytes(nwb_path.read_bytes())
    with h5py.File(path, "a") as file:
        file["acquisition/elsewhere"] = h5py.ExternalLink(target, "/data")
    with pytest.raises(FileError, match=r"outside its own folder|is not followed"):
        io.read_nwb(path, bin_width=0.1)
    with pytest.raises(FileError, match=r"outside its own folder|is not followed"):
        io.inspect(path)


def test_a_linked_file_that_links_further_out_is_refused(nwb_path, tmp_path):
    path = tmp_path / "linked.nwb"
    path.write_bytes(nwb_path.read_bytes())
    with h5py.File(path, "a") as file, h5py.File(tmp_path / "beside.h5", "w") as beside:
        file["acquisition/elsewhere"] = h5py.ExternalLink("beside.h5", "/data")
        beside["data"] = h5py.ExternalLink("../secret.h5", "/data")
    with pytest.raises(FileError, match="beside.h5 refers to '../secret.h5', outside its own folder"):
        io.read_nwb(path, bin_width=0.1)


def test_external_storage_out_of_the_folder_is_refused(nwb_path, tmp_path):
    path = tmp_path / "stored.nwb"
    path.write_bytes(nwb_path.read_bytes())
    with h5py.File(path, "a") as file:
        file.create_dataset("scratch_data", (4,), "f8", external=[("../other.bin", 0, 32)])
    with pytest.raises(FileError, match="outside its own folder"):
        io.read_nwb(path, bin_width=0.1)


def test_frames_in_external_files_are_listed_but_never_opened(tmp_path):
    from pynwb.image import ImageSeries

    nwbfile = new_nwb()
    nwbfile.add_acquisition(
        ImageSeries(
            name="video", external_file=["../../etc/passwd"], format="external", starting_frame=[0],
            timestamps=[0.0, 0.1], unit="n.a.",
        )
    )  # fmt: skip
    path = write_nwb(nwbfile, tmp_path / "video.nwb")
    table = io.inspect(path).set_index("name")
    assert "not opened" in table["note"].iloc[0]
    with pytest.raises(FileError, match="no units"):
        io.read_nwb(path)


def test_an_interval_outside_the_file_is_refused_and_one_across_its_end_is_cut(nwb_path):
    for options in ({"bin_width": 0.1}, {"series": "lfp"}, {"series": "traces"}):
        with pytest.raises(FileError, match="lies outside .* give an interval within"):
            io.read_nwb(nwb_path, interval=(5000, 5100), behaviour=False, **options)
    with pytest.warns(NeurodynWarning, match="from 5 to 20 s is cut to 5 to 10 s"):
        found = io.read_nwb(nwb_path, bin_width=0.5, interval=(5, 20), behaviour=False)
    assert found.sizes["time"] == 10
    with pytest.warns(NeurodynWarning, match="is cut to 10 to 11 s"):
        assert io.read_nwb(nwb_path, series="lfp", interval=(10, 20), behaviour=False).sizes["time"] == 100
    assert io.read_nwb(nwb_path, bin_width=0.5, interval=(5, None), behaviour=False).sizes["time"] == 10
