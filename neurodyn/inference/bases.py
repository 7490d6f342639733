"""Temporal basis functions: how the past bins of a regressor are summed into a few features."""

import abc
import dataclasses
import math
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline as _Spline

from neurodyn.errors import ModelError

_SMALLEST = 1e-9


class Basis(abc.ABC):
    r"""Functions of the lag that turn the past of a regressor into features.

    .. math:: h_{t,mb} = \sum_{k=1}^{K} \phi_b(k)\, x_{t-k,m}

    Instances hold static hyperparameters only and are hashable; ``Lags(2) + RaisedCosine(30)`` has all functions.

    Attributes
    ----------
    n_lags : int
        K, the number of past bins that count.
    n_functions : int
        B, the number of functions.
    learnt : bool
        Whether a fit changes the shape of the functions.
    """

    learnt: ClassVar[bool] = False
    n_lags: int
    n_functions: int

    @abc.abstractmethod
    def kernels(self) -> Float[np.ndarray, "lag function"]:
        """Values of the functions at every lag.

        Returns
        -------
        np.ndarray
            ``(lag, function)``, without unit; row k - 1 weighs the value k bins ago, row 0 that one bin ago.
        """

    @abc.abstractmethod
    def labels(self) -> tuple[str, ...]:
        """What tells one function from the others.

        Returns
        -------
        tuple of str
            One short text per function; lags and decays are in bins.
        """

    def __add__(self, other: "Basis") -> "Combined":
        """The functions of both bases."""
        return Combined(parts=(self, other)) if isinstance(other, Basis) else NotImplemented


