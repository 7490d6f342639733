"""Fixtures shared by all tests."""

import os
import pathlib

import pytest


@pytest.fixture(scope="session")
def data() -> pathlib.Path:
    """Folder of real recordings; tests that need it skip where it is absent."""
    folder = os.environ.get("NEURODYN_DATA")
    if not folder or not pathlib.Path(folder).is_dir():
        pytest.skip("NEURODYN_DATA is not set to the folder of real recordings")
    return pathlib.Path(folder).resolve()
