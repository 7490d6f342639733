"""Generalised linear models of spiking and choices, with one set of couplings or one for every hidden state."""

from neurodyn.models.glm.fit import GLMFit, SwitchingGLMFit
from neurodyn.models.glm.model import GLM, SwitchingGLM

__all__ = ["GLM", "GLMFit", "SwitchingGLM", "SwitchingGLMFit"]
