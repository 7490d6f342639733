"""State time courses in numbers: occupancy, dwell times, switching rate, transition graph."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurodyn.analysis.sequences import MISSING, codes, inside_trials, runs, step, with_trials
from neurodyn.errors import ModelError

if TYPE_CHECKING:
    import networkx


def state_sequence(probability: xr.DataArray) -> xr.DataArray:
    """Most probable state of each bin on its own.

    .. math:: \\hat z_t = \\arg\\max_k p(z_t = k \\mid x)

    Parameters
    ----------
    probability : xr.DataArray
        State probabilities, dims ``([trial,] time, state)``; NaN = unknown.

    Returns
    -------
    xr.DataArray
        Position of the state, dims ``([trial,] time)``; -1 where the probability is NaN or the trial has
        ended.

    Raises
    ------
    ModelError
        If the dims are others.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> p = xr.DataArray(np.array([[0.9, 0.1], [0.2, 0.8]]), dims=("time", "state"))
    >>> state_sequence(p).values.tolist()
    [0, 1]
    """
    values = with_trials(probability, "state")
    known = values.notnull().all("state").values & inside_trials(values)
    best = np.where(known, np.argmax(np.nan_to_num(values.values, nan=-1.0), axis=-1), MISSING)
    result = probability.isel(state=0, drop=True).copy(data=best if "trial" in probability.dims else best[0])
    return result.rename("state_sequence")


def fractional_occupancy(probability: xr.DataArray, *, by_trial: bool = False) -> xr.DataArray:
    """Fraction of the time spent in each state.

    .. math:: \\mathrm{FO}_k = \\frac{1}{T} \\sum_t p(z_t = k \\mid x)

    Parameters
    ----------
    probability : xr.DataArray
        State probabilities, dims ``([trial,] time, state)``; bins that are NaN, or beyond the ``n_bins`` of
        their trial, are left out.
    by_trial : bool
        One value per trial (participant, run) in place of one over all bins.

    Returns
    -------
    xr.DataArray
        Fractions that sum to 1 over ``state``, dims ``([trial,] state)``; NaN for a trial without a known
        bin.

    Raises
    ------
    ModelError
        If the dims are others, or no bin is known.

    References
    ----------
    Vidaurre, D., Smith, S. M., Woolrich, M. W. (2017). Brain network dynamics are hierarchically organized in
    time. PNAS 114(48). https://doi.org/10.1073/pnas.1705120114

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> p = xr.DataArray(np.array([[1.0, 0.0], [0.5, 0.5]]), dims=("time", "state"))
    >>> fractional_occupancy(p).values.tolist()
    [0.75, 0.25]
    """
    values = with_trials(probability, "state")
    known = values.notnull().all("state").values & inside_trials(values)
    if not known.any():
        raise ModelError("no bin has known state probabilities; infer the states of a recording with data.")
    filled = np.where(known[..., None], values.values, 0.0).astype(np.float64)
    count = known.sum(axis=1)
    coords = {name: c for name, c in values.coords.items() if set(c.dims) <= {"trial", "state"}}
    if by_trial:
        share = np.full((len(count), values.sizes["state"]), np.nan)
        share[count > 0] = filled.sum(axis=1)[count > 0] / count[count > 0, None]
        result = xr.DataArray(share, dims=("trial", "state"), coords=coords, name="fractional_occupancy")
        return result if "trial" in probability.dims else result.isel(trial=0, drop=True)
    coords = {name: c for name, c in coords.items() if set(c.dims) <= {"state"} and name != "trial"}
    return xr.DataArray(
        filled.sum(axis=(0, 1)) / count.sum(), dims=("state",), coords=coords, name="fractional_occupancy"
    )


def dwell_times(path: xr.DataArray, *, sampling_interval: float | None = None) -> xr.Dataset:
    """Every visit to a state: when it began and how long it lasted.

    Parameters
    ----------
    path : xr.DataArray
        State sequence, dims ``([trial,] time)``, whole numbers; NaN, -1 and bins beyond the ``n_bins`` of
        their trial are unknown and end a visit.
    sampling_interval : float, optional
        Seconds per bin; by default the step of ``time``.

    Returns
    -------
    xr.Dataset
        Dim ``visit``: ``state``, ``trial`` (position), ``start`` (bin), ``duration`` (s) and ``complete``:
        False where the visit touches the edge of a trial or an unknown bin, so that it may have lasted
        longer.

    Raises
    ------
    ModelError
        If the sequence is not one of states, or the seconds per bin are unknown.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> path = xr.DataArray(np.array([0, 0, 1, 1, 1, 0]), dims="time")
    >>> dwell_times(path, sampling_interval=0.5)["duration"].values.tolist()
    [1.0, 1.5, 0.5]
    """
    seconds = step(path, sampling_interval)
    rows: dict[str, list[np.ndarray]] = {
        name: [] for name in ("state", "trial", "start", "length", "complete")
    }
    for trial, sequence in enumerate(codes(path)):
        first, length = runs(sequence)
        state = sequence[first]
        unknown = state == MISSING
        free_before = np.concatenate([[True], unknown[:-1]])
        free_after = np.concatenate([unknown[1:], [True]])
        kept = ~unknown
        rows["state"].append(state[kept])
        rows["trial"].append(np.full(kept.sum(), trial))
        rows["start"].append(first[kept])
        rows["length"].append(length[kept])
        rows["complete"].append(~(free_before | free_after)[kept])
    joined = {name: np.concatenate(parts) for name, parts in rows.items()}
    duration = joined.pop("length") * seconds
    visits = xr.Dataset({name: ("visit", values) for name, values in joined.items()})
    visits["duration"] = ("visit", duration, {"units": "s"})
    visits.attrs["sampling_interval"] = seconds
    return visits


def expected_dwell_times(transition: xr.DataArray, sampling_interval: float) -> xr.DataArray:
    """Mean duration of a visit that a Markov chain implies.

    .. math:: \\mathrm{E}[d_k] = \\Delta / (1 - A_{kk})

    Parameters
    ----------
    transition : xr.DataArray
        Transition probabilities, dims ``(state, state_next)``.
    sampling_interval : float
        Seconds per bin.

    Returns
    -------
    xr.DataArray
        Seconds, dims ``(state,)``; infinite for an absorbing state.

    Raises
    ------
    ModelError
        If the matrix is not square.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> a = xr.DataArray(np.array([[0.5, 0.5], [0.1, 0.9]]), dims=("state", "state_next"))
    >>> expected_dwell_times(a, 1.0).round(6).values.tolist()
    [2.0, 10.0]
    """
    values = _square(transition)
    stay = np.diag(values)
    with np.errstate(divide="ignore"):
        seconds = sampling_interval / np.maximum(1.0 - stay, 0.0)
    coords = {"state": transition["state"]} if "state" in transition.coords else {}
    return xr.DataArray(seconds, dims=("state",), coords=coords, name="dwell_time", attrs={"units": "s"})


def switching_rate(path: xr.DataArray, *, sampling_interval: float | None = None) -> xr.DataArray:
    """Changes of state per second, between adjacent known bins.

    Parameters
    ----------
    path : xr.DataArray
        State sequence, dims ``([trial,] time)``; NaN and -1 = unknown.
    sampling_interval : float, optional
        Seconds per bin; by default the step of ``time``.

    Returns
    -------
    xr.DataArray
        Hz, dims ``([trial])``; NaN for a trial without two adjacent known bins.

    Raises
    ------
    ModelError
        If the sequence is not one of states, or the seconds per bin are unknown.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> path = xr.DataArray(np.array([0, 0, 1, 1, 0]), dims="time")
    >>> float(switching_rate(path, sampling_interval=0.5))
    1.0
    """
    seconds = step(path, sampling_interval)
    states = codes(path)
    pairs = (states[:, 1:] != MISSING) & (states[:, :-1] != MISSING)
    changes = (states[:, 1:] != states[:, :-1]) & pairs
    rate = np.full(len(states), np.nan)
    known = pairs.sum(axis=1) > 0
    rate[known] = changes.sum(axis=1)[known] / (pairs.sum(axis=1)[known] * seconds)
    if "trial" not in path.dims:
        return xr.DataArray(rate[0], name="switching_rate", attrs={"units": "Hz"})
    coords = {name: c for name, c in path.coords.items() if c.dims == ("trial",)}
    return xr.DataArray(rate, dims=("trial",), coords=coords, name="switching_rate", attrs={"units": "Hz"})


def transition_graph(
    transition: xr.DataArray, occupancy: xr.DataArray | None = None, *, threshold: float = 0.0
) -> "networkx.DiGraph":
    """Where the chain goes when it leaves a state.

    .. math:: q_{kl} = A_{kl} / (1 - A_{kk}), \\quad l \\ne k

    Parameters
    ----------
    transition : xr.DataArray
        Transition probabilities, dims ``(state, state_next)``.
    occupancy : xr.DataArray, optional
        Fractional occupancy, dims ``(state,)``, stored on the nodes.
    threshold : float
        Edges with a smaller probability on leaving, :math:`q_{kl}`, are left out.

    Returns
    -------
    networkx.DiGraph
        Nodes are state labels with ``stay`` (and ``occupancy``); edges have ``probability`` (per bin) and
        ``weight``, the probability on leaving.

    Raises
    ------
    ModelError
        If the matrix is not square.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> a = xr.DataArray(np.array([[0.5, 0.5], [0.1, 0.9]]), dims=("state", "state_next"))
    >>> transition_graph(a).edges[0, 1]["weight"]
    1.0
    """
    import networkx

    values = _square(transition)
    names = transition["state"].values.tolist() if "state" in transition.coords else list(range(len(values)))
    graph = networkx.DiGraph()
    for k, name in enumerate(names):
        graph.add_node(name, stay=float(values[k, k]))
        if occupancy is not None:
            graph.nodes[name]["occupancy"] = float(occupancy.values[k])
    for k, source in enumerate(names):
        leaving = values[k].sum() - values[k, k]
        for other, target in enumerate(names):
            weight = float(values[k, other] / leaving) if leaving > 0 else 0.0
            if other != k and weight > 0 and weight >= threshold:
                graph.add_edge(source, target, probability=float(values[k, other]), weight=weight)
    return graph


def _square(transition: xr.DataArray) -> np.ndarray:
    """The transition matrix as float64, refusing others."""
    values = np.asarray(transition.values, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ModelError(
            f"the transition matrix has shape {values.shape}; it must be (state, state_next) with as many "
            "rows as "
            "columns (average a time-varying one over time first)."
        )
    return values
