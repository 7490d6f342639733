"""Small files of every format, written by the field's own libraries."""

import pathlib
import warnings

import numpy as np
import pandas
import pytest
from small_files import make_raw, new_nwb, write_nwb


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> pathlib.Path:
    """Folder that all the small files share."""
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="session")
def nwb_path(folder) -> pathlib.Path:
    """Units, electrodes, LFP, calcium with a dropped frame, an angle, a position, events, trials, epochs."""
    from pynwb.base import TimeSeries
    from pynwb.behavior import CompassDirection, Position, SpatialSeries
    from pynwb.ecephys import ElectricalSeries
    from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

    nwbfile = new_nwb()
    device = nwbfile.create_device(name="probe")
    group = nwbfile.create_electrode_group(name="shank", description="d", location="CA1", device=device)
    for number in range(4):
        nwbfile.add_electrode(x=10.0 * number, y=0.0, z=1500.0, location="CA1", group=group)
    nwbfile.add_unit_column("quality", "by hand")
    nwbfile.add_unit(
        spike_times=[0.05, 0.1, 0.31, 9.95], electrodes=[0], quality="good", obs_intervals=[[0, 10]]
    )
    nwbfile.add_unit(
        spike_times=[0.15, 3.0], electrodes=[2], quality="poor", obs_intervals=[[0.0, 4.0], [6.0, 10.0]]
    )
    region = nwbfile.create_electrode_table_region([0, 2], "two sites")
    nwbfile.add_acquisition(
        ElectricalSeries(
            name="lfp",
            data=np.arange(2000, dtype=np.int16).reshape(1000, 2),
            electrodes=region,
            rate=100.0,
            starting_time=1.0,
            conversion=1e-6,
            channel_conversion=[1.0, 2.0],
            offset=1e-3,
        )
    )
    times = np.delete(np.arange(200) / 20.0, 50) + 1e-6
    plane = nwbfile.create_imaging_plane(
        name="plane",
        optical_channel=OpticalChannel(name="green", description="d", emission_lambda=500.0),
        description="d",
        device=device,
        excitation_lambda=488.0,
        indicator="GCaMP6f",
        location="V1",
    )
    ophys = nwbfile.create_processing_module("ophys", "calcium")
    segmentation = ImageSegmentation()
    table = segmentation.create_plane_segmentation(name="rois", description="d", imaging_plane=plane)
    for _ in range(3):
        table.add_roi(image_mask=np.ones((2, 2)))
    ophys.add(segmentation)
    traces = np.repeat(np.delete(np.arange(200.0), 50)[:, None], 3, axis=1)
    ophys.add(
        Fluorescence(
            roi_response_series=RoiResponseSeries(
                name="traces",
                data=traces,
                timestamps=times,
                unit="n.a.",
                rois=table.create_roi_table_region("all", region=[0, 1, 2]),
            )
        )
    )
    behaviour = nwbfile.create_processing_module("behavior", "behaviour")
    clock = np.arange(100, 900) / 100.0
    angle = np.mod(2 * np.pi * clock, 2 * np.pi)
    compass = SpatialSeries(
        name="heading", data=angle, timestamps=clock, reference_frame="north", unit="radians"
    )
    behaviour.add(CompassDirection(spatial_series=compass))
    place = SpatialSeries(
        name="place", data=np.stack([clock, 2 * clock], axis=1), rate=100.0, starting_time=1.0,
        reference_frame="corner", unit="meters",
    )  # fmt: skip
    behaviour.add(Position(spatial_series=place))
    nwbfile.add_acquisition(
        TimeSeries(name="licks", data=np.ones(4), timestamps=[0.2, 0.9, 1.0, 7.0], unit="n.a.")
    )
    nwbfile.add_trial_column("choice", "left or right")
    for start, choice in ((1.0, "left"), (3.0, "right"), (6.0, "left")):
        nwbfile.add_trial(start_time=start, stop_time=start + 1.0 + 0.1 * start, choice=choice)
    nwbfile.add_epoch(0.0, 5.0, ["rest"])
    nwbfile.add_epoch(5.0, 10.0, ["run"])
    return write_nwb(nwbfile, folder / "session.nwb")


@pytest.fixture(scope="session")
def bold_path(folder) -> pathlib.Path:
    """A 4-D NIfTI of 4 x 3 x 2 voxels and 30 volumes, TR 2 s, one voxel constant, one NaN at volume 7."""
    import nibabel

    values = np.random.default_rng(0).normal(1000, 10, size=(4, 3, 2, 30)).astype(np.float32)
    values[0, 0, 0] = 5.0
    values[1, 1, 1, 7] = np.nan
    image = nibabel.Nifti1Image(values, np.diag([3.0, 3.0, 4.0, 1.0]))
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((3.0, 3.0, 4.0, 2.0))
    path = folder / "sub-07_ses-a_task-rest_run-01_bold.nii.gz"
    nibabel.save(image, path)
    return path


@pytest.fixture(scope="session")
def atlas_path(folder) -> pathlib.Path:
    """A label image on the grid of `bold_path`: regions 2 and 5, split along the first axis."""
    import nibabel

    labels = np.zeros((4, 3, 2), dtype=np.int16)
    labels[:2], labels[2:] = 2, 5
    labels[0, 0, 0] = 0
    path = folder / "atlas.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels, np.diag([3.0, 3.0, 4.0, 1.0])), path)
    return path


@pytest.fixture(scope="session")
def fif_path(folder) -> pathlib.Path:
    """An mne FIF file with a bad channel and a bad stretch."""
    path = folder / "depth_raw.fif"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        make_raw(bads=["B1"]).save(path, verbose="ERROR")
    return path


@pytest.fixture(scope="session")
def choices_path(folder) -> pathlib.Path:
    """A table of choices of two participants with 4 and 3 trials."""
    path = folder / "choices.csv"
    frame = pandas.DataFrame(
        {
            "who": ["a"] * 4 + ["b"] * 3,
            "choice": [-1, 1, 1, -1, 1, -1, 1],
            "reaction_time": [0.4, 0.5, 0.45, 0.6, 0.7, 0.65, 0.5],
            "contrastLeft": [0.5, np.nan, np.nan, 1.0, np.nan, 0.25, np.nan],
            "contrastRight": [np.nan, 0.5, 0.25, np.nan, 1.0, np.nan, 0.0],
            "onset": [1.0, 3.0, 6.0, 7.0, 2.0, 4.0, 9.0],
        }
    )
    frame.to_csv(path)
    return path


@pytest.fixture(scope="session")
def spikes_path(folder) -> pathlib.Path:
    """Spike triplets in milliseconds; the last of four trials has no spike."""
    path = folder / "spikes.npz"
    np.savez(
        path,
        neuron_ids=[3, 3, 8, 8, 3],
        spiketimes=[0.0, 10.0, 19.9, 45.0, 99.0],
        trial_ids=[0, 0, 1, 2, 2],
        tap=[1.0, 2.0, 3.0, 4.0],
    )
    return path
