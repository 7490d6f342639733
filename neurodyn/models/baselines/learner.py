"""What learners from trial and error share: behaviour, a population prior over participants, and the verbs."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference import reinforcement as rl
from neurodyn.models.base import Fit, Model, Prediction, Trace
from neurodyn.models.baselines.behaviour import Behaviour, behaviour, covariate_names
from neurodyn.models.baselines.common import cast, one_of, unit_parameters, whole_number
from neurodyn.models.verbs import HasAdapt, HasInfer, HasLogLikelihood

HYPER_DEVIATION = 2.0
PRIOR_COUNT = 2.0
PRIOR_VARIANCE = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learner(Model):
    """Learning of values with a softmax choice; subclasses say how the learning rate changes.

    Parameters
    ----------
    outcome : str or None
        Name of the covariate that followed each choice; None switches learning off.
    stimulus : tuple of str
        Covariates, known before the choice, that favour option 1 (such as a signed contrast).
    learning : {"reward", "cue"}
        Whether the outcome rewards the chosen option, or is an event (0 or 1) that the choice predicts.
    perseveration, bias : bool
        Whether the tendency to repeat, and a preference for an option, are learnt.
    initial_value : float
        Value of every option before the first trial.
    unknown : {"raise", "prior"}
        What to do for a participant not in training: raise an error that names `adapt`, or use the
        population's mean.
    max_iterations : int
        Iterations of the population prior.
    """

    kinds = frozenset({"binary", "categorical"})
    _centres: ClassVar[dict[str, float]] = {"learning_rate_logit": -1.0, "inverse_temperature_log": 0.5}

    outcome: str | None = "outcome"
    stimulus: tuple[str, ...] = ()
    learning: str = "reward"
    perseveration: bool = True
    bias: bool = True
    initial_value: float = 0.0
    unknown: str = "raise"
    max_iterations: int = 12

    def __post_init__(self):
        object.__setattr__(self, "stimulus", covariate_names(self.name, self.stimulus))
        one_of(self.name, "learning", self.learning, ("reward", "cue"))
        one_of(self.name, "unknown", self.unknown, ("raise", "prior"))
        whole_number(self.name, "max_iterations", self.max_iterations, 1)

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: all."""
        return -1

    @property
    def cue(self) -> bool:
        """Whether outcomes are events rather than rewards of the chosen option."""
        return self.learning == "cue"

    def _rule(self, n_options: int) -> rl.Rule:
        """What is fixed of how participants learn."""
        return rl.Rule(n_options, self.cue, float(self.initial_value))

    def _parameter_names(self, n_options: int) -> tuple[str, ...]:
        """Names of the unconstrained parameters, in order."""
        biases = tuple(f"bias_{k}" for k in range(1, n_options))
        weights = tuple(f"weight_{name}" for name in self.stimulus)
        return ("learning_rate_logit", "inverse_temperature_log", "perseveration", *biases, *weights)

    def _centre(self, names: tuple[str, ...]) -> np.ndarray:
        """Where the population's mean is expected."""
        centres = (
            self._centres if self.outcome is not None else {**self._centres, "inverse_temperature_log": -1}
        )
        return np.array([float(centres.get(name, 0)) for name in names])

    def _free(self, names: tuple[str, ...]) -> np.ndarray:
        """Which parameters are learnt."""
        learns = self.outcome is not None
        switched = dict.fromkeys(self._centres, learns) | {"perseveration": self.perseveration}
        return np.array(
            [switched.get(name, self.bias if name.startswith("bias") else True) for name in names]
        )

    def _told(self, recording: xr.Dataset) -> tuple[Behaviour, rl.Choices]:
        """Behaviour of a recording, and its arrays for compiled code."""
        told = behaviour(
            recording, model=self.name, outcome=self.outcome, stimulus=self.stimulus, cue=self.cue
        )
        dtype = jnp.zeros(0, recording["activity"].dtype).dtype
        data = rl.Choices(
            choice=jnp.asarray(told.choice),
            chosen=jnp.asarray(told.chosen),
            outcome=jnp.asarray(told.outcome, dtype),
            followed=jnp.asarray(told.followed),
            stimulus=jnp.asarray(told.stimulus, dtype),
        )
        return told, data

    def _n_options(self, recording: xr.Dataset, told: Behaviour) -> int:
        """Number of options: 2, or the number of categories."""
        if str(recording["kind"].values[0]) == "binary":
            return 2
        if self.cue or self.stimulus:
            raise RecordingError(
                f"{self.name} with learning='cue' or stimuli needs a binary choice, but this one is categorical; "
                'recode it with kind="binary".'
            )
        names = recording["activity"].attrs.get("categories", {}).get(str(recording["unit"].values[0]), ())
        return max(2, len(names), int(told.choice.max()) + 1)

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Empirical Bayes over the participants with an observed choice."""
        del inputs, key, options
        told, data = self._told(recording)
        n_options = self._n_options(recording, told)
        scale = _stimulus_scale(data)
        seen = np.flatnonzero(told.chosen.any(1))
        data = _scaled(jax.tree.map(lambda leaf: leaf[seen], data), scale)
        names = self._parameter_names(n_options)
        free, centre = self._free(names), self._centre(names)
        climbs = [
            self._climb(self._rule(n_options), data, start, centre, free)
            for start in self._starts(centre, free, names)
        ]
        best = max(climbs, key=lambda climb: max(climb.objective))
        mean, variance, found = best.kept[int(np.argmax(best.objective))]
        parameters = unit_parameters(
            recording,
            {
                "individual": (("participant", "parameter"), np.asarray(found.parameters)),
                "individual_variance": (("participant", "parameter"), np.asarray(found.variance)),
                "population_mean": ("parameter", mean),
                "population_variance": ("parameter", variance),
                "stimulus_scale": ("stimulus", scale),
                "initial_value": (("option",), np.full(n_options, float(self.initial_value))),
            },
        ).assign_coords(
            participant=[told.labels[i] for i in seen],
            parameter=list(names),
            stimulus=list(self.stimulus),
            option=_option_names(recording, n_options),
        )
        trace = Trace(
            objective=np.maximum.accumulate(np.asarray(best.objective)),
            converged=best.converged,
            reason="evidence settled" if best.converged else "reached max_iterations",
            restarts=np.array([max(climb.objective) for climb in climbs] if len(climbs) > 1 else []),
        )
        return self.fit_type(model=self, parameters=parameters, trace=trace)

    def _starts(self, centre: np.ndarray, free: np.ndarray, names: tuple[str, ...]) -> list[np.ndarray]:
        """Population means to begin from; the best outcome is kept."""
        del free, names
        return [centre]

    def _climb(
        self, rule: rl.Rule, data: rl.Choices, start: np.ndarray, centre: np.ndarray, free: np.ndarray
    ) -> "_Climb":
        """Expectation-maximisation of the population prior from one start."""
        dtype, n_people = data.outcome.dtype, len(data.choice)
        mean, variance = start.copy(), np.full(len(start), 1.0)
        modes = jnp.broadcast_to(jnp.asarray(mean, dtype), (n_people, len(start)))
        climb = _Climb([], [], False)
        for _ in range(self.max_iterations):
            found = _find_modes(rule, modes, data, mean, variance, free)
            hyper = -0.5 * (np.square(mean - centre) / HYPER_DEVIATION**2)[free].sum()
            hyper -= 0.5 * PRIOR_COUNT * (np.log(variance) + PRIOR_VARIANCE / variance)[free].sum()
            climb.objective.append(float(found.evidence.sum()) + float(hyper))
            climb.kept.append((mean, variance, found))
            if len(climb.objective) > 2 and abs(climb.objective[-1] - climb.objective[-2]) < 1e-4 * max(
                abs(climb.objective[-1]), 1.0
            ):
                return climb._replace(converged=True)
            modes = found.parameters
            individual = np.asarray(modes, np.float64)
            precision = n_people / variance
            pull = 1 / HYPER_DEVIATION**2
            updated = (precision * individual.mean(0) + pull * centre) / (precision + pull)
            spread = np.square(individual - updated) + np.asarray(found.variance, np.float64)
            total = spread.sum(0) + PRIOR_COUNT * PRIOR_VARIANCE
            mean = np.where(free, updated, centre)
            variance = np.where(free, total / (n_people + PRIOR_COUNT), 1.0)
        return climb


class _Climb(NamedTuple):
    """Objective after each iteration, the prior and modes it belongs to, and whether it settled."""

    objective: list[float]
    kept: list[tuple[np.ndarray, np.ndarray, rl.Modes]]
    converged: bool


def _option_names(recording: xr.Dataset, n_options: int) -> list[str]:
    """Names of the options."""
    names = recording["activity"].attrs.get("categories", {}).get(str(recording["unit"].values[0]), ())
    return [str(name) for name in names] if len(names) == n_options else [str(k) for k in range(n_options)]


def _stimulus_scale(data: rl.Choices) -> np.ndarray:
    """Root mean square of each stimulus over the trials with an observed choice."""
    stimulus = np.asarray(data.stimulus, np.float64)[np.asarray(data.chosen)]
    scale = np.sqrt(np.square(stimulus).mean(0)) if len(stimulus) else np.ones(stimulus.shape[-1])
    return np.where(scale > 0, scale, 1.0)


def _scaled(data: rl.Choices, scale: np.ndarray) -> rl.Choices:
    """Stimuli divided by their training scale."""
    return data._replace(stimulus=data.stimulus / jnp.asarray(scale, data.stimulus.dtype))


def _find_modes(rule, start, data, mean, variance, free) -> rl.Modes:
    """Posterior modes under a population prior given as numpy arrays."""
    dtype, n_people = data.outcome.dtype, len(start)
    prior = (jnp.asarray(mean, dtype), jnp.asarray(variance, dtype), jnp.asarray(free))
    padded = rl.padded(data)
    idle = jnp.broadcast_to(prior[0], (len(padded.choice) - n_people, len(mean)))
    found = rl.modes(jnp.concatenate([start, idle]), padded, *prior, rule=rule)
    return rl.Modes(*(leaf[:n_people] for leaf in found))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LearnerFit(HasLogLikelihood, HasInfer, HasAdapt):
    """Fitted participants; `parameters` has ``individual`` (participant, parameter) and the population's moments."""

    model: Learner

    @property
    def _rule(self) -> rl.Rule:
        """What is fixed of how participants learn."""
        return self.model._rule(self.parameters.sizes["option"])

    def _prepare(self, recording: xr.Dataset) -> tuple[Behaviour, rl.Choices, jax.Array]:
        """Behaviour, its scaled arrays, and the parameters of its participants."""
        told, data = self.model._told(recording)
        known = {str(label): i for i, label in enumerate(self.parameters["participant"].values)}
        unknown = [label for label in told.labels if label not in known]
        if unknown and self.model.unknown == "raise":
            raise ModelError(
                f"the participant {unknown[0]!r} was not in the training recording of this {self.model.name} fit; "
                "learn its parameters with fit.adapt(recording), or make the model with unknown='prior'."
            )
        individual, mean = self.parameters["individual"].values, self.parameters["population_mean"].values
        rows = [individual[known[label]] if label in known else mean for label in told.labels]
        data = _scaled(data, self.parameters["stimulus_scale"].values)
        if int(data.choice.max()) >= self.parameters.sizes["option"]:
            raise ModelError(
                f"the recording holds the choice {int(data.choice.max())}, but the training recording had "
                f"{self.parameters.sizes['option']} options; name all of them with recording.make(categories=...)."
            )
        return told, data, jnp.asarray(np.stack(rows), data.outcome.dtype)

    def _everyone(self, data: rl.Choices, parameters: jax.Array) -> tuple[rl.Beliefs, np.ndarray]:
        """Beliefs before each choice, ``(participant, time, option)``, and log-likelihood terms."""
        n_people, n_time = data.choice.shape
        padded = rl.padded(data)
        parameters = jnp.pad(parameters, ((0, len(padded.choice) - n_people), (0, 0)))
        found, terms = rl.everyone(parameters, padded, rule=self._rule)
        before = jax.tree.map(lambda leaf: leaf[:n_people, :n_time], found)
        return before, np.asarray(terms, np.float64)[:n_people, :n_time]

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """Choice probabilities; with fixed parameters, later entries tell nothing about an earlier choice."""
        del key, mode
        told, data, parameters = self._prepare(recording)
        found, _ = self._everyone(data, parameters)
        at = np.arange(data.choice.shape[1])
        lagged = np.maximum(at - horizon + 1, 0)
        value = found.value[:, at if told.known_ahead else lagged]
        table = rl.everyones_log_probabilities(parameters, value, found.previous[:, lagged], data.stimulus)
        probability = np.exp(np.asarray(table))
        if str(recording["kind"].values[0]) == "binary":
            second = probability[..., 1:2]
            return Prediction(cast(recording, second), cast(recording, second * (1 - second)))
        names = tuple(str(name) for name in self.parameters["option"].values)
        return Prediction(cast(recording, probability[:, :, None, :]), category=names)

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Log-probability of every observed choice."""
        _, data, parameters = self._prepare(recording)
        return self._everyone(data, parameters)[1]

    def _infer(self, recording: xr.Dataset) -> xr.Dataset:
        """Beliefs about the options before each choice."""
        _, data, parameters = self._prepare(recording)
        found = self._everyone(data, parameters)[0]
        activity = recording["activity"]
        dims = (*activity.dims[:-1], "option")
        coords = {name: c for name, c in activity.coords.items() if set(c.dims) <= set(activity.dims[:-1])}
        beliefs = {"value": found.value, "associability": found.associability}
        variables = {
            name: (dims, np.asarray(belief) if "trial" in activity.dims else np.asarray(belief)[0])
            for name, belief in beliefs.items()
            if belief is not None
        }
        return xr.Dataset(variables, coords={**coords, "option": self.parameters["option"].values})

    def _adapt(self, recording: xr.Dataset, *, key: Any, options: dict[str, Any]) -> Fit:
        """Posterior modes of the recording's participants under the frozen population prior."""
        del key, options
        told, data = self.model._told(recording)
        data = _scaled(data, self.parameters["stimulus_scale"].values)
        mean = self.parameters["population_mean"].values
        variance = self.parameters["population_variance"].values
        start = jnp.broadcast_to(jnp.asarray(mean, data.outcome.dtype), (len(told.labels), len(mean)))
        free = self.model._free(tuple(self.parameters["parameter"].values.tolist()))
        found = _find_modes(self._rule, start, data, mean, variance, free)
        new = {
            "individual": (("participant", "parameter"), np.asarray(found.parameters)),
            "individual_variance": (("participant", "parameter"), np.asarray(found.variance)),
        }
        coords = {"participant": told.labels, "parameter": self.parameters["parameter"].values}
        kept = [p for p in self.parameters["participant"].values.tolist() if p not in set(told.labels)]
        local = list(new)
        merged = xr.concat(
            [
                self.parameters[local].sel(participant=kept).drop_vars(["unit", "kind"], errors="ignore"),
                xr.Dataset(new, coords=coords),
            ],
            dim="participant",
        )
        shared = self.parameters.drop_vars([*local, "participant"])
        return dataclasses.replace(self, parameters=shared.merge(merged))
