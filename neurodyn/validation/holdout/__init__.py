"""Protocols of held-out validation: what is trained on, what is given, what is scored.

Each function returns a protocol; ``protocol(recording)`` is its first split,
``protocol.splits(recording)`` all of them.
"""

from neurodyn.validation.holdout.along_time import Blocks, Future, blocks, future
from neurodyn.validation.holdout.assigned_parts import Assigned, assigned
from neurodyn.validation.holdout.autocorrelation import autocorrelation, autocorrelation_time
from neurodyn.validation.holdout.held_units import Entries, Units, entries, units
from neurodyn.validation.holdout.of_pairs import Animals, OfPairs, animals, of_pairs
from neurodyn.validation.holdout.protocol import Protocol
from neurodyn.validation.holdout.whole_groups import Groups, groups
from neurodyn.validation.holdout.whole_trials import Trials, trials

__all__ = [
    "Animals",
    "Assigned",
    "Blocks",
    "Entries",
    "Future",
    "Groups",
    "OfPairs",
    "Protocol",
    "Trials",
    "Units",
    "animals",
    "assigned",
    "autocorrelation",
    "autocorrelation_time",
    "blocks",
    "entries",
    "future",
    "groups",
    "of_pairs",
    "trials",
    "units",
]
