"""The pure helpers behind the benchmarks: verdicts, ratios, scores, resuming."""

import itertools
import json
import pathlib
import re
import sys

import numpy as np
import pytest
import scipy.stats

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from benchmarks import measure, reproduce, scoring
from benchmarks.contestants.clock import Compilations
from benchmarks.hmm import blocked, enumeration, equality, gap, hcp
from benchmarks.peers import T1, T2, judge, t1_task, t2_task
from benchmarks.predictive_coding import race as filters
from benchmarks.predictive_coding import speed as filter_speed
from benchmarks.problems import Task, generating_model, starting_parameters
from benchmarks.race import OURS, PRODUCTS, Race
from benchmarks.rnn_emulation import grid, published, transport
from benchmarks.rnn_emulation import race as emulators


def test_a_bar_is_held_or_missed_and_a_nan_never_holds_one():
    assert measure.at_most("a", 0.1, 0.1).verdict == measure.HOLDS
    assert measure.at_most("a", 0.11, 0.1).verdict == measure.SHORT
    assert measure.at_most("a", float("nan"), 0.1).verdict == measure.SHORT
    assert measure.at_least("a", 19, 19).verdict == measure.HOLDS
    assert measure.at_least("a", float("nan"), 19).verdict == measure.SHORT


def test_what_could_not_be_measured_falls_short_and_says_why():
    line = measure.unmeasured("claim", "<= 1", "no data")
    assert line.verdict == measure.SHORT
    assert (
        measure.show(line, "QUICK | ") == "QUICK | claim: not measured | bar <= 1 | falls short | (no data)"
    )


def test_spread_is_median_and_range():
    found = measure.spread([3.0, 1.0, 2.0])
    assert (found.median, found.low, found.high) == (2.0, 1.0, 3.0)
    assert np.isnan(measure.spread([]).median)


def test_tables_have_one_width():
    rows = measure.table(("name", "x"), [("a", 1), ("longer name", 22)]).splitlines()
    assert len({len(row) for row in rows}) == 1


def run(first, second, warm=None, peak=0.3, **about):
    """One contestant's round."""
    figures = {
        "first": {"cpu": first, "wall": first},
        "second": {"cpu": second, "wall": second},
        "peak_gb": peak,
    }
    if warm is not None:
        figures["warm"] = {"cpu": warm, "wall": warm}
    return {**figures, "about": about} if about else figures


@pytest.fixture
def race():
    rounds = {
        OURS: [
            run(3.0, 1.0, peak=0.5, cpu_per_iteration=0.04),
            run(2.0, 1.2, peak=0.7, cpu_per_iteration=0.04),
        ],
        "slow": [run(20.0, 20.0), run(22.0, 21.0)],
        "compiling": [run(14.0, 14.0, warm=10.0), run(14.0, 14.0, warm=10.0)],
        PRODUCTS: [{"cpu": 0.02, "wall": 0.02}],
    }
    score = {"training": -1.0, "held-out": -1.0}
    return Race(t1_task(100_000), rounds, dict.fromkeys([*rounds, "generating model"], score), {}, {})


def test_ratios_are_to_the_cheapest_peer_once_compiled(race):
    assert race.cheapest_peer() == ("compiling", 10.0)
    assert race.ratio("second") == pytest.approx(0.11)
    assert race.ratio("first") == pytest.approx(0.25)
    assert race.first_ratio() == pytest.approx(2.5 / 14)
    assert race.over_products() == pytest.approx((1.1 / 20 / 0.02, 2.0))


def test_each_fit_and_the_memory_have_a_verdict_of_their_own(race):
    lines = {line.name.removeprefix("T1 100,000 "): line for line in judge(race, T1[1_000_000])}
    assert lines["CPU ratio, second fit of the same shape"].verdict == measure.HOLDS
    assert lines["CPU ratio, first fit of a process"].verdict == measure.SHORT
    assert lines["peak memory"].measured == "0.6 GB"


def test_without_any_peer_the_ratio_falls_short(race):
    alone = Race(race.task, {OURS: race.rounds[OURS]}, race.scores, {"dynamax": "no network"}, {})
    (line,) = judge(alone, T2)
    assert line.verdict == measure.SHORT
    assert "no network" in line.note


