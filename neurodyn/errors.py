"""Errors and warnings of the package; each message is one sentence: what, where, remedy."""


class RecordingError(ValueError):
    """The data break the recording schema or the needs of a model."""


class ModelError(ValueError):
    """A hyperparameter or an argument of a call is outside its range."""


class FileError(ValueError):
    """A file is missing, truncated, of another format, or lacks what was asked of it."""


class NotApplicable(ValueError):
    """A verb or a protocol has no meaning for this model or recording.

    Parameters
    ----------
    reason : str
        One sentence, printed by `neurodyn.validation.compare` in place of a score.
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class NeurodynWarning(UserWarning):
    """Something a reader of the results should know; reports print it."""


class DataWarning(NeurodynWarning):
    """Something about the recording itself that a fit of any model will suffer from."""
