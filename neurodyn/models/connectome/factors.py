"""Components of a recording of pairs, labelled."""

from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference.factorise.streaming import fit_blocks
from neurodyn.inference.factorise.sweeps import SQUARES
from neurodyn.models.connectome.layout import CLOCKS, Laid, lay, trial_labels
from neurodyn.models.connectome.learning import Components, learn
from neurodyn.models.connectome.measures import Affinity, ConcurrentChange
from neurodyn.models.connectome.streams import Blocks
from neurodyn.recording import check


def factorise(
    recording: xr.Dataset,
    rank: int,
    *,
    key: Any,
    clock: str = "shared",
    loss: str = SQUARES,
    measure: Affinity | None = None,
    restarts: int = 5,
    shrinkage: float = 0.0,
    sparsity: float = 0.0,
    smoothness: float = 0.0,
    max_sweeps: int = 500,
    tolerance: float = 1e-6,
    progress: Any = None,
) -> xr.Dataset:
    r"""Non-negative components of who changes together with whom, when, and in which animal.

    .. math:: a_{tap} \approx \sum_r w_r \, c_{tr} \, s_{ar} \, f_{pr} \quad \text{or} \quad
        a_{tap} \approx \sum_r w_r \, c_{tar} \, f_{pr}

    with bins t, animals a and pairs p: the first where the animals follow one clock (a stimulus protocol), the second where
    each has its own. Entries that are NaN are left out.

    Parameters
    ----------
    recording : xr.Dataset
        A recording of pairs (see `affinity`), animals as trials. Or one of units, animals end to end or alone: its
        affinities are then made block by block and never held at once; ``clock`` must be "own", or there must be one animal.
    rank : int
        Number of components.
    key : int or jax.Array
        Draws the starts.
    clock : {"shared", "own"}
        Whether bin t is the same moment in all animals.
    loss : {"squares", "poisson"}
        Least squares, or Kullback-Leibler.
    measure : ConcurrentChange or another measure, optional
        How affinities are made from a recording of units.
    restarts : int
        Starts; the best on the training data is kept. One where affinities are made on the fly.
    shrinkage : float
        As in `DynamicConnectome`; 0, as here by default, is the plain fit. Not with affinities made on the fly.
    sparsity, smoothness : float
        Strength of an l1 penalty on the pairs and of squared differences of the courses over time; other factors then have a
        ridge of the larger of the two. Not with affinities made on the fly.
    max_sweeps : int
        Most sweeps over all factors.
    tolerance : float
        Least relative gain of a sweep.
    progress : object, optional
        Has a method ``update(fraction, text)``.

    Returns
    -------
    xr.Dataset
        ``weight (component)``, ``pair (unit, component)`` with coordinates ``source`` and ``target``, ``course`` on
        ``([trial,] time, component)``, ``animal (trial, component)`` under a shared clock, ``agreement (component)``: mean
        congruence with the other restarts. Columns have length 1. What was never observed is NaN. Attributes ``clock``,
        ``loss``, ``objective``, ``converged``.

    Raises
    ------
    RecordingError
        If an affinity is negative, labels are not distinct, or the units of the recording are not pairs.
    ModelError
        If a setting is out of range, or nothing was observed.

    References
    ----------
    .. [1] Dyballa, L., Lang, S., Haslund-Gourley, A., Yemini, E. & Zucker, S. W. (2024). Learning dynamic representations of
       the functional connectome in neurobiological networks. ICLR. doi:10.48550/arXiv.2402.14102

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.connectome import affinity, factorise
    >>> bursts = np.random.default_rng(0).normal(size=(200, 2)).cumsum(axis=0)
    >>> traces = recording.make(np.repeat(bursts, 3, axis=1), sampling_interval=0.5, unit=list("abcdef"))
    >>> found = factorise(affinity(traces), 2, key=0)
    >>> group = found["pair"].idxmax("component").to_series()
    >>> bool(group["a--b"] == group["b--c"] != group["d--e"])
    True
    """
    if clock not in CLOCKS:
        raise ModelError(f"clock is {clock!r}; choose 'shared' or 'own'.")
    recording = check(recording)
    options = {"loss": loss, "max_sweeps": max_sweeps, "tolerance": tolerance, "progress": progress}
    if "source" in recording["activity"].coords:
        laid = lay(recording)
        found = learn(
            laid.values,
            laid.mask,
            rank,
            clock=clock,
            key=key,
            restarts=restarts,
            shrinkage=shrinkage,
            sparsity=sparsity,
            smoothness=smoothness,
            **options,
        )
        return labelled(recording, laid, found, clock=clock, loss=loss)
    if shrinkage or sparsity or smoothness:
        raise ModelError(
            "shrinkage, sparsity and smoothness need the affinities in memory; make them with affinity() first."
        )
    if clock == "shared" and recording.sizes.get("trial", 1) > 1:
        raise ModelError(
            "affinities made on the fly serve animals with clocks of their own; make them with affinity() first, or pass "
            "clock='own'."
        )
    return _streamed(recording, measure or ConcurrentChange(), rank, key, options)


