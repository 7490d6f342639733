"""Principal components, learnt and applied with missing entries."""

import dataclasses

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference import factor_analysis as fa
from neurodyn.models.baselines.common import whole_number
from neurodyn.models.pipeline.step import Step, StepFit, with_units
from neurodyn.recording import arrays

_ROWS = 4_096  # bins whose units are predicted at once


@dataclasses.dataclass(frozen=True)
class PCA(Step):
    """Projection onto the leading principal components of the training entries.

    .. math:: y_t = V^T (x_t - \\mu)

    Complete data: the classical components. With missing entries they are those of probabilistic PCA, fitted by
    EM; in a bin with some units missing these are replaced by their expectation given the observed ones, and a
    bin with no observed unit stays missing. Predictions are mapped back by :math:`\\mu + V \\hat y`, with the
    discarded variance added to their variance; in a bin observed in part that the prediction may know, its missing
    units are expected given both the prediction of the scores and the observed units:
    :math:`\\mu_m + V_m \\, \\mathrm{E}[y_t \\mid x_{to}]` with :math:`y_t \\sim \\mathcal N(\\hat y_t, \\hat v_t)`.
    The likelihood lives in the reduced space.

    Parameters
    ----------
    n : int
        Number of components, at most the number of units.

    Raises
    ------
    ModelError
        If `n` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.pipeline import PCA
    >>> x = recording.make(np.random.default_rng(0).normal(size=(50, 4)), sampling_interval=1.0)
    >>> PCA(2).fit(x).forward(x)["unit"].values.tolist()
    ['pc0', 'pc1']

    References
    ----------
    Tipping, M. E. & Bishop, C. M. (1999). Probabilistic principal component analysis. Journal of the Royal
    Statistical Society B 61, 611-622. doi:10.1111/1467-9868.00196
    """

    component = "pca"
    citations = ("tipping1999",)

    n: int

    def __post_init__(self):
        whole_number("PCA", "n", self.n, 1)

    def fit(self, recording: xr.Dataset) -> "PCAFit":
        """Components of the training entries.

        Parameters
        ----------
        recording : xr.Dataset
            Training recording.

        Returns
        -------
        PCAFit
            The learnt projection.
        """
        values, mask = arrays(recording, np.float64)
        n_units = mask.shape[2]
        if self.n > n_units:
            raise ModelError(
                f"PCA: n is {self.n}, but the recording has {n_units} units; it must be at most that."
            )
        rows = mask.any(-1)
        values, mask = values[rows], mask[rows]
        if mask.all():
            mean = values.mean(0)
            variances, vectors = np.linalg.eigh(
                np.cov((values - mean).T, bias=True).reshape(n_units, n_units)
            )
            variances, vectors = np.maximum(variances[::-1], 0.0), vectors[:, ::-1]
            noise = float(variances[self.n :].mean()) if self.n < n_units else 0.0
            vectors, variances = vectors[:, : self.n], variances[: self.n]
        else:
            learnt, _, _ = fa.fit(values, mask, self.n, isotropic=True, tolerance=1e-5)
            vectors, scales, _ = np.linalg.svd(learnt.loadings, full_matrices=False)
            mean, noise = learnt.mean, float(learnt.noise[0])
            variances = np.square(scales) + noise
        sign = np.sign(np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], axis=0))
        parameters = xr.Dataset(
            {
                "mean": ("unit", mean),
                "components": (("unit", "component"), vectors * sign),
                "variance": ("component", variances),
                "noise": noise,
            },
            coords={"unit": recording["unit"].values, "component": [f"pc{i}" for i in range(self.n)]},
        )
        return PCAFit(model=self, parameters=parameters)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PCAFit(StepFit):
    """Learnt projection; `parameters` has ``components`` (unit, component), ``mean`` (unit), ``variance``."""

    @property
    def _rotation(self) -> bool:
        """Whether nothing is discarded."""
        return self.parameters.sizes["unit"] == self.parameters.sizes["component"]

    @property
    def _private(self) -> float:
        """Variance of what is left of a unit, kept away from zero where everything is kept."""
        noise, variance = float(self.parameters["noise"]), float(self.parameters["variance"].mean())
        return max(noise, 1e-6 * variance, 1e-12)

    def forward(self, recording: xr.Dataset) -> xr.Dataset:
        """Component scores.

        Parameters
        ----------
        recording : xr.Dataset
            In the original units.

        Returns
        -------
        xr.Dataset
            Units ``pc0``, ``pc1``, ...; NaN in bins without any observed unit.
        """
        values, mask = arrays(recording, np.float64)
        shape, n_units = mask.shape[:2], mask.shape[2]
        mean, vectors = self.parameters["mean"].values, self.parameters["components"].values
        values, mask = values.reshape(-1, n_units), mask.reshape(-1, n_units)
        partial = mask.any(1) & ~mask.all(1)
        if partial.any():
            scales = np.sqrt(np.maximum(self.parameters["variance"].values - self._private, 0.0))
            factors = fa.Factors(mean, vectors * scales, np.full(n_units, self._private))
            found = fa.posterior(factors, fa.group_rows(values[partial], mask[partial]))
            expected = mean + found.mean @ factors.loadings.T
            values[partial] = np.where(mask[partial], values[partial], expected)
        scores = ((values - mean) @ vectors).reshape(*shape, -1)
        seen = np.broadcast_to(mask.any(1).reshape(*shape, 1), scores.shape)
        return with_units(recording, scores, seen, self.parameters["component"].values.astype(str).tolist())

    def inverse(
        self, mean: np.ndarray, variance: np.ndarray | None, recording: xr.Dataset, *, mode: str, horizon: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Predictions of the original units.

        Parameters
        ----------
        mean, variance : np.ndarray
            Of the scores.
        recording : xr.Dataset
            In the original units; what it shows of a bin informs that bin's missing units.
        mode : str
            Under ``past`` a bin itself is not known, so it informs nothing.
        horizon
            Not used.

        Returns
        -------
        mean, variance : np.ndarray
            The variance has the discarded one added and takes the scores as uncorrelated.
        """
        del horizon
        vectors = self.parameters["components"].values
        left = np.maximum(float(self.parameters["noise"]) * (1 - np.square(vectors).sum(1)), 0.0)
        expected = self.parameters["mean"].values + mean @ vectors.T
        if variance is None:
            return expected, None
        spread = variance @ np.square(vectors).T + left
        if mode != "past":
            values, mask = arrays(recording, np.float64)
            partial = mask.any(-1) & ~mask.all(-1)
            for rows in np.array_split(np.argwhere(partial), -(-partial.sum() // _ROWS) or 1):
                at = tuple(rows.T)
                level, around = self._given_units(mean[at], variance[at], values[at], mask[at])
                expected[at] = np.where(mask[at], expected[at], level)
                spread[at] = np.where(mask[at], spread[at], around + left)
        return expected, spread

    def _given_units(
        self, mean: np.ndarray, variance: np.ndarray, values: np.ndarray, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the units given predicted scores and the observed units of the same bins."""
        vectors, centre = self.parameters["components"].values, self.parameters["mean"].values
        # What is certain already stays so.
        variance = np.maximum(variance, 1e-9 * float(self.parameters["variance"].mean()) + 1e-300)
        shown = mask / self._private
        precision = np.einsum("tu,ui,uj->tij", shown, vectors, vectors, optimize=True)
        precision[:, *np.diag_indices(vectors.shape[1])] += 1 / variance
        surprise = shown * (values - centre - mean @ vectors.T)
        covariance = np.linalg.inv(precision)
        scores = mean + np.einsum("tij,tj->ti", covariance, surprise @ vectors)
        around = np.einsum("ui,tij,uj->tu", vectors, covariance, vectors, optimize=True)
        return centre + scores @ vectors.T, around

    def likelihood_attrs(self, recording: xr.Dataset, attrs: dict[str, str]) -> dict[str, str]:
        """Reduced space unless nothing is discarded; an estimate where a bin was completed.

        Parameters
        ----------
        recording : xr.Dataset
            In the original units.
        attrs : dict
            After the step.

        Returns
        -------
        dict
            Before the step.
        """
        mask = arrays(recording).mask
        completed = (mask.any(-1) & ~mask.all(-1)).any()
        if not self._rotation:
            attrs = {**attrs, "space": "reduced"}
        return {**attrs, "kind": "estimate"} if completed and attrs["kind"] == "exact" else attrs


PCA.fit_type = PCAFit
