"""A fitted hidden Markov model and its verbs."""

import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.em import Sequence
from neurodyn.inference.em_state import HMMParameters
from neurodyn.inference.emissions import AutoregressiveGaussian, Emission
from neurodyn.inference.emissions.scoring import for_scoring
from neurodyn.inference.message_passing import Messages
from neurodyn.models.base import Prediction
from neurodyn.models.hmm.covariates import transition_covariates
from neurodyn.models.hmm.drawing import LEAD, draw_before, draw_paths, driving_covariates
from neurodyn.models.hmm.layout import Layout, lay_out, working_arrays
from neurodyn.models.hmm.relabelling import HasStates
from neurodyn.models.hmm.states import (
    decode,
    draw_values,
    expected,
    forecast,
    from_dataset,
    posterior,
    stationary_distribution,
)
from neurodyn.models.verbs import HasLogLikelihood, HasSimulate, exact_by_reach
from neurodyn.recording import arrays, make


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HMMFit(HasLogLikelihood, HasStates, HasSimulate):
    """Hidden Markov model with learnt parameters.

    ``parameters`` holds ``initial`` (state), ``transition`` (state, state_next: rows lead to columns), the
    emission's arrays (such as ``mean`` (state, unit) and ``covariance`` (state, unit, unit_2), in the units
    of the recording), and ``trial_start`` (1 where recordings begin from ``initial``, 0 where from the
    stationary distribution). States are ordered by their share of time.

    See Also
    --------
    neurodyn.models.HMM : the model and its hyperparameters.
    """

    @property
    def emission(self) -> Emission:
        """The emission family the fit resolved to."""
        return cast(Emission, self.model.emission)  # type: ignore[attr-defined]

    def arrays(self, dtype: Any = np.float32) -> HMMParameters:
        """Parameters as bare arrays, the initial distribution being the one that scoring starts from.

        Parameters
        ----------
        dtype : dtype
            Floating type.

        Returns
        -------
        HMMParameters
            ``initial`` (state,), ``transition`` (state, state), ``emission`` (dict of arrays).
        """
        bare = from_dataset(self.parameters, self.emission, dtype)
        if int(self.parameters["trial_start"]):
            return bare
        stationary = stationary_distribution(self.parameters["transition"].values)
        return bare._replace(initial=jnp.asarray(stationary, bare.transition.dtype))

    def _sequence(self, recording: xr.Dataset) -> tuple[Layout, Sequence, HMMParameters]:
        """The recording on the flat time axis, and the parameters in its precision."""
        values, mask = working_arrays(recording)
        layout = lay_out(values, mask, strip=False)
        if isinstance(self.emission, AutoregressiveGaussian):
            # Bins without a history are described by the training recording, never by the one predicted.
            reference = (
                self.parameters["reference_mean"].values,
                self.parameters["reference_deviation"].values,
            )
            data = self.emission.prepare_like(layout.values, layout.mask, layout.start, reference)
        else:
            data = self.emission.prepare(layout.values, layout.mask, layout.start)
            exact = {
                name: self.parameters[name].transpose(*dims).values.astype(float)
                for name, dims in self.emission.dimensions.items()
            }
            data = for_scoring(data, exact)
        covariates = None
        if "covariate_mean" in self.parameters:
            names = [str(name) for name in self.parameters["covariate"].values]
            known = transition_covariates(recording, names)
            known = (known - self.parameters["covariate_mean"].values) / self.parameters[
                "covariate_deviation"
            ].values
            covariates = jnp.asarray(layout.flatten(known.astype(values.dtype)))
        sequence = Sequence(data, jnp.asarray(layout.start), jnp.asarray(layout.valid), covariates)
        return layout, sequence, self.arrays(values.dtype)

    def _messages(self, recording: xr.Dataset) -> tuple[Layout, Sequence, HMMParameters, Messages]:
        """Run message passing over a recording."""
        layout, sequence, parameters = self._sequence(recording)
        return layout, sequence, parameters, posterior(parameters, sequence, emission=self.emission)

    def _predict(
        self, recording: xr.Dataset, *, mode: str, horizon: int, key: jax.Array | None
    ) -> Prediction:
        """Mixture over states of each state's expectation."""
        del key
        layout, sequence, parameters, messages = self._messages(recording)
        if mode == "past":
            mean, variance = forecast(
                parameters, messages.filtered, sequence, emission=self.emission, horizon=horizon
            )
        else:
            probability = messages.smoothed if mode == "all" else messages.filtered
            mean, variance = expected(
                parameters, probability, sequence.data, emission=self.emission, conditional=True
            )
        if mean.ndim == 3:
            categories = tuple(range(mean.shape[2]))
            return Prediction(layout.scatter(np.asarray(mean)), None, categories)
        return Prediction(layout.scatter(np.asarray(mean)), layout.scatter(np.asarray(variance)))

    def _exact_terms(self, recording: xr.Dataset) -> np.ndarray:
        """An autoregression is exact where the bins it reaches back to were observed."""
        return exact_by_reach(arrays(recording).mask, self.emission.reach)

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Log normalisers of the forward pass."""
        layout, _, _, messages = self._messages(recording)
        return layout.scatter(np.asarray(messages.log_normalizer, np.float64))

    def _infer(self, recording: xr.Dataset) -> xr.Dataset:
        """State probabilities and the most probable path."""
        layout, sequence, parameters, messages = self._messages(recording)
        path = decode(parameters, sequence, emission=self.emission)
        activity = recording["activity"]
        dims = tuple(dim for dim in activity.dims if dim != "unit")
        coords = {name: coord for name, coord in activity.coords.items() if set(coord.dims) <= set(dims)}
        probability = layout.scatter(np.asarray(messages.smoothed))
        states = layout.scatter(np.asarray(path).astype(np.int64))
        if "trial" not in dims:
            probability, states = probability[0], states[0]
        result = xr.Dataset(
            {"state_probability": ((*dims, "state"), probability), "state_path": (dims, states)},
            coords={**coords, "state": self.parameters["state"].values},
        )
        result.attrs["sampling_interval"] = recording.attrs.get("sampling_interval", 1.0)
        return result

    def _simulate(self, n_time: int, n_trials: int, key: jax.Array, options: dict[str, Any]) -> xr.Dataset:
        """Ancestral sampling of states, then of observations.

        Transitions that depend on covariates need the option ``covariates``, a recording that has them.
        """
        given = options.pop("covariates", None)
        if options:
            raise ModelError(f"simulate got the unknown option {sorted(options)[0]!r}; it takes covariates.")
        parameters = self.arrays()
        key_states, key_before, key_values = jax.random.split(key, 3)
        covariates = np.zeros((n_trials, n_time, 0))
        if "covariate_mean" in self.parameters:
            covariates = driving_covariates(given, self.parameters, n_time, n_trials)
        states = draw_paths(key_states, parameters, jnp.asarray(covariates, parameters.transition.dtype))
        lead = LEAD * min(self.emission.reach, 1)
        stationary = jnp.asarray(stationary_distribution(self.parameters["transition"].values))
        before = draw_before(key_before, states[:, 0], parameters.transition, stationary, lead)
        paths = jnp.concatenate([before, states], axis=1)
        values = np.asarray(draw_values(key_values, parameters, paths, emission=self.emission))[:, lead:]
        kind = self.parameters["kind"].values if "kind" in self.parameters.coords else "continuous"
        recording = make(
            values,
            sampling_interval=float(self.provenance.get("sampling_interval", 1.0)),
            kind=kind,
            unit=self.units,
            source="simulated by neurodyn.models.HMMFit.simulate",
        )
        recording["state"] = (("trial", "time"), np.asarray(states))
        return recording
