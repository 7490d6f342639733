"""Affinities of pairs from amplitudes of units: no communities, only who is active when."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np
import xarray as xr
from scipy import sparse

from neurodyn.errors import RecordingError
from neurodyn.inference.factorise.courses import LAGS, Habits, autocorrelation, expected
from neurodyn.models.base import Fit, Model, Prediction, Trace
from neurodyn.models.baselines.common import cast, unit_kinds, whole_number
from neurodyn.models.connectome.layout import lay
from neurodyn.recording import arrays

ROW_STEPS = 20
TINY = 1e-12


class Ends(NamedTuple):
    """The two units of every pair.

    Attributes
    ----------
    first, second : numpy.ndarray of int
        Places in `names`, ``(pair,)``.
    names : numpy.ndarray of str
        Units, sorted.
    """

    first: np.ndarray
    second: np.ndarray
    names: np.ndarray

    @classmethod
    def of(cls, recording: xr.Dataset, model: str) -> "Ends":
        """Ends of the pairs of a recording, in its order."""
        coords = recording["activity"].coords
        if "source" not in coords or "target" not in coords:
            raise RecordingError(
                f"{model} needs units that are pairs, with coordinates source and target; this recording has none: make it "
                "with neurodyn.models.connectome.affinity."
            )
        both = [coords[name].values.astype(str) for name in ("source", "target")]
        names, places = np.unique(np.concatenate(both), return_inverse=True)
        first, second = np.split(places, 2)
        return cls(first, second, names)

    def gather(self) -> tuple[Any, Any]:
        """Sparse ``(pair, end)`` matrices that sum over the pairs of each first and each second unit."""
        pairs, ones = np.arange(len(self.first)), np.ones(len(self.first), np.float32)
        shape = (len(pairs), len(self.names))
        first, second = (sparse.csr_array((ones, (pairs, end)), shape=shape) for end in self[:2])
        return first, second


def amplitudes(
    values: np.ndarray, mask: np.ndarray, strength: np.ndarray, ends: Ends, ridge: np.ndarray
) -> np.ndarray:
    r"""Amplitudes of units in every row, given the strengths of the pairs.

    .. math:: \min_{g \ge 0} \sum_{ij} (a_{ij} - g_i g_j b_{ij})^2 + \sum_i \lambda_i (g_i - 1)^2

    Parameters
    ----------
    values, mask : (row, pair)
        Affinities, 0 where not observed, and which were.
    strength : (pair,)
        b.
    ends : Ends
        Units of the pairs.
    ridge : (end,)
        How firmly an amplitude is held to 1.

    Returns
    -------
    (row, end)
        g; 1 where no pair of the unit was observed.
    """
    first, second = ends.gather()
    pull = values * strength
    push = mask * np.square(strength)
    found = np.ones((len(values), len(ends.names)), values.dtype)
    for _ in range(ROW_STEPS):
        left, right = found[:, ends.first], found[:, ends.second]
        above = (pull * right) @ first + (pull * left) @ second + ridge
        below = (push * right * right) @ first + (push * left * left) @ second + ridge
        best = above / np.maximum(below, TINY)
        # Halfway, on a logarithmic scale: all units move at once, and pairs hold two of them.
        found = np.sqrt(np.maximum(found, TINY) * best)
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairAmplitude(Model):
    r"""Affinities of pairs as products of their units' amplitudes.

    .. math:: a_{ij}(t) = g_i(t) \, g_j(t) \, b_{ij}

    Strengths b are learnt; amplitudes g, with mean 1, are inferred bin by bin from the pairs that are given, and expected
    from the nearest bins (or from the past) where a unit has none. What a dynamic connectome finds beyond this is more than
    who is active when.

    Parameters
    ----------
    sweeps : int
        Alternations between amplitudes and strengths.

    Raises
    ------
    RecordingError
        By `fit`, if units are not pairs, or an affinity is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models import registry
    >>> from neurodyn.models.connectome import affinity
    >>> bursts = np.random.default_rng(0).normal(size=(200, 4)).cumsum(axis=0)
    >>> pairs = affinity(recording.make(bursts, sampling_interval=0.5, unit=list("abcd")))
    >>> registry.create("pair_amplitude").fit(pairs, key=0).predict(pairs)["mean"].shape
    (200, 6)
    """

    name: ClassVar[str] = "pair_amplitude"
    kinds: ClassVar[frozenset[str]] = frozenset({"continuous"})
    sweeps: int = 5

    def __post_init__(self) -> None:
        whole_number(self.name, "sweeps", self.sweeps, 1)

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: none."""
        return 0

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Alternate between strengths and amplitudes."""
        del inputs, key, options
        lay(recording)  # refuses what is negative
        ends = Ends.of(recording, self.name)
        values, mask = arrays(recording)
        rows = mask.any(2)
        seen = mask[rows]
        data = np.where(seen, values[rows], 0).astype(np.float32)
        free = max(int(seen.sum()) - int(_has(mask, ends).sum()), 0.05 * int(seen.sum()), 1)
        count = seen.sum(0)
        strength = data.sum(0, dtype=float) / np.maximum(count, 1)
        known = count > 0
        strength = np.where(known, strength, strength[known].mean() if known.any() else 0.0)
        ridge = np.ones(len(ends.names))
        found = np.ones((len(data), len(ends.names)), np.float32)
        for _ in range(self.sweeps):
            found = amplitudes(data, seen, strength.astype(np.float32), ends, ridge.astype(np.float32))
            found = found / np.maximum(found.mean(0), TINY)
            product = found[:, ends.first] * found[:, ends.second]
            below = (seen * np.square(product)).sum(0, dtype=float)
            fitted = (data * product).sum(0, dtype=float) / np.maximum(below, TINY)
            strength = np.where(known & (below > 0), fitted, strength)
            rest = np.where(seen, data - product * strength.astype(np.float32), 0)
            noise = float(np.square(rest).sum(dtype=float)) / free
            ridge = np.maximum(noise, 1e-9 * float(np.square(strength).mean())) / np.maximum(
                found.var(0), 1e-3
            )
        whole = np.ones((*rows.shape, len(ends.names)))
        whole[rows] = found
        has = _has(mask, ends)
        rho = [autocorrelation(whole[..., [u]], has[..., u]) for u in range(len(ends.names))]
        parameters = xr.Dataset(
            {
                "strength": ("unit", strength),
                "ridge": ("end", ridge),
                "autocorrelation": (("lag", "end"), np.concatenate(rho, axis=1)),
            },
            coords={
                "unit": recording["unit"].values,
                "kind": ("unit", unit_kinds(recording)),
                "end": ends.names,
            },
        )
        return PairAmplitudeFit(
            model=self, parameters=parameters, trace=Trace(reason=f"{self.sweeps} sweeps")
        )


def _has(mask: np.ndarray, ends: Ends) -> np.ndarray:
    """Whether a unit has an observed pair, ``(trial, time, end)``."""
    first, second = ends.gather()
    flat = mask.reshape(-1, mask.shape[-1]).astype(np.float32)
    return (flat @ first + flat @ second).reshape(*mask.shape[:-1], -1) > 0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PairAmplitudeFit(Fit):
    """Fitted strengths; `parameters` has ``strength (unit)``, ``ridge (end)``, ``autocorrelation (lag, end)``."""

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """Amplitudes of the two ends times the strength."""
        del key
        values, mask = arrays(recording)
        ends = Ends.of(recording, self.model.name)
        strength = self.parameters["strength"].values
        place = {name: at for at, name in enumerate(self.parameters["end"].values.astype(str).tolist())}
        columns = [place[name] for name in ends.names.tolist()]
        ridge = self.parameters["ridge"].values[columns]
        rho = self.parameters["autocorrelation"].values[:, columns]
        flat = np.where(mask, np.maximum(values, 0), 0).reshape(-1, mask.shape[-1]).astype(np.float32)
        seen = mask.reshape(flat.shape)
        found = amplitudes(flat, seen, strength.astype(np.float32), ends, ridge.astype(np.float32))
        found = found.reshape(*mask.shape[:2], -1).astype(float)
        has = _has(mask, ends)
        one = np.ones(1)
        for unit in range(found.shape[-1]):
            habits = Habits(one, one, 1.0, rho[: LAGS + 1, [unit]])
            found[..., [unit]] = expected(
                found[..., [unit]], has[..., unit], habits, mode=mode, horizon=horizon
            )
        return Prediction(cast(recording, found[..., ends.first] * found[..., ends.second] * strength))


PairAmplitude.fit_type = PairAmplitudeFit
