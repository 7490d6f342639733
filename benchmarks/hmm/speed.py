"""T1 and T2 against the peers."""

from benchmarks.measure import LEFT_OUT, Line
from benchmarks.peers import T1, T2, judge, run_task, t1_task, t2_task


def measure_t1(n_time: int, quick: bool = False) -> list[Line]:
    """The lines of T1 at one length.

    Parameters
    ----------
    n_time : int
        Number of samples.
    quick : bool
        One round instead of three; a million samples are left out.

    Returns
    -------
    list of Line
        Ratios, memory, time over the matrix products, held-out score.
    """
    if quick and n_time >= 1_000_000:
        return [Line(f"T1 {n_time:,}", "not measured", f"<= {T1[n_time].ratio:g}", LEFT_OUT)]
    return judge(run_task(t1_task(n_time), 1 if quick else 3), T1[n_time])


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
    return judge(run_task(t2_task(), 1 if quick else 3), T2)
