"""Predictive-coding networks against values of an outside oracle, in double and in single precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_networks import POINTS, RESULTS, column, settings

from neurodyn.inference.predictive_coding.filtering import Trajectory, run, surprise
from neurodyn.inference.predictive_coding.leaves import binary_surprise
from neurodyn.inference.predictive_coding.responses import tempered

ORDERS = ("standard", "ehgf", "unbounded")
CASES = sorted(RESULTS)


def filtered(case: str, order: str, dtype) -> tuple[Trajectory, float]:
    """Beliefs of a golden case and its total first-level surprise."""
    structure, parameters, inputs, steps = settings(case, dtype)
    values, known = jnp.asarray(inputs, dtype)[:, None], jnp.ones((len(inputs), 1), bool)
    found = run(
        structure, parameters, values, known, jnp.asarray(steps, dtype), order=order, scaled_inputs=True
    )
    return found, float(
        surprise(structure, parameters, found.expected, values, known, first_level=True).sum()
    )


def deviation(case: str, order: str, dtype) -> float:
    """Largest relative deviation from the golden values of a case."""
    found, total = filtered(case, order, dtype)
    golden = RESULTS[f"{case}/{'eHGF' if order == 'ehgf' else order}"]
    pairs = []
    expected = golden.get("total_surprise", "nan")
    if case == "binary2_softmax4":
        chance = tempered(found.expected.mean[:, 0], jnp.asarray(4.0, dtype))
        total = float(binary_surprise(jnp.asarray(column("response"), dtype), chance).sum())
    if np.isfinite(float(expected)):
        pairs.append((total, float(expected)))
    of_name = {
        "mean": found.posterior.mean,
        "precision": found.posterior.precision,
        "expected_mean": found.expected.mean,
        "expected_precision": found.expected.precision,
    }
    for node in (key for key in golden if key.startswith("node")):
        for name, values in golden[node].items():
            pairs += [
                (float(of_name[name][point, int(node[4:])]), float(value))
                for point, value in zip(POINTS, values, strict=True)
                if value is not None and np.isfinite(float(value))
            ]
    ours, theirs = np.array(pairs).T
    return float((np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-3)).max())


@pytest.mark.parametrize("key", CASES)
def test_golden_values_in_double_precision(key):
    case, order = key.split("/")
    with jax.enable_x64(True):
        assert deviation(case, order.lower(), np.float64) < 1e-9


@pytest.mark.parametrize("key", CASES)
def test_golden_values_in_single_precision(key):
    case, order = key.split("/")
    assert deviation(case, order.lower(), np.float32) < 1e-3


def test_the_update_that_leaves_the_valid_range_is_named():
    with jax.enable_x64(True):
        found, total = filtered("continuous3_timesteps", "ehgf", np.float64)
    failure = found.failure
    assert (int(failure.node), int(failure.step)) == (3, 322)
    assert float(failure.expected_precision) == pytest.approx(1.23237, abs=1e-5)
    assert float(failure.computed_precision) == pytest.approx(-10.415, abs=1e-3)
    assert np.isfinite(total)
    for order in ("standard", "unbounded"):
        assert int(filtered("continuous3_timesteps", order, np.float32)[0].failure.node) == -1


def test_the_predictive_surprise_of_a_continuous_input_counts_its_noise():
    structure, parameters, inputs, steps = settings("continuous2", np.float32)
    values, known = jnp.asarray(inputs, jnp.float32)[:, None], jnp.ones((400, 1), bool)
    found = run(structure, parameters, values, known, jnp.asarray(steps, jnp.float32), order="standard")
    total = float(surprise(structure, parameters, found.expected, values, known).sum())
    assert total == pytest.approx(-120.315, abs=2e-3)
