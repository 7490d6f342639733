"""Models and the fits they make; see `neurodyn.models.registry` for the list."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["baselines", "registry"],
    submod_attrs={
        "base": ["Fit", "Model", "Prediction", "Trace"],
        "connectome": ["DynamicConnectome", "DynamicConnectomeFit"],
        "glm": ["GLM", "GLMFit", "SwitchingGLM", "SwitchingGLMFit"],
        "hmm": ["HMM", "HMMFit"],
        "linear_dynamics": ["PoissonLDS", "PoissonLDSFit"],
        "predictive_coding": ["HGF", "PredictiveCodingNetwork", "PredictiveCodingFit"],
        "pipeline": [
            "Pipeline",
            "Standardise",
            "PCA",
            "TimeDelayEmbedding",
            "ConfoundRegression",
            "HighPass",
        ],
        "recurrent": ["HMMEmulator", "HMMEmulatorFit"],
        "registry": ["create"],
        "storage": ["load"],
        "vae": ["SequentialVAE", "SequentialVAEFit"],
        "verbs": ["HasAdapt", "HasInfer", "HasLogLikelihood", "HasSimulate"],
    },
)
