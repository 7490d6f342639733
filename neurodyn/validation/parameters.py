"""Uncertainty of learnt parameters: refit resampled blocks of time, or trials."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.base import Fit, Model
from neurodyn.recording import check, trial_lengths, with_history
from neurodyn.validation import uncertainty
from neurodyn.validation.holdout import autocorrelation_time
from neurodyn.validation.layout import as3, derived_key, generator, has_trials, whole

FEWEST_BLOCKS = 5
MEMORIES_PER_BLOCK = 10
LARGEST_MEMORY = 0.05


def bootstrap_parameters(
    model: Model,
    recording: xr.Dataset,
    *,
    key: Any,
    n: int = 20,
    block: int | None = None,
    names: Sequence[str] | None = None,
    level: float = 0.95,
    fit_options: Mapping[str, Any] | None = None,
    progress: Any = None,
) -> xr.Dataset:
    """Bootstrap intervals of a fit's parameters over trials, or over blocks of time.

    Every resample is fitted anew, from the parameters of the full fit where the model takes
    ``start_parameters``; states are matched to those of the full fit where the fit can ``match``.

    Parameters
    ----------
    model : Model
        The model.
    recording : xr.Dataset
        The data. Trials are resampled whole; without trials, blocks of time are, and become trials.
    key : int or jax.Array
        All randomness.
    n : int
        Number of resamples.
    block : int, optional
        Bins of a block; default: ten autocorrelation times, but at least 5 blocks.
    names : sequence of str, optional
        Parameters wanted; default: all numeric ones whose shape does not depend on the resample.
    level : float
        Coverage of the intervals.
    fit_options : dict, optional
        Options of the model's fit.
    progress : object, optional
        Has a method ``update(fraction, text)``.

    Returns
    -------
    xr.Dataset
        Every parameter on the dims of ``fit.parameters`` and ``estimate`` (``value``, ``standard_error``, ``lower``,
        ``upper``); attrs ``n`` and ``block`` (0: trials).

    Raises
    ------
    NotApplicable
        If there are fewer than 5 trials or blocks.
    ModelError
        If a parameter is unknown, or `n` is below 2.

    References
    ----------
    .. [1] Kunsch, H. R. (1989). The jackknife and the bootstrap for general stationary observations. Annals of
       Statistics 17, 1217-1241. doi:10.1214/aos/1176347265

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.models import registry
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import bootstrap_parameters
    >>> recording = make(np.random.default_rng(0).normal(size=(200, 2)), sampling_interval=0.1)
    >>> found = bootstrap_parameters(registry.create("mean"), recording, key=0, n=4)
    >>> found["mean"].dims
    ('estimate', 'unit')
    """
    check(recording)
    n = whole("n", n, 2, "bootstrap_parameters")
    parts, length = _parts(recording, block)
    n_parts = int(parts.sizes["trial"])
    options = {name: value for name, value in (fit_options or {}).items() if name in model.fit_options}
    reference = model.fit(recording, key=derived_key(key, "full"), **options)
    if "start_parameters" in model.fit_options and "start_parameters" not in options:
        options["start_parameters"] = reference.parameters
    wanted = _wanted(reference, names)
    draw = generator(key, "bootstrap_parameters")
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    for resample in range(n):
        if progress is not None:
            progress.update(resample / n, f"resample {resample + 1} of {n}")
        chosen = parts.isel(trial=np.sort(draw.integers(0, n_parts, size=n_parts)))
        chosen = chosen.assign_coords(trial=np.arange(n_parts))
        fit = model.fit(chosen, key=derived_key(key, "resample", resample), **options)
        match = getattr(reference, "match", None)
        if match is not None:
            fit = match(fit, recording)
        for name in wanted:
            drawn[name].append(np.asarray(fit.parameters[name].values, float))
    if progress is not None:
        progress.update(1.0, f"{n} resamples")
    data = {}
    for name in wanted:
        variable = reference.parameters[name]
        found = uncertainty.interval(variable.values, np.stack(drawn[name]), n_parts, level)
        data[name] = (("estimate", *variable.dims), np.stack([np.asarray(part) for part in found]))
    dims = {dim for name in wanted for dim in reference.parameters[name].dims}
    coords = {dim: reference.parameters[dim] for dim in dims if dim in reference.parameters.coords}
    return xr.Dataset(
        data,
        coords={**coords, "estimate": ["value", "standard_error", "lower", "upper"]},
        attrs={"n": n, "block": length, "level": level},
    )


def _wanted(fit: Fit, names: Sequence[str] | None) -> list[str]:
    """Parameters to report."""
    known = [str(name) for name, item in fit.parameters.data_vars.items() if item.dtype.kind == "f"]
    if names is None:
        return known
    missing = [name for name in names if name not in known]
    if missing:
        raise ModelError(f"the fit has no numeric parameter {missing[0]!r}; it has {', '.join(known)}.")
    return list(names)


def _parts(recording: xr.Dataset, block: int | None) -> tuple[xr.Dataset, int]:
    """Trials, or blocks of time as trials, and the bins of a block (0: trials)."""
    if has_trials(recording) and recording.sizes["trial"] > 1:
        if recording.sizes["trial"] < FEWEST_BLOCKS:
            raise NotApplicable(
                f"a bootstrap over trials needs at least {FEWEST_BLOCKS} of them, this recording has "
                f"{recording.sizes['trial']}; concatenate them along time, or record more."
            )
        return recording, 0
    single = recording.isel(trial=0, drop=True) if has_trials(recording) else recording
    n_time = int(np.asarray(trial_lengths(recording))[0])
    if block is None:
        values = as3(recording["activity"])
        memory = autocorrelation_time(values, np.isfinite(values), max(int(LARGEST_MEMORY * n_time), 1))
        block = int(max(min(MEMORIES_PER_BLOCK * max(memory, 1), n_time // FEWEST_BLOCKS), 1))
    block = whole("block", block, 1, "bootstrap_parameters")
    n_blocks = n_time // block
    if n_blocks < FEWEST_BLOCKS:
        raise NotApplicable(
            f"a bootstrap over blocks needs at least {FEWEST_BLOCKS} of them, {n_time} bins hold "
            f"{n_blocks} of "
            f"{block} bins; shorten them with block=."
        )
    return _cut(single, n_blocks, block), block


def _cut(recording: xr.Dataset, n_blocks: int, block: int) -> xr.Dataset:
    """Consecutive blocks of one recording as trials; the rest is left out."""
    used = n_blocks * block
    data = {}
    for name in ("activity", "covariates"):
        if name in recording:
            variable = recording[name]
            last = str(variable.dims[-1])
            values = variable.values[:used].reshape(n_blocks, block, -1)
            data[name] = (("trial", "time", last), values, variable.attrs)
    kept = {
        name: coord for name, coord in recording.coords.items() if not {"time", "trial"} & set(coord.dims)
    }
    coords = {**kept, "time": recording["time"].values[:block], "trial": np.arange(n_blocks)}
    joined = xr.Dataset(data, coords=coords, attrs=recording.attrs)
    return with_history(joined, f"cut into {n_blocks} blocks of {block} bins")
