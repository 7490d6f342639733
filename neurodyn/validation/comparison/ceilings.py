"""Data against data: what a score is where the measured data of one part stand in for a model.

Averages over training trials of the same condition predict the held-out trials, and the connectivity of the training
part stands beside that of the held-out part. Where the data were measured once, there is no such value, and the
table says so.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.analysis.connectivity import functional_connectivity
from neurodyn.validation import uncertainty
from neurodyn.validation.comparison.assemble import Column, Evidence, used_chunks
from neurodyn.validation.comparison.repeats import averages, conditions
from neurodyn.validation.comparison.run import Ground
from neurodyn.validation.layout import derived_key
from neurodyn.validation.metrics import Metric, evaluation

NAMES = ("ceiling", "ceiling_standard_error", "ceiling_lower", "ceiling_upper")
NO_LIKELIHOOD = "no ceiling: the data have no likelihood of their own."
NOT_MADE = "no ceiling: there is no data-against-data value of this score."
FEW = "no ceiling: most scored entries have too few repeats in training."
UNLOCKED = "no ceiling: the trials share no time course that averages over them could predict."
PARTS = "functional connectivity of the training data against that of the held-out data"
ENOUGH = 0.5

Sums = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Stand:
    """Sums of one metric over all folds, with data in place of a model.

    Parameters
    ----------
    full : dict of str to np.ndarray
        By term, ``(chunk, unit)``.
    half : dict of str to np.ndarray, optional
        The same for averages over half of the repeats; None where nothing is extrapolated.
    gain : float
        Weight of ``full - half`` that extrapolates to infinitely many repeats.
    """

    full: Sums
    half: Sums | None = None
    gain: float = 0.0

    def value(self, metric: Metric, weights: np.ndarray, per: str = "pooled") -> np.ndarray:
        """Value for every row of chunk weights, ``(resample,)`` or ``(resample, unit)``."""
        full = {name: weights @ total for name, total in self.full.items()}
        if self.half is None:
            return np.asarray(metric.combine(full, per))
        half = {name: weights @ total for name, total in self.half.items()}
        if metric.extrapolate is not None:
            return np.asarray(metric.extrapolate(full, half, self.gain, per))
        value = np.asarray(metric.combine(full, per))
        return value + self.gain * (value - np.asarray(metric.combine(half, per)))


def ceilings(
    evidence: Mapping[str, Evidence],
    metrics: Mapping[str, Column],
    recording: xr.Dataset,
    *,
    repeats: Any,
    key: Any,
    n_bootstrap: int,
    level: float,
) -> xr.Dataset:
    """Data against data for every protocol and metric, with an interval and a note.

    Parameters
    ----------
    evidence : mapping of str to Evidence
        Folds by protocol; only those that every model finished count.
    metrics : mapping of str to Column
        Columns of the table.
    recording : xr.Dataset
        The data.
    repeats : "auto", str, sequence of str, or None
        Which trials are repeats of each other, as for `neurodyn.validation.compare`.
    key : int or jax.Array
        Draws halves and resamples, the latter alike for the models.
    n_bootstrap : int
        Number of resamples.
    level : float
        Coverage of intervals.

    Returns
    -------
    xr.Dataset
        On ``(protocol, metric)``: ``ceiling``, ``ceiling_standard_error``, ``ceiling_lower``, ``ceiling_upper``
        (NaN where there is none) and ``ceiling_note``.
    """
    condition, words = conditions(recording, repeats)
    shape = (len(evidence), len(metrics))
    table = {name: np.full(shape, np.nan) for name in NAMES}
    notes = np.full(shape, "", dtype=object)
    for p, (protocol, item) in enumerate(evidence.items()):
        used = used_chunks(item)
        drawn_key = derived_key(key, "bootstrap", protocol)
        weights = uncertainty.resamples(max(len(used), 1), n_bootstrap, drawn_key)
        grounds = item.grounds[: item.complete()]
        by_repeats, why_not = _by_repeats(
            grounds, metrics, condition, words, used, derived_key(key, protocol)
        )
        locked: list[bool] = []
        for m, column in enumerate(metrics.values()):
            metric = column.metric
            stand, notes[p, m] = _stand(metric, grounds, by_repeats, why_not or words, used)
            if stand is None:
                continue
            whole = float(stand.value(metric, np.ones(len(used))))
            found = uncertainty.interval(whole, stand.value(metric, weights), len(used), level)
            for name, number in zip(NAMES, found, strict=True):
                table[name][p, m] = number
            if metric.ceiling == "repeats" and np.isfinite(metric.floor) and np.isfinite(found.lower):
                above = found.lower > metric.floor if metric.higher_is_better else found.upper < metric.floor
                locked.append(bool(above))
        if locked and not any(locked):
            for m, column in enumerate(metrics.values()):
                if column.metric.ceiling == "repeats" and np.isfinite(table["ceiling"][p, m]):
                    notes[p, m] = UNLOCKED
                    for name in NAMES:
                        table[name][p, m] = np.nan
    dims = ("protocol", "metric")
    data: dict[str, Any] = {name: (dims, array) for name, array in table.items()}
    data["ceiling_note"] = (dims, notes.astype(str))
    return xr.Dataset(data, coords={"protocol": list(evidence), "metric": list(metrics)})


def _stand(
    metric: Metric, grounds: list[Ground], by_repeats: dict[str, Stand], words: str, used: np.ndarray
) -> tuple[Stand | None, str]:
    """The data in place of a model under one metric, and what that is or why there is none."""
    if "log_likelihood" in metric.needs:
        return None, NO_LIKELIHOOD
    if metric.ceiling == "parts":
        return _parts(metric, grounds, used)
    if metric.ceiling != "repeats":
        return None, NOT_MADE
    if metric.name not in by_repeats:
        return None, words if words.startswith("no ceiling") else NOT_MADE
    return by_repeats[metric.name], (
        f"averages over training trials {words}, extrapolated to infinitely many of them: the best that the time "
        "in the trial can predict; what a model knows of the same trial may lift it above"
    )


def _parts(metric: Metric, grounds: list[Ground], used: np.ndarray) -> tuple[Stand | None, str]:
    """Structure of the training part in place of a model's."""
    sums: Sums = {}
    for ground in grounds:
        trained = functional_connectivity(ground.split.train).values
        lined_up = dataclasses.replace(
            evaluation(ground.scored.target, train=ground.trained, centre=ground.centre), connectivity=trained
        )
        reason = metric.missing(lined_up)
        if reason:
            return None, f"no ceiling: {reason}"
        _add(sums, metric.sums(lined_up, ground.chunk, ground.n_chunks), used)
    return (Stand(full=sums), PARTS) if sums else (None, NOT_MADE)


