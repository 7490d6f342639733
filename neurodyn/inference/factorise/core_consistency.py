"""Core consistency: whether a tensor wants interactions between components that the model does not have."""

import numpy as np
from jaxtyping import Bool, Float, Shaped

from neurodyn.errors import ModelError
from neurodyn.inference.factorise.comparison import Factors


def core_consistency(
    values: Shaped[np.ndarray, "..."],
    weights: Float[np.ndarray, " component"],
    factors: Factors,
    *,
    mask: Bool[np.ndarray, "..."] | None = None,
) -> float:
    r"""Core consistency of a factorisation, in percent.

    .. math:: 100 \Big( 1 - \frac1R \lVert G - I \rVert^2 \Big), \qquad
        G = \tilde X \times_0 F_0^+ \times_1 F_1^+ \cdots

    G is the core that fits the tensor best between the given factors (Tucker), I the core of ones on the superdiagonal,
    which is what the model assumes. Missing entries of :math:`\tilde X` are the model's own. The weights are shared
    evenly among the modes. Near 100 the model is apt; near zero or below, components mix, as they do once there are more
    than the data have.

    Parameters
    ----------
    values : numpy.ndarray
        The tensor.
    weights : numpy.ndarray
        Scale of every component, ``(component,)``.
    factors : tuple of numpy.ndarray
        ``(entry, component)``, one a mode.
    mask : numpy.ndarray of bool, optional
        Which entries were observed; all by default.

    Returns
    -------
    float
        At most 100. NaN where a mode has fewer entries than there are components: its components then depend linearly on
        each other whatever the data, and the number says nothing.

    Raises
    ------
    ModelError
        If the factors do not belong to the tensor.

    References
    ----------
    .. [1] Bro, R. & Kiers, H. A. L. (2003). A new efficient method for determining the number of components in PARAFAC
       models. Journal of Chemometrics 17, 274-286. doi:10.1002/cem.801

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.core_consistency import core_consistency
    >>> tensor = np.zeros((3, 3, 3))
    >>> tensor[range(3), range(3), range(3)] = 2.0
    >>> round(core_consistency(tensor, np.full(3, 2.0), (np.eye(3), np.eye(3), np.eye(3))), 6)
    100.0
    """
    shape, rank = np.shape(values), len(weights)
    if tuple(len(factor) for factor in factors) != shape:
        raise ModelError(f"factors have lengths {[len(f) for f in factors]}; the tensor has shape {shape}.")
    if min(shape) < rank:
        return float("nan")
    share = np.asarray(weights, float) ** (1 / len(factors))
    scaled = [np.asarray(factor, float) * share for factor in factors]
    model = scaled[0]
    for factor in scaled[1:]:
        model = model[..., None, :] * factor if factor is not scaled[-1] else model @ factor.T
    rest = np.asarray(values, float) - model
    if mask is not None:
        rest = np.where(mask, rest, 0.0)
    inverses = [np.linalg.pinv(factor) for factor in scaled]
    # The core of the model itself is that of the identity, unless components depend linearly on each other.
    core = rest
    for inverse in inverses:
        core = np.tensordot(core, inverse, axes=(0, 1))
    own = inverses[0] @ scaled[0]
    for inverse, factor in zip(inverses[1:], scaled[1:], strict=True):
        own = own[..., None, :] * (inverse @ factor)
    core = core + own.sum(-1)
    core[(np.arange(rank),) * core.ndim] -= 1.0
    return float(100 * (1 - np.square(core).sum() / rank))
