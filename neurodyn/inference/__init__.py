"""Algorithms on bare arrays: message passing, expectation-maximisation, initialisation."""
