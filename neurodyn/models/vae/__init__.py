"""Sequential variational autoencoders: the model, ready-made combinations, and the parts to combine."""

from neurodyn.inference.training import Training
from neurodyn.inference.vae.decoders import LinearDecoder, TransformerDecoder
from neurodyn.inference.vae.encoders import GRUEncoder
from neurodyn.inference.vae.langevin import LangevinFlow
from neurodyn.inference.vae.latents import GRUGenerator, IndependentNoise, LinearDynamics, RandomWalk
from neurodyn.inference.vae.objective import Masking
from neurodyn.inference.vae.potentials import CoupledChannels, LearntPotential, NoPotential, Oscillators
from neurodyn.models.vae.fit import SequentialVAEFit
from neurodyn.models.vae.model import SequentialVAE
from neurodyn.models.vae.ready import lfads, published_langevin_flow

__all__ = [
    "CoupledChannels",
    "GRUEncoder",
    "GRUGenerator",
    "IndependentNoise",
    "LangevinFlow",
    "LearntPotential",
    "LinearDecoder",
    "LinearDynamics",
    "Masking",
    "NoPotential",
    "Oscillators",
    "RandomWalk",
    "SequentialVAE",
    "SequentialVAEFit",
    "Training",
    "TransformerDecoder",
    "lfads",
    "published_langevin_flow",
]
