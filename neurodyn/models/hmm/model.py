"""The hidden Markov model: hyperparameters and how it is fitted."""

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NeurodynWarning, RecordingError
from neurodyn.inference.em import TransitionPrior
from neurodyn.inference.em_driver import SCREEN_STEPS, Run, Settings, run_restarts
from neurodyn.inference.emissions import AutoregressiveGaussian, Emission
from neurodyn.inference.rows import any_observed
from neurodyn.models.base import Model, Trace
from neurodyn.models.hmm.choices import emission_for, named_emission
from neurodyn.models.hmm.covariates import standardisation, transition_covariates
from neurodyn.models.hmm.fit import HMMFit
from neurodyn.models.hmm.layout import Layout, fast_sequence, lay_out, working_arrays
from neurodyn.models.hmm.starting import draw_starts, given_start, hurry, rearrange, reseed
from neurodyn.models.hmm.states import agreement, permute, to_dataset

# After incremental passes a start stands where it will stay: few exact steps tell the leaders.
SCREEN_STEPS_AFTER = 3
STARTS = ("auto", "trial", "stationary")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HMM(Model):
    """Hidden Markov model with `n_states` discrete states.

    .. math::

        z_1 \\sim \\pi, \\qquad z_t \\sim A_{z_{t-1} \\cdot}, \\qquad
        x_t \\mid z_t = k \\sim \\mathrm{emission}_k

    Missing entries are marginalised exactly: a bin's missing dimensions are dropped, a bin without any
    observation has likelihood 1.

    Parameters
    ----------
    n_states : int
        Number of states K, 1 or more.
    emission : str or Emission
        ``"auto"`` chooses by the kind of the units: Gaussian for continuous, Poisson for counts, Bernoulli
        for binary, categorical for categorical ones. Other names: ``"gaussian"``, ``"gaussian_diagonal"``,
        ``"gaussian_tied"``, ``"gaussian_low_rank"``, ``"autoregressive"``, ``"poisson"``, ``"bernoulli"``,
        ``"categorical"``; or an object of `neurodyn.inference.emissions` for further settings (order of the
        autoregression, rank, priors).
    sticky : float
        Pseudo-counts added to the diagonal of the transition matrix (0: none).
    concentration : float
        Dirichlet concentration of the rows of the transition matrix and of the initial distribution. The
        default adds half a pseudo-count to every transition, so that one never seen in training does not
        become impossible and ruin held-out likelihoods; 1 is maximum likelihood, and keeps zeros at zero.
    start : {"auto", "trial", "stationary"}
        Where a recording begins when it is predicted or scored: from the initial distribution learnt over
        trials (``"trial"``), or from the chain's stationary distribution. ``"auto"`` takes the first where
        the training recording has at least two trials. (The distribution learnt from a single first bin is
        one-hot; scoring with it costs hundreds of nats.)
    transition_covariates : tuple of str
        Names of covariates on which the transitions depend: the log-odds of moving from i to j at bin t are
        those of ``transition`` plus ``transition_weight`` times the covariates (standardised on the training
        bins), of bin t where they are available before or with the response, else of bin t - 1. The weights
        have a standard normal prior.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    See Also
    --------
    neurodyn.models.HMMFit : what `fit` returns.

    Notes
    -----
    Options of `fit`: ``restarts`` (default 8) runs from different starts, of which the best training
    objective is kept (of long recordings, the three leading after 24 steps are finished);
    ``split_merge_rounds`` (5) attempts, where the starts disagree, to leave a local optimum by splitting one
    state and merging two others (0: none); ``incremental_passes`` (0) over a recording of half a million bins and
    more, during which the parameters move after every 65,280 bins, before the exact steps begin, which
    then have less of the way to go; ``start_parameters`` (a Dataset as in `HMMFit.parameters`)
    begins there instead;
    ``max_iterations`` (1000), ``tolerance`` (1e-6 nats per bin, two plain steps in a row), ``accelerate``
    (True), ``progress`` (an object with ``update(fraction, text)``), ``checkpoint`` (a path; a killed fit
    resumes from it to the same numbers), ``checkpoint_seconds`` (60).

    Memory of a fit, in numbers: the data three times (recording, mask, standardised copy) and about 8 x bins x
    states; nothing of size bins x units squared. From half a million bins on the E-step works segment by segment
    and needs bins x states once, or not at all where there are more states than units.

    References
    ----------
    Rabiner (1989), Proceedings of the IEEE 77, doi:10.1109/5.18626. Acceleration: Varadhan and Roland
    (2008), Scandinavian Journal of Statistics 35, doi:10.1111/j.1467-9469.2007.00585.x. Split and merge: Ueda,
    Nakano, Ghahramani and Hinton (2000), Neural Computation 12, doi:10.1162/089976600300015088. Incremental
    steps: Neal and Hinton (1998), Learning in Graphical Models, doi:10.1007/978-94-011-5014-9_12.

    Examples
    --------
    >>> import numpy as np
    >>> import neurodyn
    >>> values = np.repeat([[0.0], [5.0], [0.0]], 40, axis=0) + np.random.default_rng(0).normal(size=(120, 1))
    >>> recording = neurodyn.recording.make(values, sampling_interval=0.1)
    >>> fit = neurodyn.models.HMM(n_states=2).fit(recording, key=0)
    >>> [round(float(value)) for value in sorted(fit.parameters["mean"].values.ravel())]
    [0, 5]
    """

    name: ClassVar[str] = "hmm"
    kinds: ClassVar[frozenset[str]] = frozenset({"continuous", "count", "binary", "categorical"})
    citations: ClassVar[tuple[str, ...]] = (
        "rabiner1989",
        "dempster1977",
        "varadhan2008",
        "ueda2000",
        "neal1998",
    )
    fit_options: ClassVar[Mapping[str, Any]] = {
        "restarts": 8,
        "start_parameters": None,
        "split_merge_rounds": 5,
        "incremental_passes": 0,
        "max_iterations": 1000,
        "tolerance": 1e-6,
        "accelerate": True,
        "progress": None,
        "checkpoint": None,
        "checkpoint_seconds": 60.0,
    }
    fit_type: ClassVar[type[HMMFit]] = HMMFit

    n_states: int
    emission: str | Emission = "auto"
    sticky: float = 0.0
    concentration: float = 1.5
    start: str = "auto"
    transition_covariates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        if (
            isinstance(self.n_states, bool)
            or not isinstance(self.n_states, (int, np.integer))
            or self.n_states < 1
        ):
            raise ModelError(f"n_states is {self.n_states!r}; it must be a whole number, 1 or more.")
        if isinstance(self.emission, str) and self.emission != "auto":
            object.__setattr__(self, "emission", named_emission(self.emission))
        if not isinstance(self.emission, (str, Emission)):
            raise ModelError(
                f"emission is a {type(self.emission).__name__}; give a name or an object of neurodyn.inference.emissions."
            )
        if not (np.isfinite(self.sticky) and self.sticky >= 0):
            raise ModelError(
                f"sticky is {self.sticky!r}; it must be a finite number of pseudo-counts, 0 or more."
            )
        if not (np.isfinite(self.concentration) and self.concentration >= 1):
            raise ModelError(f"concentration is {self.concentration!r}; it must be finite and 1 or more.")
        object.__setattr__(self, "transition_covariates", tuple(self.transition_covariates))
        if self.start not in STARTS:
            raise ModelError(f"start is {self.start!r}; choose one of {', '.join(STARTS)}.")

    @property
    def reach(self) -> int:
        """Bins of the past that the emission itself needs (the order of an autoregression)."""
        return 0 if isinstance(self.emission, str) else self.emission.reach

    def _fit(
        self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: jax.Array, options: dict[str, Any]
    ) -> HMMFit:
        """Expectation-maximisation from several starts."""
        del inputs  # the likelihood is the objective: nothing is encoded, so nothing can be fed
        emission = emission_for(self.emission, recording)
        _check_options(options)
        values, mask = working_arrays(recording)
        if not mask.any():
            raise RecordingError(
                "activity is NaN everywhere, so there is nothing to fit; unhide some entries."
            )
        layout = lay_out(values, mask, strip=True)
        seen = any_observed(mask)
        dtype, n_trials = values.dtype, int(seen.any(axis=1).sum())
        del values, mask  # of a long recording every copy counts
        n_bins = int(any_observed(layout.mask).sum())
        if n_bins <= self.reach:
            raise RecordingError(
                f"activity has {n_bins} observed time bins, but the emission reaches {self.reach} bins back; give a "
                "longer recording or a lower order."
            )
        if n_bins < self.n_states:
            raise RecordingError(
                f"activity has {n_bins} observed time bins for {self.n_states} states; give a longer recording or "
                "fewer states."
            )
        _warn_if_undetermined(emission, self.n_states, layout)
        covariates, scaling = _covariates(self.transition_covariates, recording, seen, layout)
        searching = options["start_parameters"] is None
        sequence = fast_sequence(layout, emission, covariates, last=not searching)
        prior = TransitionPrior(concentration=float(self.concentration), sticky=float(self.sticky))
        if not searching:
            layout = layout._replace(values=layout.values[:0].copy(), mask=layout.mask[:0].copy())
            starts = [given_start(options["start_parameters"], self.n_states, recording, dtype, emission)]
        else:
            starts = draw_starts(key, emission, sequence, layout, self.n_states, int(options["restarts"]))
        if covariates is not None:
            shape = (self.n_states, self.n_states, covariates.shape[1])
            starts = [
                one if one.weights is not None else one._replace(weights=jnp.zeros(shape, covariates.dtype))
                for one in starts
            ]
        passes = int(options["incremental_passes"])
        if passes:
            starts = hurry(key, starts, sequence, emission, prior, passes, options["progress"])
        settings = Settings(
            screen_steps=SCREEN_STEPS_AFTER if passes else SCREEN_STEPS,
            max_iterations=int(options["max_iterations"]),
            tolerance=float(options["tolerance"]),
            accelerate=bool(options["accelerate"]),
            progress=options["progress"],
            checkpoint=options["checkpoint"],
            checkpoint_seconds=float(options["checkpoint_seconds"]),
        )
        runs, interrupted = run_restarts(starts, sequence, emission, prior, settings)
        if not runs and interrupted:
            raise KeyboardInterrupt
        if not runs:
            raise ModelError(
                "no start of hmm took a single step, because its likelihood is not finite; look for a unit without "
                "observed entries or with extreme values, and rescale or drop it."
            )
        best = _best(runs, settings.max_iterations)
        if not interrupted and searching and len(starts) > 1:
            rounds = int(options["split_merge_rounds"])
            best, interrupted = rearrange(
                best, runs, sequence, layout, emission, prior, settings, key, rounds
            )
        if not interrupted and searching:
            best, interrupted = reseed(best, sequence, layout, emission, prior, settings, key)
        trace = _trace(best, runs, interrupted, settings, layout)
        parameters = best.parameters
        if searching:
            parameters = permute(parameters, np.argsort(-best.occupancy, kind="stable"), emission.dimensions)
        dataset = to_dataset(parameters, emission, recording)
        if isinstance(emission, AutoregressiveGaussian):
            dataset["reference_mean"] = ("unit", np.asarray(sequence.data.centre))
            dataset["reference_deviation"] = ("unit", np.asarray(sequence.data.scale))
        if scaling is not None:
            names = list(self.transition_covariates)
            dataset = dataset.assign_coords(covariate=names)
            dataset["covariate_mean"] = ("covariate", scaling[0])
            dataset["covariate_deviation"] = ("covariate", scaling[1])
        dataset["trial_start"] = (
            (),
            np.asarray(self.start == "trial" or (self.start == "auto" and n_trials >= 2), dtype=np.int8),
        )
        return HMMFit(model=dataclasses.replace(self, emission=emission), parameters=dataset, trace=trace)


