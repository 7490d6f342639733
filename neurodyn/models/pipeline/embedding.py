"""Time-delay embedding: neighbouring bins as further units."""

import dataclasses

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.ridge import shifted
from neurodyn.models.pipeline.step import Step, StepFit, with_units
from neurodyn.recording import arrays, trial_lengths


@dataclasses.dataclass(frozen=True)
class TimeDelayEmbedding(Step):
    """Each unit with its earlier (and later) bins as further units.

    .. math:: y_t = (x_{t - l})_{l \\in \\mathrm{lags}}

    A missing entry is missing in each of its copies. A bin is embedded only if the bin itself, and those that it
    takes from the future, hold some observed entry; otherwise it is missing as a whole, so that nothing is known
    of a stretch of time that is hidden. Predictions are those of lag 0. Lags into the future (negative, as in the
    symmetric embedding used for electrophysiology) are honest for prediction: in mode ``past`` the model behind
    is asked that many bins further ahead. As every entry is copied, the likelihood lives in a space of its own
    (``reduced``) and is not compared with others.

    Parameters
    ----------
    lags : tuple of int
        Bins into the past, 0 among them; negative for the future.

    Raises
    ------
    ModelError
        If the lags are not distinct whole numbers with 0 among them.

    Examples
    --------
    >>> from neurodyn import recording
    >>> from neurodyn.models.pipeline import TimeDelayEmbedding
    >>> ramp = recording.make([1.0, 2.0, 3.0], sampling_interval=1.0)
    >>> TimeDelayEmbedding((0, 1)).fit(ramp).forward(ramp)["activity"].values[1:].tolist()
    [[2.0, 1.0], [3.0, 2.0]]
    """

    component = "time_delay_embedding"

    lags: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self):
        lags = tuple(self.lags) if isinstance(self.lags, (tuple, list, range)) else ()
        whole = all(isinstance(lag, (int, np.integer)) and not isinstance(lag, bool) for lag in lags)
        if not whole or len(set(lags)) != len(lags) or 0 not in lags:
            raise ModelError(
                f"TimeDelayEmbedding: lags is {self.lags!r}; give distinct whole numbers of bins, 0 among them."
            )
        object.__setattr__(self, "lags", tuple(int(lag) for lag in lags))

    @property
    def lead(self) -> int:
        """Bins of the future that one embedded bin contains."""
        return max(0, -min(self.lags))

    @property
    def reach(self) -> int:
        """Bins of the past that one embedded bin contains."""
        return max(0, *self.lags)

    def fit(self, recording: xr.Dataset) -> "TimeDelayEmbeddingFit":
        """Nothing is learnt but the units.

        Parameters
        ----------
        recording : xr.Dataset
            Training recording.

        Returns
        -------
        TimeDelayEmbeddingFit
            The transformation.
        """
        return TimeDelayEmbeddingFit(
            model=self, parameters=xr.Dataset(coords={"unit": recording["unit"].values})
        )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TimeDelayEmbeddingFit(StepFit):
    """The embedding of known units."""

    def forward(self, recording: xr.Dataset) -> xr.Dataset:
        """Embedded recording, lag by lag.

        Parameters
        ----------
        recording : xr.Dataset
            Any.

        Returns
        -------
        xr.Dataset
            Units named after the original one and the lag.
        """
        values, mask = arrays(recording)
        inside = (np.arange(mask.shape[1]) < trial_lengths(recording)[:, None])[..., None]
        for lag in self.model.lags:
            if lag <= 0:
                inside = inside & _moved(np.asarray(mask.any(-1, keepdims=True)), lag)
        labels = [f"{unit} lag {lag}" for lag in self.model.lags for unit in recording["unit"].values]
        embedded = np.concatenate([_moved(values, lag) for lag in self.model.lags], axis=-1)
        seen = np.concatenate([_moved(mask, lag) for lag in self.model.lags], axis=-1) & inside
        return with_units(recording, embedded, seen, labels)

    def inverse(
        self, mean: np.ndarray, variance: np.ndarray | None, recording: xr.Dataset, *, mode: str, horizon: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Predictions at lag 0.

        Parameters
        ----------
        mean, variance : np.ndarray
            Of the embedded units.
        recording, mode, horizon
            Not used.

        Returns
        -------
        mean, variance : np.ndarray
            Of the original units.
        """
        del recording, mode, horizon
        n_units = self.parameters.sizes["unit"]
        first = n_units * self.model.lags.index(0)
        now = slice(first, first + n_units)
        return mean[..., now], None if variance is None else variance[..., now]

    def likelihood_attrs(self, recording: xr.Dataset, attrs: dict[str, str]) -> dict[str, str]:
        """Every entry is counted once per lag.

        Parameters
        ----------
        recording : xr.Dataset
            Any.
        attrs : dict
            After the step.

        Returns
        -------
        dict
            Before the step.
        """
        del recording
        return attrs if self.model.lags == (0,) else {**attrs, "space": "reduced"}


def _moved(values: np.ndarray, lag: int) -> np.ndarray:
    """Values `lag` bins earlier (later where negative)."""
    return shifted(values, lag) if lag >= 0 else np.flip(shifted(np.flip(values, 1), -lag), 1)


TimeDelayEmbedding.fit_type = TimeDelayEmbeddingFit
