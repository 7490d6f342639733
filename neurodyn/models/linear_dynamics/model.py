"""Poisson linear dynamical systems: hyperparameters."""

import dataclasses
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from scipy.special import gammaln

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference.linear_dynamics.learning import Data, choose_latents, fit_system
from neurodyn.inference.linear_dynamics.parameters import Parameters
from neurodyn.inference.population.smoothing import time_functions
from neurodyn.models.base import Model, Trace
from neurodyn.models.baselines.common import positive_number, unit_parameters, whole_number
from neurodyn.models.linear_dynamics.fit import PoissonLDSFit
from neurodyn.recording import arrays

CANDIDATES = (2, 4, 8, 12, 16)
UNIT_GROUPS = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoissonLDS(Model):
    r"""Poisson linear dynamical system: counts of a few latents that follow linear dynamics.

    .. math::

        z_1 \sim N(m_0, Q_0), \qquad z_t = A z_{t-1} + B \phi(t) + \epsilon_t, \quad \epsilon_t \sim N(0, Q), \qquad
        x_{tn} \sim \mathrm{Poisson}(e^{c_n^T z_t + d_n})

    with counts per bin x, and :math:`\phi(t) = 1` or, with `time_basis`, splines of the time since the trial's start,
    the same for all trials. Trials are independent and begin from one learnt distribution. Fitted by
    expectation-maximisation with the Gaussian posterior that bounds the evidence of each trial best (all covariances
    of its latents free); every third step is extrapolated. The objective is that bound plus weak priors.

    A missing count says nothing of the latents. `inputs` of `fit` is not used, because training feeds no entry to its
    own prediction: the loadings of held-out units are learnt together with the others, and predictions follow from
    what is given. Mode ``all`` smooths over the trial; ``present`` and ``past`` filter bin by bin, and so never look
    ahead. Predictions average the rate over the latents' uncertainty, and are kept below a unit's largest training
    count plus one. Bins after the longest training trial are driven as its last one.

    Parameters
    ----------
    n_latents : int, optional
        Number of latents D; None chooses among 2, 4, 8, 12 and 16 on hidden units of held-out training trials: the
        smallest that is worse than the best by no more than a standard error.
    time_basis : int, optional
        Number of splines of time that drive the latents, 2 or more; None: a constant.
    loading_precision : float
        Precision of the Gaussian prior on the loadings of latents of about unit variance: 10 allows log rates a
        standard deviation of some 0.3 from each latent, more where spikes are many.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.
    RecordingError
        By `fit`, if there is a time basis but there are not two trials with an observed entry.

    See Also
    --------
    neurodyn.models.baselines.SmoothedPoisson : regression on smoothed counts, without latents.
    neurodyn.models.HMM : latents with discrete states.

    Notes
    -----
    Options of `fit`: ``max_iterations`` (100), ``tolerance`` (1e-5 nats per bin), ``progress``. With more than 512
    trials the climb begins on 256 of them. Where counts are few, expectation-maximisation is slow: a hundred steps
    may not be enough, and choosing the number of latents takes as long as the fit or longer. Arithmetic of single
    trials is in single precision, that of parameters in double. Memory: about five times trials x bins x latents x
    latents numbers.

    References
    ----------
    Macke, J. H., Buesing, L., Cunningham, J. P., Yu, B. M., Shenoy, K. V. & Sahani, M. (2011). Empirical models of
    spiking in neural populations. Advances in Neural Information Processing Systems 24.
    Khan, M. E. & Lin, W. (2017). Conjugate-computation variational inference: converting variational inference in
    non-conjugate models to inferences in conjugate models. International Conference on Artificial Intelligence and
    Statistics. doi:10.48550/arXiv.1703.04265
    Varadhan, R. & Roland, C. (2008). Simple and globally convergent methods for accelerating the convergence of any
    EM algorithm. Scandinavian Journal of Statistics 35, 335-353. doi:10.1111/j.1467-9469.2007.00585.x

    Examples
    --------
    >>> import numpy as np
    >>> import neurodyn
    >>> rate = np.exp(np.sin(np.arange(50) / 6 + np.arange(20)[:, None]))[..., None]
    >>> counts = np.random.default_rng(0).poisson(rate * np.ones(8))
    >>> recording = neurodyn.recording.make(counts, sampling_interval=0.02, kind="count")
    >>> fit = neurodyn.models.PoissonLDS(n_latents=2).fit(recording, key=0, max_iterations=10)
    >>> fit.infer(recording)["mean"].shape
    (20, 50, 2)
    """

    name: ClassVar[str] = "poisson_lds"
    kinds: ClassVar[frozenset[str]] = frozenset({"count"})
    citations: ClassVar[tuple[str, ...]] = ("macke2011", "khan2017", "varadhan2008")
    fit_options: ClassVar[Mapping[str, Any]] = {"max_iterations": 100, "tolerance": 1e-5, "progress": None}
    fit_type: ClassVar[type[PoissonLDSFit]] = PoissonLDSFit

    n_latents: int | None = None
    time_basis: int | None = None
    loading_precision: float = 10.0

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        if self.n_latents is not None:
            whole_number(self.name, "n_latents", self.n_latents, 1)
        if self.time_basis is not None:
            whole_number(self.name, "time_basis", self.time_basis, 2)
        positive_number(self.name, "loading_precision", self.loading_precision)

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: unbounded."""
        return -1

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Choose the number of latents, then climb."""
        del inputs, key
        whole_number(self.name, "max_iterations", options["max_iterations"], 1)
        positive_number(self.name, "tolerance", options["tolerance"])
        data, known = self._data(recording)
        candidates = tuple(d for d in CANDIDATES if d < data.values.shape[2]) or (1,)
        candidates = candidates if self.n_latents is None else (int(self.n_latents),)
        settings = {"loading": float(self.loading_precision), "tolerance": float(options["tolerance"])}
        groups = _unit_groups(recording["unit"].values[known].tolist())
        n_latents, start = choose_latents(data, candidates, groups, **settings)
        progress, most = options["progress"], int(options["max_iterations"])

        def notify(steps: int, value: float) -> None:
            progress.update(steps / most, f"{self.name}: step {steps}, objective {value:.6g}")

        found = fit_system(
            data,
            n_latents,
            **settings,
            max_iterations=most,
            start=start,
            notify=None if progress is None else notify,
        )
        constant = gammaln(np.where(data.observed, data.values, 0.0).astype(np.float64) + 1).sum()
        everyone, ceiling = _with_unknown(found.parameters, data, known)
        parameters = unit_parameters(recording, _labelled(everyone, data.basis, ceiling))
        latents = np.arange(n_latents)
        radius = float(np.abs(np.linalg.eigvals(found.parameters.transition)).max())
        reason = "objective settled" if found.converged else "reached max_iterations"
        trace = Trace(
            objective=np.asarray(found.objective) - constant,
            converged=found.converged,
            reason=f"{reason}, {n_latents} latents, spectral radius {radius:.4f}",
        )
        return PoissonLDSFit(
            model=self,
            parameters=parameters.assign_coords(latent=latents, latent_before=latents),
            trace=trace,
        )

    def _data(self, recording: xr.Dataset) -> tuple[Data, np.ndarray]:
        """Units and trials with an observed entry, up to the last observed bin; and which units these are."""
        values, mask = arrays(recording, np.float32)
        seen, bins = mask.any((1, 2)), 1 + int(np.flatnonzero(mask.any((0, 2))).max(initial=0))
        known = np.asarray(mask.any((0, 1)))
        if self.time_basis is not None and seen.sum() < 2:
            raise RecordingError(
                f"{self.name} with a time basis needs 2 trials or more with observed entries, but there is "
                f"{int(seen.sum())}; cut the recording into trials with neurodyn.recording.cut_trials, or leave "
                "time_basis out."
            )
        if self.n_latents is not None and self.n_latents > max(known.sum(), 1):
            raise ModelError(
                f"{self.name}: n_latents is {self.n_latents}, but the recording has {known.sum()} units with "
                "observed entries; it must be no more."
            )
        basis = np.ones((bins, 1)) if self.time_basis is None else time_functions(bins, self.time_basis)
        return Data(values[seen, :bins][..., known], mask[seen, :bins][..., known], basis), known


