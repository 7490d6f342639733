"""Non-negative factorisation beside tensortools and tensorly: the lines of T5."""

from benchmarks.factorise.race import CONTESTANTS, TensorTask, error, judge, write
from benchmarks.glm.race import Event, hold
from benchmarks.measure import Line

ROUNDS = 3


def measure(*, quick: bool) -> list[Line]:
    """The lines; the reduced version has one round."""
    return judge(hold(Event(TensorTask(), CONTESTANTS, write, error), 1 if quick else ROUNDS))
