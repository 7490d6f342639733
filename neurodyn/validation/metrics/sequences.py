"""How alike two samples of symbol sequences are: transitions, frequencies, volatility, and transport distances."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.compilation import light_jit
from neurodyn.inference.sinkhorn import aligned_distance, independent_divergence
from neurodyn.validation.layout import as3, generator, whole

ALIGNED = 2000
BATCH = 1024
DRAWS = 20

_divergence = light_jit(static_argnames=("steps",))(independent_divergence)


def _codes(recording: xr.Dataset, name: str) -> tuple[np.ndarray, int]:
    """Complete sequences ``(trial, time)``, and the number of symbols."""
    values = as3(recording["activity"])
    if values.shape[-1] != 1 or str(np.ravel(recording["kind"].values)[0]) not in ("categorical", "binary"):
        raise ModelError(f"{name} must be a recording of one categorical unit; select one of its units.")
    values = values[..., 0]
    if not np.isfinite(values).all():
        raise ModelError(
            f"{name} has sequences with missing symbols; keep complete windows of equal length "
            "(neurodyn.models.recurrent.windows cuts them)."
        )
    if values.shape[1] < 2:
        raise ModelError(f"{name} has sequences of one bin; there is nothing to compare between bins.")
    named = recording["activity"].attrs.get("categories") or {}
    listed = len(named.get(str(recording["unit"].values[0]), ()))
    return values.astype(np.int64), max(listed, int(values.max()) + 1, 2)


def sequence_statistics(recording: xr.Dataset) -> xr.Dataset:
    """Transition matrix, frequencies and volatility of a sample of sequences.

    Parameters
    ----------
    recording : xr.Dataset
        Complete sequences of one categorical unit.

    Returns
    -------
    xr.Dataset
        ``transition`` (symbol, symbol_next; the rows of symbols that are never followed by anything are NaN),
        ``frequency`` (symbol), ``volatility``, the mean number of changes per sequence, ``changes_variance``, the variance
        of that number between sequences, and ``return_share``, of the changes that are followed by a bin, those undone in
        it (a b a; NaN where there are no changes).

    Raises
    ------
    ModelError
        If there are several units, other kinds of unit, or missing symbols.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import metrics
    >>> symbols = np.array([[0, 0, 1], [1, 1, 1]])[..., None]
    >>> recording = make(symbols, sampling_interval=1.0, kind="categorical", unit=["symbol"])
    >>> float(metrics.sequence_statistics(recording)["volatility"])
    0.5
    """
    symbols, count = _codes(recording, "the recording")
    pairs = np.zeros((count, count))
    np.add.at(pairs, (symbols[:, :-1].ravel(), symbols[:, 1:].ravel()), 1)
    total = pairs.sum(axis=1, keepdims=True)
    transition = np.where(total > 0, pairs / np.where(total > 0, total, 1), np.nan)
    names = list(range(count))
    changed = symbols[:, 1:] != symbols[:, :-1]
    changes, followed = changed.sum(axis=1), changed[:, :-1]
    undone = followed & (symbols[:, 2:] == symbols[:, :-2])
    return xr.Dataset(
        {
            "transition": (("symbol", "symbol_next"), transition),
            "frequency": ("symbol", np.bincount(symbols.ravel(), minlength=count) / symbols.size),
            "volatility": float(changes.mean()),
            "changes_variance": float(changes.var()),
            "return_share": float(undone.sum() / followed.sum()) if followed.any() else np.nan,
        },
        coords={"symbol": names, "symbol_next": names},
        attrs={"sequences": len(symbols), "steps": symbols.shape[1]},
    )


def sequence_distance(generated: xr.Dataset, target: xr.Dataset, *, key: Any, most: int = ALIGNED) -> float:
    """Mean Euclidean distance of target sequences from those that optimal transport aligns them with.

    It is not zero for two samples of one distribution, and falls with the number of sequences: compare equal numbers, and
    print the distance of a second sample of the target beside it. Less varied sequences can lie below that floor.

    Parameters
    ----------
    generated, target : xr.Dataset
        Complete sequences of one categorical unit, of equal length.
    key : int or jax.Array
        Chooses the sequences.
    most : int
        Sequences compared, at most all there are in both.

    Returns
    -------
    float
        The distance.

    Raises
    ------
    ModelError
        If the sequences differ in length.

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674.
    """
    left, right, count = _two(generated, target)
    random = generator(key, "sequence_distance")
    n = min(whole("most", most, 1, "sequence_distance"), len(left), len(right))
    x, y = (_flat(s[random.permutation(len(s))[:n]], count) for s in (left, right))
    return aligned_distance(x, y, steps=left.shape[1])


def sequence_divergence(
    generated: xr.Dataset, target: xr.Dataset, *, key: Any, batch: int = BATCH, draws: int = DRAWS
) -> xr.Dataset:
    """Sinkhorn divergence whose self terms compare independent batches: zero on average where the samples agree.

    Parameters
    ----------
    generated, target : xr.Dataset
        Complete sequences of one categorical unit, of equal length.
    key : int or jax.Array
        Chooses the batches.
    batch : int
        Sequences of a batch; two disjoint ones are drawn from each sample, so there must be twice as many.
    draws : int
        Draws of four batches.

    Returns
    -------
    xr.Dataset
        ``value`` and ``standard_error`` over the draws, and ``draw``, each one's. The draws share sequences where the
        samples are small: with fewer than ``2 x batch x draws`` sequences the error is too small.

    Raises
    ------
    ModelError
        If the sequences differ in length, or are too few.
    """
    left, right, count = _two(generated, target)
    batch, draws = (
        whole("batch", batch, 2, "sequence_divergence"),
        whole("draws", draws, 2, "sequence_divergence"),
    )
    if min(len(left), len(right)) < 2 * batch:
        raise ModelError(
            f"sequence_divergence: there are {len(left)} and {len(right)} sequences; two batches of {batch} need "
            f"{2 * batch} of each: give more, or a smaller batch."
        )
    random = generator(key, "sequence_divergence")
    places = [_disjoint(random, len(s), 2 * batch, draws) for s in (left, right)]
    found = []
    for one, two in zip(*places, strict=True):
        x, y = _flat(left[one], count), _flat(right[two], count)
        found.append(float(_divergence(x[:batch], x[batch:], y[:batch], y[batch:], steps=left.shape[1])))
    values = np.array(found)
    return xr.Dataset(
        {
            "value": values.mean(),
            "standard_error": values.std(ddof=1) / np.sqrt(draws),
            "draw": ("draw_number", values),
        }
    )


def compare_sequences(
    generated: xr.Dataset,
    target: xr.Dataset,
    *,
    key: Any,
    most: int = ALIGNED,
    batch: int = BATCH,
    draws: int = DRAWS,
) -> xr.Dataset:
    """All measures of a sample of sequences against a target, each beside its floor: the target against itself.

    Parameters
    ----------
    generated, target : xr.Dataset
        Complete sequences of one categorical unit, of equal length.
    key : int or jax.Array
        Chooses the sequences.
    most, batch, draws : int
        See `sequence_distance` and `sequence_divergence`; the batch is at most a quarter of the target.

    Returns
    -------
    xr.Dataset
        ``transition_error`` (summed squared difference of the transition matrices; a row that one sample lacks counts as
        zeros), ``frequency_error`` (largest difference), ``rare_ratio`` (generated over target frequency of the rarest
        symbol that occurs), ``volatility_ratio``, ``changes_variance_ratio`` and ``return_share_ratio`` (generated over
        target; NaN where the target has none, the last also where the sample never changes), ``distance``, ``divergence``
        with its ``divergence_error``; and with the suffix ``_floor`` those of one half of the target against the other.
        Transitions and volatility agree with samples that change in clusters, or never undo a change: the two ratios after
        them tell.

    Raises
    ------
    ModelError
        If the sequences differ in length, or the target has fewer than eight.
    """
    symbols, _ = _codes(target, "target")
    if len(symbols) < 8:
        raise ModelError(
            f"compare_sequences: the target has {len(symbols)} sequences; a floor needs eight or more."
        )
    order = generator(key, "compare_sequences").permutation(len(symbols))
    given = target if "trial" in target["activity"].dims else target.expand_dims("trial")
    half = len(order) // 2
    first, second = given.isel(trial=order[:half]), given.isel(trial=order[half:])
    n_generated = generated.sizes.get("trial", 1)
    batch, most = min(batch, half // 2, max(n_generated // 2, 2)), min(most, half, n_generated)
    found: dict[str, float] = {}
    for suffix, sample, against, whole_target in (
        ("", generated, second, given),
        ("_floor", first, second, second),
    ):
        found |= {name + suffix: value for name, value in _statistics(sample, whole_target).items()}
        found["distance" + suffix] = sequence_distance(sample, against, key=key, most=most)
        score = sequence_divergence(sample, against, key=key, batch=batch, draws=draws)
        found["divergence" + suffix] = float(score["value"])
        found[f"divergence{suffix}_error"] = float(score["standard_error"])
    return xr.Dataset(found, attrs={"sequences": len(symbols), "compared": most, "batch": batch})


def _statistics(sample: xr.Dataset, target: xr.Dataset) -> dict[str, float]:
    """Differences of transition matrices, frequencies and volatility."""
    _two(sample, target)
    one, two = sequence_statistics(sample), sequence_statistics(target)
    count = max(one.sizes["symbol"], two.sizes["symbol"])
    everything = {"symbol": range(count), "symbol_next": range(count)}
    one, two = (x.reindex(everything) for x in (one, two))
    one, two = (
        x.assign(transition=x["transition"].fillna(0.0), frequency=x["frequency"].fillna(0.0))
        for x in (one, two)
    )
    frequency, expected = one["frequency"].values, two["frequency"].values
    rarest = int(np.argmin(np.where(expected > 0, expected, np.inf)))

    def ratio(name: str) -> float:
        known = float(two[name])
        return float(one[name]) / known if known > 0 else float("nan")

    return {
        "transition_error": float(np.square(one["transition"] - two["transition"]).sum()),
        "frequency_error": float(np.abs(frequency - expected).max()),
        "rare_ratio": float(frequency[rarest] / expected[rarest]),
        **{f"{name}_ratio": ratio(name) for name in ("volatility", "changes_variance", "return_share")},
    }


def _two(generated: xr.Dataset, target: xr.Dataset) -> tuple[np.ndarray, np.ndarray, int]:
    """Both samples, and the number of symbols."""
    (left, n), (right, m) = _codes(generated, "generated"), _codes(target, "target")
    if left.shape[1] != right.shape[1]:
        raise ModelError(
            f"generated has sequences of {left.shape[1]} bins and target of {right.shape[1]}; compare equal lengths."
        )
    return left, right, max(n, m)


def _flat(symbols: np.ndarray, count: int) -> Any:
    """One-hot sequences, flattened."""
    return jnp.asarray(np.eye(count, dtype=np.float32)[symbols].reshape(len(symbols), -1))


def _disjoint(random: np.random.Generator, n: int, size: int, draws: int) -> list[np.ndarray]:
    """Draws without replacement, disjoint from each other for as long as there are rows left."""
    found: list[np.ndarray] = []
    order, at = random.permutation(n), 0
    while len(found) < draws:
        if at + size > n:
            order, at = random.permutation(n), 0
        found.append(order[at : at + size])
        at += size
    return found
