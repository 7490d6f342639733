"""Traces of units that rise together, community by community, in several animals."""

from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.recording import make

CLOCKS = ("shared", "own")
DECAY = 8.0


def community_traces(
    n_animals: int = 4,
    n_units: int = 24,
    n_communities: int = 3,
    n_time: int = 400,
    *,
    key: int,
    clock: str = "own",
    bursts: float = 0.03,
    noise: float = 0.2,
    missing: float = 0.15,
    sampling_interval: float = 0.5,
) -> xr.Dataset:
    r"""Draw calcium-like traces of communities that burst at times of their own.

    .. math:: x_{ai}(t) = \sum_c m_{ic} \, s_{ac} \sum_{t' \le t} b_{ac}(t') \, e^{-(t - t') / 8} + \epsilon, \qquad
        b_{ac}(t) \sim \mathrm{Bernoulli}(q) \cdot \mathrm{Gamma}(2)

    Every unit is a full member of one community, and every sixth half a member of the next. Animals differ in how strongly
    they use each community (s), and in which units were found.

    Parameters
    ----------
    n_animals, n_units, n_communities, n_time : int
        Sizes.
    key : int
        Seed.
    clock : {"own", "shared"}
        Whether bursts come at the animal's own times or at the same times in all.
    bursts : float
        q, chance of a burst in a bin.
    noise : float
        Standard deviation of the noise; a burst's is about 1.
    missing : float
        Share of units not found in an animal.
    sampling_interval : float
        Seconds.

    Returns
    -------
    xr.Dataset
        Activity ``(trial, time, unit)`` with coordinate ``community`` on unit, NaN for units that were not found; and
        ``bursts`` ``(trial, time, community)``, the strength of every burst.

    Raises
    ------
    ModelError
        If a size or the clock is out of range.

    Examples
    --------
    >>> from neurodyn.simulate.communities import community_traces
    >>> community_traces(n_animals=2, key=0)["activity"].shape
    (2, 400, 24)
    """
    if clock not in CLOCKS:
        raise ModelError(f"clock is {clock!r}; choose 'own' or 'shared'.")
    if not 1 <= n_communities <= n_units or min(n_animals, n_time) < 1:
        raise ModelError(
            f"{n_animals} animals, {n_time} bins, {n_communities} communities of {n_units} units cannot be drawn; every "
            "size must be 1 or more, and a community needs a unit."
        )
    draw = np.random.default_rng(key)
    community = np.arange(n_units) * n_communities // n_units
    member = np.eye(n_communities)[community]
    half = np.arange(n_units) % 6 == 5
    member[half, (community[half] + 1) % n_communities] += 0.5 * (n_communities > 1)
    shape = (n_animals if clock == "own" else 1, n_time, n_communities)
    events = (draw.random(shape) < bursts) * draw.gamma(2.0, 0.5, size=shape)
    events = np.broadcast_to(events, (n_animals, n_time, n_communities))
    level = np.zeros((n_animals, n_time, n_communities))
    held = np.zeros((n_animals, n_communities))
    for t in range(n_time):
        held = held * np.exp(-1 / DECAY) + events[:, t]
        level[:, t] = held
    use = draw.uniform(0.4, 1.6, size=(n_animals, 1, n_communities))
    values = (use * level) @ member.T + noise * draw.normal(size=(n_animals, n_time, n_units))
    values[np.broadcast_to((draw.random((n_animals, 1, n_units)) < missing), values.shape)] = np.nan
    return simulated(values, events, community, sampling_interval)


def simulated(values: np.ndarray, events: np.ndarray, community: np.ndarray, interval: Any) -> xr.Dataset:
    """Labels for drawn traces."""
    found = make(
        values,
        sampling_interval=float(interval),
        unit=[f"n{i:03d}" for i in range(values.shape[2])],
        unit_coords={"community": community},
        trial=[f"animal {i}" for i in range(len(values))],
        source="simulated communities",
        modality="calcium",
    )
    return found.assign(bursts=(("trial", "time", "community_number"), np.array(events)))
