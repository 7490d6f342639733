"""Pictures of recordings, fits and comparisons, and one page that tells a comparison."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "recordings": ["plot_recording"],
        "states": ["plot_dwell_times", "plot_event_aligned", "plot_occupancy", "plot_states"],
        "maps": ["plot_connectivity", "plot_state_means", "plot_transitions"],
        "connectomes": ["plot_component"],
        "connectome_summaries": ["plot_connectome_summary"],
        "community_levels": ["plot_community_hierarchy"],
        "couplings": ["plot_couplings"],
        "kernels": ["plot_basis", "plot_coupling_kernels"],
        "beliefs": ["plot_beliefs"],
        "hierarchies": ["plot_hierarchy"],
        "recoveries": ["plot_calibration", "plot_recovery"],
        "networks": ["plot_network"],
        "rasters": ["plot_raster_states"],
        "rates": ["plot_rates"],
        "condition_averages": ["plot_condition_average"],
        "trajectories": ["plot_trajectories"],
        "potentials": ["plot_potential"],
        "trainings": ["plot_training"],
        "populations": ["plot_random_effects"],
        "psychometrics": ["plot_psychometric"],
        "scores": ["plot_scores"],
        "rank_selections": ["plot_rank_selection"],
        "searches": ["plot_restarts", "plot_sweep"],
        "page": ["write"],
    },
)
