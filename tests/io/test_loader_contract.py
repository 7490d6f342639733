"""What every loader owes, whatever its format."""

import numpy as np
import pytest

from neurodyn import io, recording
from neurodyn.io.files import COLUMNS

CASES = {
    "nwb units": ("nwb_path", {"bin_width": 0.1}, "nwb"),
    "nwb trials": ("nwb_path", {"bin_width": 0.1, "trials": True, "behaviour": False}, "nwb"),
    "nwb calcium": ("nwb_path", {"series": "traces"}, "nwb"),
    "nwb lfp": ("nwb_path", {"series": "lfp", "interval": (2.0, 4.0)}, "nwb"),
    "fmri voxels": ("bold_path", {}, "fmri"),
    "ieeg": ("fif_path", {}, "ieeg"),
    "ieeg processed": (
        "fif_path",
        {"reference": "average", "notch": 50.0, "band_pass": (4, 30), "envelope": True, "resample": 50.0},
        "ieeg",
    ),
    "table": ("choices_path", {"responses": ["choice", "reaction_time"], "participant": "who"}, "table"),
    "spikes": ("spikes_path", {"bin_width": 0.01, "time_unit": "ms", "trial_columns": ["tap"]}, "spikes"),
    "array": ("spikes_path", {"sampling_interval": 0.5, "key": "tap"}, "array"),
}

pytestmark = pytest.mark.filterwarnings("ignore::neurodyn.errors.NeurodynWarning")


@pytest.fixture(params=CASES, ids=list(CASES))
def case(request):
    """A path, options, and the loader that must be chosen for them."""
    fixture, options, loader = CASES[request.param]
    return request.getfixturevalue(fixture), options, loader


def test_read_gives_a_recording_that_passes_the_schema(case):
    path, options, _ = case
    found = io.read(path, **options)
    assert recording.check(found, strict=False) is found
    assert np.isfinite(found["activity"].values).any()


def test_read_states_source_history_and_modality(case):
    path, options, loader = case
    found = io.read(path, **options)
    assert found.attrs["source"] == path.name
    assert found.attrs["history"]
    assert loader == "array" or found.attrs["modality"]


def test_save_and_load_give_back_the_identical_recording(case, tmp_path):
    path, options, _ = case
    found = io.read(path, **options)
    saved = recording.save(found, tmp_path / "saved.nc")
    assert recording.load(saved).identical(found)
    assert io.read(saved).identical(found)


@pytest.mark.parametrize(
    ("fixture", "other", "loader"), [("nwb_path", "x.h5", "nwb"), ("fif_path", "x.fif", "ieeg")]
)
def test_the_loader_is_found_by_content_under_another_name(request, tmp_path, fixture, other, loader):
    path = tmp_path / other
    path.write_bytes(request.getfixturevalue(fixture).read_bytes())
    assert io.registry.find_loader(path, {}).name == loader


def test_inspect_has_the_same_columns_for_every_format(case):
    path, _, loader = case
    table = io.inspect(path, loader=loader)
    assert tuple(table.columns) == COLUMNS
    assert len(table) > 0
    assert table["kind"].str.len().min() > 0


def test_reading_twice_gives_the_same_recording(case):
    path, options, _ = case
    assert io.read(path, **options).identical(io.read(path, **options))


def test_an_unknown_option_is_named_with_those_there_are(case):
    path, _, loader = case
    with pytest.raises(ValueError, match=r"no option nonsense; it has: "):
        io.read(path, loader=loader, nonsense=1)
