"""Logits of a rectified network in one pass, against the steps one by one and their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.inference.recurrent import Network
from neurodyn.inference.recurrent.rectified import rectified_logits


@pytest.fixture(params=[False, True], ids=["without bias", "with bias"])
def case(request):
    network = Network(7, 5, 3, request.param)
    parameters = network.start(jax.random.key(1))
    parameters.pop("log_gain")
    parameters["recurrent"] = 2 * parameters["recurrent"]
    return network, parameters, jax.random.normal(jax.random.key(2), (6, 4, 5))


def test_they_are_the_logits_of_the_network_step_by_step(case):
    network, parameters, noise = case
    hidden, found = jnp.zeros((4, 7)), []
    for one in noise:
        hidden = network.step(parameters, hidden, one)
        found.append(network.logits(parameters, hidden))
    logits = rectified_logits(parameters, jnp.swapaxes(noise, 1, 2))
    np.testing.assert_allclose(jnp.swapaxes(logits, 1, 2), np.stack(found), rtol=1e-4, atol=1e-6)


def test_gradients_are_those_that_jax_derives(case):
    network, parameters, noise = case
    slopes = jax.random.normal(jax.random.key(3), (6, 4, 3))

    def ours(parameters):
        logits = rectified_logits(parameters, jnp.swapaxes(noise, 1, 2))
        return (jnp.sin(jnp.swapaxes(logits, 1, 2)) * slopes).sum()

    def derived(parameters):
        return (jnp.sin(network.logits(parameters, network.run(parameters, noise))) * slopes).sum()

    one, two = jax.grad(ours)(parameters), jax.grad(derived)(parameters)
    assert set(one) == set(parameters)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), one, two)
