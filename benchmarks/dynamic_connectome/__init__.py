"""Lines of systems/dynamic-connectome."""
