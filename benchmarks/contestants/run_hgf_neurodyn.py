"""neurodyn's binary hierarchical Gaussian filter of three levels: the calls a user makes, and its compiled task.

Options: the work (`log_likelihood`, `infer`, `gradient`, `batch` or `loop`), and `float64` for double precision.
"""

import clock
import numpy as np


def prepare(problem, iterations, options):
    """A recording and a fit, or the task on bare arrays, and the work."""
    import jax

    dtype = "float64" if "float64" in options else "float32"
    jax.config.update("jax_enable_x64", dtype == "float64")
    (work,) = (option for option in options if option != "float64")
    done = {"log_likelihood": user_call, "infer": user_call}.get(work, bare)(problem, work, dtype)
    return {"fit": done, "repeats": iterations, "compilations": clock.Compilations().listen()}


def user_call(problem, work, dtype):
    """The verb of a fit; its numbers are read, as a user would."""
    from neurodyn import recording
    from neurodyn.models import HGF

    data = recording.make(
        problem["values"][0, :, None], kind="binary", unit=["outcome"], time_unit="trial", dtype=dtype
    )
    omega = problem["start_omega"][0]
    model = HGF(3, learn=(), x1_tonic_volatility=float(omega[0]), x2_tonic_volatility=float(omega[1]))
    # A network without free parameters learns nothing, so a short piece makes the same fit.
    fit = model.fit(data.isel(time=slice(0, 64)), key=0)
    if work == "infer":
        return lambda: {"mean": fit.infer(data)["mean"].values[-1]}
    return lambda: {"surprise": -float(fit.log_likelihood(data).values.sum(dtype=np.float64))}


def bare(problem, work, dtype):
    """Value and gradient of the summed surprise, by the task that a fit hands to its optimiser."""
    import jax
    import jax.numpy as jnp

    from neurodyn.inference.predictive_coding.tasks import Behaviour
    from neurodyn.models import HGF
    from neurodyn.models.predictive_coding.learning import prepared

    plan = HGF(3, learn=("x1.tonic_volatility", "x2.tonic_volatility")).plan()
    values = np.asarray(problem["values"], dtype)
    if len(values) == 1:
        values = np.broadcast_to(values, (len(problem["start_omega"]), values.shape[1]))
    seen, steps = np.ones(values.shape, bool), np.ones(values.shape, dtype)
    nothing = np.zeros(values.shape, dtype)
    everyone = Behaviour(
        values[..., None],
        seen[..., None],
        steps,
        nothing,
        ~seen,
        nothing - 1,
        np.zeros((*values.shape, 0), dtype),
    )
    # A prior this wide adds a constant, which is taken off again: what is left is the surprise.
    data = jax.device_put(prepared(plan, everyone, plan.mean, np.full(2, WIDE)))
    free = jnp.asarray(problem["start_omega"], dtype)
    both = jax.value_and_grad(plan.task)
    constant = np.log(2 * np.pi) + 2 * np.log(WIDE)

    def result(value, slope):
        return {"surprise": -np.asarray(value, np.float64) - constant, "gradient": -np.asarray(slope)}

    if work == "batch":
        together = jax.jit(jax.vmap(both))
        return lambda: result(*together(free, data))
    alone = jax.jit(both)
    host = jax.tree.map(np.asarray, (free, data))
    each = [jax.device_put(jax.tree.map(lambda leaf: leaf[person], host)) for person in range(len(values))]  # noqa: B023

    def loop():
        found = [alone(*one) for one in each]
        return result(*(np.stack(part) for part in zip(*found, strict=True)))

    return loop


WIDE = 1e6

if __name__ == "__main__":
    clock.run(prepare)
