"""Dynamic functional connectomes behind the verbs: hyperparameters."""

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NeurodynWarning
from neurodyn.inference.factorise.courses import Habits, autocorrelation
from neurodyn.inference.factorise.sweeps import POISSON, SQUARES
from neurodyn.models.base import Model, Trace
from neurodyn.models.baselines.common import one_of, unit_kinds, whole_number
from neurodyn.models.connectome.factors import labelled
from neurodyn.models.connectome.fit import DynamicConnectomeFit
from neurodyn.models.connectome.layout import CLOCKS, Laid, lay
from neurodyn.models.connectome.learning import SHRINKAGE, Components, learn

UNKNOWN = ("raise", "prior")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DynamicConnectome(Model):
    r"""Non-negative components of the affinities of pairs: who changes together with whom, when, and in which animal.

    .. math:: a_{tap} \approx \sum_r w_r \, c_{tr} \, s_{ar} \, f_{pr} \quad \text{(clock "shared")}, \qquad
        a_{tap} \approx \sum_r w_r \, c_{tar} \, f_{pr} \quad \text{(clock "own")}

    with bins t, animals (trials) a and pairs p (units of the recording, made by
    `neurodyn.models.connectome.affinity`). Pairs f belong to the model. Courses c are inferred from what is given, bin by
    bin, as the most probable under a Gaussian with the training courses' mean and variance; where nothing is given, and of
    the future, they are the best linear prediction from the nearest bins that are, with the training courses'
    autocorrelation. Under a shared clock the courses of training bins belong to the model too, and loadings s of an animal
    are learnt by `adapt`.

    Parameters
    ----------
    rank : int
        Number of components.
    clock : {"shared", "own"}
        Whether bin t is the same moment in all animals: a stimulus protocol; not behaviour at will.
    loss : {"squares", "poisson"}
        Least squares, or Kullback-Leibler, whose errors grow with the affinity.
    shrinkage : float
        A ridge on all factors that weighs as much as this share of the bins, all of them zeros. Without it, pairs seen in
        few bins get loadings that are too large.
    sparsity, smoothness : float
        Strength of an l1 penalty on pairs, and of squared differences of courses in training; other factors then have a
        ridge of the larger of the two.
    unknown : {"raise", "prior"}
        What `predict` does under a shared clock with an animal it does not know: refuse it, or give it the mean loadings.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range; by `fit`, if the rank is above the number of pairs or bins observed.
    RecordingError
        By `fit`, if an affinity is negative.

    See Also
    --------
    neurodyn.models.connectome.factorise : the same components as a labelled dataset, also out of memory.
    neurodyn.validation.holdout.of_pairs : holds out entries of the traces that affinities are made of.

    Notes
    -----
    Options of `fit`: ``restarts`` (5), ``max_sweeps`` (500), ``tolerance`` (1e-6 of the objective a sweep), ``progress``.
    A model of two factors (own clocks) is unique only where pairs and bins with few components exist; how much restarts
    agree says whether it is here. A pair that was never observed gets the mean loadings of those that were. Memory: about
    four times trials x bins x pairs numbers.

    References
    ----------
    Dyballa, L., Lang, S., Haslund-Gourley, A., Yemini, E. & Zucker, S. W. (2024). Learning dynamic representations of the
    functional connectome in neurobiological networks. ICLR. doi:10.48550/arXiv.2402.14102
    Cichocki, A. & Phan, A.-H. (2009). Fast local algorithms for large scale nonnegative matrix and tensor factorizations.
    IEICE Transactions E92-A, 708-721. doi:10.1587/transfun.E92.A.708

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.connectome import DynamicConnectome, affinity
    >>> bursts = np.random.default_rng(0).normal(size=(200, 2)).cumsum(axis=0)
    >>> traces = recording.make(np.repeat(bursts, 3, axis=1), sampling_interval=0.5, unit=list("abcdef"))
    >>> fit = DynamicConnectome(rank=2, clock="own").fit(affinity(traces), key=0)
    >>> fit.infer(affinity(traces))["course"].shape
    (200, 2)
    """

    name: ClassVar[str] = "dynamic_connectome"
    kinds: ClassVar[frozenset[str]] = frozenset({"continuous"})
    citations: ClassVar[tuple[str, ...]] = ("dyballa2024", "cichocki2009")
    fit_options: ClassVar[Mapping[str, Any]] = {
        "restarts": 5,
        "max_sweeps": 500,
        "tolerance": 1e-6,
        "progress": None,
    }

    rank: int
    clock: str = "shared"
    loss: str = SQUARES
    shrinkage: float = SHRINKAGE
    sparsity: float = 0.0
    smoothness: float = 0.0
    unknown: str = "raise"

    def __post_init__(self) -> None:
        whole_number(self.name, "rank", self.rank, 1)
        one_of(self.name, "clock", self.clock, CLOCKS)
        one_of(self.name, "loss", self.loss, (SQUARES, POISSON))
        one_of(self.name, "unknown", self.unknown, UNKNOWN)
        for name in ("shrinkage", "sparsity", "smoothness"):
            value = getattr(self, name)
            if not isinstance(value, (int, float, np.number)) or not 0 <= value < np.inf:
                raise ModelError(f"{self.name}: {name} is {value!r}; it must be a finite number, 0 or more.")

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: none."""
        return 0

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Factorise what was observed, and learn what to expect of the courses."""
        del inputs
        laid = lay(recording)
        found = learn(
            laid.values,
            laid.mask,
            self.rank,
            clock=self.clock,
            loss=self.loss,
            key=key,
            shrinkage=self.shrinkage,
            sparsity=self.sparsity,
            smoothness=self.smoothness,
            **options,
        )
        factors = labelled(recording, laid, found, clock=self.clock, loss=self.loss)
        back = np.argsort(laid.order)
        absent = int((~found.pair_seen).sum())
        if absent:
            warnings.warn(
                f"{absent} of {len(found.pair_seen)} pairs were never observed in training; they are given the mean "
                "loadings of the others, and say nothing of their units.",
                NeurodynWarning,
                stacklevel=2,
            )
        pair = np.where(found.pair_seen[:, None], found.pair, found.pair[found.pair_seen].mean(0))
        habits = _habits(laid, found, pair, self)
        time = recording["time"].values
        parameters = factors.assign(
            pair=(("unit", "component"), pair[back]),
            pair_seen=("unit", found.pair_seen[back]),
            course_mean=("component", habits.mean),
            course_variance=("component", habits.variance),
            autocorrelation=(("lag", "component"), habits.autocorrelation),
            noise=habits.noise,
        ).assign_coords(kind=("unit", unit_kinds(recording)))
        parameters.attrs = {}
        parameters["course"].attrs = {
            "origin": float(time[0]),
            "interval": float(recording.attrs.get("sampling_interval", 1.0)),
        }
        trace = Trace(
            objective=-np.asarray(found.objectives[0], float),
            converged=found.converged,
            reason="objective settled" if found.converged else "reached max_sweeps",
            restarts=-np.array([one[-1] for one in found.objectives], float),
            agreement=float(found.agreement.mean()) if len(found.agreement) else float("nan"),
        )
        return DynamicConnectomeFit(model=self, parameters=parameters, trace=trace)


