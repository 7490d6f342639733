"""What figures of a dynamic connectome need of a fit or of factors: who, when, in which animal, in readable units."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.base import Fit
from neurodyn.models.connectome.fit import DynamicConnectomeFit
from neurodyn.models.connectome.measures import SIGNS
from neurodyn.report import views

NEEDED = ("weight", "pair", "course")


@dataclasses.dataclass(frozen=True, eq=False)
class ConnectomeView:
    """Components in units that can be read: their product is the affinity that the model gives a pair.

    Parameters
    ----------
    share : np.ndarray
        Of every pair in the strongest one of its component, ``(component, pair)``, 0 to 1; NaN where a pair was never
        observed.
    course : np.ndarray
        Affinity that a component gives its strongest pair, mean over animals where they share a clock,
        ``(trial, time, component)``; one trial under a shared clock; NaN where nothing was observed.
    animal : np.ndarray
        Strength of every component in every animal over its mean, ``(trial, component)``: its loadings under a shared clock,
        else the mean of its course.
    first, second : np.ndarray of int
        Nodes of every pair.
    nodes : np.ndarray of str
        In the order in which pairs name them.
    time : np.ndarray
        Seconds.
    trials : np.ndarray of str
        Animals.
    components : np.ndarray
        Labels of the components.
    agreement : np.ndarray
        Mean congruence with the other restarts, ``(component,)``; NaN where it is not known.
    total : np.ndarray
        Share of the affinities of the model that is the component's, ``(component,)``.
    shared : bool
        Whether the animals share a clock.
    interval : float
        Bin, seconds.
    """

    share: np.ndarray
    course: np.ndarray
    animal: np.ndarray
    first: np.ndarray
    second: np.ndarray
    nodes: np.ndarray
    time: np.ndarray
    trials: np.ndarray
    components: np.ndarray
    agreement: np.ndarray
    total: np.ndarray
    shared: bool
    interval: float

    def place(self, component: Any) -> int:
        """Position of a component by its label.

        Raises
        ------
        ModelError
            If there is none.
        """
        known = self.components.tolist()
        if component not in known:
            raise ModelError(f"there is no component {component!r}; there are {', '.join(map(str, known))}.")
        return known.index(component)

    def matrix(self, place: int) -> np.ndarray:
        """Shares of a component's pairs, symmetric ``(node, node)``; NaN on the diagonal and where not observed."""
        found = np.full((len(self.nodes), len(self.nodes)), np.nan)
        found[self.first, self.second] = self.share[place]
        found[self.second, self.first] = self.share[place]
        return found

    def strength(self, place: int) -> np.ndarray:
        """Mean share of every node's pairs that were observed, ``(node,)``; NaN of a node without any."""
        matrix = self.matrix(place)
        known = np.isfinite(matrix)
        count = known.sum(1)
        total = np.where(known, matrix, 0.0).sum(1)
        return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def is_connectome(fit: Fit) -> bool:
    """Whether a fit is that of a dynamic connectome.

    Parameters
    ----------
    fit : Fit
        Any.

    Returns
    -------
    bool
        Of a pipeline, whether its last fit is.
    """
    return isinstance(views.last(fit), DynamicConnectomeFit)


def connectome_view(source: Any) -> ConnectomeView:
    """Components of a fit, or of what `neurodyn.models.connectome.factorise` found.

    Parameters
    ----------
    source : Fit or xr.Dataset
        A fit of a `neurodyn.models.DynamicConnectome`, or factors.

    Returns
    -------
    ConnectomeView
        In readable units.

    Raises
    ------
    NotApplicable
        If it is neither, or its units are not pairs.
    """
    if isinstance(source, Fit) and is_connectome(source):
        held = views.last(source)
        factors, shared = held.parameters, held.model.clock == "shared"  # type: ignore[attr-defined]
        interval = float(factors["course"].attrs["interval"])
    elif isinstance(source, xr.Dataset) and all(name in source for name in NEEDED):
        factors, shared = source, "animal" in source
        interval = float(source.attrs.get("sampling_interval", 1.0))
    else:
        what = f"a fit of {source.model.name}" if isinstance(source, Fit) else type(source).__name__
        raise NotApplicable(
            f"{what} holds no components of pairs; give a fit of DynamicConnectome, or what "
            "neurodyn.models.connectome.factorise returns."
        )
    if "source" not in factors.coords or "target" not in factors.coords:
        raise NotApplicable(
            "the units that were factorised are not pairs: they have no coordinates source and target; make pairs with "
            "neurodyn.models.connectome.affinity."
        )
    return _view(factors, shared, interval)


