"""Predictive-coding networks: nodes that filter their inputs by precision-weighted prediction errors."""
