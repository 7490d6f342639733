"""A fitted network that emulates discrete states, and its verbs by particle filter."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.analysis.dynamics import Rectified
from neurodyn.errors import ModelError
from neurodyn.inference.compilation import light_jit
from neurodyn.inference.recurrent import Filtered, Network, filter_symbols
from neurodyn.models.base import Prediction
from neurodyn.models.verbs import HasInfer, HasLogLikelihood, HasSimulate
from neurodyn.recording import arrays, make

LAG = 16
AT_ONCE = 8
DRAWN_AT_ONCE = 1024


@light_jit(static_argnames=("network", "n_sequences", "n_steps"))
def _draw(parameters: Any, key: Any, *, network: Network, n_sequences: int, n_steps: int) -> Any:
    """Symbols and states of a batch."""
    return network.draw(parameters, key, n_sequences, n_steps)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HMMEmulatorFit(HasLogLikelihood, HasInfer, HasSimulate):
    """Trained network; `parameters` holds ``input``, ``recurrent``, ``readout`` (and ``bias``) and the course of training.

    Scores and predictions come from particle filters over the noise: `log_likelihood` is marked ``estimate``, and
    `monte_carlo_error` says how far it can be trusted. Without a key, the filters' noise follows from the key of the
    fit, so that the same question has the same answer.
    """

    likelihood_kind: ClassVar[str] = "estimate"

    @property
    def network(self) -> Network:
        """The network without its parameters."""
        sizes = self.parameters["input"].sizes
        return Network(
            sizes["hidden"], sizes["noise"], self.parameters.sizes["category"], "bias" in self.parameters
        )

    @property
    def network_parameters(self) -> dict[str, jax.Array]:
        """The network's arrays."""
        names = ("input", "recurrent", "readout", "bias")
        return {name: jnp.asarray(self.parameters[name].values) for name in names if name in self.parameters}

    def dynamics(self) -> Rectified:
        """The network as `neurodyn.analysis.dynamics` takes it.

        Returns
        -------
        Rectified
            Its step and readout.
        """
        return self._rectified({name: self.parameters[name].values for name in self.network_parameters})

    def snapshots(self) -> tuple[np.ndarray, list[Rectified]]:
        """Networks on the way of training, as `neurodyn.analysis.dynamics.course` takes them.

        They are the moving averages of the parameters, like the fit itself, which is the last of them.

        Returns
        -------
        np.ndarray
            Steps taken before each.
        list of Rectified
            The networks.

        Raises
        ------
        ModelError
            If none were kept.
        """
        if "snapshot" not in self.parameters.sizes:
            raise ModelError(
                "hmm_emulator: this fit kept no networks of the way; fit with the option snapshots=10."
            )
        networks = [
            self._rectified(
                {name: self.parameters[f"snapshot_{name}"].values[k] for name in self.network_parameters}
            )
            for k in range(self.parameters.sizes["snapshot"])
        ]
        return self.parameters["snapshot_step"].values, networks

    @staticmethod
    def _rectified(values: dict[str, np.ndarray]) -> Rectified:
        """Dynamics of the arrays of a network."""
        return Rectified(values["recurrent"], values["input"], values["readout"], values.get("bias"))

    def _symbols(self, recording: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Codes and mask of a recording, refusing symbols the network does not have."""
        values, mask = arrays(recording)
        observed = np.asarray(mask[..., 0])
        symbols = np.where(observed, values[..., 0], 0).astype(np.int32)
        count = self.parameters.sizes["category"]
        if (symbols >= count).any():
            raise ModelError(
                f"hmm_emulator: the recording holds the symbol {int(symbols.max())}, but this fit knows {count}; "
                "name all of them with recording.make(categories=...) before fitting."
            )
        return symbols, observed

    def _filter(
        self, recording: xr.Dataset, wanted: tuple[str, ...], key: jax.Array | None, horizon: int = 1
    ) -> dict[str, np.ndarray]:
        """Fields of `Filtered`, ``(filter, trial, time, ...)``."""
        symbols, observed = self._symbols(recording)
        n_trials, n_time = symbols.shape
        random = (
            jax.random.wrap_key_data(jnp.asarray(self.provenance["key"], jnp.uint32)) if key is None else key
        )
        filters = int(self.model.filters)  # type: ignore[attr-defined]
        parameters, network = self.network_parameters, self.network
        lag = min(LAG, n_time) if {"smoothed", "mean", "deviation"} & set(wanted) else 1
        size = min(AT_ONCE, n_trials)
        found: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
        for first in range(0, n_trials, size):
            rows = np.minimum(np.arange(first, first + size), n_trials - 1)
            keys = jnp.stack(
                [
                    jax.random.fold_in(jax.random.fold_in(random, repeat), int(row))
                    for repeat in range(filters)
                    for row in rows
                ]
            )
            tiled = np.tile(rows, filters)
            one: Filtered = filter_symbols(
                parameters,
                jnp.asarray(symbols[tiled]),
                jnp.asarray(observed[tiled]),
                keys,
                network=network,
                particles=int(self.model.particles),  # type: ignore[attr-defined]
                horizon=min(horizon, n_time + 1),
                lag=lag,
            )
            kept = min(size, n_trials - first)
            for name in wanted:
                array = np.asarray(getattr(one, name))
                found[name].append(array.reshape(filters, size, *array.shape[1:])[:, :kept])
        return {name: np.concatenate(pieces, axis=1) for name, pieces in found.items()}

    def _predict(
        self, recording: xr.Dataset, *, mode: str, horizon: int, key: jax.Array | None
    ) -> Prediction:
        """Probabilities of the symbols, averaged over the filters."""
        field = {"all": "smoothed", "past": "ahead", "present": "present"}[mode]
        found = self._filter(recording, (field,), key, horizon)[field].mean(axis=0)
        names = tuple(str(name) for name in self.parameters["category"].values)
        return Prediction(found[:, :, None, :], None, names)

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Terms of the logarithm of the filters' mean likelihood."""
        terms = self._filter(recording, ("log_likelihood",), None)["log_likelihood"].astype(np.float64)
        total = np.cumsum(terms, axis=-1)
        mean = np.logaddexp.reduce(total, axis=0) - np.log(len(total))
        return np.diff(mean, axis=-1, prepend=0.0)

    def monte_carlo_error(self, recording: xr.Dataset) -> xr.DataArray:
        """Standard error of the log-likelihood of every trial that comes from the finite number of particles.

        .. math:: \\mathrm{se} = \\frac{\\mathrm{sd}_r(L_r)}{\\sqrt{R}\\, \\bar L}

        with :math:`L_r` the likelihood that filter r estimates, to first order in its relative spread; where that is
        large (long trials), use more `particles`.

        Parameters
        ----------
        recording : xr.Dataset
            What `log_likelihood` was asked about.

        Returns
        -------
        xr.DataArray
            Nats, on ``trial``, or without dimensions.
        """
        total = (
            self._filter(recording, ("log_likelihood",), None)["log_likelihood"].astype(np.float64).sum(-1)
        )
        relative = np.exp(total - total.max(axis=0))
        error = relative.std(axis=0, ddof=1) / (np.sqrt(len(total)) * relative.mean(axis=0))
        if "trial" not in recording["activity"].dims:
            return xr.DataArray(error[0], name="monte_carlo_error")
        return xr.DataArray(
            error, dims="trial", coords={"trial": recording["trial"].values}, name="monte_carlo_error"
        )

    def _infer(self, recording: xr.Dataset) -> xr.Dataset:
        """State of the network and probabilities of the symbols, given the bins up to 15 after each."""
        found = self._filter(recording, ("smoothed", "mean", "deviation"), None)
        # Spread within the filters and between their means.
        spread = np.sqrt(np.square(found["deviation"]).mean(0) + found["mean"].var(0))
        values = {
            "mean": ("hidden", found["mean"].mean(0)),
            "standard_deviation": ("hidden", spread),
            "symbol_probability": ("category", found["smoothed"].mean(0)),
        }
        activity = recording["activity"]
        lead = tuple(dim for dim in activity.dims if dim != "unit")
        coords = {name: c for name, c in activity.coords.items() if set(c.dims) <= set(lead)}
        coords["category"] = ("category", self.parameters["category"].values)
        variables = {
            name: ((*lead, dim), array if "trial" in lead else array[0])
            for name, (dim, array) in values.items()
        }
        return xr.Dataset(variables, coords=coords, attrs={"lag": min(LAG, recording.sizes["time"]) - 1})

    def _simulate(self, n_time: int, n_trials: int, key: jax.Array, options: dict[str, Any]) -> xr.Dataset:
        """Run the network from zero; the option ``hidden`` (True) keeps its states beside the symbols."""
        hidden = options.pop("hidden", True)
        if options:
            raise ModelError(f"simulate got the unknown option {sorted(options)[0]!r}; it takes hidden.")
        symbols, states = [], []
        for number in range(-(-n_trials // DRAWN_AT_ONCE)):
            drawn = _draw(
                self.network_parameters,
                jax.random.fold_in(key, number),
                network=self.network,
                n_sequences=min(DRAWN_AT_ONCE, n_trials),
                n_steps=n_time,
            )
            symbols.append(np.asarray(drawn[0]))
            if hidden:
                states.append(np.asarray(drawn[1]))
        label = str(self.units[0])
        recording = make(
            np.concatenate(symbols)[:n_trials, :, None],
            sampling_interval=float(self.provenance.get("sampling_interval", 1.0)),
            kind="categorical",
            unit=self.units,
            categories={label: [str(name) for name in self.parameters["category"].values]},
            source="simulated from a fit of hmm_emulator",
        )
        if not hidden:
            return recording
        return recording.assign(hidden=(("trial", "time", "hidden_unit"), np.concatenate(states)[:n_trials]))
