"""The models by name: a table of built-in ones and the entry-point group ``neurodyn.models``."""

import importlib
import importlib.metadata
import warnings
from typing import Any

from neurodyn.errors import ModelError, NeurodynWarning
from neurodyn.models.base import Model

ENTRY_POINT_GROUP = "neurodyn.models"

BUILT_IN = {
    "hmm": "neurodyn.models.hmm:HMM",
    "glm": "neurodyn.models.glm:GLM",
    "switching_glm": "neurodyn.models.glm:SwitchingGLM",
    "predictive_coding": "neurodyn.models.predictive_coding:PredictiveCodingNetwork",
    "sequential_vae": "neurodyn.models.vae:SequentialVAE",
    "hmm_emulator": "neurodyn.models.recurrent:HMMEmulator",
    "poisson_lds": "neurodyn.models.linear_dynamics:PoissonLDS",
    "dynamic_connectome": "neurodyn.models.connectome:DynamicConnectome",
    "mean": "neurodyn.models.baselines:Mean",
    "persistence": "neurodyn.models.baselines:Persistence",
    "ar_ridge": "neurodyn.models.baselines:ARRidge",
    "direct_ridge": "neurodyn.models.baselines:DirectRidge",
    "smoothed_rate": "neurodyn.models.baselines:SmoothedRate",
    "trial_average": "neurodyn.models.baselines:TrialAverage",
    "factor_analysis": "neurodyn.models.baselines:FactorAnalysis",
    "smoothed_ridge": "neurodyn.models.baselines:SmoothedRidge",
    "smoothed_poisson": "neurodyn.models.baselines:SmoothedPoisson",
    "smoothed_poisson_time": "neurodyn.models.baselines:SmoothedPoissonTime",
    "rescorla_wagner": "neurodyn.models.baselines:RescorlaWagner",
    "pearce_hall": "neurodyn.models.baselines:PearceHall",
    "win_stay_lose_shift": "neurodyn.models.baselines:WinStayLoseShift",
    "choice_history_regression": "neurodyn.models.baselines:ChoiceHistoryRegression",
    "pair_amplitude": "neurodyn.models.baselines:PairAmplitude",
    "window_states": "neurodyn.models.baselines:WindowStates",
    "pipeline": "neurodyn.models.pipeline:Pipeline",
}


def _plug_ins() -> dict[str, importlib.metadata.EntryPoint]:
    """Entry points of other packages, by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)}


def names() -> tuple[str, ...]:
    """Names of all registered models.

    Returns
    -------
    tuple of str
        Built-in names first, then those of installed plug-ins.

    Examples
    --------
    >>> from neurodyn.models import registry
    >>> "hmm" in registry.names()
    True
    """
    return (*BUILT_IN, *(name for name in _plug_ins() if name not in BUILT_IN))


def get(name: str) -> type[Model]:
    """Return the model class registered under a name.

    Parameters
    ----------
    name : str
        A registry key, such as ``"hmm"``.

    Returns
    -------
    type of Model
        The class.

    Raises
    ------
    ModelError
        If the name is unknown, or its plug-in does not load.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    point = _plug_ins().get(name)
    if point is None:
        raise ModelError(f"there is no model {name!r}; registered are {', '.join(names())}.")
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        warnings.warn(
            f"the plug-in model {name!r} ({point.value}) does not load: {error}",
            NeurodynWarning,
            stacklevel=2,
        )
        raise ModelError(
            f"the plug-in model {name!r} does not load ({error}); reinstall its package."
        ) from error
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise ModelError(
            f"the plug-in model {name!r} ({point.value}) is not a subclass of neurodyn.models.Model."
        )
    return found


def create(name: str, **hyperparameters: Any) -> Model:
    """Make a model from its registered name.

    Parameters
    ----------
    name : str
        A registry key.
    **hyperparameters
        Passed to the class.

    Returns
    -------
    Model
        The model.

    Raises
    ------
    ModelError
        If the name or a hyperparameter is unknown.

    Examples
    --------
    >>> from neurodyn.models import registry
    >>> registry.create("hmm", n_states=3).n_states
    3
    """
    model = get(name)
    try:
        return model(**hyperparameters)
    except TypeError as error:
        raise ModelError(
            f"{name} cannot be made: {error}; see its documentation for the parameters."
        ) from error
