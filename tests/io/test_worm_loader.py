"""The example of a laboratory's own loader: what it reads, what it refuses, that it is announced."""

import importlib
import importlib.metadata
import pathlib
import sys
import tomllib

import h5py
import numpy as np
import pytest

from neurodyn import io, recording
from neurodyn.errors import FileError, ModelError
from neurodyn.io.files import COLUMNS

PACKAGE = pathlib.Path(__file__).parents[2] / "examples" / "worm_loader"
N_TIME = 40
TABLE = """animal,trace_index,label,neuron_class,left_right,dorsal_ventral,confidence
worm-1,0,AVAL,AVA,L,undefined,5.0
worm-1,2,AVAR,AVA,R,undefined,4.0
worm-1,3,SIBV?,SIB,missing,V,2.0
worm-1,4,RIML,RIM,L,undefined,3.0
worm-1,5,RIML,RIM,L,undefined,5.0
worm-1,1,URXL,URX,L,undefined,2.0
worm-1,6,URXL,URX,L,undefined,2.0
worm-2,1,MI,MI,undefined,undefined,5.0
"""


@pytest.fixture(scope="module")
def announced():
    """What the entry point of the package's pyproject.toml names."""
    [(name, value)] = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"][
        "neurodyn.loaders"
    ].items()
    sys.path.insert(0, str(PACKAGE))
    try:
        yield name, importlib.metadata.EntryPoint(name, value, "neurodyn.loaders").load()
    finally:
        sys.path.remove(str(PACKAGE))
        sys.modules.pop("worm_loader", None)


@pytest.fixture
def worm_path(tmp_path, announced, monkeypatch):
    """One animal of seven traces, with the plug-in installed."""
    name, loader = announced

    class Point:
        value = "worm_loader:LOADER"

        def load(self):
            return loader

    Point.name = name
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Point()])
    (tmp_path / "neuron_labels.csv").write_text(TABLE)
    draw = np.random.default_rng(0)
    path = tmp_path / "worm-1-data.h5"
    with h5py.File(path, "w") as file:
        file["gcamp/trace_array"] = draw.normal(size=(N_TIME, 7))
        file["timing/timestamp_confocal"] = 100 + 0.6 * np.arange(N_TIME) + draw.uniform(0, 2e-4, N_TIME)
        file["behavior/velocity"] = draw.normal(size=N_TIME)
        file["behavior/reversal_vec"] = draw.integers(0, 2, N_TIME)
        file["behavior/body_angle"] = draw.normal(size=(N_TIME, 3))
        file["behavior/pumping"] = np.full(N_TIME, np.nan)
    return path


def test_the_announced_plug_in_is_a_loader(announced):
    name, loader = announced
    assert isinstance(loader, io.Loader)
    assert loader.name == name
    assert name not in io.registry.BUILT_IN


def test_the_contract_of_every_loader(worm_path, tmp_path):
    found = io.read(worm_path)
    assert recording.check(found, strict=True) is found
    assert found.attrs["source"] == worm_path.name
    assert found.attrs["modality"] == "calcium"
    assert found.attrs["history"]
    assert io.read(worm_path).identical(found)
    assert recording.load(recording.save(found, tmp_path / "saved.nc")).identical(found)
    assert tuple(io.inspect(worm_path).columns) == COLUMNS
    with pytest.raises(ModelError, match=r"no option nonsense; it has: labels, uncertain, unnamed"):
        io.read(worm_path, nonsense=1)


def test_a_trace_has_the_name_of_its_index_counted_from_zero(worm_path):
    found = io.read(worm_path)
    with h5py.File(worm_path) as file:
        traces = file["gcamp/trace_array"][()].astype(np.float32)
    np.testing.assert_array_equal(found["activity"].sel(unit="AVAR"), traces[:, 2])
    assert found.attrs["sampling_interval"] == 0.6
    assert found["side"].sel(unit="AVAL") == "L"


def test_names_that_are_doubted_or_double(worm_path):
    found = io.read(worm_path)
    assert found["unit"].values.tolist() == ["AVAL", "AVAR", "RIML"]
    assert int(found["trace"].sel(unit="RIML")) == 5  # the surer of the two
    assert "RIML, URXL named several traces" in found.attrs["history"][0]
    kept = io.read(worm_path, uncertain=True)
    assert kept["unit"].values.tolist() == ["AVAL", "AVAR", "SIBV?", "RIML"]
    whole = io.read(worm_path, unnamed=True)
    assert whole["unit"].values.tolist() == [
        "AVAL",
        "trace-1",
        "AVAR",
        "trace-3",
        "trace-4",
        "RIML",
        "trace-6",
    ]


