"""Parts that the data themselves assign: trials, units and bins marked as held out by whoever published them."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.validation.holdout.protocol import Protocol, coordinate, part, require_trials
from neurodyn.validation.layout import shape3
from neurodyn.validation.split import Split, inside

TARGETS = ("units", "bins")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Assigned(Protocol):
    """Parts assigned by coordinates; see `neurodyn.validation.holdout.assigned`.

    Parameters
    ----------
    target : str
        Whether held-out units or forward bins are scored.
    coord : str
        Coordinate on ``trial`` with the part of every trial.
    train, test : str
        Its labels of training and of test trials.
    units : str
        Coordinate on ``unit`` that is true for held-out units.
    bins : str
        Coordinate on ``time`` that is true for forward bins.
    between : tuple of str, optional
        Coordinates on ``trial`` with the times between which bins are scored.
    """

    name: ClassVar[str] = "assigned"
    target: str = "units"
    coord: str = "split"
    train: str = "train"
    test: str = "val"
    units: str = "heldout"
    bins: str = "forward"
    between: tuple[str, str] | None = None

    def describe(self) -> str:
        """Say what the protocol holds out.

        Returns
        -------
        str
            One sentence.
        """
        start = f"Trials assigned to {self.test!r} by {self.coord}:"
        if self.target == "units":
            return f"{start} their units marked {self.units}, predicted from the others at the same time (co-smoothing)."
        return f"{start} their bins marked {self.bins}, forecast from earlier bins of the units not marked {self.units}."

    @property
    def label(self) -> str:
        """Name in a table: what is held out."""
        return f"{self.name} {self.target}"

    def _count(self, recording: xr.Dataset) -> int:
        require_trials(recording, self.name, 2, "holdout.units")
        parts = self._column(recording, self.coord, "trial").astype(str)
        for label in (self.train, self.test):
            if label not in parts:
                held = ", ".join(dict.fromkeys(parts.tolist()))
                raise NotApplicable(
                    f"assigned needs trials whose {self.coord!r} is {label!r}; there are {held}."
                )
        hidden = self._flags(recording, self.units, "unit")
        if self.target == "units" and not 0 < hidden.sum() < len(hidden):
            raise NotApplicable(
                f"assigned needs some units marked {self.units!r}, but {int(hidden.sum())} of {len(hidden)} are."
            )
        ahead = self._flags(recording, self.bins, "time")
        if self.target == "bins" and not 0 < ahead.sum() < len(ahead):
            raise NotApplicable(
                f"assigned needs some bins marked {self.bins!r}, but {int(ahead.sum())} of {len(ahead)} are."
            )
        return 1

    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        n_trials, n_time, _ = shape3(recording)
        parts = self._column(recording, self.coord, "trial").astype(str)
        trained, tested = parts == self.train, parts == self.test
        within = inside(recording)[:, :, 0]
        shown = ~self._flags(recording, self.units, "unit")[None, None, :]
        ahead = self._flags(recording, self.bins, "time")
        known = within & ~ahead
        shared = self._shared(recording, tested, known if self.target == "units" else within)
        train = within & trained[:, None] & ~shared
        test = known & tested[:, None]
        scored = (
            test[:, :, None] & ~shown
            if self.target == "units"
            else (within & ahead & tested[:, None])[:, :, None]
        )
        lost = int((within & trained[:, None] & shared).sum())
        label = f"{int(tested.sum())} trials with {self.coord} {self.test!r}"
        if lost:
            label += f"; {lost} bins of training trials that lie in their time are not trained on"
        return Split(
            recording=recording,
            train_mask=part(recording, train[:, :, None]),
            inputs_mask=part(recording, (train & known)[:, :, None] & shown),
            given_mask=part(recording, test[:, :, None] & shown),
            target_mask=part(recording, scored & self._between(recording)[:, :, None]),
            future_mask=part(recording, np.broadcast_to(ahead[None, :, None], (n_trials, n_time, 1))).isel(
                unit=0, drop=True
            ),
            mode="all" if self.target == "units" else "past",
            protocol=f"{self.name}({self.target})",
            fold=fold,
            label=label,
            test_trials=np.flatnonzero(tested),
        )

    def _column(self, recording: xr.Dataset, name: str, dim: str) -> np.ndarray:
        """A coordinate on one dim."""
        if name not in recording.coords or recording[name].dims != (dim,):
            held = [str(other) for other in recording.coords if recording[other].dims == (dim,)]
            raise NotApplicable(
                f"assigned needs the coordinate {name!r} on {dim}; there are {', '.join(held)}."
            )
        return recording[name].values

    def _flags(self, recording: xr.Dataset, name: str, dim: str) -> np.ndarray:
        """A coordinate of True and False; all False where it is missing and not what is scored."""
        needed = self.target == ("units" if dim == "unit" else "bins")
        if not needed and name not in recording.coords:
            return np.zeros(recording.sizes[dim], dtype=bool)
        values = self._column(recording, name, dim)
        if values.dtype.kind not in "bif" or not np.isin(values, (0, 1)).all():
            raise ModelError(
                f"assigned: the coordinate {name!r} must hold True and False, it holds {values[:3]}."
            )
        return values.astype(bool)

    def _starts(self, recording: xr.Dataset) -> np.ndarray | None:
        """Session time of every bin ``(trial, time)``, where it is known."""
        if "start_time" not in recording.coords:
            return None
        width = float(recording.attrs["sampling_interval"])
        return self._column(recording, "start_time", "trial")[:, None] + width * np.arange(
            recording.sizes["time"]
        )

    def _shared(self, recording: xr.Dataset, tested: np.ndarray, used: np.ndarray) -> np.ndarray:
        """Bins ``(trial, time)`` that overlap the bins used of a test trial: the same spikes, in training."""
        starts = self._starts(recording)
        if starts is None:
            return np.zeros(used.shape, dtype=bool)
        width = float(recording.attrs["sampling_interval"])
        slack = 1e-6 * width
        order = np.argsort(starts[tested, 0])
        begin = starts[tested, 0][order]
        end = np.maximum.accumulate(begin + width * used[tested].sum(axis=1)[order])
        # The last test trial that begins before a bin ends; all that began earlier end no later than `end` says.
        last = np.searchsorted(begin, starts + width - slack) - 1
        return (last >= 0) & (starts < end[np.maximum(last, 0)] - slack)

    def _between(self, recording: xr.Dataset) -> np.ndarray:
        """Bins ``(trial, time)`` that lie wholly between two events of their trial; forward bins are not restricted."""
        n_trials, n_time, _ = shape3(recording)
        if self.between is None or self.target == "bins":
            return np.ones((n_trials, n_time), dtype=bool)
        starts = self._starts(recording)
        if starts is None:
            raise NotApplicable(
                "assigned needs the coordinate 'start_time' on trial to know what is between events."
            )
        width = float(recording.attrs["sampling_interval"])
        first, last = (self._column(recording, name, "trial").astype(float)[:, None] for name in self.between)
        return (starts >= first - 1e-6 * width) & (starts + width <= last + 1e-6 * width)


def assigned(
    target: str = "units",
    *,
    coord: str = "split",
    train: str = "train",
    test: str = "val",
    units: str = "heldout",
    bins: str = "forward",
    between: tuple[str, str] | None = None,
) -> Assigned:
    """Hold out what the data's publisher assigned, such as the validation part of the Neural Latents Benchmark.

    Training trials show all units and bins, but held-out units and forward bins are never *fed* to the model (``inputs``).
    In test trials the other units are given before the forward bins; scored are the held-out units there (co-smoothing), or
    the forward bins of all units. Bins of training trials that lie in the time of a test trial are not trained on: trials
    overlap where forward bins reach into the next one.

    Parameters
    ----------
    target : {"units", "bins"}
        What is scored: held-out units, or forward bins.
    coord : str
        Coordinate on ``trial`` with the part of every trial; trials of other parts are not used.
    train, test : str
        Its labels of training and of test trials.
    units : str
        Coordinate on ``unit`` that is true for held-out units.
    bins : str
        Coordinate on ``time`` that is true for forward bins, at the end of every trial.
    between : tuple of str, optional
        Two coordinates on ``trial`` with times in seconds of the session clock, such as ``("set_time", "go_time")``:
        held-out units are scored in bins that lie wholly between them.

    Returns
    -------
    Assigned
        The protocol; it has one split.

    Raises
    ------
    ModelError
        If an argument is out of range.

    See Also
    --------
    neurodyn.datasets.nlb : recordings with these coordinates.

    References
    ----------
    .. [1] Pei, F. et al. (2021). Neural Latents Benchmark '21. arXiv:2109.04463.
       doi:10.48550/arXiv.2109.04463

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import holdout
    >>> recording = make(np.ones((4, 6, 3)), sampling_interval=0.02, kind="count",
    ...                  unit_coords={"heldout": [False, False, True]}, trial_coords={"split": ["train"] * 3 + ["val"]})
    >>> recording = recording.assign_coords(forward=("time", np.arange(6) >= 4))
    >>> for target in ("units", "bins"):
    ...     split = holdout.assigned(target)(recording)
    ...     print(int(split.given["activity"].count()), int(split.target["activity"].count()), split.mode)
    8 4 all
    8 6 past
    """
    if target not in TARGETS:
        raise ModelError(f"holdout.assigned: target is {target!r}; choose one of {', '.join(TARGETS)}.")
    if train == test:
        raise ModelError(f"holdout.assigned: train and test are both {train!r}; give two labels.")
    names: dict[str, Any] = {"coord": coord, "units": units, "bins": bins}
    if between is not None and (isinstance(between, str) or len(between) != 2):
        raise ModelError(f"holdout.assigned: between is {between!r}; name two coordinates on trial.")
    return Assigned(
        target=target,
        train=str(train),
        test=str(test),
        between=None if between is None else (str(between[0]), str(between[1])),
        **{name: coordinate(name, value, "holdout.assigned") for name, value in names.items()},
    )
