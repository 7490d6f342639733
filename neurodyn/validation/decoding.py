"""Behaviour decoded from predicted rates or latents: a linear read-out learnt on training trials, scored on the others."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.inference import ridge
from neurodyn.validation import uncertainty
from neurodyn.validation.holdout.autocorrelation import LARGEST_SHARE, autocorrelation_time
from neurodyn.validation.holdout.protocol import group_codes
from neurodyn.validation.layout import as3, has_trials, observed3, proportion, whole
from neurodyn.validation.metrics.continuous import R2
from neurodyn.validation.metrics.evaluation import Evaluation
from neurodyn.validation.split import Split

STRENGTHS = tuple(10.0**power for power in (-6, -5, -4, -3, -2.5, -2, -1.5, -1, -0.5, 0, 1))
ENOUGH_TRIALS = 2


class _Behaviour(NamedTuple):
    """Behaviour ``(trial, time, covariate)`` moved to the bins it is read from, and which of these train and test."""

    values: np.ndarray
    names: list[str]
    train: np.ndarray
    test: np.ndarray


def decode_behaviour(
    train_rates: Any,
    test_rates: Any,
    split: Split,
    *,
    covariates: str | Sequence[str] | None = None,
    lag: float = 0.0,
    within: str | None = None,
    strengths: Sequence[float] = STRENGTHS,
    n_folds: int = 5,
    key: Any,
    n_bootstrap: int = 1000,
    level: float = 0.95,
) -> xr.Dataset:
    r"""Decode behaviour from predicted rates, by ridge regression learnt on the training part of a split.

    .. math::

        \hat b_{t+\ell} = \bar b + W^\top \tilde r_t, \qquad
        W = \arg\min_W \sum_t \lVert b_{t+\ell} - \bar b - W^\top \tilde r_t \rVert^2 + \alpha n \lVert W \rVert^2

    with :math:`\tilde r` the rates standardised, and means, deviations and W learnt on the n training bins. The strength
    :math:`\alpha` of each covariate is the one with the smallest error on training trials left out in blocks of neighbours
    (on blocks of time, without trials). Scored is :math:`R^2` on the test bins about their own mean.

    Parameters
    ----------
    train_rates, test_rates : xr.DataArray or array-like
        Predictions ``([trial,] time, feature)`` of the whole recording's shape, from which training and test bins are taken:
        rates as ``fit.predict(split.inputs, mode="all")["mean"]`` and ``fit.predict(split.given, mode=split.mode)["mean"]``
        return them, or latents.
    split : Split
        Which bins are trained on and scored: those with an entry in its training part that a model may be fed, and with a
        target. The behaviour is that of its recording.
    covariates : str or sequence of str, optional
        Names of the covariates to decode; default: those that were measured.
    lag : float
        Seconds by which behaviour follows the rates it is read from, whole bins; negative where it precedes them.
    within : str, optional
        Coordinate on ``trial``, such as a condition: the floor then knows it.
    strengths : sequence of float
        Candidates of :math:`\alpha`.
    n_folds : int
        Blocks of training trials.
    key : int or jax.Array
        Draws the resamples.
    n_bootstrap : int
        Number of resamples of the test trials (of stretches of time, without trials).
    level : float
        Coverage of the intervals.

    Returns
    -------
    xr.Dataset
        On ``covariate``: ``r2``, the ``floor`` (the mean behaviour of the training trials at the same bin of a trial, of the
        trial's own label of `within` where training has it) and their difference ``gain``, each with ``_standard_error``,
        ``_lower`` and ``_upper``; ``strength``. Scalars: ``mean_r2``, ``mean_floor`` and ``mean_gain`` over covariates, with
        the same. ``decoded`` and ``behaviour`` on ``([trial,] time, covariate)``, at the bin the behaviour was measured in,
        NaN where not scored. Attrs: ``lag``, ``n_train`` and ``n_test`` bins, ``n_chunks`` resampled.

    Raises
    ------
    NotApplicable
        If there is no such behaviour, or none of it was measured in training or test bins.
    ModelError
        If shapes do not match, rates are not finite, the lag is not a whole number of bins, a bin is both trained on and
        scored, or another argument is out of range.

    References
    ----------
    .. [1] Pei, F. et al. (2021). Neural Latents Benchmark '21. doi:10.48550/arXiv.2109.04463

    Examples
    --------
    The state of the Lorenz system, decoded from the true rates and from smoothed counts:

    >>> from neurodyn.models import registry
    >>> from neurodyn.simulate.lorenz import lorenz_population
    >>> from neurodyn.validation import decode_behaviour, holdout
    >>> recording = lorenz_population(key=0, n_conditions=10, n_trials=2)
    >>> state = recording["latent"].rename(latent="covariate").assign_coords(
    ...     covariate=["x", "y", "z"],
    ...     available=("covariate", ["after"] * 3),
    ...     role=("covariate", ["measured"] * 3),
    ... )
    >>> recording = recording.assign(covariates=state)
    >>> split = holdout.groups("condition", 5)(recording)
    >>> true = decode_behaviour(recording["rates"], recording["rates"], split, key=0)
    >>> fit = registry.create("smoothed_rate").fit(split.train, key=0)
    >>> rates = [fit.predict(part, mode="all")["mean"] for part in (split.train, split.given)]
    >>> smoothed = decode_behaviour(*rates, split, key=0)
    >>> bool(true["mean_r2"] > smoothed["mean_r2"] > smoothed["mean_floor"])
    True
    """
    level = proportion("level", level, "decode_behaviour")
    n_bootstrap = whole("n_bootstrap", n_bootstrap, 1, "decode_behaviour")
    n_folds = whole("n_folds", n_folds, 2, "decode_behaviour")
    if not len(strengths) or not all(np.isfinite(strength) and strength > 0 for strength in strengths):
        raise ModelError(f"decode_behaviour: strengths is {strengths!r}; give numbers above 0.")
    steps = _steps(lag, float(split.recording.attrs["sampling_interval"]))
    behaviour = _behaviour(split, covariates, steps)
    train, test = (
        _features(rates, bins, split, name)
        for rates, bins, name in (
            (train_rates, behaviour.train, "train_rates"),
            (test_rates, behaviour.test, "test_rates"),
        )
    )
    if train.shape[-1] != test.shape[-1]:
        raise ModelError(
            f"decode_behaviour: train_rates have {train.shape[-1]} features and test_rates {test.shape[-1]}; give "
            "predictions of one fit."
        )
    decoded = np.full(behaviour.values.shape, np.nan)
    chosen = np.full(len(behaviour.names), np.nan)
    for column in range(len(behaviour.names)):
        known = behaviour.train & np.isfinite(behaviour.values[..., column])
        decoded[behaviour.test, column], chosen[column] = _read_out(
            train[known],
            behaviour.values[known, column],
            np.nonzero(known)[0],
            test[behaviour.test],
            strengths,
            n_folds,
        )
    floor = _courses(behaviour, _labels(split, within))
    scores, n_chunks = _scores(behaviour, decoded, floor, key, n_bootstrap, level)
    dims = ("trial", "time", "covariate") if has_trials(split.recording) else ("time", "covariate")
    scored = np.where(behaviour.test[..., None], behaviour.values, np.nan)
    for name, values in (("decoded", decoded), ("behaviour", scored)):
        moved = _moved(values, -steps)
        scores[name] = (dims, moved if has_trials(split.recording) else moved[0])
    coords = {dim: split.recording[dim].values for dim in dims[:-1]}
    return xr.Dataset(
        {**scores, "strength": ("covariate", chosen)},
        coords={**coords, "covariate": behaviour.names},
        attrs={
            "lag": float(lag),
            "level": level,
            "n_train": int(behaviour.train.sum()),
            "n_test": int(behaviour.test.sum()),
            "n_chunks": n_chunks,
        },
    )


def _steps(lag: Any, width: float) -> int:
    """The lag in bins."""
    number = isinstance(lag, (int, float, np.number)) and not isinstance(lag, bool) and np.isfinite(lag)
    steps = round(lag / width) if number else 0
    if not number or abs(lag - steps * width) > 1e-6 * width:
        raise ModelError(f"decode_behaviour: lag is {lag!r}; give whole bins of {width:g} s, in seconds.")
    return steps


def _moved(values: np.ndarray, steps: int) -> np.ndarray:
    """Values `steps` bins later brought to each bin, NaN where there are none."""
    result = np.full(values.shape, np.nan)
    n_time = values.shape[1]
    if abs(steps) < n_time:
        result[:, max(-steps, 0) : n_time - max(steps, 0)] = values[:, max(steps, 0) : n_time + min(steps, 0)]
    return result


def _behaviour(split: Split, wanted: Any, steps: int) -> _Behaviour:
    """The covariates to decode, at the bins they are read from."""
    recording = split.recording
    if "covariates" not in recording:
        raise NotApplicable("decode_behaviour needs covariates to decode, the recording has none.")
    table = recording["covariates"]
    held = [str(name) for name in table["covariate"].values]
    if wanted is None:
        names = [
            name
            for name, role in zip(held, table["role"].values.astype(str), strict=True)
            if role == "measured"
        ]
        if not names:
            raise NotApplicable(
                f"decode_behaviour found no measured covariate among {', '.join(held)}; name them with covariates=."
            )
    else:
        names = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
        lacking = [name for name in names if name not in held]
        if lacking or not names:
            raise NotApplicable(
                f"decode_behaviour: there is no covariate {', '.join(lacking) or '(none named)'}; the recording has "
                f"{', '.join(held)}."
            )
    block = table.isel(covariate=[held.index(name) for name in names])
    values = _moved(as3(block).astype(float), steps)
    may_feed = (
        split.inputs_mask if split.mode == "all" and split.inputs_mask is not None else split.train_mask
    )
    seen = observed3(recording)
    train, test = (np.asarray((as3(mask) & seen).any(axis=2)) for mask in (may_feed, split.target_mask))
    if (train & test).any():
        raise ModelError(
            f"decode_behaviour: {int((train & test).sum())} bins are both trained on and scored under {split.protocol}; "
            "hold out trials or blocks of time, not single entries."
        )
    known = np.isfinite(values)
    for name, bins in (("training", train), ("scored", test)):
        never = np.flatnonzero(~np.asarray(known[bins].any(axis=0)))
        if len(never):
            raise NotApplicable(f"decode_behaviour: {names[never[0]]} was never measured in the {name} bins.")
    known = np.asarray(known.any(axis=2))
    return _Behaviour(values, names, train & known, test & known)


def _features(rates: Any, bins: np.ndarray, split: Split, name: str) -> np.ndarray:
    """Predictions ``(trial, time, feature)``, finite in the bins that are used."""
    values = as3(rates) if isinstance(rates, xr.DataArray) else np.asarray(rates)
    if not isinstance(rates, xr.DataArray) and not has_trials(split.recording):
        values = values[None]
    if values.ndim != 3 or values.shape[:2] != bins.shape:
        raise ModelError(
            f"decode_behaviour: {name} has shape {values.shape}, the recording {bins.shape} (trial, time); predict for the "
            "recording of the split."
        )
    if not np.isfinite(values[bins]).all():
        raise ModelError(
            f"decode_behaviour: {name} is not finite in a bin that is used; predictions must be."
        )
    return values.astype(float)


def _read_out(
    train: np.ndarray, target: np.ndarray, trial: np.ndarray, test: np.ndarray, strengths: Any, n_folds: int
) -> tuple[np.ndarray, float]:
    """One covariate of the test rows, and the strength chosen on blocks of training rows."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    # A constant feature says nothing; dividing by 1 leaves it at 0.
    deviation = np.where(deviation > 1e-9 * np.maximum(np.abs(mean), 1e-300), deviation, 1.0)
    train, test = (train - mean) / deviation, (test - mean) / deviation
    offset = target.mean()
    y = (target - offset)[:, None]
    strength = float(max(strengths))
    if len(y) >= 2:
        bounds = _bounds(trial, n_folds)
        path = ridge.choose(
            train,
            y,
            np.ones(y.shape, bool),
            widths=(train.shape[1],),
            strengths=tuple(sorted(strengths)),
            bounds=bounds,
        )
        strength = path.strength
    weights = ridge.solve(train.T @ train, train.T @ y, strength * len(y))
    return offset + (test @ weights)[:, 0], strength


def _bounds(trial: np.ndarray, n_folds: int) -> np.ndarray:
    """First row of every block and the number of rows: whole trials where there are several, else stretches of time."""
    first = np.flatnonzero(np.diff(trial, prepend=trial[0] - 1))
    starts = first if len(first) > 1 else np.arange(len(trial))
    folds = ridge.contiguous_folds(len(starts), min(n_folds, len(starts)))
    return np.append(starts[np.flatnonzero(np.diff(folds, prepend=-1))], len(trial))


def _labels(split: Split, within: str | None) -> np.ndarray:
    """A number for each trial's label, -1 where there is none."""
    n_trials = observed3(split.recording).shape[0]
    if within is None:
        return np.full(n_trials, -1)
    codes, _, dim = group_codes(split.recording, within, "decode_behaviour")
    if dim != "trial":
        raise NotApplicable(
            f"decode_behaviour needs {within!r} on trial, it lies on {dim}; label every trial."
        )
    return codes


def _courses(behaviour: _Behaviour, labels: np.ndarray) -> np.ndarray:
    """Mean behaviour of the training trials at each bin: of a trial's label, else of all trials, else over all bins."""
    known = behaviour.train[..., None] & np.isfinite(behaviour.values)
    values = np.where(known, behaviour.values, 0.0)
    overall = values.sum(axis=(0, 1)) / np.maximum(known.sum(axis=(0, 1)), 1)

    def course(trials: np.ndarray, instead: np.ndarray) -> np.ndarray:
        count = known[trials].sum(axis=0)
        return np.where(count > 0, values[trials].sum(axis=0) / np.maximum(count, 1), instead)

    common = course(np.ones(len(labels), dtype=bool), np.broadcast_to(overall, values.shape[1:]))
    result = np.broadcast_to(common, values.shape).copy()
    for label in np.unique(labels[labels >= 0]):
        result[labels == label] = course(labels == label, common)
    return result


def _chunks(behaviour: _Behaviour) -> tuple[np.ndarray, int]:
    """Number of the trial, or of the stretch of time, of every scored bin; -1 elsewhere."""
    trials = np.flatnonzero(behaviour.test.any(axis=1))
    if len(trials) >= ENOUGH_TRIALS:
        number = np.full(len(behaviour.test), -1)
        number[trials] = np.arange(len(trials))
        return np.where(behaviour.test, number[:, None], -1), len(trials)
    lags = max(int(np.ceil(LARGEST_SHARE * behaviour.test.shape[1])), 1)
    memory = autocorrelation_time(behaviour.values, np.isfinite(behaviour.values), lags)
    length = uncertainty.chunk_length(int(behaviour.test.sum()), memory)
    chunk = uncertainty.chunks_of_time(behaviour.test, length)
    return chunk, int(chunk.max()) + 1


def _scores(
    behaviour: _Behaviour, decoded: np.ndarray, floor: np.ndarray, key: Any, n_bootstrap: int, level: float
) -> tuple[dict[str, Any], int]:
    """R² of the decoded behaviour and of the floor, and their difference in the same resamples."""
    observed = np.where(behaviour.test[..., None], behaviour.values, np.nan)
    kind = np.full(len(behaviour.names), "continuous")
    chunk, n_chunks = _chunks(behaviour)
    weights = uncertainty.resamples(n_chunks, n_bootstrap, key)
    value, drawn = {}, {}
    for name, mean in (("r2", decoded), ("floor", floor)):
        sums = R2.sums(Evaluation(observed=observed, kind=kind, mean=mean), chunk, n_chunks)
        value[name] = np.asarray(R2.combine({k: total.sum(axis=0) for k, total in sums.items()}, "unit"))
        drawn[name] = uncertainty.draws(sums, R2.combine, weights, "unit")
    value["gain"], drawn["gain"] = value["r2"] - value["floor"], drawn["r2"] - drawn["floor"]
    scores: dict[str, Any] = {}
    for name in ("r2", "floor", "gain"):
        for key_name, dim, found in (
            (name, "covariate", uncertainty.interval(value[name], drawn[name], n_chunks, level)),
            (
                f"mean_{name}",
                (),
                uncertainty.interval(value[name].mean(), drawn[name].mean(axis=1), n_chunks, level),
            ),
        ):
            scores[key_name] = (dim, found.value)
            for part in ("standard_error", "lower", "upper"):
                scores[f"{key_name}_{part}"] = (dim, getattr(found, part))
    return scores, n_chunks
