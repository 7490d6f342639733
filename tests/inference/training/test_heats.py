"""Heats: the start with the least loss goes on, and nothing else changes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from killed import Killed

from neurodyn.inference.training import Training, train
from neurodyn.inference.training.heats import entrant_key

SETTINGS = Training(
    epochs=20,
    batch_size=8,
    learning_rate=0.02,
    weight_decay=0.0,
    warm_up=0,
    average=0.0,
    evaluate_every=2,
    clip=1.0,
)


@dataclasses.dataclass(frozen=True)
class Wells:
    """Deep well at 1, shallow one at -1: where it ends is decided by the side it starts on."""

    bad_above: float = np.inf

    def parts(self, parameters, batch, context, key, epoch):
        x = parameters["x"][0, 0] + 0 * batch["y"].sum() + 0.01 * jax.random.normal(key)
        value = jnp.square(x**2 - 1) - 0.2 * x
        return {"loss": jnp.where(x < self.bad_above, value, jnp.nan)}, {"loss": jnp.ones(())}

    def score(self, parameters, batch, context):
        raise NotImplementedError


def start(key):
    """On either side of the ridge."""
    return {"x": np.sign(np.asarray(jax.random.normal(key)))[None, None].astype(np.float32) * 0.3}


def run(key, *, objective=None, settings=SETTINGS, **more):
    return train(
        start,
        {"y": np.zeros((8, 1), np.float32)},
        None,
        {},
        [jax.random.key(key)],
        objective=objective or Wells(),
        settings=settings,
        names=("loss",),
        **more,
    )


def where(result) -> float:
    return float(np.asarray(result.parameters["x"]).item())


def alone(key, entrant):
    """The run of one start by itself."""
    (result,), _ = train(
        start,
        {"y": np.zeros((8, 1), np.float32)},
        None,
        {},
        [entrant_key(jax.random.key(key), entrant)],
        objective=Wells(),
        settings=SETTINGS,
        names=("loss",),
    )
    return result


def unlucky() -> int:
    """A key whose first start is in the shallow well and whose next two are not both."""
    for key in range(50):
        ends = [where(alone(key, entrant)) for entrant in range(3)]
        if ends[0] < 0 < max(ends[1:]):
            return key
    raise AssertionError("no such key")


def test_a_bad_first_start_is_left_behind():
    key = unlucky()
    (single,), _ = run(key)
    (best,), _ = run(key, candidates=3, heat=2)
    assert where(single) < 0 < where(best)
    assert len(best.heats) == 3
    assert single.heats == ()


def test_what_goes_on_is_the_same_run_as_alone():
    key = unlucky()
    (best,), _ = run(key, candidates=3, heat=2)
    ends = [alone(key, entrant) for entrant in range(3)]
    # The first row of the parts is before the first step; the heat ends at the second evaluation.
    losses = [float(one.parts[1].sum()) for one in ends]
    np.testing.assert_array_equal(best.heats, losses)
    winner = ends[int(np.argmin(losses))]
    assert where(winner) == where(best)
    np.testing.assert_array_equal(winner.parts, best.parts)


def test_a_heat_ends_at_an_evaluation_and_at_the_last_step_at_most():
    key = unlucky()
    (odd,), _ = run(key, candidates=3, heat=3)
    (even,), _ = run(key, candidates=3, heat=4)
    assert odd.heats == even.heats
    (whole,), _ = run(key, candidates=3, heat=500)
    ends = [float(alone(key, entrant).parts[-1].sum()) for entrant in range(3)]
    np.testing.assert_array_equal(whole.heats, ends)


@pytest.mark.parametrize("stop_after", [1, 3, 6, 9, 12])
def test_a_killed_fit_chooses_and_ends_as_it_would_have(tmp_path, stop_after):
    key = unlucky()
    (whole,), _ = run(key, candidates=3, heat=4)
    path = tmp_path / "state.npz"

    more = {"checkpoint": path, "checkpoint_seconds": 0.0, "identity": "a"}
    with pytest.raises(RuntimeError, match="killed"):
        run(key, candidates=3, heat=4, progress=Killed(stop_after), **more)
    assert path.exists()
    (again,), _ = run(key, candidates=3, heat=4, **more)
    assert where(again) == where(whole)
    assert again.heats == whole.heats
    np.testing.assert_array_equal(again.parts, whole.parts)


class Interrupt:
    """Ctrl-C at the first words that contain something."""

    def __init__(self, said):
        self.said, self.heard = said, []

    def update(self, fraction, text):
        self.heard.append((fraction, text))
        if self.said in text:
            raise KeyboardInterrupt


def test_an_interrupt_during_the_heats_keeps_the_best_start_so_far():
    key = next(key for key in range(50) if where(alone(key, 0)) < 0 < where(alone(key, 1)))
    (best,), interrupted = run(key, candidates=3, heat=4, progress=Interrupt("start 3 of 3"))
    assert interrupted
    assert not best.finished
    assert where(best) > 0
    assert int(np.argmin(best.heats)) == 1


def test_an_interrupt_after_the_heats_keeps_the_one_that_went_on():
    key = unlucky()
    (best,), interrupted = run(key, candidates=3, heat=2, progress=Interrupt("epoch 8"))
    assert interrupted
    assert where(best) > 0
    assert best.reason.startswith("interrupted after")


def test_a_start_whose_loss_is_not_finite_loses():
    key = unlucky()
    # Now the deep well cannot be reached: nothing is finite beyond .5.
    (best,), _ = run(key, candidates=3, heat=16, objective=Wells(bad_above=0.5))
    assert where(best) < 0
    assert np.isfinite(best.heats[0])


def test_progress_never_falls_and_names_the_start():
    key = unlucky()
    watched = Interrupt("never")
    run(key, candidates=2, heat=2, progress=watched)
    shares = [share for share, _ in watched.heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert watched.heard[0][1].startswith("start 1 of 2")
