"""Optional verbs: a fit inherits those it has, and lacks the others.

Each verb is written once; a model supplies the hook beginning with an underscore.
"""

import abc
import dataclasses
from typing import Any, ClassVar

import jax
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.random import as_key
from neurodyn.models.base import Fit, align_units
from neurodyn.models.warned import one_call
from neurodyn.recording import check


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HasLogLikelihood(Fit):
    """A fit that gives a density to recordings."""

    likelihood_kind: ClassVar[str] = "exact"
    space: ClassVar[str] = "data"

    @abc.abstractmethod
    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Terms log p(x_t | x_<t) over observed entries, shape ``(trial, time)``."""

    def _exact_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Which terms are exact, shape ``(trial, time)``."""
        shape = (recording.sizes.get("trial", 1), recording.sizes["time"])
        return np.full(shape, self.likelihood_kind == "exact")

    def _likelihood_attrs(self, recording: xr.Dataset) -> dict[str, str]:
        """Kind and space of the likelihood of this recording."""
        inexact = self.likelihood_kind if self.likelihood_kind != "exact" else "estimate"
        exact = bool(self._exact_terms(recording).all())
        return {"kind": "exact" if exact else inexact, "space": self.space}

    def log_likelihood(self, recording: xr.Dataset, given: xr.Dataset | None = None) -> xr.DataArray:
        """Log-likelihood of the observed entries, as terms that sum to the joint.

        .. math:: \\log p(x \\mid g) = \\log p(x, g) - \\log p(g)

        Parameters
        ----------
        recording : xr.Dataset
            The entries to score (NaN: not scored).
        given : xr.Dataset, optional
            Entries known beforehand; where both are observed, they must agree.

        Returns
        -------
        xr.DataArray
            Terms in nats on ``([trial,] time)``; attrs ``kind`` (``exact``, ``bound`` or ``estimate``) and
            ``space`` (``data``, or ``reduced`` after a step that is not invertible). The coordinate ``exact``
            says of every term whether it is (an autoregression's terms are exact wherever the bins it
            reaches back to were observed).

        Raises
        ------
        ModelError
            If the units do not fit, or `given` has another shape.
        """
        check(recording, kinds=self.model.kinds, model=self.model.name, allow_empty=True)
        aligned = align_units(recording, self.units, self.model.name)
        if given is None:
            terms = self._log_likelihood_terms(aligned)
            attrs, exact = self._likelihood_attrs(aligned), self._exact_terms(aligned)
        else:
            if given["activity"].shape != recording["activity"].shape:
                raise ModelError(
                    f"given has activity of shape {given['activity'].shape}, the recording "
                    f"{recording['activity'].shape}; they must be the same recording with different entries NaN."
                )
            known = align_units(given, self.units, self.model.name)
            both = aligned.assign(activity=aligned["activity"].fillna(known["activity"].values))
            both["activity"].attrs = dict(aligned["activity"].attrs)
            attrs, exact = self._likelihood_attrs(both), self._exact_terms(both)
            with one_call():
                terms = self._log_likelihood_terms(both)
                if known["activity"].notnull().any():
                    terms = terms - self._log_likelihood_terms(known)
            if known["activity"].notnull().any():
                exact = exact & self._exact_terms(known)
        activity = recording["activity"]
        dims = tuple(dim for dim in activity.dims if dim != "unit")
        coords = {name: coord for name, coord in activity.coords.items() if set(coord.dims) <= set(dims)}
        values, exact = (terms, exact) if "trial" in dims else (terms[0], exact[0])
        coords["exact"] = (dims, exact)
        return xr.DataArray(values, dims=dims, coords=coords, name="log_likelihood", attrs=attrs)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HasInfer(Fit):
    """A fit with latent variables."""

    @abc.abstractmethod
    def _infer(self, recording: xr.Dataset) -> xr.Dataset:
        """Posterior over the latents, labelled."""

    def infer(self, recording: xr.Dataset) -> xr.Dataset:
        """Posterior over the latent variables given every observed entry.

        Parameters
        ----------
        recording : xr.Dataset
            What is given.

        Returns
        -------
        xr.Dataset
            Labelled posterior (state probabilities, or latent mean and standard deviation, or beliefs).

        Raises
        ------
        ModelError
            If the units do not fit.
        """
        check(recording, kinds=self.model.kinds, model=self.model.name, allow_empty=True)
        return self._infer(align_units(recording, self.units, self.model.name))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HasAdapt(Fit):
    """A fit with local parameters (participant, session) beside the shared ones."""

    adapt_options: ClassVar[dict[str, Any]] = {}

    @abc.abstractmethod
    def _adapt(self, recording: xr.Dataset, *, key: jax.Array | None, options: dict[str, Any]) -> Fit:
        """Learn the local parameters of the recording's labels, the shared ones frozen."""

    def adapt(self, recording: xr.Dataset, *, key: int | jax.Array | None = None, **options: Any) -> Fit:
        """Learn local parameters from a recording's observed entries, the shared ones frozen.

        Parameters
        ----------
        recording : xr.Dataset
            Recording with labels (participants, sessions) the fit does not know yet.
        key : int or jax.Array, optional
            Needed only where adapting is stochastic.
        **options
            Options listed in `adapt_options`.

        Returns
        -------
        Fit
            A fit that also knows the new labels; entries adapted on must not be scored.

        Raises
        ------
        ModelError
            If an option is unknown or the units do not fit.
        """
        unknown = sorted(set(options) - set(self.adapt_options))
        if unknown:
            raise ModelError(
                f"adapt got the unknown option {unknown[0]!r}; it takes "
                f"{', '.join(self.adapt_options) or 'no options'}."
            )
        check(recording, kinds=self.model.kinds, model=self.model.name)
        aligned = align_units(recording, self.units, self.model.name)
        typed_key = None if key is None else as_key(key)
        return self._adapt(aligned, key=typed_key, options={**self.adapt_options, **options})


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HasSimulate(Fit):
    """A generative fit."""

    @abc.abstractmethod
    def _simulate(self, n_time: int, n_trials: int, key: jax.Array, options: dict[str, Any]) -> xr.Dataset:
        """Draw a labelled recording; latents as further variables."""

    def simulate(
        self, n_time: int, *, key: int | jax.Array, n_trials: int | None = None, **options: Any
    ) -> xr.Dataset:
        """Draw a fresh recording from the fitted model.

        Parameters
        ----------
        n_time : int
            Bins per trial.
        key : int or jax.Array
            Explicit randomness.
        n_trials : int, optional
            Number of independent trials; None gives a recording without a trial dim.
        **options
            Options of the model's simulator.

        Returns
        -------
        xr.Dataset
            A recording that passes `neurodyn.recording.check`, with the latents as further variables.

        Raises
        ------
        ModelError
            If a size is not positive.
        """
        for label, size in (("n_time", n_time), ("n_trials", 1 if n_trials is None else n_trials)):
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
                raise ModelError(f"{label} is {size!r}; it must be a whole number, 1 or more.")
        drawn = self._simulate(int(n_time), int(n_trials or 1), as_key(key), options)
        if n_trials is None and "trial" in drawn.dims:
            drawn = drawn.isel(trial=0, drop=True)
            drawn = drawn.drop_vars([name for name in ("start_time", "n_bins") if name in drawn.coords])
        return check(drawn, kinds=self.model.kinds, model=self.model.name)


def exact_by_reach(mask: np.ndarray, reach: int) -> np.ndarray:
    """Which bins have the `reach` bins before them observed whole, or nothing to score; ``(trial, time)``.

    What lies before a trial's first bin is part of the model, so it counts as known.
    """
    n_trials, n_time = mask.shape[:2]
    whole = np.concatenate([np.ones((n_trials, reach), bool), np.all(mask, axis=2)], axis=1)
    gaps = np.cumsum(np.concatenate([np.zeros((n_trials, 1), int), ~whole], axis=1), axis=1)
    missing = gaps[:, reach : reach + n_time] - gaps[:, :n_time]
    return (missing == 0) | ~np.any(mask, axis=2)
