"""Methods of a report: references and models in words."""

from neurodyn.inference.emissions import Gaussian, NormalInverseWishart
from neurodyn.models import HMM, Pipeline, Standardise
from neurodyn.models.pipeline import PCA
from neurodyn.report import methods


def test_titles_keep_their_words_and_authors_are_listed():
    said = methods.references(["varadhan2008", "neal1998"])
    assert "Simple and globally convergent methods" in said
    assert "Varadhan, Ravi; Roland, Christophe. Simple" in said
    assert ".. " not in said


def test_models_are_named_without_their_defaults():

    assert methods.concise(HMM(n_states=3)) == "HMM(n_states=3)"
    prior = NormalInverseWishart(mean_strength=5.0)
    model = Pipeline(Standardise(), PCA(2), HMM(n_states=4, emission=Gaussian(prior=prior)))
    written = methods.concise(model)
    assert written == (
        "Pipeline(Standardise(), PCA(n=2), HMM(n_states=4, "
        "emission=Gaussian(prior=NormalInverseWishart(mean_strength=5.0))))"
    )
    names = {cls.__name__: cls for cls in (Pipeline, Standardise, PCA, HMM, Gaussian, NormalInverseWishart)}
    assert repr(eval(written, names)) == repr(model)


def test_authors_over_two_lines_are_listed_in_one():
    said = methods.references(["ashwood2022"])
    assert "Ashwood, Zoe C.; Roy, Nicholas A." in said
    assert "Brain Laboratory; Urai, Anne E." in said
    assert "Pillow, Jonathan W. Mice alternate" in said