def _habits(laid: Laid, found: Components, pair: np.ndarray, model: DynamicConnectome) -> Habits:
    """Moments of the training courses, and the variance (or dispersion) of entries about the model."""
    shared = model.clock == "shared"
    courses = found.course[None] if shared else found.course
    seen = found.course_seen[None] if shared else found.course_seen
    loadings = found.animal * found.weight if shared else np.broadcast_to(found.weight, found.animal.shape)
    error, entries = 0.0, 0
    for trial, here in enumerate(loadings):
        mean = (courses[0 if shared else trial] * here) @ pair.T
        square = np.square(laid.values[trial] - mean)
        if model.loss == POISSON:
            square /= np.maximum(mean, 1e-3 * max(float(mean.mean()), np.finfo(float).tiny))
        error += float(square[laid.mask[trial]].sum())
        entries += int(laid.mask[trial].sum())
    mean = courses[seen].mean(0)
    # A strength that hardly varied in training may vary now; nothing is known to be impossible.
    variance = np.maximum(
        np.square(courses[seen] - mean).mean(0), 1e-6 * max(float(np.square(mean).max()), 1e-30)
    )
    noise = max(error / max(entries, 1), 1e-12 * max(float(np.square(laid.values).mean()), 1e-30))
    return Habits(mean, variance, noise, autocorrelation(courses, seen))


DynamicConnectome.fit_type = DynamicConnectomeFit
