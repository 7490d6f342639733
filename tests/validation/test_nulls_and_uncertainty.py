"""Null recordings destroy what they say and keep the rest; intervals cover."""

import numpy as np
import pytest
from scipy import stats
from validation_recordings import continuous, ragged

from neurodyn.errors import ModelError, NotApplicable, RecordingError
from neurodyn.recording import check, make
from neurodyn.validation import metrics, nulls, uncertainty
from neurodyn.validation.layout import as3


def marginals(recording):
    values = as3(recording["activity"])
    return [np.sort(column[np.isfinite(column)]) for column in np.moveaxis(values, 2, 0)]


@pytest.mark.parametrize("null", [nulls.permute_time, nulls.circular_shift, nulls.trial_shuffle])
@pytest.mark.parametrize("recording", [continuous(share_missing=0.1), ragged()], ids=["one", "trials"])
def test_nulls_keep_every_units_values(null, recording):
    if null is nulls.trial_shuffle and "trial" not in recording.dims:
        with pytest.raises(NotApplicable, match="trials"):
            null(recording, key=0)
        return
    made = check(null(recording, key=0))
    for before, after in zip(marginals(recording), marginals(made), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not made["activity"].equals(recording["activity"])
    assert null(recording, key=0)["activity"].equals(made["activity"])
    assert not null(recording, key=1)["activity"].equals(made["activity"])
    assert "null" in made.attrs["history"][-1]


def test_circular_shifts_are_circular_and_apart():
    ramp = np.broadcast_to(np.arange(400.0)[:, None], (400, 5)).copy()
    shifted = nulls.circular_shift(make(ramp, sampling_interval=1.0), key=3, minimum=30)["activity"].values
    shifts = shifted[0].astype(int)
    for unit in range(5):
        np.testing.assert_array_equal(shifted[:, unit], np.roll(ramp[:, unit], -shifts[unit]))
    gaps = np.diff(np.sort(np.concatenate(([0], shifts % 400, [400]))))
    assert gaps.min() >= 30
    with pytest.raises(ModelError, match="minimum"):
        nulls.circular_shift(make(ramp, sampling_interval=1.0), key=3, minimum=100)
    with pytest.raises(NotApplicable, match="at least"):
        nulls.circular_shift(make(ramp[:8], sampling_interval=1.0), key=3)


@pytest.mark.parametrize("n_time", [256, 255])
def test_phase_randomisation_keeps_the_spectrum_and_breaks_coupling(n_time):
    draw = np.random.default_rng(0)
    common = draw.normal(size=(n_time, 1))
    recording = make(
        np.hstack((common, common + 0.1 * draw.normal(size=(n_time, 1)))).astype(float), sampling_interval=1
    )
    made = nulls.phase_randomise(recording, key=0)
    before, after = (np.abs(np.fft.rfft(item["activity"].values, axis=0)) for item in (recording, made))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)
    assert abs(np.corrcoef(made["activity"].values.T)[0, 1]) < 0.3
    coupled = nulls.phase_randomise(recording, key=0, keep_coupling=True)["activity"].values
    expected = np.corrcoef(recording["activity"].values.T)[0, 1]
    assert np.corrcoef(coupled.T)[0, 1] == pytest.approx(expected, abs=1e-4)


def test_phase_randomisation_refuses_counts_and_holes():
    with pytest.raises(NotApplicable, match="continuous"):
        nulls.phase_randomise(ragged(), key=0)
    with pytest.raises(RecordingError, match="missing values"):
        nulls.phase_randomise(continuous(share_missing=0.1), key=0)


def test_trial_shuffling_moves_whole_trials_of_single_units():
    recording = make(np.arange(6 * 4 * 3, dtype=float).reshape(6, 4, 3), sampling_interval=1.0)
    values = as3(nulls.trial_shuffle(recording, key=0)["activity"])
    original = as3(recording["activity"])
    sources = np.array(
        [
            [np.flatnonzero((original[:, :, u] == values[k, :, u]).all(axis=1))[0] for u in range(3)]
            for k in range(6)
        ]
    )
    assert (np.sort(sources, axis=0) == np.arange(6)[:, None]).all()
    assert (sources != sources[:, :1]).any()


def test_chunk_sums_add_up_and_leave_nothing_out():
    draw = np.random.default_rng(0)
    scored = draw.random((3, 50)) < 0.8
    chunk = uncertainty.chunks_of_time(scored, 7)
    assert ((chunk >= 0) == scored).all()
    terms = {"x": draw.normal(size=(3, 50, 2))}
    sums = uncertainty.chunk_sums(terms, chunk, chunk.max() + 1)["x"]
    for number in range(chunk.max() + 1):
        np.testing.assert_allclose(sums[number], terms["x"][chunk == number].sum(axis=0))
    np.testing.assert_allclose(sums.sum(axis=0), terms["x"][scored].sum(axis=0))


