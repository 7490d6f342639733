"""A sequential autoencoder in the words of a methods section."""

from neurodyn.models.vae import (
    CoupledChannels,
    GRUGenerator,
    IndependentNoise,
    LangevinFlow,
    LearntPotential,
    LinearDynamics,
    NoPotential,
    Oscillators,
    RandomWalk,
    SequentialVAE,
    TransformerDecoder,
)
from neurodyn.report.style import number

POTENTIALS = {
    NoPotential: "no potential",
    Oscillators: "the potential of uncoupled oscillators",
    CoupledChannels: "a potential of locally coupled channels",
    LearntPotential: "a potential given by a two-layer network",
}
LATENTS = {
    GRUGenerator: "a gated recurrent generator",
    LinearDynamics: "a linear dynamical system",
    RandomWalk: "a random walk",
    IndependentNoise: "independent noise",
}
SCHEDULES = {
    "cosine": "falling along a cosine",
    "constant": "constant",
    "plateau": "lowered when the held-out loss stalls",
}


def network_sentences(label: str, model: SequentialVAE) -> str:
    """What the network is, what it minimises, and how it is trained.

    Parameters
    ----------
    label : str
        The model's name in the table.
    model : SequentialVAE
        The model.

    Returns
    -------
    str
        Sentences.

    Examples
    --------
    >>> from neurodyn.models import SequentialVAE
    >>> network_sentences("sequential_vae", SequentialVAE()).split(".")[0]
    'The sequential autoencoder reads a trial with a gated recurrent network of 64 units in each direction'
    """
    who = "The sequential autoencoder" if label == model.name else f"The sequential autoencoder “{label}”"
    return " ".join((f"{who} {_parts(model)}", _loss(model), _training(model)))


def _parts(model: SequentialVAE) -> str:
    """Encoder, latent, decoder."""
    encoder, decoder = model.encoder, model.decoder
    ways = "in each direction" if encoder.bidirectional else "forwards in time"
    given = {
        "latent": "the encoder's states alone",
        "noise": "the encoder's states and independent noise in place of a latent state",
        "encoder": "the latent state alone",
        None: "the latent state and the encoder's states"
        if model.reads_encoder
        else "the latent state alone",
    }[model.ablate]
    if isinstance(decoder, TransformerDecoder):
        look = "the bins up to its own" if decoder.causal else "all bins"
        size = "as wide as its input" if decoder.width is None else f"of {decoder.width} features"
        layer = f"a Transformer layer {size} with {decoder.heads} heads in which a bin attends to {look}"
    else:
        layer = f"a linear map of every bin to {decoder.width} features"
    said = f"reads a trial with a gated recurrent network of {encoder.width} units {ways}."
    if model.ablate not in ("latent", "noise"):
        said += f" {_latent(model)}."
    through = "" if model.factors is None else f" through {model.factors} factors"
    return f"{said} The decoder, {layer}, is given {given}, and predictions are read out linearly{through}."


def _latent(model: SequentialVAE) -> str:
    """Latent dynamics."""
    latent = model.latent
    pushed = (
        "pushed by inputs inferred from the data"
        if latent.drive
        else "into which no data enter after the first bin"
    )
    if isinstance(latent, LangevinFlow):
        how = "learnt, from" if latent.learn else "fixed at"
        potential = POTENTIALS[type(latent.potential)]
        return (
            f"Its latent state is a position and a velocity of {latent.width} dimensions in {potential}, with friction and "
            f"step size {how} {number(latent.gamma)} and {number(latent.eta)}, {pushed}"
        )
    return f"Its latent state of {latent.width} dimensions is {LATENTS[type(latent)]}, {pushed}"


def _loss(model: SequentialVAE) -> str:
    """What is minimised."""
    masking = model.masking
    if masking.hides:
        hidden = []
        if masking.kept < 1:
            hidden.append(f"{1 - masking.kept:.0%} of the entries at random")
        if masking.hide_units > 0:
            hidden.append(f"a quarter of the units in {masking.hide_units:.0%} of the trials")
        if masking.hide_tail > 0:
            hidden.append(f"the end of {masking.hide_tail:.0%} of the trials")
        said = f"Every training step hid {' and '.join(hidden)}, and "
        said += "the loss was the negative log-probability of what was hidden"
    else:
        said = "The loss was the negative log-probability of the entries"
    if model.ablate in ("latent", "noise"):
        return f"{said}."
    ramp = f" reached after {number(model.divergence_ramp)} epochs" if model.divergence_ramp > 0 else ""
    kind = "" if model.loss == "elbo" else ", summed as published"
    weight = f"with a weight of {number(model.divergence_weight, tiny=0.0)}{ramp}{kind}"
    return f"{said}, plus the divergence of the latent's posterior from its prior {weight}."


def _training(model: SequentialVAE) -> str:
    """How it is trained, and which parameters are kept."""
    training = model.training
    kept = (
        f"; the parameters kept are those with the best loss on {model.validation:.0%} of the training trials, set aside"
        if model.validation > 0
        else ""
    )
    averaged = ", with averaged parameters" if training.average > 0 else ""
    return (
        f"It was trained by Adam for {training.epochs} epochs in batches of {training.batch_size} trials, with a step size "
        f"of {number(training.learning_rate, tiny=0.0)}, {SCHEDULES[training.schedule]}, and decoupled weight decay of "
        f"{number(training.weight_decay, tiny=0.0)}{averaged}{kept}."
    )
