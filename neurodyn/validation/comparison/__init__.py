"""Compare models on the same held-out entries."""

from neurodyn.validation.comparison.call import compare
from neurodyn.validation.comparison.leaks import NullScore
from neurodyn.validation.comparison.result import Comparison

__all__ = ["Comparison", "NullScore", "compare"]