def coverage(n_chunks: int, repeats: int, simulate) -> float:
    """Share of simulated data sets whose 95 % interval for R² holds the truth."""
    metric = metrics.get("r2")
    hits = 0
    for repeat in range(repeats):
        signal, observed, truth, chunk = simulate(np.random.default_rng(repeat), n_chunks)
        target = make(observed, sampling_interval=1.0)
        terms = metric.terms(metrics.evaluation(target, mean=signal))
        sums = uncertainty.chunk_sums(terms, chunk, n_chunks)
        weights = uncertainty.resamples(n_chunks, 400, repeat)
        value = metric.combine({name: total.sum(axis=0) for name, total in sums.items()}, "pooled")
        found = uncertainty.interval(
            value, uncertainty.draws(sums, metric.combine, weights, "pooled"), n_chunks
        )
        hits += float(found.lower) <= truth <= float(found.upper)
    return hits / repeats


def independent(draw, n_chunks):
    signal = draw.normal(size=(n_chunks * 20, 2))
    return signal, signal + draw.normal(size=signal.shape), 0.5, np.repeat(np.arange(n_chunks), 20)[None]


def with_memory(draw, n_chunks):
    noise = draw.normal(size=(n_chunks * 50, 2))
    for t in range(1, len(noise)):
        noise[t] = 0.8 * noise[t - 1] + 0.6 * noise[t]
    signal = draw.normal(size=noise.shape)
    return signal, signal + noise, 0.5, np.repeat(np.arange(n_chunks), 50)[None]


@pytest.mark.parametrize(("n_chunks", "simulate"), [(8, independent), (40, independent), (20, with_memory)])
def test_intervals_cover_the_truth_about_as_often_as_they_say(n_chunks, simulate):
    assert 0.90 <= coverage(n_chunks, 200, simulate) <= 0.99


def test_standard_error_matches_that_of_a_mean():
    draw = np.random.default_rng(0)
    x = draw.normal(size=12)
    sums = {"x": x[:, None], "n": np.ones((12, 1))}
    weights = uncertainty.resamples(12, 20_000, 0)
    drawn = uncertainty.draws(sums, lambda s, per: s["x"][..., 0] / s["n"][..., 0], weights, "pooled")
    found = uncertainty.interval(x.mean(), drawn, 12)
    assert float(found.standard_error) == pytest.approx(x.std(ddof=1) / np.sqrt(12), rel=0.03)
    half = stats.t.ppf(0.975, 11) * x.std(ddof=1) / np.sqrt(12)
    assert float(found.upper - found.lower) == pytest.approx(2 * half, rel=0.1)


def test_one_chunk_has_no_uncertainty():
    found = uncertainty.interval(1.0, np.ones(10), 1)
    assert np.isnan(found.standard_error)
    assert np.isnan(uncertainty.p_value(1.0, 0.5, 1))


def test_p_values_of_no_difference_are_uniform():
    rejected = 0
    for repeat in range(300):
        gap = np.random.default_rng(repeat).normal(size=15)
        error = gap.std(ddof=1) / np.sqrt(15)
        rejected += uncertainty.p_value(gap.mean(), error, 15) < 0.05
    assert 0.02 < rejected / 300 < 0.09
    assert float(uncertainty.p_value(0.0, 0.0, 5)) == 1.0


@pytest.mark.parametrize("n_chunks", [2, 4, 40])
def test_an_interval_of_a_difference_excludes_zero_exactly_where_p_is_small(n_chunks):
    rng = np.random.default_rng(n_chunks)
    for _ in range(200):
        drawn = rng.exponential(size=300) * 10 ** rng.uniform(-2, 1) + rng.normal()
        found = uncertainty.interval(rng.normal(), drawn, n_chunks)
        shown = uncertainty.by_student(found, n_chunks)
        p = uncertainty.p_value(found.value, found.standard_error, n_chunks)
        assert (shown.lower > 0 or shown.upper < 0) == (p < 0.05)


def test_an_estimate_lies_inside_its_interval_where_resampling_is_biased():
    drawn = np.random.default_rng(0).normal(0.87, 0.02, size=1000)
    biased = uncertainty.interval(0.95, drawn, n_chunks=30)
    assert biased.lower < 0.95 < biased.upper
    fair = uncertainty.interval(0.88, drawn, n_chunks=30)
    np.testing.assert_allclose(biased.upper - biased.lower, fair.upper - fair.lower, rtol=1e-9)
    assert fair.lower < 0.87 < fair.upper


def test_corrections_match_worked_examples():
    p = [0.01, 0.04, np.nan, 0.03, 0.005]
    np.testing.assert_allclose(uncertainty.correct(p, "holm"), [0.03, 0.06, np.nan, 0.06, 0.02])
    np.testing.assert_allclose(uncertainty.correct(p, "benjamini_hochberg"), [0.02, 0.04, np.nan, 0.04, 0.02])
    known = np.array(p)[[0, 1, 3, 4]]
    np.testing.assert_allclose(
        uncertainty.correct(known, "benjamini_hochberg"), stats.false_discovery_control(known)
    )
    with pytest.raises(ModelError, match="holm"):
        uncertainty.correct([0.1], "bonferroni")


def test_resamples_are_the_same_for_the_same_key():
    first, again = uncertainty.resamples(9, 50, 3), uncertainty.resamples(9, 50, 3)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first.sum(axis=1), 9)
    assert (first != uncertainty.resamples(9, 50, 4)).any()
