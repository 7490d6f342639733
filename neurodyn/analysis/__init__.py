"""What scientists ask of a fit's states: pure functions on labelled arrays, whatever made them."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["dynamics"],
    submod_attrs={
        "alignment": ["alignment_to_labels", "normalised_mutual_information"],
        "connectivity": ["functional_connectivity", "state_connectivity", "unit_order"],
        "events": ["event_aligned"],
        "graphs": ["graph_association", "together"],
        "matching": ["match_states", "sequence_agreement"],
        "spectra": ["state_spectra"],
        "states": [
            "dwell_times",
            "expected_dwell_times",
            "fractional_occupancy",
            "state_sequence",
            "switching_rate",
            "transition_graph",
        ],
    },
)
