"""EEG and intracranial EEG: units, bad data, references, filters over holes, events."""

import warnings

import numpy as np
import pytest
from small_files import make_raw, write_brainvision

from neurodyn import io, recording
from neurodyn.errors import FileError, ModelError, NeurodynWarning
from neurodyn.io.ieeg import signals

pytestmark = pytest.mark.filterwarnings("ignore:.*were never observed:neurodyn.errors.NeurodynWarning")


def test_values_come_in_volts_with_channel_types(fif_path):
    found = io.read_ieeg(fif_path, bad="keep")
    assert found.attrs["units"] == "V"
    assert found.attrs["modality"] == "ieeg"
    assert found["unit"].values.tolist() == ["A1", "A2", "A3", "B1"]
    assert set(found["channel_type"].values) == {"seeg"}
    np.testing.assert_allclose(found["activity"].values, make_raw().get_data()[:4].T, rtol=1e-5, atol=1e-10)


def test_bad_channels_and_bad_stretches_are_nan(fif_path):
    values = io.read_ieeg(fif_path)["activity"]
    assert np.isnan(values.sel(unit="B1")).all()
    hidden = np.isnan(values.sel(unit="A1").values)
    assert hidden[200:250].all()
    assert not hidden[:200].any()
    assert not hidden[251:].any()
    dropped = io.read_ieeg(fif_path, bad="drop")
    assert dropped["unit"].values.tolist() == ["A1", "A2", "A3"]


def test_an_interval_equals_the_part_of_the_whole(fif_path):
    whole = io.read_ieeg(fif_path)["activity"].sel(time=slice(1.5, 2.4999))
    part = io.read_ieeg(fif_path, interval=(1.5, 2.5))["activity"]
    np.testing.assert_array_equal(part.values, whole.values)
    np.testing.assert_allclose(part["time"], whole["time"])
    with pytest.raises(FileError, match="lies outside .* from 0 to 4 s"):
        io.read_ieeg(fif_path, interval=(10, 12))


def test_channels_are_picked_by_name_or_type(fif_path):
    assert io.read_ieeg(fif_path, picks=["A2", "eog"])["unit"].values.tolist() == ["A2", "EOG"]
    with pytest.raises(FileError, match="no channel or type 'C9'"):
        io.read_ieeg(fif_path, picks="C9")


def test_the_average_reference_sums_to_zero_over_good_channels(fif_path):
    found = io.read_ieeg(fif_path, reference="average")["activity"]
    total = found.sel(unit=["A1", "A2", "A3"]).sum("unit", skipna=False).values
    assert np.nanmax(np.abs(total)) < 1e-10
    assert np.isnan(found.sel(unit="B1")).all()


def test_bipolar_channels_are_differences_of_neighbours(fif_path):
    plain = io.read_ieeg(fif_path)["activity"]
    pairs = io.read_ieeg(fif_path, reference="bipolar")["activity"]
    assert pairs["unit"].values.tolist() == ["A1-A2", "A2-A3"]
    difference = (plain.sel(unit="A1") - plain.sel(unit="A2")).values
    np.testing.assert_allclose(pairs.sel(unit="A1-A2").values, difference, atol=1e-10)
    with pytest.raises(ModelError, match="no bipolar pairs"):
        io.read_ieeg(fif_path, picks=["A1", "A3"], reference="bipolar")


def test_a_band_keeps_its_tone_and_removes_others():
    time = np.arange(4000) / 1000
    tone = np.sin(2 * np.pi * 10 * time)
    values = (tone + np.sin(2 * np.pi * 80 * time))[:, None]
    kept, lost = signals.band_filter(values, 1000.0, 5.0, 20.0, causal=False)
    assert lost == 0
    assert np.abs(kept[500:-500, 0] - tone[500:-500]).max() < 0.02


def test_a_notch_removes_the_line_and_spares_the_rest():
    time = np.arange(8000) / 1000
    tone = np.sin(2 * np.pi * 12 * time)
    values = (tone + np.sin(2 * np.pi * 50 * time))[:, None]
    kept, _ = signals.notch_filter(values, 1000.0, [50.0], causal=False)
    assert np.abs(kept[2000:-2000, 0] - tone[2000:-2000]).max() < 0.02


def test_a_hole_changes_nothing_in_the_other_stretch():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2000, 1))
    values[1000:1100] = np.nan
    other = values.copy()
    other[1100:] = rng.normal(size=(900, 1)) * 50
    first, _ = signals.band_filter(values, 500.0, 5.0, 40.0, causal=False)
    second, _ = signals.band_filter(other, 500.0, 5.0, 40.0, causal=False)
    np.testing.assert_array_equal(first[:1000], second[:1000])
    assert np.isnan(first[1000:1100]).all()
    assert np.isfinite(np.delete(first, slice(1000, 1100), axis=0)).all()


def test_a_stretch_shorter_than_a_period_becomes_nan_and_is_counted():
    values = np.full((400, 2), np.nan)
    values[:300] = np.random.default_rng(0).normal(size=(300, 2))
    values[350:360, 0] = 1.0
    kept, lost = signals.band_filter(values, 100.0, 1.0, 20.0, causal=False)
    assert lost == 10
    assert np.isnan(kept[350:360]).all()
    assert np.isfinite(kept[:300]).all()


