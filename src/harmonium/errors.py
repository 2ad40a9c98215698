"""The error tree: every error a user can cause says what, where and the fix, with the value.

`HarmoniumError` catches them all. Each also is the built-in error a Python programmer expects.
"""


class HarmoniumError(Exception):
    """Any error that harmonium raises on purpose; its message is complete without a traceback."""


class DataError(HarmoniumError, ValueError):
    """Input data cannot be used as they are; the message names file, line and value."""


class EntryTypeError(DataError, TypeError):
    """An entry of a table is no number."""


class SettingError(HarmoniumError, ValueError):
    """A setting is outside its allowed range; the message names it, the range and the value."""


class NotFittedError(HarmoniumError, AttributeError):
    """A model is asked for something before `fit`."""


class UnknownIdError(HarmoniumError, KeyError):
    """A user, an item or a title the model does not know; the message names the nearest known one."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError would print the repr


class AmbiguousTitleError(HarmoniumError, KeyError):
    """A title fits several items; `candidates` lists them.

    Parameters
    ----------
    message : str
    candidates : tuple of str
    """

    def __init__(self, message: str, candidates: tuple[str, ...] = ()):
        super().__init__(message)
        self.candidates = candidates

    def __str__(self) -> str:
        return str(self.args[0])


class DivergenceError(HarmoniumError, ArithmeticError):
    """Learning diverged before any good model existed."""


class LeakError(HarmoniumError, ValueError):
    """Test ratings were part of what the model learned from, or of the history given to it."""


class NotEnoughMemoryError(HarmoniumError, MemoryError):
    """What is asked for does not fit in memory; the message says how much it needs, and what needs less."""


class NotEnoughDiskError(HarmoniumError, OSError):
    """What is asked for does not fit on the disk; the message says how much it needs, and what needs less."""


class ModelFileError(HarmoniumError, OSError):
    """A model file is missing, damaged, or of a version this release cannot read."""
