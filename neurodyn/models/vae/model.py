"""Sequential variational autoencoder: hyperparameters and fitting."""

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NeurodynWarning
from neurodyn.inference.glm.checkpoints import digest
from neurodyn.inference.random import key_words
from neurodyn.inference.training import Result, Training, train
from neurodyn.inference.vae.decoders import LinearDecoder, TransformerDecoder
from neurodyn.inference.vae.encoders import GRUEncoder
from neurodyn.inference.vae.langevin import LangevinFlow
from neurodyn.inference.vae.latents import Latent
from neurodyn.inference.vae.likelihoods import Gaussian, Likelihood, NegativeBinomial, Poisson
from neurodyn.inference.vae.network import Network
from neurodyn.inference.vae.objective import Masking, Objective, Trials, check_loss
from neurodyn.models.base import Model, Trace
from neurodyn.models.baselines.common import moments, prior_mean, unit_kinds, unit_parameters
from neurodyn.models.vae.fit import SequentialVAEFit
from neurodyn.models.vae.layout import part, unit_seeds, window_length
from neurodyn.models.vae.parameters import to_dataset
from neurodyn.recording import arrays

LIKELIHOODS: dict[str, type[Likelihood]] = {
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
    "gaussian": Gaussian,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequentialVAE(Model):
    """Sequential variational autoencoder of population activity: encoder x latent dynamics x decoder x likelihood.

    .. math::

        h_{1:T} = \\mathrm{encoder}(x_{1:T}), \\quad s_1 \\sim q(s_1 \\mid h_1), \\quad
        s_t = f(s_{t-1}, e_t), \\; e_t \\sim q(e_t \\mid h_t), \\quad
        y_{1:T} = \\mathrm{decoder}(s_{1:T}, h_{1:T}), \\quad x_{tn} \\sim p(\\cdot \\mid (C y_t)_n)

    Parameters
    ----------
    encoder : GRUEncoder
        See `neurodyn.inference.vae.encoders`.
    latent : Latent
        `LangevinFlow`, `GRUGenerator` (LFADS), `LinearDynamics`, `RandomWalk` or `IndependentNoise`.
    decoder : TransformerDecoder or LinearDecoder
        See `neurodyn.inference.vae.decoders`.
    likelihood : {"auto", "poisson", "negative_binomial", "gaussian"}
        ``"auto"``: Poisson for counts, Gaussian for continuous units.
    reads_encoder : bool
        Whether the decoder is given the encoder's states beside the latent ones.
    ablate : {"latent", None, "noise", "encoder"}
        What the decoder gets zeros for (with ``"noise"``: independent standard normal numbers in place of the latent);
        its width stays. The default leaves the latent out, because held-out data prefer it so: see the guide's table.
        None uses everything.
    factors : int, optional
        Dimensions of a linear bottleneck between decoder and readout; None: none.
    masking : Masking
        What is hidden at random in training (coordinated dropout).
    loss : {"elbo", "published"}
        Evidence lower bound, or the loss of the publication, see `neurodyn.inference.vae.objective.Objective`.
    divergence_weight, divergence_ramp : float
        Weight of the divergence from the prior, and the epochs over which it rises to that.
    standardise : bool
        Feed values in training standard deviations from the unit's mean; else as they are.
    training : Training
        Settings of the training loop.
    validation : float
        Share of the trials (or windows) set aside to decide which parameters are kept.
    window : int, optional
        Bins the network sees at once; default: whole trials up to 500 bins, else 100.
    passes : int
        Draws of the latent a prediction is averaged over; 0: its posterior mean is used.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    See Also
    --------
    neurodyn.models.vae.langevin_flow, neurodyn.models.vae.lfads : ready-made combinations.

    Notes
    -----
    Options of `fit`: ``restarts`` (1; the one with the best held-out score is kept), ``together`` (make them in one
    batch), ``progress``, ``checkpoint`` (a path), ``checkpoint_seconds`` (60).

    Memory, in numbers: the recording three times, and per step about batch x bins x (30 width + heads x bins +
    feed_forward); ``Training(accumulate=...)`` divides the latter.

    References
    ----------
    Song et al. (2025), arXiv:2507.11531. Pandarinath et al. (2018), Nature Methods 15,
    doi:10.1038/s41592-018-0109-9.

    Examples
    --------
    >>> import numpy as np
    >>> import neurodyn
    >>> from neurodyn.inference.training import Training
    >>> counts = np.random.default_rng(0).poisson(0.5, size=(12, 20, 3))
    >>> recording = neurodyn.recording.make(counts, sampling_interval=0.02, kind="count")
    >>> model = neurodyn.models.SequentialVAE(training=Training(epochs=2))
    >>> model.fit(recording, key=0).predict(recording)["mean"].shape
    (12, 20, 3)
    """

    name: ClassVar[str] = "sequential_vae"
    kinds: ClassVar[frozenset[str]] = frozenset({"count", "continuous"})
    citations: ClassVar[tuple[str, ...]] = ("song2025", "pandarinath2018")
    fit_options: ClassVar[Mapping[str, Any]] = {
        "restarts": 1,
        "together": False,
        "progress": None,
        "checkpoint": None,
        "checkpoint_seconds": 60.0,
    }
    fit_type: ClassVar[type[SequentialVAEFit]] = SequentialVAEFit

    encoder: GRUEncoder = dataclasses.field(default_factory=GRUEncoder)
    latent: Latent = dataclasses.field(default_factory=LangevinFlow)
    decoder: TransformerDecoder | LinearDecoder = dataclasses.field(default_factory=TransformerDecoder)
    likelihood: str = "auto"
    reads_encoder: bool = True
    ablate: str | None = "latent"
    factors: int | None = None
    masking: Masking = dataclasses.field(default_factory=Masking)
    loss: str = "elbo"
    divergence_weight: float = 1.0
    divergence_ramp: float = 50.0
    standardise: bool = True
    training: Training = dataclasses.field(default_factory=Training)
    validation: float = 0.15
    window: int | None = None
    passes: int = 0

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        for name, kind in (
            ("encoder", GRUEncoder),
            ("latent", Latent),
            ("decoder", (TransformerDecoder, LinearDecoder)),
            ("masking", Masking),
            ("training", Training),
        ):
            if not isinstance(getattr(self, name), kind):
                raise ModelError(
                    f"sequential_vae: {name} is {getattr(self, name)!r}, which is no {name}; see the documentation."
                )
        if self.likelihood not in ("auto", *LIKELIHOODS):
            raise ModelError(
                f"sequential_vae: likelihood is {self.likelihood!r}; choose one of auto, {', '.join(LIKELIHOODS)}."
            )
        check_loss(self.loss)
        self._network("poisson")
        for name, low, high in (
            ("divergence_weight", 0, float("inf")),
            ("divergence_ramp", 0, float("inf")),
            ("validation", 0, 0.9),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise ModelError(f"sequential_vae: {name} is {value!r}; it must be between {low} and {high}.")
        for name, least in (("window", 2), ("factors", 1), ("passes", 0)):
            value = getattr(self, name)
            if value is None and name != "passes":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise ModelError(
                    f"sequential_vae: {name} is {value!r}; it must be a whole number, {least} or more."
                )

    @property
    def reach(self) -> int:
        """Unbounded."""
        return -1

    def _network(self, likelihood: str) -> Network:
        """The network of a likelihood."""
        return Network(
            encoder=self.encoder,
            latent=self.latent,
            decoder=self.decoder,
            likelihood=LIKELIHOODS[likelihood](),
            reads_encoder=self.reads_encoder,
            ablate=self.ablate,
            factors=self.factors,
        )

    def _likelihood(self, kinds: np.ndarray) -> str:
        """Name of the likelihood for these kinds of units."""
        found = sorted(set(kinds.tolist()))
        if len(found) > 1:
            raise ModelError(
                f"sequential_vae: the recording mixes {' and '.join(found)} units; fit them apart, or use one kind."
            )
        if self.likelihood == "auto":
            return "poisson" if found == ["count"] else "gaussian"
        if found[0] not in LIKELIHOODS[self.likelihood]().kinds:
            raise ModelError(
                f"sequential_vae: likelihood is {self.likelihood!r}, but the units are {found[0]}; leave it at 'auto'."
            )
        return self.likelihood

    def _fit(
        self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: jax.Array, options: dict[str, Any]
    ) -> SequentialVAEFit:
        """Train from every start, and keep the best."""
        likelihood = self._likelihood(unit_kinds(recording))
        values, mask = arrays(recording, np.float32)
        fed = mask if inputs is None else arrays(inputs)[1]
        trained = np.asarray(mask.any((0, 1)))
        if not trained.all():
            silent = recording["unit"].values[~trained]
            warnings.warn(
                f"{len(silent)} of {len(trained)} units are never observed (such as {str(silent[0])!r}); the network "
                "leaves them out and predicts the average unit for them.",
                NeurodynWarning,
                stacklevel=4,
            )
        mean, variance = moments(values, mask)
        mean = prior_mean(values, mask, unit_kinds(recording))
        deviation = np.sqrt(variance)
        some, last = mask.any((1, 2)), np.flatnonzero(mask.any((0, 2)))[-1] + 1
        values, mask, fed = (array[some, :last][..., trained] for array in (values, mask, fed))
        length = window_length(values.shape[1], self.window)
        seeds = unit_seeds(recording["unit"].values[trained])
        centre, scale = (mean, deviation) if self.standardise else (np.zeros_like(mean), np.ones_like(mean))
        parted = part(values, mask, fed, length, self.validation, seeds, jax.random.fold_in(key, 0))
        network = self._network(likelihood)
        objective = Objective(
            network=network,
            masking=self.masking,
            loss=self.loss,
            weight=float(self.divergence_weight),
            ramp=float(self.divergence_ramp),
        )
        context = {
            "seeds": jnp.asarray(seeds),
            "mean": jnp.asarray(centre[trained], jnp.float32),
            "deviation": jnp.asarray(scale[trained], jnp.float32),
        }
        restarts = _whole("restarts", options["restarts"])
        keys = [jax.random.fold_in(key, 1 + number) for number in range(restarts)]
        identity = ""
        if options["checkpoint"] is not None:
            identity = digest(
                repr(self), values, mask, fed, np.array(key_words(key)), restarts, options["together"]
            )
        results, interrupted = train(
            lambda k: network.start(
                np.random.default_rng(key_words(k)), seeds, mean[trained], deviation[trained]
            ),
            Trials(*map(jnp.asarray, parted.train)),
            None if parted.held_out is None else Trials(*map(jnp.asarray, parted.held_out)),
            context,
            keys,
            objective=objective,
            settings=self.training,
            names=("data", "initial", "steps") if network.uses_latent else ("data",),
            together=bool(options["together"]),
            progress=options["progress"],
            checkpoint=options["checkpoint"],
            checkpoint_seconds=float(options["checkpoint_seconds"]),
            identity=identity,
        )
        best = results[int(np.argmin([_final(result) for result in results]))]
        parameters = unit_parameters(
            recording,
            {
                "mean": ("unit", mean),
                "deviation": ("unit", deviation),
                "centre": ("unit", centre),
                "scale": ("unit", scale),
                "trained": ("unit", trained),
                "held_out_loss": ("evaluation", best.scores),
                "epoch": ("evaluation", best.evaluated),
                "loss_part": (("evaluation", "part"), best.parts),
            },
        ).assign_coords(part=list(best.names))
        parameters = xr.merge([parameters, to_dataset(best.parameters, recording["unit"].values[trained])])
        return SequentialVAEFit(
            model=self,
            parameters=parameters,
            trace=_trace(best, results, interrupted),
            provenance={"likelihood": likelihood, "window": int(length), "best": best.best},
        )


def _whole(name: str, value: Any) -> int:
    """A positive whole number."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ModelError(f"{name} is {value!r}; it must be a whole number, 1 or more.")
    return int(value)


def _final(result: Result) -> float:
    """Held-out loss of the parameters kept, or the training loss where nothing is held out."""
    score = result.scores[result.best] if len(result.scores) else np.nan
    if np.isnan(score):
        score = float(np.nansum(result.parts[-1]))
    return float(score)


def _trace(best: Result, results: list[Result], interrupted: bool) -> Trace:
    """How the fit went; the objective is minus the held-out loss per entry, up to the evaluation that is kept."""
    if best.diagnosis:
        warnings.warn(best.diagnosis, NeurodynWarning, stacklevel=5)
    if interrupted:
        warnings.warn(
            "training was interrupted; the parameters with the best held-out score so far are kept.",
            NeurodynWarning,
            stacklevel=5,
        )
    kept = best.scores[: best.best + 1]
    return Trace(
        objective=-kept[np.isfinite(kept)],
        converged=best.finished,
        reason=best.reason,
        restarts=-np.array([_final(result) for result in results]),
    )


SequentialVAE.fit_type = SequentialVAEFit