def _unit_groups(labels: list[Any]) -> np.ndarray:
    """Group of every unit, drawn by its label: the order of the units does not matter."""
    drawn = [(zlib.crc32(str(label).encode()), str(label)) for label in labels]
    order = sorted(range(len(labels)), key=drawn.__getitem__)
    return np.argsort(order) % UNIT_GROUPS


def _with_unknown(parameters: Parameters, data: Data, known: np.ndarray) -> tuple[Parameters, np.ndarray]:
    """Parameters and largest rates of all units: those never observed have the population's mean and no loadings."""
    count = max(int(data.observed.sum()), 1)
    values = np.where(data.observed, data.values, 0).astype(np.float64)
    weight = np.zeros((len(known), parameters.weight.shape[1]))
    offset = np.full(len(known), np.log(max(values.sum() / count, 0.1 / count)))
    ceiling = np.full(len(known), values.max(initial=0) + 1.0)
    weight[known], offset[known], ceiling[known] = (
        parameters.weight,
        parameters.offset,
        values.max((0, 1)) + 1.0,
    )
    return parameters._replace(weight=weight, offset=offset), ceiling


def _labelled(parameters: Parameters, basis: np.ndarray, ceiling: np.ndarray) -> dict[str, Any]:
    """Learnt arrays with their dimensions."""
    square = ("latent", "latent_before")
    return {
        "transition": (square, parameters.transition),
        "drive": (("latent", "function"), parameters.drive),
        "noise": (square, parameters.noise),
        "initial_mean": ("latent", parameters.initial_mean),
        "initial_covariance": (square, parameters.initial_covariance),
        "loadings": (("unit", "latent"), parameters.weight),
        "offset": ("unit", parameters.offset),
        "time_function": (("bin", "function"), basis),
        "ceiling": ("unit", ceiling),
    }
