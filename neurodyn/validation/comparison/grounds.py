"""Which bins go together when scores are resampled."""

import numpy as np
import xarray as xr

from neurodyn.recording import trial_lengths
from neurodyn.validation import uncertainty
from neurodyn.validation.comparison.run import Ground, make_ground
from neurodyn.validation.holdout import Groups, Protocol, autocorrelation_time
from neurodyn.validation.layout import as3, has_trials, observed3
from neurodyn.validation.split import Split

LARGEST_MEMORY = 0.05
ENOUGH_GROUPS = 5
ENOUGH_TRIALS = 8


def with_chunks(reach: int, protocol: Protocol, recording: xr.Dataset, splits: list[Split]) -> list[Ground]:
    """Number the bins of every split by chunks that are shared between the folds.

    Chunks are the held-out groups where there are enough of them, else trials, else stretches of time of about five
    autocorrelation times.
    """
    recording = splits[0].recording  # a protocol may score another recording, such as the pairs of this one
    if isinstance(protocol, Groups) and len(splits) >= ENOUGH_GROUPS:
        return [
            make_ground(split, reach, lambda bins, fold=fold: np.where(bins, fold, -1), len(splits))
            for fold, split in enumerate(splits)
        ]
    scored = np.any([(as3(s.target_mask) & observed3(recording)).any(axis=2) for s in splits], axis=0)
    n_trials, n_time = scored.shape
    if has_trials(recording) and int(scored.any(axis=1).sum()) >= ENOUGH_TRIALS:
        number = np.broadcast_to(np.arange(n_trials)[:, None], scored.shape)
    else:
        lengths = np.asarray(trial_lengths(recording))
        values = as3(recording["activity"])
        lags = max(int(np.ceil(LARGEST_MEMORY * lengths.max())), 1)
        memory = autocorrelation_time(values, np.isfinite(values), lags)
        within = np.arange(n_time) < lengths[:, None]
        number = uncertainty.chunks_of_time(within, uncertainty.chunk_length(int(scored.sum()), memory))
    n_chunks = int(number.max()) + 1
    return [make_ground(split, reach, lambda bins: np.where(bins, number, -1), n_chunks) for split in splits]
