"""Hidden Markov models that emit symbols, the families networks are trained to emulate, and states as symbols."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from neurodyn.errors import ModelError
from neurodyn.inference.random import as_key, key_words
from neurodyn.recording import make

LEAVE_BOTH_ENDS = 0.05
RARE = 0.01
STAY = 0.95


@dataclasses.dataclass(frozen=True, eq=False)
class SymbolChain:
    """A hidden Markov model over symbols.

    .. math:: z_1 \\sim \\pi, \\quad z_t \\sim A_{z_{t-1}}, \\quad s_t \\sim B_{z_t}

    Parameters
    ----------
    initial : np.ndarray
        :math:`\\pi`, ``(state,)``.
    transition : np.ndarray
        Row-stochastic A, ``(state, state)``.
    emission : np.ndarray
        Row-stochastic B, ``(state, symbol)``.

    Raises
    ------
    ModelError
        If the shapes do not fit or the probabilities do not sum to 1.

    Examples
    --------
    >>> from neurodyn.simulate.symbol_chains import linear_chain
    >>> chain = linear_chain(3)
    >>> chain.sample(30, n_trials=5, key=0)["activity"].shape
    (5, 30, 1)
    """

    initial: Float[np.ndarray, " state"]
    transition: Float[np.ndarray, "state state"]
    emission: Float[np.ndarray, "state symbol"]

    def __post_init__(self) -> None:
        """Check the tables."""
        n_states = len(self.initial)
        if self.transition.shape != (n_states, n_states) or self.emission.shape[:1] != (n_states,):
            raise ModelError(
                f"transition has shape {self.transition.shape} and emission {self.emission.shape}; with {n_states} "
                f"initial probabilities they must be ({n_states}, {n_states}) and ({n_states}, symbols)."
            )
        for name in ("initial", "transition", "emission"):
            table = getattr(self, name)
            if (table < 0).any() or not np.allclose(table.sum(-1), 1):
                raise ModelError(f"{name} must hold probabilities that sum to 1 along its last axis.")

    @property
    def n_symbols(self) -> int:
        """Number of symbols."""
        return self.emission.shape[1]

    def draw(
        self, n_trials: int, n_time: int, *, key: Any
    ) -> tuple[Int[np.ndarray, "trial time"], Int[np.ndarray, "trial time"]]:
        """Draw bare sequences.

        Parameters
        ----------
        n_trials, n_time : int
            Number and length of the sequences.
        key : int or jax.Array
            Explicit randomness.

        Returns
        -------
        np.ndarray, np.ndarray
            Symbols and states, ``(trial, time)``.

        Raises
        ------
        ModelError
            If a size is not positive.
        """
        if n_time < 1 or n_trials < 1:
            raise ModelError(f"n_time is {n_time} and n_trials {n_trials}; both must be 1 or more.")
        generator = np.random.default_rng(key_words(as_key(key)))
        states = np.empty((n_trials, n_time), np.int64)
        tables = [_edges(table) for table in (self.initial[None], self.transition, self.emission)]
        at = np.zeros(n_trials, np.int64)
        for t in range(n_time):
            edges = tables[min(t, 1)][at]
            at = (edges <= generator.random((n_trials, 1))).sum(1)
            states[:, t] = at
        symbols = (tables[2][states] <= generator.random((n_trials, n_time, 1))).sum(-1)
        return symbols, states

    def sample(
        self, n_time: int, *, key: Any, n_trials: int | None = None, sampling_interval: float = 1.0
    ) -> xr.Dataset:
        """Draw a recording.

        Parameters
        ----------
        n_time : int
            Bins per sequence.
        key : int or jax.Array
            Explicit randomness.
        n_trials : int, optional
            Number of sequences; None gives one without a trial dimension.
        sampling_interval : float
            Seconds per bin.

        Returns
        -------
        xr.Dataset
            A recording of one categorical unit ``symbol``, with the true ``state`` on ``([trial,] time)``.

        Raises
        ------
        ModelError
            If a size is not positive.
        """
        symbols, states = self.draw(1 if n_trials is None else n_trials, n_time, key=key)
        names = [str(k) for k in range(self.n_symbols)]
        recording = _symbols(symbols, names, sampling_interval, "simulated hidden Markov model over symbols")
        recording = recording.assign(state=(("trial", "time"), states))
        return recording if n_trials is not None else recording.isel(trial=0, drop=True)

    def log_likelihood(self, symbols: Int[np.ndarray, "trial time"]) -> Float[np.ndarray, " trial"]:
        """Exact log-likelihood of complete sequences, by the forward recursion.

        Parameters
        ----------
        symbols : np.ndarray
            ``(trial, time)``.

        Returns
        -------
        np.ndarray
            Nats, ``(trial,)``.
        """
        belief = np.broadcast_to(self.initial, (len(symbols), len(self.initial)))
        total = np.zeros(len(symbols))
        with np.errstate(divide="ignore"):
            for t in range(symbols.shape[1]):
                joint = (belief if t == 0 else belief @ self.transition) * self.emission[:, symbols[:, t]].T
                norm = joint.sum(1)
                total += np.log(norm)
                belief = joint / np.maximum(norm, 1e-300)[:, None]
        return total


def _edges(table: np.ndarray) -> np.ndarray:
    """Cumulative probabilities without the last, which is one."""
    return np.cumsum(table, axis=-1)[..., :-1]


def _symbols(symbols: np.ndarray, names: list[str], sampling_interval: float, source: str) -> xr.Dataset:
    """A recording of one categorical unit from codes ``(trial, time)``, -1 and NaN = missing."""
    values = np.asarray(symbols, np.float64)[..., None]
    return make(
        np.where(values >= 0, values, np.nan),
        sampling_interval=sampling_interval,
        kind="categorical",
        unit=["symbol"],
        categories={"symbol": names},
        modality="behaviour",
        source=source,
    )


def linear_chain(n_states: int) -> SymbolChain:
    """A row of states whose ends emit the outer symbols; the way between them goes through the middle.

    The ends are left with probability :math:`q = 0.05^{1/(M-1)}`; from between, both neighbours are reached with q
    each. With a = i / (M - 1), state i emits the three symbols with .99 (1 - a), .01 and .99 a.

    Parameters
    ----------
    n_states : int
        M, 2 to 5.

    Returns
    -------
    SymbolChain
        The model; it starts in any state with the same probability.

    Raises
    ------
    ModelError
        If there is no such chain.

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674.

    Examples
    --------
    >>> from neurodyn.simulate.symbol_chains import linear_chain
    >>> linear_chain(3).transition.round(3)[1].tolist()
    [0.224, 0.553, 0.224]
    """
    if isinstance(n_states, bool) or not isinstance(n_states, (int, np.integer)) or n_states < 2:
        raise ModelError(f"n_states is {n_states!r}; a linear chain has 2 to 5 states.")
    leave = LEAVE_BOTH_ENDS ** (1 / (n_states - 1))
    if n_states > 2 and 2 * leave > 1:
        raise ModelError(
            f"n_states is {n_states}; the rule breaks from 6 states on: between the ends a state would stay with "
            f"probability 1 - 2q = {1 - 2 * leave:.2f}; choose 2 to 5."
        )
    transition = np.zeros((n_states, n_states))
    for i in range(n_states):
        for other in (i - 1, i + 1):
            if 0 <= other < n_states:
                transition[i, other] = leave
        transition[i, i] = 1 - transition[i].sum()
    a = np.arange(n_states) / (n_states - 1)
    emission = np.stack([(1 - RARE) * (1 - a), np.full(n_states, RARE), (1 - RARE) * a], axis=1)
    return SymbolChain(np.full(n_states, 1 / n_states), transition, emission)


def fully_connected() -> SymbolChain:
    """Three lasting states, each with a symbol of its own, and all changes equally likely.

    Returns
    -------
    SymbolChain
        The model.

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674.

    Examples
    --------
    >>> from neurodyn.simulate.symbol_chains import fully_connected
    >>> fully_connected().transition[0].round(3).tolist()
    [0.95, 0.025, 0.025]
    """
    transition = np.full((3, 3), (1 - STAY) / 2)
    np.fill_diagonal(transition, STAY)
    emission = np.full((3, 3), RARE)
    np.fill_diagonal(emission, 1 - 2 * RARE)
    return SymbolChain(np.full(3, 1 / 3), transition, emission)


def cyclic() -> SymbolChain:
    """Four lasting states on a ring that share three symbols; opposite states never follow each other.

    Returns
    -------
    SymbolChain
        The model.

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674.

    Examples
    --------
    >>> from neurodyn.simulate.symbol_chains import cyclic
    >>> cyclic().transition[0].round(3).tolist()
    [0.95, 0.025, 0.0, 0.025]
    """
    near = (1 - STAY) / 2
    transition = np.zeros((4, 4))
    for i in range(4):
        transition[i, [i, (i + 1) % 4, (i - 1) % 4]] = STAY, near, near
    emission = np.array([[0.9, 0.1, 0], [0.1, 0.9, 0], [0, 0.1, 0.9], [0, 0.9, 0.1]])
    return SymbolChain(np.full(4, 0.25), transition, emission)


def state_recording(states: xr.DataArray, *, n_states: int, sampling_interval: float = 1.0) -> xr.Dataset:
    """States of a fitted model, simulated or inferred, as a recording of symbols.

    Parameters
    ----------
    states : xr.DataArray
        State numbers on ``([trial,] time)``, such as ``hmm_fit.simulate(...)["state"]`` or
        ``hmm_fit.infer(...)["state_path"]``; -1 and NaN: missing.
    n_states : int
        Number of states of the model, whether or not all of them occur.
    sampling_interval : float
        Seconds per bin.

    Returns
    -------
    xr.Dataset
        A recording of one categorical unit ``symbol``.

    Raises
    ------
    ModelError
        If there are other dimensions, or states outside of the range.

    Examples
    --------
    >>> import xarray as xr
    >>> from neurodyn.simulate.symbol_chains import state_recording
    >>> path = xr.DataArray([[0, 0, 1], [2, 2, 2]], dims=("trial", "time"))
    >>> state_recording(path, n_states=3)["activity"].values[1, :, 0].tolist()
    [2.0, 2.0, 2.0]
    """
    if states.dims not in (("time",), ("trial", "time")):
        raise ModelError(f"states have the dims {states.dims}; give ('time',) or ('trial', 'time').")
    values = np.nan_to_num(np.asarray(states.values, np.float64), nan=-1)
    if (values >= n_states).any() or (values != np.floor(values)).any():
        raise ModelError(
            f"states hold {values.max():g} with n_states {n_states}; they must be whole numbers below n_states."
        )
    one = values if values.ndim == 2 else values[None]
    names = [str(k) for k in range(n_states)]
    recording = _symbols(one, names, sampling_interval, "states of a fitted model")
    return recording if values.ndim == 2 else recording.isel(trial=0, drop=True)