def _by_repeats(
    grounds: list[Ground],
    metrics: Mapping[str, Column],
    condition: np.ndarray | None,
    words: str,
    used: np.ndarray,
    key: int,
) -> tuple[dict[str, Stand], str]:
    """Averages over repeats in place of a model, by metric; and why there are none."""
    wanted = {c.metric.name: c.metric for c in metrics.values() if c.metric.ceiling == "repeats"}
    if condition is None or not wanted or not grounds:
        return {}, "" if condition is not None else words
    full: dict[str, Sums] = {name: {} for name in wanted}
    half: dict[str, Sums] = {name: {} for name in wanted}
    inverse, shares = [], []
    for fold, ground in enumerate(grounds):
        found = averages(ground.scored, condition, derived_key(key, "repeats", fold))
        if found is None:
            return {}, FEW
        inverse.append((found.inverse_full, found.inverse_half))
        shares.append(found.share)
        lined_up = evaluation(
            ground.scored.target,
            train=ground.trained,
            centre=ground.centre,
            given=ground.split.given if ground.split.mode == "past" else None,
            horizon=ground.split.horizon,
        )
        lined_up = dataclasses.replace(
            lined_up, observed=np.where(np.isfinite(found.full), lined_up.observed, np.nan)
        )
        for mean, sums, share in ((found.full, full, 1.0), *((h, half, 0.5) for h in found.halves)):
            guess = dataclasses.replace(lined_up, mean=mean)
            for name, metric in wanted.items():
                if not metric.missing(guess):
                    _add(sums[name], metric.sums(guess, ground.chunk, ground.n_chunks), used, share)
    if np.mean(shares) < ENOUGH:
        return {}, FEW
    of_full, of_half = np.mean(inverse, axis=0)
    gain = float(of_full / (of_half - of_full))
    return {name: Stand(full=full[name], half=half[name], gain=gain) for name in wanted if full[name]}, ""


def _add(sums: Sums, more: Sums, used: np.ndarray, share: float = 1.0) -> None:
    """Add the sums of a fold."""
    for name, total in more.items():
        sums[name] = sums.get(name, 0.0) + share * total[used]
