"""Seconds of an epoch beside the time of its own matrix products, of compilation, and the same network in PyTorch."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.measure import Line, at_most
from neurodyn.inference.training.steps import advance
from neurodyn.inference.vae.decoders import TransformerDecoder
from neurodyn.models.vae import SequentialVAE, Training
from neurodyn.recording import make

N_TRIALS, N_TIME, N_UNITS, WIDTH, BATCH = 1000, 100, 30, 64, 64
EPOCHS = 3


def recording(n_trials: int = N_TRIALS) -> Any:
    """Counts without structure: speed depends on sizes alone."""
    counts = np.random.default_rng(0).poisson(0.2, (n_trials, N_TIME, N_UNITS))
    return make(counts, sampling_interval=0.02, kind="count")


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """Shortest of several runs."""
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(call())
        found.append(time.perf_counter() - began)
    return min(found)


def products(model: SequentialVAE, batch: int, n_batches: int) -> float:
    """Seconds of an epoch's matrix products alone: every product of a pass, and its two of the gradient.

    One chain of products of the same sizes, in the same precision, with nothing between them.
    """
    hidden, width = model.encoder.n_hidden, model.decoder.n_features(0)
    given = hidden + model.latent.n_state
    feed_forward, heads = model.decoder.feed_forward, model.decoder.heads
    rows = batch * N_TIME
    affine = [
        (rows, N_UNITS, 3 * WIDTH),
        (rows, N_UNITS, 3 * WIDTH),
        (rows, given, width),
        (rows, width, 3 * width),
        (rows, width, width),
        (rows, width, feed_forward),
        (rows, feed_forward, width),
        (rows, width, N_UNITS),
    ]
    generator = np.random.default_rng(0)

    def draw(*shape: int) -> jax.Array:
        return jnp.asarray(generator.normal(size=shape).astype(np.float32))

    total = 0.0
    for n, k, m in affine:
        left, right, back = draw(n, k), draw(k, m), draw(n, m)
        for product, pair in (
            (lambda a, b: a @ b, (left, right)),
            (lambda a, b: a @ b.T, (back, right)),
            (lambda a, b: a.T @ b, (left, back)),
        ):
            compiled = jax.jit(product)
            total += seconds(lambda p=compiled, q=pair: p(*q), 10)
    query, scores = draw(batch * heads, N_TIME, width // heads), draw(batch * heads, N_TIME, N_TIME)
    looks = jax.jit(lambda a, b: jnp.einsum("bik,bjk->bij", a, b))
    gathers = jax.jit(lambda a, b: a @ b)
    total += 3 * (seconds(lambda: looks(query, query), 10) + seconds(lambda: gathers(scores, query), 10))
    state, recurrent = draw(batch, WIDTH), draw(WIDTH, 3 * WIDTH)

    @jax.jit
    def steps(state: jax.Array, recurrent: jax.Array) -> jax.Array:
        def one(state: jax.Array, _: None) -> tuple[jax.Array, None]:
            return (state @ recurrent)[:, :WIDTH], None

        return jax.lax.scan(one, state, None, length=N_TIME)[0]

    total += 2 * 3 * seconds(lambda: steps(state, recurrent), 10)
    return total * n_batches


def epoch_seconds(model: SequentialVAE, data: Any) -> tuple[float, float]:
    """Seconds of one epoch from the difference of two fits, and of the first fit's compilation."""

    def fit(epochs: int) -> float:
        changed = dataclasses.replace(
            model,
            validation=0.0,
            training=dataclasses.replace(model.training, epochs=epochs, evaluate_every=epochs),
        )
        began = time.perf_counter()
        changed.fit(data, key=0)
        return time.perf_counter() - began

    first, again = fit(1), fit(1)
    fit(1 + EPOCHS)
    longer = fit(1 + EPOCHS)
    return (longer - again) / EPOCHS, first - again


def measure(*, quick: bool) -> list[Line]:
    """The lines."""
    data = recording(200 if quick else N_TRIALS)
    lines = []
    for name, feed_forward in (("default", TransformerDecoder().feed_forward), ("feed-forward of 512", 512)):
        decoder = TransformerDecoder(WIDTH, feed_forward=feed_forward)
        model = SequentialVAE(decoder=decoder, training=Training(epochs=1, batch_size=BATCH))
        before = advance.cache_size()
        epoch, compiling = epoch_seconds(model, data)
        compiled = advance.cache_size() - before
        n_batches = -(-data.sizes["trial"] // BATCH)
        alone = products(model, BATCH, n_batches)
        sizes = (
            f"{data.sizes['trial']} trials x {N_TIME} bins x {N_UNITS} units, width {WIDTH}, batch {BATCH}"
        )
        bar = 1.5 if name == "default" else float("inf")
        if name == "default":
            lines.append(at_most("An epoch", epoch, bar, "s", sizes))
            lines.append(
                at_most("Compilation of a fit", compiling, 5.0, "s", f"{compiled} compiled variants")
            )
        lines.append(
            at_most(
                f"An epoch over its own matrix products, {name}",
                epoch / alone,
                2.0,
                note=f"{epoch:.2f} s / {alone:.2f} s",
            )
        )
    return lines
