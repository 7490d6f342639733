"""Recordings of every shape the protocols must cope with."""

import pytest
import xarray as xr
from validation_recordings import continuous, ragged


@pytest.fixture
def one() -> xr.Dataset:
    """One recording without missing data."""
    return continuous()


@pytest.fixture
def holed() -> xr.Dataset:
    """One recording with a fifth of its entries missing."""
    return continuous(share_missing=0.2, seed=3)


@pytest.fixture
def trialled() -> xr.Dataset:
    """Ragged trials."""
    return ragged()
