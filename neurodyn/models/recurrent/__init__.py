"""Recurrent networks trained to emulate the statistics of discrete states."""

from neurodyn.inference.training import Training
from neurodyn.models.recurrent.cutting import sequence_windows
from neurodyn.models.recurrent.fit import HMMEmulatorFit
from neurodyn.models.recurrent.model import HMMEmulator

__all__ = ["HMMEmulator", "HMMEmulatorFit", "Training", "sequence_windows"]
