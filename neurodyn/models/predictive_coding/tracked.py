"""Inputs whose sufficient statistics are tracked: numbers of unknown mean and variance, 0 or 1 of an unknown chance."""

import dataclasses
from typing import Any, ClassVar, final

from neurodyn.errors import ModelError
from neurodyn.models.predictive_coding.parts import Value, check_value


def _check_source(owner: str, source: Any) -> None:
    """Refuse a source that is no name."""
    if source is not None and not isinstance(source, str):
        raise ModelError(f"{owner}: source is {source!r}; give the name of a covariate, or None.")


@final
@dataclasses.dataclass(frozen=True)
class GaussianInput:
    r"""A node that observes a number whose mean and variance are both unknown: an exponential-family input.

    The statistics :math:`s(x) = (x, x^2)` are tracked by :math:`\xi`, worth :math:`\nu` inputs:

    .. math::

        \xi \leftarrow \xi + \frac{s(x) - \xi}{1 + \nu}, \qquad
        x \sim t_{\nu + 1}\bigl(\xi_1,\ \xi_2 - \xi_1^2\bigr)

    before every input a Student distribution of :math:`\nu + 1` degrees of freedom, location :math:`\xi_1` and squared
    scale :math:`\xi_2 - \xi_1^2`, without further factor. (It is that of the conjugate belief about mean and precision
    under a flat measure of both.) What :math:`\nu` is:

    * *fixed*, the default: an exponential average over about :math:`1 + \nu` inputs, whatever the time between them;
    * *counted*, with `forgetting`: :math:`\nu` grows by 1 with every input, and within time t decays towards its first
      value, as :math:`\xi` weighed by it, with :math:`e^{-ft}`; f = 0 is conjugate Bayesian inference;
    * *filtered*: `Belief` nodes that name the statistics as value children follow them. With :math:`\pi_u` of `precisions`
      a belief moves by :math:`\mu = \hat\mu + (\pi_u/\pi)(s - \hat\mu)` with :math:`\pi = \hat\pi + \pi_u`, which is the
      update above with :math:`1 + \nu = \pi/\pi_u`; so :math:`\nu = \pi/\pi_u - 1 = \hat\pi/\pi_u`, one for each statistic:

      .. math::

          x \sim t_{\nu_2 + 1}\Bigl(\xi_1,\ (\xi_2 - \xi_1^2)\frac{\nu_2(\nu_1 + 1)}{\nu_1(\nu_2 + 1)}\Bigr).

    An input that was not seen changes nothing and surprises nobody. Filters of different gain can leave
    :math:`\xi_2 \le \xi_1^2`, which is no variance: such a fit is refused, or warned of in new data, naming the trial.

    Parameters
    ----------
    name : str
        Its name; the statistics are the nodes ``"<name>.first_moment"`` and ``"<name>.second_moment"``.
    source : str, optional
        Covariate of the recording that holds the input; None: the recording's activity.
    pseudo_count : float or Prior
        :math:`\nu` before the first input, above 0; the predicted variance is finite above 1. Without effect on statistics
        that beliefs follow.
    forgetting : float or Prior, optional
        f per unit of time, 0 or more; None: :math:`\nu` is fixed.
    initial_mean, initial_variance : float or Prior
        :math:`\xi_1` and :math:`\xi_2 - \xi_1^2` before the first input, where no beliefs follow the statistics.
    precisions : pair of float or Prior
        :math:`\pi_u` of each statistic, where beliefs follow it. At 1 precisions of beliefs count inputs.

    Raises
    ------
    ModelError
        If a parameter is out of range.

    References
    ----------
    Mathys & Weber (2020), in Active Inference, Communications in Computer and Information Science 1326, 52-58,
    doi:10.1007/978-3-030-64919-7_7.

    Examples
    --------
    >>> from neurodyn.models.predictive_coding import LogNormal, PredictiveCodingNetwork
    >>> network = PredictiveCodingNetwork(nodes=(GaussianInput("u", pseudo_count=LogNormal(10.0, 1.0)),))
    >>> fit = network.at({"u.pseudo_count": 20.0})
    >>> fit.infer(fit.simulate(50, key=0))["node"].values.tolist()
    ['u', 'u.first_moment', 'u.second_moment']
    """

    category: ClassVar[None] = None
    citations: ClassVar[tuple[str, ...]] = ("mathys2020",)
    kind: ClassVar[str] = "continuous"
    statistics: ClassVar[tuple[str, ...]] = ("first_moment", "second_moment")

    name: str
    source: str | None = None
    pseudo_count: Value = 10.0
    forgetting: Value | None = None
    initial_mean: Value = 0.0
    initial_variance: Value = 1.0
    precisions: tuple[Value, Value] = (1.0, 1.0)

    def __post_init__(self) -> None:
        owner = f"input {self.name!r}"
        _check_source(owner, self.source)
        for name in ("pseudo_count", "initial_mean", "initial_variance"):
            check_value(owner, name, getattr(self, name))
        if self.forgetting is not None:
            check_value(owner, "forgetting", self.forgetting)
        given = self.precisions
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise ModelError(f"{owner}: precisions is {given!r}; give one for each of the two statistics.")
        object.__setattr__(self, "precisions", tuple(given))
        for value in given:
            check_value(owner, "precision", value)

    @property
    def inside(self) -> tuple[str, ...]:
        """Names of the statistics."""
        return tuple(f"{self.name}.{statistic}" for statistic in self.statistics)