def test_behaviour_is_measured_with_the_activity(worm_path):
    found = io.read(worm_path)
    assert found["covariate"].values.tolist() == [
        "velocity",
        "reversal",
        "body_angle_0",
        "body_angle_1",
        "body_angle_2",
    ]
    assert set(found["available"].values) == {"with"}
    assert set(found["role"].values) == {"measured"}
    assert "no head_angle, pumping in it" in found.attrs["history"][1]
    assert io.read(worm_path, behaviour="velocity")["covariate"].values.tolist() == ["velocity"]
    assert "covariates" not in io.read(worm_path, behaviour=False)
    with pytest.raises(ModelError, match="no behaviour 'sleep'; choose among velocity"):
        io.read(worm_path, behaviour=["sleep"])


def _without_traces(file):
    del file["gcamp/trace_array"]


def _without_times(file):
    del file["timing/timestamp_confocal"]


def _short_behaviour(file):
    del file["behavior/velocity"]
    file["behavior/velocity"] = np.zeros(N_TIME - 1)


def _gap(file):
    file["timing/timestamp_confocal"][20:] += 5.0


def _text(file):
    del file["gcamp/trace_array"]
    file["gcamp/trace_array"] = ["a", "b"]


def _outside(file):
    del file["behavior/velocity"]
    file["behavior/velocity"] = h5py.ExternalLink("../elsewhere.h5", "secret")


def _outside_traces(file):
    del file["gcamp"]
    file["gcamp"] = h5py.ExternalLink("../elsewhere.h5", "secret")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _without_traces,
            "has no 'gcamp/trace_array', so it is no recording of this layout; it has: behavior",
        ),
        (_without_times, "has no 'timing/timestamp_confocal', so the time between frames is unknown"),
        (_short_behaviour, "'behavior/velocity' of .* has 39 frames, the traces 40"),
        (_gap, "which no uniform clock has; cut the recording at the gap"),
        (_text, "'gcamp/trace_array' of .* is not a matrix of numbers"),
        (_outside, "outside its own folder, which is refused"),
        (_outside_traces, "outside its own folder, which is refused"),
    ],
)
def test_a_file_of_another_layout_is_one_clear_sentence(worm_path, change, message):
    with h5py.File(worm_path, "a") as file:
        change(file)
    with pytest.raises(FileError, match=message) as caught:
        io.read(worm_path, loader="worm")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("worm-1,0,", "worm-1,9,", "names trace 9 of 'worm-1', but .* has traces 0 to 6"),
        ("worm-1", "worm-3", "does not know the animal 'worm-1'; name one with subject=...: worm-2, worm-3"),
        ("label,", "name,", "has no column 'label'; it has: animal, trace_index, name"),
    ],
)
def test_a_table_that_does_not_fit_is_one_clear_sentence(worm_path, before, after, message):
    table = worm_path.parent / "neuron_labels.csv"
    table.write_text(table.read_text().replace(before, after))
    with pytest.raises(FileError, match=message):
        io.read(worm_path)


def test_a_file_without_its_table_has_no_names(worm_path):
    (worm_path.parent / "neuron_labels.csv").unlink()
    with pytest.raises(FileError, match="no trace with a name for 'worm-1'; read it with unnamed=True"):
        io.read(worm_path)
    assert io.read(worm_path, unnamed=True).sizes["unit"] == 7


def test_other_files_are_not_taken(worm_path, announced, tmp_path):
    _, loader = announced
    other, noise = tmp_path / "other.h5", tmp_path / "noise.h5"
    with h5py.File(other, "w") as file:
        file["data"] = np.zeros(3)
    noise.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    assert [loader.sniff(path) for path in (worm_path, other, noise, tmp_path)] == [2, 0, 0, 0]
    for path in (other, noise):
        with pytest.raises(FileError):
            loader.read(path)


def test_left_and_right_of_a_command_neuron_go_together(data, announced):
    _, loader = announced
    both = 0
    for path in sorted((data / "celegans-flavell-nsm").glob("*-data.h5")):
        found = loader.read(path)
        assert found.sizes["time"] in (799, 800)
        assert 80 < found.sizes["unit"] < 110
        if {"AVAL", "AVAR"} <= set(found["unit"].values):
            both += 1
            pair = found["activity"].sel(unit=["AVAL", "AVAR"]).values
            assert np.corrcoef(pair.T)[0, 1] > 0.9
    assert both >= 3