def _covariates(
    names: tuple[str, ...], recording: xr.Dataset, seen: np.ndarray, layout: Layout
) -> tuple[jax.Array | None, tuple[np.ndarray, np.ndarray] | None]:
    """Standardised transition covariates on the flat axis, and their mean and deviation."""
    if not names:
        return None, None
    values = transition_covariates(recording, names)
    mean, deviation = standardisation(values, seen)
    flat = layout.flatten(((values - mean) / deviation).astype(layout.values.dtype))
    return jnp.asarray(flat), (mean, deviation)


def _warn_if_undetermined(emission: Emission, n_states: int, layout: Layout) -> None:
    """Say so where there are fewer observed numbers than free parameters."""
    n_observed, n_units = int(layout.mask.sum()), int(layout.mask.any(axis=0).sum())
    free = emission.n_parameters(n_states, n_units) + n_states * n_states - 1
    if n_observed < free:
        warnings.warn(
            f"hmm has {free:,} free parameters for {n_observed:,} observed numbers; use fewer states, an emission with "
            "fewer parameters, or a longer recording.",
            NeurodynWarning,
        )


def _check_options(options: dict[str, Any]) -> None:
    """Refuse options out of range by name."""
    for name, least in (
        ("restarts", 1),
        ("max_iterations", 1),
        ("split_merge_rounds", 0),
        ("incremental_passes", 0),
    ):
        value = options[name]
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ModelError(f"{name} is {value!r}; it must be a whole number, {least} or more.")
    if not options["tolerance"] >= 0:
        raise ModelError(f"tolerance is {options['tolerance']!r}; it must be 0 or more (nats per bin).")


