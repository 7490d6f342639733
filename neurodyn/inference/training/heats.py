"""Several starts, of which the one with the least loss after a while goes on."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from neurodyn.inference.training.ledger import Result
from neurodyn.inference.training.store import TrainingStore

Report = Callable[[float, str], None]


@runtime_checkable
class Run(Protocol):
    """What takes part in a heat."""

    def resume(self, arrays: dict[str, Any] | None, /) -> None:
        """Go on from a checkpoint."""
        ...

    def heat_end(self, epochs: int, /) -> int:
        """Last step of a heat of so many epochs."""
        ...

    def heat_loss(self, epochs: int, /) -> float:
        """Loss at the end of a heat, or as far as it came; infinite where it failed in it."""
        ...

    def go_on(self, store: TrainingStore, name: str, report: Report, until: int | None = None, /) -> None:
        """Train, to the step `until`."""
        ...

    def results(self, interrupted: bool, /) -> list[Result]:
        """What became of it."""
        ...


def entrant_key(key: jax.Array, entrant: int) -> jax.Array:
    """Key of a start; the first has the key of the run itself.

    Parameters
    ----------
    key : jax.Array
        Of the run.
    entrant : int
        Which start.

    Returns
    -------
    jax.Array
        Its key.
    """
    return key if entrant == 0 else jax.random.fold_in(jax.random.fold_in(key, 3), entrant)


def chosen(
    begun: Callable[[int], Run], candidates: int, heat: int, store: TrainingStore, name: str, report: Report
) -> tuple[list[Result], bool]:
    """Train all starts for a heat, and the one with the least loss by then to its end.

    A start whose loss is not finite loses. Runs are resumed one by one from their own stages of the store, and the choice
    rests on the losses at the end of the heat, so that a resumed fit chooses as it would have.

    Parameters
    ----------
    begun : callable
        A run, from the number of its start.
    candidates : int
        Starts; with one there are no heats.
    heat : int
        Epochs of a heat.
    store : TrainingStore
        Where states are kept.
    name : str
        Of the stages.
    report : callable
        Told the share that is done.

    Returns
    -------
    list of Result
        Of the run that went on, or, after an interrupt during the heats, of the one whose loss was least.
    bool
        Whether the user interrupted.
    """

    def stage(entrant: int) -> str:
        return name if entrant == 0 else f"{name} start {entrant}"

    def entered(entrant: int) -> Run:
        run = begun(entrant)
        run.resume(store.load(stage(entrant)))
        return run

    if candidates == 1:
        run = entered(0)
        try:
            run.go_on(store, stage(0), report)
        except KeyboardInterrupt:
            return run.results(True), True
        return run.results(False), False
    entrants: list[Run] = []
    best, losses = 0, np.zeros(0)
    try:
        for entrant in range(candidates):
            entrants.append(entered(entrant))
            entrants[-1].go_on(
                store,
                stage(entrant),
                lambda share, words, e=entrant: report(0.0, f"start {e + 1} of {candidates}, {words}"),
                entrants[-1].heat_end(heat),
            )
        losses = _losses(entrants, heat)
        best = int(np.argmin(losses))
        entrants[best].go_on(store, stage(best), report)
        interrupted = False
    except KeyboardInterrupt:
        if not entrants:
            raise
        interrupted = True
        if not len(losses):
            losses = _losses(entrants, heat)
            best = int(np.argmin(losses))
    return [
        one._replace(heats=tuple(losses.tolist())) for one in entrants[best].results(interrupted)
    ], interrupted


def _losses(entrants: list[Run], heat: int) -> np.ndarray:
    """Loss of every start at the end of its heat, or as far as it came."""
    return np.array([one.heat_loss(heat) for one in entrants])
