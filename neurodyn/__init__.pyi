from . import analysis, datasets, errors, inference, io, models, recording, report, simulate, validation
from .__about__ import __version__
from .io import inspect, read
from .models import load
from .validation import compare

__all__ = [
    "__version__",
    "analysis",
    "compare",
    "datasets",
    "errors",
    "inference",
    "inspect",
    "io",
    "load",
    "models",
    "read",
    "recording",
    "report",
    "simulate",
    "validation",
]
