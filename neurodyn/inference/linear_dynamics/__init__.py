"""Linear dynamical systems seen through counts: variational smoothing, filtering and expectation-maximisation."""
