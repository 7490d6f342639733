"""Which model holds for a population of participants, from what each of them says for every model.

From one table ``(participant, model)`` of log evidences, or of held-out log-likelihoods, `random_effects` asks how frequent
every model is in the population, and `paired_differences` how much better one model is on average.
"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit

from neurodyn.errors import ModelError, NeurodynWarning
from neurodyn.inference import random_effects as effects
from neurodyn.validation import uncertainty
from neurodyn.validation.evidence import DIMS
from neurodyn.validation.layout import proportion

NAMED_AT_MOST = 5


def random_effects(log_evidence: Any, *, concentration: float = 1.0) -> xr.Dataset:
    r"""How frequent every model is in the population the participants come from.

    Every participant follows one of the models, which one differs between participants, and the frequencies :math:`r` of
    the models in the population have a Dirichlet prior. With :math:`L_{nk}` the log evidence of participant :math:`n`
    under model :math:`k`,

    .. math::

        r \sim \mathrm{Dir}(\alpha_0), \qquad p(z_n = k \mid r) = r_k, \qquad p(y_n \mid z_n = k) = e^{L_{nk}}.

    The posterior is approximated by :math:`q(r)\,q(z)` [1]_, whose factors raise the free energy :math:`F_1`, a lower bound
    of the log evidence, until it stands:

    .. math::

        q(z_n = k) = g_{nk} \propto \exp\{L_{nk} + \psi(\alpha_k)\}, \qquad \alpha_k = \alpha_0 + \sum_n g_{nk}.

    The exceedance probability :math:`\varphi_k = P(r_k > r_j\ \forall j \neq k)` is that of a model being the most frequent
    one, given that frequencies differ. That they do is weighed against the null in which all :math:`K` models are equally
    frequent, with :math:`F_0 = \sum_n \log \frac1K \sum_k e^{L_{nk}}`. The probability of the null is the omnibus risk, and
    the protected exceedance probability [2]_ heeds it:

    .. math::

        P_0 = \frac{1}{1 + e^{F_1 - F_0}}, \qquad \tilde\varphi_k = (1 - P_0)\, \varphi_k + \frac{P_0}{K}.

    Parameters
    ----------
    log_evidence : xr.DataArray, pandas.DataFrame or np.ndarray
        ``(participant, model)`` in nats, such as `evidence_table` returns; held-out log-likelihoods may stand for
        evidences. A constant added to a participant changes nothing.
    concentration : float
        Every entry of :math:`\alpha_0`: 1 holds all frequencies equally likely before the data, :math:`1/K` weighs no more
        than one participant. Below a half, more than one posterior can stand; the search starts from equal frequencies.

    Returns
    -------
    xr.Dataset
        On ``model``: ``frequency``, its posterior mean, with ``frequency_deviation``; ``alpha``; ``exceedance`` and
        ``protected_exceedance``. On ``(participant, model)``: ``responsibility``, the probability that a participant
        follows a model. Scalars: ``omnibus_risk``, ``free_energy`` and ``free_energy_null`` (nats). Attrs:
        ``n_participants``, ``left_out`` (their labels) and ``concentration``.

    Raises
    ------
    ModelError
        If the table has other dims, fewer than 2 models or 1 participant, infinite values, or no participant without NaN;
        or if `concentration` is not above 0.

    Warns
    -----
    NeurodynWarning
        Where a participant has NaN under any model: it is left out, by name.

    Notes
    -----
    :math:`F_0` is exact and :math:`F_1` a bound, equal to the log evidence where every participant's model is certain. Where
    evidences hardly differ, its distance grows like :math:`\frac{K-1}{2} \log n` nats with the number :math:`n` of
    participants: the omnibus risk is then too high, never too low. The factorised posterior is too narrow there.

    See Also
    --------
    paired_differences : how much better one model is on average.
    neurodyn.report.plot_random_effects : the figure.

    References
    ----------
    .. [1] Stephan, K. E., Penny, W. D., Daunizeau, J., Moran, R. J. and Friston, K. J. (2009). Bayesian model selection for
       group studies. NeuroImage 46, 1004-1017. doi:10.1016/j.neuroimage.2009.03.025
    .. [2] Rigoux, L., Stephan, K. E., Friston, K. J. and Daunizeau, J. (2014). Bayesian model selection for group studies -
       revisited. NeuroImage 84, 971-985. doi:10.1016/j.neuroimage.2013.08.065

    Examples
    --------
    Nine participants decide for the first model, three for the second:

    >>> import numpy as np
    >>> from neurodyn.validation import random_effects
    >>> found = random_effects(np.repeat([[0.0, -20.0], [-20.0, 0.0]], [9, 3], axis=0))
    >>> found["frequency"].values.round(3).tolist()
    [0.714, 0.286]
    >>> found["exceedance"].values.round(3).tolist(), found["protected_exceedance"].values.round(3).tolist()
    ([0.954, 0.046], [0.767, 0.233])
    """
    number = isinstance(concentration, (int, float, np.number)) and not isinstance(concentration, bool)
    if not number or not 0 < concentration < np.inf:
        raise ModelError(f"random_effects: concentration is {concentration!r}; it must be a number above 0.")
    table, left_out = _complete(log_evidence, "random_effects")
    found = effects.random_effects_posterior(table.values, float(concentration))
    if not found.settled:
        warnings.warn(
            f"random_effects: the frequencies still moved after {effects.STEPS} steps; look for evidences that differ by "
            "rounding alone.",
            NeurodynWarning,
            stacklevel=2,
        )
    total = found.alpha.sum()
    mean = found.alpha / total
    null = effects.equal_frequencies(table.values)
    risk = float(expit(null - found.free_energy))
    exceeding = effects.exceedance(found.alpha)
    data = {
        "frequency": ("model", mean),
        "frequency_deviation": ("model", np.sqrt(mean * (1 - mean) / (total + 1))),
        "alpha": ("model", found.alpha),
        "exceedance": ("model", exceeding),
        "protected_exceedance": ("model", (1 - risk) * exceeding + risk / len(mean)),
        "responsibility": (DIMS, found.responsibility),
        "omnibus_risk": ((), risk),
        "free_energy": ((), found.free_energy),
        "free_energy_null": ((), null),
    }
    attrs = {
        "n_participants": table.sizes["participant"],
        "left_out": left_out,
        "concentration": float(concentration),
    }
    return xr.Dataset(data, coords={dim: table[dim] for dim in DIMS}, attrs=attrs)


def paired_differences(
    log_likelihood: Any, *, reference: str | None = None, level: float = 0.95
) -> xr.Dataset:
    r"""How much better models are on average, each participant compared with itself.

    With the difference :math:`d_n = L_{nk} - L_{nj}` of a participant's held-out log-likelihoods under model :math:`k` and
    the reference :math:`j`, the mean :math:`\bar d` has the standard error :math:`s_d / \sqrt n`, and
    :math:`\bar d \sqrt n / s_d` is compared with Student's t of :math:`n - 1` degrees of freedom.

    Parameters
    ----------
    log_likelihood : xr.DataArray, pandas.DataFrame or np.ndarray
        ``(participant, model)`` in nats, such as `evidence_table` returns.
    reference : label, optional
        Model that differences are taken from; default: the one with the highest mean.
    level : float
        Coverage of the intervals, each for itself.

    Returns
    -------
    xr.Dataset
        On ``model``: ``mean`` per participant; ``difference`` from the reference with ``difference_standard_error``,
        ``difference_lower`` and ``difference_upper``; ``n_better`` and ``n_worse``, participants in whom the model is
        better or worse than the reference; ``p_value`` and ``p_adjusted`` (Holm), NaN for the reference. On
        ``(participant, model)``: ``participant_difference``. Attrs: ``reference``, ``level``, ``n_participants``,
        ``n_tests`` and ``left_out``.

    Raises
    ------
    ModelError
        If the table has other dims, fewer than 2 models or 2 participants without NaN, or infinite values; if the reference
        is unknown, or `level` is not between 0 and 1.

    Warns
    -----
    NeurodynWarning
        Where a participant has NaN under any model: it is left out, by name.

    Notes
    -----
    Which model is best was seen in the same table, so that without a reference the p values are corrected for all pairs of
    models, of which those with the best are shown; with a reference, for the comparisons with it.

    See Also
    --------
    random_effects : how frequent every model is, which a few participants with large differences do not decide.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.validation import paired_differences
    >>> found = paired_differences(np.array([[-10.0, -12.0], [-9.0, -10.0], [-11.0, -14.0]]))
    >>> found["difference"].values.tolist(), found["n_worse"].values.tolist()
    ([0.0, -2.0], [0, 3])
    >>> round(float(found["p_value"][1]), 3)
    0.074
    """
    level = proportion("level", level, "paired_differences")
    table, left_out = _complete(log_likelihood, "paired_differences")
    n, n_models = table.shape
    if n < 2:
        raise ModelError(
            f"paired_differences: {n} participant is complete; a standard error needs 2 or more."
        )
    mean = table.values.mean(axis=0)
    labels = table["model"].values.tolist()
    if reference is not None and reference not in labels:
        raise ModelError(
            f"paired_differences: reference is {reference!r}, which is not among the models "
            f"{', '.join(map(str, labels))}."
        )
    against = int(np.argmax(mean)) if reference is None else labels.index(reference)
    apart = table.values[:, :, None] - table.values[:, None, :]
    value, error = apart.mean(axis=0), apart.std(axis=0, ddof=1) / np.sqrt(n)
    nothing = np.full(value.shape, np.nan)
    found = uncertainty.by_student(uncertainty.Interval(value, error, nothing, nothing), n, level)
    p = np.where(np.eye(n_models, dtype=bool), np.nan, uncertainty.p_value(value, error, n))
    tested = np.triu_indices(n_models, 1) if reference is None else (np.arange(n_models), against)
    adjusted = np.full(p.shape, np.nan)
    adjusted[tested] = uncertainty.correct(p[tested], "holm")
    adjusted = np.fmax(adjusted, adjusted.T)
    own = apart[:, :, against]
    data = {
        "mean": ("model", mean),
        "difference": ("model", found.value[:, against]),
        "difference_standard_error": ("model", found.standard_error[:, against]),
        "difference_lower": ("model", found.lower[:, against]),
        "difference_upper": ("model", found.upper[:, against]),
        "n_better": ("model", (own > 0).sum(axis=0)),
        "n_worse": ("model", (own < 0).sum(axis=0)),
        "p_value": ("model", p[:, against]),
        "p_adjusted": ("model", adjusted[:, against]),
        "participant_difference": (DIMS, own),
    }
    attrs = {
        "reference": labels[against],
        "level": level,
        "n_participants": n,
        "n_tests": int(np.isfinite(p[tested]).sum()),
        "left_out": left_out,
    }
    return xr.Dataset(data, coords={dim: table[dim] for dim in DIMS}, attrs=attrs)


def _complete(given: Any, where: str) -> tuple[xr.DataArray, tuple[str, ...]]:
    """The table ``(participant, model)`` of the participants without NaN, and the labels of the others."""
    if isinstance(given, pd.DataFrame):
        given = xr.DataArray(
            given.to_numpy(float),
            dims=DIMS,
            coords={"participant": given.index.values, "model": given.columns.values},
        )
    if not isinstance(given, xr.DataArray):
        values = np.asarray(given, dtype=float)
        if values.ndim != 2:
            raise ModelError(
                f"{where}: the table has the shape {values.shape}; it must be (participant, model)."
            )
        given = xr.DataArray(values, dims=DIMS)
    if set(given.dims) != set(DIMS):
        raise ModelError(f"{where}: the table has the dims {given.dims}; they must be participant and model.")
    table = given.transpose(*DIMS).astype(float)
    table = table.assign_coords({dim: table[dim].values for dim in DIMS})
    if table.sizes["model"] < 2:
        raise ModelError(
            f"{where}: the table has {table.sizes['model']} model; a comparison needs 2 or more."
        )
    if table.sizes["participant"] < 1:
        raise ModelError(f"{where}: the table has no participant; it needs 1 or more.")
    infinite = np.argwhere(np.isinf(table.values))
    if len(infinite):
        person, model = (table[dim].values.tolist()[i] for dim, i in zip(DIMS, infinite[0], strict=True))
        raise ModelError(
            f"{where}: the value of participant {person!r} under model {model!r} is infinite; a model that holds what was "
            "observed impossible cannot be compared, so leave it or the participant out."
        )
    bad = np.asarray(np.isnan(table.values).any(axis=1))
    left_out = tuple(str(label) for label in table["participant"].values[bad].tolist())
    if bad.all():
        raise ModelError(
            f"{where}: every participant has NaN under a model; no participant is left to compare."
        )
    if left_out:
        more = f" and {len(left_out) - NAMED_AT_MOST} more" if len(left_out) > NAMED_AT_MOST else ""
        warnings.warn(
            f"{where}: left out for NaN under a model: {', '.join(left_out[:NAMED_AT_MOST])}{more} ({len(left_out)} of "
            f"{len(bad)} participants).",
            NeurodynWarning,
            stacklevel=3,
        )
    return table[~bad], left_out
