"""Files of the structure of the Neural Latents Benchmark, and the parts that its protocol makes of them."""

import contextlib
import io as io_module
import os
import pathlib
import sys
import types

import numpy as np
import pandas
import pytest
from small_files import new_nwb, write_nwb

from neurodyn import datasets, io, recording
from neurodyn.errors import FileError, ModelError, NeurodynWarning, NotApplicable
from neurodyn.io.nwb.dandi import open_dandi
from neurodyn.models import registry
from neurodyn.recording import make
from neurodyn.validation import decode_behaviour, holdout, metrics, psth_match

SPLITS = ("train", "val", "train", "none", "train", "val", "train", "val")
HELD_OUT = (False, False, True, False, True)
NAME = "sub-Jenkins_ses-full_desc-train_behavior+ecephys.nwb"


def write_benchmark(
    path,
    *,
    starts=None,
    duration=1.5,
    onset=0.5,
    splits=SPLITS,
    trial_columns=("trial_type", "trial_version"),
    heldout=True,
    split=True,
    velocity="hand_vel",
    event="move_onset_time",
    seed=0,
):
    """A file with the benchmark's tables: trials with parts, units with `heldout` and intervals, velocity at 1 kHz."""
    from pynwb.base import TimeSeries

    draw = np.random.default_rng(seed)
    starts = 10.0 + 2.0 * np.arange(len(splits)) if starts is None else np.asarray(starts, dtype=float)
    nwbfile = new_nwb()
    device = nwbfile.create_device(name="array")
    group = nwbfile.create_electrode_group(name="M1", description="d", location="M1", device=device)
    for _ in HELD_OUT:
        nwbfile.add_electrode(x=0.0, y=0.0, z=0.0, location="M1", group=group)
    if heldout:
        nwbfile.add_unit_column("heldout", "whether the unit is held out")
    observed = [[start, start + duration] for start in starts]
    for unit, hidden in enumerate(HELD_OUT):
        number = draw.poisson(8.0 * duration, size=len(starts))
        times = [start + duration * np.sort(draw.random(n)) for start, n in zip(starts, number, strict=True)]
        extra = {"heldout": hidden} if heldout else {}
        nwbfile.add_unit(
            spike_times=np.concatenate(times), electrodes=[unit], obs_intervals=observed, **extra
        )
    if split:
        nwbfile.add_trial_column("split", "part of the benchmark")
    if event != "start_time":
        nwbfile.add_trial_column(event, "event")
    for column in trial_columns:
        nwbfile.add_trial_column(column, "condition")
    for number, (start, part) in enumerate(zip(starts, splits, strict=True)):
        row = {column: (number + k) % 2 for k, column in enumerate(trial_columns)}
        if split:
            row["split"] = part
        if event != "start_time":
            row[event] = start + onset if np.ndim(onset) == 0 else onset[number]
        nwbfile.add_trial(start_time=start, stop_time=start + duration, **row)
    if velocity:
        clock = np.concatenate([start + np.arange(round(duration * 1000)) / 1000 for start in starts])
        module = nwbfile.create_processing_module("behavior", "behaviour")
        values = np.stack([clock, -2 * clock], axis=1) * 1000
        module.add(TimeSeries(name=velocity, data=values, timestamps=clock, unit="m/s", conversion=1e-3))
        module.add(TimeSeries(name="eye_pos", data=values, timestamps=clock, unit="mm"))
    return write_nwb(nwbfile, pathlib.Path(path)), starts


@pytest.fixture(scope="module")
def maze(tmp_path_factory):
    """A file of the maze's structure and the starts of its trials."""
    return write_benchmark(tmp_path_factory.mktemp("000128") / NAME)


@pytest.fixture(scope="module")
def loaded(maze):
    return datasets.nlb("mc_maze", maze[0])


@contextlib.contextmanager
def tables_of(path):
    import pynwb

    with pynwb.NWBHDF5IO(str(path), "r") as stream:
        yield stream.read()