def _view(factors: xr.Dataset, shared: bool, interval: float) -> ConnectomeView:
    """Scales moved from the factors to where they can be read; of two channels, the one of pairs that go together."""
    if "sign" in factors.coords:
        factors = factors.isel(unit=factors["sign"].values == SIGNS[0])
    pair = factors["pair"].transpose("component", "unit").values.astype(float)
    if "pair_seen" in factors:
        pair = np.where(factors["pair_seen"].values, pair, np.nan)
    course = factors["course"].transpose(..., "time", "component").values.astype(float)
    course = course[None] if course.ndim == 2 else course
    weight = factors["weight"].values.astype(float)
    if shared:
        loadings = factors["animal"].transpose("trial", "component").values.astype(float)
        size = _mean(loadings, 0)
        relative = loadings / np.where(size > 0, size, 1.0)
    else:
        size = np.ones(len(weight))
        relative = np.stack([_mean(one, 0) for one in course])
        typical = _mean(relative, 0)
        relative = relative / np.where(typical > 0, typical, 1.0)
    peak = np.array([row[np.isfinite(row)].max(initial=0.0) for row in pair])
    shown = course * weight * size * peak
    share = pair / np.where(peak > 0, peak, 1.0)[:, None]
    per = np.nansum(shown, axis=(0, 1)) * np.nansum(share, axis=1)
    ends = [factors[name].values.astype(str) for name in ("source", "target")]
    nodes = np.array(list(dict.fromkeys(np.stack(ends, axis=1).ravel().tolist())))
    number = {name: at for at, name in enumerate(nodes.tolist())}
    first, second = (np.array([number[name] for name in names.tolist()]) for names in ends)
    return ConnectomeView(
        share=share,
        course=shown,
        animal=relative,
        first=first,
        second=second,
        nodes=nodes,
        time=factors["time"].values.astype(float),
        trials=factors["trial"].values.astype(str),
        components=factors["component"].values,
        agreement=factors["agreement"].values.astype(float),
        total=per / max(float(per.sum()), np.finfo(float).tiny),
        shared=shared,
        interval=interval,
    )


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of what is finite, NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis)
    total = np.where(known, values, 0.0).sum(axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def groups_of(groups: Any, nodes: np.ndarray) -> np.ndarray:
    """Group of every node as text.

    Parameters
    ----------
    groups : xr.DataArray, mapping or sequence
        On ``node`` or ``unit`` with labels; by name; or one for every node, in the order in which pairs name them.
    nodes : np.ndarray of str
        Nodes.

    Returns
    -------
    np.ndarray of str
        ``(node,)``.

    Raises
    ------
    ModelError
        If a node has no group.
    """
    if isinstance(groups, xr.DataArray) and groups.ndim == 1 and groups.dims[0] in groups.coords:
        labels = groups[groups.dims[0]].values.astype(str).tolist()
        groups = dict(zip(labels, groups.values.tolist(), strict=True))
    if isinstance(groups, Mapping):
        known = {str(name): group for name, group in groups.items()}
        lost = [name for name in nodes.tolist() if name not in known]
        if lost:
            raise ModelError(
                f"groups has none for the node {lost[0]!r}; give one for each of {len(nodes)} nodes."
            )
        return np.array([str(known[name]) for name in nodes.tolist()])
    found = np.asarray(groups)
    if found.shape != nodes.shape:
        raise ModelError(
            f"groups has shape {found.shape}; give one group for each of the {len(nodes)} nodes, such as one level of "
            "communities."
        )
    return found.astype(str)


def node_order(matrix: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Order of nodes in which those of one group, or without groups similar ones, stand together; the strongest first.

    Parameters
    ----------
    matrix : np.ndarray
        Shares, symmetric ``(node, node)``; NaN counts as 0.
    groups : np.ndarray of str, optional
        Group of every node.

    Returns
    -------
    np.ndarray of int
        Groups by the mean strength of their nodes, nodes within them by strength; without groups the leaves of a tree
        (average linkage), of every two branches the one of stronger nodes first.
    """
    values = np.nan_to_num(matrix)
    strength = values.sum(1)
    if groups is None:
        return _leaves(np.sqrt(values), strength)
    mean = {name: -float(strength[groups == name].mean()) for name in np.unique(groups).tolist()}
    return np.array(sorted(range(len(groups)), key=lambda at: (mean[groups[at]], groups[at], -strength[at])))


def _leaves(likeness: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Leaves of the tree of average linkage, of every two branches the one of stronger nodes first."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    branches = [[at] for at in range(len(likeness))]
    if len(branches) > 1:
        distance = max(float(likeness.max()), 1e-12) - likeness
        np.fill_diagonal(distance, 0.0)
        for one, other in linkage(squareform(distance, checks=False), method="average")[:, :2].astype(int):
            pair = sorted((branches[one], branches[other]), key=lambda branch: -strength[branch].mean())
            branches.append(pair[0] + pair[1])
    return np.array(branches[-1])


class Behaviour(NamedTuple):
    """What is shown beside courses.

    Attributes
    ----------
    values : np.ndarray
        ``(trial, time)``, NaN where it is not known.
    events : bool
        Whether it is 0 or 1.
    name : str
        What it is called.
    """

    values: np.ndarray
    events: bool
    name: str


def behaviour_of(behaviour: Any, view: ConnectomeView) -> Behaviour | None:
    """Behaviour in the order of the courses.

    Parameters
    ----------
    behaviour : xr.DataArray, optional
        ``([trial,] time)``, or with one ``covariate`` more; boolean, or 0 and 1, for events.
    view : ConnectomeView
        What it is shown beside.

    Returns
    -------
    Behaviour or None
        None where there is none.

    Raises
    ------
    ModelError
        If it has other bins or animals, or several covariates.
    """
    if behaviour is None:
        return None
    if not isinstance(behaviour, xr.DataArray):
        raise ModelError(f"behaviour is a {type(behaviour).__name__}; give a DataArray on ([trial,] time).")
    name = "" if behaviour.name in (None, "covariates") else str(behaviour.name)
    if "covariate" in behaviour.dims:
        if behaviour.sizes["covariate"] != 1:
            known = ", ".join(map(str, behaviour["covariate"].values[:6]))
            raise ModelError(
                f"behaviour has {behaviour.sizes['covariate']} covariates ({known}, ...); choose one with "
                "behaviour.sel(covariate=...)."
            )
        behaviour = behaviour.isel(covariate=0)
    if not name:
        name = str(behaviour["covariate"].values) if "covariate" in behaviour.coords else "behaviour"
    dims = [dim for dim in ("trial", "time") if dim in behaviour.dims]
    if "time" not in dims or set(behaviour.dims) - set(dims):
        raise ModelError(f"behaviour is on {tuple(map(str, behaviour.dims))}; give it on ([trial,] time).")
    if "trial" in dims and "trial" in behaviour.coords and not view.shared:
        labels = behaviour["trial"].values.astype(str).tolist()
        if set(view.trials.tolist()) <= set(labels):
            behaviour = behaviour.isel(trial=[labels.index(label) for label in view.trials.tolist()])
    values = behaviour.transpose(*dims).values.astype(float)
    values = values if "trial" in dims else values[None]
    events = bool(np.isin(values[np.isfinite(values)], (0.0, 1.0)).all())
    if view.shared and len(values) > 1:
        name = f"{name}, share of animals" if events else f"{name}, mean over animals"
        values, events = _mean(values, 0)[None], False
    if values.shape[1] != view.course.shape[1] or len(values) not in (1, len(view.course)):
        raise ModelError(
            f"behaviour has {len(values)} trials of {values.shape[1]} bins; the courses have {len(view.course)} of "
            f"{view.course.shape[1]}."
        )
    return Behaviour(np.broadcast_to(values, view.course.shape[:2]), events, name)
