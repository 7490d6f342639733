"""Proof of predictive-coding networks: speed beside pyhgf."""
