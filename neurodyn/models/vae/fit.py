"""A fitted sequential variational autoencoder."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.analysis.dynamics import Mapped
from neurodyn.errors import ModelError, NotApplicable
from neurodyn.inference.compilation import light_jit
from neurodyn.inference.random import key_words
from neurodyn.inference.vae.layers import Coins
from neurodyn.inference.vae.network import Network
from neurodyn.models.base import Prediction
from neurodyn.models.baselines.common import unit_kinds
from neurodyn.models.vae.layout import Rows, rows
from neurodyn.models.vae.parameters import from_dataset
from neurodyn.models.verbs import HasInfer, HasSimulate
from neurodyn.recording import arrays, make

AT_ONCE = 256
INFER_PASSES = 20


@light_jit(static_argnames=("network", "passes"))
def run_rows(
    parameters: Any, values: Any, observed: Any, moments: Any, key: Any, *, network: Network, passes: int
) -> dict[str, jax.Array]:
    """Expected values and states of a batch of rows, averaged over passes with the same draws for every row.

    Parameters
    ----------
    parameters : tree
        Of the network.
    values, observed : array
        ``(row, time, unit)``.
    moments : tuple of array
        Mean and deviation of the units.
    key : jax.Array
        Randomness of the passes.
    network : Network
        The network.
    passes : int
        Draws of the latent; 0: its posterior mean.

    Returns
    -------
    dict
        ``mean`` and ``variance`` of the data, ``state``, ``state_deviation`` and ``features``.
    """
    mean, deviation = moments
    fed = jnp.where(observed, (values - mean) / deviation, 0)
    likelihood = network.likelihood

    def once(key: jax.Array | None) -> dict[str, jax.Array]:
        if key is None:
            output = network(parameters, fed, observed)
            state, features, read = output.path.state, output.features, output.read
        else:
            # The same draws for every row: a prediction depends on no other row of its batch.
            alone = jax.vmap(lambda f, o: network(parameters, f[None], o[None], sample=key))(fed, observed)
            state, features, read = (found[:, 0] for found in (alone.path.state, alone.features, alone.read))
        expected = likelihood.mean(parameters["likelihood"], read)
        spread = likelihood.variance(parameters["likelihood"], read)
        return {"mean": expected, "variance": spread, "state": state, "features": features}

    if passes == 0:
        found = once(None)
        return {**found, "state_deviation": jnp.zeros_like(found["state"])}
    keys = jax.random.split(key, passes)
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(once, keys[0]))
    zero |= {"mean squared": zero["mean"], "state squared": zero["state"]}

    def add(total: dict[str, jax.Array], key: jax.Array) -> tuple[dict[str, jax.Array], None]:
        found = once(key)
        found |= {"mean squared": jnp.square(found["mean"]), "state squared": jnp.square(found["state"])}
        return {name: total[name] + found[name] / passes for name in total}, None

    total = jax.lax.scan(add, zero, keys)[0]
    between = jnp.maximum(total.pop("mean squared") - jnp.square(total["mean"]), 0)
    spread = jnp.maximum(total.pop("state squared") - jnp.square(total["state"]), 0)
    return {**total, "variance": total["variance"] + between, "state_deviation": jnp.sqrt(spread)}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SequentialVAEFit(HasInfer, HasSimulate):
    """Fitted network; `parameters` holds its arrays, the units' training moments and the course of training."""

    @property
    def network(self) -> Network:
        """The network without its parameters."""
        return self.model._network(self.provenance["likelihood"])  # type: ignore[attr-defined]

    @property
    def network_parameters(self) -> dict[str, Any]:
        """The network's parameters as nested dictionaries of arrays."""
        return from_dataset(self.parameters)

    def dynamics(self) -> Mapped:
        """The latent dynamics as `neurodyn.analysis.dynamics` takes them; noise of one is the prior's innovation.

        Returns
        -------
        Mapped
            Their step.

        Raises
        ------
        NotApplicable
            If the decoder does not see the latent.
        """
        network = self.network
        if not network.uses_latent:
            raise NotApplicable(
                "this sequential VAE leaves the latent out (ablate='latent'); it has no dynamics."
            )
        latent = network.latent
        tree = jax.tree.map(jnp.asarray, self.network_parameters["latent"]["dynamics"])
        prepared = latent.prepare(tree)
        scale = latent.deviation(prepared)

        def step(state: Any, drive: Any) -> jax.Array:
            state, drive = jnp.asarray(state), scale * jnp.asarray(drive)
            lead = jnp.broadcast_shapes(state.shape[:-1], drive.shape[:-1])
            rows = [
                jnp.broadcast_to(x, (*lead, x.shape[-1])).reshape(-1, x.shape[-1]) for x in (state, drive)
            ]
            return latent.step(prepared, *rows).reshape(*lead, -1)

        return Mapped(step, latent.n_state, latent.n_innovation)

    def _predict(
        self, recording: xr.Dataset, *, mode: str, horizon: int, key: jax.Array | None
    ) -> Prediction:
        """Run the network on what the mode allows of every trial or window."""
        values, mask = arrays(recording)
        trained = self.parameters["trained"].values
        plan = rows(mask[..., trained], self._length(values.shape[1]), mode, horizon, self.network.causal)
        wanted = ("mean", "variance")
        found = self._run(values, mask, plan, wanted, key, self.model.passes)  # type: ignore[attr-defined]
        mean = np.empty(values.shape, np.float64)
        variance = np.empty(values.shape, np.float64)
        mean[:] = self.parameters["mean"].values
        variance[:] = np.square(self.parameters["deviation"].values)
        mean[..., trained], variance[..., trained] = found["mean"], found["variance"]
        dtype = recording["activity"].dtype
        return Prediction(mean.astype(dtype), variance.astype(dtype))

    def _length(self, n_time: int) -> int:
        """Bins of a window: as in training, or all there are."""
        del n_time
        return int(self.provenance["window"])

    def _run(
        self,
        values: np.ndarray,
        mask: np.ndarray,
        plan: Rows,
        wanted: tuple[str, ...],
        key: jax.Array | None,
        passes: int,
    ) -> dict[str, np.ndarray]:
        """Outputs for every bin of the recording, ``(trial, time, ...)``."""
        trained = self.parameters["trained"].values
        values, mask = values[..., trained], mask[..., trained]
        words = self.provenance["key"] if key is None else key_words(key)
        random = jax.random.wrap_key_data(jnp.asarray(words, jnp.uint32))
        tree = jax.tree.map(jnp.asarray, self.network_parameters)
        moments = tuple(
            jnp.asarray(self.parameters[name].values[trained], jnp.float32) for name in ("centre", "scale")
        )
        n_rows = len(plan.visible)
        size = min(AT_ONCE, 1 << (n_rows - 1).bit_length())
        found: dict[str, np.ndarray] = {}
        bins = np.arange(plan.windows.length)
        where_trial, where_time = np.nonzero(np.ones(plan.row.shape, bool))
        flat = plan.row.ravel()
        order = np.argsort(flat, kind="stable")
        bounds = np.searchsorted(flat[order], np.arange(0, n_rows + size, size))
        for number, first in enumerate(range(0, n_rows, size)):
            chosen = np.arange(first, min(first + size, n_rows))
            windows = dataclasses.replace(
                plan.windows, trial=plan.windows.trial[chosen], start=plan.windows.start[chosen]
            )
            seen = windows.cut(mask)
            seen &= (windows.start[:, None] + bins <= plan.visible[chosen][:, None])[..., None]
            piece = [_filled(array, size) for array in (windows.cut(values).astype(np.float32), seen)]
            output = run_rows(tree, *piece, moments, random, network=self.network, passes=passes)
            picked = order[bounds[number] : bounds[number + 1]]
            offset = where_time[picked] - plan.windows.start[flat[picked]]
            for name in wanted:
                array = np.asarray(output[name])
                if name not in found:
                    found[name] = np.zeros((*plan.row.shape, array.shape[-1]), array.dtype)
                found[name][where_trial[picked], where_time[picked]] = array[flat[picked] - first, offset]
        return found

    def _infer(self, recording: xr.Dataset) -> xr.Dataset:
        """Posterior mean and deviation of the latent state, and the features read out."""
        values, mask = arrays(recording)
        trained = self.parameters["trained"].values
        plan = rows(mask[..., trained], self._length(values.shape[1]), "all", 1, True)
        wanted = ("state", "state_deviation", "features")
        found = self._run(values, mask, plan, wanted, None, INFER_PASSES)
        activity = recording["activity"]
        lead = activity.dims[:-1]
        shape = activity.shape[:-1]
        coords = {name: c for name, c in activity.coords.items() if set(c.dims) <= set(lead)}
        names = {"mean": "state", "standard_deviation": "state_deviation"} if self.network.uses_latent else {}
        variables = {
            new: ((*lead, "dimension"), found[old].reshape(*shape, -1)) for new, old in names.items()
        }
        variables["feature"] = ((*lead, "feature_number"), found["features"].reshape(*shape, -1))
        return xr.Dataset(variables, coords=coords)

    def _simulate(self, n_time: int, n_trials: int, key: jax.Array, options: dict[str, Any]) -> xr.Dataset:
        """Draw from the prior of the latent, where the decoder needs nothing else."""
        if options:
            raise ModelError(f"simulate got the unknown option {next(iter(options))!r}; it takes none.")
        network = self.network
        if not network.uses_latent or (network.reads_encoder and network.ablate != "encoder"):
            raise NotApplicable(
                "this sequential VAE reads rates from the encoder's states, which need data; fit it with "
                "reads_encoder=False to simulate."
            )
        tree = jax.tree.map(jnp.asarray, self.network_parameters)
        first, second = jax.random.split(key)
        state = network.latent.prior(tree["latent"], n_trials, n_time, first)
        if network.reads_encoder:
            state = jnp.concatenate([state, jnp.zeros((*state.shape[:2], network.encoder.n_hidden))], axis=-1)
        read = network.read(tree, network.decoder(tree["decoder"], state, Coins(None, (), 0)))
        drawn = network.likelihood.draw(tree["likelihood"], read, second)
        trained = self.parameters["trained"].values
        activity = np.full((n_trials, n_time, len(trained)), np.nan, np.float32)
        activity[..., trained] = np.asarray(drawn)
        recording = make(
            activity,
            sampling_interval=float(self.provenance.get("sampling_interval", 1.0)),
            unit=self.units,
            kind=unit_kinds(self.parameters).tolist(),
            source="simulated from a fit of sequential_vae",
        )
        return recording.assign(
            state=(("trial", "time", "dimension"), np.asarray(state[..., : network.latent.n_state]))
        )


def _filled(array: np.ndarray, size: int) -> np.ndarray:
    """Rows of zeros (False) up to a full batch."""
    return np.concatenate([array, np.zeros((size - len(array), *array.shape[1:]), array.dtype)])
