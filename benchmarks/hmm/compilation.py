"""A second fit of the same shape compiles nothing, for two emissions, with new data and a new key."""

import numpy as np

from benchmarks.contestants.clock import Compilations, timed
from benchmarks.measure import HOLDS, SHORT, Line


def measure(quick: bool = False) -> list[Line]:
    """Fit twice; count JAX's traces and compiled programs of the second fit.

    Parameters
    ----------
    quick : bool
        Makes no difference here.

    Returns
    -------
    list of Line
        One for each emission.
    """
    del quick
    from neurodyn.models import HMM
    from neurodyn.recording import make

    compilations = Compilations().listen()
    lines = []
    for kind in ("continuous", "count"):
        rng = np.random.default_rng(0)

        def recording(kind=kind, rng=rng):
            means = np.repeat(rng.uniform(1, 8, size=(20, 3)), 25, axis=0)
            values = rng.poisson(means) if kind == "count" else means + rng.normal(size=means.shape)
            return make(values.astype(float), sampling_interval=0.1, kind=kind)

        one, two = recording(), recording()
        _, first = timed(lambda one=one: HMM(n_states=3).fit(one, key=0), compilations)
        _, second = timed(lambda two=two: HMM(n_states=3).fit(two, key=1), compilations)
        none = second["traces"] == 0 and second["compiled"] == 0
        lines.append(
            Line(
                f"a second fit of the same shape compiles nothing ({kind})",
                f"{second['traces']} traces, {second['compiled']} programs compiled",
                "0",
                HOLDS if none else SHORT,
                f"first fit {first['traces']} traces, {first['compile_wall']:.1f} of {first['wall']:.1f} s compiling",
            )
        )
    return lines
