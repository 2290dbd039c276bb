"""Every exception that the library raises on purpose.

::

    DiplomacyError
    ├── DataError           a text or a file of labels cannot be used (also a ValueError)
    ├── ConfigError         an option, a recipe or a name has no meaning here (also a ValueError)
    ├── MissingExtraError   an optional dependency is not installed (also an ImportError)
    ├── TrainingError       a model could not be trained or exported
    └── ModelError          a model folder cannot be used
        ├── ModelNotFoundError   nothing is there (also a FileNotFoundError)
        ├── ModelDamagedError    a file is missing or differs from its checksum
        └── ModelFormatError     the folder is foreign, or from another version of the library
"""

from collections.abc import Sequence

__all__ = [
    "ConfigError",
    "DataError",
    "DataWarning",
    "DiplomacyError",
    "MissingExtraError",
    "ModelDamagedError",
    "ModelError",
    "ModelFormatError",
    "ModelNotFoundError",
    "TrainingError",
]

_PROBLEMS_SHOWN = 10


class DiplomacyError(Exception):
    """The root of every error that the library raises on purpose."""


class DataError(DiplomacyError, ValueError):
    """A text or a file of labels cannot be used.

    Parameters
    ----------
    problems : str or sequence of str
        What is wrong, one sentence a problem, each naming file, row and column where known.
        The message lists the first ten.

    Attributes
    ----------
    problems : tuple of str
        All of them.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        lines = list(self.problems[:_PROBLEMS_SHOWN])
        if len(self.problems) > _PROBLEMS_SHOWN:
            lines.append(f"… and {len(self.problems) - _PROBLEMS_SHOWN} more problems.")
        super().__init__("\n".join(lines))


class DataWarning(UserWarning):
    """Data can be used, though something in it is unlikely to be meant."""


class ConfigError(DiplomacyError, ValueError):
    """An option, a recipe or a name has no meaning here."""


class MissingExtraError(DiplomacyError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    purpose : str
        What was wanted, as the subject of a sentence: "Training".
    extra : str
        The extra of ``diplomacy-nlp`` that brings it.
    """

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f'{purpose} needs an extra: pip install "diplomacy-nlp[{extra}]"')


class TrainingError(DiplomacyError):
    """A model could not be trained or exported."""


class ModelError(DiplomacyError):
    """A model folder cannot be used."""


class ModelNotFoundError(ModelError, FileNotFoundError):
    """There is no model under that name or path."""


class ModelDamagedError(ModelError):
    """A file of a model folder is missing or differs from its checksum."""


class ModelFormatError(ModelError):
    """A folder is not a model folder, or one of another version of the library."""
