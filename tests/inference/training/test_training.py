"""The training loop: what it converges to, and what must not change its numbers."""

import dataclasses
import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from killed import Killed

from neurodyn.errors import FileError, ModelError
from neurodyn.inference.training import Training, train
from neurodyn.inference.training.steps import advance, bucket

N_TRIALS, N_FEATURES = 24, 3


@dataclasses.dataclass(frozen=True)
class LeastSquares:
    """Squared errors of a linear map, by trials; it may turn bad at a value of the first weight."""

    noise: float = 0.0
    bad_below: float = -np.inf

    def parts(self, parameters, batch, context, key, epoch):
        x, y = batch["x"], batch["y"]
        x = x + self.noise * jax.random.normal(key, x.shape)
        present = batch["present"]
        error = jnp.where(present, (y - x @ parameters["weight"][:, 0] - parameters["bias"]) ** 2, 0)
        count = jnp.maximum(present.sum(), 1).astype(x.dtype)
        penalty = 1e-3 * jnp.square(parameters["weight"]).sum() * count
        penalty = jnp.where(parameters["bias"] > self.bad_below, penalty, jnp.nan)
        return {"error": error.sum(), "penalty": penalty}, {"error": count, "penalty": count}

    def score(self, parameters, batch, context):
        error = (batch["y"] - batch["x"] @ parameters["weight"][:, 0] - parameters["bias"]) ** 2
        return jnp.where(batch["present"], error, 0).sum(), batch["present"].sum()


NAMES = ("error", "penalty")
TRUE = np.array([1.0, -2.0, 0.5])


def problem(n_trials: int = N_TRIALS, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_trials, N_FEATURES)).astype(np.float32)
    y = (x @ TRUE + 0.3 + 0.1 * rng.normal(size=n_trials)).astype(np.float32)
    return {"x": x, "y": y, "present": np.ones(n_trials, bool)}


def start(key):
    return {
        "bias": np.float32(0.0) + np.zeros((), np.float32),
        "weight": np.zeros((N_FEATURES, 1), np.float32),
    }


SHORT = Training(epochs=12, batch_size=8, learning_rate=0.03, weight_decay=0.0, warm_up=2, average=0.5)


def run(settings=SHORT, *, objective=None, data=None, held_out=True, n_keys=1, **more):
    keys = [jax.random.key(number) for number in range(n_keys)]
    return train(
        start,
        problem() if data is None else data,
        problem(40, 1) if held_out else None,
        {},
        keys,
        objective=objective or LeastSquares(noise=0.05),
        settings=settings,
        names=NAMES,
        **more,
    )


def vector(result) -> np.ndarray:
    return np.concatenate([np.ravel(result.parameters["weight"]), np.ravel(result.parameters["bias"])])


def test_it_finds_the_least_squares_solution():
    settings = dataclasses.replace(SHORT, epochs=400, learning_rate=0.05, batch_size=24)
    data = problem()
    (result,), interrupted = run(settings, objective=LeastSquares(), data=data, held_out=False)
    design = np.c_[data["x"], np.ones(N_TRIALS)]
    gram = design.T @ design + 1e-3 * N_TRIALS * np.diag([1, 1, 1, 0])
    np.testing.assert_allclose(vector(result), np.linalg.solve(gram, design.T @ data["y"]), atol=2e-3)
    assert result.finished
    assert not interrupted


def test_the_parameters_kept_are_those_of_the_best_held_out_score():
    (result,), _ = run()
    assert result.best == int(np.argmin(result.scores))
    scored = LeastSquares().score(result.parameters, problem(40, 1), {})
    np.testing.assert_allclose(float(scored[0]) / float(scored[1]), result.scores[result.best], rtol=1e-5)
    assert result.evaluated.tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_the_mean_of_the_parts_is_what_was_minimised():
    settings = dataclasses.replace(SHORT, epochs=1, batch_size=24, learning_rate=0.0, evaluate_every=1)
    data = problem()
    (result,), _ = run(settings, objective=LeastSquares(), data=data)
    assert np.isnan(result.parts[0]).all()
    np.testing.assert_allclose(result.parts[1], [np.mean(data["y"] ** 2), 0], rtol=1e-5)


@pytest.mark.parametrize("stop_after", [1, 4])
def test_a_killed_run_goes_on_to_the_same_numbers(tmp_path, stop_after):
    (whole,), _ = run()
    path = tmp_path / "state.npz"

    with pytest.raises(RuntimeError, match="killed"):
        run(checkpoint=path, checkpoint_seconds=0.0, identity="a", progress=Killed(stop_after))
    assert path.exists()
    (again,), _ = run(checkpoint=path, checkpoint_seconds=0.0, identity="a")
    np.testing.assert_array_equal(vector(again), vector(whole))
    np.testing.assert_array_equal(again.scores, whole.scores)
    np.testing.assert_array_equal(again.parts, whole.parts)
    assert not path.exists()


