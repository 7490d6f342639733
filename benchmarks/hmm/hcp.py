"""Resting fMRI: states and prior strength by held-out blocks and by held-out subject, one-step errors beside AR(p)."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from benchmarks.measure import HOLDS, SHORT, Line, NotMeasured, unmeasured
from benchmarks.recordings import SUBJECTS, resting_subject, resting_subjects

COMPONENTS = 20
STATES = (1, 2, 3, 4, 6, 8, 12)
# Pseudo-observations with the moments of the whole training part, added to every state's own bins.
STRENGTHS = (0, 100, 300)
RESTARTS = 3
# The largest order of the ridge autoregression: its warm-up is dropped for everybody.
WARM_UP = 8
Setting = tuple[int, int]  # number of states, prior strength
Scores = dict[Setting, np.ndarray]


def pipeline(final: Any, by: str | None, components: int | None = COMPONENTS) -> Any:
    """Standardised units (by subject where several), principal components, a model."""
    from neurodyn.models import PCA, Pipeline, Standardise

    steps = [Standardise(by=by)] if components is None else [Standardise(by=by), PCA(components)]
    return Pipeline(*steps, final)


def fit_on(split: Any, model: Any, **options: Any) -> Any:
    """A fit on the training part, its local scales learnt from the part set aside for that."""
    fit = model.fit(split.train, key=split.fold, **options)
    return fit if split.adapt is None else fit.adapt(split.adapt)


def hidden_markov(setting: Setting) -> Any:
    """Full covariances, shrunk towards the moments of the whole training part."""
    from neurodyn.inference.emissions import Gaussian, NormalInverseWishart
    from neurodyn.models import HMM

    n_states, strength = setting
    prior = NormalInverseWishart(mean_strength=strength, covariance_strength=strength)
    return HMM(n_states=n_states, emission=Gaussian(prior=prior))


def sweep(
    splits: list[Any], settings: Iterable[Setting], by: str | None
) -> tuple[Scores, dict[tuple[Setting, int], Any]]:
    """Held-out log-likelihood per sample, ``(fold,)`` for every setting, and the fits."""
    scores: Scores = {}
    fits = {}
    for setting in settings:
        per_fold = []
        for split in splits:
            fit = fit_on(split, pipeline(hidden_markov(setting), by), restarts=RESTARTS)
            scored = split.target["activity"].notnull().any("unit")
            terms = fit.log_likelihood(split.target).where(scored)
            per_fold.append(float(terms.sum()) / int(scored.sum()))
            fits[setting, split.fold] = fit
        scores[setting] = np.array(per_fold)
    return scores, fits


def chosen_without(scores: Mapping[Setting, np.ndarray], fold: int, single: bool = False) -> Setting:
    """Setting with the best mean score on the other folds, so that the fold itself has no say.

    Among single Gaussians where `single`, else among models of two and more states.
    """
    others = {
        setting: np.delete(values, fold).mean()
        for setting, values in scores.items()
        if (setting[0] == 1) == single
    }
    return max(others, key=lambda setting: others[setting])


def gains(scores: Mapping[Setting, np.ndarray]) -> tuple[np.ndarray, list[Setting]]:
    """Gain over a single Gaussian in every fold; the other folds choose both sides' settings."""
    folds = len(next(iter(scores.values())))
    settings = [chosen_without(scores, fold) for fold in range(folds)]
    single = [chosen_without(scores, fold, single=True) for fold in range(folds)]
    gain = [
        scores[mine][fold] - scores[other][fold]
        for fold, (mine, other) in enumerate(zip(settings, single, strict=True))
    ]
    return np.array(gain), settings


