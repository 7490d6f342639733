"""Sequential variational autoencoders."""

from neurodyn.models.vae.fit import SequentialVAEFit
from neurodyn.models.vae.model import SequentialVAE

__all__ = ["SequentialVAE", "SequentialVAEFit"]
