"""pyhgf's binary hierarchical Gaussian filter of three levels: as its tutorials use it, and its scan compiled by hand.

Options: the work (`tutorial`, `core`, `gradient` or `loop`), and `float64` for double precision.
"""

import clock
import numpy as np

OMEGA = "tonic_volatility"


def network(omega):
    """The outcome, the belief about it, and that belief's volatility; all else at its default: means 0, precisions 1."""
    from pyhgf.model import Network

    made = Network(update_type="eHGF").add_nodes(kind="binary-state")
    made = made.add_nodes(kind="continuous-state", value_children=0, node_parameters={OMEGA: omega[0]})
    return made.add_nodes(kind="continuous-state", volatility_children=1, node_parameters={OMEGA: omega[1]})


def prepare(problem, iterations, options):
    """Arrays on the device, and the work."""
    import jax

    dtype = "float64" if "float64" in options else "float32"
    jax.config.update("jax_enable_x64", dtype == "float64")
    (work,) = (option for option in options if option != "float64")
    done = tutorial(problem) if work == "tutorial" else by_hand(problem, work, dtype)
    return {"fit": done, "repeats": iterations, "compilations": clock.Compilations().listen()}


def tutorial(problem):
    """Build a network, give it the outcomes, ask for the surprise."""
    from pyhgf.response import first_level_binary_surprise

    outcomes, omega = problem["values"][0], problem["start_omega"][0]

    def work():
        made = network([float(one) for one in omega]).input_data(input_data=outcomes)
        return {"surprise": np.asarray(made.surprise(response_function=first_level_binary_surprise))}

    return work


def by_hand(problem, work, dtype):
    """Its function of one trial in one scan, with its surprise, all in one compiled function of the volatilities."""
    import jax
    import jax.numpy as jnp
    from pyhgf.math import binary_surprise

    made = network([0.0, 0.0]).create_belief_propagation_fn()
    n_time = problem["values"].shape[1]

    def typed(leaf):
        """Numbers in the wanted precision; `observed` and other whole numbers as they are."""
        return leaf if isinstance(leaf, int) else jnp.asarray(leaf, dtype)

    start = jax.tree.map(typed, made.attributes)
    start[0]["mean"] = jnp.zeros((), dtype)
    inputs = (
        (jnp.asarray(problem["values"][0, :, None], dtype),),
        (jnp.ones(n_time, int),),
        jnp.ones(n_time, dtype),
        None,
    )

    def total(omega, inputs):
        attributes = {key: dict(value) for key, value in start.items()}
        attributes[1][OMEGA], attributes[2][OMEGA] = omega[0], omega[1]
        _, found = jax.lax.scan(made.scan_fn, attributes, inputs)
        return binary_surprise(x=inputs[0][0][:, 0], expected_mean=found[0]["expected_mean"]).sum()

    omegas = [jnp.asarray(omega, dtype) for omega in problem["start_omega"]]
    if work == "core":
        value = jax.jit(total)
        return lambda: {"surprise": np.asarray(value(omegas[0], inputs))}
    both = jax.jit(jax.value_and_grad(total))

    def loop():
        found = [both(omega, inputs) for omega in omegas]
        value, slope = (np.stack(part) for part in zip(*found, strict=True))
        return {"surprise": value, "gradient": slope}

    return loop


if __name__ == "__main__":
    clock.run(prepare)
