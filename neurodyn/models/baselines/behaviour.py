"""Behaviour as a recording holds it: choices, what followed each of them, and what was shown before."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference.ridge import shifted
from neurodyn.recording import arrays, covariate_arrays


class Behaviour(NamedTuple):
    """Choices of participants, who are the trials of a recording; 0 where not observed.

    Attributes
    ----------
    choice : numpy.ndarray of int
        Chosen option, ``(participant, time)``.
    chosen : numpy.ndarray of bool
        Whether the choice was observed.
    outcome : numpy.ndarray
        What followed, ``(participant, time)``.
    followed : numpy.ndarray of bool
        Whether the outcome was observed.
    stimulus : numpy.ndarray
        What was shown before the choice, ``(participant, time, stimulus)``.
    shown : numpy.ndarray of bool
        Whether the stimulus was observed.
    labels : list of str
        Labels of the participants.
    known_ahead : bool
        Whether outcomes do not depend on the choices, so that a hidden choice hides none of them.
    """

    choice: np.ndarray
    chosen: np.ndarray
    outcome: np.ndarray
    followed: np.ndarray
    stimulus: np.ndarray
    shown: np.ndarray
    labels: list[str]
    known_ahead: bool


def behaviour(
    recording: xr.Dataset, *, model: str, outcome: str | None, stimulus: tuple[str, ...], cue: bool
) -> Behaviour:
    """Read the behaviour out of a checked recording.

    Parameters
    ----------
    recording : xr.Dataset
        A recording with one unit, the choice.
    model : str
        Name of the model, for messages.
    outcome : str or None
        Covariate that followed each choice.
    stimulus : tuple of str
        Covariates known before the choice.
    cue : bool
        Whether outcomes are events, 0 or 1, that the choice predicts.

    Returns
    -------
    Behaviour
        Filled arrays and masks.

    Raises
    ------
    RecordingError
        If there are several units, a covariate is missing, a stimulus follows the choice, or an event is
        neither 0 nor 1.
    """
    if recording.sizes["unit"] != 1:
        raise RecordingError(
            f"{model} models one choice, but the recording has {recording.sizes['unit']} units; "
            "select one with recording.sel(unit=[...])."
        )
    values, mask = arrays(recording)
    values = np.where(mask, values, 0)
    followed_by = covariate_arrays(recording, [] if outcome is None else [outcome])
    shown = covariate_arrays(recording, list(stimulus))
    refuse_known_after(recording, model, stimulus)
    known_ahead = False
    if outcome is None:
        result, followed = np.zeros(values.shape[:2]), np.zeros(values.shape[:2], bool)
    else:
        followed = followed_by.mask[..., 0]
        result = np.where(followed, followed_by.values[..., 0], 0)
        role = recording["covariates"].sel(covariate=outcome)["role"].item()
        known_ahead = cue and str(role) == "exogenous"
    if cue and followed.any() and not np.isin(result[followed], (0, 1)).all():
        raise RecordingError(
            f"{model} with learning='cue' needs outcomes of 0 or 1, but {outcome} has "
            f"{np.unique(result[followed])[:3].tolist()}; recode it, or use learning='reward'."
        )
    if "trial" in recording["activity"].dims:
        labels = [str(label) for label in recording["trial"].values]
    else:
        labels = [str(recording.attrs["subject"]) or "0"]
    return Behaviour(
        choice=values[..., 0].astype(np.int32),
        chosen=mask[..., 0],
        outcome=result,
        followed=followed,
        stimulus=np.where(shown.mask, shown.values, 0),
        shown=shown.mask,
        labels=labels,
        known_ahead=known_ahead,
    )


def refuse_known_after(
    recording: xr.Dataset, model: str, names: tuple[str, ...], what: str = "choice"
) -> None:
    """Refuse covariates that would tell a model of the response it is to predict."""
    for name in names:
        if str(recording["covariates"].sel(covariate=name)["available"].item()) == "after":
            raise RecordingError(
                f"{model} takes the covariate {name} to be known before the {what}, but the recording has it available "
                "after; name it as outcome or input, or correct `available` with recording.make(covariates=...)."
            )


def covariate_names(model: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the stimuli as a tuple; a single word is refused, as its letters would be taken for names."""
    if isinstance(names, str):
        raise ModelError(f"{model}: stimulus is {names!r}; give a tuple of covariate names.")
    return tuple(names)


def earlier(values: np.ndarray, steps: int) -> np.ndarray:
    """Values this many steps earlier, ``(participant, time)``; 0 or False where there is no such step."""
    return shifted(values[..., None], steps)[..., 0]