def test_the_trials_are_those_of_training_and_validation(maze, loaded):
    _, starts = maze
    used = [number for number, part in enumerate(SPLITS) if part != "none"]
    assert loaded["split"].values.tolist() == [SPLITS[number] for number in used]
    np.testing.assert_allclose(loaded["event_time"], starts[used] + 0.5)
    np.testing.assert_allclose(loaded["start_time"], starts[used] + 0.25)
    np.testing.assert_allclose(loaded["table_start_time"], starts[used])
    np.testing.assert_allclose(loaded["stop_time"], starts[used] + 1.5)
    assert loaded["condition"].values[:2].tolist() == [
        "trial_type 0, trial_version 1",
        "trial_type 1, trial_version 0",
    ]
    recording.check(loaded, kinds={"count"}, strict=True)


@pytest.mark.parametrize(("bin_width", "n_bins", "n_forward"), [(0.02, 35, 10), (0.005, 140, 40)])
def test_spikes_are_counted_in_bins_from_each_event(maze, bin_width, n_bins, n_forward):
    path, starts = maze
    found = datasets.nlb("mc_maze", path, bin_width=bin_width)
    assert found["activity"].shape == (7, n_bins + n_forward, 5)
    assert found["forward"].values.tolist() == [False] * n_bins + [True] * n_forward
    assert found["time"].values[0] == pytest.approx(-0.25)
    assert found["time"].values[~found["forward"].values][-1] == pytest.approx(0.45 - bin_width)
    used = starts[[number for number, part in enumerate(SPLITS) if part != "none"]]
    with tables_of(path) as nwbfile:
        for unit in range(5):
            times = nwbfile.units["spike_times"][unit]
            for trial, start in enumerate(used):
                edges = start + 0.25 + bin_width * np.arange(n_bins + n_forward + 1)
                expected = np.histogram(times, edges)[0]
                np.testing.assert_array_equal(found["activity"].values[trial, :, unit], expected)
    assert float(found["activity"].sum()) > 100


def test_units_carry_what_the_file_knows(loaded):
    np.testing.assert_array_equal(loaded["heldout"], HELD_OUT)
    assert loaded["heldout"].dtype == bool
    assert loaded["region"].values.tolist() == ["M1"] * 5


def test_velocity_is_a_measured_covariate_averaged_in_bins_and_scaled(loaded):
    covariates = loaded["covariates"]
    assert covariates["covariate"].values.tolist() == ["hand_vel_x", "hand_vel_y"]
    assert covariates["available"].values.tolist() == ["after", "after"]
    assert covariates["role"].values.tolist() == ["measured", "measured"]
    # Samples of a bin of 20 ms: its first 20 milliseconds, 0 to 19.
    middle = loaded["start_time"].values[:, None] + 0.02 * np.arange(45) + 0.0095
    np.testing.assert_allclose(covariates.sel(covariate="hand_vel_x"), middle, atol=1e-3)
    np.testing.assert_allclose(covariates.sel(covariate="hand_vel_y"), -2 * middle, atol=2e-3)


def test_what_lies_outside_the_observation_intervals_is_nan(maze):
    found = datasets.nlb("mc_maze", maze[0], window=(-0.6, 0.9), forward=0.2)
    time = found["time"].values + 0.5
    inside = (time >= -1e-9) & (time + 0.02 <= 1.5 + 1e-9)
    np.testing.assert_array_equal(
        np.isfinite(found["activity"].values), np.broadcast_to(inside[None, :, None], found["activity"].shape)
    )
    assert not inside.all()
    far = np.isnan(found["covariates"].values[:, 0, 0])
    assert far.all()


def test_options_choose_alignment_behaviour_and_condition(maze):
    path, starts = maze
    found = datasets.nlb(
        "mc_maze",
        path,
        align="start_time",
        window=(0.1, 0.5),
        forward=0,
        behaviour="eye_pos",
        condition=["trial_type"],
    )
    assert found["activity"].sizes["time"] == 20
    assert not found["forward"].values.any()
    assert found["covariate"].values.tolist() == ["eye_pos_x", "eye_pos_y"]
    assert set(found["condition"].values) == {"trial_type 0", "trial_type 1"}
    assert found["start_time"].values[0] == pytest.approx(starts[0] + 0.1)
    bare = datasets.nlb("mc_maze", path, behaviour=False, condition=())
    assert "covariates" not in bare
    assert "condition" not in bare.coords


def test_the_recording_survives_the_file(loaded, tmp_path):
    assert recording.load(recording.save(loaded, tmp_path / "saved.nc")).identical(loaded)


