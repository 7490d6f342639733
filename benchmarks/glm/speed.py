"""T3 and T3b against the peers."""

from benchmarks.glm.peers import judge
from benchmarks.glm.race import choice_event, coupling_event, hold
from benchmarks.measure import Line

# The same package with its default solver is never the faster one; `python -m benchmarks.t3` races it too.
SLOWER = ("nemos",)


def measure_t3(quick: bool = False) -> list[Line]:
    """The lines of T3.

    Parameters
    ----------
    quick : bool
        One round instead of three.

    Returns
    -------
    list of Line
        Ratios, held-out score, gradient left.
    """
    return judge(hold(coupling_event(), 1 if quick else 3, leave_out=SLOWER))


def measure_t3b(quick: bool = False) -> list[Line]:
    """The lines of T3b.

    Parameters
    ----------
    quick : bool
        One round instead of three.

    Returns
    -------
    list of Line
        Ratios, held-out score.
    """
    return judge(hold(choice_event(), 1 if quick else 3))
