"""From a recording of units to the recording of their pairs."""

import dataclasses
import warnings
from typing import NamedTuple

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NeurodynWarning, RecordingError
from neurodyn.inference.affinity import concurrent_change, pairs_of, slopes, stretch_about, window_correlation
from neurodyn.models.connectome.bands import BandCoherence, EnvelopeCorrelation, PhaseLocking
from neurodyn.recording import check, make

LINK = "--"
SIGNS = ("together", "opposed")


@dataclasses.dataclass(frozen=True)
class ConcurrentChange:
    """Traces that rise, or fall, at the same time; see `neurodyn.inference.affinity.concurrent_change`.

    Parameters
    ----------
    window : int
        Bins of the window in which slopes are taken, odd.
    order : int
        Of the polynomial fitted there.
    rises : bool
        Whether common falls count as none.

    Examples
    --------
    >>> ConcurrentChange(window=7).reach
    3
    """

    window: int = 5
    order: int = 2
    rises: bool = False

    @property
    def reach(self) -> int:
        """Bins on either side that an affinity depends on."""
        return self.window // 2

    def prepare(self, traces: np.ndarray, scale_on: np.ndarray | None = None) -> np.ndarray:
        """Slopes of traces ``(time, unit)``, scaled as on the entries of a mask of the same shape."""
        return slopes(traces, window=self.window, order=self.order, scale_on=scale_on)

    def between(
        self, prepared: np.ndarray, first: np.ndarray, second: np.ndarray, start: int, stop: int
    ) -> np.ndarray:
        """Affinities ``(time, pair)`` of the bins from `start` to before `stop`, NaN where not observed."""
        return concurrent_change(prepared[start:stop], first, second, rises=self.rises)


@dataclasses.dataclass(frozen=True)
class WindowCorrelation:
    """Positive correlation in a sliding window; see `neurodyn.inference.affinity.window_correlation`.

    Parameters
    ----------
    window : int
        Bins of the window, odd.
    signed : bool
        Whether every pair has a second channel, the size of negative correlations. Pairs then carry a coordinate ``sign``,
        "together" or "opposed", and those opposed follow after all others.

    Examples
    --------
    >>> WindowCorrelation(21).reach
    10
    """

    window: int = 21
    signed: bool = False

    @property
    def reach(self) -> int:
        """Bins on either side that an affinity depends on."""
        return self.window // 2

    def prepare(self, traces: np.ndarray, scale_on: np.ndarray | None = None) -> np.ndarray:
        """The traces: a correlation has no scale to learn."""
        del scale_on
        return traces

    def between(
        self, prepared: np.ndarray, first: np.ndarray, second: np.ndarray, start: int, stop: int
    ) -> np.ndarray:
        """Affinities ``(time, pair)`` of the bins from `start` to before `stop`, NaN where not observed."""
        low, high = stretch_about(start, stop, self.window, len(prepared))
        n_together = len(first) // 2 if self.signed else len(first)
        parts = [(slice(0, n_together), False), (slice(n_together, None), True)][: 1 + self.signed]
        found = [
            window_correlation(
                prepared[low:high], first[part], second[part], window=self.window, opposed=opposed
            )
            for part, opposed in parts
        ]
        return np.concatenate(found, axis=1)[start - low : stop - low]


Affinity = ConcurrentChange | WindowCorrelation | PhaseLocking | EnvelopeCorrelation | BandCoherence


class Pairs(NamedTuple):
    """The pairs of some units that a measure speaks of.

    Attributes
    ----------
    first, second : numpy.ndarray of int
        Places of their units.
    coords : dict
        Labels of the pairs by coordinate: ``unit``, ``source``, ``target``, and of a signed measure ``sign``.
    """

    first: np.ndarray
    second: np.ndarray
    coords: dict[str, np.ndarray]

    @classmethod
    def of(cls, measure: Affinity, labels: np.ndarray) -> "Pairs":
        """Pairs of units with labels ``(unit,)``, in the order in which the measure returns them."""
        first, second = pairs_of(len(labels))
        names = [f"{labels[i]}{LINK}{labels[j]}" for i, j in zip(first, second, strict=True)]
        if not getattr(measure, "signed", False):
            coords = {"unit": names, "source": labels[first], "target": labels[second]}
            return cls(first, second, {name: np.array(column) for name, column in coords.items()})
        sign = np.repeat(SIGNS, len(first))
        names = [*names, *(f"{name} {SIGNS[1]}" for name in names)]
        first, second = np.tile(first, 2), np.tile(second, 2)
        coords = {"unit": names, "source": labels[first], "target": labels[second], "sign": sign}
        return cls(first, second, {name: np.array(column) for name, column in coords.items()})


