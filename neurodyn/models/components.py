"""Parts of models that are saved by registered name: emissions and steps of a pipeline."""

import importlib

from neurodyn.errors import ModelError

COMPONENTS = {
    "gaussian": "neurodyn.inference.emissions:Gaussian",
    "autoregressive": "neurodyn.inference.emissions:AutoregressiveGaussian",
    "poisson": "neurodyn.inference.emissions:Poisson",
    "bernoulli": "neurodyn.inference.emissions:Bernoulli",
    "categorical": "neurodyn.inference.emissions:Categorical",
    "standardise": "neurodyn.models.pipeline:Standardise",
    "pca": "neurodyn.models.pipeline:PCA",
    "time_delay_embedding": "neurodyn.models.pipeline:TimeDelayEmbedding",
    "confound_regression": "neurodyn.models.pipeline:ConfoundRegression",
    "high_pass": "neurodyn.models.pipeline:HighPass",
}


def component_class(name: str) -> type:
    """Return the class of a registered component.

    Parameters
    ----------
    name : str
        Registered name, such as ``"gaussian"``.

    Returns
    -------
    type
        The class.

    Raises
    ------
    ModelError
        If the name is unknown.
    """
    if name not in COMPONENTS:
        raise ModelError(f"there is no component {name!r}; registered are {', '.join(COMPONENTS)}.")
    module, _, attribute = COMPONENTS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
