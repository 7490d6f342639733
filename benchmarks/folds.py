"""Five blocks by eight numbers of states on one resting subject: seconds, and the share spent compiling.

python -m benchmarks.folds
"""

import dataclasses
import sys
import time

from benchmarks.contestants.clock import Compilations, cpu_seconds, timed
from benchmarks.measure import HOLDS, SHORT, Line, NotMeasured, lines_table, unmeasured, versions, write_page
from benchmarks.recordings import resting_subject

STATES = range(2, 10)
FOLDS = 5
COMPONENTS = 10
RESTARTS = 2


def measure(quick: bool = False) -> list[Line]:
    """Sweep, then repeat one fit: time, share compiling, traces of the second fit of a shape.

    Parameters
    ----------
    quick : bool
        Two numbers of states and two folds only.

    Returns
    -------
    list of Line
        The sweep (no bar) and the traces of a second fit (bar 0).
    """
    try:
        recording = resting_subject()
    except NotMeasured as error:
        return [unmeasured("a second fit of the same shape compiles nothing", "0 traces", str(error))]
    import jax

    from neurodyn.models import HMM, PCA, Pipeline, Standardise
    from neurodyn.validation import holdout

    compilations = Compilations().listen()
    states = STATES[:2] if quick else STATES
    folds = 2 if quick else FOLDS

    def model(n_states):
        return Pipeline(Standardise(), PCA(COMPONENTS), HMM(n_states=n_states))

    splits = holdout.blocks(folds).splits(recording)
    began, cpu = time.perf_counter(), cpu_seconds()
    later_folds = 0
    for n_states in states:
        for number, split in enumerate(splits):
            before = compilations.compiled
            fit = model(n_states).fit(split.train, key=0, restarts=RESTARTS)
            fit.log_likelihood(split.target)
            later_folds += (compilations.compiled - before) if number else 0
    wall, used = time.perf_counter() - began, cpu_seconds() - cpu
    share = compilations.seconds(since=began) / wall
    _, again = timed(lambda: model(states[0]).fit(splits[0].train, key=1, restarts=RESTARTS), compilations)
    about = f"{folds} blocks x {len(states)} numbers of states, {RESTARTS} restarts, jax {jax.__version__}"
    verdict = HOLDS if again["traces"] == 0 and again["compiled"] == 0 else SHORT
    return [
        Line("sweep on one resting subject", f"{wall:.1f} s ({used:.1f} CPU s)", note=about),
        Line("share of the sweep spent compiling", f"{100 * share:.0f} %"),
        Line("programs compiled by folds after the first of a number of states", f"{later_folds}"),
        Line(
            "a second fit of the same shape compiles nothing",
            f"{again['traces']} traces, {again['compiled']} programs compiled",
            "0 traces",
            verdict,
        ),
    ]


def main() -> int:
    """Measure, print and write the page."""
    lines = measure()
    body = lines_table(lines)
    print(body)
    record = {
        "lines": [dataclasses.asdict(line) for line in lines],
        "versions": versions("neurodyn", "jax", "numpy", "xarray"),
    }
    write_page("folds", "Folds and compilation", "python -m benchmarks.folds", body, record)
    return int(any(line.verdict == SHORT for line in lines))


if __name__ == "__main__":
    sys.exit(main())
