"""Affinities of field potentials: what two signals share in a band of frequencies."""

import dataclasses
from collections.abc import Callable

import numpy as np

from neurodyn.errors import ModelError
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

    def _between(self, measure: Callable, prepared: np.ndarray, pairs: tuple, start: int, stop: int):
        """A measure of the bins from `start` to before `stop`, of no more of the signals than it needs."""
        half = self.window // 2
        low, high = max(start - half, 0), min(stop + half, len(prepared))
        if len(prepared) >= self.window:
            # A stretch shorter than the window is widened, so that what is too short is the recording alone.
            low, high = max(min(low, high - self.window), 0), min(max(high, low + self.window), len(prepared))
        return measure(prepared[low:high], *pairs, window=self.window)[start - low : stop - low]


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

    def between(
        self, prepared: np.ndarray, first: np.ndarray, second: np.ndarray, start: int, stop: int
    ) -> np.ndarray:
        """Affinities ``(time, pair)`` of the bins from `start` to before `stop`, NaN where not observed."""
        return self._between(phase_locking, prepared, (first, second), start, stop)


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

    def between(
        self, prepared: np.ndarray, first: np.ndarray, second: np.ndarray, start: int, stop: int
    ) -> np.ndarray:
        """Affinities ``(time, pair)`` of the bins from `start` to before `stop`, NaN where not observed."""
        return self._between(envelope_correlation, prepared, (first, second), start, stop)


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

    def between(
        self, prepared: np.ndarray, first: np.ndarray, second: np.ndarray, start: int, stop: int
    ) -> np.ndarray:
        """Affinities ``(time, pair)`` of the bins from `start` to before `stop`, NaN where not observed."""
        return self._between(band_coherence, prepared, (first, second), start, stop)
