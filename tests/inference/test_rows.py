"""The fast reductions of masks equal numpy's, whatever the width and the layout."""

import numpy as np
import pytest

from neurodyn.inference.rows import all_observed, any_observed


@pytest.mark.parametrize("width", [1, 3, 8, 16, 17, 24])
@pytest.mark.parametrize("lead", [(40,), (2, 20), (0,)])
def test_rows_equal_numpy(width, lead):
    mask = np.random.default_rng(width).random((*lead, width)) < 0.8
    mask[..., :5, :] = False
    mask[..., 5:9, :] = True
    for rows in (mask, np.asfortranarray(mask), mask[..., ::2]):
        np.testing.assert_array_equal(any_observed(rows), rows.any(axis=-1))
        np.testing.assert_array_equal(all_observed(rows), rows.all(axis=-1))