def relative_errors(split: Any, means: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mean over units of squared one-step error over the scored entries' variance, warm-up dropped for all."""
    target = as_trials(split.target["activity"])
    kept = np.isfinite(target)
    for trial in kept:
        begin = np.flatnonzero(trial.any(axis=1))[:WARM_UP] if trial.any() else []
        trial[begin] = False
    truth = np.where(kept, target, np.nan)
    variance = np.nanvar(truth, axis=(0, 1))
    before = np.full_like(target, np.nan)
    before[:, 1:] = target[:, :-1]
    found = {}
    for name, mean in {**means, "persistence": before}.items():
        found[name] = float(np.mean(np.nanmean((truth - mean) ** 2, axis=(0, 1)) / variance))
    return found


def as_trials(array: Any) -> np.ndarray:
    """Values as ``(trial, time, unit)`` in double precision."""
    values = np.asarray(array.values, np.float64)
    return values if values.ndim == 3 else values[None]


def one_step(
    splits: list[Any], fits: Mapping[tuple[Setting, int], Any], settings: list[Setting], by: str | None
) -> dict:
    """Relative one-step errors of the HMM, the ridge autoregression and persistence, a list over folds each."""
    from neurodyn.models.baselines import ARRidge

    found: dict[str, list[float]] = {}
    for split, setting in zip(splits, settings, strict=True):
        models = {"HMM": fits[setting, split.fold], "AR ridge": fit_on(split, pipeline(ARRidge(), by, None))}
        means = {
            name: as_trials(fit.predict(split.given, mode="past")["mean"]) for name, fit in models.items()
        }
        for name, error in relative_errors(split, means).items():
            found.setdefault(name, []).append(error)
    return found


def verdict_lines(
    where: str, gain: np.ndarray, settings: list[Setting], errors: Mapping[str, list[float]]
) -> list[Line]:
    """The gain over a single Gaussian (with the verdict), and the one-step errors (reported)."""
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else float("nan")
    chosen = ", ".join(f"{k} states with strength {strength}" for k, strength in sorted(set(settings)))
    lines = [
        Line(
            f"resting fMRI, {where}: HMM over a single Gaussian",
            f"{gain.mean():+.3f} nats/sample (standard error {error:.3f}, {int((gain > 0).sum())} of {len(gain)} "
            "folds above 0)",
            "> 2 standard errors",
            HOLDS if gain.mean() > 2 * error else SHORT,
            f"chosen by the other folds: {chosen}",
        )
    ]
    means = {name: float(np.mean(values)) for name, values in errors.items()}
    better = "HMM" if means["HMM"] < means["AR ridge"] else "AR ridge"
    text = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
    lines.append(
        Line(
            f"resting fMRI, {where}: one-step squared error over variance",
            text,
            note=f"{better} predicts the next volume better; R^2 is one minus this",
        )
    )
    return lines


def measure(quick: bool = False) -> list[Line]:
    """Blocks of every subject, then whole subjects.

    Parameters
    ----------
    quick : bool
        One subject, three blocks, fewer numbers of states; subjects held out with the same numbers.

    Returns
    -------
    list of Line
        Gain over a single Gaussian and one-step errors under both protocols.
    """
    from neurodyn.validation import holdout

    settings = tuple(itertools.product(*(((1, 2, 4), (0, 100)) if quick else (STATES, STRENGTHS))))
    try:
        together = resting_subjects()
    except NotMeasured as error:
        return [unmeasured("resting fMRI: HMM over a single Gaussian", "> 2 standard errors", str(error))]
    all_gains, all_settings, all_errors = [], [], {}
    for subject in SUBJECTS[:1] if quick else SUBJECTS:
        splits = holdout.blocks(3 if quick else 5).splits(resting_subject(subject))
        scores, fits = sweep(splits, settings, None)
        gain, chosen = gains(scores)
        all_gains.append(gain)
        all_settings += chosen
        for name, errors in one_step(splits, fits, chosen, None).items():
            all_errors.setdefault(name, []).extend(errors)
    lines = verdict_lines("held-out blocks with a gap", np.concatenate(all_gains), all_settings, all_errors)
    splits = holdout.groups("session", adapt=True).splits(together)
    scores, fits = sweep(splits, settings, "session")
    gain, chosen = gains(scores)
    errors = one_step(splits, fits, chosen, "session")
    return [*lines, *verdict_lines("held-out subject", gain, chosen, errors)]
