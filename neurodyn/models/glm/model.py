"""Generalised linear models: hyperparameters."""

import dataclasses
from typing import ClassVar

import numpy as np

from neurodyn.errors import ModelError
from neurodyn.inference.bases import Basis
from neurodyn.inference.em import TransitionPrior
from neurodyn.inference.glm.priors import CouplingPrior, GaussianPrior, OneHotPrior, Ridge
from neurodyn.models.glm.coupled import CoupledModel
from neurodyn.models.glm.fit import GLMFit, SwitchingGLMFit

SHARING = ("shared", "state")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GLM(CoupledModel):
    """Generalised linear model of a population: history, coupling between units, covariates.

    .. math::

        x_{tn} \\sim p(\\cdot \\mid u_{tn}), \\qquad
        u_{tn} = b_n + \\sum_{m,b} w_{n \\leftarrow m, b}\\, h_{t,mb} + v_n^T c_t, \\qquad
        h_{t,mb} = \\sum_{k=1}^{K} \\phi_b(k)\\, x_{t-k,m}

    Every unit of a recording is a target. Before a trial's first bin the history is zero; a missing value counts as
    no target, and in the histories the model's own predicted rate stands for it (likelihoods that use it are marked
    ``estimate``). Continuous values are standardised with the training moments first.

    Parameters
    ----------
    coupling : Basis or None
        Basis functions of the coupling, of `neurodyn.inference.bases`, lags in bins; None: no coupling.
    history : Basis, "coupling" or None
        Basis functions of a unit's own history; ``"coupling"`` takes those of the coupling, None leaves it out.
    covariates : tuple of str
        Covariates of the recording that enter. One available only after the response counts from the next bin on.
    covariate_deviation : float, optional
        Standard deviation of a Gaussian prior about zero on the covariates' weights, for covariates with a root mean
        square of one, and, where every state has a bias of its own, on the bias about the unit's overall level. It
        keeps states that few trials decide from weights without bounds; None: no prior.
    observation : {"auto", "poisson", "negative_binomial", "bernoulli", "categorical", "gaussian"}
        Observation model; ``"auto"`` goes by the kind of the units.
    link : {"softplus", "exp", "scaled_sigmoid"}
        Inverse link of counts.
    ceiling : float, optional
        Largest rate of the scaled sigmoid, in counts per bin; default each unit's largest count plus one.
    missing : {"mean_field", "paths"}
        What stands for missing regressors in `predict`: the model's own predicted rate, or simulated paths of what is
        missing, over which predictions of mode ``"past"`` and ``"present"`` are averaged (200 paths; needs a key).
        Likelihoods, and predictions from both sides, take the predicted rate in any case.
    prior : CouplingPrior
        On coupling and history: `Ridge`, `GroupLasso` or `GaussianPrior` of `neurodyn.inference.glm.priors`.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    See Also
    --------
    neurodyn.models.SwitchingGLM : couplings that change with a hidden state.

    Notes
    -----
    Options of `fit`: ``max_iterations`` (200), ``tolerance`` (1e-6 nats per bin; with states twice in a row),
    ``start_parameters`` (a Dataset as in the fit's ``parameters``), ``progress``; ``restarts`` and
    ``initialisation`` have no effect with one state.

    References
    ----------
    Truccolo et al. (2005), Journal of Neurophysiology 93, doi:10.1152/jn.00697.2004. Pillow et al. (2008), Nature
    454, doi:10.1038/nature07140.

    Examples
    --------
    >>> import numpy as np
    >>> import neurodyn
    >>> counts = np.random.default_rng(0).poisson(0.5, size=(400, 3))
    >>> recording = neurodyn.recording.make(counts, sampling_interval=0.01, kind="count")
    >>> fit = neurodyn.models.GLM().fit(recording, key=0)
    >>> fit.parameters["weight"].dims
    ('state', 'target', 'source', 'basis')
    """

    name: ClassVar[str] = "glm"
    citations: ClassVar[tuple[str, ...]] = ("truccolo2005", "pillow2008")
    fit_type: ClassVar[type[GLMFit]] = GLMFit

    prior: CouplingPrior = dataclasses.field(default_factory=lambda: Ridge(1e-3))

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        self._check()
        if not isinstance(self.prior, CouplingPrior) or isinstance(self.prior, OneHotPrior):
            raise ModelError(
                f"glm: prior is {self.prior!r}; give Ridge, GroupLasso or GaussianPrior (a one-hot prior needs states)."
            )

    @property
    def _prior(self) -> CouplingPrior:
        """Prior on the couplings."""
        return self.prior