def _best(runs: list[Run], max_iterations: int) -> Run:
    """The run with the highest final objective among those that came to an end and did not fail, if any.

    A run screened out can lie above the leaders by a rounding error only.
    """
    sound = [run for run in runs if not run.failed] or runs
    ended = [run for run in sound if run.converged or run.n_steps >= max_iterations] or sound
    return max(ended, key=lambda run: run.objective[-1])


def _trace(
    best: Run,
    runs: list[Run],
    interrupted: bool,
    settings: Settings,
    layout: Layout,
) -> Trace:
    """What happened, with a warning wherever the reader must know."""
    failed = sum(run.failed for run in runs)
    if failed:
        warnings.warn(
            f"{failed} of {len(runs)} restarts met an objective that is not finite and stopped at the last good "
            "parameters; check the recording for outliers, or add a prior.",
            NeurodynWarning,
        )
    if interrupted:
        reason = f"interrupted after {best.n_steps} steps; the best parameters so far are kept"
        warnings.warn(f"the fit was {reason}.", NeurodynWarning)
    elif best.converged:
        reason = f"gain below {settings.tolerance:g} nats per bin twice in a row, after {best.n_steps} steps"
    elif best.failed:
        reason = f"objective not finite at step {best.n_steps}; the last good parameters are kept"
    else:
        reason = f"max_iterations reached ({settings.max_iterations}) before convergence"
        warnings.warn(f"the fit stopped unconverged: {reason}; raise max_iterations.", NeurodynWarning)
    empty = np.flatnonzero(best.occupancy < 1.0)
    if len(empty):
        warnings.warn(
            f"{len(empty)} of {len(best.occupancy)} states hold less than one expected time bin even after "
            "re-seeding; fewer states suffice.",
            NeurodynWarning,
        )
    return Trace(
        objective=best.objective,
        converged=best.converged and not interrupted,
        reason=reason,
        restarts=np.array([run.objective[-1] for run in runs]),
        agreement=agreement(best, runs, len(layout.index)),
    )
