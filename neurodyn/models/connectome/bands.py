"""Affinities of field potentials: what two signals share in a band of frequencies."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from neurodyn.errors import ModelError
from neurodyn.inference.affinity import stretch_about
from neurodyn.inference.affinity_bands import (
    analytic_signal,
    band_coherence,
    check_band,
    envelope_correlation,
    filter_reach,
    phase_locking,
)


@dataclasses.dataclass(frozen=True)
class _InBand:
    """A band, a window and the rate of the recording they are for."""

    shared: ClassVar[Callable[..., np.ndarray]]  # what two analytic signals share within a window

    band: tuple[float, float]
    window: int
    rate: float

    def __post_init__(self) -> None:
        """Refuse a band that the rate does not have, and a window without a middle."""
        if len(self.band) != 2:
            raise ModelError(f"the band is {self.band!r}; give its two edges in Hz, such as (13.0, 30.0).")
        object.__setattr__(self, "band", tuple(float(edge) for edge in self.band))
        check_band(self.band, self.rate)
        if self.window % 2 == 0 or self.window < 3:
            raise ModelError(f"the window has {self.window} bins; give an odd number of 3 or more.")

    @property
    def reach(self) -> int:
        """Bins on either side that an affinity depends on: half the window and half the filter."""
        return self.window // 2 + filter_reach(self.band, self.rate)

    def prepare(self, traces: np.ndarray, scale_on: np.ndarray | None = None) -> np.ndarray:
        """Analytic signals of traces ``(time, unit)``; what they share has no scale to learn."""
        del scale_on
        return analytic_signal(traces, band=self.band, rate=self.rate)

    def between(
        self, prepared: np.ndarray, first: np.ndarray, second: np.ndarray, start: int, stop: int
    ) -> np.ndarray:
        """Affinities ``(time, pair)`` of the bins from `start` to before `stop`, NaN where not observed."""
        low, high = stretch_about(start, stop, self.window, len(prepared))
        found = type(self).shared(prepared[low:high], first, second, window=self.window)
        return found[start - low : stop - low]


@dataclasses.dataclass(frozen=True)
class PhaseLocking(_InBand):
    """Constant phase between two signals; see `neurodyn.inference.affinity_bands.phase_locking`.

    Parameters
    ----------
    band : (low, high)
        Hz.
    window : int
        Bins of the sliding window, odd.
    rate : float
        Samples a second of the recording, which must have this rate.

    Raises
    ------
    ModelError
        If the rate does not have the band, or the window is even or below 3.

    Examples
    --------
    >>> PhaseLocking(band=(13, 30), window=501, rate=1000.0).reach
    758
    """

    shared: ClassVar[Callable[..., np.ndarray]] = staticmethod(phase_locking)


@dataclasses.dataclass(frozen=True)
class EnvelopeCorrelation(_InBand):
    """Amplitudes that rise and fall together; see `neurodyn.inference.affinity_bands.envelope_correlation`.

    Parameters
    ----------
    band : (low, high)
        Hz.
    window : int
        Bins of the sliding window, odd.
    rate : float
        Samples a second of the recording, which must have this rate.

    Raises
    ------
    ModelError
        If the rate does not have the band, or the window is even or below 3.

    Examples
    --------
    >>> EnvelopeCorrelation(band=(60, 90), window=501, rate=1000.0).reach
    360
    """

    shared: ClassVar[Callable[..., np.ndarray]] = staticmethod(envelope_correlation)


@dataclasses.dataclass(frozen=True)
class BandCoherence(_InBand):
    """Coherence of a band; see `neurodyn.inference.affinity_bands.band_coherence`.

    Parameters
    ----------
    band : (low, high)
        Hz.
    window : int
        Bins of the sliding window, odd.
    rate : float
        Samples a second of the recording, which must have this rate.

    Raises
    ------
    ModelError
        If the rate does not have the band, or the window is even or below 3.

    Examples
    --------
    >>> BandCoherence(band=(13, 30), window=501, rate=1000.0).reach
    758
    """

    shared: ClassVar[Callable[..., np.ndarray]] = staticmethod(band_coherence)
