"""What is exact: bits per spike, a resumed run, a causal network, what is compiled, what a batch costs in memory."""

import contextlib
import pathlib
import tempfile

import numpy as np

from benchmarks.measure import HOLDS, SHORT, Line, at_most
from neurodyn.inference.training.steps import advance
from neurodyn.models.vae import GRUEncoder, SequentialVAE, Training, TransformerDecoder
from neurodyn.recording import make
from neurodyn.simulate.lorenz import lorenz_population
from neurodyn.validation import metrics


def reference_bits(rates: np.ndarray, counts: np.ndarray) -> float:
    """The benchmark's definition, written out: rates floored at 1e-9, each unit's mean over evaluated entries as null."""
    total, spikes = 0.0, 0.0
    for unit in range(counts.shape[-1]):
        seen = ~np.isnan(counts[..., unit])
        observed, expected = counts[..., unit][seen], np.maximum(rates[..., unit][seen], 1e-9)
        null = np.full(observed.shape, max(observed.mean(), 1e-9))
        for rate, sign in ((expected, 1), (null, -1)):
            total += sign * float((observed * np.log(rate) - rate).sum())
        spikes += float(observed.sum())
    return total / spikes / np.log(2)


def measure(*, quick: bool) -> list[Line]:
    """The lines."""
    del quick
    return [*_bits(), _resumed(), _causal(), _compiled(), _parts()]


def _bits() -> list[Line]:
    """By hand, by the reference definition, and without writing into the caller's arrays."""
    by_hand = make(np.array([[0.0], [2.0]])[None], sampling_interval=1.0, kind="count")
    rates = np.array([[[0.5], [2.0]]])
    # log-likelihood: -0.5 + 2 log 2 - 2; of the mean of one: -1 - 1; over two spikes.
    expected = (2 * np.log(2) - 2.5 + 2.0) / 2 / np.log(2)
    found = metrics.bits_per_spike(rates, by_hand)
    generator = np.random.default_rng(0)
    counts = generator.poisson(1.0, (20, 30, 4)).astype(float)
    counts[generator.random(counts.shape) < 0.1] = np.nan
    predicted = generator.gamma(1.0, size=counts.shape)
    predicted[3, 4] = 0.0
    before = predicted.copy()
    recording = make(counts, sampling_interval=1.0, kind="count")
    score = metrics.bits_per_spike(predicted, recording)
    unchanged = np.array_equal(before, predicted)
    return [
        at_most("Bits/spike: deviation from a case worked by hand", abs(float(found) - expected), 1e-6),
        at_most(
            "Bits/spike: relative deviation from the reference definition, rates of zero included",
            abs(float(score) / reference_bits(predicted, counts) - 1),
            1e-5,
        ),
        Line(
            "Bits/spike: the caller's arrays",
            "unchanged" if unchanged else "changed",
            "unchanged",
            HOLDS if unchanged else SHORT,
        ),
    ]


def _small(**changes: object) -> SequentialVAE:
    """A network that trains in seconds."""
    parts = {
        "encoder": GRUEncoder(16),
        "decoder": TransformerDecoder(16, feed_forward=16),
        "training": Training(epochs=6, batch_size=16),
    }
    return SequentialVAE(**{**parts, **changes})


def _population(n_trials: int = 2):
    """A small Lorenz population without its truth."""
    found = lorenz_population(key=0, n_conditions=20, n_trials=n_trials, n_bins=30)
    return found.drop_vars(["rates", "latent", "loadings"])


class _Killed:
    """Progress that ends the run half way."""

    def update(self, fraction: float, text: str) -> None:
        """Raise half way."""
        del text
        if fraction >= 0.5:
            raise RuntimeError("killed")


