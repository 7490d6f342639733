"""Generalised linear models with lagged regressors, one set of weights per hidden state."""
