"""How a model is trained by gradients."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array

from neurodyn.errors import ModelError

SCHEDULES = ("cosine", "constant", "plateau")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of the training loop: Adam with decoupled weight decay, clipped gradients and averaged parameters.

    Parameters
    ----------
    epochs : int
        Passes over the training trials.
    batch_size : int
        Trials per step; at most as many as there are.
    learning_rate : float
        Largest step size.
    schedule : {"cosine", "constant", "plateau"}
        ``"cosine"`` falls to `last` of it over the epochs; ``"plateau"`` is multiplied by `plateau_factor` whenever the
        held-out score has not improved for `plateau_patience` evaluations.
    warm_up : int
        Steps over which the step size rises from zero.
    last : float
        As above.
    plateau_factor, plateau_patience
        As above.
    weight_decay : float
        Shrinkage of matrices per unit of step size, rising over `decay_ramp` epochs.
    decay_ramp : int
        As above; 0: at once.
    clip : float
        Largest norm of a gradient.
    betas : tuple of float
        Decay of Adam's averages of the gradient and of its square.
    average : float
        Decay of the exponential moving average of the parameters, which are what is evaluated and kept; 0: none.
    patience : int
        Epochs without a better held-out score after which training stops; 0: never.
    evaluate_every : int
        Epochs between evaluations of the held-out score.
    accumulate : int
        Parts in which a batch is processed one after the other; memory falls in proportion.
    devices : int
        Devices among which a batch is divided.

    Raises
    ------
    ModelError
        If a setting is out of range.

    References
    ----------
    Kingma and Ba (2015), arXiv:1412.6980. Loshchilov and Hutter (2019), arXiv:1711.05101.

    Examples
    --------
    >>> from neurodyn.inference.training import Training
    >>> Training(epochs=10).schedule
    'cosine'
    """

    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 3e-3
    schedule: str = "cosine"
    warm_up: int = 20
    last: float = 0.01
    plateau_factor: float = 0.95
    plateau_patience: int = 10
    weight_decay: float = 1.0
    decay_ramp: int = 0
    clip: float = 5.0
    betas: tuple[float, float] = (0.9, 0.999)
    average: float = 0.99
    patience: int = 0
    evaluate_every: int = 2
    accumulate: int = 1
    devices: int = 1

    def __post_init__(self) -> None:
        """Check the settings."""
        for name, least in (
            ("epochs", 1),
            ("batch_size", 1),
            ("warm_up", 0),
            ("plateau_patience", 1),
            ("decay_ramp", 0),
            ("patience", 0),
            ("evaluate_every", 1),
            ("accumulate", 1),
            ("devices", 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ModelError(
                    f"Training: {name} is {value!r}; it must be a whole number, {least} or more."
                )
        for name, low, high in (
            ("learning_rate", 0, 1),
            ("weight_decay", 0, 100),
            ("clip", 0, float("inf")),
            ("average", 0, 1),
            ("plateau_factor", 0, 1),
            ("last", 0, 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise ModelError(f"Training: {name} is {value!r}; it must be between {low} and {high}.")
        if not (
            isinstance(self.betas, tuple)
            and len(self.betas) == 2
            and all(0 <= beta < 1 for beta in self.betas)
        ):
            raise ModelError(f"Training: betas is {self.betas!r}; it must be two numbers from 0 to below 1.")
        if self.schedule not in SCHEDULES:
            raise ModelError(
                f"Training: schedule is {self.schedule!r}; choose one of {', '.join(SCHEDULES)}."
            )
        if self.batch_size % (self.accumulate * self.devices):
            raise ModelError(
                f"Training: batch_size is {self.batch_size}; it must be a multiple of accumulate x devices, "
                f"{self.accumulate} x {self.devices}."
            )

    def step_size(self, step: Array, total: Array, shrunk: Array) -> Array:
        """Step size of a step.

        Parameters
        ----------
        step : array
            Steps so far.
        total : array
            Steps in all.
        shrunk : array
            Product of the plateau's factors so far.

        Returns
        -------
        array
            Step size.
        """
        rising = jnp.minimum((step + 1) / max(self.warm_up, 1), 1.0) if self.warm_up else 1.0
        if self.schedule == "cosine":
            share = jnp.clip(step / jnp.maximum(total, 1), 0, 1)
            falling = self.last + (1 - self.last) * 0.5 * (1 + jnp.cos(jnp.pi * share))
            return self.learning_rate * rising * falling
        return self.learning_rate * rising * shrunk

    def decay(self, epoch: Array) -> Array:
        """Weight decay of an epoch."""
        if self.decay_ramp == 0:
            return jnp.asarray(self.weight_decay)
        return self.weight_decay * jnp.minimum(epoch / self.decay_ramp, 1.0)
