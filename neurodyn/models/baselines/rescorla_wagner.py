"""Rescorla-Wagner learning of trial-by-trial choices, with a population prior over participants."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference import reinforcement as rl
from neurodyn.models.base import Fit, Model, Prediction, Trace
from neurodyn.models.baselines.common import cast, one_of, unit_parameters, whole_number
from neurodyn.models.verbs import HasAdapt, HasInfer, HasLogLikelihood
from neurodyn.recording import arrays, covariate_arrays

HYPER_DEVIATION = 2.0
PRIOR_COUNT = 2.0
PRIOR_VARIANCE = 0.25


class _Told(NamedTuple):
    """Behaviour of a recording and what its outcome covariate allows."""

    data: rl.Choices
    labels: list[str]
    known_ahead: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class RescorlaWagner(Model):
    """Rescorla-Wagner (delta-rule) learning with a softmax choice.

    .. math::

        Q_{t+1}(c_t) = Q_t(c_t) + \\alpha (r_t - Q_t(c_t)), \\qquad
        p(c_t = k) \\propto \\exp(\\beta Q_t(k) + \\kappa [c_{t-1} = k] + b_k + [k = 1]\\, w^T s_t)

    Participants are the trials of the recording (without a trial dimension, its subject); time counts
    choices. Each participant has local parameters (learning rate, inverse temperature, perseveration, bias,
    stimulus weights) with a Gaussian population prior on the unconstrained scale, learnt by empirical Bayes
    (expectation-maximisation with a Laplace approximation). A missing choice teaches nothing; a missing
    outcome changes no value; a missing stimulus counts as 0. `inputs` of `fit` is not used.

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

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> from neurodyn.models.baselines import RescorlaWagner
    >>> from neurodyn.simulate.agents import rescorla_wagner
    >>> behaviour = rescorla_wagner(n_participants=2, n_trials=60, key=0)
    >>> fit = RescorlaWagner(max_iterations=2).fit(behaviour, key=0)
    >>> fit.predict(behaviour, mode="past")["mean"].shape
    (2, 60, 1)

    References
    ----------
    Rescorla, R. A. & Wagner, A. R. (1972). A theory of Pavlovian conditioning. In Classical Conditioning II.
    Huys, Q. J. M. et al. (2011). Disentangling the roles of approach, activation and valence in instrumental
    and Pavlovian responding. PLoS Computational Biology 7, e1002028. doi:10.1371/journal.pcbi.1002028
    """

    name = "rescorla_wagner"
    kinds = frozenset({"binary", "categorical"})
    citations = ("rescorla1972", "huys2011")

    outcome: str | None = "outcome"
    stimulus: tuple[str, ...] = ()
    learning: str = "reward"
    perseveration: bool = True
    bias: bool = True
    initial_value: float = 0.0
    unknown: str = "raise"
    max_iterations: int = 12

    def __post_init__(self):
        if isinstance(self.stimulus, str):
            raise ModelError(f"{self.name}: stimulus is {self.stimulus!r}; give a tuple of covariate names.")
        object.__setattr__(self, "stimulus", tuple(self.stimulus))
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

    def _told(self, recording: xr.Dataset) -> _Told:
        """Choices, outcomes and stimuli as arrays, and the participants' labels."""
        if recording.sizes["unit"] != 1:
            raise RecordingError(
                f"rescorla_wagner models one choice, but the recording has {recording.sizes['unit']} units; "
                "select one with recording.sel(unit=[...])."
            )
        values, mask = arrays(recording)
        values = np.where(mask, values, 0)
        dtype = jnp.zeros(0, values.dtype).dtype
        outcome = covariate_arrays(recording, [] if self.outcome is None else [self.outcome])
        stimulus = covariate_arrays(recording, list(self.stimulus))
        shape = values.shape[:2]
        known_ahead = False
        if self.outcome is None:
            result, followed = np.zeros(shape), np.zeros(shape, bool)
        else:
            followed = outcome.mask[..., 0]
            result = np.where(followed, outcome.values[..., 0], 0)
            role = recording["covariates"].sel(covariate=self.outcome)["role"].item()
            known_ahead = self.cue and str(role) == "exogenous"
        if self.cue and followed.any() and not np.isin(result[followed], (0, 1)).all():
            raise RecordingError(
                f"rescorla_wagner with learning='cue' needs outcomes of 0 or 1, but {self.outcome} has "
                f"{np.unique(result[followed])[:3].tolist()}; recode it, or use learning='reward'."
            )
        data = rl.Choices(
            choice=jnp.asarray(values[..., 0].astype(np.int32)),
            chosen=jnp.asarray(mask[..., 0]),
            outcome=jnp.asarray(result, dtype),
            followed=jnp.asarray(followed),
            stimulus=jnp.asarray(np.where(stimulus.mask, stimulus.values, 0), dtype),
        )
        if "trial" in recording["activity"].dims:
            labels = [str(label) for label in recording["trial"].values]
        else:
            labels = [str(recording.attrs["subject"]) or "0"]
        return _Told(data, labels, known_ahead)

    def _n_options(self, recording: xr.Dataset, told: _Told) -> int:
        """Number of options: 2, or the number of categories."""
        if str(recording["kind"].values[0]) == "binary":
            return 2
        if self.cue or self.stimulus:
            raise RecordingError(
                "rescorla_wagner with learning='cue' or stimuli needs a binary choice, but this one is categorical; "
                'recode it with kind="binary".'
            )
        names = recording["activity"].attrs.get("categories", {}).get(str(recording["unit"].values[0]), ())
        return max(2, len(names), int(told.data.choice.max()) + 1)

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Empirical Bayes over the participants with an observed choice."""
        del inputs, key, options
        told = self._told(recording)
        n_options = self._n_options(recording, told)
        scale = _stimulus_scale(told.data)
        seen = np.flatnonzero(np.asarray(told.data.chosen.any(1)))
        data = _scaled(jax.tree.map(lambda leaf: leaf[seen], told.data), scale)
        names = _parameter_names(n_options, self.stimulus)
        free = self._free(names)
        dtype = data.outcome.dtype
        centre = np.zeros(len(names))
        centre[:2] = (-1.0, 0.5) if self.outcome is not None else (-1.0, -1.0)
        mean, variance = centre.copy(), np.full(len(names), 1.0)
        modes = jnp.broadcast_to(jnp.asarray(mean, dtype), (len(seen), len(names)))
        objective, kept, converged = [], [], False
        for _ in range(self.max_iterations):
            found = _find_modes(self, modes, data, mean, variance, free, n_options)
            hyper = -0.5 * (np.square(mean - centre) / HYPER_DEVIATION**2)[free].sum()
            hyper -= 0.5 * PRIOR_COUNT * (np.log(variance) + PRIOR_VARIANCE / variance)[free].sum()
            objective.append(float(found.evidence.sum()) + float(hyper))
            kept.append((mean, variance, found))
            if len(objective) > 2 and abs(objective[-1] - objective[-2]) < 1e-4 * max(
                abs(objective[-1]), 1.0
            ):
                converged = True
                break
            modes = found.parameters
            individual = np.asarray(modes, np.float64)
            precision = len(seen) / variance
            pull = 1 / HYPER_DEVIATION**2
            updated = (precision * individual.mean(0) + pull * centre) / (precision + pull)
            spread = np.square(individual - updated) + np.asarray(found.variance, np.float64)
            total = spread.sum(0) + PRIOR_COUNT * PRIOR_VARIANCE
            mean = np.where(free, updated, centre)
            variance = np.where(free, total / (len(seen) + PRIOR_COUNT), 1.0)
        mean, variance, found = kept[int(np.argmax(objective))]
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
            objective=np.maximum.accumulate(np.asarray(objective)),
            converged=converged,
            reason="evidence settled" if converged else "reached max_iterations",
        )
        return RescorlaWagnerFit(model=self, parameters=parameters, trace=trace)

    def _free(self, names: tuple[str, ...]) -> np.ndarray:
        """Which parameters are learnt."""
        learns = self.outcome is not None
        switched = {"learning_rate_logit": learns, "inverse_temperature_log": learns}
        switched["perseveration"] = self.perseveration
        return np.array(
            [switched.get(name, self.bias if name.startswith("bias") else True) for name in names]
        )


def _parameter_names(n_options: int, stimulus: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the unconstrained parameters, in order."""
    biases = tuple(f"bias_{k}" for k in range(1, n_options))
    weights = tuple(f"weight_{name}" for name in stimulus)
    return ("learning_rate_logit", "inverse_temperature_log", "perseveration", *biases, *weights)


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