def _resumed() -> Line:
    """A killed run goes on to the same numbers."""
    data = _population()
    whole = _small().fit(data, key=0).parameters
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "state.npz"
        with contextlib.suppress(RuntimeError):
            _small().fit(data, key=0, checkpoint=path, checkpoint_seconds=0.0, progress=_Killed())
        left = path.is_file()
        again = _small().fit(data, key=0, checkpoint=path).parameters
    largest = max(
        float(np.nanmax(np.abs(whole[name].values - again[name].values)))
        for name in whole.data_vars
        if whole[name].dtype.kind == "f" and whole[name].size
    )
    note = (
        "a checkpoint was left by the killed run" if left else "no checkpoint was left: nothing was resumed"
    )
    return Line(
        "A killed and resumed run: largest difference of any parameter, score or loss",
        f"{largest:g}",
        "0",
        HOLDS if largest == 0 and left else SHORT,
        note,
    )


def _causal() -> Line:
    """Later counts change no earlier rate of a network that reads forwards."""
    data = _population()
    model = _small(
        encoder=GRUEncoder(16, bidirectional=False),
        decoder=TransformerDecoder(16, feed_forward=16, causal=True),
    )
    fit = model.fit(data, key=0)
    changed = data.copy(deep=True)
    changed["activity"].values[:, 15:] += 3
    before, after = (fit.predict(one, mode="present")["mean"].values for one in (data, changed))
    moved = float(np.abs(after - before)[:, :15].max())
    later = float(np.abs(after - before)[:, 15:].max())
    note = f"rates from there on change by up to {later:.3g}"
    return Line(
        "Causal network: change of rates before the counts that were altered",
        f"{moved:g}",
        "0",
        HOLDS if moved == 0 and later > 0 else SHORT,
        note,
    )


def _compiled() -> Line:
    """Fits of folds of about the same size share what is compiled."""
    data = _population()
    _small().fit(data, key=0)
    before = advance.cache_size()
    _small().fit(data.isel(trial=slice(1, None)), key=1)
    extra = advance.cache_size() - before
    return Line(
        "Programs compiled by a second fit of about the same size",
        str(extra),
        "0",
        HOLDS if extra == 0 else SHORT,
    )


def _parts() -> Line:
    """Memory of a training step for batches of one size, in one part and in four."""
    import jax
    import jax.numpy as jnp

    from neurodyn.inference.training.steps import Layout, first_state
    from neurodyn.inference.vae.likelihoods import Poisson
    from neurodyn.inference.vae.network import Network
    from neurodyn.inference.vae.objective import Masking, Objective, Trials

    model = SequentialVAE()
    network = Network(
        encoder=model.encoder,
        latent=model.latent,
        decoder=model.decoder,
        likelihood=Poisson(),
        ablate="latent",
    )
    objective = Objective(network=network, masking=Masking())
    n_units = 30
    shown = jnp.ones((64, 100, n_units), bool)
    trials = Trials(jnp.zeros(shown.shape), shown, shown)
    context = {"seeds": jnp.arange(n_units), "mean": jnp.ones(n_units), "deviation": jnp.ones(n_units)}
    parameters = network.start(
        np.random.default_rng(0), np.arange(n_units), np.ones(n_units), np.ones(n_units)
    )
    needed = []
    for parts in (1, 4):
        settings = Training(batch_size=64, accumulate=parts)
        state = first_state(parameters, 1, 64, settings)

        def steps(state, settings=settings):
            return advance.function(
                state, jnp.int32(2), jnp.int32(64), trials, context, jax.random.key(0),
                objective=objective, settings=settings, names=("data",), layout=Layout.of(parameters),
            )  # fmt: skip

        needed.append(jax.jit(steps).lower(state).compile().memory_analysis().temp_size_in_bytes / 2**20)
    name = "Memory of a step (64 trials x 100 bins x 30 units) in four parts, over that in one"
    return at_most(
        name, needed[1] / needed[0], 0.5, note=f"{needed[0]:.0f} MiB in one, {needed[1]:.0f} MiB in four"
    )
