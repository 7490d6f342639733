"""The regressions by which single-trial models of populations are judged: smoothed activity, two links, and time."""

import dataclasses
from typing import ClassVar

from neurodyn.errors import ModelError
from neurodyn.models.baselines.population_regression import PopulationRegression, PopulationRegressionFit


@dataclasses.dataclass(frozen=True, kw_only=True)
class SmoothedRidge(PopulationRegression):
    """Ridge regression of every unit on the smoothed activity of the others: the linear floor of co-smoothing.

    .. math:: \\hat x_{tn} = b_n + \\sum_m W_{nm}\\, s_{tm}, \\qquad
        s_{tm} = \\frac{\\sum_l w(l)\\, (x_{t-l,m} - \\mu_m)}{\\sum_l w(l)}, \\quad w(l) = e^{-l^2 / 2 \\sigma_n^2}

    on standardised activity. Kernels, views, missing values and choices are those of `SmoothedPoisson`. Predictions
    of counts are kept above a floor learnt in training.

    Parameters
    ----------
    width, strength, time_basis, max_horizon
        As in `SmoothedPoisson`.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.
    RecordingError
        By `fit`, if there is a time basis but there are not two trials with an observed entry.

    See Also
    --------
    SmoothedPoisson : the same with a log link and Poisson counts.

    References
    ----------
    Hoerl, A. E. & Kennard, R. W. (1970). Ridge regression: biased estimation for nonorthogonal problems.
    Technometrics 12, 55-67. doi:10.1080/00401706.1970.10488634
    Pei, F. et al. (2021). Neural Latents Benchmark '21. doi:10.48550/arXiv.2109.04463

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.baselines import SmoothedRidge
    >>> z = np.random.default_rng(0).normal(size=(20, 50, 1))
    >>> x = recording.make(z + 0.1 * np.random.default_rng(1).normal(size=(20, 50, 4)), sampling_interval=1.0)
    >>> fit = SmoothedRidge(width=0.5).fit(x, key=0)
    >>> hidden = recording.hide(x, x.unit == 3)
    >>> found = fit.predict(hidden)["mean"][..., 3]
    >>> bool(np.corrcoef(found.values.ravel(), z.ravel())[0, 1] > 0.9)
    True
    """

    name: ClassVar[str] = "smoothed_ridge"
    kinds: ClassVar[frozenset[str]] = frozenset({"continuous", "count"})
    citations: ClassVar[tuple[str, ...]] = ("hoerl1970", "pei2021")
    fit_type: ClassVar[type[PopulationRegressionFit]] = PopulationRegressionFit
    link: ClassVar[str] = "identity"

    def _check(self) -> None:
        """Nothing further."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SmoothedPoisson(PopulationRegression):
    """Poisson regression of every unit on the smoothed activity of the others.

    .. math:: x_{tn} \\sim \\mathrm{Poisson}(e^{\\eta_{tn}}), \\qquad
        \\eta_{tn} = b_n + \\sum_m W_{nm}\\, s_{tm} + \\sum_k v_{nk}\\, \\phi_k(t), \\qquad
        s_{tm} = \\frac{\\sum_l w(l)\\, (x_{t-l,m} - \\mu_m)}{\\sum_l w(l)}, \\quad w(l) = e^{-l^2 / 2 \\sigma_n^2}

    with counts per bin :math:`x`, and with splines :math:`\\phi_k` of the time t since the trial's start only if
    `time_basis` is given. Weights have a Gaussian prior and are found by Newton's method. Regressors m are the units
    that `inputs` shows in training; units that it hides (co-smoothing) are predicted from those.

    Every mode has weights of its own. ``all``: kernels over both sides (:math:`-\\infty < l < \\infty`), in which a
    unit's own activity leaves out the predicted bin. ``present``: bins up to the present one (:math:`l \\ge 0`; the
    unit's own, :math:`l \\ge 1`). ``past``: the activity smoothed up to the latest bin of which anything is known, k
    bins ago, with weights for k of 1, 2, 3, 6 and 10 (`max_horizon`), interpolated between.

    A missing entry, and what lies beyond a trial, counts as its unit's mean, so a regressor that was shown in
    training and is NaN when predicting contributes nothing: fit with `inputs` that hide what will be hidden. Bins
    after the longest training trial have the time functions of its last one. Rates are kept between 2 % of the
    unit's mean and its largest training count plus one.

    Parameters
    ----------
    width : float, optional
        Standard deviation :math:`\\sigma` of the kernels in seconds (in the units of the recording's `time`); None
        chooses one of 1, 2, 4, 8 and 16 bins for every unit on held-out training trials, for both sides and for the
        past.
    strength : float, optional
        Precision of the prior on the weights of regressors of mean square 1; None chooses 10, 100, 1,000 or 10,000 in
        the same way. Weights on functions of time have a thirtieth of it.
    time_basis : int, optional
        Number of splines of time, 2 or more, shared by all trials; None leaves them out.
    max_horizon : int
        Bins ahead up to which the past has weights of its own; further ahead, and where nothing of a trial is known,
        the time within the trial is all that is left. Raised to the number of bins that `inputs` hides at the end of
        trials.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.
    RecordingError
        By `fit`, if there is a time basis but there are not two trials with an observed entry.

    See Also
    --------
    SmoothedPoissonTime : the same with a time basis.
    neurodyn.models.GLM : a free weight for every lag or basis function.

    Notes
    -----
    A step costs about bins x units x regressors x (regressors + units) operations, and the Hessians take units x
    regressors x regressors numbers, in groups of units of at most 2^25.

    References
    ----------
    Truccolo, W. et al. (2005). A point process framework for relating neural spiking activity to spiking history,
    neural ensemble, and extrinsic covariate effects. Journal of Neurophysiology 93, 1074-1089.
    doi:10.1152/jn.00697.2004
    Pei, F. et al. (2021). Neural Latents Benchmark '21. doi:10.48550/arXiv.2109.04463

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.baselines import SmoothedPoisson
    >>> rate = np.exp(np.sin(np.arange(60) / 6 + np.arange(30)[:, None]))[..., None]
    >>> counts = np.random.default_rng(0).poisson(rate * np.ones(6))
    >>> x = recording.make(counts, sampling_interval=0.02, kind="count")
    >>> hidden = recording.hide(x, x.unit == 5)
    >>> fit = SmoothedPoisson().fit(x, key=0, inputs=hidden)
    >>> found = fit.predict(hidden)["mean"][..., 5]
    >>> bool(np.corrcoef(found.values.ravel(), rate.ravel())[0, 1] > 0.9)
    True
    """

    name: ClassVar[str] = "smoothed_poisson"
    kinds: ClassVar[frozenset[str]] = frozenset({"count"})
    citations: ClassVar[tuple[str, ...]] = ("truccolo2005", "pei2021")
    fit_type: ClassVar[type[PopulationRegressionFit]] = PopulationRegressionFit
    link: ClassVar[str] = "log"

    def _check(self) -> None:
        """Nothing further."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SmoothedPoissonTime(PopulationRegression):
    """Poisson regression on the smoothed activity of the others and on the time within the trial.

    `SmoothedPoisson` with a time basis: what a unit does on average at this moment (the peri-stimulus time
    histogram), corrected by what the population does in this trial.

    Parameters
    ----------
    width, strength, max_horizon
        As in `SmoothedPoisson`.
    time_basis : int
        Number of splines of time, 2 or more, no more than there are bins.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.
    RecordingError
        By `fit`, if there are not two trials with an observed entry.

    See Also
    --------
    SmoothedPoisson : without the time; the equation, and how missing values are treated.
    TrialAverage : the time alone.

    References
    ----------
    Truccolo, W. et al. (2005). A point process framework for relating neural spiking activity to spiking history,
    neural ensemble, and extrinsic covariate effects. Journal of Neurophysiology 93, 1074-1089.
    doi:10.1152/jn.00697.2004
    Pei, F. et al. (2021). Neural Latents Benchmark '21. doi:10.48550/arXiv.2109.04463

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.baselines import SmoothedPoissonTime
    >>> rate = 2 + np.sin(np.arange(40) / 6)
    >>> counts = np.random.default_rng(0).poisson(rate[:, None], size=(60, 40, 3))
    >>> x = recording.make(counts, sampling_interval=0.02, kind="count")
    >>> nothing = recording.hide(x, np.ones(x["activity"].shape, bool))
    >>> course = SmoothedPoissonTime(time_basis=8).fit(x, key=0).predict(nothing)["mean"][0, :, 0]
    >>> bool(np.corrcoef(course, rate)[0, 1] > 0.95)
    True
    """

    name: ClassVar[str] = "smoothed_poisson_time"
    kinds: ClassVar[frozenset[str]] = frozenset({"count"})
    citations: ClassVar[tuple[str, ...]] = ("truccolo2005", "pei2021")
    fit_type: ClassVar[type[PopulationRegressionFit]] = PopulationRegressionFit
    link: ClassVar[str] = "log"

    time_basis: int | None = 24

    def _check(self) -> None:
        """Without a time basis it is another model."""
        if self.time_basis is None:
            raise ModelError(
                f"{self.name}: time_basis is None; it must be a whole number, 2 or more, or use smoothed_poisson."
            )
