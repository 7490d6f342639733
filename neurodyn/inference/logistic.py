"""Ridge logistic regression of a binary answer, by Newton's method."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit

from neurodyn.inference.threads import one_thread

MOST_STEPS = 100
MOST_HALVINGS = 40
ROUNDING = 1e-12
TOLERANCE = 1e-10


class Logistic(NamedTuple):
    """A fitted regression.

    Attributes
    ----------
    bias : float
        Log-odds where every feature is 0.
    weights : Float[np.ndarray, " feature"]
        Change of the log-odds per unit of each feature.
    objective : Float[np.ndarray, " step"]
        Penalised log-likelihood at the start and after each step.
    converged : bool
        Whether the gradient has vanished.
    """

    bias: float
    weights: Float[np.ndarray, " feature"]
    objective: Float[np.ndarray, " step"]
    converged: bool


@one_thread()
def fit(
    features: Float[np.ndarray, "row feature"], target: Bool[np.ndarray, " row"], ridge: float
) -> Logistic:
    """Weights that maximise the penalised log-likelihood.

    .. math::

        \\sum_i \\log p(y_i \\mid b + w^T x_i) + \\log \\sigma(b) + \\log \\sigma(-b) - \\tfrac{\\lambda}{2} |w|^2

    The two terms after the likelihood are one answer of each kind where every feature is 0: they keep the bias finite
    where all answers are alike, and make it that of a Beta(1, 1) prior where there are no features.

    Parameters
    ----------
    features : Float[np.ndarray, "row feature"]
        Standardised.
    target : Bool[np.ndarray, " row"]
        The answers.
    ridge : float
        Penalty :math:`\\lambda`, above 0.

    Returns
    -------
    Logistic
        Bias, weights, objective and whether the steps have settled.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference import logistic
    >>> found = logistic.fit(np.zeros((8, 0)), np.arange(8) < 6, ridge=1.0)
    >>> round(float(np.exp(found.bias)), 6)
    2.333333
    """
    n_rows, n_features = features.shape
    rows = np.zeros((n_rows + 2, n_features + 1))
    rows[:, 0] = 1.0
    rows[:n_rows, 1:] = features
    sign = np.where(np.concatenate([target, [False, True]]), 1.0, -1.0)
    penalty = np.concatenate([[0.0], np.full(n_features, float(ridge))])

    def value(weights):
        return -np.logaddexp(0, -sign * (rows @ weights)).sum() - 0.5 * (penalty * np.square(weights)).sum()

    weights = np.zeros(n_features + 1)
    objective, converged = [value(weights)], False
    for _ in range(MOST_STEPS):
        rate = expit(rows @ weights)
        gradient = rows.T @ ((sign > 0) - rate) - penalty * weights
        if np.abs(gradient).max() <= TOLERANCE * len(rows):
            converged = True
            break
        information = (rows * (rate * (1 - rate))[:, None]).T @ rows + np.diag(penalty)
        move = np.linalg.solve(information, gradient)
        for halving in range(MOST_HALVINGS):
            candidate = weights + 0.5**halving * move
            reached = value(candidate)
            if reached >= objective[-1] - ROUNDING * abs(objective[-1]):
                break
        else:
            break
        weights = candidate
        objective.append(reached)
    return Logistic(float(weights[0]), weights[1:], np.array(objective), converged)
