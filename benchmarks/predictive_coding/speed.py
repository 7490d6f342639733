"""T4 against pyhgf: the bars, the lines and the page they print."""

import dataclasses

from benchmarks.glm.race import hold
from benchmarks.measure import (
    Line,
    at_least,
    at_most,
    lines_table,
    ratio,
    table,
    unmeasured,
    versions,
    write_page,
)
from benchmarks.predictive_coding.race import (
    BATCH,
    CORE,
    OUR_GRADIENT,
    OUR_INFER,
    OUR_LOOP,
    THEIR_GRADIENT,
    THEIR_LOOP,
    TUTORIAL,
    double_event,
    people_event,
    sequence_event,
)
from benchmarks.race import OURS, Race

N_TIME, N_PEOPLE = 100_000, 1_000
CALL, GRADIENT, TOGETHER = 1.2, 3.0, 15.0
SINGLE, DOUBLE = 1e-4, 1e-6
CALL_LINE = "T4 CPU ratio, log_likelihood of an existing fit, second call of its shape"


def seconds(found: Race, name: str, phase: str = "second", clock: str = "cpu") -> float:
    """Median over rounds; NaN for who did not run."""
    return found.spread(name, phase, clock).median


def apart(found: Race, one: str, other: str, score: str) -> float:
    """Relative difference of a score of two contestants; NaN where either lacks it."""
    first, second = (found.scores.get(name, {}).get(score, float("nan")) for name in (one, other))
    return abs(first - second) / abs(second)


def missing(found: Race, *names: str) -> str:
    """Why one of these did not run; empty where all did."""
    return "; ".join(f"{name}: {found.absent[name]}" for name in names if name in found.absent)


def judge_sequence(found: Race, double: Race) -> list[Line]:
    """The lines of one long sequence: our calls over pyhgf's compiled core, and whether the surprises agree."""
    reason = missing(found, OURS, CORE)
    if reason:
        return [unmeasured(CALL_LINE, f"<= {CALL:g}", reason)]
    core = seconds(found, CORE)
    against = f"against {CORE}, its compilation not counted"

    def over(name: str, phase: str = "second", clock: str = "cpu") -> float:
        below = core if clock == "cpu" else seconds(found, CORE, clock=clock)
        return ratio(seconds(found, name, phase, clock), below)

    def alike(name: str, one: str, other: str, score: str) -> tuple[Line, Line]:
        return (
            at_most(f"T4 {name}, relative difference in float32", apart(found, one, other, score), SINGLE),
            at_most(f"T4 {name}, relative difference in float64", apart(double, one, other, score), DOUBLE),
        )

    first = ", ".join(
        f"{name} {ratio(seconds(found, OURS, 'first'), seconds(found, name, 'first')):.3g}"
        for name in (CORE, TUTORIAL)
    )
    return [
        at_most(CALL_LINE, over(OURS), CALL, note=f"{against}; wall {over(OURS, clock='wall'):.3g}"),
        at_most(
            "T4 CPU ratio, value and gradient over pyhgf's value alone",
            over(OUR_GRADIENT),
            GRADIENT,
            note=f"{against}; wall {over(OUR_GRADIENT, clock='wall'):.3g}; gradient of the same core "
            f"{over(THEIR_GRADIENT):.3g}",
        ),
        Line(
            "T4 CPU ratio, log_likelihood, first call of a process",
            f"{over(OURS, 'first'):.3g}",
            note=f"{against}; first call over first call: {first}",
        ),
        Line("T4 CPU ratio, infer: all beliefs, labelled", f"{over(OUR_INFER):.3g}", note=against),
        Line(
            f"T4 CPU ratio, {TUTORIAL}",
            f"{over(TUTORIAL):.3g}",
            note=f"{against}; over our log_likelihood "
            f"{ratio(seconds(found, TUTORIAL), seconds(found, OURS)):.3g}",
        ),
        *alike("summed surprise", OURS, CORE, "surprise"),
        *alike("derivative by the tonic volatility of x1", OUR_GRADIENT, THEIR_GRADIENT, "slope x1"),
        *alike("derivative by the tonic volatility of x2", OUR_GRADIENT, THEIR_GRADIENT, "slope x2"),
    ]


