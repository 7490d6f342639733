"""The loop of expectation-maximisation, one stage of a fit at a time; a killed fit goes on to the same numbers.

None of its iterations lowers the objective, except that a learnt spread of the prior moves the objective itself; the
best parameters met are kept. With one state this is Newton's method.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.em import TransitionPrior
from neurodyn.inference.em_state import HMMParameters
from neurodyn.inference.glm.design import Design
from neurodyn.inference.glm.families import Family
from neurodyn.inference.glm.hyper import PriorState
from neurodyn.inference.glm.newton import Spectrum
from neurodyn.inference.glm.passes import state_likelihoods
from neurodyn.inference.glm.switching import (
    Chain,
    Maximiser,
    Parameters,
    Run,
    Settings,
    compiled_penalty,
    expectations,
    projected,
)

PATIENCE = 2  # small gains in a row that end a run with states; Newton's method ends with the first


@light_jit(static_argnames=("prior",))
def _chain_step(
    first: Array, pairs: Array, initial: Array, transition: Array, *, prior: TransitionPrior
) -> tuple[Array, Array]:
    """Initial distribution and transitions from expected counts."""
    return prior.maximise(first, pairs, HMMParameters(initial, transition, None))


@light_jit(static_argnames=("prior",))
def _chain_density(initial: Array, transition: Array, *, prior: TransitionPrior) -> Array:
    """Log prior of the chain."""
    return prior.log_density(HMMParameters(initial, transition, None))


class Loop:
    """Expectation-maximisation from one start.

    Parameters
    ----------
    start : Parameters
        Where to begin.
    design, chain, family, prior, transition_prior
        The recording, its time axis, observation model and priors.
    settings : Settings
        Stopping rule; checkpoints.
    stage : str
        Name of this run in the checkpoint.
    posterior : Array, optional
        State probabilities ``(time, state)`` that the first M-step takes instead of an E-step's.
    n_products : int
        Most products with the curvature matrix in one step.
    """

    def __init__(
        self,
        start: Parameters,
        design: Design,
        chain: Chain,
        family: Family,
        prior: PriorState,
        transition_prior: TransitionPrior,
        settings: Settings,
        stage: str,
        posterior: Array | None,
        n_products: int,
    ) -> None:
        self.design, self.chain, self.family = design, chain, family
        self.prior, self.transition_prior = prior, transition_prior
        self.settings, self.stage = settings, stage
        self.maximise = Maximiser(design, family, prior, n_products)
        self.parameters = start._replace(weights=projected(start.weights, prior.penalty(start.weights)))
        self.first_posterior = posterior
        n_states, n_time = start.transition.shape[0], design.targets.shape[0]
        level = jnp.full((n_time, n_states), 1 / n_states, design.targets.dtype)
        self.run = Run(self.parameters, [], level)
        self.likelihood: Array | None = None
        self.small = self.iteration = 0
        self.bins = max(float(np.asarray(design.seen).sum()), 1.0)

    def __call__(self) -> Run:
        """Run to the end."""
        try:
            self._resume()
            if self.likelihood is None:
                self._begin()
            while self.iteration < self.settings.max_iterations and not self._over():
                self._advance()
                store = self.settings.store
                if store is not None and store.due():
                    store.keep(self.stage, self._arrays())
                    store.write()
            if (
                not self._over() and len(self.run.objective) <= self.iteration
            ):  # what the last M-step was worth
                self._accept(*self._expected())
        except KeyboardInterrupt:
            self.run.interrupted = True
        if self.settings.store is not None:
            self.settings.store.keep(self.stage, self._arrays())
        return self.run

    def _over(self) -> bool:
        """Whether it has come to an end."""
        return self.run.converged or bool(self.run.failed)

    def _begin(self) -> None:
        """Likelihoods at the start, after a first M-step where state probabilities were given."""
        if self.first_posterior is not None:
            self.parameters, self.likelihood = self.maximise(self.parameters, self.first_posterior)
            self.run.parameters = self.parameters
        else:
            self.likelihood = self._likelihood()

    def _likelihood(self) -> Array:
        """Likelihood of every state at the parameters."""
        return state_likelihoods(
            self.parameters.weights, self.parameters.scale, self.design, family=self.family
        )

    def _advance(self) -> None:
        """One E-step, its objective, and one M-step."""
        run = self.run
        found, objective = self._expected()
        gain = self._accept(found, objective)
        if run.failed:
            return
        self.small = (
            self.small + 1 if self.prior.settled and gain < self.settings.tolerance * self.bins else 0
        )
        n_states = self.parameters.transition.shape[0]
        if self.small >= (PATIENCE if n_states > 1 else 1):
            run.converged = True
            return
        if self.settings.report is not None:
            self.settings.report(self.iteration + 1)
        self._maximise(found)
        self.iteration += 1

    def _expected(self) -> tuple[Any, float]:
        """The E-step, and the objective at the parameters."""
        likelihood = self._likelihood() if self.likelihood is None else self.likelihood
        found = expectations(likelihood, self.parameters, self.chain)
        return found, float(np.asarray(found.log_normalizer, float).sum()) + self._log_prior(self.parameters)

    def _accept(self, found: Any, objective: float) -> float:
        """Keep the parameters where the objective rose, and say by how much."""
        run = self.run
        if not np.isfinite(objective):
            run.failed = f"the objective is not finite at iteration {self.iteration + 1}"
            return np.nan
        gain = objective - run.objective[-1] if run.objective else np.inf
        if gain >= 0 or not self.prior.settled:
            run.parameters, run.posterior, run.average = (
                self.parameters,
                found.smoothed,
                self.maximise.average,
            )
        if not self.prior.settled:
            run.objective.clear()  # of another objective
        run.objective.append(max(objective, run.objective[-1]) if run.objective else objective)
        return gain

    def _maximise(self, found: Any) -> None:
        """One M-step."""
        maximise, parameters = self.maximise, self.parameters
        weight = found.smoothed * jnp.asarray(self.chain.valid, found.smoothed.dtype)[:, None]
        if maximise.spectrum is not None and maximise.average is not None:
            self.prior.learn(parameters.weights, maximise.spectrum, maximise.average)
        if parameters.transition.shape[0] == 1:
            maximise.tolerance = float(np.clip(0.3 * 0.4**self.iteration, 1e-3, 0.1))
        initial, transition = _chain_step(
            found.initial_counts,
            found.transition_counts,
            parameters.initial,
            parameters.transition,
            prior=self.transition_prior,
        )
        self.parameters, self.likelihood = maximise(parameters, weight)
        self.parameters = self.parameters._replace(initial=initial, transition=transition)
        rescaled = maximise.rescale(self.parameters, weight)
        if rescaled is not None:
            self.parameters = rescaled
            self.likelihood = self._likelihood()

    def _log_prior(self, parameters: Parameters) -> float:
        """Log prior of weights and chain."""
        penalty = self.prior.penalty(parameters.weights)
        weights = -float(np.asarray(compiled_penalty(parameters.weights, penalty), float).sum())
        density = float(
            _chain_density(parameters.initial, parameters.transition, prior=self.transition_prior)
        )
        return weights + self.prior.log_prior(parameters.weights) + density

    def _arrays(self) -> dict[str, np.ndarray]:
        """Everything that the numbers of the rest depend on."""
        found = {f"parameters{i}": leaf for i, leaf in enumerate(jax.tree.leaves(self.parameters))}
        found |= {f"best{i}": leaf for i, leaf in enumerate(jax.tree.leaves(self.run.parameters))}
        found |= {
            "posterior": self.run.posterior,
            "objective": np.asarray(self.run.objective, float),
            "counters": np.array([self.small, self.iteration, self.maximise.calls, self.run.converged]),
            "tolerance": np.array(self.maximise.tolerance),
            "failed": np.array(self.run.failed),
            "deviations": np.array(
                [
                    np.nan if one is None else one
                    for one in (self.prior.deviation, self.prior.mean_deviation, self.prior.rounding)
                ]
            ),
        }
        optional = {
            "likelihood": self.likelihood,
            "average": self.maximise.average,
            "bend": self.maximise.bend,
            "mean": self.run.average,
        }
        if self.maximise.spectrum is not None:
            optional |= self.maximise.spectrum._asdict()
        found |= {name: array for name, array in optional.items() if array is not None}
        return {name: np.asarray(array) for name, array in found.items()}

    def _resume(self) -> None:
        """Take up a run that a checkpoint holds."""
        store = self.settings.store
        stored = None if store is None else store.load(self.stage)
        if stored is None:
            return
        tree = jax.tree.structure(self.parameters)

        def parameters(prefix: str) -> Parameters:
            leaves = [jnp.asarray(stored[f"{prefix}{i}"]) for i in range(tree.num_leaves)]
            return jax.tree.unflatten(tree, leaves)

        def optional(name: str) -> Array | None:
            return jnp.asarray(stored[name]) if name in stored else None

        self.parameters, self.likelihood = parameters("parameters"), optional("likelihood")
        self.small, self.iteration, self.maximise.calls, converged = (int(one) for one in stored["counters"])
        self.run = Run(
            parameters("best"),
            stored["objective"].tolist(),
            jnp.asarray(stored["posterior"]),
            converged=bool(converged),
            failed=str(stored["failed"]),
            average=optional("mean"),
        )
        self.maximise.average, self.maximise.tolerance = optional("average"), float(stored["tolerance"])
        self.maximise.bend = optional("bend")
        if "vectors" in stored:
            self.maximise.spectrum = Spectrum(*(jnp.asarray(stored[name]) for name in Spectrum._fields))
        known = [None if np.isnan(one) else float(one) for one in stored["deviations"]]
        self.prior.deviation, self.prior.mean_deviation = known[:2]
        self.prior.rounding = known[2] or 0.0


def run_em(
    start: Parameters,
    design: Design,
    chain: Chain,
    family: Family,
    prior: PriorState,
    transition_prior: TransitionPrior,
    settings: Settings,
    *,
    stage: str = "run",
    posterior: Array | None = None,
    n_products: int = 5,
) -> Run:
    """Expectation-maximisation from one start: `Loop` as a function.

    Returns
    -------
    Run
        The best parameters found.
    """
    return Loop(
        start, design, chain, family, prior, transition_prior, settings, stage, posterior, n_products
    )()
