"""Priors on the couplings of a generalised linear model; hyperparameters only."""

import abc
import dataclasses
from typing import ClassVar

import numpy as np

from neurodyn.errors import ModelError


def _check(
    owner: str, name: str, value: float | str | None, *, least: float = 0.0, words: tuple = ()
) -> None:
    """Refuse a hyperparameter that is neither one of the words nor a finite number above `least`."""
    if value in words:
        return
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not np.isfinite(value) or value < least or (least > 0 and value <= 0):  # type: ignore[arg-type]
        allowed = " or ".join(
            ["a finite number, 0 or more" if least == 0 else "a finite number above 0", *map(repr, words)]
        )
        raise ModelError(f"{owner}: {name} is {value!r}; it must be {allowed}.")


@dataclasses.dataclass(frozen=True)
class CouplingPrior(abc.ABC):
    """Prior on coupling and history weights; covariates and the bias have none."""

    citations: ClassVar[tuple[str, ...]] = ()

    @property
    @abc.abstractmethod
    def sparse(self) -> bool:
        """Whether connections can come out as exactly zero."""


@dataclasses.dataclass(frozen=True)
class Ridge(CouplingPrior):
    r"""Ridge penalty :math:`\tfrac12 \lambda T_n \sum w^2` on the log-likelihood summed over a unit's bins.

    Parameters
    ----------
    strength : float
        :math:`\lambda`, per observed bin :math:`T_n` of the unit; 0 is maximum likelihood.

    Raises
    ------
    ModelError
        If the strength is negative.

    Examples
    --------
    >>> Ridge(0.02).strength
    0.02
    """

    citations: ClassVar[tuple[str, ...]] = ("hoerl1970",)
    strength: float = 0.0

    @property
    def sparse(self) -> bool:
        """Whether connections can come out as exactly zero."""
        return False

    def __post_init__(self) -> None:
        _check("Ridge", "strength", self.strength)


@dataclasses.dataclass(frozen=True)
class GroupLasso(CouplingPrior):
    r"""Group lasso :math:`\lambda T_n \sum_{sm} \sqrt{B}\, \lVert w_{s,n \leftarrow m} \rVert` over the basis functions.

    A connection, in one state, is present with all its functions or absent.

    Parameters
    ----------
    strength : float
        :math:`\lambda`, per observed bin of the unit.

    Raises
    ------
    ModelError
        If the strength is negative.

    References
    ----------
    Yuan and Lin (2006), Journal of the Royal Statistical Society B 68, doi:10.1111/j.1467-9868.2005.00532.x.

    Examples
    --------
    >>> GroupLasso(0.001).strength
    0.001
    """

    citations: ClassVar[tuple[str, ...]] = ("yuan2006",)
    strength: float = 0.001

    @property
    def sparse(self) -> bool:
        """Whether connections can come out as exactly zero."""
        return True

    def __post_init__(self) -> None:
        _check("GroupLasso", "strength", self.strength)


@dataclasses.dataclass(frozen=True)
class GaussianPrior(CouplingPrior):
    r"""Each state's weights scatter about one mean network.

    .. math:: w_{s,nm} \sim N(\mu_{nm}, \sigma^2), \qquad \mu_{nm} = \tfrac1S \sum_s w_{s,nm}, \qquad
        \mu_{nm} \sim N(0, \tau^2)

    Parameters
    ----------
    deviation : float or "learnt"
        :math:`\sigma`, in the units of the weights; learnt by empirical Bayes (Laplace approximation). Without
        effect with one state.
    mean_deviation : float or "learnt", optional
        :math:`\tau` about zero; None leaves the mean network free.

    Raises
    ------
    ModelError
        If a deviation is not above 0.

    References
    ----------
    Li et al. (2024), International Conference on Learning Representations, arXiv:2310.15263.

    Examples
    --------
    >>> round(GaussianPrior().deviation, 3)
    0.333
    """

    citations: ClassVar[tuple[str, ...]] = ("li2024",)
    deviation: float | str = 1 / 3
    mean_deviation: float | str | None = None

    @property
    def sparse(self) -> bool:
        """Whether connections can come out as exactly zero."""
        return False

    def __post_init__(self) -> None:
        _check("GaussianPrior", "deviation", self.deviation, least=1e-12, words=("learnt",))
        if self.mean_deviation is not None:
            _check("GaussianPrior", "mean_deviation", self.mean_deviation, least=1e-12, words=("learnt",))


@dataclasses.dataclass(frozen=True)
class OneHotPrior(CouplingPrior):
    r"""Couplings of every state drawn from one learnt connectome.

    .. math::

        w_{s,nm} = (a^{exc}_{s,nm} - a^{inh}_{s,nm})\, g_{s,nm}, \qquad g \ge 0, \qquad
        a_{s,nm} \sim \mathrm{GumbelSoftmax}(\log \pi_{nm}, \tau)

    with :math:`a` on {inhibitory, none, excitatory} and the connectome :math:`\pi` shared by all states and learnt.
    The fit is started from that with a `GaussianPrior`; the temperature is lowered, the categories are then made
    hard, and the weights of present connections are fitted once more without shrinkage.

    Parameters
    ----------
    temperature : float
        Final :math:`\tau`.
    first_temperature : float
        Where annealing begins.
    deviation : float
        Of the Gaussian prior of the first stage.
    samples : int
        Gumbel samples of every gradient.
    steps : int
        Gradient steps of every annealing.
    concentration : float
        Pseudo-counts of each category in the connectome, 0 or more.
    threshold : float
        Standard errors below which a connection of the first stage begins as absent.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    References
    ----------
    Li et al. (2024), International Conference on Learning Representations, arXiv:2310.15263. Relaxation: Maddison,
    Mnih and Teh (2017), arXiv:1611.00712; Jang, Gu and Poole (2017), arXiv:1611.01144.

    Examples
    --------
    >>> OneHotPrior().temperature
    0.2
    """

    citations: ClassVar[tuple[str, ...]] = ("li2024", "maddison2017", "jang2017")
    temperature: float = 0.2
    first_temperature: float = 0.5
    deviation: float = 1 / 3
    samples: int = 8
    steps: int = 400
    concentration: float = 0.1
    threshold: float = 3.0

    @property
    def sparse(self) -> bool:
        """Whether connections can come out as exactly zero."""
        return True

    def __post_init__(self) -> None:
        for name in ("temperature", "first_temperature", "deviation"):
            _check("OneHotPrior", name, getattr(self, name), least=1e-12)
        if self.first_temperature < self.temperature:
            raise ModelError(
                f"OneHotPrior: first_temperature is {self.first_temperature!r}, below the temperature "
                f"{self.temperature!r}; annealing lowers it."
            )
        _check("OneHotPrior", "concentration", self.concentration)
        _check("OneHotPrior", "threshold", self.threshold)
        for name in ("samples", "steps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ModelError(f"OneHotPrior: {name} is {value!r}; it must be a whole number, 1 or more.")
