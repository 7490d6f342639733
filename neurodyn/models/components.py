"""Parts of models that are saved by registered name: emissions, steps of a pipeline, bases, priors."""

import importlib

from neurodyn.errors import ModelError

COMPONENTS = {
    "gaussian": "neurodyn.inference.emissions:Gaussian",
    "gaussian_diagonal": "neurodyn.inference.emissions:DiagonalGaussian",
    "gaussian_low_rank": "neurodyn.inference.emissions:LowRankGaussian",
    "normal_inverse_wishart": "neurodyn.inference.emissions:NormalInverseWishart",
    "autoregressive": "neurodyn.inference.emissions:AutoregressiveGaussian",
    "poisson": "neurodyn.inference.emissions:Poisson",
    "bernoulli": "neurodyn.inference.emissions:Bernoulli",
    "categorical": "neurodyn.inference.emissions:Categorical",
    "lags": "neurodyn.inference.bases:Lags",
    "exponential": "neurodyn.inference.bases:Exponential",
    "raised_cosine": "neurodyn.inference.bases:RaisedCosine",
    "b_spline": "neurodyn.inference.bases:BSpline",
    "learnt_kernel": "neurodyn.inference.bases:LearntKernel",
    "combined_basis": "neurodyn.inference.bases:Combined",
    "ridge": "neurodyn.inference.glm.priors:Ridge",
    "group_lasso": "neurodyn.inference.glm.priors:GroupLasso",
    "gaussian_prior": "neurodyn.inference.glm.priors:GaussianPrior",
    "one_hot_prior": "neurodyn.inference.glm.priors:OneHotPrior",
    "normal_prior": "neurodyn.models.predictive_coding:Normal",
    "log_normal_prior": "neurodyn.models.predictive_coding:LogNormal",
    "input_node": "neurodyn.models.predictive_coding:Input",
    "belief_node": "neurodyn.models.predictive_coding:Belief",
    "gaussian_input_node": "neurodyn.models.predictive_coding:GaussianInput",
    "beta_input_node": "neurodyn.models.predictive_coding:BetaInput",
    "switching_input_node": "neurodyn.models.predictive_coding:SwitchingInput",
    "volatile_belief_node": "neurodyn.models.predictive_coding:VolatileBelief",
    "binary_response": "neurodyn.models.predictive_coding:BinaryResponse",
    "shared_prior": "neurodyn.models.predictive_coding:Shared",
    "softmax_response": "neurodyn.models.predictive_coding:SoftmaxResponse",
    "custom_response": "neurodyn.models.predictive_coding:CustomResponse",
    "gaussian_response": "neurodyn.models.predictive_coding:GaussianResponse",
    "training": "neurodyn.inference.training:Training",
    "masking": "neurodyn.inference.vae.objective:Masking",
    "gru_encoder": "neurodyn.inference.vae.encoders:GRUEncoder",
    "transformer_decoder": "neurodyn.inference.vae.decoders:TransformerDecoder",
    "linear_decoder": "neurodyn.inference.vae.decoders:LinearDecoder",
    "langevin_flow": "neurodyn.inference.vae.langevin:LangevinFlow",
    "gru_generator": "neurodyn.inference.vae.latents:GRUGenerator",
    "linear_dynamics": "neurodyn.inference.vae.latents:LinearDynamics",
    "random_walk": "neurodyn.inference.vae.latents:RandomWalk",
    "independent_noise": "neurodyn.inference.vae.latents:IndependentNoise",
    "no_potential": "neurodyn.inference.vae.potentials:NoPotential",
    "oscillators": "neurodyn.inference.vae.potentials:Oscillators",
    "coupled_channels": "neurodyn.inference.vae.potentials:CoupledChannels",
    "learnt_potential": "neurodyn.inference.vae.potentials:LearntPotential",
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


def component_name(component: object) -> str | None:
    """Return the registered name of a component.

    Parameters
    ----------
    component : object
        An emission or a step of a pipeline.

    Returns
    -------
    str or None
        Its name; None if its class is not registered.

    Examples
    --------
    >>> from neurodyn.models.components import component_name
    >>> from neurodyn.models.pipeline import PCA
    >>> component_name(PCA(2))
    'pca'
    """
    kind = type(component)
    for name, target in COMPONENTS.items():
        if target.rpartition(":")[2] == kind.__name__ and component_class(name) is kind:
            return name
    return None
