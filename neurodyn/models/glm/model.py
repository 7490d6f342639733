"""Generalised linear models: hyperparameters, and how they are fitted."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference.bases import Basis, Exponential
from neurodyn.inference.em import TransitionPrior
from neurodyn.inference.glm.design import Weights
from neurodyn.inference.glm.families import Family, GaussianFamily
from neurodyn.inference.glm.fitting import Outcome, Setup, fit_all
from neurodyn.inference.glm.hyper import Shape
from neurodyn.inference.glm.penalty import allowed_features
from neurodyn.inference.glm.priors import CouplingPrior, GaussianPrior, OneHotPrior, Ridge
from neurodyn.inference.glm.switching import Parameters, Settings
from neurodyn.inference.random import key_words
from neurodyn.models.base import Fit, Model, Trace
from neurodyn.models.glm import checks
from neurodyn.models.glm.fit import GLMFit, SwitchingGLMFit
from neurodyn.models.glm.problem import (
    OBSERVATIONS,
    Grid,
    Problem,
    family_for,
    from_dataset,
    grid_of,
    kernels_of,
    problem_of,
    reference_moments,
    regressors_of,
    to_dataset,
)

SHARING = ("shared", "state")
OPTIONS: Mapping[str, Any] = {
    "restarts": 4,
    "initialisation": "scores",
    "start_parameters": None,
    "max_iterations": 200,
    "tolerance": 1e-6,
    "progress": None,
    "checkpoint": None,
    "checkpoint_seconds": 60.0,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoupledModel(Model):
    """What a generalised linear model of one state and of several have in common."""

    kinds: ClassVar[frozenset[str]] = frozenset({"count", "binary", "continuous"})
    fit_options: ClassVar[Mapping[str, Any]] = OPTIONS

    coupling: Basis | None = dataclasses.field(default_factory=Exponential)
    history: Basis | str | None = "coupling"
    covariates: tuple[str, ...] = ()
    observation: str = "auto"
    link: str = "softplus"
    ceiling: float | None = None

    def _check(self) -> None:
        """Refuse hyperparameters out of range."""
        name = self.name
        if self.coupling is not None and not isinstance(self.coupling, Basis):
            raise ModelError(f"{name}: coupling is {self.coupling!r}; give a basis of neurodyn.inference.bases, or None.")
        if not (self.history is None or self.history == "coupling" or isinstance(self.history, Basis)):
            raise ModelError(
                f"{name}: history is {self.history!r}; give a basis, None, or 'coupling' for the basis of the coupling."
            )
        if isinstance(self.covariates, str):
            raise ModelError(f"{name}: covariates is {self.covariates!r}; give a tuple of covariate names.")
        object.__setattr__(self, "covariates", tuple(self.covariates))
        if self.observation not in OBSERVATIONS:
            raise ModelError(
                f"{name}: observation is {self.observation!r}; choose one of {', '.join(OBSERVATIONS)}."
            )
        if self.observation != "auto" or self.ceiling is not None or self.link != "softplus":
            from neurodyn.models.glm.problem import named_family

            named_family("poisson" if self.observation == "auto" else self.observation, self.link, self.ceiling)

    @property
    def _states(self) -> int:
        """Number of states."""
        return 1

    @property
    @abc.abstractmethod
    def _prior(self) -> CouplingPrior:
        """Prior on the couplings."""

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs."""
        kernel, own = kernels_of(self.coupling, self.history)
        return max(len(kernel), len(own))

    def _chain_prior(self) -> TransitionPrior:
        """Prior on the chain."""
        return TransitionPrior()

    def _tied(self, n_covariates: int, n_coupling: int) -> np.ndarray:
        """1 for shared features with one weight for all states."""
        return np.zeros(n_coupling + n_covariates + 1)

    def _fit(
        self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: jax.Array, options: dict[str, Any]
    ) -> Fit:
        """Newton's method, inside expectation-maximisation where there are states."""
        checks.check_options(self.name, options)
        family = family_for(self.observation, self.link, self.ceiling, recording)
        reference = reference_moments(recording, family)
        grid = grid_of(recording, self.covariates, family, reference, inputs)
        if not grid.mask.any():
            raise RecordingError("activity is NaN everywhere, so there is nothing to fit; unhide some entries.")
        checks.check_values(self.name, grid, family, recording)
        scale = checks.covariate_scale(grid)
        grid = dataclasses.replace(grid, covariates=(grid.covariates / scale).astype(grid.values.dtype))
        kernel, own_kernel = kernels_of(self.coupling, self.history)
        silent = ~grid.known.any(axis=(0, 1))
        problem = problem_of(grid, kernel, own_kernel, silent, strip=True)
        checks.warn_before(self, grid, problem, recording)
        setup = self._setup(problem, family, grid)
        given = self._given(options["start_parameters"], recording, scale, grid)
        seed = key_words(key)[-1] % (2**31 - 64)
        outcome = fit_all(
            seed,
            setup,
            self._settings(options),
            restarts=int(options["restarts"]),
            initialisation=str(options["initialisation"]),
            given=given,
        )
        return self._finish(outcome, setup, problem, recording, scale, reference, family, given is None)

    def _settings(self, options: dict[str, Any]) -> Settings:
        """Stopping rule, with progress told by iteration."""
        progress, most = options["progress"], int(options["max_iterations"])
        report = None
        if progress is not None:

            def report(iteration: int) -> None:
                progress.update(min(iteration / most, 1.0), f"EM iteration {iteration}")

        return Settings(
            max_iterations=most,
            tolerance=float(options["tolerance"]),
            report=report,
        )

    def _setup(self, problem: Problem, family: Family, grid: Grid) -> Setup:
        """What stays the same during the fit."""
        dtype = grid.values.dtype
        n_units, n_functions = grid.values.shape[2], problem.kernel.shape[1]
        n_covariates = grid.covariates.shape[2]
        allowed = allowed_features(
            n_units,
            n_functions,
            n_covariates,
            self_coupling=self.history == "coupling",
            silent=problem.silent,
        )
        own = np.ones((problem.own_kernel.shape[1], n_units)) * ~problem.silent
        tied = self._tied(n_covariates, n_functions * n_units)
        wide = Weights(
            jnp.asarray(np.repeat(allowed[:, None], self._states, axis=1), dtype),
            jnp.asarray(np.repeat(own[:, None], self._states, axis=1), dtype),
        )
        shape = Shape(
            n_functions,
            n_units,
            n_covariates,
            wide,
            Weights(jnp.asarray(tied[:, None, None], dtype), jnp.zeros((len(own), 1, 1), dtype)),
            grid.mask.sum(axis=(0, 1)).astype(float),
        )
        count = np.maximum(grid.mask.sum(axis=(0, 1)), 1)
        mean = np.where(grid.mask, grid.values, 0).sum(axis=(0, 1), dtype=float) / count
        scale = np.maximum(family.first_scale(grid.values, grid.mask), 1e-6)
        if isinstance(family, GaussianFamily):
            level = mean
        else:
            seen = np.clip(mean, 0.5 / count, np.inf)
            level = family.predictor_of(seen, scale)
        incomplete = problem.incomplete()

        def design_of(parameters: Parameters | None):
            values = regressors_of(problem.grid, problem.silent, parameters, problem.kernels, family, mean)
            return problem.design(values, self._states)

        return Setup(
            design_of,
            incomplete,
            problem.chain,
            problem.since,
            problem.layout.valid,
            family,
            self._prior,
            self._chain_prior(),
            shape,
            self._states,
            scale,
            level,
        )

    def _given(
        self, start: Any, recording: xr.Dataset, scale: np.ndarray, grid: Grid
    ) -> Parameters | None:
        """Parameters the user gave, as a Dataset or a fit, with covariates in working units."""
        if start is None:
            return None
        data = start.parameters if isinstance(start, Fit) else start
        if not isinstance(data, xr.Dataset):
            raise ModelError(
                f"start_parameters is a {type(start).__name__}; give a Dataset as in the parameters of a fit, or a fit."
            )
        needed = ["initial", "transition", "bias"]
        needed += ["weight"] * (self.coupling is not None)
        needed += ["history_weight"] * isinstance(self.history, Basis)
        needed += ["covariate_weight"] * bool(self.covariates)
        missing = [name for name in needed if name not in data]
        if missing:
            raise ModelError(f"start_parameters lacks {missing[0]!r}; it needs {', '.join(needed)}.")
        if data.sizes["state"] != self._states:
            raise ModelError(f"start_parameters has {data.sizes['state']} states, the model {self._states}.")
        labels = recording["unit"].values
        order = {name: labels for name in ("unit", "target", "source") if name in data.coords}
        data = data.sel(order) if order else data
        if self.covariates:
            weight = data["covariate_weight"]
            if "covariate" in weight.coords:
                weight = weight.sel(covariate=list(self.covariates))
            data = data.assign(covariate_weight=weight.transpose(..., "covariate") * scale)
        if "scale" not in data:
            data = data.assign(scale=("unit", np.ones(len(labels))))
        return from_dataset(data, grid.values.dtype)

    def _finish(
        self,
        outcome: Outcome,
        setup: Setup,
        problem: Problem,
        recording: xr.Dataset,
        scale: np.ndarray,
        reference: tuple[np.ndarray, np.ndarray] | None,
        family: Family,
        reorder: bool,
    ) -> Fit:
        """Label what was learnt, states ordered by their share of time, and say what went wrong."""
        best = outcome.best
        if best.failed and not best.objective:
            raise ModelError(f"{self.name}: {best.failed}; look for extreme values, or use a stronger prior.")
        if best.interrupted and not best.objective:
            raise KeyboardInterrupt
        parameters = best.parameters._replace(
            weights=outcome.prior.sparsified(best.parameters.weights)
        )
        share = np.asarray(best.posterior, float)[problem.layout.valid].sum(axis=0)
        order = np.argsort(-share, kind="stable") if reorder else np.arange(self._states)
        checks.warn_after(self, parameters, share, outcome, problem, recording, family)
        weights = jax.tree.map(lambda leaf: leaf[:, order], parameters.weights)
        parameters = Parameters(
            parameters.initial[order], parameters.transition[order][:, order], weights, parameters.scale
        )
        data = to_dataset(
            parameters, recording, self.coupling, self.history, self.covariates, scale
        )
        if outcome.one_hot is not None:
            names = ["inhibitory", "none", "excitatory"]
            data["connectome"] = (("target", "source", "category"), outcome.one_hot.connectome)
            chance = outcome.one_hot.chance[order]
            data["connection_probability"] = (("state", "target", "source", "category"), chance)
            data = data.assign_coords(category=names)
        for name in ("deviation", "mean_deviation"):
            learnt = getattr(outcome.prior, name)
            if learnt is not None and isinstance(self._prior, (GaussianPrior, OneHotPrior)):
                data[f"prior_{name}"] = ((), float(learnt))
        if reference is not None:
            data["reference_mean"], data["reference_deviation"] = ("unit", reference[0]), ("unit", reference[1])
        n_trials = int(problem.grid.mask.any(axis=(1, 2)).sum())
        data["trial_start"] = ((), np.int8(self._from_initial(n_trials)))
        objective = np.asarray(best.objective) + float(problem_offset(problem, family))
        model = dataclasses.replace(self, observation=family.name)
        runs = outcome.runs
        trace = Trace(
            objective=objective,
            converged=best.converged and not best.interrupted,
            reason=checks.reason(best),
            restarts=np.array([run.objective[-1] if run.objective else np.nan for run in runs])
            + float(problem_offset(problem, family)),
            agreement=checks.agreement(best, runs, problem.layout.valid),
        )
        return self.fit_type(model=model, parameters=data, trace=trace)

    def _from_initial(self, n_trials: int) -> bool:
        """Whether recordings begin from the learnt initial distribution."""
        return True


def problem_offset(problem: Problem, family: Family) -> float:
    """What of the log-likelihood depends on the data alone."""
    layout = problem.layout
    return float(np.where(layout.mask, family.data_terms(np.where(layout.mask, layout.values, 0)), 0).sum())


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
    observation : {"auto", "poisson", "negative_binomial", "bernoulli", "gaussian"}
        Observation model; ``"auto"`` goes by the kind of the units.
    link : {"softplus", "exp", "scaled_sigmoid"}
        Inverse link of counts.
    ceiling : float, optional
        Largest rate of the scaled sigmoid, in counts per bin; default each unit's largest count plus one.
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
    Options of `fit`: ``max_iterations`` (200), ``tolerance`` (1e-6 nats per bin, two steps in a row),
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
    coupling, history, covariates, observation, link, ceiling
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
            raise ModelError(f"sticky is {self.sticky!r}; it must be a finite number of pseudo-counts, 0 or more.")
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