def test_a_checkpoint_of_another_fit_is_refused(tmp_path):
    path = tmp_path / "state.npz"

    class Stop:
        def update(self, fraction, text):
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        run(checkpoint=path, checkpoint_seconds=0.0, identity="a", progress=Stop())
    np.savez(path, identity=np.array("a"))
    with pytest.raises(FileError):
        run(checkpoint=path, identity="b")


def test_an_interrupt_returns_the_best_so_far():
    class Interrupt:
        def update(self, fraction, text):
            if fraction > 0.4:
                raise KeyboardInterrupt

    (result,), interrupted = run(progress=Interrupt())
    assert interrupted
    assert not result.finished
    assert "interrupted" in result.reason
    assert np.isfinite(vector(result)).all()
    assert result.scores[result.best] < result.scores[0]


def test_a_batch_in_parts_is_the_batch():
    whole = run(dataclasses.replace(SHORT, batch_size=24), objective=LeastSquares())[0][0]
    parts = run(dataclasses.replace(SHORT, batch_size=24, accumulate=4), objective=LeastSquares())[0][0]
    np.testing.assert_allclose(vector(parts), vector(whole), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(parts.parts[1:], whole.parts[1:], rtol=1e-4, atol=1e-6)


def test_runs_in_one_batch_are_the_runs_one_by_one():
    apart, together = run(n_keys=3)[0], run(n_keys=3, together=True)[0]
    assert len(apart) == len(together) == 3
    for one, other in zip(apart, together, strict=True):
        np.testing.assert_allclose(vector(other), vector(one), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(other.scores, one.scores, rtol=1e-4)
    assert not np.allclose(vector(apart[0]), vector(apart[1]), rtol=1e-6)


def test_a_value_that_is_not_finite_stops_with_a_diagnosis_and_the_last_good_parameters():
    objective = LeastSquares(bad_below=-0.05)
    data = problem()
    data["y"] = data["y"] - 5
    (result,), _ = run(objective=objective, data=data)
    assert "'penalty'" in result.diagnosis
    step = int(result.diagnosis.split("at step ")[1].split(" ")[0])
    assert 1 <= step < 36
    assert not result.finished
    assert np.isfinite(vector(result)).all()
    assert np.isfinite(result.scores).all()


def test_it_stops_where_the_held_out_score_no_longer_falls():
    settings = dataclasses.replace(SHORT, epochs=400, patience=6, learning_rate=0.1)
    (result,), _ = run(settings)
    assert result.evaluated[-1] < 400
    assert result.evaluated[-1] - result.evaluated[result.best] >= 6
    assert "no better" in result.reason


def test_a_plateau_shrinks_the_step():
    held = dict.fromkeys(("constant", "plateau"))
    for schedule in held:
        settings = dataclasses.replace(
            SHORT,
            epochs=40,
            schedule=schedule,
            plateau_factor=0.1,
            plateau_patience=1,
            learning_rate=0.1,
            average=0.0,
        )
        held[schedule] = run(settings)[0][0].scores
    assert np.std(held["plateau"][-5:]) < 0.2 * np.std(held["constant"][-5:])


def test_folds_of_about_the_same_size_share_what_is_compiled():
    assert bucket(17) == bucket(18) == 20
    run(data=problem(17))
    before = advance.cache_size()
    run(data=problem(18))
    assert advance.cache_size() == before


def test_the_trials_that_fill_up_count_for_nothing():
    data = problem(17)
    settings = dataclasses.replace(SHORT, epochs=1, batch_size=24, learning_rate=0.0, evaluate_every=1)
    (result,), _ = run(settings, data=data, objective=LeastSquares())
    assert result.steps == 1
    np.testing.assert_allclose(result.parts[1], [np.mean(data["y"] ** 2), 0], rtol=1e-5)


def test_several_devices_give_what_one_gives():
    script = f"""
        import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
        import dataclasses, numpy as np
        from test_training import SHORT, LeastSquares, run, vector
        one = vector(run(objective=LeastSquares())[0][0])
        four = vector(run(dataclasses.replace(SHORT, devices=4), objective=LeastSquares())[0][0])
        np.testing.assert_allclose(four, one, rtol=1e-4, atol=1e-6)
        print("equal")
    """
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().endswith("equal"), done.stderr[-2000:]


def test_more_devices_than_there_are_is_refused():
    with pytest.raises(ModelError, match="devices is 64"):
        run(dataclasses.replace(SHORT, batch_size=64, devices=64))


def test_the_step_size_falls_to_the_share_asked_for():
    settings = Training(learning_rate=0.1, warm_up=0, last=0.2)
    assert float(settings.step_size(jnp.asarray(0), jnp.asarray(100), jnp.ones(()))) == pytest.approx(0.1)
    assert float(settings.step_size(jnp.asarray(100), jnp.asarray(100), jnp.ones(()))) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"betas": (0.9, 1.0)}, "betas"),
        ({"last": -0.1}, "last"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"schedule": "sine"}, "schedule is 'sine'"),
        ({"batch_size": 10, "accumulate": 3}, "multiple"),
        ({"average": 1.5}, "average is 1.5"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(change, message):
    with pytest.raises(ModelError, match=message):
        Training(**change)
