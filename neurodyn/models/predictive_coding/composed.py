"""Parts made of several nodes: an input that one of several contexts drives, and a belief with its volatility inside."""

import dataclasses
from typing import Any, ClassVar, final

from neurodyn.errors import ModelError
from neurodyn.models.predictive_coding.parts import PARAMETERS, Belief, Value, check_value

INNER = "inner_"
WITHIN = tuple(name for name in PARAMETERS if name != "value_coupling")


@final
@dataclasses.dataclass(frozen=True)
class SwitchingInput:
    r"""A node that observes an input which one of several beliefs drives, depending on a context that is not seen.

    Every context k has a belief of its own as value parent. The context is a Markov chain: at the rate r it is drawn anew,
    all contexts equally likely, so that before an input

    .. math::

        \hat p_k = e^{-rt} p_k + \frac{1 - e^{-rt}}{K}, \qquad p(u) = \sum_k \hat p_k\, p(u \mid k)

    with :math:`p(u \mid k)` normal about the prediction of belief k, of the variance of belief and noise, or for 0 and 1
    of the chance that the belief's log-odds say. After it :math:`p_k \propto \hat p_k\, p(u \mid k)`, and belief k becomes
    the normal with the moments of a mixture: of what it would be had its context held, with weight :math:`p_k`, and of its
    prediction. What it teaches the beliefs above it has the weight :math:`p_k` too. (This is assumed-density filtering: the
    mixture over past contexts is merged into one normal for each belief after every step.) An input that was not seen
    leaves :math:`p = \hat p`.

    Parameters
    ----------
    name : str
        Its name.
    contexts : tuple of str
        Two contexts or more; each is a node ``"<name>.<context>"``, whose mean is the context's probability and which a
        `Belief` without other children names as value child.
    kind : {"continuous", "binary"}
        A number with Gaussian noise, or 0 or 1.
    source : str, optional
        Covariate of the recording that holds the input; None: the recording's activity.
    precision : float or Prior
        Inverse variance of the noise; without effect for binary inputs.
    switching_rate : float or Prior
        r per unit of time, 0 or more.

    Raises
    ------
    ModelError
        If there are fewer than two contexts, two share a name, the kind is unknown or a parameter out of range.

    References
    ----------
    Blom & Bar-Shalom (1988), IEEE Transactions on Automatic Control 33, 780-783, doi:10.1109/9.1299: a filter of the same
    family, which merges before every step.

    Examples
    --------
    >>> from neurodyn.models.predictive_coding import Belief, PredictiveCodingNetwork
    >>> network = PredictiveCodingNetwork(
    ...     nodes=(
    ...         SwitchingInput("u", ("rich", "poor"), kind="binary"),
    ...         Belief("x_rich", value_children=("u.rich",), initial_mean=1.0),
    ...         Belief("x_poor", value_children=("u.poor",), initial_mean=-1.0),
    ...     )
    ... )
    >>> fit = network.at({})
    >>> beliefs = fit.infer(fit.simulate(50, key=0))["mean"]
    >>> beliefs.sel(node=["u.rich", "u.poor"]).sum("node").round(4).values.ravel()[-1].item()
    1.0
    """

    category: ClassVar[None] = None
    citations: ClassVar[tuple[str, ...]] = ("blom1988",)

    name: str
    contexts: tuple[str, ...]
    kind: str = "continuous"
    source: str | None = None
    precision: Value = 1e3
    switching_rate: Value = 0.05

    def __post_init__(self) -> None:
        owner = f"input {self.name!r}"
        contexts = (self.contexts,) if isinstance(self.contexts, str) else tuple(self.contexts)
        if len(contexts) < 2 or len(set(contexts)) < len(contexts):
            raise ModelError(f"{owner}: contexts is {self.contexts!r}; give two or more different names.")
        object.__setattr__(self, "contexts", contexts)
        if self.kind not in ("continuous", "binary"):
            raise ModelError(f"{owner}: kind is {self.kind!r}; choose continuous or binary.")
        for name in ("precision", "switching_rate"):
            check_value(owner, name, getattr(self, name))

    @property
    def inside(self) -> tuple[str, ...]:
        """Names of the contexts' nodes."""
        return tuple(f"{self.name}.{context}" for context in self.contexts)


@final
@dataclasses.dataclass(frozen=True)
class VolatileBelief:
    r"""A belief with the belief about its volatility inside: two nodes as one part.

    .. math::

        \hat\mu = \lambda\mu + t(\rho + \ldots), \qquad \Omega = t\, e^{\omega + \kappa \hat\mu_{\text{volatility}}}

    It is the same as two `Belief` nodes, the second named ``"<name>.volatility"`` with the first as its volatility child.

    Parameters
    ----------
    name : str
        Its name.
    value_children, volatility_children : tuple of str
        Nodes whose mean it predicts, and whose rate of change it sets.
    tonic_volatility, tonic_drift, autoconnection, initial_mean, initial_precision : float or Prior
        Of the belief, as those of `Belief`.
    value_coupling, volatility_coupling : float or Prior
        :math:`\psi` and :math:`\kappa` to its children.
    coupling_function : str, optional
        Registered function of its value couplings; None: linear.
    inner_tonic_volatility, inner_tonic_drift, inner_autoconnection, inner_initial_mean, inner_initial_precision : float or \
Prior
        The same of the belief about its volatility.
    inner_volatility_coupling : float or Prior
        :math:`\kappa` between the two.

    Raises
    ------
    ModelError
        As `Belief`.

    Examples
    --------
    >>> from neurodyn.models.predictive_coding import Input, PredictiveCodingNetwork
    >>> network = PredictiveCodingNetwork(nodes=(Input("u"), VolatileBelief("x1", value_children=("u",))))
    >>> network.plan().task.structure.names
    ('u', 'x1', 'x1.volatility')
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
    inner_tonic_volatility: Value = -4.0
    inner_tonic_drift: Value = 0.0
    inner_autoconnection: Value = 1.0
    inner_initial_mean: Value = 0.0
    inner_initial_precision: Value = 1.0
    inner_volatility_coupling: Value = 1.0

    def __post_init__(self) -> None:
        outer, _ = self.beliefs
        for name in ("value_children", "volatility_children"):
            object.__setattr__(self, name, getattr(outer, name))

    @property
    def inside(self) -> tuple[str, ...]:
        """Name of the belief about its volatility."""
        return (f"{self.name}.volatility",)

    @property
    def beliefs(self) -> tuple[Belief, Belief]:
        """The two nodes it stands for."""
        shared: dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(Belief)
            if field.name != "name"
        }
        inner: dict[str, Any] = {name: getattr(self, INNER + name) for name in WITHIN}
        return Belief(self.name, **shared), Belief(self.inside[0], volatility_children=(self.name,), **inner)
