"""The loss, its masks and the network put together."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.inference.vae.decoders import LinearDecoder
from neurodyn.inference.vae.encoders import GRUEncoder
from neurodyn.inference.vae.langevin import LangevinFlow
from neurodyn.inference.vae.likelihoods import Poisson
from neurodyn.inference.vae.network import Network
from neurodyn.inference.vae.objective import Masking, Objective, Trials
from neurodyn.inference.vae.potentials import CoupledChannels

N_TRIALS, N_TIME, N_UNITS = 6, 8, 4
SEEDS = np.array([5, 6, 7, 8], np.uint32)


def network(**changes) -> Network:
    parts = {
        "encoder": GRUEncoder(4, dropout=0.0),
        "latent": LangevinFlow(width=4, potential=CoupledChannels(2)),
        "decoder": LinearDecoder(4),
        "likelihood": Poisson(),
    }
    return Network(**{**parts, **changes})


def trials(seed: int = 0) -> Trials:
    rng = np.random.default_rng(seed)
    scored = np.ones((N_TRIALS, N_TIME, N_UNITS), bool)
    scored[0, 5:] = False
    fed = scored.copy()
    fed[:, :, 3] = False
    values = np.where(scored, rng.poisson(1.0, scored.shape), 0).astype(np.float32)
    return Trials(*(jnp.asarray(a) for a in (values, fed, scored)))


CONTEXT = {"seeds": jnp.asarray(SEEDS), "mean": jnp.ones(N_UNITS), "deviation": jnp.ones(N_UNITS)}


def start(net: Network):
    return net.start(np.random.default_rng(0), SEEDS, np.ones(N_UNITS), np.ones(N_UNITS))


def parts_of(objective: Objective, data: Trials, key: int = 0, epoch: int = 1000):
    return objective.parts(start(objective.network), data, CONTEXT, jax.random.key(key), jnp.asarray(epoch))


@pytest.mark.parametrize(
    "masking",
    [
        Masking(keep=0.5),
        Masking(keep=1.0, hide_units=1.0),
        Masking(keep=1.0, hide_tail=1.0),
        Masking(keep=0.8, hide_units=0.5),
    ],
    ids=repr,
)
def test_what_is_scored_was_never_fed(masking):
    data = trials()
    drawn = masking.draw(data, CONTEXT["seeds"], jax.random.key(0))
    fed, scored = np.asarray(drawn.fed), np.asarray(drawn.scored)
    assert not (fed & scored).any()
    assert not (fed & ~np.asarray(data.fed)).any()
    assert (scored | fed == np.asarray(data.scored)).all()
    assert scored[:, :, 3][np.asarray(data.scored)[:, :, 3]].all()


def test_hidden_units_are_hidden_for_a_whole_trial_and_tails_to_the_end():
    data = trials()._replace(fed=jnp.ones((N_TRIALS, N_TIME, N_UNITS), bool))
    units = np.asarray(Masking(keep=1.0, hide_units=1.0).draw(data, CONTEXT["seeds"], jax.random.key(1)).fed)
    assert (units.all(1) | ~units.any(1)).all()
    assert 0 < units.mean() < 1
    tails = np.asarray(Masking(keep=1.0, hide_tail=1.0).draw(data, CONTEXT["seeds"], jax.random.key(1)).fed)
    assert (np.diff(tails.astype(int), axis=1) <= 0).all()
    assert 0 < tails.mean() < 1


def test_values_that_are_not_fed_change_neither_output_nor_gradient_but_through_their_score():
    net = network()
    data = trials()
    objective = Objective(network=net, masking=Masking(keep=0.6))
    other = data._replace(values=jnp.where(data.fed, data.values, 50.0))
    shown = objective.masking.draw(data, CONTEXT["seeds"], jax.random.key(0)).fed
    moments = (CONTEXT["mean"], CONTEXT["deviation"])
    outputs = [
        net(start(net), objective.fed_values(d, shown, moments, 1.0), shown).read for d in (data, other)
    ]
    np.testing.assert_array_equal(*outputs)


def test_the_bound_is_the_divergence_and_surprise_per_entry():
    net = network()
    data = trials()
    objective = Objective(network=net, masking=Masking(keep=1.0), weight=0.7, ramp=0.0)
    numerators, denominators = parts_of(objective, data)
    fed = objective.fed_values(data, data.fed, (CONTEXT["mean"], CONTEXT["deviation"]), 1.0)
    drawn = jax.random.split(jax.random.key(0), 3)[2]
    output = net(start(net), fed, data.fed, sample=drawn)
    rate = np.asarray(net.likelihood.mean(start(net)["likelihood"], output.read))
    surprise = rate - np.asarray(data.values) * np.log(rate)
    count = float(np.asarray(data.scored).sum())
    np.testing.assert_allclose(numerators["data"], surprise[np.asarray(data.scored)].sum(), rtol=1e-4)
    steps = np.array(output.path.steps)
    steps[0, 5:] = 0
    np.testing.assert_allclose(numerators["steps"], 0.7 * steps.sum(), rtol=1e-4)
    np.testing.assert_allclose(numerators["initial"], 0.7 * np.sum(output.path.initial), rtol=1e-4)
    assert [float(denominators[name]) for name in ("data", "initial", "steps")] == [count] * 3


def test_the_published_loss_is_the_divergence_of_every_transition_from_a_narrow_gaussian():
    flow = LangevinFlow(
        width=4,
        potential=CoupledChannels(2),
        drive=False,
        eta=0.1,
        gamma=0.4,
        learn=False,
        symplectic=False,
        noise="published",
    )
    net = network(latent=flow)
    data = trials()
    objective = Objective(network=net, masking=Masking(keep=1.0), loss="published", weight=0.1, ramp=500.0)
    numerators, denominators = parts_of(objective, data, epoch=249)
    fed = objective.fed_values(data, data.fed, (CONTEXT["mean"], CONTEXT["deviation"]), 1.0)
    state = np.asarray(
        net(start(net), fed, data.fed, sample=jax.random.split(jax.random.key(0), 3)[2]).path.state
    )
    prepared = flow.prepare(start(net)["latent"]["dynamics"])
    force = np.stack(
        [np.asarray(flow.potential.gradient(prepared["potential"], jnp.asarray(z))) for z in state[..., :4]]
    )
    mean = 0.6 * (state[..., 4:] - 0.1 * force)[:, :-1]
    variance = 2 * 0.4
    divergence = 0.5 * (variance / 0.1 + mean**2 / 0.1 - 1 + np.log(0.1 / variance)).sum(-1)
    divergence[0, 4:] = 0
    np.testing.assert_allclose(numerators["steps"], 0.05 * divergence.sum(), rtol=1e-3)
    assert float(denominators["steps"]) == N_TRIALS


def test_the_weight_of_the_divergence_rises_over_the_ramp():
    objective = Objective(network=network(), masking=Masking(keep=1.0), ramp=10.0)
    early, late, later = (float(parts_of(objective, trials(), epoch=e)[0]["steps"]) for e in (0, 9, 99))
    np.testing.assert_allclose([early * 10, later], late, rtol=1e-4)


def test_without_a_latent_there_is_no_divergence_and_the_latent_changes_nothing():
    net = network(ablate="latent")
    objective = Objective(network=net, masking=Masking(keep=1.0))
    numerators, _ = parts_of(objective, trials())
    assert set(numerators) == {"data"}
    parameters = start(net)
    other = {**parameters, "latent": jax.tree.map(lambda leaf: leaf + 1, parameters["latent"])}
    data = trials()
    reads = [net(p, data.values, data.fed, sample=jax.random.key(0)).read for p in (parameters, other)]
    np.testing.assert_array_equal(*reads)


def test_ablations_leave_the_decoder_as_wide_as_it_was():
    widths = {
        ablate: network(ablate=ablate)
        .decoder.start(np.random.default_rng(0), network(ablate=ablate).n_given)["read_in"]["weight"]
        .shape
        for ablate in (None, "latent", "noise", "encoder")
    }
    assert len(set(widths.values())) == 1
    with pytest.raises(ModelError, match="ablate is 'encoder'"):
        network(ablate="encoder", reads_encoder=False)
    with pytest.raises(ModelError, match="ablate is 'potential'"):
        network(ablate="potential")


def test_a_latent_that_is_not_driven_gets_no_gradient_from_later_bins():
    flow = LangevinFlow(width=4, potential=CoupledChannels(2), drive=False)
    net = network(latent=flow, reads_encoder=False, encoder=GRUEncoder(4, bidirectional=False, dropout=0.0))
    data = trials()

    def loss(values):
        output = net(start(net), values, data.fed, sample=jax.random.key(0))
        return output.read.sum()

    slope = np.asarray(jax.grad(loss)(data.values))
    assert np.abs(slope[:, 0]).max() > 0
    np.testing.assert_array_equal(slope[:, 1:], 0)


def test_the_held_out_score_is_the_surprise_of_what_is_scored():
    net = network()
    data = trials()._replace(scored=~trials().fed & trials().scored)
    objective = Objective(network=net, masking=Masking())
    total, count = objective.score(start(net), data, CONTEXT)
    fed = objective.fed_values(data, data.fed, (CONTEXT["mean"], CONTEXT["deviation"]), 1.0)
    rate = np.asarray(net.likelihood.mean(start(net)["likelihood"], net(start(net), fed, data.fed).read))
    surprise = (rate - np.asarray(data.values) * np.log(rate))[np.asarray(data.scored)]
    np.testing.assert_allclose([float(total), float(count)], [surprise.sum(), surprise.size], rtol=1e-4)


@pytest.mark.parametrize("change", [{"keep": 0.0}, {"keep": 1.5}, {"hide_units": -0.1}, {"hide_tail": 2.0}])
def test_masking_out_of_range_is_refused_by_name(change):
    with pytest.raises(ModelError, match=next(iter(change))):
        Masking(**change)


def test_the_objective_is_hashable_so_that_it_can_be_part_of_what_is_compiled():
    objective = Objective(network=network(), masking=Masking())
    assert hash(objective) == hash(dataclasses.replace(objective))
