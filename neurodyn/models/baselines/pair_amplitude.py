"""Affinities of pairs from amplitudes of units: no communities, only who is active when."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError
from neurodyn.inference.factorise.courses import LAGS, Habits, autocorrelation, expected
from neurodyn.models.base import Fit, Model, Prediction, Trace
from neurodyn.models.baselines.common import cast, unit_kinds, whole_number
from neurodyn.models.connectome.layout import lay
from neurodyn.recording import arrays

ROW_STEPS = 20
ROWS = 256
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
        if "sign" in coords:  # every channel has amplitudes of its own
            both = [np.char.add(np.char.add(ends, " "), coords["sign"].values.astype(str)) for ends in both]
        names, places = np.unique(np.concatenate(both), return_inverse=True)
        first, second = np.split(places, 2)
        return cls(first, second, names)

    def square(self, values: np.ndarray) -> np.ndarray:
        """Values ``(..., pair)`` as symmetric matrices ``(..., end, end)``, 0 elsewhere."""
        found = np.zeros((*values.shape[:-1], len(self.names), len(self.names)), values.dtype)
        found[..., self.first, self.second] = values
        found[..., self.second, self.first] = values
        return found


def amplitudes(values: np.ndarray, mask: np.ndarray, strength: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    r"""Amplitudes of units in every row, given the strengths of the pairs.

    .. math:: \min_{g \ge 0} \sum_{ij} (a_{ij} - g_i g_j b_{ij})^2 + \sum_i \lambda_i (g_i - 1)^2

    Parameters
    ----------
    values, mask : (row, end, end)
        Affinities, 0 where not observed, and 1 where they were; symmetric.
    strength : (end, end)
        b, symmetric.
    ridge : (end,)
        How firmly an amplitude is held to 1.

    Returns
    -------
    (row, end)
        g; 1 where no pair of the unit was observed.
    """
    found = np.ones(values.shape[:2], values.dtype)
    for start in range(0, len(values), ROWS):
        rows = slice(start, start + ROWS)
        pull, push = values[rows] * strength, mask[rows] * np.square(strength)
        here = found[rows]
        for _ in range(ROW_STEPS):
            above = np.matmul(pull, here[..., None])[..., 0] + ridge
            below = np.matmul(push, np.square(here)[..., None])[..., 0] + ridge
            # Halfway, on a logarithmic scale: all units move at once, and pairs hold two of them.
            here = np.sqrt(np.maximum(here, TINY) * (above / np.maximum(below, TINY)))
        found[rows] = here
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
        full, shown = ends.square(data), ends.square(seen.astype(np.float32))
        for _ in range(self.sweeps):
            here = ends.square(strength.astype(np.float32))
            found = amplitudes(full, shown, here, ridge.astype(np.float32))
            found = found / np.maximum(found.mean(0), TINY)
            product = found[:, ends.first] * found[:, ends.second]
            below = np.einsum("tp,tp,tp->p", seen, product, product)
            fitted = np.einsum("tp,tp->p", data, product) / np.maximum(below, TINY)
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
    found = np.zeros((*mask.shape[:-1], len(ends.names)), bool)
    for end in range(len(ends.names)):
        found[..., end] = mask[..., (ends.first == end) | (ends.second == end)].any(-1)
    return found


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
        seen = mask.reshape(flat.shape).astype(np.float32)
        here = ends.square(strength.astype(np.float32))
        found = np.ones((len(flat), len(ends.names)), np.float32)
        given = seen.any(1)
        found[given] = amplitudes(
            ends.square(flat[given]), ends.square(seen[given]), here, ridge.astype(np.float32)
        )
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
