"""Ready-made sequential variational autoencoders."""

from typing import Any

from neurodyn.errors import ModelError
from neurodyn.inference.training import Training
from neurodyn.inference.vae.decoders import LinearDecoder, TransformerDecoder
from neurodyn.inference.vae.encoders import GRUEncoder
from neurodyn.inference.vae.langevin import LangevinFlow
from neurodyn.inference.vae.latents import GRUGenerator
from neurodyn.inference.vae.objective import Masking
from neurodyn.inference.vae.potentials import CoupledChannels
from neurodyn.models.vae.model import SequentialVAE

# Friction, share of counts kept, trials per step, step size, weight decay and epochs of the publication.
PUBLISHED = {
    "mc_maze": (0.55, 0.5, 256, 3e-3, 2e-5, 2000),
    "mc_rtt": (0.55, 0.3, 64, 3e-3, 2e-5, 6000),
    "area2_bump": (0.55, 0.4, 32, 3e-3, 2e-5, 2000),
    "dmfc_rsg": (0.70, 0.6, 64, 1e-3, 1e-5, 1000),
}


def published_langevin_flow(dataset: str = "mc_maze", *, width: int = 280, **changes: Any) -> SequentialVAE:
    """Langevin flow as published, to the letter of its equations.

    A unidirectional encoder, a latent in which no data enter after the first bin, step size and friction fixed, the
    explicit Euler step with noise of variance ``2 gamma``, a Transformer layer as wide as latent and encoder state
    together, without positions, and a loss that bounds nothing (`SequentialVAE` says why). The latent says next to
    nothing about the data: compare ``ablate="noise"`` and ``ablate="latent"``.

    Parameters
    ----------
    dataset : {"mc_maze", "mc_rtt", "area2_bump", "dmfc_rsg"}
        Whose settings of training.
    width : int
        Width H of encoder, position and velocity; four channels divide it.
    **changes
        Of `SequentialVAE`, such as ``training=Training(...)``.

    Returns
    -------
    SequentialVAE
        The model.

    Raises
    ------
    ModelError
        If the dataset is unknown.

    References
    ----------
    Song et al. (2025), arXiv:2507.11531.

    Examples
    --------
    >>> from neurodyn.models.vae import published_langevin_flow
    >>> published_langevin_flow(width=64).latent.gamma
    0.55
    """
    if dataset not in PUBLISHED:
        raise ModelError(
            f"there are no published settings for {dataset!r}; choose one of {', '.join(PUBLISHED)}."
        )
    gamma, keep, batch, rate, decay, epochs = PUBLISHED[dataset]
    parts: dict[str, Any] = {
        "encoder": GRUEncoder(width, bidirectional=False, dropout=0.05, hold=True),
        "latent": LangevinFlow(
            width=width,
            drive=False,
            potential=CoupledChannels(),
            eta=0.01,
            gamma=gamma,
            learn=False,
            symplectic=False,
            noise="published",
        ),
        "decoder": TransformerDecoder(width=None, feed_forward=512, dropout=0.05, positions=False),
        "masking": Masking(keep=keep),
        "ablate": None,
        "loss": "published",
        "divergence_weight": 0.1,
        "divergence_ramp": 500.0,
        "standardise": False,
        "training": Training(
            epochs=epochs,
            batch_size=batch,
            learning_rate=rate,
            schedule="plateau",
            warm_up=0,
            weight_decay=decay,
            decay_ramp=500,
            average=0.0,
            evaluate_every=1,
        ),
        "passes": 50,
    }
    return SequentialVAE(**{**parts, **changes})


def lfads(*, width: int = 64, inputs: int = 4, factors: int = 32, **changes: Any) -> SequentialVAE:
    """A recurrent generator with inferred inputs, read out linearly, after LFADS.

    The encoder runs in both directions; the decoder sees the generator alone. Unlike the original there is no
    controller network: the posterior of the inputs comes from the encoder's states directly.

    Parameters
    ----------
    width : int
        Hidden units of generator and encoder.
    inputs : int
        Inferred inputs; 0: none, the generator runs by itself from its first state.
    factors : int
        Factors from which rates are read.
    **changes
        Of `SequentialVAE`.

    Returns
    -------
    SequentialVAE
        The model.

    References
    ----------
    Pandarinath et al. (2018), Nature Methods 15, doi:10.1038/s41592-018-0109-9.

    Examples
    --------
    >>> from neurodyn.models.vae import lfads
    >>> lfads(inputs=0).latent.drive
    False
    """
    parts: dict[str, Any] = {
        "encoder": GRUEncoder(width),
        "latent": GRUGenerator(width=width, inputs=max(inputs, 1), drive=inputs > 0),
        "decoder": LinearDecoder(factors),
        "reads_encoder": False,
        "ablate": None,
    }
    return SequentialVAE(**{**parts, **changes})
