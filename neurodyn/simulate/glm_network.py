"""Networks of coupled spiking neurons with known couplings that switch with a hidden Markov state."""

import dataclasses

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy.special import gammaln, logsumexp

from neurodyn.errors import ModelError
from neurodyn.recording import arrays, make

LINKS = ("softplus", "exp")
VERSIONS = ("scaled", "redrawn")
STABLE = 0.9
_LARGEST_RATE = 1e6
_Pair = tuple[np.ndarray, np.ndarray]
_TRIES = 200_000
_BATCH = 500


@dataclasses.dataclass(frozen=True, eq=False)
class GLMNetwork:
    r"""Spiking neurons that excite and inhibit each other, differently in every hidden state.

    .. math::

        z_1 \sim \pi, \quad z_t \sim A_{z_{t-1}}, \quad
        x_{t,n} \mid z_t = s \sim \mathrm{Poisson}\Big(f\big(b_{s,n} + \sum_m w_{s,n \leftarrow m} h_{t,m}\big)\Big),
        \quad h_{t,m} = \sum_{k=1}^{K} \phi_k x_{t-k,m}

    with :math:`f(u) = \log(1 + e^u)` or :math:`e^u`, in counts per bin. Nothing came before a trial's first bin.

    Parameters
    ----------
    initial : np.ndarray
        :math:`\pi`, ``(state,)``.
    transition : np.ndarray
        Row-stochastic A, ``(state, state)``.
    bias : np.ndarray
        b, ``(state, unit)``.
    weights : np.ndarray
        w, per count, ``(state, target, source)``.
    kernel : np.ndarray
        :math:`\phi`, ``(lag,)``, the newest bin first.
    link : {"softplus", "exp"}
        f.
    connectome : np.ndarray, optional
        Probabilities that a connection is inhibitory, absent, excitatory, ``(target, source, 3)``.
    present : np.ndarray, optional
        Sign of every connection, -1, 0 (absent) or 1, ``(state, target, source)``.
    sampling_interval : float
        Seconds per bin.

    Raises
    ------
    ModelError
        If shapes do not fit, probabilities do not sum to 1, or weights and signs contradict each other.

    References
    ----------
    Li et al. (2024), International Conference on Learning Representations, arXiv:2310.15263.

    Examples
    --------
    >>> from neurodyn.simulate.glm_network import GLMNetwork
    >>> network = GLMNetwork.draw(0, n_states=2, n_units=6)
    >>> network.sample(50, key=0, n_trials=3)["activity"].shape
    (3, 50, 6)
    """

    initial: Float[np.ndarray, " state"]
    transition: Float[np.ndarray, "state state"]
    bias: Float[np.ndarray, "state unit"]
    weights: Float[np.ndarray, "state target source"]
    kernel: Float[np.ndarray, " lag"]
    link: str = "softplus"
    connectome: Float[np.ndarray, "target source 3"] | None = None
    present: Int[np.ndarray, "state target source"] | None = None
    sampling_interval: float = 0.01

    def __post_init__(self) -> None:
        if self.bias.ndim != 2:
            raise ModelError(f"bias has shape {self.bias.shape}; it must be (state, unit).")
        n_states, n_units = self.bias.shape
        shapes = {
            "initial": (n_states,),
            "transition": (n_states, n_states),
            "weights": (n_states, n_units, n_units),
            "kernel": (max(self.kernel.size, 1),),
            "connectome": (n_units, n_units, 3),
            "present": (n_states, n_units, n_units),
        }
        for name, shape in shapes.items():
            table = getattr(self, name)
            if table is None:
                continue
            if table.shape != shape:
                raise ModelError(f"{name} has shape {table.shape}; with this bias it must be {shape}.")
            chances = name in ("initial", "transition", "connectome")
            if chances and not ((table >= 0).all() and np.allclose(table.sum(-1), 1)):
                raise ModelError(f"{name} must hold probabilities that sum to 1 along its last axis.")
        for name in ("bias", "weights", "kernel"):
            if not np.isfinite(getattr(self, name)).all():
                raise ModelError(f"{name} holds a number that is not finite; replace it.")
        if self.link not in LINKS:
            raise ModelError(f"link is {self.link!r}; it must be one of {', '.join(LINKS)}.")
        if self.present is not None and not np.array_equal(np.sign(self.weights), self.present):
            raise ModelError("present is not the sign of weights; give numpy.sign(weights), as int, or None.")
        if not 0 < self.sampling_interval < np.inf:
            raise ModelError(f"sampling_interval is {self.sampling_interval!r} s; it must be above 0.")

    @classmethod
    def draw(cls, key: int, n_states: int = 5, n_units: int = 20, version: str = "scaled") -> "GLMNetwork":
        r"""A random network whose states are drawn from one connectome.

        The first half of the neurons excites, the rest inhibits. A connection's probabilities of {inhibitory, none,
        excitatory} are :math:`\mathrm{Dirichlet}(0.2, 1.6, 0.2)`, the mass on the sign its source cannot have moved
        to the other; each state draws its connections from them, and strengths :math:`\log(1 + 3u)`,
        :math:`u \sim U(0, 1)`. Biases, the same in all states, are :math:`U(-0.05, 0.05)`, the kernel decays by e
        per bin over 5 lags, and a state stays with probability 0.98.

        Parameters
        ----------
        key : int
            Seed.
        n_states, n_units : int
            Sizes, 1 or more; 2 or more units.
        version : {"scaled", "redrawn"}
            All weights of all states are multiplied by one factor, such that the largest real part of an
            eigenvalue of the weights, over states, is 0.9; or every state is drawn at full size until its own is
            at most 0.9, which bounds each state but not switching between them: bursts are larger.

        Returns
        -------
        GLMNetwork
            With the softplus link, `connectome` and `present`.

        Raises
        ------
        ModelError
            If a size is too small, the version unknown, or no stable network is found.
        """
        for name, size, least in (("n_states", n_states, 1), ("n_units", n_units, 2)):
            if size < least:
                raise ModelError(f"{name} is {size}; it must be {least} or more.")
        if version not in VERSIONS:
            raise ModelError(f"version is {version!r}; it must be one of {', '.join(VERSIONS)}.")
        rng = np.random.default_rng(key)
        connectome = _draw_connectome(rng, n_units)
        if version == "redrawn":
            present, weights = _redraw(rng, connectome, n_states)
        else:
            present, weights = _draw_states(rng, connectome, n_states)
            largest = _growth(weights).max()
            if largest < 1e-3:
                raise ModelError(
                    f"key {key} closes no loop of {n_units} units; use another key or more units."
                )
            weights *= STABLE / largest
        leave = (1 - 0.98) / max(n_states - 1, 1)
        kernel = np.exp(-np.arange(5.0))
        return cls(
            initial=np.full(n_states, 1 / n_states),
            transition=np.where(np.eye(n_states, dtype=bool), 1 - leave * (n_states - 1), leave),
            bias=np.tile(rng.uniform(-0.05, 0.05, size=n_units), (n_states, 1)),
            weights=weights,
            kernel=kernel / kernel.sum(),
            connectome=connectome,
            present=present,
        )

    def rates(
        self, values: Float[np.ndarray, "trial time unit"]
    ) -> Float[np.ndarray, "trial time state unit"]:
        """Expected counts of every bin under each state, given the counts before it.

        Parameters
        ----------
        values : np.ndarray
            Counts, ``(trial, time, unit)``.

        Returns
        -------
        np.ndarray
            Counts per bin, ``(trial, time, state, unit)``.
        """
        past = self._past(np.asarray(values, float))
        drive = np.einsum("snm,rtm->rtsn", self.weights, past, optimize=True) + self.bias
        return self._apply_link(drive)[0]

    def sample(self, n_time: int, *, key: int, n_trials: int | None = None) -> xr.Dataset:
        """Draw a recording.

        Parameters
        ----------
        n_time : int
            Bins per trial.
        key : int
            Seed.
        n_trials : int, optional
            Number of trials; None gives no trial dimension.

        Returns
        -------
        xr.Dataset
            A recording of counts with the true ``state`` on ``([trial,] time)`` as a further variable.

        Raises
        ------
        ModelError
            If a size is not positive, or the activity explodes.
        """
        trials = 1 if n_trials is None else n_trials
        if n_time < 1 or trials < 1:
            raise ModelError(f"n_time is {n_time} and n_trials {n_trials}; both must be 1 or more.")
        rng = np.random.default_rng(key)
        states = self._states(rng, trials, n_time)
        n_lags = len(self.kernel)
        counts = np.zeros((trials, n_lags + n_time, self.bias.shape[1]))
        for t in range(n_time):
            past = np.einsum("k,rkm->rm", self.kernel[::-1], counts[:, t : t + n_lags])
            at = states[:, t]
            drive = self.bias[at] + np.matmul(self.weights[at], past[:, :, None])[..., 0]
            rate = self._apply_link(drive)[0]
            if not (rate <= _LARGEST_RATE).all():
                raise ModelError(f"weights make bin {t} expect {rate.max():.3g} counts; scale them down.")
            counts[:, n_lags + t] = rng.poisson(rate)
        values = counts[:, n_lags:]
        recording = make(
            values if n_trials is not None else values[0],
            sampling_interval=self.sampling_interval,
            kind="count",
            unit=np.arange(values.shape[-1]),
            modality="spikes",
            source="simulated network of coupled neurons",
        )
        if n_trials is None:
            return recording.assign(state=("time", states[0]))
        return recording.assign(state=(("trial", "time"), states))

    def log_likelihood(self, recording: xr.Dataset) -> float:
        """Log-likelihood of a complete recording: the level that no fit can exceed on average.

        Parameters
        ----------
        recording : xr.Dataset
            A recording of counts without missing entries.

        Returns
        -------
        float
            In nats, all trials summed.
        """
        return float(self.log_likelihood_terms(recording).sum())

    def log_likelihood_terms(self, recording: xr.Dataset) -> Float[np.ndarray, "trial time"]:
        """Log-probability of every bin given the bins before it in its trial, over the hidden states.

        Parameters
        ----------
        recording : xr.Dataset
            A recording of counts without missing entries.

        Returns
        -------
        np.ndarray
            In nats, log x! included, ``(trial, time)``; one trial where the recording has none.

        Raises
        ------
        ModelError
            If an entry is missing, not a count, or the units are not those of the network.
        """
        return self._forward(self._log_probability(recording))[1]

    def state_path(self, recording: xr.Dataset) -> Int[np.ndarray, "trial time"]:
        """The state with the highest probability in every bin, given the whole trial.

        Parameters
        ----------
        recording : xr.Dataset
            A recording of counts without missing entries.

        Returns
        -------
        np.ndarray
            Numbers of states, ``(trial, time)``; one trial where the recording has none.

        Raises
        ------
        ModelError
            If an entry is missing, not a count, or the units are not those of the network.
        """
        table = self._log_probability(recording)
        filtered, _ = self._forward(table)
        transition, path = _log(self.transition), np.empty(table.shape[:2], np.int64)
        later = np.zeros_like(table[:, 0])
        for t in reversed(range(table.shape[1])):
            path[:, t] = (filtered[:, t] + later).argmax(axis=1)
            later = np.asarray(logsumexp(transition + (table[:, t] + later)[:, None], axis=2))
            later -= later.max(axis=1, keepdims=True)
        return path

    def _states(self, rng: np.random.Generator, n_trials: int, n_time: int) -> Int[np.ndarray, "trial time"]:
        """State sequences."""
        draws = rng.uniform(size=(n_trials, n_time, 1))
        edges = np.cumsum(self.transition, axis=1)[:, :-1]
        states = np.empty((n_trials, n_time), dtype=np.int64)
        states[:, 0] = (draws[:, 0] >= np.cumsum(self.initial)[:-1]).sum(axis=1)
        for t in range(1, n_time):
            states[:, t] = (draws[:, t] >= edges[states[:, t - 1]]).sum(axis=1)
        return states

    def _past(self, values: np.ndarray) -> Float[np.ndarray, "trial time unit"]:
        """The counts before each bin, weighed by the kernel."""
        past = np.zeros(values.shape)
        for k, weight in enumerate(self.kernel[: values.shape[1] - 1], start=1):
            past[:, k:] += weight * values[:, :-k]
        return past

    def _apply_link(self, drive: np.ndarray) -> _Pair:
        """The link and its logarithm, exact where the rate is tiny."""
        with np.errstate(over="ignore", divide="ignore"):
            if self.link == "exp":
                return np.exp(drive), drive
            rate = np.logaddexp(0, drive)
            return rate, np.where(drive < -30, drive, np.log(rate))

    def _log_probability(self, recording: xr.Dataset) -> Float[np.ndarray, "trial time state"]:
        """Log-probability of every bin's counts under each state, given the counts before it."""
        values, mask = arrays(recording, np.float64)
        if values.shape[2] != self.bias.shape[1]:
            raise ModelError(f"recording has {values.shape[2]} units; it must have {self.bias.shape[1]}.")
        if not mask.all():
            raise ModelError("recording holds NaN; the network scores complete ones: select complete bins.")
        if (values < 0).any() or (values != np.floor(values)).any():
            raise ModelError("recording holds values that are not counts; give whole numbers, 0 or more.")
        past, constant = self._past(values), gammaln(values + 1).sum(-1)
        result = np.empty((*values.shape[:2], len(self.bias)))
        for s in range(len(self.bias)):
            rate, log_rate = self._apply_link(self.bias[s] + past @ self.weights[s].T)
            result[..., s] = (values * log_rate - rate).sum(-1) - constant
        return result

    def _forward(self, table: np.ndarray) -> _Pair:
        """Log-probability of each state given the trial so far, and of each bin given those before."""
        transition, belief = _log(self.transition), _log(self.initial)[None]
        filtered, terms = np.empty_like(table), np.empty(table.shape[:2])
        for t in range(table.shape[1]):
            belief = belief + table[:, t]
            terms[:, t] = logsumexp(belief, axis=1)
            filtered[:, t] = belief - terms[:, t, None]
            belief = np.asarray(logsumexp(filtered[:, t, :, None] + transition, axis=1))
        return filtered, terms


