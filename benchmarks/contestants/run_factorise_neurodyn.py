"""neurodyn's non-negative factorisation in single precision, by the public call: checks and copies included.

Options: `plain` for classic sweeps, `accelerated` for extrapolated ones; three passes over the components in both.
"""

import clock

REPEATS = 30


def prepare(problem, iterations, options):
    """The tensor and the start, and as many sweeps as asked."""
    from neurodyn.inference.factorise import fitting

    values = problem["values"]
    start = [problem[f"start_{mode}"] for mode in range(values.ndim)]
    last = {}

    def fit():
        found = fitting.fit(
            values,
            start[0].shape[1],
            start=start,
            accelerate="accelerated" in options,
            max_sweeps=iterations,
            tolerance=0.0,
        )[0]
        last["trace"] = found.objective.tolist()
        return {
            f"factor_{mode}": factor * found.weights if mode == 0 else factor
            for mode, factor in enumerate(found.factors)
        }

    def about():
        return last | {"products": products(values, start[0].shape[1])}

    return {"fit": fit, "repeats": 5, "compilations": clock.Compilations().listen(), "about": about}


def products(tensor, rank):
    """Seconds of the two products with the tensor that no sweep avoids, in the cheapest arrangement we know."""
    import jax
    import jax.numpy as jnp

    values, ones, shape = jnp.asarray(tensor.reshape(len(tensor), -1)), jnp.ones, tensor.shape
    first = jax.jit(lambda tensor, factor: tensor.reshape(-1, shape[-1]) @ factor)
    second = jax.jit(lambda tensor, factor: factor @ tensor)
    found = {"cpu": 0.0, "wall": 0.0}
    for product, factor in ((first, ones((shape[-1], rank))), (second, ones((rank, shape[0])))):

        def repeatedly(product=product, factor=factor):
            for _ in range(REPEATS):
                jax.block_until_ready(product(values, factor))

        repeatedly()
        spent = sorted((clock.timed(repeatedly)[1] for _ in range(3)), key=lambda one: one["cpu"])[1]
        found = {name: found[name] + spent[name] / REPEATS for name in found}
    return found


if __name__ == "__main__":
    clock.run(prepare)
