"""Functional MRI: images, atlases, matrices, repetition times, runs, confounds, scrubbing."""

import json
import warnings

import nibabel
import numpy as np
import pandas
import pytest

from neurodyn import io
from neurodyn.errors import FileError, ModelError, NeurodynWarning

AFFINE = np.diag([3.0, 3.0, 4.0, 1.0])


def save_run(path, shape=(3, 3, 1, 12), tr=2.0, unit="sec", seed=0):
    """A small run with a repetition time in its header."""
    values = np.random.default_rng(seed).normal(1000, 5, size=shape).astype(np.float32)
    image = nibabel.Nifti1Image(values, AFFINE)
    image.header.set_xyzt_units("mm", unit)
    image.header["pixdim"][4] = tr
    nibabel.save(image, path)
    return path


def test_voxels_that_vary_become_units_with_positions_in_metres(bold_path):
    bold = io.read_fmri(bold_path)
    assert dict(bold.sizes) == {"time": 30, "unit": 23}
    assert bold.attrs["sampling_interval"] == 2.0
    assert bold.attrs["subject"] == "07"
    assert bold.attrs["session"] == "a"
    stored = np.asarray(nibabel.load(bold_path).dataobj)
    position = bold.sel(unit="3-2-1")
    np.testing.assert_array_equal(position["activity"], stored[3, 2, 1])
    np.testing.assert_allclose([position["x"], position["y"], position["z"]], [9e-3, 6e-3, 4e-3])


def test_a_value_that_is_not_finite_in_the_image_is_nan_not_zero(bold_path):
    bold = io.read_fmri(bold_path)["activity"].sel(unit="1-1-1").values
    assert np.isnan(bold[7])
    assert np.isfinite(np.delete(bold, 7)).all()


def test_a_mask_chooses_the_voxels(bold_path, atlas_path):
    inside = np.asarray(nibabel.load(atlas_path).dataobj) == 5
    mask = nibabel.Nifti1Image(inside.astype(np.int8), AFFINE)
    bold = io.read_fmri(bold_path, mask=mask)
    np.testing.assert_array_equal(bold["activity"], np.asarray(nibabel.load(bold_path).dataobj)[inside].T)


