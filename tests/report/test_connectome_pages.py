"""A comparison of models of pairs makes a page that speaks of pairs and shows components."""

import html
import re

import numpy as np
import pytest
import xarray as xr

from neurodyn import models, recording, report
from neurodyn.errors import ModelError
from neurodyn.models.connectome import DynamicConnectome, affinity
from neurodyn.report import connectome_drawings, methods, scores, words
from neurodyn.report.page import _compose as compose
from neurodyn.validation import compare, holdout

UNITS = [f"{group}{number}" for group in "ab" for number in range(4)]


@pytest.fixture(scope="module")
def traces() -> xr.Dataset:
    """Eight units in two groups, two animals that walk."""
    generator = np.random.default_rng(0)
    walks = np.repeat(generator.normal(size=(2, 150, 2)).cumsum(axis=1), 4, axis=2)
    return recording.make(
        walks + 0.3 * generator.normal(size=walks.shape),
        sampling_interval=0.5,
        unit=UNITS,
        trial=["one", "two"],
        covariates={"speed": generator.normal(size=(2, 150))},
    )


@pytest.fixture(scope="module")
def comparison(traces: xr.Dataset):
    """A dynamic connectome and baselines under two protocols of pairs."""
    compared = [
        DynamicConnectome(rank=2, clock="own"),
        models.create("pair_amplitude"),
        models.create("window_states", n_states=2),
    ]
    protocols = [
        holdout.of_pairs(protocol) for protocol in (holdout.blocks(2), holdout.units(trials=0.5, key=0))
    ]
    options = {"restarts": 2, "max_sweeps": 30}
    return compare(compared, traces, protocols, key=0, nulls=(), n_bootstrap=50, fit_options=options)


@pytest.fixture(scope="module")
def page(comparison) -> str:
    """Its page with coarse pictures, which are left out, and entities as letters."""
    composed = compose(comparison, None, None, None, None, dpi=12)
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "", html.unescape(composed))


def test_protocols_of_pairs_are_named_by_what_they_hold_out(comparison) -> None:
    assert comparison.scores["protocol"].values.tolist() == ["pairs (blocks)", "pairs (units)"]


def test_the_page_says_that_pairs_are_scored_and_lists_none_of_them(page: str) -> None:
    assert "has 8 continuous units" in page
    assert "scored on the affinities of its 28 pairs of units, made by ConcurrentChange(window=5" in page
    assert "a0--a1" not in page
    assert "mean over pairs" in page
    assert "mean over units" not in page


def test_the_page_shows_the_components_and_whether_to_trust_them(page: str, comparison) -> None:
    alts = re.findall(r'<img alt="([^"]*)"', page)
    assert any(alt.startswith("Courses of 2 components in 2 animals") for alt in alts)
    assert sum(bool(re.match(r"Component \d: its course", alt)) for alt in alts) == 2
    assert "speed, which the model never saw" in page
    assert "Can the components be trusted?" in page
    fits = comparison.fits["pairs (blocks)", "dynamic_connectome"]
    assert f"{connectome_drawings.fold_agreement(fits):.2f} (congruence of pairs)" in page


def test_methods_describe_and_cite_the_models(page: str) -> None:
    assert "a course that every animal has for itself and a loading of the pair that all share" in page
    assert "takes an affinity to be the product of the amplitudes of its two units" in page
    assert "one of 2 patterns" in page
    for key in ("dyballa2024", "cichocki2009", "allen2014"):
        assert f"{{{key}," in page
    assert "The dynamic connectome with 2 components" in page


def test_sentences_follow_the_settings() -> None:
    shared = connectome_drawings.model_sentences(
        "mine", DynamicConnectome(rank=1, loss="poisson", smoothness=0.5)
    )
    assert "“mine”" in shared
    assert (
        "1 non-negative component the product of a course that all animals share, a loading of the animal"
        in shared
    )
    assert "Kullback-Leibler" in shared
    assert "squared differences of courses of 0.5" in shared
    assert connectome_drawings.model_sentences("mean", models.create("mean")) == ""


def test_a_likelihood_that_the_floor_alone_has_is_not_drawn(comparison) -> None:
    table = comparison.scores
    only = [name for name in table["metric"].values.tolist() if name.startswith("log_likelihood")]
    assert only
    assert np.isfinite(table["value"].sel(metric=only[0])).sum("model").max() == 1
    assert not set(only) & set(scores.headline_metrics(table, 2))


def test_folds_agree_where_components_come_in_another_order(comparison) -> None:
    fit = comparison.fits["pairs (units)", "dynamic_connectome"][0]
    turned = type(fit)(model=fit.model, parameters=fit.parameters.isel(component=[1, 0]), trace=fit.trace)
    assert connectome_drawings.fold_agreement([fit, turned]) == pytest.approx(1)


def test_trust_is_read_component_by_component() -> None:
    labels = np.arange(2)
    assert connectome_drawings.reading(labels, np.array([0.99, 0.9])).startswith(
        "As far as the optimiser goes, yes"
    )
    assert "in place of 1:" in connectome_drawings.reading(labels, np.array([0.99, 0.3]))
    assert connectome_drawings.reading(labels, np.array([0.1, 0.3])).startswith("Not as they stand")
    assert connectome_drawings.reading(labels, np.array([np.nan, np.nan])).startswith("Not known")


def test_many_components_make_a_few_cards(traces: xr.Dataset) -> None:
    fit = DynamicConnectome(rank=9, clock="own").fit(affinity(traces), key=0, restarts=1, max_sweeps=3)
    drawings = connectome_drawings.connectome_drawings(fit, traces)
    assert len(drawings) == 1 + connectome_drawings.MOST_CARDS
    assert sum("line" in drawing.caption for drawing in drawings) == 1


def test_protocols_that_score_other_units_are_not_mixed(traces: xr.Dataset) -> None:
    protocols = [holdout.of_pairs(holdout.blocks(2)), holdout.blocks(2)]
    with pytest.raises(
        ModelError, match=r"'pairs \(blocks\)' scores 28 units such as 'a0--a1', 'blocks' 8 such as 'a0'"
    ):
        compare([models.create("mean")], traces, protocols, key=0)


def test_a_recording_of_pairs_is_described_as_one(traces: xr.Dataset) -> None:
    pairs = affinity(traces)
    assert "has 28 continuous pairs over" in methods.data_sentence(pairs)
    figure = report.plot_recording(pairs)
    assert figure.axes[0].get_ylabel() == "28 pairs"


def test_the_name_of_a_connectome_says_its_rank(comparison) -> None:
    assert words.full_name(comparison, "dynamic_connectome") == "the dynamic connectome with 2 components"
    assert words.full_name(comparison, "window_states") == "sliding-window k-means with 2 states"
