"""From words of the command line to models and protocols."""

import dataclasses
from typing import TYPE_CHECKING, Any

import typer

from neurodyn.cli.source import literal

if TYPE_CHECKING:
    import xarray

    from neurodyn.models.base import Model

CONTINUOUS = ("hmm", "mean", "persistence", "ar_ridge", "factor_analysis")
COUNTS = ("hmm", "mean", "smoothed_rate", "ar_ridge", "factor_analysis")
CHOICES = ("hmm", "mean", "rescorla_wagner")
WITH_STATES = ("hmm", "switching_glm")
UNCOUPLED = "uncoupled_glm"  # a generalised linear model in which every unit has its own history alone


def state_numbers(text: str) -> tuple[int, ...]:
    """Numbers of states: 6, or 2:8 (both ends), or 2,4,8."""
    try:
        if ":" in text:
            first, last = (int(part) for part in text.split(":"))
            numbers = tuple(range(first, last + 1))
        else:
            numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise typer.BadParameter(
            f"{text!r} is not a number of states, such as 6, 2:8 or 2,4,8", param_hint="--states"
        )
    return numbers


def default_models(recording: "xarray.Dataset") -> tuple[str, ...]:
    """Models that suit the kind of the units."""
    kinds = set(recording["kind"].values.astype(str).tolist())
    if kinds <= {"binary", "categorical"}:
        return CHOICES
    return COUNTS if kinds == {"count"} else CONTINUOUS


def usable_defaults(recording: "xarray.Dataset") -> tuple[str, ...]:
    """Those default models that accept the recording's kinds."""
    from neurodyn.models import registry

    kinds = set(recording["kind"].values.astype(str).tolist())
    return tuple(name for name in default_models(recording) if kinds <= set(registry.get(name).kinds))


def steps(standardise: bool, high_pass: float | None, embed: int | None, pca: int | None) -> list[Any]:
    """Preprocessing steps in the order in which they apply."""
    if not (standardise or pca or embed or high_pass is not None):
        return []
    from neurodyn.models.pipeline.embedding import TimeDelayEmbedding
    from neurodyn.models.pipeline.high_pass import HighPass
    from neurodyn.models.pipeline.pca import PCA
    from neurodyn.models.pipeline.standardise import Standardise

    chosen: list[Any] = []
    if high_pass is not None:
        chosen.append(HighPass(cutoff=high_pass))
    if standardise:
        chosen.append(Standardise())
    if embed:
        if embed < 2:
            raise typer.BadParameter(f"{embed} lags are no embedding; give 2 or more", param_hint="--embed")
        chosen.append(TimeDelayEmbedding(tuple(range(embed))))
    if pca:
        chosen.append(PCA(pca))
    return chosen


def make_model(name: str, preprocessing: list[Any], **hyperparameters: Any) -> "Model":
    """A model by its registered name; models with latent states come after the preprocessing."""
    from neurodyn.models import registry
    from neurodyn.models.pipeline.pipeline import Pipeline

    if name == UNCOUPLED:
        from neurodyn.inference.bases import Exponential

        name, hyperparameters = "glm", {"coupling": None, "history": Exponential(), **hyperparameters}
    model = registry.create(name, **hyperparameters)
    return Pipeline(*preprocessing, model) if preprocessing else model


def emission(name: str, shrink: float) -> Any:
    """An emission by its name, its states pulled towards the average of the recording by `shrink` pseudo-samples."""
    if not shrink:
        return name
    from neurodyn.inference.emissions import NormalInverseWishart
    from neurodyn.models.hmm.choices import named_emission

    family = named_emission("gaussian" if name == "auto" else name)
    if shrink < 0 or not hasattr(family, "prior"):
        raise typer.BadParameter(
            f"{shrink:g} pseudo-samples cannot be given to {name}; shrinking takes a positive number and Gaussian states",
            param_hint="--shrink",
        )
    prior = NormalInverseWishart(mean_strength=shrink, covariance_strength=shrink)
    return dataclasses.replace(family, prior=prior)


def protocols(words: list[str], recording: "xarray.Dataset", seed: int) -> list[Any]:
    """Protocols from words such as blocks:5, units, units:0.25, trials:5, groups:run, entries, future:20."""
    from neurodyn.validation import holdout

    found = []
    for word in words or default_protocols(recording):
        name, _, rest = word.partition(":")
        first, *others = [part for part in rest.split(",") if part] or [""]
        extra = dict(_setting(part, word) for part in others)
        if "=" in first:
            extra.update([_setting(first, word)])
            first = ""
        value = literal(first) if first else None
        try:
            found.append(_protocol(holdout, name, value, extra, seed))
        except TypeError as error:
            raise typer.BadParameter(
                f"{word!r} is not understood: {error}", param_hint="--holdout"
            ) from error
    return found


def _protocol(holdout: Any, name: str, value: Any, extra: dict[str, Any], seed: int) -> Any:
    """One protocol by its name."""
    if name == "blocks":
        return holdout.blocks(**_first("folds", value), **extra)
    if name == "trials":
        return holdout.trials(**_first("folds", value), **extra)
    if name in ("runs", "sessions", "subjects"):
        return holdout.groups(name.removesuffix("s"), **_first("folds", value), **extra)
    if name == "groups":
        if not isinstance(value, str):
            raise typer.BadParameter(
                "groups needs a coordinate of the trials, as in groups:run", param_hint="--holdout"
            )
        return holdout.groups(value, **extra)
    if name == "units":
        return holdout.units(**_first("fraction", value), **{"key": seed, **extra})
    if name == "entries":
        return holdout.entries(**_first("fraction", value), **{"key": seed, **extra})
    if name == "future":
        if not isinstance(value, int):
            raise typer.BadParameter("future needs a number of bins, as in future:20", param_hint="--holdout")
        return holdout.future(value, **extra)
    if name == "assigned":
        return holdout.assigned(**_first("target", value), **extra)
    raise typer.BadParameter(
        f"there is no protocol {name!r}; there are blocks, trials, runs, sessions, subjects, groups, units, entries, "
        "future, assigned",
        param_hint="--holdout",
    )


def default_protocols(recording: "xarray.Dataset") -> list[str]:
    """Whole trials where there are enough, else blocks; and held-out units where there are enough of them."""
    whole = recording.sizes.get("trial", 1) >= 5
    words = ["trials:5" if whole else "blocks:5"]
    return [*words, "units:0.25,folds=2"] if recording.sizes["unit"] >= 4 else words


def _first(name: str, value: Any) -> dict[str, Any]:
    """The value after the colon under its name, where there is one."""
    return {} if value is None else {name: value}


def _setting(part: str, word: str) -> tuple[str, Any]:
    """A setting NAME=VALUE of a protocol."""
    name, equals, value = part.partition("=")
    if not equals:
        raise typer.BadParameter(
            f"{part!r} in {word!r} is not NAME=VALUE, as in blocks:5,gap=10", param_hint="--holdout"
        )
    return name.strip(), literal(value)
