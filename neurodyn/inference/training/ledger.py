"""What is remembered of training: scores, parts of the loss, the best parameters, and when to stop."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from neurodyn.inference.training.settings import Training

Tree = Any


class Result(NamedTuple):
    """One finished run.

    Parameters
    ----------
    parameters : tree
        Averaged parameters at the best held-out score (or at the end, where nothing is held out).
    scores : np.ndarray
        Held-out loss per entry at every evaluation, ``(evaluation,)``.
    evaluated : np.ndarray
        Epochs after which they were made.
    best : int
        Which evaluation the parameters are of.
    parts : np.ndarray
        Mean of every part of the loss between evaluations, ``(evaluation, part)``; the first row is NaN.
    names : tuple of str
        The parts.
    steps : int
        Steps taken.
    reason : str
        Why it stopped.
    finished : bool
        Whether it came to its end by itself.
    diagnosis : str
        What was not finite, and when; empty otherwise.
    snapshots : tuple of tree
        Averaged parameters on the way.
    snapshot_steps : tuple of int
        Steps taken before each.
    heats : tuple of float
        Losses of the starts it was chosen from, at the end of their heats; empty where there was one.
    """

    parameters: Tree
    scores: Float[np.ndarray, " evaluation"]
    evaluated: Float[np.ndarray, " evaluation"]
    best: int
    parts: Float[np.ndarray, "evaluation part"]
    names: tuple[str, ...]
    steps: int
    reason: str
    finished: bool
    diagnosis: str
    snapshots: tuple[Tree, ...] = ()
    snapshot_steps: tuple[int, ...] = ()
    heats: tuple[float, ...] = ()


class Ledger:
    """Scores and best parameters of one or several runs.

    Parameters
    ----------
    n_runs : int
        Runs.
    names : tuple of str
        Parts of the loss.
    parameters : list of array
        Parameters at the beginning.
    settings : Training
        Patience and schedule.
    kept : tuple of int
        Steps at which a copy of the parameters is kept.
    """

    def __init__(
        self,
        n_runs: int,
        names: tuple[str, ...],
        parameters: list[np.ndarray],
        settings: Training,
        kept: tuple[int, ...] = (),
    ) -> None:
        self.names, self.settings, self.kept = names, settings, frozenset(kept)
        self.snapshots: list[np.ndarray] = []
        self.snapshot_steps: list[int] = []
        self.best_parameters = list(parameters)
        self.best = np.zeros(n_runs, np.int64)
        self.over = np.zeros(n_runs, bool)
        self.waited = np.zeros(n_runs, np.int64)
        self.steps: list[int] = []
        self.epochs: list[float] = []
        self.scores: list[np.ndarray] = []
        self.parts: list[np.ndarray] = []

    @property
    def begun(self) -> bool:
        """Whether anything was evaluated."""
        return bool(self.steps)

    def note(
        self,
        step: int,
        epoch: float,
        scores: Float[np.ndarray, " run"],
        sums: Float[np.ndarray, "run part"],
        parameters: list[np.ndarray],
    ) -> Float[np.ndarray, " run"]:
        """Enter an evaluation.

        Parameters
        ----------
        step, epoch : int, float
            When it was made.
        scores : array
            Held-out loss per entry; NaN where nothing is held out.
        sums : array
            Parts of the loss summed over the steps since the last one.
        parameters : list of array
            What was evaluated.

        Returns
        -------
        array
            By what the step sizes are to be multiplied.
        """
        if step in self.kept:
            self.snapshots.append(np.stack(parameters))
            self.snapshot_steps.append(step)
        taken = step - (self.steps[-1] if self.steps else 0)
        self.steps.append(step)
        self.epochs.append(epoch)
        self.scores.append(np.array(scores))
        self.parts.append(sums / taken if taken else np.full_like(sums, np.nan))
        shrink = np.ones(len(scores))
        now = len(self.steps) - 1
        for i, score in enumerate(scores):
            leading = np.isnan(score) or not now or score < self.scores[self.best[i]][i]
            if leading and not self.over[i]:
                self.best[i], self.waited[i] = now, 0
                self.best_parameters[i] = parameters[i]
                continue
            self.waited[i] += 1
            if self.settings.schedule == "plateau" and self.waited[i] % self.settings.plateau_patience == 0:
                shrink[i] = self.settings.plateau_factor
            since = epoch - self.epochs[self.best[i]]
            if self.settings.patience and since >= self.settings.patience:
                self.over[i] = True
        return shrink

    def loss_at(self, step: int) -> Float[np.ndarray, " run"]:
        """Loss before the last evaluation up to a step; infinite where there was none, or it was not finite.

        Parameters
        ----------
        step : int
            Step.

        Returns
        -------
        array
            Mean of the loss over the steps before that evaluation.
        """
        before = [parts for parts, at in zip(self.parts, self.steps, strict=True) if 0 < at <= step]
        if not before:
            return np.full(len(self.best), np.inf)
        loss = before[-1].sum(axis=-1)
        return np.where(np.isfinite(loss), loss, np.inf)

    def words(self) -> str:
        """The last loss and score."""
        if len(self.steps) < 2:
            return "not evaluated yet"
        score = np.mean(self.scores[-1])
        held_out = "" if np.isnan(score) else f", held out {score:.4f}"
        return f"loss {self.parts[-1].sum(axis=-1).mean():.4f}{held_out}"

    def result(
        self,
        run: int,
        unpack: Callable[[np.ndarray], Tree],
        steps: int,
        failed: int,
        culprits: Float[np.ndarray, " flag"],
        interrupted: bool,
    ) -> Result:
        """What became of a run.

        Parameters
        ----------
        run : int
            Which.
        unpack : callable
            Turns a vector into a tree of parameters.
        steps : int
            Steps taken.
        failed : int
            Step at which something was not finite; -1 where nothing was.
        culprits : array
            Which parts of the loss, and the gradient.
        interrupted : bool
            Whether the user stopped it.

        Returns
        -------
        Result
            The result.
        """
        diagnosis = ""
        if failed >= 0:
            flagged = [name for name, flag in zip(self.names, culprits, strict=False) if flag]
            what = f"the loss part {flagged[0]!r}" if flagged else "the gradient (the loss itself was finite)"
            diagnosis = (
                f"training met a value that is not finite at step {failed} in {what}; the parameters before it are "
                "kept; lower the learning rate, or look for outliers in the data"
            )
            reason = f"not finite at step {failed}"
        elif interrupted:
            reason = f"interrupted after {steps} steps"
        elif self.over[run]:
            reason = f"no better held-out score for {self.settings.patience} epochs"
        else:
            reason = f"all {self.settings.epochs} epochs"
        return Result(
            parameters=unpack(self.best_parameters[run]),
            scores=np.array([score[run] for score in self.scores]),
            evaluated=np.array(self.epochs),
            best=int(self.best[run]),
            parts=np.array([part[run] for part in self.parts]),
            names=self.names,
            steps=steps,
            reason=reason,
            finished=failed < 0 and not interrupted,
            diagnosis=diagnosis,
            snapshots=tuple(unpack(taken[run]) for taken in self.snapshots),
            snapshot_steps=tuple(self.snapshot_steps),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint holds."""
        found = {
            "ledger best": self.best,
            "ledger over": self.over,
            "ledger waited": self.waited,
            "ledger steps": np.array(self.steps),
            "ledger epochs": np.array(self.epochs),
            "ledger scores": np.array(self.scores),
            "ledger parts": np.array(self.parts),
        }
        found["ledger parameters"] = np.stack(self.best_parameters)
        if self.snapshots:
            found["ledger snapshots"] = np.stack(self.snapshots)
            found["ledger snapshot steps"] = np.array(self.snapshot_steps)
        return found

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from a checkpoint.

        Parameters
        ----------
        arrays : dict of ndarray
            As `arrays` gave them.
        """
        self.best = arrays["ledger best"].copy()
        self.over = arrays["ledger over"].copy()
        self.waited = arrays["ledger waited"].copy()
        self.steps = arrays["ledger steps"].tolist()
        self.epochs = arrays["ledger epochs"].tolist()
        self.scores = list(arrays["ledger scores"])
        self.parts = list(arrays["ledger parts"])
        self.best_parameters = list(arrays["ledger parameters"])
        if "ledger snapshots" in arrays:
            self.snapshots = list(arrays["ledger snapshots"])
            self.snapshot_steps = arrays["ledger snapshot steps"].tolist()