@dataclasses.dataclass(frozen=True, kw_only=True)
class SwitchingGLM(CoupledModel):
    """Generalised linear model whose couplings change with the state of a hidden Markov chain.

    .. math::

        z_{t+1} \\mid z_t \\sim A_{z_t \\cdot}, \\qquad x_{tn} \\mid z_t = s \\sim p(\\cdot \\mid u_{tn}^s), \\qquad
        u_{tn}^s = b_n + \\sum_{m,b} w_{s,n \\leftarrow m,b}\\, h_{t,mb} + v_{sn}^T c_t

    Histories, missing values and standardisation are those of `GLM`, which this equals with one state. Without
    coupling and history it is an HMM with rates driven by covariates; with a binary choice and covariates the
    GLM-HMM of choice behaviour.

    Parameters
    ----------
    n_states : int
        Number of states S, 1 or more.
    coupling, history, covariates, covariate_deviation, observation, link, ceiling, missing
        As in `GLM`.
    prior : CouplingPrior
        On coupling and history: `GaussianPrior` (default: the states' networks scatter about their mean),
        `OneHotPrior` (drawn from one learnt connectome), `Ridge` or `GroupLasso` of `neurodyn.inference.glm.priors`.
    bias : {"auto", "shared", "state"}
        Whether a unit's bias is one for all states; ``"auto"``: shared where there is coupling.
    covariate_weights : {"state", "shared"}
        Whether covariates act differently in every state.
    sticky, concentration, start
        As in `HMM`: pseudo-counts of staying, Dirichlet concentration, and where a recording begins.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    See Also
    --------
    neurodyn.models.HMM : states without couplings.

    Notes
    -----
    Options of `fit` are those of `GLM`, and ``restarts`` (4): starts from k-means on the scores of a pooled model
    summed over windows of 20, 10, 40 and 5 bins, of which the two leading after 12 iterations are finished;
    ``initialisation="random"`` begins from the pooled model with disturbed weights instead.

    Memory, in numbers: the recording three times, bins x states x units once (curvatures), the features (bins x
    (functions x units + covariates)) only where they are fewer than 2^26. A step costs about (6 + 4 CG steps) x
    bins x features x units x states operations.

    References
    ----------
    Li et al. (2024), International Conference on Learning Representations, arXiv:2310.15263. Escola et al. (2011),
    Neural Computation 23, doi:10.1162/NECO_a_00118. Choices: Ashwood et al. (2022), Nature Neuroscience 25,
    doi:10.1038/s41593-021-01007-z.

    Examples
    --------
    >>> import numpy as np
    >>> import neurodyn
    >>> counts = np.random.default_rng(0).poisson(0.5, size=(400, 3))
    >>> recording = neurodyn.recording.make(counts, sampling_interval=0.01, kind="count")
    >>> fit = neurodyn.models.SwitchingGLM(n_states=2).fit(recording, key=0, restarts=1)
    >>> fit.infer(recording)["state_probability"].shape
    (400, 2)
    """

    name: ClassVar[str] = "switching_glm"
    citations: ClassVar[tuple[str, ...]] = ("li2024", "escola2011", "ashwood2022")
    fit_type: ClassVar[type[SwitchingGLMFit]] = SwitchingGLMFit

    n_states: int
    prior: CouplingPrior = dataclasses.field(default_factory=GaussianPrior)
    bias: str = "auto"
    covariate_weights: str = "state"
    sticky: float = 0.0
    concentration: float = 1.5
    start: str = "auto"

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        self._check()
        if (
            isinstance(self.n_states, bool)
            or not isinstance(self.n_states, (int, np.integer))
            or self.n_states < 1
        ):
            raise ModelError(f"n_states is {self.n_states!r}; it must be a whole number, 1 or more.")
        if not isinstance(self.prior, CouplingPrior):
            raise ModelError(
                f"switching_glm: prior is {self.prior!r}; give Ridge, GroupLasso, GaussianPrior or OneHotPrior."
            )
        if isinstance(self.prior, OneHotPrior) and (self.coupling is None or isinstance(self.history, Basis)):
            raise ModelError(
                "switching_glm: a one-hot prior needs coupling, with history='coupling' or None; set these, or choose "
                "GaussianPrior."
            )
        for name, value, allowed in (
            ("bias", self.bias, ("auto", *SHARING)),
            ("covariate_weights", self.covariate_weights, SHARING),
            ("start", self.start, ("auto", "trial", "stationary")),
        ):
            if value not in allowed:
                raise ModelError(f"switching_glm: {name} is {value!r}; choose one of {', '.join(allowed)}.")
        if not (np.isfinite(self.sticky) and self.sticky >= 0):
            raise ModelError(
                f"sticky is {self.sticky!r}; it must be a finite number of pseudo-counts, 0 or more."
            )
        if not (np.isfinite(self.concentration) and self.concentration >= 1):
            raise ModelError(f"concentration is {self.concentration!r}; it must be finite and 1 or more.")

    @property
    def _states(self) -> int:
        """Number of states."""
        return int(self.n_states)

    @property
    def _prior(self) -> CouplingPrior:
        """Prior on the couplings."""
        return self.prior

    def _chain_prior(self) -> TransitionPrior:
        """Prior on the chain."""
        return TransitionPrior(concentration=float(self.concentration), sticky=float(self.sticky))

    def _tied(self, n_covariates: int, n_coupling: int) -> np.ndarray:
        """1 for shared features with one weight for all states."""
        tied = np.zeros(n_coupling + n_covariates + 1)
        tied[-1] = self.bias == "shared" or (self.bias == "auto" and self.coupling is not None)
        tied[n_coupling:-1] = self.covariate_weights == "shared"
        return tied

    def _from_initial(self, n_trials: int) -> bool:
        """Whether recordings begin from the learnt initial distribution."""
        return self.start == "trial" or (self.start == "auto" and n_trials >= 2)
