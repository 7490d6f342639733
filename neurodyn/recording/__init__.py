"""Recordings: the schema, constructors, masks, cutting, joining and saving."""

from neurodyn.recording.build import make
from neurodyn.recording.join import concatenate
from neurodyn.recording.masks import (
    Arrays,
    arrays,
    covariate_arrays,
    fingerprint,
    hide,
    observed,
    with_history,
)
from neurodyn.recording.schema import KINDS, check, trial_lengths

__all__ = [
    "KINDS",
    "Arrays",
    "arrays",
    "check",
    "concatenate",
    "covariate_arrays",
    "fingerprint",
    "hide",
    "make",
    "observed",
    "trial_lengths",
    "with_history",
]
