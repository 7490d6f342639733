"""Predictive-coding networks: hyperparameters, and how they are fitted."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference.predictive_coding.posteriors import ORDERS
from neurodyn.models.base import Fit, Model, Trace
from neurodyn.models.predictive_coding import learning
from neurodyn.models.predictive_coding.fit import PredictiveCodingFit
from neurodyn.models.predictive_coding.layout import Plan, Told, plan_of, told_of
from neurodyn.models.predictive_coding.parts import (
    Belief,
    BinaryResponse,
    GaussianResponse,
    Input,
    LogNormal,
    Normal,
    Response,
)

POOLING = ("none", "partial")
UNKNOWN = ("raise", "prior")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictiveCodingNetwork(Model):
    r"""Beliefs updated by precision-weighted prediction errors: the generalised hierarchical Gaussian filter.

    .. math::

        \hat\mu = \lambda\mu + t\Bigl(\rho + \sum_p \psi_p g_p(\hat\mu_p)\Bigr), \qquad
        \frac{1}{\hat\pi} = \frac{1}{\pi} + t\, e^{\omega + \sum_v \kappa_v \hat\mu_v}

    The inputs are covariates of the recording (name them with ``Input(source=...)``) and its activity the responses to
    them; without a response, the activity is the input. Participants are the trials of the recording (a coordinate
    ``participant`` names them); time counts trials, and a covariate ``time_step`` is the time elapsed before each. An input
    that is NaN was not seen: it teaches nothing, and beliefs become less certain. Every parameter given as a prior is
    learnt for each participant at its posterior mode.

    Parameters
    ----------
    nodes : tuple of Input and Belief
        The network, node by node.
    response : BinaryResponse or GaussianResponse, optional
        How beliefs become responses; None: the inputs themselves are explained.
    update : {"ehgf", "standard", "unbounded"}
        Order of updates of nodes that set a volatility.
    pooling : {"none", "partial"}
        Whether the priors' means and deviations are learnt from all participants (empirical Bayes, Laplace
        approximation), the given priors being where they start and what they are drawn to.
    unknown : {"raise", "prior"}
        For a participant not in training: an error that names `adapt`, or the population's centre.

    Raises
    ------
    ModelError
        If the nodes make no network, or a hyperparameter is out of range.

    See Also
    --------
    HGF : ready-made networks of two or three levels.

    Notes
    -----
    Options of `fit`: ``restarts`` (4), starts at the prior's centre and at draws from it; ``max_iterations`` (12) of partial
    pooling.

    References
    ----------
    Mathys et al. (2014), Frontiers in Human Neuroscience 8, doi:10.3389/fnhum.2014.00825. Legrand et al. (2024),
    arXiv:2410.09206.

    Examples
    --------
    >>> import numpy as np
    >>> import neurodyn
    >>> from neurodyn.models.predictive_coding import Belief, Input, Normal
    >>> rng = np.random.default_rng(0)
    >>> seen = rng.uniform(size=(100, 1)) < np.repeat([0.8, 0.2], 50)[:, None]
    >>> recording = neurodyn.recording.make(seen.astype(float), sampling_interval=1.0, kind="binary", time_unit="trial")
    >>> network = PredictiveCodingNetwork(
    ...     nodes=(
    ...         Input("u", kind="binary"),
    ...         Belief("x1", value_children=("u",), tonic_volatility=Normal(-3.0, 2.0)),
    ...     )
    ... )
    >>> fit = network.fit(recording, key=0)
    >>> fit.infer(recording)["mean"].dims
    ('time', 'node')
    """

    name: ClassVar[str] = "predictive_coding"
    kinds: ClassVar[frozenset[str]] = frozenset({"binary", "continuous"})
    citations: ClassVar[tuple[str, ...]] = ("mathys2014", "legrand2024")
    fit_options: ClassVar[Mapping[str, Any]] = {"restarts": 4, "max_iterations": 12}
    fit_type: ClassVar[type[PredictiveCodingFit]] = PredictiveCodingFit

    nodes: tuple[Input | Belief, ...]
    response: Response | None = None
    update: str = "ehgf"
    pooling: str = "none"
    unknown: str = "raise"

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        object.__setattr__(self, "nodes", tuple(self.nodes))
        for node in self.nodes:
            if not isinstance(node, (Input, Belief)):
                raise ModelError(f"predictive_coding: {node!r} is no node; give Input and Belief nodes.")
        if self.response is not None and not isinstance(self.response, (BinaryResponse, GaussianResponse)):
            raise ModelError(
                f"predictive_coding: response is {self.response!r}; give BinaryResponse, GaussianResponse or None."
            )
        for name, allowed in (("update", ORDERS), ("pooling", POOLING), ("unknown", UNKNOWN)):
            value = getattr(self, name)
            if value not in allowed:
                raise ModelError(
                    f"predictive_coding: {name} is {value!r}; choose one of {', '.join(allowed)}."
                )
        plan = self.plan()
        if isinstance(self.response, GaussianResponse):
            names = plan.task.structure.names
            if self.response.node not in names:
                raise ModelError(
                    f"the response follows the node {self.response.node!r}, which does not exist; nodes are "
                    f"{', '.join(names)}."
                )
        if isinstance(self.response, BinaryResponse) and self.inputs[0].kind == "continuous":
            raise ModelError(
                "a BinaryResponse needs a binary input first; choose GaussianResponse or another input."
            )

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: all."""
        return -1

    @property
    def inputs(self) -> list[Input]:
        """The inputs, in order."""
        return [node for node in self.nodes if isinstance(node, Input)]

    def plan(self) -> Plan:
        """Structure and places of the parameters.

        Returns
        -------
        Plan
            The network on bare arrays.
        """
        return plan_of(self.nodes, self.response, self.update)

    def told(self, recording: xr.Dataset) -> Told:
        """A recording as arrays, its kinds checked.

        Parameters
        ----------
        recording : xr.Dataset
            The recording.

        Returns
        -------
        Told
            Inputs, responses, elapsed times and participants.

        Raises
        ------
        RecordingError
            If inputs or responses do not fit the network.
        """
        told = told_of(self.inputs, recording, self.response is not None, self.name)
        kinds = recording["kind"].values.astype(str)
        if self.response is not None:
            wanted = ["binary" if isinstance(self.response, BinaryResponse) else "continuous"]
        else:
            wanted = ["binary" if node.kind == "binary" else "continuous" for node in self.inputs]
            wanted = [wanted[told.units.tolist().index(unit)] for unit in range(len(kinds))]
        for label, kind, want in zip(recording["unit"].values, kinds, wanted, strict=True):
            if kind != want:
                raise RecordingError(
                    f"{self.name} reads the unit {label} as {want}, but its kind is {kind}; make the recording with "
                    f"kind={want!r}, or change the node."
                )
        return told

    def _fit(
        self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: jax.Array, options: dict[str, Any]
    ) -> Fit:
        """Posterior modes of all participants, the population learnt around them where it is."""
        for name in ("restarts", "max_iterations"):
            value = options[name]
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ModelError(f"{name} is {value!r}; it must be a whole number, 1 or more.")
        plan, told = self.plan(), self.told(recording if inputs is None else inputs)
        behaviour, reference = learning.standardised(self.told(recording).behaviour, self.response, None)
        if inputs is not None:  # what is hidden from the inputs is explained, but teaches no belief
            behaviour = behaviour._replace(known=told.behaviour.known)
        found = learning.learn(
            plan,
            behaviour,
            key,
            pooled=self.pooling == "partial",
            restarts=int(options["restarts"]),
            most=int(options["max_iterations"]),
            labels=told.labels,
        )
        data = xr.Dataset(
            {
                "individual": (("participant", "parameter"), found.individual),
                "individual_covariance": (("participant", "parameter", "parameter_other"), found.covariance),
                "log_evidence": (("participant",), found.evidence),
                "population_mean": (("parameter",), found.mean),
                "population_deviation": (("parameter",), found.deviation),
            },
            coords={
                "participant": found.labels,
                "parameter": list(plan.names),
                "parameter_other": list(plan.names),
                "unit": recording["unit"].values,
                "kind": ("unit", recording["kind"].values.astype(str)),
            },
        )
        if reference is not None:
            data["reference_mean"], data["reference_deviation"] = ((), reference[0]), ((), reference[1])
        trace = Trace(
            objective=found.objective,
            converged=found.converged,
            reason=found.reason,
            restarts=found.restarts,
            agreement=found.agreement,
        )
        return PredictiveCodingFit(model=self, parameters=data, trace=trace)


