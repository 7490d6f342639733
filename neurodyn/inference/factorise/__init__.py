"""Non-negative factorisation of tensors with missing entries: sums of outer products of factors."""