def test_a_causal_filter_does_not_look_ahead():
    values = np.random.default_rng(0).normal(size=(1000, 1))
    later = values.copy()
    later[600:] += 100
    for causal, same in ((True, True), (False, False)):
        first, _ = signals.band_filter(values, 250.0, 4.0, 30.0, causal=causal)
        second, _ = signals.band_filter(later, 250.0, 4.0, 30.0, causal=causal)
        assert np.array_equal(first[:600], second[:600]) is same


def test_the_envelope_of_a_modulated_tone_is_its_modulation():
    time = np.arange(4000) / 1000
    modulation = 1 + 0.5 * np.sin(2 * np.pi * time)
    found, _ = signals.envelope((modulation * np.sin(2 * np.pi * 50 * time))[:, None])
    assert np.abs(found[200:-200, 0] - modulation[200:-200]).max() < 0.02


def test_resampling_keeps_slow_signals_and_holes():
    time = np.arange(2000) / 1000
    values = np.stack([np.sin(2 * np.pi * 3 * time)] * 2, axis=1)
    values[800:900, 1] = np.nan
    found, rate = signals.resample(values, 1000.0, 100.0)
    assert rate == 100.0
    assert found.shape == (200, 2)
    np.testing.assert_allclose(found[10:-10, 0], values[100:-100:10, 0], atol=5e-3)
    assert np.isnan(found[80:90, 1]).all()
    assert np.isfinite(found[:78, 1]).all()
    assert np.isfinite(found[92:, 1]).all()


def test_the_sampling_interval_follows_resampling(fif_path):
    found = io.read_ieeg(fif_path, resample=50.0)
    assert found.attrs["sampling_interval"] == pytest.approx(0.02)
    assert found.sizes["time"] == 200


def test_edges_of_stretches_can_be_hidden(fif_path):
    found = io.read_ieeg(fif_path, picks=["A1"], band_pass=(4, 30), edge=0.1)["activity"].values[:, 0]
    assert np.isnan(found[:20]).all()
    assert np.isnan(found[180:270]).all()
    assert np.isfinite(found[20:180]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"band_pass": (30, 4)}, "low edge above"),
        ({"band_pass": (4, 500)}, "between 0 and half the rate, 100 Hz"),
        ({"band_pass": (None, None)}, "needs a low or a high edge"),
        ({"notch": 300}, "between 0 and half the rate"),
        ({"envelope": True}, "needs a band"),
        ({"resample": -1}, "must be positive"),
        ({"reference": "linked"}, "is not known"),
        ({"bad": "fix"}, "choose 'nan', 'drop' or 'keep'"),
    ],
)
def test_options_out_of_range_are_refused(fif_path, options, message):
    with pytest.raises(ModelError, match=message):
        io.read_ieeg(fif_path, **options)


def test_events_are_in_the_clock_of_the_recording(fif_path, tmp_path):
    events = io.read_events(fif_path)
    assert events["onset"].tolist() == pytest.approx([0.5, 1.0, 2.0])
    assert events["description"].tolist() == ["stimulus", "BAD_movement", "stimulus"]
    cropped = tmp_path / "cropped_raw.fif"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        make_raw().crop(0.4, 3.0).save(cropped, verbose="ERROR")
    assert io.read_events(cropped)["onset"].tolist() == pytest.approx([0.1, 0.6, 1.6])
    stimuli = events[events["description"] == "stimulus"]
    trials = recording.cut_trials(
        io.read_ieeg(fif_path, bad="keep"), stimuli, window=(-0.1, 0.2), align="onset"
    )
    assert trials.sizes["trial"] == 2


def microvolts(seed=0):
    """Values of a plausible recording in microvolts, (time, channel)."""
    return 50 * np.random.default_rng(seed).normal(size=(500, 3))


@pytest.mark.parametrize("unit", ["µV", "μV", "uV"])
def test_microvolts_are_read_as_volts_whichever_micro_sign_the_header_has(tmp_path, unit):
    path = write_brainvision(tmp_path / "rec.vhdr", unit, microvolts())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NeurodynWarning)
        found = io.read_ieeg(path, picks=["E1", "E2", "E3"])["activity"].values
    np.testing.assert_allclose(found, microvolts() * 1e-6, rtol=1e-5)


def test_microvolts_labelled_volts_are_corrected_with_a_warning(tmp_path):
    path = write_brainvision(tmp_path / "rec.vhdr", "V", microvolts())
    with pytest.warns(NeurodynWarning, match="taken for microvolts labelled volts and multiplied by 1e-6"):
        found = io.read_ieeg(path)
    np.testing.assert_allclose(found["activity"].values, microvolts() * 1e-6, rtol=1e-5)
    assert any("microvolts were labelled volts" in line for line in found.attrs["history"])