def test_regions_equal_those_of_nilearn(bold_path, atlas_path):
    from nilearn.maskers import NiftiLabelsMasker

    image = nibabel.load(bold_path)
    clean = nibabel.Nifti1Image(
        np.nan_to_num(np.asarray(image.dataobj), nan=1000.0), image.affine, image.header
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = NiftiLabelsMasker(
            labels_img=str(atlas_path), standardize=None, reports=False
        ).fit_transform(clean)
    found = io.read_fmri(clean, atlas=atlas_path)
    np.testing.assert_allclose(found["activity"], expected, rtol=1e-5)


def test_a_region_is_the_mean_of_its_finite_voxels(bold_path, atlas_path):
    bold = io.read_fmri(bold_path, atlas=atlas_path, region_names=["left", "right"])
    assert bold["unit"].values.tolist() == ["left", "right"]
    stored = np.asarray(nibabel.load(bold_path).dataobj)
    inside = np.asarray(nibabel.load(atlas_path).dataobj) == 2
    np.testing.assert_allclose(
        bold["activity"].sel(unit="left")[7], np.nanmean(stored[inside][:, 7]), rtol=1e-5
    )
    assert bold["n_voxels"].values.tolist() == [11, 12]


@pytest.mark.parametrize(
    "names", [{2: "left", 5: "right"}, ["Background", "left", "right"], [b"left", b"right"]]
)
def test_region_names_come_as_mapping_or_list(bold_path, atlas_path, names):
    assert io.read_fmri(bold_path, atlas=atlas_path, region_names=names)["unit"].values.tolist() == [
        "left",
        "right",
    ]


def test_region_names_come_from_a_bids_table(bold_path, atlas_path, tmp_path):
    table = tmp_path / "atlas_dseg.tsv"
    table.write_text("index\tname\n2\tleft\n5\tright\n")
    assert io.read_fmri(bold_path, atlas=atlas_path, region_names=table)["unit"].values.tolist() == [
        "left",
        "right",
    ]


def test_region_names_that_do_not_fit_are_refused(bold_path, atlas_path):
    with pytest.raises(ModelError, match="3 region names were given for the 2 regions"):
        io.read_fmri(bold_path, atlas=atlas_path, region_names=["a", "b", "c"])
    with pytest.raises(ModelError, match="lack the atlas value 5"):
        io.read_fmri(bold_path, atlas=atlas_path, region_names={2: "left"})


def test_an_atlas_of_another_resolution_is_brought_to_the_image(bold_path, tmp_path):
    fine = np.ones((8, 6, 4), dtype=np.int16)
    fine[4:] = 2
    affine = np.diag([1.5, 1.5, 2.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(fine, affine), tmp_path / "fine.nii")
    bold = io.read_fmri(bold_path, atlas=tmp_path / "fine.nii")
    assert bold["unit"].values.tolist() == ["region-1", "region-2"]
    assert bold["n_voxels"].values.sum() == 24


def test_overlapping_maps_are_unmixed_by_least_squares(bold_path):
    image = nibabel.load(bold_path)
    maps = np.zeros((4, 3, 2, 2), dtype=np.float32)
    maps[:2, ..., 0], maps[1:, ..., 1] = 1.0, 1.0
    courses = np.random.default_rng(2).normal(size=(2, 30))
    mixed = nibabel.Nifti1Image((maps @ courses).astype(np.float32), image.affine, image.header)
    found = io.read_fmri(mixed, atlas=nibabel.Nifti1Image(maps, image.affine))
    np.testing.assert_allclose(found["activity"].values, courses.T, atol=1e-4)


def test_the_repetition_time_of_a_header_in_milliseconds_is_converted(tmp_path):
    stated = save_run(tmp_path / "a.nii", tr=2500.0, unit="msec")
    assert io.read_fmri(stated).attrs["sampling_interval"] == 2.5
    unstated = save_run(tmp_path / "b.nii", tr=2500.0, unit="sec")
    with pytest.warns(NeurodynWarning, match="can only be milliseconds"):
        assert io.read_fmri(unstated).attrs["sampling_interval"] == 2.5


@pytest.mark.parametrize(("tr", "unit"), [(0.0, "sec"), (1.0, "unknown"), (np.nan, "sec")])
def test_a_header_without_repetition_time_asks_for_it(tmp_path, tr, unit):
    path = save_run(tmp_path / "a.nii", tr=tr, unit=unit)
    with pytest.raises(FileError, match="give repetition_time in seconds"):
        io.read_fmri(path)
    assert io.read_fmri(path, repetition_time=1.5).attrs["sampling_interval"] == 1.5
    assert "give repetition_time" in io.inspect(path)["note"][0]


def test_a_sidecar_states_the_repetition_time(tmp_path):
    path = save_run(tmp_path / "a.nii", tr=0.0)
    path.with_suffix(".json").write_text(json.dumps({"RepetitionTime": 0.8}))
    assert io.read_fmri(path).attrs["sampling_interval"] == 0.8


def test_a_given_repetition_time_in_milliseconds_is_refused_and_a_contradiction_told(tmp_path):
    path = save_run(tmp_path / "a.nii", tr=2.0)
    with pytest.raises(ModelError, match="did you mean 2.5"):
        io.read_fmri(path, repetition_time=2500)
    with pytest.warns(NeurodynWarning, match="states a repetition time of 2 s"):
        assert io.read_fmri(path, repetition_time=3.0).attrs["sampling_interval"] == 3.0


def test_a_single_volume_is_refused(atlas_path):
    with pytest.raises(FileError, match=r"3-D image of shape \(4, 3, 2\), one volume"):
        io.read(atlas_path)


def test_a_damaged_image_is_one_sentence(bold_path, tmp_path):
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(bold_path.read_bytes()[:1500])
    with pytest.raises(FileError, match=r"cannot be read as a NIfTI image .truncated or damaged"):
        io.read(cut)
    text = tmp_path / "text.nii"
    text.write_text("not an image")
    with pytest.raises(FileError, match="image"):
        io.read(text)


def test_several_runs_become_trials_ragged_at_the_end(tmp_path):
    paths = [save_run(tmp_path / f"sub-1_run-0{n}_bold.nii", shape=(3, 3, 1, 10 + n), seed=n) for n in (1, 2)]
    bold = io.read_fmri(paths)
    assert bold["run"].values.tolist() == ["01", "02"]
    assert bold["n_bins"].values.tolist() == [11, 12]
    assert np.isnan(bold["activity"].values[0, 11:]).all()


def test_runs_of_different_repetition_time_or_space_are_refused(tmp_path):
    first = save_run(tmp_path / "a.nii")
    with pytest.raises(FileError, match="different repetition times, 2 to 3 s"):
        io.read_fmri([first, save_run(tmp_path / "b.nii", tr=3.0)])
    with pytest.raises(FileError, match="has other units"):
        io.read_fmri([first, save_run(tmp_path / "c.nii", shape=(4, 3, 1, 12))])


def test_volume_labels_split_one_file_into_runs(tmp_path):
    path = save_run(tmp_path / "a.nii")
    labels = tmp_path / "attributes.txt"
    labels.write_text("\n".join(["rest 0", "face 0", "face 0", "rest 0", "rest 0"] + ["house 1"] * 7))
    bold = io.read_fmri(path, volume_labels=labels)
    assert bold["n_bins"].values.tolist() == [5, 7]
    assert bold["run"].values.tolist() == ["0", "1"]
    assert bold["label"].values[0, :5].tolist() == ["rest", "face", "face", "rest", "rest"]
    assert (bold["label"].values[1] == "house").all()
    with pytest.raises(FileError, match="11 volume labels for 12 volumes"):
        io.read_fmri(path, volume_labels=["rest"] * 11)
    with pytest.raises(FileError, match="not one stretch"):
        io.read_fmri(path, volume_labels=pandas.DataFrame({"label": ["a"] * 12, "run": [0, 1] * 6}))


def test_events_label_the_volumes_whose_middle_they_cover(tmp_path):
    path = save_run(tmp_path / "a.nii")
    events = tmp_path / "events.tsv"
    events.write_text("onset\tduration\ttrial_type\n4.0\t4.0\tface\n10.5\t2.0\thouse\n")
    label = io.read_fmri(path, events=events)["label"].values
    assert label[:7].tolist() == ["", "", "face", "face", "", "house", ""]


def test_confounds_are_covariates_and_scrubbing_hides_volumes(tmp_path):
    path = save_run(tmp_path / "a.nii")
    table = tmp_path / "confounds.tsv"
    motion = ["n/a", *[str(value) for value in np.linspace(0, 1.1, 11)]]
    table.write_text(
        "framewise_displacement\ttrans_x\n" + "\n".join(f"{m}\t{i}" for i, m in enumerate(motion))
    )
    bold = io.read_fmri(path, confounds=table, scrub={"framewise_displacement": 0.75})
    assert bold["covariate"].values.tolist() == ["framewise_displacement", "trans_x"]
    assert set(bold["role"].values) == {"measured"}
    assert np.isfinite(bold["covariates"].values).all()
    hidden = np.isnan(bold["activity"].values).all(axis=1)
    assert hidden.tolist() == [False] * 8 + [True] * 4
    numbers = io.read_fmri(path, scrub=[0, 4])
    assert np.flatnonzero(np.isnan(numbers["activity"].values).all(axis=1)).tolist() == [0, 4]
    with pytest.raises(ModelError, match="volume numbers from 0 to 11"):
        io.read_fmri(path, scrub=[12])
    with pytest.raises(FileError, match="5 rows of confounds for 12 volumes"):
        io.read_fmri(path, confounds=np.zeros((5, 2)))


@pytest.mark.parametrize("suffix", [".npy", ".mat", ".csv", ".txt"])
def test_a_matrix_of_regions_is_read_with_the_longer_axis_as_time(tmp_path, suffix):
    values = np.random.default_rng(0).normal(size=(4, 50))
    path = tmp_path / f"regions{suffix}"
    if suffix == ".npy":
        np.save(path, values)
    elif suffix == ".mat":
        import scipy.io

        scipy.io.savemat(path, {"tc": values})
    else:
        np.savetxt(path, values, delimiter="," if suffix == ".csv" else " ")
    bold = io.read(path, repetition_time=0.72)
    assert bold.attrs["modality"] == "fmri"
    np.testing.assert_allclose(bold["activity"], values.T, rtol=1e-6)
    with pytest.raises(FileError, match="give repetition_time in seconds"):
        io.read_fmri(path)


def test_a_header_names_the_regions_and_a_square_matrix_asks_for_its_time_axis(tmp_path):
    named = tmp_path / "named.tsv"
    pandas.DataFrame(np.zeros((3, 3)), columns=["LV1", "RV1", "LM1"]).to_csv(named, sep="\t", index=False)
    assert io.read_fmri(named, repetition_time=2.0)["unit"].values.tolist() == ["LV1", "RV1", "LM1"]
    square = tmp_path / "square.npy"
    np.save(square, np.zeros((3, 3)))
    with pytest.raises(FileError, match="time_axis=0 or 1"):
        io.read_fmri(square, repetition_time=2.0)


def test_atlas_and_mask_together_or_on_a_matrix_are_refused(bold_path, atlas_path, tmp_path):
    with pytest.raises(ModelError, match="both given"):
        io.read_fmri(bold_path, atlas=atlas_path, mask=atlas_path)
    np.save(tmp_path / "m.npy", np.zeros((9, 2)))
    with pytest.raises(ModelError, match="apply to images only"):
        io.read_fmri(tmp_path / "m.npy", atlas=atlas_path, repetition_time=2.0)