def judge_people(found: Race) -> list[Line]:
    """The lines of many participants: one call against loops over compiled calls of one participant."""
    name = f"T4 {found.task.n_people:,} participants x {found.task.n_time}, value and gradient"
    reason = missing(found, BATCH, OUR_LOOP)
    if reason:
        return [unmeasured(f"{name}: times as fast as our loop", f">= {TOGETHER:g}", reason)]

    def times(loop: str, clock: str) -> float:
        return ratio(seconds(found, loop, clock=clock), seconds(found, BATCH, clock=clock))

    where = missing(found, THEIR_LOOP)
    return [
        at_least(
            f"{name}: times as fast as our own loop, wall",
            times(OUR_LOOP, "wall"),
            TOGETHER,
            note=f"CPU {times(OUR_LOOP, 'cpu'):.3g}; compilation not counted in either",
        ),
        Line(
            f"{name}: times as fast as a loop over {CORE}, wall",
            f"{times(THEIR_LOOP, 'wall'):.3g}",
            note=where or f"CPU {times(THEIR_LOOP, 'cpu'):.3g}; compilation not counted in either",
        ),
        at_most(
            f"{name}: summed surprise, relative difference from pyhgf's",
            apart(found, BATCH, THEIR_LOOP, "surprise"),
            SINGLE,
            note=where,
        ),
    ]


def hold_sequence(rounds: int, n_time: int = N_TIME) -> tuple[Race, Race]:
    """Race on one long sequence, and once more in double precision for the scores."""
    return hold(sequence_event(n_time), rounds), hold(double_event(n_time), 1)


def hold_people(rounds: int, n_people: int = N_PEOPLE) -> Race:
    """Race on many participants."""
    return hold(people_event(n_people), rounds)


def measure(quick: bool = False) -> list[Line]:
    """The lines of T4, one sequence of 100,000 trials.

    Parameters
    ----------
    quick : bool
        One round instead of three.

    Returns
    -------
    list of Line
        Ratios, agreement of surprise and gradient.
    """
    return judge_sequence(*hold_sequence(1 if quick else 3))


def measure_people(quick: bool = False) -> list[Line]:
    """The lines of T4, 1,000 participants of 400 trials.

    Parameters
    ----------
    quick : bool
        One round instead of three.

    Returns
    -------
    list of Line
        Ratios, agreement of surprise.
    """
    return judge_people(hold_people(1 if quick else 3))


def results_table(found: Race) -> str:
    """Seconds, memory and scores of everybody."""
    rows = []
    for name in found.rounds:
        score = found.scores.get(name, {})
        rows.append(
            (
                name,
                found.spread(name, "first"),
                found.spread(name, "second"),
                found.spread(name, "second", "wall"),
                f"{found.peak(name):.2f}",
                *(
                    f"{score[column]:.8g}" if column in score else "-"
                    for column in ("surprise", "slope x1", "slope x2")
                ),
            )
        )
    header = (
        "contestant",
        "first call, CPU s",
        "second call, CPU s",
        "second, wall s",
        "peak GB",
        "summed surprise, nats",
        "derivative by x1's volatility",
        "by x2's",
    )
    return table(header, rows)


def publish(
    stem: str, title: str, command: str, sequence: tuple[Race, Race], people: Race, rounds: int
) -> list[Line]:
    """Print lines and tables and write them as a page; returns the lines."""
    judged = (judge_sequence(*sequence), judge_people(people))
    parts = (
        (
            f"Binary filter of three levels, eHGF, {sequence[0].task.n_time:,} trials, outcomes whose chance reverses, "
            f"all tonic volatilities -4; single precision; median (range) of {rounds} rounds, contestants in turns, in "
            f"each the median of {sequence[0].task.iterations} calls after the first. The first call of "
            "a process compiles. The same once in double precision, for the scores:",
            sequence,
            judged[0],
        ),
        (
            f"{people.task.n_people:,} participants with tonic volatilities of their own on the {people.task.n_time} "
            "outcomes of the golden values: surprise and its gradient by both volatilities.",
            (people,),
            judged[1],
        ),
    )
    body, record = [], {"rounds": rounds, "tasks": [], "versions": {}}
    for words, races, lines in parts:
        body += [words, ""]
        for found in races:
            body += [results_table(found), ""]
            body += [f"- {name} was not run: {reason}" for name, reason in found.absent.items()] + [""]
            record["tasks"].append(dataclasses.asdict(found))
            record["versions"] |= found.versions
        body += [lines_table(lines), ""]
        record["tasks"][-1]["lines"] = [dataclasses.asdict(one) for one in lines]
    record["versions"] |= versions("neurodyn", "jax", "jaxlib", "numpy", "scipy", "xarray")
    text = "\n".join(body)
    print(text)
    page = write_page(stem, title, command, text, record)
    print(f"written: {page} and {page.with_suffix('.json').name}")
    return [line for lines in judged for line in lines]
