"""Whole trials, and whole groups (runs, sessions, subjects)."""

import dataclasses
import warnings
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NeurodynWarning, NotApplicable
from neurodyn.validation.holdout.along_time import check_gap, resolve_gap
from neurodyn.validation.holdout.protocol import Protocol, fold_numbers, part, require_trials
from neurodyn.validation.layout import near, whole
from neurodyn.validation.split import Split, inside

ORDERS = ("interleaved", "contiguous", "random")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trials(Protocol):
    """Whole trials; see `neurodyn.validation.holdout.trials`.

    Parameters
    ----------
    folds : int
        Number of splits.
    horizon : int
        Bins ahead each entry is predicted.
    order : str
        How trials are dealt to the folds.
    key : int or jax.Array
        Draws what is held out.
    """

    name: ClassVar[str] = "trials"
    folds: int = 5
    horizon: int = 1
    order: str = "interleaved"
    key: Any = None

    def describe(self) -> str:
        """Say what the protocol holds out.

        Returns
        -------
        str
            One sentence.
        """
        return (
            f"{self.folds} {self.order} sets of whole trials, each held out in turn and predicted "
            f"{self.horizon} bin{'s' * (self.horizon > 1)} ahead from the trial's own past."
        )

    def _count(self, recording: xr.Dataset) -> int:
        require_trials(recording, "trials", self.folds, "holdout.blocks")
        return self.folds

    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        n_trials = int(recording["activity"].sizes["trial"])
        chosen = fold_numbers(n_trials, self.folds, self.order, self.key) == fold
        within = inside(recording)
        test = within & chosen[:, None, None]
        return Split(
            recording=recording,
            train_mask=part(recording, within & ~test),
            given_mask=part(recording, test),
            target_mask=part(recording, test),
            horizon=self.horizon,
            protocol=self.name,
            fold=fold,
            label=f"{int(chosen.sum())} of {n_trials} trials",
            test_trials=np.flatnonzero(chosen),
        )


