"""Weighted stochastic block models of an undirected graph, compared by description length.

`fitting.fit` divides the nodes into groups, `hierarchy.fit_nested` also the groups into groups, `description` has the
formulas, `posterior` the doubt that remains, and `partitions` compares two divisions.
"""