def test_the_tasks_are_those_of_the_comparison():
    assert (t1_task(10_000).iterations, t1_task(1_000_000).iterations) == (20, 4)
    task = t2_task()
    assert (task.n_states, task.n_units, task.n_time) == (8, 100, 20_000)


@pytest.mark.parametrize("emission", ["gaussian", "poisson"])
def test_everybody_starts_from_the_same_valid_parameters(emission):
    task = Task("tiny", emission, 3, 4, 200, 5)
    values = generating_model(task).sample(200, key=0)["activity"].values
    one, two = starting_parameters(task, values), starting_parameters(task, values)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    np.testing.assert_allclose(one["transition"].sum(axis=1), 1)
    if emission == "poisson":
        assert (one["rate"] > 0).all()
    else:
        assert (np.linalg.eigvalsh(one["covariance"]) > 0).all()


@pytest.mark.parametrize("emission", ["gaussian", "poisson"])
def test_the_scorer_equals_the_sum_over_all_paths(emission):
    task = Task("tiny", emission, 3, 2, 6, 5)
    model = generating_model(task)
    values = model.sample(6, key=1)["activity"].values.astype(float)
    case = {"initial": model.initial, "transition": model.transition}
    case |= (
        {"rate": model.means}
        if emission == "poisson"
        else {"mean": model.means, "covariance": model.covariances}
    )
    expected, smoothed = enumeration.all_paths(case, values)
    found = scoring.log_likelihood_per_sample(case, values, uniform_start=False)
    assert found * 6 == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(smoothed.sum(axis=1), 1)


def test_the_scorer_gives_nan_for_unusable_parameters():
    case = {"initial": np.ones(1), "transition": np.ones((1, 1)), "mean": np.zeros((1, 1))}
    for broken in (
        {"covariance": -np.ones((1, 1, 1))},
        {"mean": np.full((1, 1), np.nan), "covariance": np.ones((1, 1, 1))},
    ):
        parameters = {**case, **broken}
        assert np.isnan(scoring.log_likelihood_per_sample(parameters, np.ones((3, 1)), uniform_start=True))


def test_enumeration_takes_the_marginal_of_what_is_observed():
    case = {
        "initial": np.ones(1),
        "transition": np.ones((1, 1)),
        "mean": np.array([[1.0, 2.0]]),
        "covariance": np.array([[[2.0, 0.5], [0.5, 1.0]]]),
    }
    total, _ = enumeration.all_paths(case, np.array([[np.nan, 0.3], [np.nan, np.nan]]))
    assert total == pytest.approx(scipy.stats.norm(2.0, 1.0).logpdf(0.3))


def test_the_sequential_reference_equals_the_sum_over_all_paths():
    log_likelihood, transition, initial, start = blocked.problem(6)
    start[1:] = False
    smoothed, norms = blocked.sequential(log_likelihood, transition, initial, start)
    total = 0.0
    for path in np.ndindex(*(4,) * 6):
        weight = initial[path[0]] * np.exp(log_likelihood[np.arange(6), path].sum())
        total += weight * np.prod([transition[a, b] for a, b in itertools.pairwise(path)])
    assert norms.sum() == pytest.approx(np.log(total), rel=1e-12)
    np.testing.assert_allclose(smoothed.sum(axis=1), 1)


def test_the_cases_are_held_exactly_by_single_precision():
    for array in equality.make_cases().values():
        if array.dtype == float:
            np.testing.assert_array_equal(array, array.astype(np.float32).astype(float))


def test_errors_of_answers_are_found():
    theirs = {"a/total": np.array(-100.0), "a/smoothed": np.array([[0.5, 0.5]])}
    ours = {"a/total": np.array(-100.1), "a/smoothed": np.array([[0.5, 0.4]])}
    assert equality.largest_errors(ours, theirs) == pytest.approx((1e-3, 0.1, 1))
    ours["a/smoothed"] = np.array([[np.nan, 0.5]])
    assert equality.largest_errors(ours, theirs)[1] == np.inf


def test_states_and_strength_are_chosen_without_the_scored_fold():
    scores = {
        (1, 0): np.zeros(3),
        (1, 100): np.array([9.0, -1.0, -1.0]),
        (2, 0): np.array([1.0, 1.0, 1.0]),
        (3, 100): np.array([9.0, 0.0, 0.0]),
    }
    assert hcp.chosen_without(scores, 0) == (2, 0)
    assert hcp.chosen_without(scores, 1, single=True) == (1, 100)
    gain, settings = hcp.gains(scores)
    assert settings == [(2, 0), (3, 100), (3, 100)]
    assert gain.tolist() == [1.0, 1.0, 1.0]