@final
@dataclasses.dataclass(frozen=True)
class Lags(Basis):
    r"""One free weight per lag.

    .. math:: \phi_b(k) = [b = k]

    Parameters
    ----------
    n_lags : int
        Past bins that count, 1 or more.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> Lags(2).kernels().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    n_lags: int

    def __post_init__(self) -> None:
        _set_whole(self, "n_lags")

    @property
    def n_functions(self) -> int:
        """One per lag."""
        return self.n_lags

    def kernels(self) -> Float[np.ndarray, "lag function"]:
        return np.eye(self.n_lags)

    def labels(self) -> tuple[str, ...]:
        return tuple(f"lag {k}" for k in range(1, self.n_lags + 1))


@final
@dataclasses.dataclass(frozen=True)
class Exponential(Basis):
    r"""Exponential decays, each with sum 1.

    .. math:: \phi_b(k) = \frac{e^{-(k-1)/\tau_b}}{\sum_{l=1}^{K} e^{-(l-1)/\tau_b}}

    Parameters
    ----------
    n_lags : int
        Past bins that count, 1 or more.
    decays : tuple of float
        :math:`\tau_b` in bins, above 0, one per function; no more than `n_lags` and all different.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> Exponential().kernels()[:, 0].round(4).tolist()
    [0.6364, 0.2341, 0.0861, 0.0317, 0.0117]
    """

    n_lags: int = 5
    decays: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        _set_whole(self, "n_lags")
        if not isinstance(self.decays, (tuple, list)) or not self.decays:
            raise ModelError(f"Exponential: decays is {self.decays!r}; give a tuple such as (1.0, 5.0).")
        object.__setattr__(self, "decays", tuple(_positive(self, "decays", decay) for decay in self.decays))
        _check_independent(self, "use decays that differ more, fewer of them or a larger n_lags")

    @property
    def n_functions(self) -> int:
        """One per decay."""
        return len(self.decays)

    def kernels(self) -> Float[np.ndarray, "lag function"]:
        with np.errstate(over="ignore"):
            return _normalised(np.exp(-np.arange(self.n_lags)[:, None] / np.asarray(self.decays)))

    def labels(self) -> tuple[str, ...]:
        return tuple(f"decay {decay:.4g}" for decay in self.decays)


@final
@dataclasses.dataclass(frozen=True)
class RaisedCosine(Basis):
    r"""Raised cosine bumps, narrow for recent lags and wide for distant ones, each with sum 1.

    .. math::

        \phi_b(k) \propto \tfrac12 + \tfrac12 \cos\left(\mathrm{clip}\left(\frac{\pi (u_k - c_b)}{2 \Delta}, -\pi, \pi
        \right)\right), \qquad u_k = \log(k - 1 + o) \text{ or } k

    The peaks :math:`c_b` are :math:`\Delta` apart, from lag 1 (:math:`u_1`) to lag `n_lags` (:math:`u_K`).

    Parameters
    ----------
    n_lags : int
        Past bins that count, 2 or more.
    n_functions : int
        2 or more, no more than `n_lags`.
    spacing : {"log", "linear"}
        Scale of the lags on which the bumps are equal and equally far apart.
    offset : float
        o in bins, above 0: the larger, the closer "log" is to "linear", which ignores it.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range; if bumps fall between lags, so that one is zero or a sum of others.

    References
    ----------
    Pillow et al. (2008), Nature 454, doi:10.1038/nature07140.

    Examples
    --------
    >>> RaisedCosine(20, n_functions=4).labels()
    ('peak at lag 1', 'peak at lag 2.714', 'peak at lag 7.368', 'peak at lag 20')
    """

    n_lags: int
    n_functions: int = 5
    spacing: str = "log"
    offset: float = 1.0

    def __post_init__(self) -> None:
        _set_whole(self, "n_lags", least=2)
        _set_whole(self, "n_functions", least=2)
        if self.spacing not in ("log", "linear"):
            raise ModelError(f"RaisedCosine: spacing is {self.spacing!r}; it must be 'log' or 'linear'.")
        object.__setattr__(self, "offset", _positive(self, "offset", self.offset))
        _check_independent(self, "use fewer functions, a larger n_lags, another offset or spacing='linear'")

    def kernels(self) -> Float[np.ndarray, "lag function"]:
        scale, centres = self._centres()
        phase = (scale[:, None] - centres) * (np.pi / 2 / max(centres[1] - centres[0], _SMALLEST))
        return _normalised(0.5 + 0.5 * np.cos(np.clip(phase, -np.pi, np.pi)))

    def labels(self) -> tuple[str, ...]:
        peaks = self._centres()[1]
        peaks = np.exp(peaks) - self.offset + 1 if self.spacing == "log" else peaks
        return tuple(f"peak at lag {peak:.4g}" for peak in peaks)

    def _centres(self) -> tuple[Float[np.ndarray, " lag"], Float[np.ndarray, " function"]]:
        """The lags and the centres, on the scale on which the bumps are equal."""
        scale = np.arange(1.0, self.n_lags + 1)
        scale = np.log(scale - 1 + self.offset) if self.spacing == "log" else scale
        return scale, np.linspace(scale[0], scale[-1], self.n_functions)


@final
@dataclasses.dataclass(frozen=True)
class BSpline(Basis):
    r"""B-splines on clamped, uniform knots from lag 1 to `n_lags`, each with sum 1.

    .. math:: \phi_b(k) = \frac{B_{b,d}(k)}{\sum_{l=1}^{K} B_{b,d}(l)}, \qquad \sum_b B_{b,d}(k) = 1

    The splines :math:`B_{b,d}` of degree d sum to 1 at every lag; the functions span the same kernels.

    Parameters
    ----------
    n_lags : int
        Past bins that count, 2 or more.
    n_functions : int
        At least `degree` + 1, no more than `n_lags`.
    degree : int
        d, 0 or more; 3 gives cubic splines.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range; if `n_functions` is too small for the degree.

    References
    ----------
    de Boor (1978), A Practical Guide to Splines, Springer, doi:10.1007/978-1-4612-6333-3.

    Examples
    --------
    >>> BSpline(20, n_functions=6).kernels().shape
    (20, 6)
    """

    n_lags: int
    n_functions: int = 5
    degree: int = 3

    def __post_init__(self) -> None:
        _set_whole(self, "n_lags", least=2)
        _set_whole(self, "degree", least=0)
        _set_whole(self, "n_functions", least=self.degree + 1)
        _check_independent(self, "use fewer functions or a larger n_lags")

    def kernels(self) -> Float[np.ndarray, "lag function"]:
        return _normalised(_splines(self))

    def labels(self) -> tuple[str, ...]:
        return tuple(f"mean lag {m:.4g}" for m in np.arange(1, self.n_lags + 1) @ self.kernels())


@final
@dataclasses.dataclass(frozen=True)
class LearntKernel(Basis):
    r"""One function, the same for all regressors, whose shape is learnt in the fit.

    .. math:: \phi(k) = e^{-(k-1)/\tau} / \sum_{l=1}^{K} e^{-(l-1)/\tau} \quad \text{at the start}

    Parameters
    ----------
    n_lags : int
        Past bins that count, 1 or more.
    decay : float
        :math:`\tau` in bins, above 0, of the shape from which the fit starts.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Examples
    --------
    >>> LearntKernel(3).learnt, LearntKernel(3).labels()
    (True, ('learnt over 3 lags',))
    """

    learnt: ClassVar[bool] = True
    n_functions = 1
    n_lags: int
    decay: float = 1.0

    def __post_init__(self) -> None:
        _set_whole(self, "n_lags")
        object.__setattr__(self, "decay", _positive(self, "decay", self.decay))

    def kernels(self) -> Float[np.ndarray, "lag function"]:
        return Exponential(self.n_lags, (self.decay,)).kernels()

    def labels(self) -> tuple[str, ...]:
        return (f"learnt over {self.n_lags} lags",)


@final
@dataclasses.dataclass(frozen=True)
class Combined(Basis):
    """The functions of several bases side by side.

    Its lags are those of the longest part; the functions of shorter parts are 0 beyond their own lags.

    Parameters
    ----------
    parts : tuple of Basis
        One or more, none of them learnt; sums within it are replaced by their own parts.

    Raises
    ------
    ModelError
        If there is no part, a part is not a basis or is learnt, or a function is a sum of others.

    Examples
    --------
    >>> (Lags(1) + Exponential(3)).kernels().round(2).tolist()
    [[1.0, 0.67], [0.0, 0.24], [0.0, 0.09]]
    """

    parts: tuple[Basis, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.parts, (tuple, list)) or not self.parts:
            raise ModelError(f"Combined: parts is {self.parts!r}; it must be a tuple of one or more bases.")
        for part in self.parts:
            if not isinstance(part, Basis) or part.learnt:
                raise ModelError(f"Combined: parts holds {part!r}; give bases of fixed shape.")
        flat = [p for part in self.parts for p in (part.parts if isinstance(part, Combined) else (part,))]
        object.__setattr__(self, "parts", tuple(flat))
        _check_independent(self, "drop one of the parts, or give it other lags")

    @property
    def n_lags(self) -> int:
        """The largest of the parts."""
        return max(part.n_lags for part in self.parts)

    @property
    def n_functions(self) -> int:
        """Those of all parts."""
        return sum(part.n_functions for part in self.parts)

    def kernels(self) -> Float[np.ndarray, "lag function"]:
        short = [(0, self.n_lags - part.n_lags) for part in self.parts]
        return np.hstack([np.pad(p.kernels(), (n, (0, 0))) for p, n in zip(self.parts, short, strict=True)])

    def labels(self) -> tuple[str, ...]:
        return tuple(label for part in self.parts for label in part.labels())


def _splines(basis: BSpline) -> Float[np.ndarray, "lag function"]:
    """Splines that sum to 1 at every lag."""
    inner = np.linspace(1, basis.n_lags, basis.n_functions - basis.degree + 1)
    knots = np.pad(inner, basis.degree, mode="edge")
    return _Spline.design_matrix(np.arange(1.0, basis.n_lags + 1), knots, basis.degree).toarray()


def _normalised(table: np.ndarray) -> Float[np.ndarray, "lag function"]:
    """Columns of sum 1; a column without weight stays zero."""
    return table / np.maximum(table.sum(axis=0), _SMALLEST)


def _set_whole(basis: Any, name: str, least: int = 1) -> None:
    """Refuse a hyperparameter that is not a whole number of at least `least`; keep it as int."""
    value = getattr(basis, name)
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        owner = type(basis).__name__
        raise ModelError(f"{owner}: {name} is {value!r}; it must be a whole number, {least} or more.")
    object.__setattr__(basis, name, int(value))


def _positive(basis: Basis, name: str, value: Any) -> float:
    """The value as float; refuses what is not a finite number above 0."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise ModelError(f"{type(basis).__name__}: {name} holds {value!r}; give finite numbers above 0.")
    return float(value)


def _check_independent(basis: Basis, remedy: str) -> None:
    """Refuse functions that are zero or sums of others, whose weights no data determine."""
    rank = int(np.linalg.matrix_rank(basis.kernels(), tol=_SMALLEST))
    if rank < basis.n_functions:
        raise ModelError(
            f"{type(basis).__name__}: n_functions is {basis.n_functions}, but over n_lags = {basis.n_lags} only "
            f"{rank} of them are not zero or sums of others; {remedy}."
        )
