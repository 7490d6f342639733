"""Several numbers of components beside each other: how well, how repeatably and how aptly each describes a tensor."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from neurodyn.errors import ModelError
from neurodyn.inference.factorise.checks import check_tensor
from neurodyn.inference.factorise.comparison import congruence
from neurodyn.inference.factorise.core_consistency import core_consistency
from neurodyn.inference.factorise.fitting import Factorisation, fit
from neurodyn.inference.factorise.sweeps import SQUARES
from neurodyn.inference.progress import Progress, Share
from neurodyn.inference.random import as_key, key_words

HELD_OUT_STREAM = 2**31


class RankFits(NamedTuple):
    """What the fits of one rank gave.

    Attributes
    ----------
    rank : int
        Number of components.
    objective : numpy.ndarray
        Of every restart on the entries fitted, lowest first, ``(restart,)``.
    similarity : float
        Mean congruence of the other restarts with the best; NaN where there is one restart only.
    core_consistency : float
        Of the best restart, in percent; NaN where a mode has fewer entries than there are components.
    held_out : float
        Explained deviance of the best restart on the held-out entries: 1 less its deviance over that of the mean.
    behind, standard_error : float
        How far the rank with the largest explained deviance is ahead, and the standard error of that difference over
        entries, paired; both 0 for that rank itself.
    best : Factorisation
        The restart with the lowest objective.
    """

    rank: int
    objective: np.ndarray
    similarity: float
    core_consistency: float
    held_out: float
    behind: float
    standard_error: float
    best: Factorisation


class RankSurvey(NamedTuple):
    """All ranks, and the one that held-out entries favour.

    Attributes
    ----------
    ranks : tuple of RankFits
        In the order asked for.
    recommended : int
        The smallest rank that is not further behind the best than one standard error. Similarity and core consistency take
        no part; look at them too.
    """

    ranks: tuple[RankFits, ...]
    recommended: int


def survey_ranks(
    values: Shaped[np.ndarray, "..."],
    ranks: Sequence[int],
    *,
    mask: Bool[np.ndarray, "..."] | None = None,
    key: Any,
    restarts: int = 3,
    loss: str = SQUARES,
    held_out: Bool[np.ndarray, "..."] | None = None,
    held_out_fraction: float = 0.1,
    max_sweeps: int = 500,
    tolerance: float = 1e-6,
    progress: Progress | None = None,
) -> RankSurvey:
    r"""Fit a tensor with several numbers of components, some entries held out, and compare them.

    .. math:: \mathrm{explained} = 1 - \frac{\sum_{e \in H} d(x_e, \hat x_e)}{\sum_{e \in H} d(x_e, \bar x)}

    with d the deviance of the loss, H the held-out entries and :math:`\bar x` the mean of those fitted.

    **Single held-out entries judge a rank only where entries are independent given the components**, as in a tensor of
    counts whose noise is drawn for every entry alone. Affinities of pairs of units are not: with
    :math:`a_{ij} = \sqrt{d_i d_j}`, every four units have :math:`a_{01} a_{23} = a_{02} a_{13}`, so that a held-out pair
    follows from its neighbours, noise and all, and more components go on to gain whether or not there is any structure.
    There hold out whole units within blocks of time, and whole blocks, in the traces.

    Parameters
    ----------
    values : numpy.ndarray
        Two modes or more, not negative. What lies behind the mask is never read.
    ranks : sequence of int
        Numbers of components.
    mask : numpy.ndarray of bool, optional
        Which entries were observed; all by default.
    key : int or jax.Array
        Seed of the random starts and of the held-out entries.
    restarts : int
        Random starts of every rank.
    loss : {"squares", "poisson"}
        What to minimise, and what the held-out entries are scored by. Where noise grows with the value, a few large
        entries decide the squared error, and a component too many may miss one of them by far.
    held_out : numpy.ndarray of bool, optional
        Entries to hold out; those not observed are ignored. Drawn at random by default.
    held_out_fraction : float
        Share of the observed entries drawn, where none are given.
    max_sweeps, tolerance
        As in `fit`.
    progress : Progress, optional
        Told how far the work has come.

    Returns
    -------
    RankSurvey
        One entry a rank. All of it comes from the same fits, to the entries not held out. A held-out entry whose row in
        some mode was never observed besides is not scored.

    Raises
    ------
    ModelError
        If the tensor, a rank or a setting is out of range, or no held-out entry can be scored.

    References
    ----------
    .. [1] Williams, A. H. et al. (2018). Unsupervised discovery of demixed, low-dimensional neural dynamics across multiple
       timescales through tensor component analysis. Neuron 98, 1099-1115. doi:10.1016/j.neuron.2018.05.015
    .. [2] Bro, R. & Kiers, H. A. L. (2003). A new efficient method for determining the number of components in PARAFAC
       models. Journal of Chemometrics 17, 274-286. doi:10.1002/cem.801

    Examples
    --------
    >>> from neurodyn.inference.factorise.ranks import survey_ranks
    >>> from neurodyn.simulate.tensors import planted_tensor
    >>> planted = planted_tensor((14, 15, 16), 2, key=0, noise_shape=50.0)
    >>> survey = survey_ranks(planted.values, (1, 2), key=0, restarts=1)
    >>> survey.recommended, [round(found.held_out, 1) for found in survey.ranks]
    (2, [0.8, 1.0])
    """
    ranks = tuple(ranks)
    if not ranks or len(set(ranks)) < len(ranks):
        raise ModelError(f"ranks is {ranks!r}; give one number of components or more, each once.")
    checked = check_tensor(values, mask)
    observed = np.ones(checked.values.shape, bool) if checked.mask is None else checked.mask
    hidden = _hidden(observed, held_out, held_out_fraction, key)
    train = observed & ~hidden
    modes = range(train.ndim)
    seen = [np.asarray(train.any(tuple(set(modes) - {mode}))) for mode in modes]
    place = np.nonzero(hidden)
    scored = np.logical_and.reduce([some[index] for some, index in zip(seen, place, strict=True)])
    if not scored.any():
        raise ModelError("no held-out entry is observed in rows that are otherwise seen; hold out others.")
    place = tuple(index[scored] for index in place)
    data = np.asarray(checked.values[place], float)
    mean = float(checked.values[train].mean(dtype=np.float64))
    null = float(deviances(data, np.full(len(data), mean), loss).sum())
    found, losses = [], []
    for which, rank in enumerate(ranks):
        told = None if progress is None else Share(progress, which / len(ranks), 1 / len(ranks))
        runs = fit(
            checked.values,
            rank,
            mask=train,
            loss=loss,
            key=key,
            restarts=restarts,
            max_sweeps=max_sweeps,
            tolerance=tolerance,
            progress=told,
        )
        best = runs[0]
        others = [congruence(best.factors, run.factors).mean for run in runs[1:]]
        losses.append(deviances(data, _entries(best, place), loss))
        found.append(
            RankFits(
                rank,
                np.array([run.objective[-1] for run in runs], float),
                float(np.mean(others)) if others else float("nan"),
                core_consistency(checked.values, best.weights, best.factors, mask=train),
                float(1 - losses[-1].sum() / null) if null > 0 else float("nan"),
                0.0,
                0.0,
                best,
            )
        )
    return _judged(found, losses, null)


def deviances(
    values: Float[np.ndarray, " entry"], model: Float[np.ndarray, " entry"], loss: str
) -> Float[np.ndarray, " entry"]:
    r"""Deviance of every entry.

    .. math:: (x - \hat x)^2 \quad \text{or} \quad 2 \big( \hat x - x + x \log (x / \hat x) \big)

    Parameters
    ----------
    values, model : numpy.ndarray
        Data and model, ``(entry,)``.
    loss : {"squares", "poisson"}
        Which.

    Returns
    -------
    numpy.ndarray
        ``(entry,)``, 0 where the model is the data.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.ranks import deviances
    >>> deviances(np.array([0.0, 2.0]), np.array([1.0, 2.0]), "poisson").tolist()
    [2.0, 0.0]
    """
    if loss == SQUARES:
        return np.square(values - model)
    model = np.maximum(model, np.sqrt(np.finfo(np.float32).tiny))
    return 2 * (model - values + values * np.log(np.where(values > 0, values / model, 1.0)))


def _hidden(
    observed: np.ndarray, held_out: np.ndarray | None, fraction: float, key: Any
) -> Bool[np.ndarray, "..."]:
    """The held-out entries among those observed."""
    if held_out is not None:
        if np.shape(held_out) != observed.shape:
            raise ModelError(
                f"held_out has shape {np.shape(held_out)} and values {observed.shape}; they must be equal."
            )
        hidden = observed & held_out
    else:
        if not 0 < fraction < 1:
            raise ModelError(f"held_out_fraction is {fraction!r}; it must be a share between 0 and 1.")
        generator = np.random.default_rng([*key_words(as_key(key)), HELD_OUT_STREAM])
        hidden = observed & (generator.random(observed.shape, np.float32) < fraction)
    if not hidden.any() or (observed & ~hidden).sum() == 0:
        raise ModelError(
            f"{int(hidden.sum())} of {int(observed.sum())} observed entries are held out; "
            "hold out some, and leave some to fit."
        )
    return hidden


def _entries(run: Factorisation, place: tuple[np.ndarray, ...]) -> Float[np.ndarray, " entry"]:
    """The model at some entries."""
    columns = np.asarray(run.weights, float)[None]
    for factor, index in zip(run.factors, place, strict=True):
        columns = columns * factor[index]
    return columns.sum(1)


def _judged(found: list[RankFits], losses: list[np.ndarray], null: float) -> RankSurvey:
    """Every rank beside the one with the least held-out deviance."""
    best = min(range(len(losses)), key=lambda which: losses[which].sum())
    ranks, near = [], []
    for one, loss in zip(found, losses, strict=True):
        apart = loss - losses[best]
        behind, error = float(apart.sum()), float(apart.std() * len(apart) ** 0.5)
        scale = null if null > 0 else float("nan")
        ranks.append(one._replace(behind=behind / scale, standard_error=error / scale))
        if behind <= error:
            near.append(one.rank)
    return RankSurvey(tuple(ranks), min(near))
