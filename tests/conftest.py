"""Fixtures shared by all tests, and a cheaper compiler: tests compile far more than they compute."""

import os
import pathlib

import pytest

MOST_MAPS = 30_000

os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(pathlib.Path(__file__).parents[1] / ".pytest_cache" / "compiled")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def data() -> pathlib.Path:
    """Folder of real recordings; tests that need it skip where it is absent."""
    folder = os.environ.get("NEURODYN_DATA")
    if not folder or not pathlib.Path(folder).is_dir():
        pytest.skip("NEURODYN_DATA is not set to the folder of real recordings")
    return pathlib.Path(folder).resolve()


@pytest.fixture(autouse=True, scope="module")
def _few_compiled_programs():
    """Drop compiled programs after a module once a process holds many: each maps memory, of which the system has a limit."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if maps.is_file() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        import gc

        import jax

        jax.clear_caches()
        gc.collect()
