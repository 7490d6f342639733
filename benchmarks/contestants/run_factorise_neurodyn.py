"""neurodyn's non-negative factorisation, single precision; the tensor is on the device before the clock runs.

Options: `plain` for classic sweeps, `accelerated` for extrapolated ones; three passes over the components in both.
"""

import clock
import numpy as np

REPEATS = 30


def prepare(problem, iterations, options):
    """The tensor and the start, and the sweeps as `fit` runs them."""
    import jax
    import jax.numpy as jnp

    from neurodyn.inference.factorise.checks import check_tensor
    from neurodyn.inference.factorise.descent import begin, descend
    from neurodyn.inference.factorise.fitting import PASSES, on_device
    from neurodyn.inference.factorise.penalties import Penalties
    from neurodyn.inference.factorise.sweeps import SQUARES, Settings

    checked = check_tensor(problem["values"], None)
    n_modes = checked.values.ndim
    tensor = jax.block_until_ready(on_device(checked))
    start = [np.ascontiguousarray(problem[f"start_{mode}"].T)[None] for mode in range(n_modes)]
    states = jax.block_until_ready(begin(tuple(jnp.asarray(factor, jnp.float32) for factor in start)))
    strengths = Penalties().by_mode(checked.values.shape, (), checked.values.dtype)
    settings = Settings(SQUARES, (True,) * n_modes, PASSES, "accelerated" in options)
    last = {}

    def fit():
        found, trace = descend(tensor, states, strengths, iterations, settings=settings)
        last["trace"] = np.asarray(trace)[0, :iterations].tolist()
        return {f"factor_{mode}": np.asarray(factor[0]).T for mode, factor in enumerate(found.factors)}

    def about():
        return last | {"products": products(tensor.values, checked.values.shape, start[0].shape[1])}

    return {"fit": fit, "repeats": 5, "compilations": clock.Compilations().listen(), "about": about}


def products(values, shape, rank):
    """Seconds of the two products with the tensor that no sweep avoids, in the cheapest arrangement we know."""
    import jax
    import jax.numpy as jnp

    ones = jnp.ones
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
