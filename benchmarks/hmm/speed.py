"""T1 and T2 against the peers."""

from benchmarks.measure import LEFT_OUT, Line
from benchmarks.peers import T1, T2, judge, run_task, t1_task, t2_task

# The same package's other road is never the faster one; `python -m benchmarks.t1` races it too.
SLOWER = ("hmmlearn log",)


def measure_t1(n_time: int, quick: bool = False) -> list[Line]:
    """The lines of T1 at one length.

    Parameters
    ----------
    n_time : int
        Number of samples.
    quick : bool
        One round instead of three (two at a million samples, which QUICK leaves out).

    Returns
    -------
    list of Line
        Ratios, memory, time over the matrix products, held-out score.
    """
    if quick and n_time >= 1_000_000:
        return [Line(f"T1 {n_time:,}", "not measured", f"<= {T1[n_time].ratio:g}", LEFT_OUT)]
    rounds = 1 if quick else 2 if n_time >= 1_000_000 else 3
    return judge(run_task(t1_task(n_time), rounds, leave_out=SLOWER), T1[n_time])


def measure_t2(quick: bool = False) -> list[Line]:
    """The lines of T2.

    Parameters
    ----------
    quick : bool
        One round instead of three.

    Returns
    -------
    list of Line
        Ratios, held-out score.
    """
    return judge(run_task(t2_task(), 1 if quick else 3, leave_out=SLOWER), T2)
