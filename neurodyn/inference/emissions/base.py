"""What every emission family offers to the fitting loop."""

import abc
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

Parameters = dict[str, Array]
Statistics = dict[str, Array]


@dataclass(frozen=True, kw_only=True)
class Emission(abc.ABC):
    """Distribution of one time bin's observation given the hidden state.

    Instances hold static hyperparameters only: they are hashable and serve as a static
    argument of `jax.jit`. Parameters and statistics are flat dictionaries of arrays.
    Every method except `prepare` (host, numpy) is pure and can be jitted, vmapped over
    `parameters`, and differentiated. The time axis is flat: trials end to end, padding
    bins have `mask` False.

    A loop of expectation maximisation reads::

        data = emission.prepare(values, mask, start)
        parameters = emission.start_from_data(key, data, responsibilities)
        likelihood = emission.log_likelihood(parameters, data)          # (time, state)
        statistics = emission.statistics(posterior, data, parameters)   # additive over time
        parameters = emission.maximise(statistics, parameters)
        objective = log_likelihood_of_the_model + emission.log_prior(parameters, data)
    """

    @property
    def reach(self) -> int:
        """Bins of the past on which an observation depends directly."""
        return 0

    @property
    @abc.abstractmethod
    def dimensions(self) -> Mapping[str, tuple[str, ...]]:
        """Dimension names of each parameter, e.g. `{"mean": ("state", "unit")}`."""

    @property
    @abc.abstractmethod
    def kinds(self) -> frozenset[str]:
        """Kinds of unit accepted: among count, continuous, binary, categorical."""

    @abc.abstractmethod
    def n_parameters(self, n_states: int, n_units: int) -> int:
        """Number of free parameters."""

    @abc.abstractmethod
    def prepare(self, values: np.ndarray, mask: np.ndarray, start: np.ndarray) -> Any:
        """Arrays for the other methods, from host arrays, none of whose memory they share: it is used again.

        Parameters
        ----------
        values : ndarray, (time, unit)
            Observations; whatever stands where `mask` is False is never read.
        mask : ndarray of bool, (time, unit)
            True where observed.
        start : ndarray of bool, (time,)
            True at each trial's first bin and in padding.

        Returns
        -------
        data
            A pytree of arrays. The time axis keeps its length; index arrays of missing
            entries are padded to buckets, so similar data reuse a compiled function.
        """

    def for_fitting(self, data: Any) -> Any:
        """The same data, where fast likelihoods are wanted and a last digit does not count."""
        return dataclasses.replace(data, fitting=True) if hasattr(data, "fitting") else data

    @abc.abstractmethod
    def log_likelihood(self, parameters: Parameters, data: Any) -> Float[Array, "time state"]:
        """log p(observed entries of bin t | state k); zero where nothing was observed."""

    @abc.abstractmethod
    def statistics(
        self, posterior: Float[Array, "time state"], data: Any, parameters: Parameters
    ) -> Statistics:
        """Expected sufficient statistics, summed over time, missing entries in expectation."""

    @abc.abstractmethod
    def maximise(self, statistics: Statistics, parameters: Parameters) -> Parameters:
        """Parameters which maximise expected log-likelihood plus log-prior.

        A state without weight keeps its `parameters`.
        """

    @abc.abstractmethod
    def log_prior(self, parameters: Parameters, data: Any) -> Float[Array, ""]:
        """Log-density of the prior at `parameters`, up to a constant; 0 without a prior."""

    @abc.abstractmethod
    def neutral_parameters(self, key: Array, data: Any, n_states: int) -> Parameters:
        """Parameters of `n_states` equal states which describe the data as a whole."""

    @abc.abstractmethod
    def predict_mean(
        self,
        parameters: Parameters,
        probability: Float[Array, "time state"],
        data: Any,
        conditional: bool = True,
    ) -> tuple[Float[Array, "time unit *category"], Float[Array, "time unit *category"]]:
        """Mean and variance of a fresh replicate of every entry (categorical: of each code).

        For an observed entry the mixture `sum_k p_k mu_k`; for a missing one the mixture of
        the expectations given the state *and* the entries observed in the same bin. With
        `conditional` False nothing observed in the bin itself is used (prediction from the past).
        """

    @abc.abstractmethod
    def sample(self, key: Array, parameters: Parameters, states: Int[Array, " time"]) -> Array:
        """One draw per bin, (time, unit), given the path of states."""

    @abc.abstractmethod
    def project(self, parameters: Parameters, data: Any) -> Parameters:
        """Parameters raised to the floors which `maximise` keeps; for extrapolated ones."""

    @abc.abstractmethod
    def unconstrain(self, parameters: Parameters) -> dict[str, Array]:
        """Unit-free coordinates in which any real number is allowed, for extrapolation."""

    @abc.abstractmethod
    def constrain(self, free: dict[str, Array]) -> Parameters:
        """Inverse of `unconstrain`."""

    def start_from_data(
        self, key: Array, data: Any, responsibilities: Float[Array, "time state"]
    ) -> Parameters:
        """One maximisation from an initial (hard or soft) assignment of bins to states."""
        neutral = self.neutral_parameters(key, data, responsibilities.shape[1])
        return self.maximise(self.statistics(responsibilities, data, neutral), neutral)

    def start_parameters(
        self,
        key: Array,
        values: np.ndarray,
        mask: np.ndarray,
        assignment: Any,
        *,
        n_states: int | None = None,
        start: np.ndarray | None = None,
    ) -> Parameters:
        """`start_from_data` on host arrays; `assignment` is labels (time,) or weights (time, state)."""
        first = np.arange(len(values)) == 0 if start is None else start
        data = self.prepare(values, mask, first)
        weights = jnp.asarray(assignment)
        if weights.ndim == 1:
            count = int(weights.max()) + 1 if n_states is None else n_states
            weights = jax.nn.one_hot(weights, count)
        return self.start_from_data(key, data, weights)


def as_mask(mask: np.ndarray) -> Bool[np.ndarray, "time unit"]:
    """`mask` as a boolean array."""
    return np.asarray(mask, dtype=bool)


def working_dtype(values: np.ndarray) -> np.dtype:
    """Floating type the compiled code will use for `values`."""
    kind = values.dtype if np.issubdtype(values.dtype, np.floating) else np.dtype(float)
    return np.dtype(jax.dtypes.canonicalize_dtype(kind))