def test_the_allowed_gap():
    assert gap.bar(0.02) == pytest.approx(0.036)


def test_nested_compilations_count_once():
    heard = Compilations()
    heard.spans = [(0.0, 4.0), (1.0, 2.0), (3.0, 5.0), (7.0, 8.0)]
    assert heard.seconds() == pytest.approx(6.0)
    assert heard.seconds(since=4.5) == pytest.approx(1.5)


def test_results_of_another_commit_are_measured_again(tmp_path):
    path = tmp_path / "line.json"
    path.write_text(json.dumps({"commit": "abc", "lines": [vars(measure.Line("a", "1"))]}))
    assert reproduce.stored(path, "abc") == [measure.Line("a", "1")]
    assert reproduce.stored(path, "def") is None
    assert reproduce.stored(path, "abc+") is None
    assert reproduce.stored(tmp_path / "none.json", "abc") is None


def test_a_line_that_fails_does_not_hide_the_others(capsys):
    def broken(quick):
        raise ValueError("no such thing")

    (line,) = reproduce.measure_one("claim", broken, False)
    assert line.verdict == measure.SHORT
    assert "no such thing" in line.note
    assert "ValueError" in capsys.readouterr().err


def filter_race(**seconds):
    """A race on 100 trials, seconds of the second call by contestant, everybody finding the same surprise."""
    rounds = {name: [run(10 * cost, cost)] for name, cost in seconds.items()}
    scores = {name: {"surprise": 70.0, "slope x1": -2.0, "slope x2": 1.0} for name in rounds}
    return Race(filters.FilterTask("T4", 100), rounds, scores, {}, {})


def test_the_filter_is_held_against_the_compiled_core_of_its_peer():
    seconds = {OURS: 1.1, filters.CORE: 1.0, filters.OUR_GRADIENT: 3.5, filters.THEIR_GRADIENT: 4.0}
    seconds |= {filters.OUR_INFER: 2.0, filters.TUTORIAL: 60.0}
    found = filter_race(**seconds)
    double = filter_race(**seconds)
    double.scores[OURS] = {"surprise": 70.0 * (1 + 1e-5)}
    (
        call,
        gradient,
        *_,
    ) = filter_speed.judge_sequence(found, double)
    assert (call.measured, call.verdict) == ("1.1", measure.HOLDS)
    assert (gradient.measured, gradient.verdict) == ("3.5", measure.SHORT)
    agreement = {line.name: line.verdict for line in filter_speed.judge_sequence(found, double)}
    assert agreement["T4 summed surprise, relative difference in float32"] == measure.HOLDS
    assert agreement["T4 summed surprise, relative difference in float64"] == measure.SHORT


def test_a_filter_whose_peer_did_not_run_falls_short():
    found = filter_race(**{OURS: 1.0})
    found.absent[filters.CORE] = "no network"
    (line,) = filter_speed.judge_sequence(found, found)
    assert line.verdict == measure.SHORT
    assert "no network" in line.note


def test_outcomes_reverse_and_participants_differ(tmp_path):
    seen = filters.outcomes(2_000, 0)
    assert set(seen) == {0.0, 1.0}
    assert 0.4 < seen.mean() < 0.6
    path = filters.write_people(filters.FilterTask("T4 participants", 400, 50), tmp_path)
    with np.load(path) as stored:
        assert stored["values"].shape == (1, 400)
        assert len(np.unique(stored["start_omega"][:, 0])) > 40


def emulator_race():
    """Two rounds of four steps; ours takes half and a quarter of the peer's seconds."""

    def one(wall, **about):
        return run(3.0, 1.0) | {"second": {"cpu": 2 * wall, "wall": wall}, "about": about}

    alone = {"products": {"wall": 0.1, "cpu": 0.2}, "exponentials": {"wall": 0.15, "cpu": 0.3}}
    rounds = {OURS: [one(2.0, **alone), one(1.0, **alone)], emulators.PEER: [one(4.0), one(4.0)]}
    return Race(emulators.EmulationTask("emulator", 8, 16, 4), rounds, {}, {}, {})


