"""
A three-armed bandit: learning from what was chosen alone
=========================================================

Three arms, one is taken, and only that one shows what it paid. What the others would have paid stays unknown, and with time
the belief about them becomes less certain. This page builds such an agent, lets it play, and recovers its parameters.

All data here are simulated.
"""

# sphinx_gallery_thumbnail_number = 2
import numpy as np

import neurodyn
from neurodyn import report
from neurodyn.models import create
from neurodyn.models.predictive_coding import (
    Belief,
    Input,
    LogNormal,
    Normal,
    PredictiveCodingNetwork,
    Shared,
    SoftmaxResponse,
    recover,
)
from neurodyn.validation import holdout

arms = ("left", "middle", "right")

# %%
# The network
# -----------
# Every arm has an input and a belief. The tonic volatility of all three is one parameter, because it has one label. The
# choice goes by the predicted chance of a reward of each arm.

volatility = Shared("volatility", Normal(-2.0, 1.0))
network = PredictiveCodingNetwork(
    nodes=(
        *(Input(f"reward {arm}", source=f"paid {arm}") for arm in arms),
        *(Belief(arm, value_children=(f"reward {arm}",), tonic_volatility=volatility) for arm in arms),
    ),
    response=SoftmaxResponse(tuple(f"reward {arm}" for arm in arms), LogNormal(5.0, 0.5)),
)
report.plot_hierarchy(network)

# %%
# The environment
# ---------------
# A function that is told the trial and the response, and gives the value of every input: NaN where nothing was shown. The
# best arm moves on every sixty trials.


def environment(trial, response, random):
    """One arm pays with a chance of .8, one of .5, one of .2; only the chosen one shows it."""
    chance = np.roll([0.8, 0.5, 0.2], trial // 60)
    shown = np.full(3, np.nan)
    shown[int(response)] = random.uniform() < chance[int(response)]
    return shown


agent = network.at({"volatility": -2.0, "response.inverse_temperature": 5.0}, unit=["arm"])
played = agent.simulate(240, key=0, environment=environment).drop_vars("expected_mean")
print(neurodyn.recording.describe(played))
report.plot_beliefs(agent, played)

# %%
# Recovery
# --------
# Thirty agents play in the same environment; each is then fitted.

recovered = recover(network, n_participants=30, n_time=240, key=1, environment=environment)
report.plot_recovery(recovered)

# %%
# On held-out choices
# -------------------
# Of eight agents, later choices are predicted from the past, parameters learnt from the other blocks. The opponents do not
# know the rewards of single arms, only which was chosen before, or how often.

values = {"volatility": np.linspace(-3, -1, 8), "response.inverse_temperature": np.full(8, 5.0)}
group = network.at(values, unit=["arm"]).simulate(240, key=2, n_trials=8, environment=environment)
group = group.drop_vars("expected_mean")
comparison = neurodyn.compare(
    {"beliefs about arms": network, "preference": create("mean")},
    group,
    holdout.blocks(4),
    key=0,
    nulls=(),
    metrics=["bits_per_choice", "accuracy"],
)
report.plot_scores(comparison, metrics=["bits_per_choice"])

# %%
# How this analysis fails
# -----------------------
# - With a high inverse temperature and a low volatility an agent stays with one arm. Then nothing is learnt of the others,
#   nor of the parameters: look at the recovery in your own environment before you fit anyone.
# - Perseveration looks like low volatility. ``SoftmaxResponse(perseveration=Normal(0.0, 1.0))`` lets the data decide.
