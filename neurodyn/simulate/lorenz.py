"""Populations of spiking neurons driven by the Lorenz attractor: single-trial rates that are known exactly."""

import numpy as np
import xarray as xr
from jaxtyping import Float

from neurodyn.errors import ModelError
from neurodyn.recording import make

SIGMA, RHO, BETA = 10.0, 28.0, 8.0 / 3.0
BURN_IN = 10.0
# A Runge-Kutta step of .003 keeps the error over one trial of 1.5 time units below 1e-7.
_LONGEST_STEP = 3e-3
_LARGEST_COUNT = 1e6


def lorenz_flow(
    start: Float[np.ndarray, "condition 3"], *, n_bins: int, time_step: float = 0.03
) -> Float[np.ndarray, "condition time 3"]:
    r"""States of the Lorenz system at regular times.

    .. math:: \dot x = \sigma (y - x), \quad \dot y = x (\rho - z) - y, \quad \dot z = x y - \beta z

    with :math:`\sigma = 10`, :math:`\rho = 28`, :math:`\beta = 8/3`, by fourth-order Runge-Kutta steps of at most .003 time
    units.

    Parameters
    ----------
    start : np.ndarray
        States at the first bin, ``(condition, 3)``.
    n_bins : int
        Number of bins.
    time_step : float
        Lorenz time units from one bin to the next.

    Returns
    -------
    np.ndarray
        ``(condition, time, 3)``; the first bin holds `start`.

    Raises
    ------
    ModelError
        If the start is not ``(condition, 3)``, or a size is not positive.

    References
    ----------
    .. [1] Lorenz, E. N. (1963). Deterministic nonperiodic flow. Journal of the Atmospheric Sciences 20, 130-141.
       doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2

    Examples
    --------
    The origin is a fixed point:

    >>> import numpy as np
    >>> from neurodyn.simulate.lorenz import lorenz_flow
    >>> lorenz_flow(np.zeros((1, 3)), n_bins=4).tolist()[0][-1]
    [0.0, 0.0, 0.0]
    """
    state = np.array(start, dtype=float)
    if state.ndim != 2 or state.shape[1] != 3:
        raise ModelError(f"start has shape {state.shape}; it must be (condition, 3).")
    _sizes(n_bins=n_bins)
    _positive(time_step=time_step)
    steps = int(np.ceil(time_step / _LONGEST_STEP - 1e-9))
    states = np.empty((len(state), n_bins, 3))
    states[:, 0] = state
    for t in range(1, n_bins):
        for _ in range(steps):
            state = _runge_kutta(state, time_step / steps)
        states[:, t] = state
    return states


