"""The page holds the verdict, escapes what it is given, stays small and loads nothing."""

import dataclasses
import html
import pathlib
import re

import numpy as np
import pytest

from neurodyn import report
from neurodyn.errors import FileError
from neurodyn.report import trust, words
from neurodyn.report.methods import references

HOSTILE = "<script>alert('x')</script>&"


@pytest.fixture(scope="module")
def page(comparison, fit, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of a written page."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    command = f"neurodyn compare '{HOSTILE}' --models hmm"
    written = report.write(comparison, path, command=command, fit=fit)
    assert written == path
    assert path.stat().st_size < 3_000_000
    return path.read_text(encoding="utf-8")


def test_the_page_tells_verdict_scores_methods_and_command(page: str, comparison) -> None:
    text = html.unescape(page)
    for part in ("Verdict", "Data", "Scores", "The fit", "Warnings", "Methods", "Reproduce", "BibTeX"):
        assert part in page
    assert words.headline(comparison) in text
    assert "neurodyn compare" in text
    assert "random key" in text
    assert "rabiner1989" in text
    assert "floor: knows nothing" in page
    assert "perfection" in page
    assert "ceiling: data against data" in page
    assert "no ceiling: a single presentation" in page
    value = float(comparison.scores["value"].sel(protocol="blocks", metric="r2", model="hmm"))
    assert words.number(value) in page


def test_labels_are_escaped(page: str) -> None:
    assert "<script" not in page
    assert html.escape(HOSTILE) in page


def test_the_page_loads_nothing_from_elsewhere(page: str) -> None:
    sources = re.findall(r'\b(?:src|srcset|href)="([^"]*)"', page)
    outside = [link for link in sources if not link.startswith(("data:", "#"))]
    assert all(link.startswith("https://doi.org/") for link in outside)
    assert not re.search(r"@import|url\(", page)
    assert "<link" not in page


def test_every_picture_has_words_for_those_who_cannot_see_it(page: str) -> None:
    alts = re.findall(r'<img alt="([^"]*)"', page)
    assert len(alts) == page.count("<img") > 5
    assert all(len(alt) > 20 for alt in alts)
    assert 'lang="en"' in page
    assert 'name="viewport"' in page


def test_warnings_are_on_the_page(comparison, tmp_path: pathlib.Path) -> None:
    warned = dataclasses.replace(comparison, warnings={"hmm": (f"states were empty {HOSTILE}",)})
    text = report.write(warned, tmp_path / "r.html").read_text(encoding="utf-8")
    assert html.escape(f"states were empty {HOSTILE}") in text


def test_a_comparison_of_several_recordings_has_a_verdict_for_each(
    comparison, tmp_path: pathlib.Path
) -> None:
    from neurodyn.validation.comparison.result import join

    joined = join({"first": comparison, "second": comparison})
    text = html.unescape(report.write(joined, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert text.count(words.headline(comparison)) == 4


def test_a_missing_folder_and_a_folder_are_refused(comparison, tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        report.write(comparison, tmp_path / "nowhere" / "report.html")
    with pytest.raises(FileError, match="is a folder"):
        report.write(comparison, tmp_path)


def judged(comparison, **changes: float):
    """The comparison with other numbers for the HMM under blocks."""
    scores = comparison.scores.copy(deep=True)
    for name, value in changes.items():
        scores[name].loc[{"model": "hmm", "metric": "r2"}] = value
    return dataclasses.replace(comparison, scores=scores)


def only(comparison):
    """The finding of the main metric."""
    return words.finding(comparison, "blocks", "r2")


def test_the_verdict_follows_the_paired_difference(comparison) -> None:
    assert only(judged(comparison, value=0.9, difference=0.2, p_adjusted=0.001)).outcome == "beats"
    assert only(judged(comparison, value=0.5, difference=0.01, p_adjusted=0.4)).outcome == "ties"
    assert only(judged(comparison, value=0.3, difference=-0.2, p_adjusted=0.001)).outcome == "falls short"
    assert only(judged(comparison, value=0.3, difference=0.1, p_adjusted=np.nan)).outcome == "unjudged"
    assert only(judged(comparison, value=-0.3, difference=-0.5, p_adjusted=0.01)).under


def test_the_headline_names_a_loss_honestly(comparison) -> None:
    lost = judged(comparison, value=0.1, difference=-0.2, p_adjusted=0.001)
    rival = words.full_name(
        comparison, str(comparison.scores["reference"].sel(protocol="blocks", metric="r2").values)
    )
    assert f"does not hold against its baselines: {rival} is ahead under blocks" in words.headline(lost)
    won = judged(comparison, value=0.9, difference=0.2, p_adjusted=0.001)
    assert "The hidden Markov model with 3 states holds" in words.headline(won)
    assert "interrupted" in words.headline(dataclasses.replace(won, complete=False))


def with_score(comparison, metric: str, value: float, lower: float, upper: float):
    """The comparison with another score of the HMM under blocks."""
    scores = comparison.scores.copy(deep=True)
    for name, number in (("value", value), ("lower", lower), ("upper", upper)):
        scores[name].loc[{"model": "hmm", "metric": metric}] = number
    return dataclasses.replace(comparison, scores=scores)


def test_the_headline_heeds_what_else_is_known(comparison) -> None:
    won = judged(comparison, value=0.9, difference=0.2, p_adjusted=0.001)
    likelihood = next(m for m in won.scores["metric"].values if m.startswith("log_likelihood"))
    assert "holds" in words.headline(with_score(won, likelihood, 1.0, 0.5, 1.5))
    doubted = words.headline(with_score(won, likelihood, -8.7, -12.5, -5.2))
    assert doubted.startswith("Mixed")
    assert "its likelihood is below that of independent units" in doubted
    slow = words.headline(with_score(won, "mse_over_persistence", 3.1, 2.9, 3.3))
    assert "the last value predicts better" in slow
    level = judged(comparison, value=-0.3, difference=-0.5, p_adjusted=0.01)
    assert "Yet under blocks its likelihood" in words.headline(with_score(level, likelihood, 4.5, 2.7, 6.2))
    assert "Yet" not in words.headline(with_score(level, likelihood, 4.5, -2.7, 6.2))


def test_a_leaking_model_is_not_praised(comparison) -> None:
    null = dataclasses.replace(comparison.nulls[0], model="hmm", leaking=True)
    leaking = dataclasses.replace(
        judged(comparison, value=0.9, difference=0.2, p_adjusted=0.001), nulls=(null,)
    )
    assert "Do not trust hmm" in words.headline(leaking)


def test_references_link_to_their_doi() -> None:
    text = references(["rabiner1989"])
    assert 'href="https://doi.org/10.1109/5.18626"' in text
    assert "Rabiner" in text


@pytest.mark.parametrize(
    ("agreement", "said"),
    [(0.59, "do not name"), (0.8, "in part"), (0.95, "nearly the same"), (np.nan, "not known")],
)
def test_the_page_says_how_to_read_the_agreement_of_restarts(fit, agreement: float, said: str) -> None:
    assert said in trust.reading(dataclasses.replace(fit.trace, agreement=agreement)).lower()
