"""What generalised linear models of one state and of several have in common: how they are fitted."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.__about__ import __version__
from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference.bases import Basis, Exponential
from neurodyn.inference.em import TransitionPrior
from neurodyn.inference.glm.categorical import CategoricalFamily
from neurodyn.inference.glm.checkpoints import Store, digest
from neurodyn.inference.glm.design import Weights
from neurodyn.inference.glm.families import Family, GaussianFamily
from neurodyn.inference.glm.fitting import fit_all
from neurodyn.inference.glm.hyper import Shape
from neurodyn.inference.glm.penalty import allowed_features
from neurodyn.inference.glm.priors import CouplingPrior, GaussianPrior, OneHotPrior
from neurodyn.inference.glm.stages import Outcome, Setup
from neurodyn.inference.glm.switching import Parameters, Settings
from neurodyn.inference.random import key_words
from neurodyn.models.base import Fit, Model, Trace
from neurodyn.models.glm import checks
from neurodyn.models.glm.problem import (
    OBSERVATIONS,
    Grid,
    Problem,
    family_for,
    from_dataset,
    grid_of,
    kernels_of,
    named_family,
    problem_of,
    reference_moments,
    regressors_of,
    to_dataset,
)

MISSING = ("mean_field", "paths")
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

    kinds: ClassVar[frozenset[str]] = frozenset({"count", "binary", "categorical", "continuous"})
    fit_options: ClassVar[Mapping[str, Any]] = OPTIONS

    coupling: Basis | None = dataclasses.field(default_factory=Exponential)
    history: Basis | str | None = "coupling"
    covariates: tuple[str, ...] = ()
    covariate_deviation: float | None = None
    observation: str = "auto"
    link: str = "softplus"
    ceiling: float | None = None
    missing: str = "mean_field"

    def _check(self) -> None:
        """Refuse hyperparameters out of range."""
        name = self.name
        if self.coupling is not None and not isinstance(self.coupling, Basis):
            raise ModelError(
                f"{name}: coupling is {self.coupling!r}; give a basis of neurodyn.inference.bases, or None."
            )
        if not (self.history is None or self.history == "coupling" or isinstance(self.history, Basis)):
            raise ModelError(
                f"{name}: history is {self.history!r}; give a basis, None, or 'coupling' for the basis of the coupling."
            )
        if isinstance(self.covariates, str):
            raise ModelError(f"{name}: covariates is {self.covariates!r}; give a tuple of covariate names.")
        object.__setattr__(self, "covariates", tuple(self.covariates))
        spread = self.covariate_deviation
        if spread is not None and not (np.isfinite(spread) and spread > 0):
            raise ModelError(
                f"{name}: covariate_deviation is {spread!r}; it must be a finite number above 0, or None."
            )
        if self.observation not in OBSERVATIONS:
            raise ModelError(
                f"{name}: observation is {self.observation!r}; choose one of {', '.join(OBSERVATIONS)}."
            )
        if self.missing not in MISSING:
            raise ModelError(f"{name}: missing is {self.missing!r}; choose one of {', '.join(MISSING)}.")
        if self.observation != "auto" or self.ceiling is not None or self.link != "softplus":
            named_family(
                "poisson" if self.observation == "auto" else self.observation, self.link, self.ceiling
            )

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
        checks.check_prior(self.name, self._prior, self.history)
        family = family_for(self.observation, self.link, self.ceiling, recording)
        reference = reference_moments(recording, family)
        grid = grid_of(recording, self.covariates, family, reference, inputs)
        if not grid.mask.any():
            raise RecordingError(
                "activity is NaN everywhere, so there is nothing to fit; unhide some entries."
            )
        checks.check_values(self.name, grid, family, recording)
        scale = checks.covariate_scale(grid)
        grid = dataclasses.replace(grid, covariates=(grid.covariates / scale).astype(grid.values.dtype))
        kernel, own_kernel = kernels_of(self.coupling, self.history)
        kernel = self._first_kernel(options["start_parameters"], kernel)
        silent = np.logical_not(np.any(grid.known, axis=(0, 1)))
        problem = problem_of(grid, kernel, own_kernel, silent, strip=True)
        checks.warn_before(self, grid, problem, recording, family)
        setup = self._setup(problem, family, grid)
        given = self._given(options["start_parameters"], recording, scale, grid)
        seed = key_words(key)[-1] % (2**31 - 64)
        settings = self._settings(
            options, (repr(self), repr(family), seed, grid.values, grid.mask, grid.known, grid.covariates)
        )
        outcome = fit_all(
            seed,
            setup,
            settings,
            restarts=int(options["restarts"]),
            initialisation=str(options["initialisation"]),
            given=given,
        )
        if settings.store is not None and not outcome.best.interrupted:
            settings.store.remove()
        return self._finish(outcome, setup, problem, recording, scale, reference, family, given is None)

    def _settings(self, options: dict[str, Any], identity: tuple[Any, ...]) -> Settings:
        """Stopping rule, with progress told by iteration, and the checkpoint of what `identity` determines."""
        progress, most = options["progress"], int(options["max_iterations"])

        def report(iteration: int) -> None:
            progress.update(min(iteration / most, 1.0), f"EM iteration {iteration}")

        store = None
        if options["checkpoint"] is not None:
            also = [options[name] for name in ("restarts", "initialisation", "max_iterations", "tolerance")]
            start = options["start_parameters"]
            data = start.parameters if isinstance(start, Fit) else start
            if isinstance(data, xr.Dataset):
                also += [data[name].values for name in sorted(map(str, data.data_vars))]
            store = Store(
                options["checkpoint"],
                float(options["checkpoint_seconds"]),
                digest(__version__, *identity, *also),
            )
        return Settings(
            store=store,
            max_iterations=most,
            tolerance=float(options["tolerance"]),
            report=None if progress is None else report,
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
            group=family.group,
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
            covariate_deviation=self.covariate_deviation,
        )
        count = np.maximum(grid.mask.sum(axis=(0, 1)), 1)
        mean = np.where(grid.mask, grid.values, 0).sum(axis=(0, 1), dtype=float) / count
        scale = np.maximum(family.first_scale(grid.values, grid.mask), 1e-6)
        if isinstance(family, GaussianFamily):
            level = mean
        else:
            seen = np.clip(mean, 0.5 / count, np.inf)
            level = family.predictor_of(seen, scale)
        shape = dataclasses.replace(shape, level=np.asarray(level, float))
        incomplete = problem.incomplete()

        def design_of(parameters: Parameters | None, shape: np.ndarray):
            changed = dataclasses.replace(problem, kernel=shape)
            values = regressors_of(grid, problem.silent, parameters, changed.kernels, family, mean)
            return changed.design(values, self._states)

        return Setup(
            design_of,
            problem.kernel,
            self.coupling is not None and self.coupling.learnt,
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

    def _first_kernel(self, start: Any, kernel: np.ndarray) -> np.ndarray:
        """Basis functions, a learnt one as given."""
        data = start.parameters if isinstance(start, Fit) else start
        if self.coupling is None or not self.coupling.learnt or not isinstance(data, xr.Dataset):
            return kernel
        found = data["kernel"].values if "kernel" in data else kernel
        if found.shape != kernel.shape:
            raise ModelError(
                f"start_parameters has a kernel of shape {found.shape}; {self.coupling!r} needs {kernel.shape}."
            )
        return found

    def _given(self, start: Any, recording: xr.Dataset, scale: np.ndarray, grid: Grid) -> Parameters | None:
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
        order = order if "channel" not in data.dims else {}
        for name in order:
            unknown = [label for label in labels.tolist() if label not in data[name].values.tolist()]
            if unknown:
                raise ModelError(
                    f"start_parameters has no {name} {unknown[0]!r}, which the recording has; give parameters of "
                    "the same units."
                )
        data = data.sel(order) if order else data
        if self.covariates:
            weight = data["covariate_weight"]
            if "covariate" in weight.coords:
                weight = weight.sel(covariate=list(self.covariates))
            data = data.assign(covariate_weight=weight.transpose(..., "covariate") * scale)
        if "scale" not in data:
            data = data.assign(scale=(data["bias"].dims[-1], np.ones(data["bias"].shape[-1])))
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
        parameters = best.parameters._replace(weights=outcome.prior.sparsified(best.parameters.weights))
        share = np.asarray(best.posterior, float)[problem.layout.valid].sum(axis=0)
        order = np.argsort(-share, kind="stable") if reorder else np.arange(self._states)
        checks.warn_after(self, parameters, share, outcome, problem, recording, family)
        weights = jax.tree.map(lambda leaf: leaf[:, order], parameters.weights)
        parameters = Parameters(
            parameters.initial[order], parameters.transition[order][:, order], weights, parameters.scale
        )
        data = to_dataset(parameters, recording, self.coupling, self.history, self.covariates, scale, family)
        if self.coupling is not None:
            data["kernel"] = (("lag", "basis"), outcome.kernel)
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
            data["reference_mean"], data["reference_deviation"] = (
                ("unit", reference[0]),
                ("unit", reference[1]),
            )
        n_trials = int(problem.grid.mask.any(axis=(1, 2)).sum())
        data["trial_start"] = ((), np.int8(self._from_initial(n_trials)))
        objective = np.asarray(best.objective) + float(problem_offset(problem, family))
        if isinstance(family, CategoricalFamily):
            data["n_categories"] = ((), np.int64(family.n_categories))
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
