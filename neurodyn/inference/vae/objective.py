"""What a sequential variational autoencoder is trained on: masks, the loss and its parts, the held-out score."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from neurodyn.errors import ModelError
from neurodyn.inference.vae.encoders import proportion
from neurodyn.inference.vae.latents import masked_steps
from neurodyn.inference.vae.layers import BYTE, Parameters, keep_mask
from neurodyn.inference.vae.network import Network

PRIOR_VARIANCE = 0.1
LOSSES = ("elbo", "published")


class Trials(NamedTuple):
    """Trials, or windows of a recording, on the device.

    Parameters
    ----------
    values : array
        Data with zeros where not observed, ``(trial, time, unit)``.
    fed : array
        What may be shown to the network.
    scored : array
        What is scored.
    """

    values: Float[Array, "trial time unit"]
    fed: Bool[Array, "trial time unit"]
    scored: Bool[Array, "trial time unit"]


class Shown(NamedTuple):
    """What a training step shows, and what it scores."""

    fed: Bool[Array, "trial time unit"]
    scored: Bool[Array, "trial time unit"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Masking:
    """What is hidden from the network at random in every training step, to be predicted.

    Parameters
    ----------
    keep : float
        Probability that an entry is fed; the others are scored, and those fed are scaled up by its inverse. One: all
        entries are fed, and scored as well.
    hide_units : float
        Probability that a trial hides units whole, a quarter of them on average.
    hide_tail : float
        Probability that a trial hides everything from a random bin on.

    References
    ----------
    Keshtkaran and Pandarinath (2019), arXiv:1908.07896 (coordinated dropout).

    Examples
    --------
    >>> from neurodyn.inference.vae.objective import Masking
    >>> Masking(keep=0.7).keep
    0.7
    """

    keep: float = 0.7
    hide_units: float = 0.0
    hide_tail: float = 0.0

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        if not (isinstance(self.keep, (int, float)) and 1 / BYTE <= self.keep <= 1):
            raise ModelError(f"Masking: keep is {self.keep!r}; it must be above 0 and at most 1.")
        proportion("hide_units", self.hide_units, "Masking", most=1.0001)
        proportion("hide_tail", self.hide_tail, "Masking", most=1.0001)

    @property
    def kept(self) -> float:
        """The probability as it is drawn, to a 256th."""
        return round(self.keep * BYTE) / BYTE

    @property
    def hides(self) -> bool:
        """Whether anything is hidden."""
        return self.kept < 1 or self.hide_units > 0 or self.hide_tail > 0

    def draw(self, trials: Trials, seeds: Integer[Array, " unit"], key: jax.Array) -> Shown:
        """What one step shows and scores.

        Parameters
        ----------
        trials : Trials
            A batch.
        seeds : array
            One integer per unit.
        key : jax.Array
            Randomness.

        Returns
        -------
        Shown
            Masks.
        """
        n_trials, n_time, _ = trials.fed.shape
        keys = jax.random.split(key, 5)
        kept = keep_mask(keys[0], seeds, self.kept, n_trials, n_time)
        if self.hide_units > 0:
            hidden = ~keep_mask(keys[1], seeds, 0.75, n_trials, 1)
            hidden &= (jax.random.uniform(keys[2], (n_trials,)) < self.hide_units)[:, None, None]
            kept &= ~hidden
        if self.hide_tail > 0:
            cut = jax.random.randint(keys[3], (n_trials,), 0, n_time)
            cut = jnp.where(jax.random.uniform(keys[4], (n_trials,)) < self.hide_tail, cut, n_time)
            kept &= (jnp.arange(n_time) < cut[:, None])[:, :, None]
        fed = trials.fed & kept
        return Shown(fed, trials.scored & ~fed if self.hides else trials.scored)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective:
    """Loss of a batch and score of held-out entries.

    ``loss="elbo"``: the sum of negative log-probabilities of the entries scored, plus `weight` times the divergence
    of first state and innovations from their prior, both divided by the number of entries scored.
    ``loss="published"``: the mean negative log-probability, plus `weight` times [the divergence of the first state
    and, in every bin, that of the transition's Gaussian, of the velocity's expected value and the noise's variance,
    from N(0, 0.1)], summed over dimensions and bins and divided by the number of trials. The latter swamps the
    former, and as that Gaussian is neither the dynamics nor the posterior, the whole bounds nothing.

    Parameters
    ----------
    network : Network
        The network.
    masking : Masking
        What a step hides.
    loss : {"elbo", "published"}
        As above.
    weight : float
        Weight of the divergence at the end of the ramp.
    ramp : float
        Epochs over which the weight rises from zero.
    samples : bool
        Whether the latent is drawn in training, or its posterior mean is used.
    """

    network: Network
    masking: Masking
    loss: str = "elbo"
    weight: float = 1.0
    ramp: float = 50.0

    def fed_values(self, trials: Trials, fed: Array, moments: Any, scale: float) -> Array:
        """Standardised values of what is fed, zero elsewhere."""
        mean, deviation = moments
        return jnp.where(fed, (trials.values - mean) / deviation * scale, 0)

    def parts(
        self, parameters: Parameters, trials: Trials, context: dict[str, Array], key: jax.Array, epoch: Array
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Numerators and denominators of the loss's parts; their quotients add up to the loss.

        Denominators depend on the data and the masks alone, so that both may be summed over parts of a batch.

        Parameters
        ----------
        parameters : dict
            Of the network.
        trials : Trials
            A batch, or part of one.
        context : dict
            ``seeds``, ``mean`` and ``deviation`` of the units.
        key : jax.Array
            Randomness.
        epoch : array
            Epochs so far.

        Returns
        -------
        dict, dict
            By the part's name.
        """
        masks, dropped, drawn = jax.random.split(key, 3)
        shown = self.masking.draw(trials, context["seeds"], masks)
        moments = (context["mean"], context["deviation"])
        fed = self.fed_values(trials, shown.fed, moments, 1 / self.masking.kept)
        output = self.network(parameters, fed, shown.fed, dropout=dropped, sample=drawn)
        surprise = self.network.likelihood.negative(parameters["likelihood"], output.read, trials.values)
        entries = jnp.maximum(shown.scored.sum(dtype=fed.dtype), 1)
        numerators = {"data": jnp.where(shown.scored, surprise, 0).sum()}
        denominators = {"data": entries}
        if self.network.uses_latent:
            present = trials.scored.any(-1)
            ramp = jnp.minimum((epoch + 1) / self.ramp, 1.0) if self.ramp > 0 else 1.0
            weight = self.weight * ramp
            real = present.any(-1)
            initial = jnp.where(real, output.path.initial, 0).sum()
            last = jnp.where(present, jnp.arange(present.shape[1]), -1).max(-1)
            inside = jnp.arange(present.shape[1]) <= last[:, None]
            if self.loss == "published":
                steps = self._published_steps(parameters, output)
                share = jnp.maximum(real.sum(dtype=fed.dtype), 1)
            else:
                # Per entry that could be scored, so that hiding some of them does not weigh the divergence up.
                steps, share = output.path.steps, jnp.maximum(trials.scored.sum(dtype=fed.dtype), 1)
            numerators["initial"] = weight * initial
            numerators["steps"] = weight * masked_steps(steps, inside).sum()
            denominators |= {"initial": share, "steps": share}
        return numerators, denominators

    def _published_steps(self, parameters: Parameters, output: Any) -> Array:
        """Divergence of the transition's Gaussian from N(0, 0.1), ``(trial, time)``."""
        latent = self.network.latent
        prepared = latent.prepare(parameters["latent"]["dynamics"])
        variance = jnp.square(latent.deviation(prepared))
        moved = output.path.state[:, 1:, -latent.n_innovation :] - output.path.innovation
        ratio = (variance + jnp.square(moved)) / PRIOR_VARIANCE
        found = 0.5 * (ratio - 1 + jnp.log(PRIOR_VARIANCE / variance)).sum(-1)
        return jnp.pad(found, ((0, 0), (1, 0)))

    def score(self, parameters: Parameters, trials: Trials, context: dict[str, Array]) -> tuple[Array, Array]:
        """Summed negative log-probability of the entries scored, and their number.

        Parameters
        ----------
        parameters : dict
            Of the network.
        trials : Trials
            What is fed and what is scored.
        context : dict
            ``seeds``, ``mean`` and ``deviation`` of the units.

        Returns
        -------
        array, array
            Sum in nats, and count.
        """
        moments = (context["mean"], context["deviation"])
        output = self.network(parameters, self.fed_values(trials, trials.fed, moments, 1.0), trials.fed)
        surprise = self.network.likelihood.negative(parameters["likelihood"], output.read, trials.values)
        return jnp.where(trials.scored, surprise, 0).sum(), trials.scored.sum()


def check_loss(loss: str) -> None:
    """Refuse an unknown loss."""
    if loss not in LOSSES:
        raise ModelError(f"loss is {loss!r}; choose one of {', '.join(LOSSES)}.")
