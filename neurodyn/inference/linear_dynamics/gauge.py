"""The same system with other coordinates of its latents."""

import numpy as np
from jaxtyping import Float

from neurodyn.inference.linear_dynamics.parameters import Parameters


def recoordinated(
    parameters: Parameters, matrix: Float[np.ndarray, "latent latent"], shift: Float[np.ndarray, " latent"]
) -> Parameters:
    r"""Parameters of :math:`z' = R (z - \mu)`, which give every recording the same probability.

    Parameters
    ----------
    parameters : Parameters
        The system; its functions of time sum to 1 in every bin.
    matrix : (D, D)
        R, invertible.
    shift : (D,)
        :math:`\mu`.

    Returns
    -------
    Parameters
        The same system.
    """
    back = np.linalg.inv(matrix)
    drift = parameters.transition @ shift - shift
    return Parameters(
        transition=matrix @ parameters.transition @ back,
        drive=matrix @ (parameters.drive + drift[:, None]),
        noise=matrix @ parameters.noise @ matrix.T,
        initial_mean=matrix @ (parameters.initial_mean - shift),
        initial_covariance=matrix @ parameters.initial_covariance @ matrix.T,
        weight=parameters.weight @ back,
        offset=parameters.offset + parameters.weight @ shift,
    )


def canonical(
    parameters: Parameters, mean: Float[np.ndarray, " latent"], square: Float[np.ndarray, "latent latent"]
) -> Parameters:
    """Latents of mean 0 and covariance I over the training data, the most influential first, signs fixed.

    Parameters
    ----------
    parameters : Parameters
        The system.
    mean, square : numpy.ndarray
        Mean of z and of :math:`z z^T` over the posterior of the training data.

    Returns
    -------
    Parameters
        The same system.
    """
    covariance = square - np.outer(mean, mean)
    size, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    root = vectors * np.sqrt(np.maximum(size, 1e-8 * max(size.max(), 1e-300)))
    _, _, rotation = np.linalg.svd(parameters.weight @ root, full_matrices=True)
    weight = parameters.weight @ root @ rotation.T
    sign = np.where(weight.sum(0) < 0, -1.0, 1.0)
    return recoordinated(parameters, (sign[:, None] * rotation) @ np.linalg.pinv(root), mean)
