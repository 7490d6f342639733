"""Fitted predictive-coding networks and their verbs."""

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.inference.predictive_coding.responses import CategoryOfInputs, Moment
from neurodyn.inference.predictive_coding.tasks import Behaviour
from neurodyn.inference.random import as_key
from neurodyn.models.base import Fit, Prediction
from neurodyn.models.predictive_coding import learning
from neurodyn.models.predictive_coding.failures import failure_words, remedy
from neurodyn.models.predictive_coding.forecasting import (
    forecasts,
    input_moments,
    replicates,
    response_moments,
)
from neurodyn.models.predictive_coding.layout import Told, padded
from neurodyn.models.predictive_coding.plans import Plan
from neurodyn.models.predictive_coding.posterior import sampled
from neurodyn.models.predictive_coding.simulation import simulated
from neurodyn.models.verbs import HasAdapt, HasInfer, HasLogLikelihood, HasSimulate
from neurodyn.models.warned import warn
from neurodyn.recording import arrays

if TYPE_CHECKING:
    from neurodyn.models.predictive_coding.network import PredictiveCodingNetwork

LOCAL = ("individual", "individual_covariance", "log_evidence")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PredictiveCodingFit(HasLogLikelihood, HasInfer, HasAdapt, HasSimulate):
    """Predictive-coding network with the parameters of its participants.

    ``parameters`` holds ``individual`` (participant, parameter) on the unconstrained scale, its covariance and the Laplace
    approximation of each participant's ``log_evidence``, and the population's moments.

    See Also
    --------
    neurodyn.models.PredictiveCodingNetwork : the model and its hyperparameters.
    """

    model: "PredictiveCodingNetwork"

    def values(self) -> xr.DataArray:
        """Learnt parameters in their own units.

        Returns
        -------
        xr.DataArray
            ``(participant, parameter)``.
        """
        found = self.parameters["individual"].copy(deep=True)
        for number, slot in enumerate(self.model.plan().task.slots):
            if slot.scale == "log":
                found[:, number] = np.exp(found[:, number])
        return found.rename("value")

    def sample(
        self,
        recording: xr.Dataset,
        *,
        key: int | jax.Array,
        n_draws: int = 1000,
        n_warmup: int = 500,
        n_chains: int = 2,
    ) -> xr.Dataset:
        """Draw from posteriors by the no-U-turn sampler: of each participant, or with partial pooling of all at once.

        Parameters
        ----------
        recording : xr.Dataset
            The participants.
        key : int or jax.Array
            Randomness.
        n_draws, n_warmup, n_chains : int
            Draws of a chain, steps before them, and chains; chains begin about the mode.

        Returns
        -------
        xr.Dataset
            ``individual`` (unconstrained) and ``value`` (own units) ``(participant, chain, draw, parameter)``,
            ``scale_reduction`` (above 1.01 chains have not mixed), ``effective_draws``, ``divergent``; with partial
            pooling ``population_mean`` and ``population_deviation``.

        Raises
        ------
        ModelError
            If nothing is learnt, a size is too small, or blackjax is missing (``pip install "neurodyn[bayes]"``).

        References
        ----------
        Hoffman & Gelman (2014), Journal of Machine Learning Research 15, 1593-1623.
        """
        return sampled(self, recording, as_key(key), n_draws, n_warmup, n_chains)

    def _prepared(self, recording: xr.Dataset) -> tuple[Told, Plan, Behaviour, np.ndarray]:
        """The recording as arrays, and the parameters of its participants."""
        told, plan = self.model.told(recording), self.model.plan()
        known = {str(label): i for i, label in enumerate(self.parameters["participant"].values)}
        strange = [label for label in told.labels if label not in known]
        if strange and self.model.unknown == "raise" and plan.names:
            raise ModelError(
                f"the participant {strange[0]!r} was not in the training recording of this predictive_coding fit; learn "
                "its parameters with fit.adapt(recording), or make the model with unknown='prior'."
            )
        individual, mean = self.parameters["individual"].values, self.parameters["population_mean"].values
        rows = [individual[known[label]] if label in known else mean for label in told.labels]
        behaviour, _ = learning.standardised(told.behaviour, self.model.response, self._reference())
        return told, plan, behaviour, np.stack(rows).reshape(len(rows), len(mean))

    def _reference(self) -> tuple[float, float] | None:
        """Moments of measured responses."""
        if "reference_mean" not in self.parameters:
            return None
        return float(self.parameters["reference_mean"]), float(self.parameters["reference_deviation"])

    def _beliefs(self, recording: xr.Dataset) -> tuple[Told, Plan, Behaviour, np.ndarray, np.ndarray, Any]:
        """Beliefs of all participants; an update that fails is named in a warning."""
        told, plan, behaviour, individual = self._prepared(recording)
        terms, found = learning.everyones_beliefs(plan, behaviour, individual)
        bad = np.flatnonzero(found.failure.node >= 0)
        if len(bad):
            failure, structure = jax.tree.map(lambda leaf: leaf[bad[0]], found.failure), plan.task.structure
            words = failure_words(failure, structure, told.labels[bad[0]])
            more = f" (and of {len(bad) - 1} further participants)" if len(bad) > 1 else ""
            warn(f"{words}{more}; {remedy(failure, structure, fitted=True)}.", stacklevel=3)
        return told, plan, behaviour, individual, terms, found

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Log-probability of every response, or of every input given those before it."""
        _, plan, behaviour, individual = self._prepared(recording)
        terms, valid = learning.everyones_terms(plan, behaviour, individual)
        if not valid.all():
            self._beliefs(recording)  # says where
        terms = terms[:, : recording.sizes["time"]]
        reference = self._reference()
        if reference is not None:
            terms = terms - np.where(arrays(recording).mask[..., 0], np.log(reference[1]), 0)
        return terms

    def _predict(
        self, recording: xr.Dataset, *, mode: str, horizon: int, key: jax.Array | None
    ) -> Prediction:
        """Responses, or inputs, as the beliefs before them have it."""
        del key
        told, plan, behaviour, individual, _, found = self._beliefs(recording)
        rule = plan.task.response
        filters = rule is None or isinstance(rule, CategoryOfInputs)
        if mode == "all" and filters:
            raise NotApplicable(
                "a predictive-coding network filters its inputs and does not smooth them; ask for mode='past' or 'present'."
            )
        n_time = recording.sizes["time"]
        expected, previous = found.expected, np.asarray(behaviour.previous)
        regressors = np.asarray(behaviour.regressors)
        if mode == "past" and horizon > 1:
            lagged = np.maximum(np.arange(n_time) - horizon + 1, 0)
            previous = previous[:, lagged]
            if regressors.shape[
                -1
            ]:  # what is measured keeps its last value, what an experimenter sets is known
                names = list(self.model.response.regressors) if self.model.response is not None else []
                roles = recording["covariates"].sel(covariate=names)["role"].values.astype(str)
                regressors = np.where(roles == "measured", regressors[:, lagged], regressors)
            if not told.ahead:
                everyone = self._wide(plan, behaviour, individual, found.posterior)
                expected = forecasts(plan.task, *everyone, horizon)
        if mode == "present" and filters:
            expected = replicates(plan.task, *self._wide(plan, behaviour, individual, found.posterior))
        dtype = recording["activity"].dtype
        expected = jax.tree.map(lambda leaf: np.asarray(leaf)[: len(individual)], expected)
        if rule is None:
            moments = input_moments(plan.task, *self._wide(plan, behaviour, individual, expected))
            order = np.argsort(told.units)[(told.units < 0).sum() :]
            mean, variance = (
                np.asarray(part)[: len(individual), :n_time][..., order].astype(dtype) for part in moments
            )
            return Prediction(mean, variance)
        expected = jax.tree.map(lambda leaf: jnp.asarray(leaf[:, :n_time], behaviour.inputs.dtype), expected)
        moment = Moment(expected, jnp.asarray(previous), jnp.asarray(regressors))
        free = jnp.asarray(individual, behaviour.inputs.dtype)
        mean, variance = (
            np.asarray(part) for part in response_moments(plan.task, free, moment, plan.base, plan.response)
        )
        if rule.kind == "categorical":
            names = self._categories(recording, mean.shape[-1])
            return Prediction(mean[:, :, None].astype(dtype), category=names)
        reference = self._reference()
        if reference is not None:
            mean, variance = reference[0] + reference[1] * mean, reference[1] ** 2 * variance
        return Prediction(mean[..., None].astype(dtype), variance[..., None].astype(dtype))

    def _wide(self, plan: Plan, behaviour: Behaviour, individual: np.ndarray, beliefs: Any) -> tuple:
        """Parameters, data and beliefs of as many participants as compiled functions know."""
        wide = padded(behaviour)
        data = learning.prepared(plan, wide, plan.mean, plan.deviation)[:3]
        extra = len(wide.response) - len(individual)
        free = np.concatenate([individual, np.broadcast_to(plan.mean, (extra, len(plan.mean)))])
        beliefs = jax.tree.map(
            lambda leaf: jnp.pad(jnp.asarray(leaf), ((0, extra), (0, 0), (0, 0)), mode="edge"), beliefs
        )
        return jnp.asarray(free, data[0].inputs.dtype), data, beliefs

    def _categories(self, recording: xr.Dataset, n_options: int) -> tuple[str, ...]:
        """Names of the options."""
        unit = str(recording["unit"].values[0])
        names = recording["activity"].attrs.get("categories", {}).get(unit, ())
        return tuple(names) if len(names) == n_options else tuple(str(k) for k in range(n_options))

    def _infer(self, recording: xr.Dataset) -> xr.Dataset:
        """Beliefs after every trial and predictions before it."""
        _, plan, _, _, _, found = self._beliefs(recording)
        activity = recording["activity"]
        n_time = activity.sizes["time"]
        dims = (*activity.dims[:-1], "node")
        coords = {
            name: coord
            for name, coord in activity.coords.items()
            if set(coord.dims) <= set(activity.dims[:-1])
        }
        tables = {
            "mean": found.posterior.mean,
            "precision": found.posterior.precision,
            "expected_mean": found.expected.mean,
            "expected_precision": found.expected.precision,
        }
        variables = {}
        for name, table in tables.items():
            table = np.asarray(table)[:, :n_time]
            variables[name] = (dims, table if "trial" in activity.dims else table[0])
        result = xr.Dataset(variables, coords={**coords, "node": list(plan.task.structure.names)})
        result.attrs["sampling_interval"] = recording.attrs.get("sampling_interval", 1.0)
        return result

    def _simulate(self, n_time: int, n_trials: int, key: jax.Array, options: dict[str, Any]) -> xr.Dataset:
        """Inputs drawn from the network's predictions, or responses to given inputs or in an environment.

        Options: ``inputs``, a recording whose covariates are shown; ``environment``, a callable ``environment(trial,
        response, random)`` that gives the value of every input, NaN for what is not shown; ``participants``, whose
        parameters to use (one for every trial; default all fitted ones in turn).
        """
        return simulated(self, n_time, n_trials, key, options)

    def _adapt(self, recording: xr.Dataset, *, key: jax.Array | None, options: dict[str, Any]) -> Fit:
        """Modes of the recording's participants, the population frozen."""
        del options
        told, plan = self.model.told(recording), self.model.plan()
        mean, deviation = (self.parameters[f"population_{part}"].values for part in ("mean", "deviation"))
        plan = dataclasses.replace(plan, mean=mean, deviation=deviation)
        behaviour, _ = learning.standardised(told.behaviour, self.model.response, self._reference())
        found = learning.learn(
            plan,
            behaviour,
            jax.random.key(0) if key is None else key,
            pooled=False,
            restarts=1 if key is None else 4,
            most=1,
            labels=told.labels,
        )
        new = xr.Dataset(
            {
                "individual": (("participant", "parameter"), found.individual),
                "individual_covariance": (("participant", "parameter", "parameter_other"), found.covariance),
                "log_evidence": (("participant",), found.evidence),
            },
            coords={
                "participant": found.labels,
                "parameter": self.parameters["parameter"].values,
                "parameter_other": self.parameters["parameter_other"].values,
            },
        )
        kept = [p for p in self.parameters["participant"].values.tolist() if p not in set(found.labels)]
        old = self.parameters[list(LOCAL)].sel(participant=kept).drop_vars(["unit", "kind"], errors="ignore")
        shared = self.parameters.drop_vars([*LOCAL, "participant"])
        return dataclasses.replace(self, parameters=shared.merge(xr.concat([old, new], dim="participant")))
