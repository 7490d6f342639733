"""A network whose switching between two symbols is wired by hand."""

import functools

import numpy as np

from neurodyn.analysis.dynamics import Rectified

# Units 0-2 hold symbol 0 and 3-5 symbol 1; 6 and 7 gather noise and kick to symbol 1 and 0; the rest hear noise only.
HOLD = [[0, 1, 2], [3, 4, 5]]


@functools.cache
def wired_switch(size: int) -> Rectified:
    """Two states that inhibit each other, each left when its own kick unit has gathered noise."""
    weights = np.zeros((size, size))
    for own, other in (HOLD, HOLD[::-1]):
        weights[np.ix_(own, own)] = 0.2
        weights[np.ix_(own, other)] = -0.2
    weights[np.ix_(HOLD[1], [6])] = 4.0
    weights[np.ix_(HOLD[0], [7])] = 4.0
    drive = np.diag(np.concatenate([np.zeros(6), np.ones(size - 6)]))
    bias = np.zeros(size)
    bias[:6], bias[6:8] = 0.2, -0.6
    readout = np.zeros((2, size))
    readout[0, HOLD[0]] = readout[1, HOLD[1]] = 1.0
    return Rectified(weights, drive, readout, bias)
