"""Preprocessing as part of the model: learnt on training data, undone in its predictions."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "confounds": ["ConfoundRegression"],
        "embedding": ["TimeDelayEmbedding"],
        "high_pass": ["HighPass"],
        "pca": ["PCA"],
        "pipeline": ["Pipeline", "PipelineFit"],
        "standardise": ["Standardise"],
        "step": ["Step", "StepFit"],
    },
)
