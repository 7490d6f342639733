"""What the guides show runs as it is printed, on a small file of the same kind."""

import datetime
import pathlib
import re

import numpy as np
import pytest

from neurodyn.models import Fit
from neurodyn.recording import check, make

ROOT = pathlib.Path(__file__).parent.parent
READER_PAGES = (
    "README.md",
    "docs/guides/from-file-to-verdict.md",
    "docs/guides/bring-your-own-data.md",
    "docs/guides/hidden-markov-models.md",
    "docs/guides/switching-glm.md",
    "docs/guides/predictive-coding.md",
    "docs/guides/sequential-autoencoders.md",
    "docs/guides/linear-dynamics.md",
    "docs/guides/dynamic-connectomes.md",
    "docs/guides/emulating-states.md",
)


def code_of(page: str) -> str:
    """Python blocks of a page, in order, as one program."""
    return "\n".join(
        re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    )


def run(page: str) -> dict:
    """Run a page's program; its variables."""
    names: dict = {"__name__": f"guide_{pathlib.Path(page).stem.replace('-', '_')}"}
    exec(compile(code_of(page), page, "exec"), names)
    return names


@pytest.fixture
def session(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder, made the current one, that holds ``session.nwb`` with six units."""
    from pynwb import NWBHDF5IO, NWBFile

    generator = np.random.default_rng(0)
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    file = NWBFile(session_description="simulated", identifier="guide", session_start_time=start)
    fast = np.repeat(generator.random(12) < 0.5, 5.0)
    for unit in range(6):
        rate = np.where(fast == (unit < 3), 12.0, 2.0)
        counts = generator.poisson(rate)
        times = np.concatenate([second + generator.random(n) for second, n in enumerate(counts)])
        file.add_unit(spike_times=np.sort(times), obs_intervals=[[0.0, 60.0]])
    path = tmp_path / "session.nwb"
    with NWBHDF5IO(str(path), "w") as writer:
        writer.write(file)
    write_maze(tmp_path / "000128" / "sub-Jenkins")
    monkeypatch.chdir(tmp_path)
    return path


def write_maze(folder: pathlib.Path) -> None:
    """A file of the structure of the Neural Latents Benchmark: eight trials, three units."""
    from pynwb import NWBHDF5IO, NWBFile, TimeSeries

    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    file = NWBFile(session_description="simulated", identifier="maze", session_start_time=start)
    file.add_unit_column("heldout", "whether the unit is held out")
    for unit in range(3):
        times = np.sort(np.random.default_rng(unit).uniform(0.0, 16.0, 200))
        file.add_unit(spike_times=times, heldout=unit == 2, obs_intervals=[[0.0, 16.0]])
    for column in ("split", "move_onset_time", "trial_type", "trial_version"):
        file.add_trial_column(column, "of the benchmark")
    for trial in range(8):
        row = {"split": "train" if trial % 4 else "val", "move_onset_time": 2.0 * trial + 0.5}
        begin = 2.0 * trial
        file.add_trial(start_time=begin, stop_time=begin + 2.0, trial_type=trial % 2, trial_version=0, **row)
    clock = np.arange(16_000) / 1000
    velocity = TimeSeries(
        name="hand_vel", data=np.stack([clock, clock], axis=1), timestamps=clock, unit="m/s"
    )
    file.create_processing_module("behavior", "behaviour").add(velocity)
    folder.mkdir(parents=True)
    with NWBHDF5IO(str(folder / "sub-Jenkins_ses-full_desc-train_behavior+ecephys.nwb"), "w") as writer:
        writer.write(file)


@pytest.mark.parametrize("page", READER_PAGES)
def test_the_code_of_a_guide_runs(page: str, session: pathlib.Path) -> None:
    assert session.exists()
    names = run(page)
    recordings = [
        names[name] for name in ("recording", "mine", "counts") if hasattr(names.get(name), "sizes")
    ]
    assert recordings
    for recording in recordings:
        check(recording)


def test_the_report_of_the_guide_is_written(session: pathlib.Path) -> None:
    run("docs/guides/from-file-to-verdict.md")
    assert "<html" in (session.parent / "report.html").read_text()


def test_the_example_model_fits_and_predicts() -> None:
    names = run("docs/developers/how-to-add-a-model.md")
    recording = make(np.array([[1.0, 10.0], [3.0, np.nan]]), sampling_interval=1.0)
    fit = names["ShrunkMean"](weight=0.0).fit(recording, key=0)
    assert isinstance(fit, Fit)
    np.testing.assert_allclose(fit.predict(recording)["mean"].values, [[2.0, 10.0], [2.0, 10.0]])


def test_the_example_loader_reads_its_file(tmp_path: pathlib.Path) -> None:
    names = run("docs/developers/how-to-add-a-loader.md")
    path = tmp_path / "session.mylab"
    volts = np.arange(24, dtype="<f4").reshape(3, 8)
    path.write_bytes(names["MAGIC"] + volts.tobytes())
    loader = names["LOADER"]
    assert loader.sniff(path)
    recording = check(loader.read(path))
    np.testing.assert_array_equal(recording["activity"].values, volts)
    assert list(loader.inspect(path)["duration"]) == pytest.approx([0.3])
