"""One table ``(participant, model)`` of log evidences, or of held-out log-likelihoods, from several fits."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xarray as xr

from neurodyn.errors import ModelError, NeurodynWarning, NotApplicable
from neurodyn.models.base import Fit

DIMS = ("participant", "model")


def evidence_table(sources: Mapping[str, Any]) -> xr.DataArray:
    """Put the log evidences, or the held-out log-likelihoods, of several models side by side.

    Parameters
    ----------
    sources : dict of str to Fit, xr.DataArray, or a sequence of xr.DataArray
        By name of the model: a fit whose parameters hold ``log_evidence`` of every participant; or terms of a held-out
        log-likelihood, as ``fit.log_likelihood(split.target)`` returns, on ``participant`` or ``trial`` and further
        dims that are summed over; of several folds, a list of them. A participant whose terms are 0 under every model
        was not scored, and is NaN.

    Returns
    -------
    xr.DataArray
        ``(participant, model)`` in nats; NaN for a participant that a model does not know. The attr ``kind`` is
        ``evidence``, or the kind of the likelihoods.

    Raises
    ------
    NotApplicable
        If a fit holds no log evidence.
    ModelError
        If evidences and held-out likelihoods, or likelihoods of different kinds or of a reduced space, are mixed.

    Notes
    -----
    Evidences compare only where the models explain the same responses: a warning says where the fits were learnt from
    different recordings. An evidence under a population that was learnt from the same participants (``pooling="partial"``)
    has used them twice, more so the more the population has parameters; held-out likelihoods have not. The evidence of a
    `neurodyn.models.predictive_coding.GaussianResponse` is that of standardised responses, the same for all such models.

    Examples
    --------
    Held-out likelihoods of a comparison, summed over its folds:

    >>> from neurodyn.models import registry
    >>> from neurodyn.simulate.agents import rescorla_wagner
    >>> from neurodyn.validation import compare, evidence_table, holdout
    >>> behaviour = rescorla_wagner(n_participants=3, n_trials=40, key=0)
    >>> models = {"mean": registry.create("mean"), "none": registry.create("mean")}
    >>> found = compare(models, behaviour, holdout.blocks(2, gap=0), key=0, nulls=())
    >>> folds = {
    ...     name: [
    ...         fit.log_likelihood(split.target)
    ...         for fit, split in zip(found.fits["blocks", name], found.splits["blocks"], strict=True)
    ...     ]
    ...     for name in models
    ... }
    >>> evidence_table(folds).sizes
    Frozen({'participant': 3, 'model': 2})
    """
    if not isinstance(sources, Mapping) or not sources:
        raise ModelError(
            "evidence_table: give a dict of names to fits, or to held-out log-likelihoods of participants."
        )
    columns, kinds, data = {}, {}, {}
    for name, source in sources.items():
        if isinstance(source, Fit):
            columns[name], kinds[name] = _of_fit(str(name), source), "evidence"
            data[name] = source.provenance.get("fingerprint", "")
        else:
            columns[name], kinds[name] = _of_terms(str(name), source)
    first = next(iter(kinds))
    other = next((name for name, kind in kinds.items() if kind != kinds[first]), None)
    if other is not None:
        raise ModelError(
            f"evidence_table: {first!r} gives {_kind_words(kinds[first])} and {other!r} {_kind_words(kinds[other])}, which "
            "do not compare; give the same of every model."
        )
    strange = next((name for name in data if data[name] != data[first]), None)
    if strange is not None:
        warnings.warn(
            f"the fits {first!r} and {strange!r} were learnt from different recordings: their evidences compare only if "
            "the responses are the same.",
            NeurodynWarning,
            stacklevel=2,
        )
    labels = pd.Index([str(name) for name in columns], name="model")
    table = xr.concat(list(columns.values()), dim=labels, join="outer", coords="minimal", compat="override")
    table = table.transpose(*DIMS)
    if kinds[first] != "evidence":
        table = table.where((table != 0).any("model"))
    return table.rename("log_evidence").assign_attrs({"kind": kinds[first], "units": "nats"})


def _of_fit(name: str, fit: Fit) -> xr.DataArray:
    """Log evidence of every participant of a fit."""
    found = fit.parameters.get("log_evidence")
    if found is None or found.dims != ("participant",):
        raise NotApplicable(
            f"the fit {name!r} ({fit.model.name}) holds no log evidence of participants; give its held-out log-likelihood, "
            "fit.log_likelihood(split.target), and that of the other models."
        )
    return _labelled(found.astype(float))


def _of_terms(name: str, source: Any) -> tuple[xr.DataArray, str]:
    """Held-out log-likelihood of every participant, summed over bins and folds, and its kind."""
    folds = list(source) if isinstance(source, Sequence) else [source]
    if not folds or not all(isinstance(fold, xr.DataArray) for fold in folds):
        raise ModelError(
            f"evidence_table: {name!r} is {type(source).__name__}; give a fit, a DataArray of log-likelihood terms, or a "
            "list of them, one per fold."
        )
    kinds = list(dict.fromkeys(str(fold.attrs.get("kind", "")) for fold in folds))
    if len(kinds) > 1:
        raise ModelError(
            f"evidence_table: the folds of {name!r} are log-likelihoods of different kinds ({', '.join(kinds)}), which do "
            "not add up; score the same bins in all of them."
        )
    if any(fold.attrs.get("space", "data") != "data" for fold in folds):
        raise ModelError(
            f"evidence_table: the log-likelihood of {name!r} is one of a reduced space, which no other model shares."
        )
    sums = []
    for fold in folds:
        dim = next((dim for dim in ("participant", "trial") if dim in fold.dims), None)
        if dim is None:
            raise ModelError(
                f"evidence_table: {name!r} has the dims {fold.dims}; there must be a dim participant, or trial."
            )
        total = fold.sum([other for other in fold.dims if other != dim], skipna=False)
        sums.append(_labelled(total.rename({dim: "participant"}) if dim != "participant" else total))
    together: xr.DataArray = xr.concat(sums, dim="fold", join="outer", fill_value=0.0)  # type: ignore[assignment]
    return together.sum("fold", skipna=False), kinds[0]


def _labelled(values: xr.DataArray) -> xr.DataArray:
    """Values on ``participant`` alone, labels as text."""
    labels = values["participant"].values  # numbers where there are no labels
    return xr.DataArray(
        values.values, dims="participant", coords={"participant": [str(x) for x in labels.tolist()]}
    )


def _kind_words(kind: str) -> str:
    """What a column holds, in words."""
    if kind == "evidence":
        return "log evidences"
    return f"held-out log-likelihoods{f' (kind {kind})' if kind else ''}"
