"""Ridge, sparsity and smoothness of factors.

.. math:: \\Omega(F) = \\sum_r \\Big( \\rho \\, \\tfrac12 \\sum_t F_{rt}^2 + \\lambda \\sum_t F_{rt}
    + \\tfrac12 \\sum_t s_t (F_{rt} - F_{r,t-1})^2 \\Big)
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurodyn.errors import ModelError


class ModePenalty(NamedTuple):
    """Penalty of one mode, as arrays.

    Attributes
    ----------
    ridge, sparsity : ()
        Strengths; the factor is never negative, so that its l1 norm is its sum.
    links : (entry - 1,) or None
        Strength of smoothness between each entry and the next; None where there is none.
    """

    ridge: Float[Array, ""]
    sparsity: Float[Array, ""]
    links: Float[Array, " link"] | None


@dataclasses.dataclass(frozen=True)
class Penalties:
    r"""Strengths by mode, added to the loss.

    .. math:: \sum_n \sum_r \Big( \tfrac12 \rho_n \lVert f_{nr} \rVert^2 + \lambda_n \lVert f_{nr} \rVert_1
        + \tfrac12 s_n \sum_t (f_{nrt} - f_{nr,t-1})^2 \Big)

    A component is an outer product, whose scale may move from one mode to another for nothing. So every mode that is not
    fixed needs a ridge or sparsity as soon as one mode has any penalty, or the penalised factor would shrink to zero while
    another grew.

    Parameters
    ----------
    ridge, sparsity, smoothness : dict of int to float
        :math:`\rho_n, \lambda_n, s_n` by mode; 0 for modes not named.
    breaks : tuple of int
        Entries of the smooth modes at which a new stretch begins, not linked to the entry before it.

    Examples
    --------
    >>> from neurodyn.inference.factorise.penalties import Penalties
    >>> Penalties(smoothness={0: 10.0}, ridge={0: 0.1, 1: 1.0, 2: 1.0}).any
    True
    """

    ridge: dict[int, float] = dataclasses.field(default_factory=dict)
    sparsity: dict[int, float] = dataclasses.field(default_factory=dict)
    smoothness: dict[int, float] = dataclasses.field(default_factory=dict)
    breaks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse strengths below zero."""
        for name in ("ridge", "sparsity", "smoothness"):
            for mode, strength in getattr(self, name).items():
                if not 0 <= strength < np.inf:
                    raise ModelError(f"{name} of mode {mode} is {strength!r}; it must be finite, 0 or more.")

    @property
    def any(self) -> bool:
        """Whether anything is penalised."""
        return any(any(part.values()) for part in (self.ridge, self.sparsity, self.smoothness))

    def by_mode(
        self, shape: tuple[int, ...], fixed: tuple[int, ...], dtype: np.dtype
    ) -> tuple[ModePenalty, ...]:
        """Arrays of every mode, for compiled code.

        Parameters
        ----------
        shape : tuple of int
            Shape of the tensor.
        fixed : tuple of int
            Modes that are not fitted.
        dtype : numpy.dtype
            Precision.

        Returns
        -------
        tuple of ModePenalty
            One a mode.

        Raises
        ------
        ModelError
            If a mode does not exist, or the scale of a penalised component could escape into another mode.
        """
        named = {*self.ridge, *self.sparsity, *self.smoothness}
        unknown = sorted(mode for mode in named if not 0 <= mode < len(shape))
        if unknown:
            raise ModelError(f"penalties name mode {unknown[0]}; the tensor has modes 0 to {len(shape) - 1}.")
        free = [mode for mode in range(len(shape)) if mode not in fixed]
        bare = [mode for mode in free if not self.ridge.get(mode) and not self.sparsity.get(mode)]
        if self.any and bare and len(free) > 1:
            raise ModelError(
                f"mode {bare[0]} has neither ridge nor sparsity while another mode is penalised, so that the scale of "
                f"components would escape into it; give it a ridge, e.g. ridge={{{bare[0]}: 1.0}}."
            )
        return tuple(self._mode(mode, size, dtype) for mode, size in enumerate(shape))

    def _mode(self, mode: int, size: int, dtype: np.dtype) -> ModePenalty:
        """Arrays of one mode."""
        links = None
        if self.smoothness.get(mode):
            strength = np.full(size - 1, self.smoothness[mode])
            strength[[start - 1 for start in self.breaks if 0 < start < size]] = 0.0
            links = jnp.asarray(strength, dtype)
        ridge, sparsity = (jnp.asarray(part.get(mode, 0.0), dtype) for part in (self.ridge, self.sparsity))
        return ModePenalty(ridge, sparsity, links)


def neighbours(factor: Float[Array, "*component entry"], links: Float[Array, " link"]) -> Array:
    """Neighbouring entries, weighted by their links."""
    none = jnp.zeros_like(factor[..., :1])
    after = jnp.concatenate([links * factor[..., 1:], none], axis=-1)
    return after + jnp.concatenate([none, links * factor[..., :-1]], axis=-1)


def penalty_of(factors: tuple[Array, ...], penalties: tuple[ModePenalty, ...]) -> Float[Array, ""]:
    """Sum of the penalties of all modes."""
    found = jnp.zeros((), factors[0].dtype)
    for factor, (ridge, sparsity, links) in zip(factors, penalties, strict=True):
        found = found + 0.5 * ridge * jnp.square(factor).sum() + sparsity * factor.sum()
        if links is not None:
            found = found + 0.5 * (jnp.square(jnp.diff(factor, axis=1)).sum(0) * links).sum()
    return found
