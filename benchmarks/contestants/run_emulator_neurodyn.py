"""Steps of training an emulating network here: forward, backward, clipping and Adam, from given parameters.

Options: `batch=N` sequences of a step.
"""

import clock
import numpy as np

RATE, CLIP, BETAS, BLUR, REPEATS = 3e-3, 0.9, (0.9, 0.9), 0.04, 3


def prepare(problem, iterations, options):
    """Sequences and start on the device, and as many steps as asked."""
    import jax
    import jax.numpy as jnp

    from neurodyn.inference.recurrent import Network, Objective, Sequences
    from neurodyn.inference.training import Training, train

    batch = int(dict(one.split("=") for one in options)["batch"])
    symbols = problem["values"].astype(np.int32)
    start = {name.removeprefix("start_"): problem[name] for name in problem if name.startswith("start_")}
    width, noise = start["input"].shape
    network = Network(width, noise, len(start["readout"]))
    epochs = iterations * batch // len(symbols)
    settings = Training(
        epochs=epochs,
        batch_size=batch,
        learning_rate=RATE,
        schedule="constant",
        warm_up=0,
        weight_decay=0.0,
        clip=CLIP,
        betas=BETAS,
        average=0.0,
        evaluate_every=epochs,
    )
    objective = Objective(network=network, blur=BLUR, word_weight=0.0)
    data = Sequences(jnp.asarray(symbols), jnp.ones(len(symbols), bool))
    context = {"symbols": jnp.asarray(symbols), "count": jnp.float32(len(symbols))}

    def fit():
        (found,), _ = train(
            lambda key: start,
            data,
            None,
            context,
            [jax.random.key(1)],
            objective=objective,
            settings=settings,
            names=objective.names,
        )
        return found.parameters

    def about():
        sizes = {"width": width, "noise": noise, "symbols": network.symbols, "steps": symbols.shape[1]}
        return {"products": products(batch, **sizes), "exponentials": exponentials(batch, symbols.shape[1])}

    return {"fit": fit, "compilations": clock.Compilations().listen(), "about": about}


def products(batch, width, noise, symbols, steps):
    """Seconds of the matrix products that no step avoids, each in the shape in which it runs.

    Two batches are generated. Forward: the noise of all bins, one product a bin, the logits; backward: two products for
    each, one for the noise, whose own gradient nobody needs. Three transport problems: all inner products, and the mean
    partners of rows and of columns.
    """
    rows, features = 2 * batch, steps * symbols
    times = steps * rows
    shapes = [
        (1, times, noise, width),
        (steps, rows, width, width),
        (1, times, width, symbols),
        (1, width, times, noise),
        (steps, rows, width, width),
        (1, width, times, width),
        (1, times, symbols, width),
        (1, symbols, times, width),
        (3, batch, features, batch),
        (6, batch, batch, features + 1),
    ]
    return summed(shapes)


def summed(shapes):
    """Seconds of the products of such sizes, (how many, rows, inner, columns), the fastest of a few times each."""
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    product = jax.jit(lambda a, b: a @ b)
    found = {"cpu": 0.0, "wall": 0.0}
    for count, rows, inner, columns in shapes:
        a, b = (jnp.asarray(rng.normal(size=s).astype(np.float32)) for s in ((rows, inner), (inner, columns)))
        spent = fastest(lambda a=a, b=b: product(a, b))
        found = {name: found[name] + count * spent[name] for name in found}
    return found


def exponentials(batch, steps):
    """Seconds of the exponentials of three problems, one for every pair in every update, as the schedule has them."""
    import jax
    import jax.numpy as jnp

    updates, blur = 3, 3.0 * steps
    while blur > BLUR:
        updates, blur = updates + 1, blur * 0.25
    values = jnp.asarray(np.random.default_rng(0).normal(size=(batch, batch)).astype(np.float32))
    sums = jax.jit(lambda x: jnp.exp(x).sum())
    spent = fastest(lambda: sums(values))
    return {name: 3 * updates * seconds for name, seconds in spent.items()}


def fastest(call):
    """Seconds of the fastest of a few calls, compiled before."""
    import jax

    jax.block_until_ready(call())
    spent = [clock.timed(lambda: jax.block_until_ready(call()))[1] for _ in range(REPEATS)]
    return {name: min(one[name] for one in spent) for name in ("cpu", "wall")}


if __name__ == "__main__":
    clock.run(prepare)
