"""Electrodes on the cortex and in the subthalamic nucleus during three grips: components in a band against grip force.

Nineteen seconds and three grips: a demonstration, not a finding. Nothing has a bar here. p values are corrected over the
components of a row and not over rows; while this was built some seventy combinations of measure, band, window and component
were looked at, and none would survive a correction for that many.
"""

import numpy as np
import xarray as xr

from benchmarks.dynamic_connectome.data import ecog
from benchmarks.measure import Line
from neurodyn.models.connectome import BandCoherence, EnvelopeCorrelation, PhaseLocking, affinity, factorise
from neurodyn.validation import association

BETA, GAMMA, WINDOW, RANK, STEP = (13.0, 30.0), (60.0, 90.0), 501, 3, 50


def associated(measure, seed: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Components of a measure, and how each follows the grip force (every 50 ms)."""
    data, force = ecog()
    pairs = affinity(data, measure).isel(time=slice(0, None, STEP))
    pairs.attrs["sampling_interval"] = float(data.attrs["sampling_interval"]) * STEP
    factors = factorise(pairs, RANK, key=seed, clock="own", restarts=5)
    smooth = force.rolling(time=STEP, center=True, min_periods=1).mean().isel(time=slice(0, None, STEP))
    course = factors["course"].isel(trial=0, drop=True)
    return factors, association(course, smooth, key=seed, n_shifts=500)


def measure(*, quick: bool) -> list[Line]:
    """Coherence in the beta band with its verdict, other measures beside it."""
    rate = 1000.0
    measures = {
        "coherence, 13-30 Hz": BandCoherence(band=BETA, window=WINDOW, rate=rate),
        "phase locking, 13-30 Hz": PhaseLocking(band=BETA, window=WINDOW, rate=rate),
        "correlation of envelopes, 13-30 Hz": EnvelopeCorrelation(band=BETA, window=WINDOW, rate=rate),
        "coherence, 60-90 Hz": BandCoherence(band=GAMMA, window=WINDOW, rate=rate),
    }
    lines = []
    for number, (name, one) in enumerate(measures.items()):
        if quick and number:
            break
        factors, found = associated(one, 0)
        best = int(np.nanargmax(np.abs(found["value"].values[0])))
        p_value = float(found["p_adjusted"][0, best])
        strongest = factors["pair"].isel(component=best).to_series().nlargest(3).index
        words = (
            f"component {best} of {RANK}: {', '.join(strongest)}; corrected over components, circular shifts"
        )
        value = f"{float(found['value'][0, best]):+.2f}, p {p_value:.3f}"
        lines.append(Line(f"Grip: {name}, correlation of a component with the force", value, note=words))
    return lines