def test_amplitudes_that_no_factor_explains_are_refused_unless_scaled(tmp_path):
    path = write_brainvision(tmp_path / "rec.vhdr", "V", microvolts() * 1e4)
    with pytest.raises(FileError, match="which no electrode measures; give scale"):
        io.read_ieeg(path)
    found = io.read_ieeg(path, scale=1e-10)
    np.testing.assert_allclose(found["activity"].values, microvolts() * 1e-6, rtol=1e-5)


def test_a_channels_table_gives_types_and_bad_channels(tmp_path):
    path = write_brainvision(tmp_path / "sub-3_task-rest_ieeg.vhdr", "µV", microvolts())
    (tmp_path / "sub-3_task-rest_channels.tsv").write_text(
        "name\ttype\tstatus\nE1\tECOG\tgood\nE2\tDBS\tbad\nE3\tMISC\tgood\n", encoding="utf-8-sig"
    )
    found = io.read_ieeg(path)
    assert found["unit"].values.tolist() == ["E1", "E2"]
    assert found["channel_type"].values.tolist() == ["ecog", "dbs"]
    assert found["bad"].values.tolist() == [False, True]
    assert found.attrs["subject"] == "3"
    assert np.isnan(found["activity"].sel(unit="E2")).all()


@pytest.mark.parametrize("target", ["../other.eeg", "/etc/passwd", "..\\other.eeg"])
def test_a_header_that_points_out_of_its_folder_is_refused(tmp_path, target):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "other.eeg").write_bytes(b"\x00" * 6000)
    path = write_brainvision(inside / "rec.vhdr", "µV", microvolts(), data_file=target)
    with pytest.raises(FileError, match="outside its own folder"):
        io.read(path)


def test_an_eeglab_header_that_points_out_of_its_folder_is_refused(tmp_path):
    import scipy.io

    path = tmp_path / "rec.set"
    scipy.io.savemat(path, {"EEG": {"data": "../../other.fdt", "srate": 100.0, "nbchan": 1.0}})
    with pytest.raises(FileError, match="outside its own folder"):
        io.read(path)


def test_damaged_missing_and_wrong_files_are_one_sentence(fif_path, tmp_path):
    cut = tmp_path / "cut_raw.fif"
    cut.write_bytes(fif_path.read_bytes()[:3000])
    with pytest.raises(FileError, match="cannot be read"):
        io.read(cut)
    lonely = write_brainvision(tmp_path / "lonely.vhdr", "µV", microvolts())
    lonely.with_suffix(".eeg").unlink()
    with pytest.raises(FileError, match="names the data file 'lonely.eeg', which is not beside it"):
        io.read(lonely)
    text = tmp_path / "text.edf"
    text.write_text("hello")
    with pytest.raises(FileError):
        io.read(text)
    with pytest.raises(FileError, match="does not begin like a .edf file"):
        io.read_ieeg(text)
    with pytest.raises(FileError, match="give its .vhdr file"):
        io.read_ieeg(_touch(tmp_path / "markers.vmrk"))


@pytest.mark.parametrize("call", [io.read, io.inspect])
def test_a_data_file_is_answered_with_its_header(tmp_path, call):
    header = write_brainvision(tmp_path / "run.vhdr", "µV", microvolts())
    with pytest.raises(FileError, match="give its .vhdr file, .*run.vhdr"):
        call(header.with_suffix(".eeg"))
    with pytest.raises(FileError, match="give its .set file, .*run.set"):
        call(_touch(tmp_path / "run.fdt"))
    header.unlink()
    with pytest.raises(FileError, match="fetch its .vhdr file"):
        call(header.with_suffix(".eeg"))


def test_a_truncated_brainvision_recording_is_refused_not_shortened(tmp_path):
    path = write_brainvision(tmp_path / "rec.vhdr", "µV", microvolts())
    data = path.with_suffix(".eeg")
    whole = data.read_bytes()
    data.write_bytes(whole[:1001])
    with pytest.raises(FileError, match="1,001 bytes are not whole samples of 3 channels"):
        io.read(path)
    data.write_bytes(whole[:1200])
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("DataFormat", "MarkerFile=rec.vmrk\nDataFormat"), encoding="utf-8")
    path.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Marker Infos]\nMk1=Stimulus,S1,400,1,0\n"
    )
    with pytest.raises(FileError, match="has 100 samples, but a marker is at sample 400"):
        io.inspect(path)


def test_when_several_readers_share_an_ending_each_ones_reason_is_told(tmp_path):
    path = tmp_path / "some.cnt"
    path.write_bytes(b"RIFF" + bytes(1000))
    with pytest.raises(FileError, match=r"any of the readers of its ending: cnt: .*; ant: "):
        io.read_ieeg(path)


def test_inspect_lists_channel_types_and_annotations(fif_path):
    table = io.inspect(fif_path).set_index("name")
    assert table.loc["seeg", "shape"] == (800, 4)
    assert "1 bad" in table.loc["seeg", "note"]
    assert table.loc["stimulus", "shape"] == (2,)


def _touch(path):
    """A file with a line of text."""
    path.write_text("Brain Vision Data Exchange Marker File")
    return path
