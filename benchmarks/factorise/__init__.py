"""Non-negative tensor factorisation beside tensortools and tensorly."""
