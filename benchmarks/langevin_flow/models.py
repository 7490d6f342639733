"""What is compared: the default model, its ablations, and the publication's."""

import dataclasses
from typing import Any

from neurodyn.models.vae import (
    GRUEncoder,
    IndependentNoise,
    LangevinFlow,
    LinearDynamics,
    RandomWalk,
    SequentialVAE,
    Training,
    lfads,
    published_langevin_flow,
)

QUICK_EPOCHS = 3


def default(epochs: int, quick: bool = False, **changes: Any) -> SequentialVAE:
    """The model as it comes, trained for a number of epochs."""
    training = Training(epochs=QUICK_EPOCHS if quick else epochs)
    return SequentialVAE(**{"training": training, **changes})


def published(epochs: int, quick: bool = False, **changes: Any) -> SequentialVAE:
    """The publication's equations at width 64, with its optimiser and a ramp that fits the epochs."""
    epochs = QUICK_EPOCHS if quick else epochs
    model = published_langevin_flow(width=64, divergence_ramp=float(epochs))
    training = dataclasses.replace(
        model.training, epochs=epochs, batch_size=64, decay_ramp=epochs, plateau_patience=5
    )
    return dataclasses.replace(model, training=training, **changes)


def ablations(epochs: int, published_epochs: int, quick: bool = False) -> dict[str, SequentialVAE]:
    """Every row of the table; the idle latent and independent noise are always among them."""
    driven = {"latent": LangevinFlow(), "divergence_weight": 0.1}
    one_way = GRUEncoder(bidirectional=False)
    return {
        "default": default(epochs, quick),
        "driven Langevin latent beside the encoder": default(epochs, quick, ablate=None, **driven),
        "independent noise in its place": default(epochs, quick, ablate="noise"),
        "driven Langevin latent alone": default(epochs, quick, ablate=None, reads_encoder=False, **driven),
        "driven linear latent alone": default(
            epochs, quick, ablate=None, reads_encoder=False, latent=LinearDynamics(), divergence_weight=0.1
        ),
        "driven random walk alone": default(
            epochs, quick, ablate=None, reads_encoder=False, latent=RandomWalk(), divergence_weight=0.1
        ),
        "noise alone": default(epochs, quick, ablate=None, reads_encoder=False, latent=IndependentNoise()),
        "recurrent generator alone (LFADS)": lfads(
            training=Training(epochs=QUICK_EPOCHS if quick else epochs), divergence_weight=0.1
        ),
        "encoder in one direction": default(epochs, quick, encoder=one_way),
        "as published": published(published_epochs, quick),
        "as published, noise for the latent": published(published_epochs, quick, ablate="noise"),
        "as published, no latent": published(published_epochs, quick, ablate="latent"),
        "as published, no encoder in the decoder": published(published_epochs, quick, ablate="encoder"),
        "as published, eta = 0": published(
            epochs, quick, latent=dataclasses.replace(published_langevin_flow(width=64).latent, eta=0.0)
        ),
    }
