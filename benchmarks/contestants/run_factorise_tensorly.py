"""tensorly's non-negative factorisation: `hals`, or `updates` for multiplicative ones."""

import clock


def prepare(problem, iterations, options):
    """The tensor and the start, and as many sweeps as asked."""
    from tensorly.cp_tensor import CPTensor
    from tensorly.decomposition import non_negative_parafac, non_negative_parafac_hals

    values = problem["values"]
    start = [problem[f"start_{mode}"].astype(values.dtype) for mode in range(values.ndim)]
    rank = start[0].shape[1]
    method = non_negative_parafac_hals if "hals" in options else non_negative_parafac

    def fit():
        init = CPTensor((None, [factor.copy() for factor in start]))
        weights, factors = method(values, rank, n_iter_max=iterations, init=init, tol=0)
        factors = [factor.copy() for factor in factors]
        if weights is not None:
            factors[0] = factors[0] * weights
        return {f"factor_{mode}": factor for mode, factor in enumerate(factors)}

    return {"fit": fit}


if __name__ == "__main__":
    clock.run(prepare)
