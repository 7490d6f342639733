"""What recurrent dynamics do, and which units do it: for anything with ``step(state, input)``."""

from neurodyn.analysis.dynamics.courses import Course, course
from neurodyn.analysis.dynamics.fixed_points import (
    FixedPoints,
    as_rates,
    enumerated_fixed_points,
    fixed_points,
    growth_rates,
    jacobians,
    spectrum,
)
from neurodyn.analysis.dynamics.intervention_curves import InterventionCurve, Switched, intervention_curve
from neurodyn.analysis.dynamics.interventions import Silencing, Switching, matched_set, silencing, switching
from neurodyn.analysis.dynamics.lyapunov import lyapunov_exponents
from neurodyn.analysis.dynamics.orbits import NoiseCurve, Orbit, noise_curve, orbit
from neurodyn.analysis.dynamics.portraits import Portrait, kick_groups, portrait, zone_rates
from neurodyn.analysis.dynamics.presynaptic import PresynapticEffect, presynaptic_effect
from neurodyn.analysis.dynamics.protocol import (
    Dynamics,
    Mapped,
    ReadOut,
    Rectified,
    noisy_states,
    rollout,
)
from neurodyn.analysis.dynamics.residency import Zones, crossings, residency, zones
from neurodyn.analysis.dynamics.scores import (
    adjoint_score,
    crossing_score,
    group_weights,
    noise_sensitivity,
    presynaptic_score,
)

__all__ = [
    "Course",
    "Dynamics",
    "FixedPoints",
    "InterventionCurve",
    "Mapped",
    "NoiseCurve",
    "Orbit",
    "Portrait",
    "PresynapticEffect",
    "ReadOut",
    "Rectified",
    "Silencing",
    "Switched",
    "Switching",
    "Zones",
    "adjoint_score",
    "as_rates",
    "course",
    "crossing_score",
    "crossings",
    "enumerated_fixed_points",
    "fixed_points",
    "group_weights",
    "growth_rates",
    "intervention_curve",
    "jacobians",
    "kick_groups",
    "lyapunov_exponents",
    "matched_set",
    "noise_curve",
    "noise_sensitivity",
    "noisy_states",
    "orbit",
    "portrait",
    "presynaptic_effect",
    "presynaptic_score",
    "residency",
    "rollout",
    "silencing",
    "spectrum",
    "switching",
    "zone_rates",
    "zones",
]