def test_a_folder_is_searched_for_the_file_of_the_data_set(maze, loaded, tmp_path):
    path, _ = maze
    assert datasets.nlb("mc_maze", path.parent).identical(loaded)
    nested = tmp_path / "sub-Jenkins"
    nested.mkdir()
    for name in (
        NAME,
        "sub-Han_desc-train_behavior+ecephys.nwb",
        "sub-Jenkins_ses-full_desc-test_ecephys.nwb",
    ):
        (nested / name).write_bytes(path.read_bytes())
    assert datasets.nlb("mc_maze", tmp_path).identical(loaded)
    with pytest.raises(FileError, match="holds 2 files"):
        datasets.nlb("mc_rtt", tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileError, match=r"holds 0 files \*desc-train\*.nwb; give the one of DANDI 000128"):
        datasets.nlb("mc_maze", empty)


def test_a_file_of_another_structure_is_refused_in_one_sentence(tmp_path):
    cases = (
        ({"heldout": False}, "the units have no column 'heldout'"),
        ({"split": False}, "the trials table has no column 'split'"),
        ({"event": "go_time"}, "the trials table has no column 'move_onset_time'"),
        ({"trial_columns": ("trial_type",)}, "the trials table has no column 'trial_version'"),
        ({"splits": ("test",) * 3}, "no trial's split is train or val"),
        ({"velocity": None}, "no behaviour series 'hand_vel'"),
        ({"onset": [np.nan] * 8}, "no trial of train or val has a time in 'move_onset_time'"),
    )
    for number, (options, words) in enumerate(cases):
        path, _ = write_benchmark(tmp_path / f"{number}_desc-train.nwb", **options)
        with contextlib.ExitStack() as stack:
            if "onset" in options:
                stack.enter_context(
                    pytest.warns(NeurodynWarning, match="7 of 7 trials have no move_onset_time")
                )
            error = stack.enter_context(pytest.raises(FileError, match=words))
            datasets.nlb("mc_maze", path)
        assert len(str(error.value).splitlines()) == 1


def test_trials_without_the_event_are_left_out_with_a_warning(tmp_path):
    onset = 10.5 + 2.0 * np.arange(8)
    onset[2] = np.nan
    path, _ = write_benchmark(tmp_path / "x_desc-train.nwb", onset=onset)
    with pytest.warns(NeurodynWarning, match="1 of 7 trials have no move_onset_time"):
        found = datasets.nlb("mc_maze", path)
    assert found.sizes["trial"] == 6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bin_width": 0.03}, "window lasts 0.7 s, no whole number of bins of 0.03 s"),
        ({"forward": 0.015}, "forward lasts 0.015 s"),
        ({"bin_width": 0}, "widths must be above 0"),
        ({"window": (0.4, 0.1)}, "the window end after it starts"),
        ({"forward": -0.2}, "forward be 0 or more"),
        ({"bin_width": "fine"}, "must be seconds"),
        ({"window": (0.0,)}, "must be seconds"),
    ],
)
def test_options_out_of_range_are_refused_before_the_file_is_opened(options, words):
    with pytest.raises(ModelError, match=words):
        datasets.nlb("mc_maze", "no such file", **options)


def test_unknown_names_and_missing_files_are_named():
    with pytest.raises(
        FileError, match="no benchmark data set 'mc_labyrinth': choose one of mc_maze, mc_maze_large"
    ):
        datasets.nlb("mc_labyrinth", "x.nwb")
    with pytest.raises(FileError, match="There is no file at"):
        datasets.nlb("mc_maze", "no such file.nwb")


def test_definitions_are_those_of_the_benchmark():
    names = (
        "mc_maze",
        "mc_maze_large",
        "mc_maze_medium",
        "mc_maze_small",
        "mc_rtt",
        "area2_bump",
        "dmfc_rsg",
    )
    assert list(datasets.neural_latents.DEFINITIONS) == list(names)
    windows = {name: datasets.nlb_definition(name).window for name in names}
    assert windows["mc_maze"] == windows["mc_maze_small"] == (-0.25, 0.45)
    assert (windows["mc_rtt"], windows["area2_bump"], windows["dmfc_rsg"]) == (
        (0, 0.6),
        (-0.1, 0.5),
        (-1.5, 0),
    )
    assert {datasets.nlb_definition(name).forward for name in names} == {0.2}


