"""Where the command ``tag`` writes to, by its options."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import typer

from diplomacy_nlp.errors import ConfigError, DataError

__all__ = ["Target", "check_target", "options_of"]

_Format: TypeAlias = Literal["jsonl", "csv", "parquet", "table"]

_FORMAT_OF_SUFFIX: dict[str, _Format] = {
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
# What a run may change when it is gone on with, what is described in another way, and what is
# for clusters.
_FREE_OPTIONS = ("--output", "--resume", "--skip-errors", "--engine", "--address", "--workers")
_DESCRIBED_OPTIONS = ("inputs", "--model", "--format", "--part-sentences")


@dataclass(frozen=True)
class Target:
    """Where tagged sentences go.

    Parameters
    ----------
    path : Path or None
        A file, or a folder of parts; None for standard output.
    format_ : {"jsonl", "csv", "parquet", "table"}
        As what.
    part_sentences : int
        How many sentences a part has; 0 where there are no parts.
    resume : bool
        Whether a run in the folder is to be gone on with.
    skip_errors : bool
        Whether what cannot be read is listed and passed over.
    """

    path: Path | None
    format_: _Format
    part_sentences: int
    resume: bool
    skip_errors: bool

    @property
    def in_parts(self) -> bool:
        """Whether it is a folder of parts."""
        return self.part_sentences > 0

    @property
    def errors_file(self) -> Path:
        """Where what cannot be read is listed."""
        from diplomacy_nlp.run_folder import ERRORS_FILE

        path = self.path or Path()
        return path / ERRORS_FILE if self.in_parts else Path(f"{path}.{ERRORS_FILE}")

    @classmethod
    def of(
        cls,
        output: str | None,
        format_: _Format | None,
        *,
        part_sentences: int | None,
        resume: bool,
        skip_errors: bool,
    ) -> "Target":
        """Return what options stand for.

        Raises
        ------
        ConfigError
            They do not go together.
        """
        from diplomacy_nlp.archive import PART_SENTENCES
        from diplomacy_nlp.documents import STDIN

        path = None if output in (None, STDIN) else Path(output or "")
        wants_parts = "--resume" if resume else "--part-sentences" if part_sentences else ""
        is_folder = path is not None and (str(output).endswith(("/", os.sep)) or path.is_dir())
        format_ = format_ or _default_format(path)
        if wants_parts and path is None:
            raise ConfigError(f"{wants_parts} needs a folder: --output FOLDER/")
        if wants_parts and not is_folder and path and path.suffix.lower() in _FORMAT_OF_SUFFIX:
            raise ConfigError(f"{wants_parts} needs a folder, such as --output {path.stem}/")
        if format_ == "parquet" and path is None:
            raise ConfigError("--format parquet needs a file or folder: --output FILE")
        if skip_errors and path is None:
            raise ConfigError("--skip-errors needs --output, beside which it lists them")
        if not is_folder and not wants_parts:
            return cls(path, format_, 0, resume, skip_errors)
        if format_ == "table":
            raise ConfigError("--format table has no parts; choose jsonl, csv or parquet")
        return cls(path, format_, part_sentences or PART_SENTENCES, resume, skip_errors)


def _default_format(path: Path | None) -> _Format:
    from diplomacy_nlp.output import is_terminal

    if path is not None:
        return _FORMAT_OF_SUFFIX.get(path.suffix.lower(), "jsonl")
    return "table" if is_terminal(sys.stdout) else "jsonl"


def check_target(target: Target, inputs: Sequence[str], files: Sequence[str]) -> None:
    """Refuse a target that cannot be, before any work is done.

    Parameters
    ----------
    target : Target
        Where to.
    inputs, files : sequence of str
        What is to be tagged, as it was named, and the files that it stands for.

    Raises
    ------
    ConfigError
        A run whose input is piped in is to be gone on with.
    DataError
        A file is no folder, or a folder no file, or it is one of the inputs or inside of one.
    """
    from diplomacy_nlp.documents import STDIN
    from diplomacy_nlp.output import check_output

    if target.path is None:
        return
    if not target.in_parts:
        check_output(target.path, files)
        return
    if target.resume and STDIN in files:
        raise ConfigError("--resume: what was piped in cannot be read again; name files")
    if target.path.exists() and not target.path.is_dir():
        raise DataError(f"{target.path}: is a file; name a folder")
    for name in inputs:
        folder = Path(name)
        if folder.is_dir() and target.path.resolve().is_relative_to(folder.resolve()):
            raise DataError(
                f"{target.path}: lies in {name}, so that it would be tagged too next time; "
                "name another folder"
            )


def options_of(context: typer.Context) -> dict[str, Any]:
    """Return the options of a command that decide what it writes, by name."""
    names = {option.name: max(option.opts, key=len) for option in context.command.params}
    left_out = (*_FREE_OPTIONS, *_DESCRIBED_OPTIONS)
    return {
        names[name]: value for name, value in context.params.items() if names[name] not in left_out
    }
