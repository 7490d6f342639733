"""
Kick neurons: which units make a network switch, and do they?
=============================================================

A network without biases, driven by noise, emits two symbols that each last for some twenty steps. It has no two
attractors to jump between: without noise everything decays to zero. So what holds a symbol, what ends it, and which
units do it? The page takes a small network apart and silences what it finds. Units that push towards the other symbol
are called kick neurons; the name is earned only where silencing them stops the switching, and silencing others does not.

The network has 64 units and is trained for half a minute on windows of 40 steps; the proof, ``make reproduce
SYSTEM=rnn-emulation``, trains 150 units for longer, and from several seeds, on a row of three states.
"""

# sphinx_gallery_thumbnail_number = 1
import jax
import numpy as np

from neurodyn import report
from neurodyn.analysis.dynamics import (
    adjoint_score,
    crossing_score,
    crossings,
    growth_rates,
    intervention_curve,
    kick_groups,
    lyapunov_exponents,
    portrait,
    silencing,
    zone_rates,
)
from neurodyn.models import HMMEmulator
from neurodyn.models.recurrent import Training
from neurodyn.simulate.symbol_chains import linear_chain
from neurodyn.validation import metrics

chain, N_STEPS, N_KICKS = linear_chain(2), 40, 10
settings = Training(
    batch_size=256,
    learning_rate=3e-3,
    last=0.1,
    weight_decay=0.0,
    clip=0.9,
    betas=(0.9, 0.9),
    average=0.98,
)
model = HMMEmulator(width=64, noise=64, steps=800, training=settings)
fit = model.fit(chain.sample(N_STEPS, n_trials=4096, key=100).drop_vars("state"), key=0)
target, emulated = (
    chain.sample(N_STEPS, n_trials=4096, key=5).drop_vars("state"),
    fit.simulate(N_STEPS, n_trials=4096, key=1, hidden=False),
)
for name, sample in {"target": target, "network": emulated}.items():
    found = metrics.sequence_statistics(sample)
    print(
        f"{name}: {float(found['volatility']):.2f} changes in a sequence, frequencies {found['frequency'].values.round(3)}"
    )

# %%
# Noise keeps it going
# --------------------
# Every state of noisy runs is coloured by how long its symbol will last, on average over fresh noise. Lines show where the
# network goes from there when the noise is taken away.

network = fit.dynamics()
runs = portrait(network, key=jax.random.key(0), n_runs=32, n_steps=60, n_rollouts=16)
growth = growth_rates(network, runs.flat[::4], n_steps=200)
noise = np.random.default_rng(0).normal(size=(200, network.n_input))
exponent = float(lyapunov_exponents(network, runs.states[-1, 0], noise, count=1, discard=50)[0])
print(f"without noise, distances from zero shrink to {growth.max():.3f} of themselves in a step at worst")
print(
    f"with it, two copies that receive the same noise {'meet' if exponent < 0 else 'part'}: exponent {exponent:.3f}"
)
low, high = runs.zones.bounds
kind = "the usual ones" if runs.zones.fixed else "thirds, as one of the usual zones holds too few states"
print(f"bounds between the zones: {low:.1f} and {high:.1f} steps ({kind})")
report.plot_orbit(runs)

# %%
# What the next step does to small differences, zone by zone: eigenvalues right of the line grow.

rates = zone_rates(network, runs, key=0, most=40)
for zone, values in rates.items():
    largest = values.real.max(axis=1)
    print(
        f"{zone}: largest rate {largest.mean():.3f} on average, growing in {(largest > 0).mean():.0%} of states"
    )
report.plot_zone_spectra(rates)

# %%
# Candidates
# ----------
# A unit's adjoint score is how far a typical change of it moves the logits towards the other symbol six steps later. The
# units with the largest scores for each direction make a group. Do they excite each other and inhibit the other group?

directions = [(0, 2), (2, 0)]
groups = kick_groups(network, runs, directions, key=jax.random.key(1), size=N_KICKS)
report.plot_grouped_weights(np.asarray(network.recurrent), groups)

# %%
# Another score looks at what happens instead of what would: which units rise when a run leaves a cluster for the zone of
# transitions on its way to the other symbol. It finds units that *code* the symbol too, which is another thing.

for origin, target_symbol in directions:
    events = crossings(runs.zones.zone, runs.symbols, origin, target_symbol, within=15)
    adjoint = adjoint_score(network, runs.flat, origin, target_symbol, key=jax.random.key(1))
    if events[4:].sum() < 2:
        print(f"{origin} to {target_symbol}: too few crossings in these runs")
        continue
    crossing = crossing_score(runs.states, events, key=0)
    leading = [set(np.argsort(-score)[:N_KICKS].tolist()) for score in (adjoint, crossing)]
    print(
        f"{origin} to {target_symbol}: {events.sum()} crossings; scores correlate by "
        f"{np.corrcoef(adjoint, crossing)[0, 1]:.2f}, {len(leading[0] & leading[1])} of {N_KICKS} units in common"
    )

# %%
# Silencing
# ---------
# Runs start from states that are read as one symbol, with the group held at zero. The controls are as many other units,
# at random, and units that the readout weighs alike: silencing those would change the reading without any kick.

for origin, target_symbol in directions:
    chosen = groups[f"{origin} to {target_symbol}"]
    effect = silencing(
        network,
        chosen,
        runs.flat,
        origin,
        target_symbol,
        key=jax.random.key(2),
        n_runs=128,
        n_controls=150,
    )
    confirmed = effect.effect >= 0.5 and max(effect.p_random, effect.p_matched) < 0.01
    print(
        f"{origin} to {target_symbol}, {len(chosen)} units: occupancy of the target {effect.intact_occupancy:.2f} to "
        f"{effect.occupancy:.2f}, random sets {effect.random.mean():.2f}, matched {effect.matched.mean():.2f}; "
        f"P(leave in 40 steps) {effect.intact_leaves:.2f} to {effect.leaves:.2f}"
    )
    print(
        f"   {'confirmed' if confirmed else 'not confirmed'}: loses {effect.effect:.0%}, p {effect.p_random:.3f} against "
        f"random and {effect.p_matched:.3f} against matched sets; silencing {effect.verdict}"
    )

# %%
# A dose
# ------
# Silencing takes away everything. Here what the group receives, from the network or from the noise, is scaled by 0 to 2.

curves = {
    f"0 to 2, {words} input": intervention_curve(
        network,
        groups["0 to 2"],
        runs.flat,
        0,
        2,
        key=jax.random.key(3),
        scaled=scaled,
        factors=(0.0, 0.5, 1.0, 1.5, 2.0),
        n_runs=128,
        n_controls=30,
    )
    for scaled, words in (("recurrent", "recurrent"), ("drive", "noise"))
}
for name, curve in curves.items():
    ends = ", ".join(f"{one:.2f}" for one in curve.chosen.occupancy)
    print(f"{name}: occupancy of the target {ends} at factors {curve.factors.tolist()}")
report.plot_intervention_curves(curves)

# %%
# How this analysis fails
# -----------------------
# - Units chosen because they matter for the logits matter for the logits. Without matched controls a set that is merely
#   read out strongly looks like a set that kicks.
# - "Traps" is said only where the symbol is left with a probability below .1; a set that merely slows is not what holds
#   the network.
# - Zones are a matter of degree. Where a network has few states that last under two steps, thirds are used, and a
#   "transition" is then only the third of the states that lasts least.
# - Without biases there is no resonance to find: see the noise curve of the page on three families.
# - This is one network. Whether another seed kicks with as many units, only other seeds can tell.