@pytest.mark.parametrize("installed", [False, True])
def test_without_a_path_the_file_is_streamed_or_the_extra_is_named(monkeypatch, maze, loaded, installed):
    path, _ = maze
    if not installed:
        monkeypatch.setitem(sys.modules, "remfile", None)
        with pytest.raises(FileError, match=r'needs the extra dandi: pip install "neurodyn\[dandi\]"'):
            datasets.nlb("mc_maze")
        return
    fake_archive(monkeypatch, {f"sub-Jenkins/{NAME}": path, "sub-Jenkins/x_desc-test_ecephys.nwb": path})
    found = datasets.nlb("mc_maze")
    assert found.attrs["source"] == NAME
    assert found.identical(loaded)


def fake_archive(monkeypatch, files):
    """Stand-ins for the packages that read the archive, which hold local files."""

    class Asset:
        def __init__(self, path):
            self.path = path

        def get_content_url(self, follow_redirects, strip_query):
            assert follow_redirects
            assert strip_query
            return str(files[self.path])

    class Client:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def get_dandiset(self, number):
            if number != "000128":
                raise RuntimeError(f"no dandiset {number}")
            return types.SimpleNamespace(get_assets=lambda: [Asset(path) for path in files])

    api = types.ModuleType("dandi.dandiapi")
    api.DandiAPIClient = Client
    remfile = types.ModuleType("remfile")
    remfile.File = lambda url: io_module.BytesIO(pathlib.Path(url).read_bytes())
    for name, module in (("dandi", types.ModuleType("dandi")), ("dandi.dandiapi", api), ("remfile", remfile)):
        monkeypatch.setitem(sys.modules, name, module)


def test_what_the_archive_lacks_is_named(monkeypatch, maze):
    path, _ = maze
    fake_archive(monkeypatch, {"a/x_desc-train.nwb": path, "a/y_desc-train.nwb": path})
    with pytest.raises(FileError, match="DANDI 000128 has 2 files like"):
        datasets.nlb("mc_maze")
    with pytest.raises(
        FileError, match=r"cannot be read over the network \(RuntimeError: no dandiset 000129\)"
    ):
        datasets.nlb("mc_rtt")
    fake_archive(monkeypatch, {"a/x_desc-train.nwb": path.parent / "gone.nwb"})
    with pytest.raises(FileError, match="cannot be read over the network"), open_dandi("000128", "*.nwb"):
        pass


def seen(part):
    return np.isfinite(part["activity"].values)


def test_held_out_units_of_validation_trials_are_scored_from_the_others(loaded):
    split = holdout.assigned("units")(loaded)
    validation = (loaded["split"] == "val").values
    ahead, hidden = loaded["forward"].values, loaded["heldout"].values
    assert split.mode == "all"
    assert split.test_trials.tolist() == np.flatnonzero(validation).tolist()
    np.testing.assert_array_equal(seen(split.train), np.broadcast_to(~validation[:, None, None], (7, 45, 5)))
    np.testing.assert_array_equal(seen(split.inputs), ~validation[:, None, None] & ~ahead[:, None] & ~hidden)
    np.testing.assert_array_equal(seen(split.given), validation[:, None, None] & ~ahead[:, None] & ~hidden)
    np.testing.assert_array_equal(seen(split.target), validation[:, None, None] & ~ahead[:, None] & hidden)
    assert str(int(seen(split.target).sum())) in split.describe()


def test_forward_bins_of_validation_trials_are_scored_from_held_in_units_before_them(loaded):
    units, split = holdout.assigned("units")(loaded), holdout.assigned("bins")(loaded)
    validation, ahead = (loaded["split"] == "val").values, loaded["forward"].values
    assert (split.mode, split.horizon) == ("past", 1)
    for name in ("train", "inputs", "given"):
        np.testing.assert_array_equal(seen(getattr(split, name)), seen(getattr(units, name)))
    np.testing.assert_array_equal(
        seen(split.target), np.broadcast_to(validation[:, None, None] & ahead[:, None], (7, 45, 5))
    )
    velocity = np.isfinite(split.given["covariates"].values[..., 0])
    np.testing.assert_array_equal(velocity, np.broadcast_to(~ahead, (7, 45)))
    np.testing.assert_array_equal(np.isfinite(split.train["covariates"].values[~validation]).all(), True)


