"""What a predictive-coding network is built of: inputs, beliefs, and priors on their parameters."""

import abc
import dataclasses
from typing import Any, final

import numpy as np

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding.functions import coupling_function

INPUT_KINDS = ("binary", "continuous", "noisy_binary")


@dataclasses.dataclass(frozen=True)
class Prior(abc.ABC):
    """A parameter that is learnt for every participant, and what is believed of it beforehand."""

    @property
    @abc.abstractmethod
    def scale(self) -> str:
        """Scale on which the parameter is unconstrained."""

    @property
    @abc.abstractmethod
    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation on that scale."""


def _checked(owner: str, mean: float, deviation: float) -> None:
    """Refuse a prior that is none."""
    if not np.isfinite(mean):
        raise ModelError(f"{owner}: the mean is {mean!r}; it must be finite.")
    if not (np.isfinite(deviation) and deviation > 0):
        raise ModelError(f"{owner}: the deviation is {deviation!r}; it must be a finite number above 0.")


@final
@dataclasses.dataclass(frozen=True)
class Normal(Prior):
    """Normal prior.

    Parameters
    ----------
    mean, deviation : float
        Of the parameter.

    Raises
    ------
    ModelError
        If the deviation is not above 0.

    Examples
    --------
    >>> Normal(-4.0, 2.0).moments
    (-4.0, 2.0)
    """

    mean: float
    deviation: float

    def __post_init__(self) -> None:
        _checked("Normal", self.mean, self.deviation)

    @property
    def scale(self) -> str:
        """The parameter's own."""
        return "identity"

    @property
    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation."""
        return float(self.mean), float(self.deviation)


@final
@dataclasses.dataclass(frozen=True)
class LogNormal(Prior):
    """Log-normal prior of a parameter above 0.

    Parameters
    ----------
    median : float
        Median of the parameter.
    deviation : float
        Standard deviation of its logarithm.

    Raises
    ------
    ModelError
        If the median or the deviation is not above 0.

    Examples
    --------
    >>> LogNormal(1.0, 1.5).moments
    (0.0, 1.5)
    """

    median: float
    deviation: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.median) and self.median > 0):
            raise ModelError(f"LogNormal: the median is {self.median!r}; it must be a finite number above 0.")
        _checked("LogNormal", float(np.log(self.median)), self.deviation)

    @property
    def scale(self) -> str:
        """Logarithmic."""
        return "log"

    @property
    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation of the logarithm."""
        return float(np.log(self.median)), float(self.deviation)


@final
@dataclasses.dataclass(frozen=True)
class Shared(Prior):
    """One parameter at several places: wherever a value with this label stands, the same number does.

    Parameters
    ----------
    label : str
        Name of the parameter.
    prior : Normal or LogNormal
        What is believed of it.

    Raises
    ------
    ModelError
        If the prior is none.

    Examples
    --------
    >>> Shared("volatility of all arms", Normal(-4.0, 2.0)).moments
    (-4.0, 2.0)
    """

    label: str
    prior: Prior

    def __post_init__(self) -> None:
        if not isinstance(self.prior, (Normal, LogNormal)):
            raise ModelError(f"Shared {self.label!r}: the prior is {self.prior!r}; give Normal or LogNormal.")

    @property
    def scale(self) -> str:
        """That of the prior."""
        return self.prior.scale

    @property
    def moments(self) -> tuple[float, float]:
        """Those of the prior."""
        return self.prior.moments


Value = float | Prior
POSITIVE = (
    "initial_precision",
    "precision",
    "inverse_temperature",
    "noise",
    "pseudo_count",
    "initial_variance",
)
RATES = ("forgetting", "switching_rate")


def check_value(owner: str, name: str, value: Any) -> None:
    """Refuse what is neither a finite number nor a prior, and a prior that allows what the parameter does not."""
    positive, rate = name in POSITIVE, name in RATES
    if isinstance(value, Prior):
        if (positive or rate) and value.scale != "log":
            raise ModelError(f"{owner}: {name} is above 0, so its prior must be LogNormal, not {value!r}.")
        return
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    low = number and ((positive and value <= 0) or (rate and value < 0))
    if not number or not np.isfinite(value) or low:
        range_of = "a number above 0" if positive else "a number, 0 or more," if rate else "a finite number"
        prior = "a LogNormal prior" if positive or rate else "a prior"
        raise ModelError(f"{owner}: {name} is {value!r}; give {range_of} or {prior}.")