def _log(probability: np.ndarray) -> np.ndarray:
    """Logarithm, minus infinity at 0."""
    return np.log(probability, out=np.full(np.shape(probability), -np.inf), where=probability > 0)


def _draw_connectome(rng: np.random.Generator, n_units: int) -> Float[np.ndarray, "target source 3"]:
    """Probabilities of {inhibitory, none, excitatory}; the first half of the sources excites."""
    connectome = rng.dirichlet(2 * np.array([0.1, 0.8, 0.1]), size=(n_units, n_units))
    half = n_units // 2
    connectome[:, :half, 2] += connectome[:, :half, 0]
    connectome[:, half:, 0] += connectome[:, half:, 2]
    connectome[:, :half, 0] = connectome[:, half:, 2] = 0
    return connectome


def _draw_states(rng: np.random.Generator, connectome: np.ndarray, n_states: int) -> _Pair:
    """Signs and full-size weights of states drawn from the connectome."""
    shape = (n_states, *connectome.shape)
    present = (_log(connectome) + rng.gumbel(size=shape)).argmax(axis=-1) - 1
    # softplus(log 3u) = log(1 + 3u)
    return present, present * np.log1p(3 * rng.uniform(size=shape[:-1]))


def _growth(weights: Float[np.ndarray, "state target source"]) -> Float[np.ndarray, " state"]:
    """Largest real part of an eigenvalue, per state."""
    return np.linalg.eigvals(weights).real.max(axis=-1)


def _redraw(rng: np.random.Generator, connectome: np.ndarray, n_states: int) -> _Pair:
    """States drawn until each is stable at full size."""
    found: tuple[list, list] = [], []
    for _ in range(_TRIES // _BATCH):
        present, weights = _draw_states(rng, connectome, _BATCH)
        stable = _growth(weights) <= STABLE
        found[0].extend(present[stable])
        found[1].extend(weights[stable])
        if len(found[0]) >= n_states:
            return np.stack(found[0][:n_states]), np.stack(found[1][:n_states])
    raise ModelError(
        f"version is 'redrawn', but {_TRIES} draws of a state gave {len(found[0])} stable ones for n_states = "
        f"{n_states}; use version='scaled', another key or a smaller n_units than {len(connectome)}."
    )