@final
@dataclasses.dataclass(frozen=True)
class BetaInput:
    r"""A node that observes 0 or 1 of an unknown chance, tracked by the pseudo-counts of a Beta distribution.

    With :math:`\nu\xi` ones and :math:`\nu(1 - \xi)` zeros counted,

    .. math::

        \Pr(u = 1) = \xi, \qquad \xi \leftarrow \xi + \frac{u - \xi}{1 + \nu}, \qquad \nu \leftarrow \nu + 1

    which is the exponential-family input of the Bernoulli distribution. Within time t counts are forgotten towards the
    first ones,

    .. math::

        \hat\nu = e^{-ft}\nu + (1 - e^{-ft})\nu_0, \qquad
        \hat\xi = \frac{e^{-ft}\nu\xi + (1 - e^{-ft})\nu_0\xi_0}{\hat\nu};

    f = 0 is conjugate Bayesian inference of a constant chance. With ``forgetting=None`` :math:`\nu` stays what it is,
    which makes a delta rule of the rate :math:`1/(1 + \nu)`. A `Belief` that names the chance as value child follows it
    instead, with :math:`\nu = \hat\pi/\pi_u` as in `GaussianInput`. An input that was not seen teaches nothing.

    Parameters
    ----------
    name : str
        Its name; the statistic is the node ``"<name>.chance"``.
    source : str, optional
        Covariate of the recording that holds the input; None: the recording's activity.
    pseudo_count : float or Prior
        :math:`\nu_0`, above 0: how many inputs the first chance is worth.
    forgetting : float or Prior, optional
        f per unit of time, 0 or more; None: :math:`\nu` is fixed.
    initial_chance : float
        :math:`\xi_0`, between 0 and 1.
    precision : float or Prior
        :math:`\pi_u`, where a belief follows the chance.

    Raises
    ------
    ModelError
        If a parameter is out of range.

    References
    ----------
    Mathys & Weber (2020), in Active Inference, Communications in Computer and Information Science 1326, 52-58,
    doi:10.1007/978-3-030-64919-7_7.

    Examples
    --------
    >>> from neurodyn.models.predictive_coding import LogNormal, PredictiveCodingNetwork
    >>> network = PredictiveCodingNetwork(nodes=(BetaInput("u", forgetting=LogNormal(0.1, 1.0)),))
    >>> network.plan().names
    ('u.forgetting',)
    """

    category: ClassVar[None] = None
    citations: ClassVar[tuple[str, ...]] = ("mathys2020",)
    kind: ClassVar[str] = "binary"
    statistics: ClassVar[tuple[str, ...]] = ("chance",)

    name: str
    source: str | None = None
    pseudo_count: Value = 2.0
    forgetting: Value | None = 0.0
    initial_chance: float = 0.5
    precision: Value = 1.0

    def __post_init__(self) -> None:
        owner = f"input {self.name!r}"
        _check_source(owner, self.source)
        for name in ("pseudo_count", "precision"):
            check_value(owner, name, getattr(self, name))
        if self.forgetting is not None:
            check_value(owner, "forgetting", self.forgetting)
        chance = self.initial_chance
        if isinstance(chance, bool) or not isinstance(chance, (int, float)) or not 0 < chance < 1:
            raise ModelError(f"{owner}: initial_chance is {chance!r}; give a number between 0 and 1.")

    @property
    def precisions(self) -> tuple[Value, ...]:
        """Precision with which the chance is followed."""
        return (self.precision,)

    @property
    def inside(self) -> tuple[str, ...]:
        """Name of the chance."""
        return (f"{self.name}.chance",)
