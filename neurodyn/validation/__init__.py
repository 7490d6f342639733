"""Does the fit hold on data it never saw: splits, metrics, nulls, uncertainty, comparisons."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["holdout", "metrics", "nulls", "uncertainty"],
    submod_attrs={
        "split": ["Split"],
        "shifts": ["association"],
        "ranks": ["select_rank"],
        "comparison": ["Comparison", "compare"],
        "selected": ["Selected"],
        "selection": ["Sweep", "sweep"],
        "events": ["event_average"],
        "parameters": ["bootstrap_parameters"],
        "evidence": ["evidence_table"],
        "participants": ["paired_differences", "random_effects"],
        "psth": ["psth_match"],
        "decoding": ["decode_behaviour"],
    },
)
