"""Populations of spiking units: regressions of every unit on all others, and linear dynamical systems."""
