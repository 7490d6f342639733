"""Choosing a loader: content before name, plug-ins that break, files that are none."""

import importlib.metadata
import subprocess
import sys

import numpy as np
import pytest

from neurodyn import io, recording
from neurodyn.errors import FileError, ModelError, NeurodynWarning
from neurodyn.io import registry


class Point:
    """An entry point that loads what it is given, or raises it."""

    def __init__(self, name, found):
        self.name, self.value, self.found = name, f"lab:{name}", found

    def load(self):
        if isinstance(self.found, BaseException):
            raise self.found
        return self.found


def lab_loader(name="lab", sniff=lambda path: 2 * (path.suffix == ".lab")):
    """A third party's loader of one-number text files."""

    def read(path, *, gain=1.0):
        value = float(path.read_text())
        return recording.make([[gain * value]], sampling_interval=1.0, source=path.name, history="lab")

    return registry.Loader(
        name=name, suffixes=(".lab",), sniff=sniff, inspect=lambda path: io.files.contents([]), read=read
    )


@pytest.fixture
def plug_in(monkeypatch):
    """Register entry points for one test."""

    def register(*points):
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: list(points))

    return register


def test_a_labs_own_loader_reads_its_files(plug_in, tmp_path):
    plug_in(Point("lab", lab_loader()))
    path = tmp_path / "x.lab"
    path.write_text("2.5")
    assert io.read(path, gain=2.0)["activity"].item() == 5.0


@pytest.mark.parametrize("found", [ImportError("no such module"), SyntaxError("bad"), "not a loader"])
def test_a_broken_plug_in_is_a_warning_and_the_others_work(plug_in, found):
    plug_in(Point("broken", found))
    with pytest.warns(NeurodynWarning, match="loader plug-in 'broken' .lab:broken. is left out"):
        known = io.loaders()
    assert set(known) == set(registry.BUILT_IN)


def test_a_plug_in_cannot_take_a_built_in_name(plug_in):
    plug_in(Point("nwb", lab_loader("nwb")))
    with pytest.warns(NeurodynWarning, match="the name is taken"):
        assert io.loaders()["nwb"].suffixes == (".nwb",)


def test_a_plug_in_that_breaks_while_looking_is_skipped(plug_in, tmp_path):
    def broken(path):
        raise RuntimeError("no licence")

    plug_in(Point("lab", lab_loader(sniff=broken)))
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((5, 2)))
    with pytest.warns(NeurodynWarning, match="loader 'lab' failed to look at .* no licence"):
        assert io.read(path, sampling_interval=1.0).sizes["time"] == 5


def test_errors_of_a_loader_are_not_swallowed(plug_in, tmp_path):
    plug_in(Point("lab", lab_loader()), Point("other", lab_loader("other")))
    path = tmp_path / "x.lab"
    path.write_text("not a number")
    with pytest.raises(ValueError, match="could not convert string to float"):
        io.read(path, loader="lab")
    with pytest.raises(FileError, match=r"several loaders \(lab, other\).*loader='lab'"):
        io.read(path)


def test_options_tell_apart_the_loaders_of_a_matrix(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((50, 2)))
    assert io.read(path, repetition_time=2.0).attrs["modality"] == "fmri"
    assert io.read(path, sampling_interval=2.0).attrs["modality"] == ""
    with pytest.raises(FileError, match="array with sampling_interval=, fmri with repetition_time="):
        io.read(path)


def test_an_unknown_loader_is_answered_with_the_known(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((5, 2)))
    with pytest.raises(ModelError, match="no loader 'matlab'; known loaders: nwb, ieeg"):
        io.read(path, loader="matlab")


@pytest.mark.parametrize("call", [io.read, io.inspect, io.read_nwb, io.read_fmri, io.read_ieeg])
def test_missing_empty_and_directory_are_one_sentence(call, tmp_path):
    suffix = {io.read_fmri: ".nii", io.read_ieeg: ".edf"}.get(call, ".nwb")
    (tmp_path / f"session1{suffix}").write_bytes(b"")
    with pytest.raises(FileError, match=rf"no file at .*: did you mean session1\{suffix}"):
        call(tmp_path / f"session2{suffix}")
    with pytest.raises(FileError, match="is empty .0 bytes"):
        call(tmp_path / f"session1{suffix}")
    with pytest.raises(FileError, match="is a directory; give one of its 1 files: session1"):
        call(tmp_path)
    with pytest.raises(FileError, match="the folder .* does not exist"):
        call(tmp_path / "nowhere" / f"a{suffix}")


def test_a_file_of_no_known_format_names_the_loaders(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    with pytest.raises(FileError, match="of no known format .* known loaders: nwb"):
        io.read(path)


def test_importing_io_imports_no_format_library():
    code = (
        "import sys, neurodyn.io; heavy = {'pynwb', 'nilearn', 'mne', 'nibabel', 'matplotlib', 'sklearn', "
        "'hdmf'}; print(' '.join(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split()


@pytest.mark.parametrize("suffix", [".nwb", ".h5"])
def test_hdf5_without_a_format_asks_for_the_option_it_lacks(tmp_path, suffix):
    import h5py

    path = tmp_path / f"plain{suffix}"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros((20, 3))
    with pytest.raises(ModelError, match="needs the option sampling_interval that was not given") as caught:
        io.read(path)
    assert ("is not nwb by its content" in str(caught.value)) == (suffix == ".nwb")


def test_a_file_that_is_not_what_its_ending_says_is_named_so(tmp_path):
    import h5py

    path = tmp_path / "plain.nwb"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros((20, 3))
    for call in (lambda: io.inspect(path), lambda: io.read(path, sampling_interval=0.1)):
        with pytest.warns(NeurodynWarning, match="is not nwb by its content"):
            call()


def test_an_option_that_no_loader_takes_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3,4\n5,7\n")
    with pytest.raises(ModelError, match="none of which has the option bin_width; leave it out"):
        io.read(path, repetition_time=2.0, bin_width=0.1)
    with pytest.raises(ModelError, match="none of these loaders takes repetition_time, responses together"):
        io.read(path, repetition_time=2.0, responses="a")


def test_a_file_missing_from_the_current_folder_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match="no file at x.npy: the current folder has none"):
        io.read("x.npy")
