"""Parameters of a linear dynamical system on the host, their priors, and the maximisation step."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from neurodyn.inference.linear_dynamics.moments import LoadingSlopes, Moments

HALVINGS = 8
RIDGE = 1e-6
NOISE = 1e-6  # of a sum in single precision, as a fraction


class Parameters(NamedTuple):
    r"""All that is learnt, in double precision.

    Attributes
    ----------
    transition : (D, D)
        A.
    drive : (D, K)
        Weights of the functions of time: :math:`u_t = B \phi_t`.
    noise : (D, D)
        Q.
    initial_mean, initial_covariance : (D,), (D, D)
        Of the first bin.
    weight, offset : (N, D), (N,)
        Loadings and offsets of the log rates.
    """

    transition: Float[np.ndarray, "latent latent"]
    drive: Float[np.ndarray, "latent function"]
    noise: Float[np.ndarray, "latent latent"]
    initial_mean: Float[np.ndarray, " latent"]
    initial_covariance: Float[np.ndarray, "latent latent"]
    weight: Float[np.ndarray, "unit latent"]
    offset: Float[np.ndarray, " unit"]


@dataclasses.dataclass(frozen=True)
class Prior:
    r"""Weak priors that keep what the data do not determine in bounds; latents start with unit variance.

    Parameters
    ----------
    loading : float
        Precision of the Gaussian on the loadings.
    dynamics : float
        Pseudo-observations behind :math:`A` and :math:`B`, drawn to zero.
    noise, noise_scale : float
        Pseudo-observations behind Q, and their variance.
    initial, initial_scale : float
        The same of the first bin.
    rate : numpy.ndarray
        ``(unit,)``: mean count of one further bin in which the latents are zero.
    """

    rate: np.ndarray
    loading: float = 1.0
    dynamics: float = 1.0
    noise: float = 1.0
    noise_scale: float = 0.01
    initial: float = 1.0
    initial_scale: float = 1.0

    def log_density(self, parameters: Parameters) -> float:
        """Log-density up to a constant."""
        size = parameters.noise.shape[0]
        both = np.concatenate([parameters.transition, parameters.drive], axis=1)
        spread = self.dynamics * both @ both.T + self.noise * self.noise_scale * np.eye(size)
        dynamics = -0.5 * np.trace(np.linalg.solve(parameters.noise, spread))
        dynamics -= 0.5 * (self.noise + both.shape[1]) * np.linalg.slogdet(parameters.noise)[1]
        first = (
            -0.5 * self.initial * self.initial_scale * np.trace(np.linalg.inv(parameters.initial_covariance))
        )
        first -= 0.5 * self.initial * np.linalg.slogdet(parameters.initial_covariance)[1]
        loadings = -0.5 * self.loading * np.square(parameters.weight).sum()
        return float(dynamics + first + loadings + self.of_offsets(parameters.offset).sum())

    def of_offsets(self, offset: np.ndarray) -> np.ndarray:
        """Log-density of the offsets."""
        return self.rate * offset - np.exp(offset)


def best_dynamics(parameters: Parameters, found: Moments, prior: Prior) -> Parameters:
    """Transition, drive, noise and first bin that maximise the expected log-density and the prior.

    Parameters
    ----------
    parameters : Parameters
        Those of the expectation step; loadings are kept.
    found : Moments
        On the host, in double precision.
    prior : Prior
        Weak priors.

    Returns
    -------
    Parameters
        With new dynamics.
    """
    n_latents, n_functions = parameters.drive.shape
    regressors = np.block([[found.before, found.before_basis], [found.before_basis.T, found.basis]])
    regressors = regressors + prior.dynamics * np.eye(n_latents + n_functions)
    cross = np.concatenate([found.across, found.after_basis], axis=1)
    both = np.linalg.solve(regressors, cross.T).T
    spread = found.after - both @ cross.T + prior.noise * prior.noise_scale * np.eye(n_latents)
    count = found.n_transitions + prior.noise + n_latents + n_functions
    mean = found.first / max(found.n_first, 1.0)
    first = found.first_square - found.n_first * np.outer(mean, mean)
    first = first + prior.initial * prior.initial_scale * np.eye(n_latents)
    return parameters._replace(
        transition=both[:, :n_latents],
        drive=both[:, n_latents:],
        noise=_symmetric(spread) / count,
        initial_mean=mean,
        initial_covariance=_symmetric(first) / (found.n_first + prior.initial),
    )


def _symmetric(matrix: np.ndarray | Array) -> np.ndarray:
    matrix = np.asarray(matrix)
    return 0.5 * (matrix + matrix.T)


def better_loadings(
    parameters: Parameters,
    slopes: Callable[[np.ndarray, np.ndarray], LoadingSlopes],
    prior: Prior,
    *,
    steps: int = 1,
    tolerance: float = 0.0,
) -> Parameters:
    """Newton steps of every unit's loadings and offset, halved where they do not raise the objective.

    Parameters
    ----------
    parameters : Parameters
        Where to begin.
    slopes : callable
        ``slopes(weight, offset)``: expected log-likelihood and its derivatives, on the host.
    prior : Prior
        Weak priors.
    steps : int
        Most steps.
    tolerance : float
        Stop when no unit's step gains more.

    Returns
    -------
    Parameters
        With new loadings.
    """
    point = np.concatenate([parameters.weight, parameters.offset[:, None]], axis=1)
    penalty = np.append(np.full(point.shape[1] - 1, prior.loading), 0.0)

    def local(point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = slopes(point[:, :-1], point[:, -1])
        value = np.asarray(found.value) - 0.5 * (penalty * np.square(point)).sum(1)
        value = value + prior.of_offsets(point[:, -1])
        gradient = np.asarray(found.gradient) - penalty * point
        gradient[:, -1] += prior.rate - np.exp(point[:, -1])
        curvature = np.asarray(found.curvature) + np.diag(penalty + RIDGE)
        curvature[:, -1, -1] += np.exp(point[:, -1])
        return value, gradient, curvature

    value, gradient, curvature = local(point)
    for _ in range(steps):
        move = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        length = np.ones(len(point))
        candidate, after, slope, bend = point, value, gradient, curvature
        better = np.zeros(len(point), bool)
        for _ in range(HALVINGS):
            candidate = point + length[:, None] * move
            after, slope, bend = local(candidate)
            better = after >= value - NOISE * np.abs(value)  # False where it is no number
            if better.all():
                break
            length = np.where(better, length, 0.25 * length)
        gained = np.where(better, after - value, 0.0)
        point = np.where(better[:, None], candidate, point)
        value = np.where(better, after, value)
        gradient = np.where(better[:, None], slope, gradient)
        curvature = np.where(better[:, None, None], bend, curvature)
        if gained.max() <= tolerance:
            break
    return parameters._replace(weight=point[:, :-1], offset=point[:, -1])
