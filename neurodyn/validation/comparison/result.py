"""What a comparison found, and how to read it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurodyn.__about__ import __version__
from neurodyn.errors import ModelError
from neurodyn.models.base import Fit, Model
from neurodyn.validation.comparison.assemble import Evidence
from neurodyn.validation.comparison.leaks import NullScore
from neurodyn.validation.comparison.plan import Plan
from neurodyn.validation.comparison.pooling import LABEL, pool_recordings
from neurodyn.validation.comparison.words import verdict
from neurodyn.validation.split import Split


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Scores of all models under all protocols.

    Parameters
    ----------
    scores : xr.Dataset
        On ``([recording,] protocol, metric, model)``: ``value``, ``standard_error``, ``lower``, ``upper``,
        ``difference`` from the ``reference`` of its column with ``difference_standard_error``,
        ``difference_lower``, ``difference_upper``, ``p_value`` and ``p_adjusted`` (Holm, over models),
        ``fold_value`` (also on ``fold``), ``n_entries``, ``n_chunks``; ``seconds_fit`` and ``seconds_predict`` on
        ``(protocol, model)``; on ``(protocol, metric)`` the ``ceiling``, data against data, with
        ``ceiling_standard_error``, ``ceiling_lower``, ``ceiling_upper`` and, in words, ``ceiling_note``.
        NaN where a metric does not apply, with the reason in `not_applicable`.
    unit_scores : xr.Dataset
        ``value``, ``standard_error``, ``difference`` and p values per unit (plain, Holm, Benjamini-Hochberg).
    fits : dict of (str, str) to list of Fit
        By protocol and model, one per fold.
    splits : dict of str to list of Split
        By protocol, with the entries that were scored.
    warnings : dict of str to tuple of str
        Warnings raised on the way, by model.
    not_applicable : dict of (str, str, str) to str
        Reasons, by protocol, metric ("" for all) and model ("" for all).
    nulls : tuple of NullScore
        Scores on null recordings.
    models : dict of str to Model
        What was compared.
    recording : xr.Dataset or None
        The data; None for several recordings.
    protocols : dict of str to str
        What each protocol holds out, in a sentence.
    complete : bool
        False where the comparison was interrupted.
    settings : dict
        Key, reach, version.
    parts : dict of str to Comparison
        The comparisons of several recordings; empty for one.
    pooled : Comparison, optional
        The mean over several recordings, its intervals and p values those of other recordings (and other stretches
        of data within them); None for one.
    draws : xr.DataArray, optional
        Scores in every resample, ``(protocol, metric, model, resample)``.
    """

    scores: xr.Dataset
    unit_scores: xr.Dataset
    fits: dict[tuple[str, str], list[Fit]]
    splits: dict[str, list[Split]]
    warnings: dict[str, tuple[str, ...]]
    not_applicable: dict[tuple[str, str, str], str]
    nulls: tuple[NullScore, ...]
    models: dict[str, Model]
    recording: xr.Dataset | None
    protocols: dict[str, str]
    complete: bool = True
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    parts: dict[str, "Comparison"] = dataclasses.field(default_factory=dict)
    pooled: "Comparison | None" = None
    draws: xr.DataArray | None = None

    @classmethod
    def from_evidence(
        cls,
        *,
        plan: Plan,
        recording: xr.Dataset,
        evidence: Mapping[str, Evidence],
        refused: Mapping[str, str],
        scores: xr.Dataset,
        unit_scores: xr.Dataset,
        nulls: tuple[NullScore, ...],
        complete: bool,
        key: Any,
        draws: xr.DataArray | None = None,
    ) -> "Comparison":
        """Gather fits, reasons, warnings and times beside the scores.

        Parameters
        ----------
        plan : Plan
            What was compared.
        recording : xr.Dataset
            The data.
        evidence : mapping of str to Evidence
            Everything measured, by protocol.
        refused : mapping of str to str
            Why protocols did not apply.
        scores, unit_scores : xr.Dataset
            The tables.
        nulls : tuple of NullScore
            Scores on null recordings.
        complete : bool
            Whether all of the work was done.
        key : int or jax.Array
            The key of the comparison.
        draws : xr.DataArray, optional
            Scores in every resample.

        Returns
        -------
        Comparison
            The result.
        """
        fits, warned = {}, {}
        shape = (len(evidence), len(plan.models))
        seconds = {name: np.zeros(shape) for name in ("seconds_fit", "seconds_predict")}
        for p, (protocol, item) in enumerate(evidence.items()):
            for k, (model, outcomes) in enumerate(item.outcomes.items()):
                fits[protocol, model] = [outcome.fit for outcome in outcomes if outcome.fit is not None]
                warned.setdefault(model, []).extend(text for outcome in outcomes for text in outcome.warnings)
                for name, array in seconds.items():
                    array[p, k] = sum(getattr(outcome, name) for outcome in outcomes)
        for null in nulls:
            if null.leaking:
                warned.setdefault(null.model, []).append(
                    f"leaks: on data with nothing to find ({null.null}) it scores {null.metric} = "
                    f"{null.value:.3g} "
                    f"(99.8 % interval from {null.lower:.3g}) under {null.protocol}."
                )
        return cls(
            scores=scores.assign({name: (("protocol", "model"), array) for name, array in seconds.items()}),
            unit_scores=unit_scores,
            fits=fits,
            splits={name: [ground.scored for ground in item.grounds] for name, item in evidence.items()},
            warnings={model: tuple(dict.fromkeys(texts)) for model, texts in warned.items() if texts},
            not_applicable=_reasons(evidence, refused),
            nulls=nulls,
            models=dict(plan.models),
            recording=recording,
            protocols={name: protocol.describe() for name, protocol in plan.protocols.items()},
            complete=complete,
            settings={"key": key, "reach": plan.reach, "version": __version__},
            draws=draws,
        )

    @property
    def leaking(self) -> tuple[str, ...]:
        """Models that score on data with nothing to find."""
        return tuple(dict.fromkeys(null.model for null in self.nulls if null.leaking))

    @property
    def chosen(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """Hyperparameters that a `neurodyn.validation.Selected` model chose, by protocol and model.

        One per fold; of several recordings one after the other.
        """
        if self.parts:
            return {} if self.pooled is None else self.pooled.chosen
        found = {
            place: [dict(fit.provenance["chosen"]) for fit in fits if "chosen" in fit.provenance]
            for place, fits in self.fits.items()
        }
        return {place: settings for place, settings in found.items() if settings}

    def to_dataframe(self) -> Any:
        """Scores as a table with one row per recording, protocol, metric and model.

        Returns
        -------
        pandas.DataFrame
            Columns as the variables of `scores` without the folds, and ``not_applicable`` with the reason where
            there is no value. Of several recordings, the last rows are the mean over recordings.
        """
        frame = self.scores.drop_dims("fold", errors="ignore").to_dataframe().reset_index()
        frame["not_applicable"] = [
            "" if np.isfinite(row["value"]) else self.reason(row["protocol"], row["metric"], row["model"])
            for row in frame.to_dict("records")
        ]
        if self.pooled is not None:
            more = self.pooled.to_dataframe().assign(recording=LABEL)
            frame = pd.concat([frame, more], ignore_index=True)
        return frame

    def reason(self, protocol: str, metric: str, model: str) -> str:
        """Why there is no value.

        Parameters
        ----------
        protocol, metric, model : str
            Labels of the table.

        Returns
        -------
        str
            One sentence; empty where there is a value or no reason is known.
        """
        stem = metric
        for kind in ("_exact", "_bound", "_estimate"):
            stem = stem.removesuffix(kind)
        for place in (
            (protocol, "", ""),
            (protocol, "", model),
            (protocol, metric, model),
            (protocol, stem, model),
        ):
            if place in self.not_applicable:
                return self.not_applicable[place]
        if stem != metric:
            return f"{model} has a log-likelihood of another kind."
        return ""

    def verdict(self) -> str:
        """Say in words which model holds on held-out data, and against what.

        Returns
        -------
        str
            One paragraph per protocol, with values, intervals, the best baseline, leaks and what is missing.
        """
        if self.parts:
            said = [f"{name}\n{part.verdict()}" for name, part in self.parts.items()]
            if self.pooled is not None:
                said.insert(0, f"{LABEL}\n{self.pooled.verdict()}")
            return "\n\n".join(said)
        return verdict(self)

    def __repr__(self) -> str:
        """A short table and the verdict."""
        sizes = ", ".join(f"{size} {name}s" for name, size in self.scores["value"].sizes.items())
        state = "" if self.complete else ", interrupted"
        return f"<Comparison: {sizes}{state}>\n{self.verdict()}"


def _reasons(evidence: Mapping[str, Evidence], refused: Mapping[str, str]) -> dict[tuple[str, str, str], str]:
    """Why values are missing, by protocol, metric and model."""
    reasons = {(protocol, "", ""): reason for protocol, reason in refused.items()}
    for protocol, item in evidence.items():
        for model, outcomes in item.outcomes.items():
            for fold, outcome in enumerate(outcomes):
                if outcome.reason:
                    where = f"fold {fold}: " if len(outcomes) > 1 else ""
                    reasons.setdefault((protocol, "", model), where + outcome.reason)
                for metric, reason in outcome.missing.items():
                    reasons.setdefault((protocol, metric, model), reason)
    return reasons


def join(parts: dict[str, Comparison], *, key: Any = 0, reference: str | None = None) -> Comparison:
    """Put the comparisons of several recordings side by side on a dim ``recording``.

    Parameters
    ----------
    parts : dict of str to Comparison
        By name of the recording.
    key : int or jax.Array
        Draws the recordings of the resamples.
    reference : str, optional
        Model that differences are taken from; default: the best baseline.

    Returns
    -------
    Comparison
        With `parts`; fits and splits are theirs; `pooled` is the mean over the complete ones.

    Raises
    ------
    ModelError
        If there is nothing to join.
    """
    if not parts:
        raise ModelError("there is no comparison to join; give at least one recording.")
    first = next(iter(parts.values()))
    labels = xr.DataArray(list(parts), dims="recording", name="recording")

    def side_by_side(tables: list[xr.Dataset]) -> xr.Dataset:
        return xr.concat(
            tables, dim=labels, join="outer", data_vars="all", coords="minimal", compat="override"
        )

    warned: dict[str, list[str]] = {}
    for name, part in parts.items():
        for model, texts in part.warnings.items():
            warned.setdefault(model, []).extend(f"{name}: {text}" for text in texts)
    return Comparison(
        scores=side_by_side([part.scores for part in parts.values()]),
        unit_scores=side_by_side([part.unit_scores for part in parts.values()]),
        fits={},
        splits={},
        warnings={model: tuple(texts) for model, texts in warned.items()},
        not_applicable={k: v for part in reversed(parts.values()) for k, v in part.not_applicable.items()},
        nulls=tuple(null for part in parts.values() for null in part.nulls),
        models=first.models,
        recording=None,
        protocols=first.protocols,
        complete=all(part.complete for part in parts.values()),
        settings=first.settings,
        parts=parts,
        pooled=_pool(parts, key, reference),
    )


def _pool(parts: dict[str, Comparison], key: Any, reference: str | None) -> Comparison | None:
    """The mean over complete recordings; None for fewer than two."""
    able = {name: part for name, part in parts.items() if part.complete and part.draws is not None}
    if len(able) < 2:
        return None
    first = next(iter(able.values()))
    draws = {name: part.draws for name, part in able.items() if part.draws is not None}
    scores = pool_recordings(
        {name: part.scores for name, part in able.items()},
        draws,
        reference=reference,
        key=key,
        level=float(first.scores.attrs.get("level", 0.95)),
    )
    return Comparison(
        scores=scores,
        unit_scores=xr.Dataset(),
        fits={place: [f for part in able.values() for f in part.fits.get(place, [])] for place in first.fits},
        splits={},
        warnings={},
        not_applicable={k: v for part in reversed(able.values()) for k, v in part.not_applicable.items()},
        nulls=tuple(null for part in able.values() for null in part.nulls if null.leaking),
        models=first.models,
        recording=None,
        protocols=first.protocols,
        settings=first.settings,
    )
