"""Generalised linear models of spikes and of choices, beside the peers."""
