"""Parameter recovery and calibration at the size the page writes."""

import numpy as np

from benchmarks.measure import Line, at_least
from benchmarks.predictive_coding.networks import golden_column

PARTICIPANTS, SEEDS = 100, (0, 1, 2)


def measure(quick: bool = False) -> list[Line]:
    """100 simulated agents of three levels, 400 trials each, fitted one by one under the package's weak priors.

    Parameters
    ----------
    quick : bool
        One seed.

    Returns
    -------
    list of Line
        Correlations with verdicts, calibration beside.
    """
    from neurodyn.models.predictive_coding import HGF, BinaryResponse, LogNormal, Normal, calibrate, recover
    from neurodyn.recording import make

    inputs = golden_column("u")
    shown = make(
        np.zeros((len(inputs), 1)),
        kind="binary",
        unit=["response"],
        covariates={"u": (inputs, "after", "exogenous")},
        time_unit="trial",
    )
    network = HGF(3, source="u", response=BinaryResponse())
    omega, beta = "x1.tonic_volatility", "response.inverse_temperature"
    population = {omega: Normal(-4.0, 1.0), beta: LogNormal(4.0, 0.5)}
    seeds = SEEDS[:1] if quick else SEEDS
    found = [
        recover(
            network,
            n_participants=PARTICIPANTS,
            n_time=len(inputs),
            key=seed,
            inputs=shown,
            population=population,
        )
        for seed in seeds
    ]
    lines = []
    prior = "true: omega ~ N(-4, 1), log beta ~ N(log 4, .5); priors of the fit: omega ~ N(-4, 3), log beta ~ N(0, 1.5)"
    for name, label in ((omega, "omega of node 1"), (beta, "log inverse temperature")):
        values = [float(one["correlation"].sel(parameter=name)) for one in found]
        slopes = [float(one["slope"].sel(parameter=name)) for one in found]
        covered = [float(one["coverage"].sel(parameter=name)) for one in found]
        note = f"seeds {', '.join(f'{value:.3f}' for value in values)}; slopes {', '.join(f'{one:.2f}' for one in slopes)}; "
        note += f"truths in the central 90 %: {', '.join(f'{one:.2f}' for one in covered)}; {prior}"
        lines.append(
            at_least(f"recovery of {label}, 100 agents x 400 trials: lowest r", min(values), 0.9, note=note)
        )
    own = HGF(
        3,
        source="u",
        response=BinaryResponse(LogNormal(4.0, 0.5)),
        learn=(),
        x1_tonic_volatility=Normal(-4.0, 1.0),
    )
    size = 50 if quick else 200
    ranks = calibrate(own, n_participants=size, n_time=len(inputs), key=0, inputs=shown)
    for name, label in ((omega, "omega of node 1"), (beta, "log inverse temperature")):
        one = ranks.sel(parameter=name)
        counts = ", ".join(str(int(count)) for count in one["count"].values)
        lines.append(
            Line(
                f"calibration of {label}, {size} agents from the prior: p of uniform ranks",
                f"{float(one['uniformity']):.3f}",
                note=f"ranks in tenths: {counts}; truths in the central 90 %: {float(one['coverage']):.2f}; Laplace "
                "posteriors",
            )
        )
    return lines
