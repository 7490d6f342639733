"""Factors and relative errors after every sweep of tensorly's non-negative factorisation, from a given start.

`python oracle_tensorly.py problem.npz output.npz`: the problem holds `values`, `start_0` ... and `n_sweeps`. The answer
holds, of `non_negative_parafac_hals` as it comes ("whole") and of sweeps composed of tensorly's
`unfolding_dot_khatri_rao` and `hals_nnls` with one pass ("single"), the relative error after every sweep and the last
factors.
"""

import sys

import numpy as np


def whole(values, start, n_sweeps):
    """The packaged algorithm: five inner passes a mode, `exact=False`; errors as it reports them."""
    from tensorly.cp_tensor import CPTensor
    from tensorly.decomposition import non_negative_parafac_hals

    init = CPTensor((None, [factor.copy() for factor in start]))
    # Errors are reported where the tolerance is not 0; the smallest one never stops it.
    (weights, factors), errors = non_negative_parafac_hals(
        values, start[0].shape[1], n_iter_max=n_sweeps, init=init, tol=1e-300, exact=False, return_errors=True
    )
    return [factors[0] * weights, *factors[1:]], errors


def single(values, start, n_sweeps):
    """One pass over the components a mode and sweep, by tensorly's public parts."""
    from tensorly.cp_tensor import cp_to_tensor, unfolding_dot_khatri_rao
    from tensorly.solvers.nnls import hals_nnls

    factors, errors = [factor.copy() for factor in start], []
    for _ in range(n_sweeps):
        for mode in range(values.ndim):
            target = unfolding_dot_khatri_rao(values, (None, factors), mode)
            others = [factor for which, factor in enumerate(factors) if which != mode]
            inner = np.prod([factor.T @ factor for factor in others], axis=0)
            factors[mode] = hals_nnls(target.T, inner, factors[mode].T.copy(), n_iter_max=1, exact=False).T
        rest = values - cp_to_tensor((None, factors))
        errors.append(np.linalg.norm(rest) / np.linalg.norm(values))
    return factors, errors


def main():
    """Answer both ways."""
    with np.load(sys.argv[1]) as stored:
        values, n_sweeps = stored["values"], int(stored["n_sweeps"])
        start = [stored[f"start_{mode}"] for mode in range(values.ndim)]
    found = {}
    for name, way in (("whole", whole), ("single", single)):
        factors, errors = way(values, start, n_sweeps)
        found[f"{name}_errors"] = np.array(errors, dtype=float)
        found |= {f"{name}_factor_{mode}": np.asarray(factor) for mode, factor in enumerate(factors)}
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()
