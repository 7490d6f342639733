"""Annotations of a recording as a table of events for cutting into trials."""

import numpy as np

from neurodyn.io.ieeg.opening import open_raw


def events_table(raw):
    """Annotations as a DataFrame: onset and duration in seconds from the first sample, description."""
    import pandas

    notes = raw.annotations
    onset = np.asarray(notes.onset, dtype=float) - raw.first_time
    return pandas.DataFrame(
        {
            "onset": onset,
            "duration": np.asarray(notes.duration, dtype=float),
            "description": [str(word) for word in notes.description],
        }
    )


def read_events(path):
    """Annotations (stimuli, responses, marked stretches) of an EEG or iEEG file.

    Parameters
    ----------
    path : path-like
        A file `read_ieeg` reads.

    Returns
    -------
    pandas.DataFrame
        `onset` and `duration` (s, in the clock of the recording's `time`) and `description`; pass the
        rows of one kind of event to `neurodyn.recording.cut_trials`.

    Raises
    ------
    FileError
        The file is missing, damaged or of no known format.

    Examples
    --------
    >>> from neurodyn.io import read_events
    >>> events = read_events("recording.set")  # doctest: +SKIP
    """
    return events_table(open_raw(path))
