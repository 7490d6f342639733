"""From a lab's file to a recording: one loader per format, found by content through a registry."""

from neurodyn.io.arrays import read_array
from neurodyn.io.fmri import read_fmri
from neurodyn.io.ieeg import read_events, read_ieeg
from neurodyn.io.nwb import read_nwb
from neurodyn.io.registry import Loader, inspect, loaders, read
from neurodyn.io.spike_table import read_spike_table
from neurodyn.io.table import read_table

__all__ = [
    "Loader",
    "inspect",
    "loaders",
    "read",
    "read_array",
    "read_events",
    "read_fmri",
    "read_ieeg",
    "read_nwb",
    "read_spike_table",
    "read_table",
]
