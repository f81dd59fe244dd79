"""Named errors: each says what was got and what was expected."""


class LayeredRLError(Exception):
    """Base of all errors raised for a user's mistake or a broken input."""


class ConfigurationError(LayeredRLError, ValueError):
    """An argument has a value that cannot work."""


class SpaceError(LayeredRLError, ValueError):
    """A space is of a kind, or has bounds or a shape, that does not fit."""


class ShapeError(LayeredRLError, ValueError):
    """A tensor or array has another shape than its contract says."""


class TimeIndexError(LayeredRLError, IndexError):
    """A time index lies beyond the table that it is looked up in."""


class ObservationError(LayeredRLError, ValueError):
    """An observation contains NaN or infinity, or does not fit its space."""


class LevelInputError(LayeredRLError, ValueError):
    """A level emitted something outside the input space of the level below."""


class EmptyBufferError(LayeredRLError, RuntimeError):
    """A sample was asked of a replay buffer that holds no transition."""


class CheckpointError(LayeredRLError, RuntimeError):
    """A checkpoint is truncated, foreign, newer, or of another shape."""


class RunFolderError(LayeredRLError, OSError):
    """A run folder cannot be written, or would be overwritten."""


class MissingExtraError(LayeredRLError, ImportError):
    """An optional package is missing; the message names the command that installs it."""


class WorkerError(LayeredRLError, RuntimeError):
    """Workers that collect experience elsewhere are lost again and again."""
