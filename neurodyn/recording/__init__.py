"""Recordings: the schema, constructors, masks, cutting, joining and saving."""

from neurodyn.recording.build import make
from neurodyn.recording.cut import cut_trials, restrict
from neurodyn.recording.describe import describe
from neurodyn.recording.interop import from_pynapple, to_pynapple
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
from neurodyn.recording.spikes import from_spikes
from neurodyn.recording.store import load, read_dataset, save, write_dataset
from neurodyn.recording.table import from_dataframe

__all__ = [
    "KINDS",
    "Arrays",
    "arrays",
    "check",
    "concatenate",
    "covariate_arrays",
    "cut_trials",
    "describe",
    "fingerprint",
    "from_dataframe",
    "from_pynapple",
    "from_spikes",
    "hide",
    "load",
    "make",
    "observed",
    "read_dataset",
    "restrict",
    "save",
    "to_pynapple",
    "trial_lengths",
    "with_history",
    "write_dataset",
]
