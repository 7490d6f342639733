"""Affinities in a band of frequencies: truths of known signals, and what a hole in the data costs."""

import numpy as np
import pytest
from scipy.signal import coherence

from neurodyn import recording
from neurodyn.errors import ModelError
from neurodyn.inference.affinity import pairs_of
from neurodyn.inference.affinity_bands import analytic_signal, filter_reach
from neurodyn.models.connectome import (
    BandCoherence,
    EnvelopeCorrelation,
    PhaseLocking,
    affinity,
)
from neurodyn.models.connectome.streams import Blocks

RATE, BAND, WINDOW = 250.0, (20.0, 40.0), 251
MEASURES = (PhaseLocking, EnvelopeCorrelation, BandCoherence)


def noise(n_time, n_units, seed=0):
    return np.random.default_rng(seed).normal(size=(n_time, n_units))


def measured(measure, traces, start=0, stop=None):
    pairs = pairs_of(traces.shape[1])
    return measure.between(measure.prepare(traces), *pairs, start, len(traces) if stop is None else stop)


@pytest.fixture(params=MEASURES)
def measure(request):
    return request.param(band=BAND, window=WINDOW, rate=RATE)


def test_a_signal_goes_with_itself_at_any_scale_and_offset_and_no_other(measure):
    one, other = noise(4000, 2).T
    found = measured(measure, np.stack([one, 3 * one + 50, other], axis=1))
    inner = slice(measure.reach, -measure.reach)
    np.testing.assert_allclose(found[inner, 0], 1, rtol=1e-6)
    assert np.mean(found[inner, 1:]) < 0.3
    seen = found[np.isfinite(found)]
    assert seen.min() >= 0
    assert seen.max() <= 1


def test_a_constant_lag_locks_and_a_wandering_one_does_not():
    time = np.arange(4000) / RATE
    wander = np.cumsum(np.random.default_rng(0).normal(0, 0.3, len(time)))
    waves = [np.cos(2 * np.pi * 30 * time + lag) for lag in (0, 1.2, wander)]
    for kind in (PhaseLocking, BandCoherence):
        locked, loose, _ = measured(kind(BAND, WINDOW, RATE), np.stack(waves, axis=1)).T
        assert np.nanmin(locked) > 0.999
        assert np.nanmean(loose) < 0.6


def test_envelopes_go_together_without_phases_and_against_each_other_count_as_none():
    time = np.arange(4000) / RATE
    loud = 1 + 0.8 * np.sin(2 * np.pi * 1.5 * time)
    waves = [
        loud * np.cos(2 * np.pi * 27 * time),
        loud * np.cos(2 * np.pi * 33 * time),
        (2 - loud) * np.cos(2 * np.pi * 30 * time),
    ]
    together, against, _ = measured(EnvelopeCorrelation(BAND, WINDOW, RATE), np.stack(waves, axis=1)).T
    assert np.nanmin(together) > 0.98
    assert np.nanmax(against) == 0
    loose = measured(PhaseLocking(BAND, WINDOW, RATE), np.stack(waves, axis=1))[:, 0]
    assert np.nanmax(loose) < 0.3


def test_the_filter_keeps_the_band_with_its_phase_and_leaves_out_the_rest():
    time = np.arange(2000) / RATE
    for frequency, gain in ((30, 1), (24, 1), (10, 0), (50, 0), (90, 0)):
        wave = analytic_signal(np.cos(2 * np.pi * frequency * time + 0.7)[:, None], band=BAND, rate=RATE)
        middle = wave[500:1500, 0] * np.exp(-2j * np.pi * frequency * time[500:1500])
        np.testing.assert_allclose(middle, gain * np.exp(0.7j), atol=0.01)


def test_coherence_over_a_long_window_agrees_with_welch():
    shared, *own = noise(30_001, 3, seed=4).T
    traces = np.stack([shared + 0.7 * own[0], shared + 0.7 * own[1]], axis=1)
    measure = BandCoherence(BAND, 29_001, RATE)
    ours = measured(measure, traces)[15_000, 0]
    frequency, value = coherence(*traces.T, fs=RATE, nperseg=256)
    inside = (frequency >= BAND[0]) & (frequency <= BAND[1])
    assert ours == pytest.approx(value[inside].mean(), abs=0.03)
    assert ours == pytest.approx(1 / 1.49**2, abs=0.04)