@pytest.mark.parametrize("target", ["units", "bins"])
def test_trials_that_run_into_each_other_leak_nothing(tmp_path, target):
    splits = ("train", "val", "val", "train", "none", "val", "train", "train")
    starts = 5.0 + 0.6 * np.arange(8)
    made = {}
    for seed in (0, 1):
        made[seed], _ = write_benchmark(
            tmp_path / f"{seed}_desc-train.nwb",
            starts=starts,
            duration=0.6,
            splits=splits,
            trial_columns=(),
            velocity="finger_vel",
            event="start_time",
            seed=seed,
        )
    found, other = (datasets.nlb("mc_rtt", path) for path in made.values())
    split = holdout.assigned(target)(found)
    time = found["start_time"].values[:, None] + 0.02 * np.arange(40)
    held = np.zeros(time.shape, bool)
    length = 0.6 if target == "units" else 0.8
    for start in found["start_time"].values[(found["split"] == "val").values]:
        held |= (time + 0.02 > start + 1e-6) & (time < start + length - 1e-6)
    trained = np.broadcast_to((found["split"] == "train").values[:, None], held.shape)
    np.testing.assert_array_equal(seen(split.train).any(axis=2), trained & ~held & seen(found).any(axis=2))
    # The forward bins of the first trial are the second's, and those of validation trials reach into training ones.
    lost = {"units": 10, "bins": 30}[target]
    assert int((trained & held).sum()) == lost
    assert f"{lost} bins of training trials" in split.label
    # Spikes at the scored times from another file: the training part is the same.
    mixed = found.assign(activity=found["activity"].where(~held[..., None], other["activity"].values))
    again = holdout.assigned(target)(mixed)
    np.testing.assert_array_equal(again.train["activity"], split.train["activity"])
    assert not np.array_equal(seen(split.target) * found["activity"], seen(again.target) * mixed["activity"])


def test_bins_between_two_events_are_scored(loaded):
    whole = holdout.assigned()(loaded)
    first, last = loaded["event_time"] - 0.1, loaded["event_time"] + 0.131
    timed = loaded.assign_coords(set_time=first, go_time=last)
    split = holdout.assigned(between=("set_time", "go_time"))(timed)
    time = loaded["time"].values
    inside = (time >= -0.1 - 1e-9) & (time + 0.02 <= 0.131 + 1e-9)
    assert inside.sum() == 11
    # Bins begin at -0.25 + 0.02 k, so that -0.1 lies within one, which is left out.
    np.testing.assert_array_equal(seen(split.target), seen(whole.target) & inside[None, :, None])
    np.testing.assert_array_equal(seen(split.given), seen(whole.given))


def test_models_are_scored_on_the_validation_part(loaded):
    split = holdout.assigned("units")(loaded)
    fit = registry.create("mean").fit(split.train, inputs=split.inputs, key=0)
    mean = fit.predict(split.given, mode=split.mode)["mean"]
    table = metrics.bits_per_spike_by_unit(mean, split.target, null="train", train=split.train)
    assert table["unit"].values.tolist() == [2, 4]
    assert float(table["pooled"]) == pytest.approx(0.0, abs=0.01)
    definition = datasets.nlb_definition("mc_maze")
    decoded = decode_behaviour(mean, mean, split, lag=definition.lag, key=0, n_bootstrap=10)
    assert decoded.attrs["n_train"] == 4 * 35
    assert decoded["covariate"].values.tolist() == ["hand_vel_x", "hand_vel_y"]
    few = {"trial": slice(0, 2)}
    with pytest.raises(ModelError, match="no condition has 2 scored trials"):
        psth_match(mean.isel(few), split.target.isel(few), smoothing=definition.smoothing, key=0)


