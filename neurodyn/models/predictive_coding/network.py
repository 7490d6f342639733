"""Predictive-coding networks: hyperparameters, and how they are fitted."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference.predictive_coding.posteriors import ORDERS
from neurodyn.models.base import Fit, Model, Trace
from neurodyn.models.predictive_coding import learning
from neurodyn.models.predictive_coding.fit import PredictiveCodingFit
from neurodyn.models.predictive_coding.given import given_fit, unit_kinds
from neurodyn.models.predictive_coding.graphs import graph_of, network_of
from neurodyn.models.predictive_coding.layout import Told, places_of, told_of
from neurodyn.models.predictive_coding.plans import (
    INPUTS,
    PARTS,
    AnyInput,
    Part,
    Plan,
    plan_of,
)
from neurodyn.models.predictive_coding.responses import RESPONSES, BinaryResponse, Response

if TYPE_CHECKING:
    import networkx

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
    nodes : tuple of Input, GaussianInput, BetaInput, SwitchingInput, Belief and VolatileBelief
        The network, part by part.
    response : BinaryResponse, SoftmaxResponse, GaussianResponse or CustomResponse, optional
        How beliefs become responses; None: the inputs themselves are explained.
    update : {"ehgf", "standard", "unbounded"}
        Order of updates of nodes that set a volatility.
    pooling : {"none", "partial"}
        Whether the priors' means and deviations are learnt from all participants (empirical Bayes, Laplace
        approximation), the given priors being where they start and what they are drawn to.
    unknown : {"raise", "prior"}
        For a participant not in training: an error that names `adapt`, or the population's centre.
    scaled_inputs : bool
        Whether the prediction of a continuous input is multiplied by the time elapsed, as the equations of inner nodes
        have it read to the letter.

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
    kinds: ClassVar[frozenset[str]] = frozenset({"binary", "continuous", "categorical"})
    citations: ClassVar[tuple[str, ...]] = ("mathys2014", "legrand2024")
    fit_options: ClassVar[Mapping[str, Any]] = {"restarts": 4, "max_iterations": 12}
    fit_type: ClassVar[type[PredictiveCodingFit]] = PredictiveCodingFit

    nodes: tuple[Part, ...]
    response: Response | None = None
    update: str = "ehgf"
    pooling: str = "none"
    unknown: str = "raise"
    scaled_inputs: bool = False

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        object.__setattr__(self, "nodes", tuple(self.nodes))
        for node in self.nodes:
            if not isinstance(node, PARTS):
                raise ModelError(
                    f"predictive_coding: {node!r} is no node; give {', '.join(one.__name__ for one in PARTS)}."
                )
        if self.response is not None and not isinstance(self.response, RESPONSES):
            raise ModelError(
                f"predictive_coding: response is {self.response!r}; give "
                f"{', '.join(one.__name__ for one in RESPONSES)} or None."
            )
        for name, allowed in (("update", ORDERS), ("pooling", POOLING), ("unknown", UNKNOWN)):
            value = getattr(self, name)
            if value not in allowed:
                raise ModelError(
                    f"predictive_coding: {name} is {value!r}; choose one of {', '.join(allowed)}."
                )
        plan = self.plan()
        names = plan.task.structure.names
        for node in () if self.response is None else self.response.nodes:
            if node not in names:
                raise ModelError(
                    f"the response follows the node {node!r}, which does not exist; nodes are {', '.join(names)}."
                )
        if isinstance(self.response, BinaryResponse) and self.inputs[0].kind == "continuous":
            raise ModelError("a BinaryResponse needs a binary input first; choose another response or input.")

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: all."""
        return -1

    @property
    def inputs(self) -> list[AnyInput]:
        """The inputs, in order."""
        return [node for node in self.nodes if isinstance(node, INPUTS)]

    def plan(self) -> Plan:
        """Structure and places of the parameters.

        Returns
        -------
        Plan
            The network on bare arrays.
        """
        return plan_of(self.nodes, self.response, self.update, self.scaled_inputs)

    def graph(self) -> "networkx.DiGraph":
        """The network as a graph, from parents to children.

        Returns
        -------
        networkx.DiGraph
            Nodes have a ``kind`` (of an input, or ``"belief"``), a ``level`` (0 of inputs, of beliefs one above the highest
            child) and ``parameters`` (numbers and priors by name); edges a ``coupling`` (``"value"``, ``"volatility"`` or
            ``"both"``) and a ``function``. The attribute ``settings`` of the graph holds the other hyperparameters.

        Raises
        ------
        ModelError
            If a belief names its value and volatility children in contradictory orders.

        Examples
        --------
        >>> from neurodyn.models.predictive_coding import HGF
        >>> HGF(3).graph().edges["x2", "x1"]
        {'coupling': 'volatility', 'function': None}
        """
        return graph_of(self)

    @classmethod
    def from_graph(cls, graph: "networkx.DiGraph", **settings: Any) -> "PredictiveCodingNetwork":
        """The network that a graph draws.

        Parameters
        ----------
        graph : networkx.DiGraph
            Nodes with a ``kind`` of `Input` are inputs, others beliefs; their further attributes are parameters. Edges
            lead from parents to children and have a ``coupling``: ``"value"``, ``"volatility"`` or ``"both"``.
        **settings
            Hyperparameters other than the nodes, in place of those that the graph holds.

        Returns
        -------
        PredictiveCodingNetwork
            The network.

        Raises
        ------
        ModelError
            If a kind, attribute, coupling or setting is unknown, or the graph is no network.

        Examples
        --------
        >>> import networkx
        >>> from neurodyn.models.predictive_coding import Normal
        >>> graph = networkx.DiGraph([("x1", "u", {"coupling": "value"})])
        >>> graph.nodes["u"]["kind"] = "binary"
        >>> graph.nodes["x1"]["tonic_volatility"] = Normal(-4.0, 2.0)
        >>> PredictiveCodingNetwork.from_graph(graph).plan().names
        ('x1.tonic_volatility',)
        """
        return network_of(cls, graph, settings)

    def input_units(self, units: Iterable[object]) -> list[int]:
        """The input that every unit of a recording holds, where there is no response.

        Parameters
        ----------
        units : iterable
            Labels of the units.

        Returns
        -------
        list of int
            Places among the inputs.
        """
        labels = [str(unit) for unit in units]
        places = places_of(self.inputs, labels, False, self.name).tolist()
        return [places.index(unit) for unit in range(len(labels))]

    def at(
        self,
        values: Mapping[str, Any],
        *,
        recording: xr.Dataset | None = None,
        participants: Iterable[object] | None = None,
        unit: Iterable[object] | None = None,
    ) -> PredictiveCodingFit:
        """Participants with given parameters, nothing fitted: for simulations, predictions and tests.

        Parameters
        ----------
        values : mapping of str to float or (participant,)
            Learnt parameters by name (``x1.tonic_volatility``, ``response.inverse_temperature``), in their own units.
        recording : xr.Dataset, optional
            What the fit is to be used on: participants and units have its labels.
        participants : iterable, optional
            Labels; by default counted from 0.
        unit : iterable, optional
            Labels of the units; by default the names of the inputs, or ``response``.

        Returns
        -------
        PredictiveCodingFit
            With `log_evidence` 0 and without uncertainty.

        Raises
        ------
        ModelError
            If a parameter is missing, unknown, out of range, the numbers of participants differ, or labels are given
            beside the recording that has them.
        RecordingError
            If inputs or responses of the recording do not fit the network.

        Examples
        --------
        >>> from neurodyn.models.predictive_coding import HGF
        >>> fit = HGF(2).at({"x1.tonic_volatility": [-4.0, -2.0]})
        >>> fit.simulate(50, key=0, n_trials=2)["activity"].shape
        (2, 50, 1)
        """
        return given_fit(self, values, recording, participants, unit)

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
        told = told_of(self.inputs, recording, self.response, self.name)
        kinds = recording["kind"].values.astype(str)
        wanted = unit_kinds(self)
        if self.response is None and wanted != ["categorical"]:
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
            shown = told.behaviour
            behaviour = behaviour._replace(
                known=shown.known, previous=shown.previous, regressors=shown.regressors
            )
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
