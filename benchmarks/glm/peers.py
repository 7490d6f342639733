"""T3 and T3b: the bars, the lines and the pages they print."""

import dataclasses
from typing import Any

from benchmarks.glm.problems import CouplingTask
from benchmarks.glm.scoring import CONVERGED
from benchmarks.measure import Line, at_most, lines_table, ratio, table, unmeasured, versions, write_page
from benchmarks.race import OURS, Race

RATIO = {"T3": 0.3, "T3b": 0.5}
# Of the held-out score: how far below the best peer still counts as the same.
SAME_SCORE = 1e-3
TIMES = ("first fit, CPU s", "second fit, CPU s", "compiled beforehand, CPU s", "second, wall s", "peak GB")
COUPLING_SCORES = (
    "held-out bits/spike",
    "over training rates",
    "objective",
    "largest gradient",
    "converged: says",
    "steps",
)
CHOICE_SCORES = ("training nats/trial", "held-out nats/trial")


def is_coupling(found: Race) -> bool:
    """Whether the task is T3."""
    return isinstance(found.task, CouplingTask)


def best_peer(found: Race) -> tuple[str, float]:
    """The peer with the best held-out score, among the converged ones where the task has a minimum to reach."""
    scores = {name: found.scores[name] for name in found.peers() if name in found.scores}
    if is_coupling(found):
        scores = {name: score for name, score in scores.items() if score["gradient"] <= CONVERGED}
    name = max(scores, key=lambda one: scores[one]["held-out"], default="")
    return name, scores[name]["held-out"] if name else float("nan")


def judge(found: Race) -> list[Line]:
    """The lines of one task: ratios on both fits, held-out score beside the best peer's, and the gradient left."""
    name, bar = found.task.name, RATIO[found.task.name]
    if OURS not in found.rounds:
        return [unmeasured(f"{name} ratio", f"<= {bar:g}", found.absent.get(OURS, "did not run"))]
    if not found.peers():
        why = "no peer ran: " + "; ".join(f"{peer}: {reason}" for peer, reason in found.absent.items())
        return [unmeasured(f"{name} ratio", f"<= {bar:g}", why)]
    peer, _ = found.cheapest_peer()
    missing = f"; not run: {', '.join(found.absent)}" if found.absent else ""
    ours = found.spread(OURS, "second").median
    others = ", ".join(
        f"{one} {ratio(ours, found.spread(one, 'second').median):.3g}" for one in found.peers()
    )
    against = f"against {peer}, its compilation not counted{missing}"
    lines = [
        at_most(
            f"{name} CPU ratio, second fit of the same shape",
            found.ratio("second"),
            bar,
            note=f"{against}; wall {found.ratio('second', 'wall'):.3g}; second fit against second fit: {others}",
        ),
        at_most(
            f"{name} CPU ratio, first fit of a process",
            found.ratio("first"),
            bar,
            note=f"{against}; against the cheapest first fit of a peer {found.first_ratio():.3g}",
        ),
        score_line(found),
    ]
    if is_coupling(found):
        lowest = min(score["objective"] for score in found.scores.values())
        above = found.scores[OURS]["objective"] - lowest
        lines.append(
            at_most(
                f"{name} largest entry of the gradient",
                found.scores[OURS]["gradient"],
                CONVERGED,
                note=f"of the common objective in double precision, per bin; {above:.2g} above the lowest found",
            )
        )
    return lines


def score_line(found: Race) -> Line:
    """How far our held-out score lies below the best peer's."""
    name, best = best_peer(found)
    ours = found.scores[OURS]["held-out"]
    unit = "bits/spike" if is_coupling(found) else "nats/trial"
    truth = found.scores.get("generating model")
    generating = f", generating model {truth['held-out']:.4f}" if truth else ""
    note = f"ours {ours:.4f}, {name} {best:.4f}{generating}"
    return at_most(
        f"{found.task.name} held-out score below the best peer's", best - ours, SAME_SCORE, unit, note
    )


def results_table(found: Race) -> str:
    """Seconds, memory and scores of everybody on one task."""
    rows = []
    for one in (name for name in (OURS, *found.peers()) if name in found.rounds):
        warm = found.spread(one, "warm")
        rows.append(
            (
                one,
                found.spread(one, "first"),
                found.spread(one, "second"),
                warm if warm.n else "-",
                found.spread(one, "second", "wall"),
                f"{found.peak(one):.2f}",
                *score_cells(found, one),
            )
        )
    if "generating model" in found.scores:
        rows.append(("generating model", *"-----", *score_cells(found, "generating model")))
    return table(("contestant", *TIMES, *(COUPLING_SCORES if is_coupling(found) else CHOICE_SCORES)), rows)


def score_cells(found: Race, name: str) -> tuple[str, ...]:
    """The scores of one contestant, formatted."""
    score = found.scores[name]
    if not is_coupling(found):
        return f"{score['training']:.4f}", f"{score['held-out']:.4f}"
    about = found.rounds[name][0].get("about", {})
    return (
        f"{score['held-out']:.4f}",
        f"{score['held-out, training rates']:.4f}",
        f"{score['objective']:.6f}",
        f"{score['gradient']:.1e}",
        f"{'yes' if score['gradient'] <= CONVERGED else 'no'}: {'yes' if about.get('converged') else 'no'}",
        str(about.get("steps", "-")),
    )


def describe(found: Race, rounds: int) -> str:
    """What was raced, in a paragraph."""
    task: Any = found.task
    end = f"seed {task.seed}; median (range) of {rounds} rounds, contestants in turns."
    if not is_coupling(found):
        return (
            f"Bernoulli choices of a chain with {task.n_states} states, T {task.n_time:,}, four inputs (bias, stimulus, "
            f"previous choice, win-stay), {task.iterations} iterations from one start, {end} ssm's packaged release "
            "has no observations that read the inputs: a likelihood was added to it, the rest is its own."
        )
    return (
        f"Poisson counts of {task.n_units} units, softplus, {task.n_functions} log-spaced raised cosines over "
        f"{task.n_lags} bins for every pair, {task.n_time:,} training and {task.n_test:,} test bins, ridge "
        f"{task.ridge:g} beside the mean negative log-likelihood, {end} The objective is summed over units. "
        f"Converged: the largest entry of its gradient, in double precision, is at most {CONVERGED:g}; "
        "after the colon what the contestant says of itself."
    )


def publish(stem: str, title: str, command: str, found: Race, rounds: int) -> list[Line]:
    """Print the lines and the table of one task and write them as a page; returns the lines."""
    lines = judge(found)
    body = [
        describe(found, rounds),
        "",
        results_table(found),
        "",
        *(f"- {peer} was not run: {reason}" for peer, reason in found.absent.items()),
        "",
        lines_table(lines),
    ]
    record = {
        "rounds": rounds,
        "tasks": [{**dataclasses.asdict(found), "lines": [dataclasses.asdict(one) for one in lines]}],
        "versions": found.versions | versions("neurodyn", "jax", "jaxlib", "numpy", "scipy", "xarray"),
    }
    text = "\n".join(body)
    print(text)
    page = write_page(stem, title, command, text, record)
    print(f"written: {page} and {page.with_suffix('.json').name}")
    return lines
