"""The simulated networks of 20, 50 and 100 neurons: states, gap, weights, signs and connectome."""

from collections.abc import Iterable

from benchmarks.measure import LEFT_OUT, Line
from benchmarks.switching_glm import report
from benchmarks.switching_glm.cases import PRIORS, SEEDS, TRAIN, UNITS, Case, Result, draw, result_of

SEQUENCES = (1, 3, 10)
REDRAWN_ERRORS = {"one-hot": 0.015}


def fit_all(cases: Iterable[Case], priors: Iterable[str] = PRIORS) -> dict[str, list[Result]]:
    """Every prior on every case, once."""
    cases = list(cases)
    return {prior: [result_of(case, prior) for case in cases] for prior in priors}


def measure(quick: bool = False) -> list[Line]:
    """Twenty neurons: everything the page holds the fits to, and the curve over training sequences.

    Parameters
    ----------
    quick : bool
        One seed, and of the curve the shortest point only.

    Returns
    -------
    list of Line
        Verdicts over seeds 0 to 4.
    """
    cases = [draw(seed) for seed in (SEEDS[:1] if quick else SEEDS)]
    results = fit_all(cases)
    where = f"N {UNITS}"
    lines = [
        *report.state_lines(where, cases, results),
        *report.gap_lines(where, cases, results),
        *report.error_lines(where, cases, results),
        *report.link_lines(where, results),
        *report.connectome_lines(where, results),
    ]
    for n_train in SEQUENCES[:1] if quick else SEQUENCES:
        points = {prior: [result_of(case, prior, n_train, links=False) for case in cases] for prior in PRIORS}
        lines.append(report.curve_line(n_train, points))
    return [*lines, report.curve_line(TRAIN, results), report.cost_line(where, results)]


def measure_redrawn(quick: bool = False) -> list[Line]:
    """Twenty neurons at full size, every state redrawn until it is stable by itself.

    Parameters
    ----------
    quick : bool
        One seed.

    Returns
    -------
    list of Line
        State accuracy and weight error with verdicts; which seeds burst when states switch.
    """
    cases = [draw(seed, version="redrawn") for seed in (SEEDS[:1] if quick else SEEDS)]
    results = fit_all(cases)
    where = f"N {UNITS} redrawn"
    means = [float(case.train["activity"].mean()) for case in cases]
    most = [float(case.train["activity"].max()) for case in cases]
    unstable = [str(case.seed) for case in cases if case.unstable]
    return [
        Line(
            f"{where}: mean count",
            report.listed(means, 2),
            note=f"largest counts {', '.join(f'{one:.0f}' for one in most)}; stable within every state, but bursting "
            f"when states switch (counts above 100): seeds {', '.join(unstable) or 'none'}",
        ),
        *report.state_lines(where, cases, results),
        *report.gap_lines(where, cases, results),
        *report.error_lines(where, cases, results, REDRAWN_ERRORS),
        *report.link_lines(where, results, verdicts=False),
        report.cost_line(where, results),
    ]


def measure_size(n_units: int, seeds: Iterable[int] = SEEDS, quick: bool = False) -> list[Line]:
    """More neurons at the same number of bins: state accuracy and gap with verdicts.

    Parameters
    ----------
    n_units : int
        N.
    seeds : iterable of int
        Seeds measured.
    quick : bool
        One seed; leaves out 100 neurons.

    Returns
    -------
    list of Line
        As for 20 neurons, weight errors without a verdict.
    """
    where = f"N {n_units}"
    if quick and n_units >= 100:
        return [Line(f"{where}: the same table", "not measured", "as at N 20", LEFT_OUT)]
    cases = [draw(seed, n_units) for seed in (list(seeds)[:1] if quick else seeds)]
    results = fit_all(cases)
    return [
        *report.state_lines(where, cases, results),
        *report.gap_lines(where, cases, results),
        *report.error_lines(where, cases, results, {}),
        *report.link_lines(where, results, verdicts=False),
        *report.connectome_lines(where, results, verdicts=False),
        report.cost_line(where, results),
    ]