def HGF(
    levels: int = 2,
    *,
    inputs: str = "binary",
    source: str | None = None,
    response: Response | None = None,
    learn: tuple[str, ...] = ("x1.tonic_volatility",),
    **settings: Any,
) -> PredictiveCodingNetwork:
    r"""Hierarchical Gaussian filter of two or three levels.

    Binary inputs: the belief x1 about the log-odds and, with three levels, the belief x2 about their volatility.
    Continuous inputs: x1 follows the input, x2 is its volatility and, with three levels, x3 that of x2.

    Parameters
    ----------
    levels : {2, 3}
        Levels, the input counted as the first of binary ones.
    inputs : {"binary", "continuous"}
        Kind of the input.
    source : str, optional
        Covariate that holds the input; None: the activity.
    response : BinaryResponse or GaussianResponse, optional
        How beliefs become responses.
    learn : tuple of str
        Parameters ``node.parameter`` that are learnt, under weak priors about their defaults; others are fixed.
    **settings
        Hyperparameters of `PredictiveCodingNetwork`, and values or priors as ``x1_tonic_volatility=-3.0``.

    Returns
    -------
    PredictiveCodingNetwork
        The network.

    Raises
    ------
    ModelError
        If a level, kind or parameter is unknown.

    References
    ----------
    Mathys et al. (2011), Frontiers in Human Neuroscience 5, doi:10.3389/fnhum.2011.00039.

    Examples
    --------
    >>> [node.name for node in HGF(3).nodes]
    ['u', 'x1', 'x2']
    """
    if levels not in (2, 3) or isinstance(levels, bool):
        raise ModelError(f"HGF: levels is {levels!r}; choose 2 or 3, or build a PredictiveCodingNetwork.")
    if inputs not in ("binary", "continuous"):
        raise ModelError(f"HGF: inputs is {inputs!r}; choose binary or continuous.")
    depth = levels - 1 if inputs == "binary" else levels
    names = [f"x{level}" for level in range(1, depth + 1)]
    given: dict[str, dict[str, Any]] = {name: {} for name in ("u", *names)}
    if inputs == "continuous":
        for name in names[1:]:
            given[name]["initial_mean"] = 1.0
    for entry in learn:
        node, _, parameter = entry.partition(".")
        if node not in given or parameter not in WEAK:
            raise ModelError(
                f"HGF: there is no parameter {entry!r} to learn; nodes are {', '.join(given)}, parameters "
                f"{', '.join(WEAK)}."
            )
        given[node][parameter] = WEAK[parameter]
    hyper = {}
    for name, value in settings.items():
        node, _, parameter = name.partition("_")
        if node in given and parameter:
            given[node][parameter] = value
        else:
            hyper[name] = value
    nodes: list[Input | Belief] = [Input("u", kind=inputs, source=source, **given["u"])]
    for position, name in enumerate(names):
        below = ("u", *names)[position]
        child = {"value_children": (below,)} if position == 0 else {"volatility_children": (below,)}
        nodes.append(Belief(name, **child, **given[name]))
    return PredictiveCodingNetwork(nodes=tuple(nodes), response=response, **hyper)


WEAK = {
    "tonic_volatility": Normal(-4.0, 3.0),
    "tonic_drift": Normal(0.0, 1.0),
    "autoconnection": Normal(1.0, 0.3),
    "initial_mean": Normal(0.0, 2.0),
    "initial_precision": LogNormal(1.0, 1.5),
    "value_coupling": Normal(1.0, 0.5),
    "volatility_coupling": Normal(1.0, 0.5),
    "precision": LogNormal(10.0, 2.0),
}