def test_training_steps_are_compared_round_by_round():
    found = emulator_race()
    assert emulators.ratios(found) == measure.Spread(0.375, 0.25, 0.5, 2)
    against, alone = emulators.judge(found)
    assert (against.measured, against.verdict) == ("0.375", measure.HOLDS)
    assert "rounds 0.25 to 0.5" in against.note
    assert alone.measured == "3.75"
    found.rounds.pop(emulators.PEER)
    found.absent[emulators.PEER] = "no network"
    assert emulators.judge(found)[0].verdict == measure.SHORT
    assert [line.verdict for line in emulators.scored(found, {"divergence": 0.0, "error": 0.1})] == [
        measure.SHORT
    ] * 2


def test_the_reference_of_transport_has_its_marginals_and_agrees_with_the_assignment():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(12, 4)), random.normal(size=(12, 4))
    value, partners, marginal = transport.converged(x, y, 1e-3)
    exact, gradient = transport.assigned(x, y)
    assert marginal < 1e-6
    assert value == pytest.approx(exact, abs=1e-3 * np.log(144))
    np.testing.assert_allclose((x - partners) / 12, gradient, atol=1e-3)
    soft = transport.converged(x, y, 0.5)
    found = transport.entropic(x, y, 0.5, 0.7, 300)
    assert found[0] == pytest.approx(soft[0], abs=1e-5)
    np.testing.assert_allclose(found[1], (x - soft[1]) / 12, atol=1e-5)


def test_cells_of_the_grid_are_named_kept_and_judged(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(grid, "STORED", tmp_path)
    monkeypatch.setattr(measure, "PAGES", tmp_path)
    assert {name.split("-d")[0] for name in grid.names()} <= set(published.FIGURES)
    assert len(grid.names()) == 8
    wanted = grid.cells(["linear_3-d1"], 40, 256, 1024, 0)
    assert (wanted[0].noise, wanted[0].sequences, wanted[0].model.noise) == (1, 10_240, 1)
    assert len({cell.path for cell in grid.cells(grid.names(), 40, 256, 1024, 0)}) == 8
    figures = {"distance": 7.2, "divergence": 0.01, "divergence_error": 0.01, "transition_error": 0.001}
    figures |= {name + "_floor": value for name, value in figures.items()} | {"divergence_floor_error": 0.01}
    figures |= {
        "volatility_ratio": 1.02,
        "rare_ratio": 0.5,
        "minutes": 1.0,
        "commit": "abc",
        "compared": 9,
        "batch": 4,
        "published_size": 7.3,
        "published_size_floor": 7.28,
    }
    calls = []
    monkeypatch.setattr(grid, "measure", lambda cell: calls.append(cell) or figures)
    grid.publish(wanted, "command")
    grid.publish(wanted, "command")
    assert len(calls) == 1
    assert "(stored)" in capsys.readouterr().out
    page = (tmp_path / "emulation-grid-partial.md").read_text()
    assert "| 7.200 / 7.200 = 1.000 | 7.300 / 7.280 | 7.39 / 7.281-7.288 |" in " ".join(page.split())
    assert "| rare symbol |" in page
    assert "linear_2-d100 has not been run" in page
    assert grid.missed(figures | {"rare_ratio": 1.0}) == ""
    with pytest.raises(SystemExit, match="choose among"):
        grid.cells(["cyclic-d1"], 40, 256, 1024, 0)


def test_every_benchmark_that_the_pages_and_the_runner_name_exists():
    """A page tells how its numbers were made; a module that is gone makes them numbers nobody can print again."""
    root = pathlib.Path(__file__).parents[1]
    named = set()
    for page in (*root.glob("docs/benchmarks/*.md"), root / "docs" / "benchmarks.md", root / "CHANGELOG.md"):
        named |= set(re.findall(r"python -m benchmarks\.(\w+)", page.read_text()))
    parts = re.search(r"PARTS = \(([^)]*)\)", (root / "benchmarks" / "run.py").read_text())
    named |= set(re.findall(r'"(\w+)"', parts.group(1) if parts else ""))
    assert len(named) > 8
    assert [name for name in sorted(named) if not (root / "benchmarks" / f"{name}.py").is_file()] == []