def _find_modes(model, start, data, mean, variance, free, n_options) -> rl.Modes:
    """Posterior modes under a population prior given as numpy arrays."""
    dtype, n_people = data.outcome.dtype, len(start)
    prior = (jnp.asarray(mean, dtype), jnp.asarray(variance, dtype), jnp.asarray(free))
    padded = rl.padded(data)
    idle = jnp.broadcast_to(prior[0], (len(padded.choice) - n_people, len(mean)))
    begin = jnp.concatenate([start, idle])
    initial = float(model.initial_value)
    found = rl.modes(begin, padded, *prior, initial, n_options=n_options, cue=model.cue)
    return rl.Modes(*(leaf[:n_people] for leaf in found))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RescorlaWagnerFit(HasLogLikelihood, HasInfer, HasAdapt):
    """Fitted participants; `parameters` has ``individual`` (participant, parameter) and the population's moments."""

    model: RescorlaWagner

    def _prepare(self, recording: xr.Dataset) -> tuple[_Told, rl.Choices, jax.Array]:
        """Behaviour, scaled behaviour, and the parameters of its participants."""
        told = self.model._told(recording)
        known = {str(label): i for i, label in enumerate(self.parameters["participant"].values)}
        unknown = [label for label in told.labels if label not in known]
        if unknown and self.model.unknown == "raise":
            raise ModelError(
                f"the participant {unknown[0]!r} was not in the training recording of this rescorla_wagner fit; "
                "learn its parameters with fit.adapt(recording), or make the model with unknown='prior'."
            )
        individual, mean = self.parameters["individual"].values, self.parameters["population_mean"].values
        rows = [individual[known[label]] if label in known else mean for label in told.labels]
        data = _scaled(told.data, self.parameters["stimulus_scale"].values)
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
        found, terms = rl.everyone(
            parameters,
            padded,
            n_options=self.parameters.sizes["option"],
            cue=self.model.cue,
            initial=float(self.model.initial_value),
        )
        before = rl.Beliefs(*(leaf[:n_people, :n_time] for leaf in found))
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
        """Values of the options before each choice."""
        _, data, parameters = self._prepare(recording)
        value = np.asarray(self._everyone(data, parameters)[0].value)
        activity = recording["activity"]
        dims = (*activity.dims[:-1], "option")
        coords = {name: c for name, c in activity.coords.items() if set(c.dims) <= set(activity.dims[:-1])}
        values = value if "trial" in activity.dims else value[0]
        return xr.Dataset(
            {"value": (dims, values)}, coords={**coords, "option": self.parameters["option"].values}
        )

    def _adapt(self, recording: xr.Dataset, *, key: Any, options: dict[str, Any]) -> Fit:
        """Posterior modes of the recording's participants under the frozen population prior."""
        del key, options
        told = self.model._told(recording)
        data = _scaled(told.data, self.parameters["stimulus_scale"].values)
        mean = self.parameters["population_mean"].values
        variance = self.parameters["population_variance"].values
        start = jnp.broadcast_to(jnp.asarray(mean, data.outcome.dtype), (len(told.labels), len(mean)))
        free = self.model._free(tuple(self.parameters["parameter"].values.tolist()))
        n_options = self.parameters.sizes["option"]
        found = _find_modes(self.model, start, data, mean, variance, free, n_options)
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


RescorlaWagner.fit_type = RescorlaWagnerFit
