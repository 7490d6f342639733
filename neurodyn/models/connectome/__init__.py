"""Dynamic functional connectomes: affinities of pairs and what they are made of."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "measures": ["Affinity", "ConcurrentChange", "WindowCorrelation", "affinity"],
        "bands": ["BandCoherence", "EnvelopeCorrelation", "PhaseLocking"],
        "folding": ["communities", "graphs", "leiden", "louvain", "write_graph"],
        "dynamic_connectome": ["DynamicConnectome"],
        "factors": ["factorise"],
        "fit": ["DynamicConnectomeFit"],
        "uncertainty": ["bootstrap_components"],
    },
)
