"""The figure of a population shows the numbers it is given, at any width."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from neurodyn import report
from neurodyn.errors import ModelError
from neurodyn.validation import random_effects


@pytest.fixture(scope="module")
def found() -> xr.Dataset:
    """Three of twelve participants follow the model ``b``, nine ``c``, none ``a``."""
    values = np.zeros((12, 3))
    values[:3, 1], values[3:, 2] = 20.0, 20.0
    return random_effects(
        xr.DataArray(values, dims=("participant", "model"), coords={"model": ["a", "b", "c"]})
    )


@pytest.mark.parametrize("width", [3.9, 8.0])
def test_frequencies_and_responsibilities_are_those_given(found, width):
    figure = report.plot_random_effects(found, width=width)
    assert figure.get_size_inches()[0] == pytest.approx(width)
    figure.canvas.draw()
    left, right = figure.axes[:2]
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["c", "b", "a"]
    dots = next(line for line in left.lines if line.get_label() == "frequency")
    np.testing.assert_allclose(dots.get_xdata(), found["frequency"].values[::-1])
    diamonds = next(line for line in left.lines if "protected" in str(line.get_label()))
    np.testing.assert_allclose(diamonds.get_xdata(), found["protected_exceedance"].values[::-1])
    image = np.asarray(right.images[0].get_array())
    assert image.shape == (3, 12)
    np.testing.assert_allclose(image, np.repeat(np.eye(3), [9, 3, 0], axis=1), atol=1e-6)
    assert plt.get_fignums() == []


def test_many_participants_and_long_names_are_drawn():
    values = np.random.default_rng(0).normal(size=(300, 2))
    labels = ["a model of which the name is far too long for an axis", "b"]
    table = xr.DataArray(values, dims=("participant", "model"), coords={"model": labels})
    figure = report.plot_random_effects(random_effects(table))
    figure.canvas.draw()
    assert figure.axes[1].get_xlabel() == "300 participants"


def test_other_tables_are_refused(found):
    for wrong in (found.drop_vars("responsibility"), None):
        with pytest.raises(ModelError, match="random_effects"):
            report.plot_random_effects(wrong)
