"""One training loop for every model fitted by gradients."""

from neurodyn.inference.training.ledger import Result
from neurodyn.inference.training.loop import train
from neurodyn.inference.training.settings import Training

__all__ = ["Result", "Training", "train"]
