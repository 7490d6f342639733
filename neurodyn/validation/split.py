"""One split of a recording: what is trained on, what is given, what is scored."""

import dataclasses

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.recording import hide, trial_lengths
from neurodyn.validation.layout import as3, like_activity, observed3, stretches

MODES = ("all", "past", "present")


class EmptyPartError(ModelError):
    """A split has nothing to learn from, or nothing to score."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """One recording and boolean masks; the parts are recordings of the full shape, made on access.

    Parameters
    ----------
    recording : xr.Dataset
        The recording, activity ``([trial,] time, unit)``.
    train_mask, given_mask, target_mask : xr.DataArray
        Boolean, the shape of the activity: entries the model may learn from; entries it is given when
        predicting; entries that are scored.
    inputs_mask : xr.DataArray, optional
        Entries that may be *fed* to the model in training; the others of `train_mask` may only be scored.
        Default: `train_mask`.
    adapt_mask : xr.DataArray, optional
        Entries used by ``fit.adapt`` only, never scored.
    validation_mask : xr.DataArray, optional
        Entries kept from training and never scored, for early stopping and the choice of hyperparameters.
    future_mask : xr.DataArray, optional
        Boolean ``([trial,] time)``: bins that lie in the future when predicting, where measured covariates
        are hidden too.
    mode : {"past", "all", "present"}
        Mode of ``fit.predict`` under this protocol.
    horizon : int
        Horizon of ``fit.predict`` in bins.
    protocol : str
        Name of the protocol.
    fold : int
        Number of the split within the protocol.
    label : str
        What is held out, in words.
    gap : int
        Bins hidden from training on either side of the held-out part.
    test_trials : np.ndarray, optional
        Indices of the held-out trials, where whole trials are held out.

    Raises
    ------
    ModelError
        If an entry is both scored and shown, or nothing is left to train on or to score.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import holdout
    >>> recording = make(np.arange(40.0)[:, None], sampling_interval=0.1)
    >>> split = holdout.blocks(4, gap=2)(recording)
    >>> int(split.target["activity"].count()), int(split.train["activity"].count())
    (10, 28)
    """

    recording: xr.Dataset
    train_mask: xr.DataArray
    given_mask: xr.DataArray
    target_mask: xr.DataArray
    inputs_mask: xr.DataArray | None = None
    adapt_mask: xr.DataArray | None = None
    validation_mask: xr.DataArray | None = None
    future_mask: xr.DataArray | None = None
    mode: str = "past"
    horizon: int = 1
    protocol: str = ""
    fold: int = 0
    label: str = ""
    gap: int = 0
    test_trials: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ModelError(f"mode is {self.mode!r}; choose one of {', '.join(MODES)}.")
        train, given, target = (as3(mask) for mask in (self.train_mask, self.given_mask, self.target_mask))
        if (train & target).any():
            raise ModelError(
                f"{int((train & target).sum())} entries of the {self.protocol} split are both trained on and "
                "scored; make the masks disjoint."
            )
        if self.mode == "all" and (given & target).any():
            raise ModelError(
                f"{int((given & target).sum())} entries of the {self.protocol} split are both given and "
                "scored, "
                "but mode 'all' sees every given entry; make the masks disjoint."
            )
        if self.adapt_mask is not None:
            adapt = as3(self.adapt_mask)
            if (adapt & target).any() or (adapt & train).any():
                raise ModelError(
                    f"entries of the {self.protocol} split are used to adapt and also trained on or "
                    "scored; make "
                    "the masks disjoint."
                )
        if self.validation_mask is not None and (as3(self.validation_mask) & (train | target)).any():
            raise ModelError(
                f"entries of the {self.protocol} split are kept for validation and also trained on or scored; make the "
                "masks disjoint."
            )
        if self.inputs_mask is not None and (as3(self.inputs_mask) & ~train).any():
            raise ModelError(
                f"inputs of the {self.protocol} split show entries that training hides; inputs may only "
                "hide more."
            )
        seen = observed3(self.recording)
        for name, mask in (("train", train), ("target", target)):
            if not (seen & mask).any():
                raise EmptyPartError(
                    f"fold {self.fold} of {self.protocol} ({self.label}) has no observed entry in its "
                    f"{name} part; "
                    "use fewer folds, a smaller gap, or a recording with more data."
                )

    @property
    def train(self) -> xr.Dataset:
        """The entries learnt from; everything else is NaN."""
        part = show(self.recording, self.train_mask)
        if self.future_mask is None:
            return part
        shown = self.train_mask.any("unit")
        return hide_measured(part, self.future_mask & ~shown)

    @property
    def inputs(self) -> xr.Dataset:
        """The entries that may be fed to the model in training; equal to `train` for most protocols."""
        if self.inputs_mask is None:
            return self.train
        part = show(self.recording, self.inputs_mask)
        return part if self.future_mask is None else hide_measured(part, self.future_mask)

    @property
    def given(self) -> xr.Dataset:
        """The entries a prediction is given, subject to `mode` and `horizon`."""
        part = show(self.recording, self.given_mask)
        return part if self.future_mask is None else hide_measured(part, self.future_mask)

    @property
    def target(self) -> xr.Dataset:
        """The entries that are scored."""
        return show(self.recording, self.target_mask)

    @property
    def adapt(self) -> xr.Dataset | None:
        """The entries local parameters are learnt from; None where the protocol has none."""
        return None if self.adapt_mask is None else show(self.recording, self.adapt_mask)

    @property
    def validation(self) -> xr.Dataset | None:
        """The entries kept for early stopping and the choice of hyperparameters; None where the protocol keeps none."""
        return None if self.validation_mask is None else show(self.recording, self.validation_mask)

    def without_warm_up(self, n_bins: int) -> "Split":
        """The same split without the first bins of every stretch of the target.

        An autoregressive model cannot predict them from within the stretch; dropping them for every model
        keeps a comparison on the same entries. Where the bins before the target are given (forward bins,
        held-out units), nothing is dropped.

        Parameters
        ----------
        n_bins : int
            Bins dropped after each start of the observed target.

        Returns
        -------
        Split
            With a smaller target.

        Raises
        ------
        ModelError
            If nothing is left to score.
        """
        target, given = as3(self.target_mask), as3(self.given_mask)
        if n_bins <= 0 or self.mode == "all" or (target & ~given).any():
            return self
        seen = np.asarray((given & observed3(self.recording)).any(axis=2))
        smaller = target & warmed(np.asarray(given.any(axis=2)), seen, n_bins)[:, :, None]
        if not (smaller & observed3(self.recording)).any():
            raise ModelError(
                f"fold {self.fold} of {self.protocol} ({self.label}) has no scored entry left after "
                "dropping the "
                f"{n_bins} bins that the longest-reaching model needs; use longer test parts or a shorter "
                "reach."
            )
        return dataclasses.replace(self, target_mask=like_activity(self.recording, smaller))

    def describe(self) -> str:
        """Say what this split holds out, in one sentence.

        Returns
        -------
        str
            A sentence with the numbers of entries.
        """
        seen = observed3(self.recording)
        trained = int((seen & as3(self.train_mask)).sum())
        scored = int((seen & as3(self.target_mask)).sum())
        how = {
            "past": f"each predicted from entries at least {self.horizon} bin{'s' * (self.horizon > 1)} "
            "earlier",
            "present": "each predicted from entries up to its own bin",
            "all": "predicted from everything else that is given",
        }[self.mode]
        name = f"{self.protocol}, fold {self.fold} ({self.label})"
        return f"{name}: {trained} entries trained on, {scored} scored, {how}."


def show(recording: xr.Dataset, mask: xr.DataArray) -> xr.Dataset:
    """The recording with NaN wherever the mask is False."""
    return hide(recording, ~mask.transpose(*recording["activity"].dims).values)


def hide_measured(recording: xr.Dataset, bins: xr.DataArray) -> xr.Dataset:
    """The recording with its measured covariates NaN on the given bins; exogenous ones are kept."""
    if "covariates" not in recording or "role" not in recording.coords:
        return recording
    covariates = recording["covariates"]
    measured = xr.DataArray(recording["role"].values.astype(str) == "measured", dims=("covariate",))
    if not measured.values.any():
        return recording
    if "trial" in bins.dims and "trial" not in covariates.dims:
        bins = bins.any("trial")
    where = (
        (bins.drop_vars(list(bins.coords)) & measured)
        .broadcast_like(covariates.drop_vars(list(covariates.coords)))
        .transpose(*covariates.dims)
    )
    values = np.where(where.values, np.asarray(np.nan, dtype=covariates.dtype), covariates.values)
    return recording.assign(covariates=covariates.copy(data=values))


def warmed(given: np.ndarray, seen: np.ndarray, n_bins: int) -> np.ndarray:
    """Bins ``(trial, time)`` at least `n_bins` after the first observed one of their given stretch."""
    keep = np.zeros(given.shape, dtype=bool)
    for trial in range(given.shape[0]):
        for start, stop in stretches(given[trial]):
            observed = np.flatnonzero(seen[trial, start:stop])
            if len(observed):
                keep[trial, start + observed[0] + n_bins : stop] = True
    return keep


def inside(recording: xr.Dataset) -> np.ndarray:
    """Boolean ``(trial, time, 1)``: the bin lies before its trial's own end."""
    lengths = trial_lengths(recording)
    n_time = recording["activity"].sizes["time"]
    return (np.arange(n_time) < lengths[:, None])[:, :, None]
