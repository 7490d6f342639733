"""A brain signal as the input of a volatility-tracking filter: causal one-step prediction beside autoregression."""

from typing import Any

from benchmarks.measure import Line, NotMeasured, unmeasured
from benchmarks.recordings import resting_subject
from benchmarks.switching_glm.real_scores import paired_line, score, table_lines

METRICS = {"log_likelihood": "nats/value", "r2": "share of variance"}
FILTER, SLOPED, AUTOREGRESSION, LAST = "level and volatility", "with a slope", "AR ridge", "last value"


def mean_signal() -> Any:
    """Mean of all regions of a resting subject, standardised."""
    from neurodyn.recording import make

    regions = resting_subject()
    signal = regions["activity"].values.mean(axis=-1)
    signal = (signal - signal.mean()) / signal.std()
    interval = float(regions.attrs["sampling_interval"])
    return make(signal[:, None], sampling_interval=interval, unit=["mean signal"], modality="fmri")


def filters() -> dict[str, Any]:
    """A level with its volatility, and the same with a slope that dies away."""
    from neurodyn.models.predictive_coding import (
        HGF,
        Belief,
        Input,
        LogNormal,
        Normal,
        PredictiveCodingNetwork,
    )

    common: dict[str, Any] = {"update": "unbounded", "unknown": "prior"}
    learn = ("u.precision", "x1.tonic_volatility", "x2.tonic_volatility")
    sloped = (
        Input("signal", kind="continuous", precision=LogNormal(10.0, 2.0)),
        Belief("level", value_children=("signal",), tonic_volatility=Normal(-4.0, 3.0)),
        Belief(
            "slope",
            value_children=("level",),
            autoconnection=Normal(0.8, 0.2),
            tonic_volatility=Normal(-4.0, 3.0),
        ),
        Belief("volatility", volatility_children=("level",), tonic_volatility=-4.0),
    )
    return {
        FILTER: HGF(2, inputs="continuous", learn=learn, x2_initial_mean=0.0, **common),
        SLOPED: PredictiveCodingNetwork(nodes=sloped, **common),
    }


def measure(quick: bool = False) -> list[Line]:
    """One resting subject's mean signal: held-out blocks, one step ahead.

    Parameters
    ----------
    quick : bool
        Three blocks instead of five.

    Returns
    -------
    list of Line
        Differences with verdicts, and the table.
    """
    from neurodyn.models import create
    from neurodyn.validation import holdout

    where = "resting mean signal, one step ahead"
    try:
        recording = mean_signal()
    except NotMeasured as error:
        return [unmeasured(f"{where}: filter over AR ridge", "> 2 standard errors", str(error))]
    models = {**filters(), AUTOREGRESSION: create("ar_ridge"), LAST: create("persistence")}
    scores = score(recording, holdout.blocks(3 if quick else 5), {}, models, tuple(METRICS), {})
    lines = [
        paired_line(f"{where}: {mine} over {other}", scores, mine, other, "r2", METRICS["r2"])
        for mine, other in ((SLOPED, AUTOREGRESSION), (SLOPED, LAST), (SLOPED, FILTER), (FILTER, LAST))
    ]
    return [*lines, *table_lines(where, scores, list(models), METRICS)]