def require_rate(measure: Affinity, recording: xr.Dataset) -> None:
    """Refuse a measure that was made for another sampling rate.

    Parameters
    ----------
    measure : Affinity
        Those of a band name the rate that their filter is for.
    recording : xr.Dataset
        Traces.

    Raises
    ------
    ModelError
        If the rates differ by more than a thousandth.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> require_rate(PhaseLocking((13, 30), 501, 1000.0), recording.make(np.ones((9, 2)), sampling_interval=0.001))
    """
    rate, found = getattr(measure, "rate", None), 1 / float(recording.attrs["sampling_interval"])
    if rate is not None and not abs(rate - found) <= 1e-3 * found:
        raise ModelError(
            f"the measure is for {rate:g} samples a second, but the recording has {found:g}; give rate={found:g}."
        )


def affinity(
    recording: xr.Dataset, measure: Affinity | None = None, *, scale_on: np.ndarray | None = None
) -> xr.Dataset:
    """How much every pair of units changes together, bin by bin.

    Parameters
    ----------
    recording : xr.Dataset
        Traces, ``activity`` on ``([trial,] time, unit)``; animals are trials, with NaN for the units that were not found in
        one (`neurodyn.recording.concatenate` with ``join="outer"``).
    measure : Affinity
        `ConcurrentChange` (default), `WindowCorrelation`, or of a band `PhaseLocking`, `EnvelopeCorrelation`,
        `BandCoherence`.
    scale_on : np.ndarray of bool, optional
        ``([trial,] time, unit)``: the entries on which scales of traces are learnt, such as those of a training part; of a
        trace without any in its trial, and by default, all.

    Returns
    -------
    xr.Dataset
        A recording whose units are pairs, with coordinates ``source`` and ``target`` (and ``sign`` of a measure in two
        channels); 0 or more; NaN where either unit, or a
        bin within the measure's reach, was not observed.

    Raises
    ------
    RecordingError
        If there are fewer than two units or two share a label.
    ModelError
        If the measure is none, or its window or rate does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> traces = np.random.default_rng(0).normal(size=(30, 3)).cumsum(axis=0)
    >>> pairs = affinity(recording.make(traces, sampling_interval=0.6, unit=["AVAL", "AVAR", "RIML"]))
    >>> pairs["unit"].values.tolist(), pairs["target"].values.tolist()
    (['AVAL--AVAR', 'AVAL--RIML', 'AVAR--RIML'], ['AVAR', 'RIML', 'RIML'])
    """
    measure = ConcurrentChange() if measure is None else measure
    if not isinstance(measure, Affinity):
        raise ModelError(
            f"the measure is {measure!r}; give one of neurodyn.models.connectome, such as ConcurrentChange()."
        )
    recording = check(recording, allow_empty=True)
    require_rate(measure, recording)
    labels = recording["unit"].values.astype(str)
    if len(labels) < 2:
        raise RecordingError(f"the recording has {len(labels)} unit; an affinity needs two or more.")
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if (labels == label).sum() > 1)
        raise RecordingError(f"two units are called {twice!r}; give every unit a label of its own.")
    activity = recording["activity"].transpose(..., "time", "unit")
    values = activity.values.reshape(-1, *activity.shape[-2:])
    pairs = Pairs.of(measure, labels)
    first, second = pairs.first, pairs.second
    shown = [None] * len(values) if scale_on is None else np.reshape(scale_on, values.shape)
    prepared = [measure.prepare(trial.astype(float), on) for trial, on in zip(values, shown, strict=True)]
    found = np.stack([measure.between(trial, first, second, 0, len(trial)) for trial in prepared])
    of_trials = {}
    if "trial" in recording.dims:
        columns = {
            name: column.values
            for name, column in recording.coords.items()
            if column.dims == ("trial",) and name != "trial"
        }
        of_trials = {"trial": recording["trial"].values, "trial_coords": columns}
    attrs = recording.attrs
    with warnings.catch_warnings():
        # Pairs never seen together are no units that failed: a fit says how many there are.
        warnings.simplefilter("ignore", NeurodynWarning)
        return make(
            found.reshape(*activity.shape[:-1], len(first)),
            sampling_interval=float(attrs["sampling_interval"]),
            time=recording["time"].values,
            unit=pairs.coords["unit"],
            unit_coords={name: column for name, column in pairs.coords.items() if name != "unit"},
            **of_trials,
            **{name: attrs.get(name, "") for name in ("modality", "subject", "session", "source")},
            history=(*attrs.get("history", ()), f"affinity of pairs: {measure!r}"),
            dtype=str(recording["activity"].dtype),
        )