def lorenz_population(
    *,
    key: int,
    mean_rate: float = 10.0,
    n_conditions: int = 65,
    n_trials: int = 20,
    n_units: int = 30,
    n_bins: int = 50,
    sampling_interval: float = 0.02,
    time_step: float = 0.03,
) -> xr.Dataset:
    r"""Spike counts of neurons whose rates follow the Lorenz attractor, from several initial conditions.

    .. math:: x_{rtn} \sim \mathrm{Poisson}(\lambda_{c(r), t, n}), \quad
        \lambda_{ctn} = \Delta f \, \frac{\exp(w_n \cdot z_{ct})}{\langle \exp(w_n \cdot z) \rangle}

    z is the state of the Lorenz system (`lorenz_flow`) z-scored over conditions and time, after 10 time units from standard
    normal states; :math:`w_n` is a Gaussian direction of unit norm; :math:`\Delta` is the sampling interval and f the mean
    rate, which every neuron has when averaged over conditions and time. All trials of a condition share their rates, and
    differ in their spikes alone.

    Parameters
    ----------
    key : int
        Seed. States and loadings depend on it and on the sizes, not on `mean_rate`.
    mean_rate : float
        f, the mean rate of every neuron, Hz.
    n_conditions, n_trials, n_units, n_bins : int
        Initial conditions, trials of each, neurons, and bins of a trial.
    sampling_interval : float
        :math:`\Delta`, seconds per bin.
    time_step : float
        Lorenz time units per bin.

    Returns
    -------
    xr.Dataset
        A recording of counts ``(trial, time, unit)``, trials in order of ``condition``. Further variables: the true
        ``rates`` ``(trial, time, unit)`` in expected counts per bin, the z-scored ``latent`` state ``(trial, time, latent)``
        and the ``loadings`` ``(unit, latent)``. Coordinates on ``trial``: ``condition``, and ``repeat`` within it.

    Raises
    ------
    ModelError
        If a size is not positive, a rate or an interval is not a positive number, the key is no seed, or there is one state
        alone to z-score.

    References
    ----------
    .. [1] Pandarinath, C. et al. (2018). Inferring single-trial neural population dynamics using sequential auto-encoders.
       Nature Methods 15, 805-815. doi:10.1038/s41592-018-0109-9

    Examples
    --------
    >>> from neurodyn.simulate.lorenz import lorenz_population
    >>> recording = lorenz_population(key=0, mean_rate=5.0, n_conditions=3, n_trials=2)
    >>> dict(recording.sizes)["trial"], recording["condition"].values.tolist()
    (6, [0, 0, 1, 1, 2, 2])
    >>> round(float(recording["rates"].mean()) / 0.02, 6)
    5.0
    """
    _sizes(n_conditions=n_conditions, n_trials=n_trials, n_units=n_units, n_bins=n_bins)
    _positive(mean_rate=mean_rate, sampling_interval=sampling_interval, time_step=time_step)
    if isinstance(key, bool) or not isinstance(key, (int, np.integer)) or key < 0:
        raise ModelError(f"key is {key!r}; it must be a whole number, 0 or more.")
    if n_conditions * n_bins < 2:
        raise ModelError("n_conditions and n_bins are 1; a z-score needs 2 states or more.")
    # Streams of their own, so that a change of the rate keeps the states and the loadings.
    states, directions, spikes = (np.random.default_rng([key, stream]) for stream in range(3))
    latent = _standardised(_on_attractor(states.normal(size=(n_conditions, 3)), n_bins, time_step))
    loadings = directions.normal(size=(n_units, 3))
    loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
    modulation = np.exp(latent @ loadings.T)
    rates = mean_rate * sampling_interval * modulation / modulation.mean(axis=(0, 1))
    if rates.max() > _LARGEST_COUNT:
        raise ModelError(
            f"mean_rate is {mean_rate!r} Hz: a bin of {sampling_interval} s expects up to {rates.max():.3g} counts; "
            "lower it."
        )
    condition = np.repeat(np.arange(n_conditions), n_trials)
    rates, latent = rates[condition], latent[condition]
    recording = make(
        spikes.poisson(rates),
        sampling_interval=sampling_interval,
        kind="count",
        unit=np.arange(n_units),
        trial_coords={"condition": condition, "repeat": np.tile(np.arange(n_trials), n_conditions)},
        modality="spikes",
        source="simulated neurons driven by the Lorenz system",
    )
    return recording.assign(
        rates=(("trial", "time", "unit"), rates),
        latent=(("trial", "time", "latent"), latent),
        loadings=(("unit", "latent"), loadings),
    )


def _velocity(state: np.ndarray) -> np.ndarray:
    """Time derivative of states on the last axis."""
    x, y, z = np.moveaxis(state, -1, 0)
    return np.stack([SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z], axis=-1)


def _runge_kutta(state: np.ndarray, step: float) -> np.ndarray:
    """One classical Runge-Kutta step."""
    first = _velocity(state)
    second = _velocity(state + step / 2 * first)
    third = _velocity(state + step / 2 * second)
    fourth = _velocity(state + step * third)
    return state + step / 6 * (first + 2 * second + 2 * third + fourth)


def _on_attractor(start: np.ndarray, n_bins: int, time_step: float) -> np.ndarray:
    """States of all bins, after the start has been forgotten."""
    settled = lorenz_flow(start, n_bins=2, time_step=BURN_IN)[:, -1]
    return lorenz_flow(settled, n_bins=n_bins, time_step=time_step)


def _standardised(states: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1 of each dimension over conditions and time."""
    return (states - states.mean(axis=(0, 1))) / states.std(axis=(0, 1))


def _sizes(**sizes: int) -> None:
    """Refuse what is not a whole number from 1."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            raise ModelError(f"{name} is {size!r}; it must be a whole number, 1 or more.")


def _positive(**values: float) -> None:
    """Refuse what is not a finite number above 0."""
    for name, value in values.items():
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not number or not 0 < value < np.inf:
            raise ModelError(f"{name} is {value!r}; it must be a finite number above 0.")
