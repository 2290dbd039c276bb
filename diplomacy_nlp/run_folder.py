"""A folder that a long run fills part by part, and in which it can be taken up again."""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diplomacy_nlp.documents import Position, Unreadable
from diplomacy_nlp.errors import ConfigError, DataError
from diplomacy_nlp.output import open_output

__all__ = [
    "ERRORS_FILE",
    "PROGRESS_FILE",
    "Part",
    "RunFolder",
    "describe_inputs",
    "locked",
    "total_bytes",
]

#: What the folder holds beside the parts.
PROGRESS_FILE = "progress.json"
ERRORS_FILE = "errors.jsonl"

_FORMAT_VERSION = 1
_LOCK_FILE = ".lock"


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a run that is done.

    Parameters
    ----------
    name : str
        Of the file, in the folder.
    n_documents, n_sentences : int
        How many were tagged for it.
    """

    name: str
    n_documents: int
    n_sentences: int


@dataclass(frozen=True)
class _Progress:
    """What ``progress.json`` says: all that has been done for sure."""

    run: Mapping[str, Any]
    n_files: int = 0
    n_rows: int = 0
    n_unreadable: int = 0
    n_errors_bytes: int = 0
    is_finished: bool = False
    parts: tuple[Part, ...] = ()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every other process out of the folder of a run; made where it is missing.

    The lock of a process that was killed is gone with it.

    Raises
    ------
    ConfigError
        Another process has it.
    DataError
        The folder cannot be made or written to.
    """
    # Not at the top: tagging a single text, which needs no lock, would start later.
    from filelock import FileLock, Timeout

    with _making(path):
        path.mkdir(parents=True, exist_ok=True)
        try:
            held = FileLock(path / _LOCK_FILE).acquire(timeout=0)
        except Timeout:
            raise ConfigError(
                f"{path}: another process is filling it; wait for it, or choose another folder"
            ) from None
    with held:
        yield


class RunFolder:
    """The folder of a run, and how far it is.

    A part is first written, then renamed, then noted, so that a run that ends at any moment is
    taken up behind the last part noted; what came after it is done again in the same way.

    Parameters
    ----------
    path : Path
        The folder; made where it is missing.
    run : mapping of str to JSON
        What decides the output: inputs, options, model, version. It must be the same for a run to
        be taken up.
    suffix : str
        Of the parts.
    resume : bool
        Whether a run there, if there is one, is to be gone on with.

    Raises
    ------
    ConfigError
        There is a run, and `resume` is False or it is another one.
    DataError
        The folder holds other files or a damaged run, or cannot be made.
    """

    def __init__(self, path: Path, run: Mapping[str, Any], suffix: str, *, resume: bool) -> None:
        self._path = path
        self._suffix = suffix
        progress = _read_progress(path)
        if progress is None:
            _make_empty(path)
            self._progress = _Progress(run)
            self._save()
            return
        if not resume:
            raise ConfigError(
                f"{path}: holds a run already; go on with it by --resume, or choose another folder"
            )
        _check_same(path, progress.run, run)
        _check_parts(path, progress)
        self._progress = progress
        self._drop_what_was_not_noted()

    @property
    def position(self) -> Position:
        """The place in the inputs behind which to go on."""
        return Position(self._progress.n_files, self._progress.n_rows)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that are done."""
        return self._progress.parts

    @property
    def n_unreadable(self) -> int:
        """How many documents of the parts done could not be read."""
        return self._progress.n_unreadable

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self._progress.is_finished

    @property
    def next_part(self) -> Path:
        """Where the next part belongs."""
        return self._path / f"part-{len(self._progress.parts):05}{self._suffix}"

    def pass_over(self, unreadable: Unreadable) -> None:
        """List what cannot be read."""
        try:
            with self._errors_file.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(unreadable.to_json())
        except OSError as error:
            raise DataError(f"{self._errors_file}: cannot be written: {error.strerror}") from error
        self._progress = dataclasses.replace(
            self._progress, n_unreadable=self._progress.n_unreadable + 1
        )

    def note_part(self, n_documents: int, n_sentences: int, position: Position) -> None:
        """Note that :attr:`next_part` is written, and that all up to a place is done."""
        part = Part(self.next_part.name, n_documents, n_sentences)
        self._note(position, parts=(*self._progress.parts, part))

    def note_end(self, position: Position) -> None:
        """Note that nothing is left to do."""
        self._note(position, is_finished=True)

    @property
    def _errors_file(self) -> Path:
        return self._path / ERRORS_FILE

    def _note(self, position: Position, **changes: Any) -> None:
        errors = self._errors_file
        self._progress = dataclasses.replace(
            self._progress,
            n_files=position.n_files,
            n_rows=position.n_rows,
            n_errors_bytes=errors.stat().st_size if errors.exists() else 0,
            **changes,
        )
        self._save()

    def _save(self) -> None:
        fields = {"format_version": _FORMAT_VERSION, **dataclasses.asdict(self._progress)}
        with open_output(self._path / PROGRESS_FILE) as file:
            json.dump(fields, file, indent=2)
            file.write("\n")

    def _drop_what_was_not_noted(self) -> None:
        for unfinished in [*self._path.glob(".part-*"), *self._path.glob(f".{PROGRESS_FILE}.*")]:
            unfinished.unlink(missing_ok=True)
        if self._errors_file.exists():
            os.truncate(self._errors_file, self._progress.n_errors_bytes)


def _read_progress(path: Path) -> _Progress | None:
    file = path / PROGRESS_FILE
    if not file.exists():
        return None
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        version = fields.pop("format_version")
        if version != _FORMAT_VERSION:
            raise DataError(f"{file}: format {version}, from another version of diplomacy-nlp")
        parts = tuple(Part(**part) for part in fields.pop("parts"))
        return _Progress(**fields, parts=parts)
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{file}: is not the progress of a run") from error


@contextlib.contextmanager
def _making(path: Path) -> Iterator[None]:
    """Say of a folder that cannot be made or read why."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be a folder of parts: {error.strerror}") from error


def _make_empty(path: Path) -> None:
    with _making(path):
        path.mkdir(parents=True, exist_ok=True)
        others = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    if others:
        raise DataError(f"{path}: holds other files, such as {others[0]}; choose an empty folder")


def _check_same(path: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    now = json.loads(json.dumps(now))
    changes = [
        f"{name}: {json.dumps(then.get(name))} then, {json.dumps(now.get(name))} now"
        for name in {**then, **now}
        if then.get(name) != now.get(name)
    ]
    if changes:
        raise ConfigError(
            "\n".join([f"{path}: cannot be resumed; the run there was another one", *changes])
        )


def _check_parts(path: Path, progress: _Progress) -> None:
    missing = [part.name for part in progress.parts if not (path / part.name).is_file()]
    if missing:
        raise DataError([f"{path / name}: is missing, though it was written" for name in missing])


def describe_inputs(files: Sequence[str]) -> str:
    """Return a line that changes when files are others, in another order or of other sizes."""
    digest = hashlib.sha256()
    n_bytes = 0
    for name in files:
        size = _size(name)
        n_bytes += size or 0
        digest.update(os.fsencode(f"{name}\0{size}\0"))
    return f"{len(files)} files of {n_bytes} bytes, SHA-256 of names and sizes {digest.hexdigest()}"


def total_bytes(files: Sequence[str]) -> int | None:
    """Return the size of some files together; None where one is a pipe or the like."""
    sizes = [_size(name) for name in files]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _size(name: str) -> int | None:
    path = Path(name)
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
