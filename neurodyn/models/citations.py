"""BibTeX of the methods, so that a fit can cite what it used."""

from collections.abc import Iterable

ENTRIES = {
    "neurodyn": """@software{neurodyn,
  title = {neurodyn: models of neural dynamics, judged on held-out data},
  author = {{The neurodyn developers}},
  year = {2026},
}""",
    "rabiner1989": """@article{rabiner1989,
  title = {A tutorial on hidden {Markov} models and selected applications in speech recognition},
  author = {Rabiner, Lawrence R.},
  journal = {Proceedings of the IEEE}, volume = {77}, number = {2}, pages = {257--286}, year = {1989},
  doi = {10.1109/5.18626},
}""",
    "dempster1977": """@article{dempster1977,
  title = {Maximum likelihood from incomplete data via the {EM} algorithm},
  author = {Dempster, A. P. and Laird, N. M. and Rubin, D. B.},
  journal = {Journal of the Royal Statistical Society B}, volume = {39}, number = {1}, pages = {1--38}, year = {1977},
  doi = {10.1111/j.2517-6161.1977.tb01600.x},
}""",
    "varadhan2008": """@article{varadhan2008,
  title = {Simple and globally convergent methods for accelerating the convergence of any {EM} algorithm},
  author = {Varadhan, Ravi and Roland, Christophe},
  journal = {Scandinavian Journal of Statistics}, volume = {35}, number = {2}, pages = {335--353}, year = {2008},
  doi = {10.1111/j.1467-9469.2007.00585.x},
}""",
    "ueda2000": """@article{ueda2000,
  title = {{SMEM} algorithm for mixture models},
  author = {Ueda, Naonori and Nakano, Ryohei and Ghahramani, Zoubin and Hinton, Geoffrey E.},
  journal = {Neural Computation}, volume = {12}, number = {9}, pages = {2109--2128}, year = {2000},
  doi = {10.1162/089976600300015088},
}""",
    "neal1998": """@incollection{neal1998,
  title = {A view of the {EM} algorithm that justifies incremental, sparse, and other variants},
  author = {Neal, Radford M. and Hinton, Geoffrey E.},
  booktitle = {Learning in Graphical Models}, pages = {355--368}, year = {1998},
  publisher = {Springer}, doi = {10.1007/978-94-011-5014-9_12},
}""",
    "hoerl1970": """@article{hoerl1970,
  title = {Ridge regression: biased estimation for nonorthogonal problems},
  author = {Hoerl, Arthur E. and Kennard, Robert W.},
  journal = {Technometrics}, volume = {12}, number = {1}, pages = {55--67}, year = {1970},
  doi = {10.1080/00401706.1970.10488634},
}""",
    "truccolo2005": """@article{truccolo2005,
  title = {A point process framework for relating neural spiking activity to spiking history, neural ensemble,
    and extrinsic covariate effects},
  author = {Truccolo, Wilson and Eden, Uri T. and Fellows, Matthew R. and Donoghue, John P. and Brown, Emery N.},
  journal = {Journal of Neurophysiology}, volume = {93}, number = {2}, pages = {1074--1089}, year = {2005},
  doi = {10.1152/jn.00697.2004},
}""",
    "pillow2008": """@article{pillow2008,
  title = {Spatio-temporal correlations and visual signalling in a complete neuronal population},
  author = {Pillow, Jonathan W. and Shlens, Jonathon and Paninski, Liam and Sher, Alexander and Litke, Alan M.
    and Chichilnisky, E. J. and Simoncelli, Eero P.},
  journal = {Nature}, volume = {454}, pages = {995--999}, year = {2008},
  doi = {10.1038/nature07140},
}""",
    "mathys2014": """@article{mathys2014,
  title = {Uncertainty in perception and the hierarchical {Gaussian} filter},
  author = {Mathys, Christoph D. and Lomakina, Ekaterina I. and Daunizeau, Jean and Iglesias, Sandra and Brodersen, Kay H.
    and Friston, Karl J. and Stephan, Klaas E.},
  journal = {Frontiers in Human Neuroscience}, volume = {8}, pages = {825}, year = {2014},
  doi = {10.3389/fnhum.2014.00825},
}""",
    "legrand2024": """@misc{legrand2024,
  title = {pyhgf: A neural network library for predictive coding},
  author = {Legrand, Nicolas and Weber, Lilian and Waade, Peter Thestrup and Daugaard, Anna Hedvig M{\\o}ller and
    Khodadadi, Mojtaba and Miku{\\v{s}}, Nace and Mathys, Chris},
  year = {2024}, eprint = {2410.09206}, archiveprefix = {arXiv},
  doi = {10.48550/arXiv.2410.09206},
}""",
    "li2024": """@inproceedings{li2024,
  title = {One-hot generalized linear model for switching brain state discovery},
  author = {Li, Chengrui and Kim, Soon Ho and Rodgers, Chris and Choi, Hannah and Wu, Anqi},
  booktitle = {International Conference on Learning Representations}, year = {2024}, eprint = {2310.15263},
    archiveprefix = {arXiv},
  doi = {10.48550/arXiv.2310.15263},
}""",
    "escola2011": """@article{escola2011,
  title = {Hidden {Markov} models for the stimulus-response relationships of multistate neural systems},
  author = {Escola, Sean and Fontanini, Alfredo and Katz, Don and Paninski, Liam},
  journal = {Neural Computation}, volume = {23}, number = {5}, pages = {1071--1132}, year = {2011},
  doi = {10.1162/NECO_a_00118},
}""",
    "ashwood2022": """@article{ashwood2022,
  title = {Mice alternate between discrete strategies during perceptual decision-making},
  author = {Ashwood, Zoe C. and Roy, Nicholas A. and Stone, Iris R. and {The International Brain Laboratory} and
    Urai, Anne E. and Churchland, Anne K. and Pouget, Alexandre and Pillow, Jonathan W.},
  journal = {Nature Neuroscience}, volume = {25}, number = {2}, pages = {201--212}, year = {2022},
  doi = {10.1038/s41593-021-01007-z},
}""",
    "yuan2006": """@article{yuan2006,
  title = {Model selection and estimation in regression with grouped variables},
  author = {Yuan, Ming and Lin, Yi},
  journal = {Journal of the Royal Statistical Society B}, volume = {68}, number = {1}, pages = {49--67}, year =
    {2006},
  doi = {10.1111/j.1467-9868.2005.00532.x},
}""",
    "maddison2017": """@inproceedings{maddison2017,
  title = {The concrete distribution: a continuous relaxation of discrete random variables},
  author = {Maddison, Chris J. and Mnih, Andriy and Teh, Yee Whye},
  booktitle = {International Conference on Learning Representations}, year = {2017},
  eprint = {1611.00712}, archiveprefix = {arXiv},
  doi = {10.48550/arXiv.1611.00712},
}""",
    "jang2017": """@inproceedings{jang2017,
  title = {Categorical reparameterization with {Gumbel}-softmax},
  author = {Jang, Eric and Gu, Shixiang and Poole, Ben},
  booktitle = {International Conference on Learning Representations}, year = {2017},
  eprint = {1611.01144}, archiveprefix = {arXiv},
  doi = {10.48550/arXiv.1611.01144},
}""",
    "rubin1982": """@article{rubin1982,
  title = {{EM} algorithms for {ML} factor analysis},
  author = {Rubin, Donald B. and Thayer, Dorothy T.},
  journal = {Psychometrika}, volume = {47}, number = {1}, pages = {69--76}, year = {1982},
  doi = {10.1007/BF02293851},
}""",
    "tipping1999": """@article{tipping1999,
  title = {Probabilistic principal component analysis},
  author = {Tipping, Michael E. and Bishop, Christopher M.},
  journal = {Journal of the Royal Statistical Society B}, volume = {61}, number = {3}, pages = {611--622}, year
    = {1999},
  doi = {10.1111/1467-9868.00196},
}""",
    "rescorla1972": """@incollection{rescorla1972,
  title = {A theory of {Pavlovian} conditioning: variations in the effectiveness of reinforcement and
    nonreinforcement},
  author = {Rescorla, Robert A. and Wagner, Allan R.},
  booktitle = {Classical Conditioning {II}}, pages = {64--99}, year = {1972},
}""",
    "huys2011": """@article{huys2011,
  title = {Disentangling the roles of approach, activation and valence in instrumental and {Pavlovian} responding},
  author = {Huys, Quentin J. M. and Cools, Roshan and G{\\"o}lzer, Martin and Friedel, Eva and Heinz, Andreas
            and Dolan, Raymond J. and Dayan, Peter},
  journal = {PLoS Computational Biology}, volume = {7}, number = {4}, pages = {e1002028}, year = {2011},
  doi = {10.1371/journal.pcbi.1002028},
}""",
    "vidaurre2018": """@article{vidaurre2018,
  title = {Spontaneous cortical activity transiently organises into frequency specific phase-coupling networks},
  author = {Vidaurre, Diego and Hunt, Laurence T. and Quinn, Andrew J. and others},
  journal = {Nature Communications}, volume = {9}, pages = {2987}, year = {2018},
  doi = {10.1038/s41467-018-05316-z},
}""",
}


def bibtex(keys: Iterable[str]) -> str:
    """BibTeX entries for citation keys, the package's own first.

    Parameters
    ----------
    keys : iterable of str
        Keys of `ENTRIES`.

    Returns
    -------
    str
        The entries, separated by blank lines.

    Examples
    --------
    >>> from neurodyn.models.citations import bibtex
    >>> bibtex(["rabiner1989"]).count("@")
    2
    """
    wanted = list(dict.fromkeys(["neurodyn", *keys]))
    return "\n\n".join(ENTRIES[key] for key in wanted)