def labelled(recording: xr.Dataset, laid: Laid, found: Components, *, clock: str, loss: str) -> xr.Dataset:
    """Components with the labels of the recording they were learnt from."""
    back = np.argsort(laid.order)
    activity = recording["activity"]
    coords: dict[str, Any] = {
        name: activity.coords[name]
        for name in ("unit", "source", "target", "sign", "time")
        if name in activity.coords
    }
    coords["component"] = np.arange(len(found.weight))
    coords["trial"] = laid.trials
    where = {"shared": ("time",), "own": ("trial", "time")}[clock]
    variables = {
        "weight": ("component", found.weight),
        "pair": (("unit", "component"), _known(found.pair, found.pair_seen)[back]),
        "course": ((*where, "component"), _known(found.course, found.course_seen)),
        "agreement": ("component", found.component_agreement),
    }
    if clock == "shared":
        variables["animal"] = (("trial", "component"), _known(found.animal, found.animal_seen))
    attrs = {
        "clock": clock,
        "loss": loss,
        "objective": float(found.objectives[0][-1]),
        "converged": found.converged,
        "sampling_interval": float(recording.attrs.get("sampling_interval", 1.0)),
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def _known(factor: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """A factor with NaN where nothing was observed."""
    return np.where(seen[..., None], factor, np.nan)


def _streamed(recording: xr.Dataset, measure: Affinity, rank: int, key: Any, options: dict) -> xr.Dataset:
    """Components of affinities that are made block by block."""
    blocks = Blocks.of(recording, measure)
    run = fit_blocks(blocks, blocks.count, rank, key=key, **options)
    n_trials = recording.sizes.get("trial", 1)
    rows, pairs = run.seen[0], run.seen[1]
    activity = recording["activity"].transpose(..., "time", "unit")
    if not rows.any():
        raise RecordingError(
            "no two units of the recording are observed in the same bins; there is no affinity."
        )
    labels = {name: ("unit", column) for name, column in blocks.pairs.coords.items()}
    shape = (n_trials, activity.sizes["time"], rank)
    return xr.Dataset(
        {
            "weight": ("component", run.weights),
            "pair": (("unit", "component"), _known(run.factors[1], pairs)),
            "course": (("trial", "time", "component"), _known(run.factors[0], rows).reshape(shape)),
            "agreement": ("component", np.full(rank, np.nan)),
        },
        coords={
            **labels,
            "time": recording["time"].values,
            "trial": trial_labels(recording),
            "component": np.arange(rank),
        },
        attrs={
            "clock": "own",
            "loss": options["loss"],
            "objective": float(run.objective[-1]),
            "converged": run.converged,
            "sampling_interval": float(recording.attrs["sampling_interval"]),
        },
    )
