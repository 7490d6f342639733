"""What figures of samples of sequences need: codes, names of the symbols, and a colour for every sample."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Int

from neurodyn.errors import ModelError
from neurodyn.models.recurrent import sequence_windows
from neurodyn.report.style import ACCENT, CEILING, INK, NULL, names, state_colour

SAMPLES = (INK, ACCENT, NULL, CEILING, "#882255", "#88CCEE")


class SequenceView(NamedTuple):
    """Samples of sequences under their names.

    Parameters
    ----------
    recordings : dict
        Of complete sequences.
    symbols : dict of np.ndarray
        Codes, ``(sequence, step)``.
    names : list of str
        Of the symbols.
    """

    recordings: dict[str, xr.Dataset]
    symbols: dict[str, Int[np.ndarray, "sequence step"]]
    names: list[str]


def sequence_view(samples: Mapping[str, xr.Dataset]) -> SequenceView:
    """Check samples of sequences; recordings with gaps or of one long run are cut to the shortest of the others.

    Parameters
    ----------
    samples : mapping
        From names to recordings of one categorical unit.

    Returns
    -------
    SequenceView
        Complete sequences.

    Raises
    ------
    ModelError
        If there are no samples, too many, or not one categorical unit.
    """
    named = isinstance(samples, Mapping) and not isinstance(samples, xr.Dataset)
    if not named or not 1 <= len(samples) <= len(SAMPLES):
        given = len(samples) if named else f"one {type(samples).__name__}"
        raise ModelError(
            f"samples is {given}; give a mapping of one to {len(SAMPLES)} names to recordings of symbols, the target first."
        )
    for name, recording in samples.items():
        kinds = {str(kind) for kind in np.ravel(recording["kind"].values)}
        if not kinds <= {"categorical", "binary"}:
            raise ModelError(
                f"sample {name!r} holds {', '.join(sorted(kinds))} units; give recordings of one categorical unit."
            )
    whole = [
        recording.sizes["time"]
        for recording in samples.values()
        if "trial" in recording["activity"].dims and bool(recording["activity"].notnull().all())
    ]
    length = min(whole) if whole else None
    cut = {str(name): sequence_windows(recording, length) for name, recording in samples.items()}
    found = {name: one["activity"].values[..., 0].astype(int) for name, one in cut.items()}
    steps = {symbols.shape[1] for symbols in found.values()}
    if len(steps) > 1:
        raise ModelError(
            f"the samples have sequences of {min(steps)} and of {max(steps)} bins; cut them alike with "
            "neurodyn.models.recurrent.sequence_windows."
        )
    listed = [
        next(iter((one["activity"].attrs.get("categories") or {}).values()), []) for one in cut.values()
    ]
    return SequenceView(cut, found, names(max(listed, key=len)))


def sample_colours(view: SequenceView) -> dict[str, str]:
    """Colour of every sample; the target is dark."""
    return dict(zip(view.symbols, SAMPLES, strict=False))


def symbol_colours(count: int) -> list[str]:
    """Colour of every symbol."""
    return [state_colour(number) for number in range(count)]
