"""Which of several models a population follows, where every participant may follow another one.

Frequencies :math:`r` of the models in the population have a Dirichlet prior, every participant follows one model, and
the log evidence :math:`L_{nk}` of that participant's data under every model is given:

.. math:: r \\sim \\mathrm{Dir}(\\alpha_0), \\qquad p(z_n = k \\mid r) = r_k, \\qquad p(y_n \\mid z_n = k) = e^{L_{nk}}.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import digamma, gammainc, gammainccinv, gammaincinv, gammaln, polygamma

STEPS = 500
TOLERANCE = 1e-9
NODES = 4001
TAIL = 1e-17


class RandomEffects(NamedTuple):
    """Posterior over the frequencies of models.

    Parameters
    ----------
    alpha : (model,)
        Parameters of the Dirichlet posterior.
    responsibility : (participant, model)
        Probability that a participant follows a model.
    free_energy : float
        Lower bound of the log evidence of all data, in nats.
    settled : bool
        Whether the last step was small.
    """

    alpha: Float[np.ndarray, " model"]
    responsibility: Float[np.ndarray, "participant model"]
    free_energy: float
    settled: bool


def random_effects_posterior(
    log_evidence: Float[np.ndarray, "participant model"], concentration: float = 1.0
) -> RandomEffects:
    r"""Variational posterior :math:`q(r)\,q(z)` of the frequencies of models.

    With the evidences given, the two factors that raise the free energy most are in turn

    .. math::

        q(z_n = k) = g_{nk} \propto \exp\{L_{nk} + \psi(\alpha_k)\}, \qquad
        q(r) = \mathrm{Dir}(\alpha), \quad \alpha_k = \alpha_0 + \sum_n g_{nk}.

    Together they are one map of :math:`\alpha` onto itself, which creeps where evidences are alike. Each step here solves
    for the map's fixed point by Newton's method, with the Jacobian
    :math:`\sum_n g_{nk} (\delta_{kj} - g_{nj})\, \psi'(\alpha_j)`, and is kept only where its free energy is no lower than
    that of one application of the map; so the free energy never falls.

    Parameters
    ----------
    log_evidence : (participant, model)
        Log evidences in nats, finite.
    concentration : float
        Every entry of :math:`\alpha_0`, above 0.

    Returns
    -------
    RandomEffects
        The posterior; its free energy is that of the data as given.

    References
    ----------
    Stephan et al. (2009), NeuroImage 46, doi:10.1016/j.neuroimage.2009.03.025.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.random_effects import random_effects_posterior
    >>> random_effects_posterior(np.array([[0.0, -90.0], [0.0, -90.0], [-90.0, 0.0]])).alpha.round(6).tolist()
    [3.0, 2.0]
    """
    largest = log_evidence.max(axis=1, keepdims=True)
    relative = np.asarray(log_evidence - largest, float)
    prior = np.full(relative.shape[1], float(concentration))
    alpha, settled = prior + len(relative) / len(prior), False
    for _ in range(STEPS):
        chance = responsibilities(relative, alpha)
        plain = prior + chance.sum(axis=0)
        spread = np.diag(chance.sum(axis=0)) - chance.T @ chance
        away = np.eye(len(prior)) - spread * polygamma(1, alpha)
        move = np.linalg.lstsq(away, plain - alpha, rcond=None)[0]
        settled = bool(np.abs(move).max() <= TOLERANCE * alpha.sum())
        further = alpha + move
        better = bool((further > 0).all()) and (
            free_energy(relative, further, prior) >= free_energy(relative, plain, prior)
        )
        alpha = further if better else plain
        if settled:
            break
    bound = free_energy(relative, alpha, prior) + float(largest.sum())
    return RandomEffects(alpha, responsibilities(relative, alpha), bound, settled)


def responsibilities(
    log_evidence: Float[np.ndarray, "participant model"], alpha: Float[np.ndarray, " model"]
) -> Float[np.ndarray, "participant model"]:
    r"""Probability that each participant follows each model, :math:`g_{nk} \propto \exp\{L_{nk} + \psi(\alpha_k)\}`.

    Parameters
    ----------
    log_evidence : (participant, model)
        Log evidences.
    alpha : (model,)
        Parameters of the Dirichlet distribution.

    Returns
    -------
    (participant, model)
        Rows sum to 1.
    """
    score = log_evidence + digamma(alpha)
    return np.exp(score - np.logaddexp.reduce(score, axis=1, keepdims=True))


def free_energy(
    log_evidence: Float[np.ndarray, "participant model"],
    alpha: Float[np.ndarray, " model"],
    prior: Float[np.ndarray, " model"],
) -> float:
    r"""Lower bound of the log evidence at a Dirichlet distribution, with the best responsibilities for it.

    .. math::

        F(\alpha) = \sum_n \log \sum_k e^{L_{nk} + \psi(\alpha_k) - \psi(\sum_j \alpha_j)}
        - \mathrm{KL}\{\mathrm{Dir}(\alpha) \,\|\, \mathrm{Dir}(\alpha_0)\}

    Parameters
    ----------
    log_evidence : (participant, model)
        Log evidences.
    alpha, prior : (model,)
        Parameters of the Dirichlet distribution and of its prior.

    Returns
    -------
    float
        Nats; never above the log evidence, and equal to it where every participant's model is certain.
    """
    expected = digamma(alpha) - digamma(alpha.sum())
    gained = np.logaddexp.reduce(log_evidence + expected, axis=1).sum()
    divergence = log_beta(prior) - log_beta(alpha) + ((alpha - prior) * expected).sum()
    return float(gained - divergence)


def log_beta(alpha: Float[np.ndarray, " model"]) -> float:
    r"""Log of the normaliser of a Dirichlet density, :math:`\sum_k \log\Gamma(\alpha_k) - \log\Gamma(\sum_k \alpha_k)`.

    Parameters
    ----------
    alpha : (model,)
        Parameters of the Dirichlet distribution.

    Returns
    -------
    float
        Log of the multivariate beta function.
    """
    return float(gammaln(alpha).sum() - gammaln(alpha.sum()))


def equal_frequencies(log_evidence: Float[np.ndarray, "participant model"]) -> float:
    r"""Log evidence where all of `K` models are equally frequent, :math:`\sum_n \log \frac1K \sum_k e^{L_{nk}}`.

    Parameters
    ----------
    log_evidence : (participant, model)
        Log evidences.

    Returns
    -------
    float
        Nats, exact.
    """
    return float((np.logaddexp.reduce(log_evidence, axis=1) - np.log(log_evidence.shape[1])).sum())


def exceedance(alpha: Float[np.ndarray, " model"]) -> Float[np.ndarray, " model"]:
    r"""Probability that each model is the most frequent one, under a Dirichlet distribution.

    Dirichlet frequencies are independent gamma variables divided by their sum, so that

    .. math::

        P(r_k > r_j\ \forall j \ne k)
        = \int_0^\infty \frac{x^{\alpha_k - 1} e^{-x}}{\Gamma(\alpha_k)} \prod_{j \ne k} P(\alpha_j, x)\, dx

    with the regularised incomplete gamma function :math:`P`. The integral is a sum over equal steps of :math:`\log x`,
    which for such smooth, vanishing integrands is exact but for rounding; nothing is drawn.

    Parameters
    ----------
    alpha : (model,)
        Parameters of the Dirichlet distribution, above 0.

    Returns
    -------
    (model,)
        Probabilities that sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.random_effects import exceedance
    >>> exceedance(np.array([2.0, 1.0])).round(6).tolist()
    [0.75, 0.25]
    """
    alpha = np.asarray(alpha, float)
    small = (np.log(TAIL) + gammaln(alpha + 1)) / alpha
    low = np.where(alpha > 1, np.log(gammaincinv(np.maximum(alpha, 1.0), TAIL)), small)
    step = (np.log(gammainccinv(alpha, TAIL)) - low) / (NODES - 1)
    place = low[:, None] + step[:, None] * np.arange(NODES)
    below = gammainc(alpha[:, None, None], np.exp(place))
    below[np.arange(len(alpha)), np.arange(len(alpha))] = 1.0
    density = np.exp(alpha[:, None] * place - np.exp(place) - gammaln(alpha)[:, None])
    mass = (density * below.prod(axis=0)).sum(axis=1) * step
    return mass / mass.sum()