def trials(folds: int = 5, *, horizon: int = 1, order: str | None = None, key: Any = None) -> Trials:
    """Hold out whole trials, each predicted from its own past.

    Parameters
    ----------
    folds : int
        Sets of trials, each held out once.
    horizon : int
        Bins ahead each entry is predicted.
    order : {"interleaved", "contiguous", "random"}, optional
        How trials are dealt to the folds: every `folds`-th one, stretches of neighbours (harder: slow drift
        cannot be interpolated), or at random. Default: random with a key, else interleaved.
    key : int or jax.Array, optional
        Randomness of ``order="random"``.

    Returns
    -------
    Trials
        The protocol.

    Raises
    ------
    ModelError
        If an argument is out of range.

    Examples
    --------
    >>> from neurodyn.validation import holdout
    >>> holdout.trials(5).order
    'interleaved'
    """
    order = order or ("interleaved" if key is None else "random")
    if order not in ORDERS:
        raise ModelError(f"holdout.trials: order is {order!r}; choose one of {', '.join(ORDERS)}.")
    if order == "random" and key is None:
        raise ModelError("holdout.trials: order='random' needs a key; pass e.g. key=0.")
    return Trials(
        folds=whole("folds", folds, 2, "holdout.trials"),
        horizon=whole("horizon", horizon, 1, "holdout.trials"),
        order=order,
        key=key,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Groups(Protocol):
    """Whole runs, sessions or subjects; see `neurodyn.validation.holdout.groups`.

    Parameters
    ----------
    coord : str
        Coordinate that labels the groups.
    folds : int, optional
        Number of splits; None: one per group.
    adapt : bool
        Whether the first half of a held-out group is used to adapt.
    gap : int, optional
        Bins hidden from training around the held-out part; None: the autocorrelation time.
    minimum_gap : int
        Least gap in bins, raised by a comparison to the longest reach of its models.
    horizon : int
        Bins ahead each entry is predicted.
    """

    name: ClassVar[str] = "groups"
    coord: str
    folds: int | None = None
    adapt: bool = False
    gap: int | None = None
    minimum_gap: int = 0
    horizon: int = 1

    @property
    def label(self) -> str:
        """Name in a table: what is held out."""
        return self.coord if self.coord.endswith("s") else f"{self.coord}s"

    def describe(self) -> str:
        """Say what the protocol holds out.

        Returns
        -------
        str
            One sentence.
        """
        which = "each" if self.folds is None else f"{self.folds} sets"
        local = (
            " Local parameters are learnt on its first half; the second half is scored, for every model."
            if self.adapt
            else ""
        )
        return f"Leave {which} {self.coord} out, and predict it from its own past.{local}"

    def _codes(self, recording: xr.Dataset) -> tuple[np.ndarray, np.ndarray, str]:
        """Group code of every trial or bin (-1: no label), the labels, and the dim they lie on."""
        if self.coord not in recording.coords:
            held = ", ".join(str(name) for name in recording.coords) or "no coordinates"
            raise NotApplicable(f"groups needs the coordinate {self.coord!r}; this recording has {held}.")
        coord = recording[self.coord]
        dim = coord.dims[0] if coord.ndim == 1 else None
        if dim not in ("trial", "time"):
            raise NotApplicable(
                f"groups needs {self.coord!r} on trial or on time, it lies on {coord.dims}; label every "
                "trial or bin."
            )
        import pandas

        codes, labels = pandas.factorize(coord.values)
        return np.asarray(codes), np.asarray(labels), str(dim)

    def _count(self, recording: xr.Dataset) -> int:
        _, labels, dim = self._codes(recording)
        needed = self.folds or 2
        if len(labels) < needed:
            raise NotApplicable(
                f"groups needs at least {needed} values of {self.coord!r} on {dim}, this recording has "
                f"{len(labels)}; use fewer folds, holdout.trials or holdout.blocks."
            )
        return self.folds or len(labels)

    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        codes, labels, dim = self._codes(recording)
        fold_of = fold_numbers(len(labels), self._count(recording), "interleaved", None)
        held = (codes >= 0) & (fold_of[codes] == fold)
        within = inside(recording)[:, :, 0]
        on_time = dim == "time"
        spread = held[None, :] if on_time else held[:, None]
        test = within & spread
        gap = 0
        if on_time:
            gap = self._gap(recording, codes, test)
        labelled = (codes >= 0)[None, :] if on_time else (codes >= 0)[:, None]
        train = within & labelled & ~near(test, gap)
        scored, adapt = test, None
        if self.adapt:
            adapt, scored = self._halves(recording, codes, held, test, on_time)
        names = ", ".join(str(label) for label in labels[fold_of == fold][:4])
        return Split(
            recording=recording,
            train_mask=part(recording, train[:, :, None]),
            given_mask=part(recording, scored[:, :, None]),
            target_mask=part(recording, scored[:, :, None]),
            adapt_mask=None if adapt is None else part(recording, adapt[:, :, None]),
            horizon=self.horizon,
            protocol=f"groups({self.coord})",
            fold=fold,
            label=f"{self.coord} {names}",
            gap=gap,
            test_trials=None if on_time else np.flatnonzero(scored.any(axis=1)),
        )

    def _gap(self, recording: xr.Dataset, codes: np.ndarray, test: np.ndarray) -> int:
        """Gap at the borders: none where every group is one unbroken run, unless one is asked for."""
        starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
        broken = len(starts) > len(np.unique(codes))
        if not broken and self.gap is None:
            return self.minimum_gap
        if broken and self.gap is None:
            warnings.warn(
                f"{self.coord!r} comes back to the same label along time, so held-out stretches border on "
                "training "
                "ones; a gap of the autocorrelation time is left out of training on either side.",
                NeurodynWarning,
                stacklevel=5,
            )
        return resolve_gap(recording, test, self.gap, self.minimum_gap)

    def _halves(
        self, recording: xr.Dataset, codes: np.ndarray, held: np.ndarray, test: np.ndarray, on_time: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """First half of every held-out group to adapt on, second half to score; bins ``(trial, time)``."""
        adapt, scored = np.zeros_like(test), np.zeros_like(test)
        for code in np.unique(codes[held]):
            members = np.flatnonzero(codes == code)
            if not on_time and len(members) == 1:
                bins = np.flatnonzero(test[members[0]])
                half = len(bins) // 2
                adapt[members[0], bins[:half]] = True
                gap = resolve_gap(recording, adapt, self.gap, self.minimum_gap)
                scored[members[0], bins[half + gap :]] = True
                continue
            first, second = members[: len(members) // 2], members[len(members) // 2 :]
            if on_time:
                adapt[:, first] = test[:, first]
                second = second[resolve_gap(recording, adapt, self.gap, self.minimum_gap) :]
                scored[:, second] = test[:, second]
            else:
                adapt[first], scored[second] = test[first], test[second]
        return adapt, scored


def groups(
    coord: str,
    folds: int | None = None,
    *,
    adapt: bool = False,
    gap: int | None = None,
    horizon: int = 1,
) -> Groups:
    """Hold out whole runs, sessions or subjects, each predicted from its own past.

    Parameters
    ----------
    coord : str
        Coordinate that labels the groups, on ``trial`` or on ``time``; unlabelled entries are not used.
    folds : int, optional
        Number of sets of groups; default: leave one group out.
    adapt : bool
        For models with local parameters: the first half of every held-out group (its trials, or its time) is
        used by ``fit.adapt`` only, and the second half is scored, the same for every model.
    gap : int, optional
        Bins hidden at the borders of groups along time. Default: none where every group is one unbroken run,
        else the autocorrelation time.
    horizon : int
        Bins ahead each entry is predicted.

    Returns
    -------
    Groups
        The protocol.

    Raises
    ------
    ModelError
        If an argument is out of range.

    Examples
    --------
    >>> from neurodyn.validation import holdout
    >>> holdout.groups("run").describe()
    'Leave each run out, and predict it from its own past.'
    """
    if not isinstance(coord, str) or not coord:
        raise ModelError(f"holdout.groups: coord is {coord!r}; name a coordinate on trial or time.")
    return Groups(
        coord=coord,
        folds=None if folds is None else whole("folds", folds, 2, "holdout.groups"),
        adapt=bool(adapt),
        gap=check_gap(gap, "holdout.groups"),
        horizon=whole("horizon", horizon, 1, "holdout.groups"),
    )
