"""Functional connectivity: of the data, of each state, and the order in which to show the units."""

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError


def functional_connectivity(recording: xr.Dataset, weight: xr.DataArray | None = None) -> xr.DataArray:
    """Pearson correlation between all pairs of units, over the bins in which both were observed.

    Parameters
    ----------
    recording : xr.Dataset
        A recording, ``activity`` on ``([trial,] time, unit)``; NaN = not observed.
    weight : xr.DataArray, optional
        Weight of each bin, dims ``([trial,] time)``, such as one state's probability.

    Returns
    -------
    xr.DataArray
        Correlations, dims ``(unit, unit_2)``; NaN for a pair without variance or never observed together.

    Raises
    ------
    ModelError
        If the weight does not have the recording's bins.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> x = np.arange(20.0)[:, None] * np.array([[1.0, -1.0]])
    >>> data = recording.make(x, sampling_interval=1.0)
    >>> functional_connectivity(data).round(6).values.tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    activity = recording["activity"]
    n_units = activity.sizes["unit"]
    values = activity.values.reshape(-1, n_units).astype(np.float64)
    bins = np.ones(len(values))
    if weight is not None:
        if weight.shape != activity.shape[:-1]:
            raise ModelError(
                f"weight has shape {weight.shape}; it must have the recording's {activity.shape[:-1]}."
            )
        bins = np.nan_to_num(weight.values.astype(np.float64)).ravel()
    seen = np.isfinite(values)
    share = seen * bins[:, None]
    total = share.sum(axis=0)
    summed = (np.where(seen, values, 0.0) * bins[:, None]).sum(axis=0)
    centre = np.divide(summed, total, out=np.zeros_like(total), where=total > 0)
    centred = np.where(seen, values - centre, 0.0)
    weighted = centred * bins[:, None]
    together = share.T @ seen.astype(np.float64)
    first = np.divide(weighted.T @ seen, together, out=np.zeros_like(together), where=together > 0)
    second = np.divide(
        (weighted * centred).T @ seen, together, out=np.zeros_like(together), where=together > 0
    )
    covariance = np.divide(weighted.T @ centred, together, out=np.zeros_like(together), where=together > 0)
    spread = second - first**2
    scale = np.sqrt(np.maximum(spread, 0) * np.maximum(spread.T, 0))
    usable = (together > 0) & (scale > 1e-12 * np.maximum(np.abs(covariance).max(initial=0.0), 1e-300))
    correlation = np.full((n_units, n_units), np.nan)
    np.divide(covariance - first * first.T, scale, out=correlation, where=usable)
    labels = activity["unit"].values
    return xr.DataArray(
        np.clip(correlation, -1.0, 1.0),
        dims=("unit", "unit_2"),
        coords={"unit": labels, "unit_2": labels},
        name="functional_connectivity",
    )


def state_connectivity(covariance: xr.DataArray) -> xr.DataArray:
    """Correlation between units within each state, from the state's covariance.

    .. math:: R_{k,ij} = \\Sigma_{k,ij} / \\sqrt{\\Sigma_{k,ii} \\Sigma_{k,jj}}

    Parameters
    ----------
    covariance : xr.DataArray
        Covariances, dims ``(state, unit, unit_2)`` or ``(unit, unit_2)``.

    Returns
    -------
    xr.DataArray
        Correlations with the same dims and labels.

    Raises
    ------
    ModelError
        If the last two dims differ in size, or a variance is not positive.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> c = xr.DataArray(np.array([[[4.0, 1.0], [1.0, 1.0]]]), dims=("state", "unit", "unit_2"))
    >>> float(state_connectivity(c)[0, 0, 1])
    0.5
    """
    values = covariance.values.astype(np.float64)
    if values.ndim < 2 or values.shape[-1] != values.shape[-2]:
        raise ModelError(
            f"the covariance has shape {values.shape}; its last two dims must be (unit, unit_2)."
        )
    variance = np.diagonal(values, axis1=-2, axis2=-1)
    if not (variance > 0).all():
        raise ModelError(f"a state's variance is {variance.min():g}; a correlation needs positive variances.")
    deviation = np.sqrt(variance)
    scaled = values / (deviation[..., :, None] * deviation[..., None, :])
    return covariance.copy(data=np.clip(scaled, -1.0, 1.0)).rename("state_connectivity")


def unit_order(correlation: xr.DataArray, groups: np.ndarray | None = None) -> np.ndarray:
    """Order of the units in which similar ones are neighbours.

    Parameters
    ----------
    correlation : xr.DataArray
        Correlations, dims ``(unit, unit_2)``; NaN counts as 0.
    groups : np.ndarray, optional
        Network or region of each unit, shape ``(unit,)``: groups stay together, in the order of their names,
        and units are clustered within them.

    Returns
    -------
    np.ndarray
        Positions of the units, shape ``(unit,)``, by average-linkage clustering with optimal leaf ordering.

    Raises
    ------
    ModelError
        If the groups are not one per unit.

    References
    ----------
    Bar-Joseph, Z., Gifford, D. K., Jaakkola, T. S. (2001). Fast optimal leaf ordering for hierarchical
    clustering. Bioinformatics 17. https://doi.org/10.1093/bioinformatics/17.suppl_1.S22

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> c = np.eye(4); c[0, 2] = c[2, 0] = c[1, 3] = c[3, 1] = 0.9
    >>> order = unit_order(xr.DataArray(c, dims=("unit", "unit_2")))
    >>> sorted(order[:2].tolist()) in ([0, 2], [1, 3])
    True
    """
    values = np.nan_to_num(np.asarray(correlation.values, dtype=np.float64))
    if groups is None:
        return _clustered(values)
    groups = np.asarray(groups).astype(str)
    if groups.shape != (len(values),):
        raise ModelError(
            f"groups has shape {groups.shape}; give one name for each of the {len(values)} units."
        )
    order = []
    for name in np.unique(groups):
        members = np.flatnonzero(groups == name)
        order.append(members[_clustered(values[np.ix_(members, members)])])
    return np.concatenate(order)


def _clustered(correlation: np.ndarray) -> np.ndarray:
    """Leaf order of an average-linkage tree on 1 - r."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(correlation) < 3:
        return np.arange(len(correlation))
    distance = 1.0 - (correlation + correlation.T) / 2
    np.fill_diagonal(distance, 0.0)
    condensed = np.maximum(squareform(distance, checks=False), 0.0)
    return leaves_list(linkage(condensed, method="average", optimal_ordering=len(correlation) <= 300))
