"""Measurements of the dynamic-connectome claims."""