def test_parts_that_are_not_assigned_are_named(loaded):
    for changed, protocol, words in (
        (loaded.drop_vars("split"), holdout.assigned(), "needs the coordinate 'split' on trial"),
        (loaded.isel(trial=[0, 2]), holdout.assigned(), "'split' is 'val'; there are train"),
        (loaded.drop_vars("heldout"), holdout.assigned(), "needs the coordinate 'heldout' on unit"),
        (loaded.isel(unit=[0, 1]), holdout.assigned(), "some units marked 'heldout', but 0 of 2 are"),
        (
            loaded.isel(time=slice(0, 35)),
            holdout.assigned("bins"),
            "some bins marked 'forward', but 0 of 35 are",
        ),
        (loaded, holdout.assigned(between=("ready", "steady")), "needs the coordinate 'ready' on trial"),
        (
            loaded.drop_vars("start_time"),
            holdout.assigned(between=("stop_time", "stop_time")),
            "'start_time' on trial",
        ),
    ):
        with pytest.raises(NotApplicable, match=words):
            protocol(changed)
    with pytest.raises(ModelError, match="must hold True and False"):
        holdout.assigned()(loaded.assign_coords(heldout=("unit", list("abcde"))))
    for make_protocol, words in (
        (lambda: holdout.assigned("trials"), "target is 'trials'"),
        (lambda: holdout.assigned(train="val"), "both 'val'"),
        (lambda: holdout.assigned(between="set_time"), "between is 'set_time'"),
        (lambda: holdout.assigned(coord=""), "coord is ''"),
    ):
        with pytest.raises(ModelError, match=words):
            make_protocol()


def test_without_forward_bins_or_clock_only_units_are_held_out():
    counts = np.random.default_rng(0).poisson(1.0, size=(4, 6, 3))
    made = make(
        counts,
        sampling_interval=0.02,
        kind="count",
        unit_coords={"heldout": [0, 0, 1]},
        trial_coords={"split": ["train", "train", "val", "test"]},
    )
    split = holdout.assigned()(made)
    assert (int(seen(split.train).sum()), int(seen(split.given).sum()), int(seen(split.target).sum())) == (
        36,
        12,
        6,
    )
    assert not seen(split.train)[3].any()


@pytest.mark.skipif(
    "NEURODYN_DATA" not in os.environ, reason="NEURODYN_DATA does not name the folder of recordings"
)
def test_two_trials_of_a_real_maze_recording_come_back_bin_by_bin(tmp_path):
    from pynwb.base import TimeSeries

    folder = pathlib.Path(os.environ["NEURODYN_DATA"]) / "macaque-mcmaze-singletrial"
    frames = [pandas.read_csv(folder / f"trial_{number}_data.csv") for number in (748, 1356)]
    names = [name for name in frames[0].columns if name.startswith("unit_")]
    nwbfile = new_nwb()
    nwbfile.add_unit_column("heldout", "whether the unit is held out")
    spans = [
        [float(frame["timestamp"].iloc[0]), float(frame["timestamp"].iloc[-1]) + 1e-3] for frame in frames
    ]
    for number, name in enumerate(names):
        # A spike lies in the middle of the millisecond it was counted in.
        times = np.concatenate([frame["timestamp"][frame[name] > 0].to_numpy() + 5e-4 for frame in frames])
        nwbfile.add_unit(spike_times=times, heldout=number % 4 == 3, obs_intervals=spans)
    nwbfile.add_trial_column("split", "part")
    nwbfile.add_trial_column("move_onset_time", "event")
    for (start, stop), part in zip(spans, ("train", "val"), strict=True):
        nwbfile.add_trial(start_time=start, stop_time=stop, split=part, move_onset_time=start + 1.25)
    module = nwbfile.create_processing_module("behavior", "behaviour")
    together = pandas.concat(frames)
    module.add(
        TimeSeries(
            name="hand_vel",
            data=together[["hand_vel_x", "hand_vel_y"]].to_numpy(),
            timestamps=together["timestamp"].to_numpy(),
            unit="mm/s",
        )
    )
    path = write_nwb(nwbfile, tmp_path / NAME)
    found = datasets.nlb("mc_maze", path, bin_width=0.005, condition=())
    assert found["activity"].shape == (2, 180, 182)
    for trial, frame in enumerate(frames):
        counts = frame[names].to_numpy()[1000:1900].reshape(180, 5, 182).sum(axis=1)
        np.testing.assert_array_equal(found["activity"].values[trial], counts)
        velocity = frame[["hand_vel_x", "hand_vel_y"]].to_numpy()[1000:1900].reshape(180, 5, 2).mean(axis=1)
        np.testing.assert_allclose(found["covariates"].values[trial], velocity, rtol=1e-4, atol=1e-3)
    split = holdout.assigned("units")(found)
    assert int(seen(split.target).sum()) == 140 * found["heldout"].values.sum()
    assert io.inspect(path)["kind"].tolist()[0] == "units"