@final
@dataclasses.dataclass(frozen=True)
class Input:
    """A node that observes an input.

    Parameters
    ----------
    name : str
        Its name.
    kind : {"binary", "continuous", "noisy_binary"}
        0 or 1; a number with Gaussian noise; 0 or 1 seen through Gaussian noise.
    source : str, optional
        Covariate of the recording that holds the input; None: the unit of the recording's activity with this name, or
        its only one.
    category : int, optional
        The input is 1 where the source equals this number and 0 where it does not: one of several binary inputs that
        share a categorical source.
    precision : float or Prior
        Inverse variance of the noise; without effect for binary inputs.

    Raises
    ------
    ModelError
        If the kind is unknown or the precision not above 0.

    Examples
    --------
    >>> Input("u").kind
    'binary'
    """

    name: str
    kind: str = "binary"
    source: str | None = None
    precision: Value = 1e3
    category: int | None = None

    def __post_init__(self) -> None:
        if self.category is not None and (
            self.kind != "binary" or isinstance(self.category, bool) or self.category < 0
        ):
            raise ModelError(
                f"input {self.name!r}: category is {self.category!r}; give a whole number, 0 or more, of a binary input."
            )
        if self.kind not in INPUT_KINDS:
            raise ModelError(
                f"input {self.name!r}: kind is {self.kind!r}; choose one of {', '.join(INPUT_KINDS)}."
            )
        check_value(f"input {self.name!r}", "precision", self.precision)

    @property
    def inside(self) -> tuple[str, ...]:
        """Nodes of its own that are neither inputs nor beliefs: none."""
        return ()


@final
@dataclasses.dataclass(frozen=True)
class Belief:
    r"""A node that holds a belief, with the nodes it predicts.

    .. math::

        \hat\mu = \lambda\mu + t(\rho + \ldots), \qquad \Omega = t\, e^{\omega + \kappa \hat\mu_{\text{parent}}}

    Parameters
    ----------
    name : str
        Its name.
    value_children : tuple of str
        Nodes whose mean it predicts.
    volatility_children : tuple of str
        Nodes whose rate of change it sets.
    tonic_volatility : float or Prior
        :math:`\omega`, log of the variance that a step of time adds.
    tonic_drift : float or Prior
        :math:`\rho`, per unit of time.
    autoconnection : float or Prior
        :math:`\lambda`.
    initial_mean, initial_precision : float or Prior
        Before the first input.
    value_coupling, volatility_coupling : float or Prior
        :math:`\psi` and :math:`\kappa` to every child of that sort.
    coupling_function : str, optional
        Registered function g of value couplings (`neurodyn.inference.predictive_coding.functions`); None: linear.

    Raises
    ------
    ModelError
        If a parameter is neither a number nor a prior, a precision not above 0, or the function unknown.

    Examples
    --------
    >>> Belief("x1", value_children=("u",), tonic_volatility=Normal(-4.0, 2.0)).autoconnection
    1.0
    """

    name: str
    value_children: tuple[str, ...] = ()
    volatility_children: tuple[str, ...] = ()
    tonic_volatility: Value = -4.0
    tonic_drift: Value = 0.0
    autoconnection: Value = 1.0
    initial_mean: Value = 0.0
    initial_precision: Value = 1.0
    value_coupling: Value = 1.0
    volatility_coupling: Value = 1.0
    coupling_function: str | None = None

    def __post_init__(self) -> None:
        for name in ("value_children", "volatility_children"):
            if isinstance(getattr(self, name), str):
                raise ModelError(f"belief {self.name!r}: {name} is a string; give a tuple of names.")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in PARAMETERS:
            check_value(f"belief {self.name!r}", name, getattr(self, name))
        if self.coupling_function is not None:
            coupling_function(self.coupling_function)

    @property
    def inside(self) -> tuple[str, ...]:
        """Nodes of its own beside itself: none."""
        return ()


OF_NODES = ("tonic_volatility", "tonic_drift", "autoconnection", "initial_mean", "initial_precision")
PARAMETERS = (*OF_NODES, "value_coupling", "volatility_coupling")