def test_a_hole_costs_its_reach_and_nothing_else_changes(measure):
    traces = noise(2000, 3)
    whole = measured(measure, traces)
    holed = traces.copy()
    holed[900, 1] = np.nan
    broken = measured(measure, holed)
    lost = np.isnan(broken) & ~np.isnan(whole)
    near = np.abs(np.arange(2000) - 900) <= measure.reach
    np.testing.assert_array_equal(lost, np.stack([near, np.zeros_like(near), near], axis=1))
    np.testing.assert_allclose(broken[~lost], whole[~lost], atol=1e-8)
    np.testing.assert_array_equal(
        np.isfinite(whole[:, 0]), np.minimum(np.arange(2000), np.arange(2000)[::-1]) >= measure.reach
    )


def test_a_large_artefact_does_not_reach_farther_than_it_says(measure):
    traces = noise(2000, 2)
    hit = traces.copy()
    hit[700, 0] += 1e6
    far = np.abs(np.arange(2000) - 700) > measure.reach
    np.testing.assert_allclose(measured(measure, hit)[far], measured(measure, traces)[far], atol=1e-6)


def test_blocks_are_the_same_as_all_at_once(measure):
    traces = noise(1500, 3)
    whole = measured(measure, traces)
    for start, stop in ((0, 400), (400, 405), (405, 1500)):
        np.testing.assert_allclose(
            measured(measure, traces, start, stop), whole[start:stop], rtol=1e-9, atol=1e-12
        )


def test_signals_that_stand_still_go_with_none(measure):
    traces = noise(1500, 2)
    traces[:, 1] = 7.0
    found = measured(measure, traces)
    assert (found[np.isfinite(found)] == 0).all()
    assert np.isfinite(found).any()


def test_the_recording_of_pairs_says_what_was_measured(measure):
    potentials = recording.make(noise(2000, 3), sampling_interval=1 / RATE, unit=list("abc"), modality="ieeg")
    pairs = affinity(potentials, measure)
    assert type(measure).__name__ in pairs.attrs["history"][-1]
    assert "rate=250.0" in pairs.attrs["history"][-1]
    values, mask = Blocks.of(potentials, measure)(0)
    np.testing.assert_allclose(values[mask], pairs["activity"].values[mask], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", MEASURES)
@pytest.mark.parametrize(
    ("band", "window", "rate", "message"),
    [
        ((20, 125), 51, 250.0, "from 20 to 125 Hz; .* below half the sampling rate, 125 Hz"),
        ((40, 20), 51, 250.0, "from 40 to 20 Hz; give two edges in order"),
        ((0, 20), 51, 250.0, "from 0 to 20 Hz; .* above 0"),
        ((20,), 51, 250.0, "the band is .20,.; give its two edges"),
        ((20, 40), 50, 250.0, "the window has 50 bins; give an odd number"),
        ((20, 40), 51, 0.0, "the sampling rate is 0.0 Hz; give one above 0"),
    ],
)
def test_what_cannot_be_measured_is_refused_when_asked_for(kind, band, window, rate, message):
    with pytest.raises(ModelError, match=message):
        kind(band, window, rate)


def test_a_recording_of_another_rate_or_too_short_is_refused(measure):
    slow = recording.make(noise(2000, 2), sampling_interval=0.01, unit=list("ab"))
    for use in (affinity, Blocks.of):
        with pytest.raises(
            ModelError, match=r"for 250 samples a second, but the recording has 100; give rate=100"
        ):
            use(slow, measure)
    with pytest.raises(
        ModelError, match=rf"has {2 * filter_reach(BAND, RATE) + 1} bins, but the recording only 50"
    ):
        measured(measure, noise(50, 2))
    with pytest.raises(ModelError, match="the window has 251 bins; give an odd number from 3 to"):
        measured(measure, noise(200, 2))
