"""Recordings of real laboratories, through the constructors."""

import h5py
import numpy as np
import pandas as pd

from neurodyn import recording


def test_every_spike_of_a_session_is_counted_once(data, tmp_path):
    with h5py.File(data / "nwb-a2929-adn-headdirection" / "A2929-200711.nwb") as file:
        units = file["units"]
        ends = units["spike_times_index"][:]
        trains = np.split(units["spike_times"][:], ends[:-1])
        where = [name.decode() for name in units["location"][:]]
    counts = recording.from_spikes(trains, bin_width=0.02, start=0, stop=1200, unit_coords={"region": where})
    assert counts.activity.shape == (60_000, 15)
    assert counts.activity.sum().item() == 98_794
    np.testing.assert_array_equal(counts.activity.values.sum(axis=0), [train.size for train in trains])
    assert dict(zip(*np.unique(counts.region, return_counts=True), strict=True)) == {"adn": 7, "ca1": 8}
    numpy_counts = np.histogram(trains[3], bins=np.arange(60_001) * 0.02)[0]
    assert (counts.activity.values[:, 3] != numpy_counts).mean() < 1e-3
    path = recording.save(counts, tmp_path / "counts.nc")
    assert path.stat().st_size < 1e6
    assert recording.load(path).identical(counts)
    sleep = recording.restrict(counts, (0, 600))
    assert sleep.sizes["time"] == 30_000
    assert sleep.activity.sum().item() == sum((train < 600).sum() for train in trains)


def test_trials_recorded_apart_are_stacked(data):
    file = np.load(data / "rat-motor-affinewarp" / "motor_ctx_data.npz")
    trial, unit, time = (file[name] for name in ("trial_ids", "neuron_ids", "spiketimes"))
    starts = 10.0 * np.arange(trial.max() + 1)
    clock = starts[trial] + 1e-3 * time
    trains = {int(label): clock[unit == label] for label in np.unique(unit)}
    intervals = np.stack([starts, starts + 2.0], axis=-1)
    made = recording.from_spikes(trains, bin_width=0.02, intervals=intervals, as_trials=True)
    assert made.activity.shape == (1266, 100, 30)
    late = int((time >= 2000).sum())
    assert made.activity.sum().item() == time.size - late
    assert made.attrs["history"][0].endswith(f"; {late} spikes outside dropped")


def test_choices_of_a_mouse_become_a_sequence(data):
    frame = pd.read_csv(data / "behaviour-ibl-trials" / "trials_df_test.csv")
    made = recording.from_dataframe(
        frame,
        responses={"right_choice": "binary"},
        covariates={"signed_contrast": ("before", "exogenous"), "correct": ("after", "exogenous")},
    )
    assert made.activity.shape == (1, 500, 1)
    np.testing.assert_array_equal(made.activity.values[0, :, 0], frame["right_choice"])
    recording.check(made, kinds={"binary"}, finite_covariates=True, strict=True)
