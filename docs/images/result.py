"""Make result.png, the picture of the README: `python docs/images/result.py`.

Resting fMRI of the package nitime: the states of a hidden Markov model over the data, and what all models score on
blocks of time that were held out.
"""

import io
import pathlib

import numpy as np
from PIL import Image

import neurodyn
from neurodyn import datasets, report
from neurodyn.models import HMM, Pipeline, Standardise, create
from neurodyn.validation import holdout

DPI = 130

everything = datasets.load("nitime_fmri")
recording = everything.isel(unit=np.flatnonzero(everything["tissue"] == "grey matter"))
hmm = Pipeline(Standardise(), HMM(n_states=4, emission="gaussian_low_rank"))
models = {
    "hidden Markov model": hmm,
    "AR ridge": create("ar_ridge"),
    "factor analysis": Pipeline(Standardise(), create("factor_analysis")),
    "persistence": create("persistence"),
    "mean": create("mean"),
}
protocols = {"next volume": holdout.blocks(4), "hidden regions": holdout.units(0.25, folds=3, key=0)}
comparison = neurodyn.compare(models, recording, protocols, key=0, nulls=(), fit_options={"restarts": 3})
print(comparison.verdict())

fit = hmm.fit(recording, key=0, restarts=5)
parts = []
for figure in (report.plot_states(fit, recording), report.plot_scores(comparison, metrics=["r2"])):
    stream = io.BytesIO()
    figure.savefig(stream, dpi=DPI, facecolor="white")
    parts.append(Image.open(stream).convert("RGB"))
picture = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), "white")
top = 0
for part in parts:
    picture.paste(part, (0, top))
    top += part.height
path = pathlib.Path(__file__).with_name("result.png")
picture.quantize(128).save(path, optimize=True)
print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
