"""tensortools' non-negative factorisation by hierarchical alternating least squares, in the precision of the tensor."""

import clock
import numpy as np


def prepare(problem, iterations, options):
    """The tensor and the start, and as many sweeps as asked."""
    del options
    import tensortools

    values = problem["values"]
    start = [problem[f"start_{mode}"].astype(values.dtype) for mode in range(values.ndim)]
    rank, last = start[0].shape[1], {}

    def fit():
        # It stops after one sweep more than max_iter.
        found = tensortools.ncp_hals(
            values,
            rank,
            init=tensortools.KTensor([factor.copy() for factor in start]),
            tol=-np.inf,
            max_iter=iterations - 1,
            verbose=False,
        )
        # It records the root of the squared error over the norm, whose rounding in single precision is undone here.
        norm, exact = float(np.linalg.norm(values)) ** 2, float(np.square(values, dtype=np.float64).sum())
        last["trace"] = [0.5 * (norm * (float(one) ** 2 - 1) + exact) for one in found.obj_hist]
        return {f"factor_{mode}": np.asarray(found.factors[mode]) for mode in range(values.ndim)}

    return {"fit": fit, "repeats": 3, "about": lambda: last}


if __name__ == "__main__":
    clock.run(prepare)
