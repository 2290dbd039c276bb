"""Texts to tag: found in files and folders, and read one at a time."""

import dataclasses
import glob
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from diplomacy_nlp.compressed_files import COMPRESSIONS, decompressed, without_compression
from diplomacy_nlp.document_rows import (
    ROW_SUFFIXES,
    Row,
    delimited_rows,
    json_rows,
    parquet_rows,
)
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.plain_text import Decoding

__all__ = [
    "STDIN",
    "Document",
    "DocumentStream",
    "Position",
    "Unreadable",
    "find_files",
    "holds_rows",
    "read_documents",
]

#: Stands for standard input among file names.
STDIN = "-"

_SUFFIXES = (".txt", *ROW_SUFFIXES)
_PARQUET = ".parquet"


@dataclass(frozen=True, slots=True)
class Document:
    """A text with the name that results call it by.

    Parameters
    ----------
    name : str
        The file as it was named, ``-`` for standard input; ``FILE:ROW`` for a row of a file.
    text : str
        Every character of it, line ends and byte order mark included.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What could not be read and was passed over.

    Parameters
    ----------
    document : str
        ``FILE:ROW`` where it is a row; ``FILE`` where it is all of a file, or all that followed
        the last row that could be read.
    message : str
        What is wrong with it.
    """

    document: str
    message: str

    def to_json(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two documents of a list of files.

    Parameters
    ----------
    n_files : int
        How many files are behind it.
    n_rows : int
        The number of the last row behind it, of the file after those.
    """

    n_files: int = 0
    n_rows: int = 0


# --- Which files ----------------------------------------------------------------------------


def find_files(inputs: Sequence[str]) -> list[str]:
    """Return the files that names stand for.

    Parameters
    ----------
    inputs : sequence of str
        Files; ``-`` for standard input; patterns such as ``news/**/*.txt.gz``, in order of the
        paths found; and folders, which stand for the ``.txt``, ``.csv``, ``.tsv``, ``.jsonl``,
        ``.ndjson`` and ``.parquet`` files in them and in their folders, in the same order, and
        for the first five also where ``.gz`` or ``.zst`` follows. Neither patterns nor folders
        lead to what is hidden (``.name``).

    Raises
    ------
    DataError
        There is no such file, nothing fits a pattern, a folder holds none of them or cannot be
        listed.
    """
    problems = []
    files: list[str] = []
    for name in inputs:
        if name == STDIN or Path(name).is_file():
            found = [name]
        elif Path(name).is_dir():
            found = _files_in(name)
            if not found:
                problems.append(
                    f"{name}: no text in this folder. Read are {', '.join(_SUFFIXES)}, and all "
                    f"but {_PARQUET} with {' or '.join(COMPRESSIONS)} behind"
                )
        elif Path(name).exists():
            found = [name]  # a device or a pipe
        else:
            found = _files_like(name)
            if not found:
                what = "no file fits this pattern" if glob.has_magic(name) else "no such file"
                problems.append(f"{name}: {what}")
        files += found
    if problems:
        raise DataError(problems)
    return files


def _files_in(folder: str) -> list[str]:
    found = []
    for root, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root, name) for name in names if not name.startswith(".") and _is_text(name)]
    return [str(path) for path in sorted(found)]


def _raise(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be listed: {error.strerror}") from error


def _is_text(name: str) -> bool:
    if name.lower().endswith(_PARQUET):
        return True
    # Parquet is compressed inside, and cannot be read from its beginning to its end.
    plain = without_compression(name)
    return plain.endswith(_SUFFIXES) and not plain.endswith(_PARQUET)


def _files_like(pattern: str) -> list[str]:
    if not glob.has_magic(pattern):
        return []
    # Not Path.glob, which takes no absolute pattern and finds what is hidden.
    found = (Path(name) for name in glob.iglob(pattern, recursive=True))  # noqa: PTH207
    return [str(path) for path in sorted(found) if path.is_file()]


def holds_rows(file: str) -> bool:
    """Say whether each row of a file is a document of its own."""
    return without_compression(file).endswith(ROW_SUFFIXES)


# --- Their texts ----------------------------------------------------------------------------


def read_documents(
    files: Sequence[str],
    *,
    text_column: str = "text",
    encoding: str = "utf-8",
    errors: Literal["strict", "replace"] = "strict",
    start: Position | None = None,
    skip: Callable[[Unreadable], None] | None = None,
) -> "DocumentStream":
    """Read texts one at a time.

    A file of rows gives a document a row, and is read as rows are needed, so that memory stays
    flat however long it is. The others are one document each, and read whole.

    Parameters
    ----------
    files : sequence of str
        As of :func:`find_files`.
    text_column : str
        The column, or field of JSON objects, that holds the text.
    encoding : str
        Of all the files but Parquet.
    errors : {"strict", "replace"}
        Whether bytes that are not of the encoding, and NUL characters, are an error or become
        U+FFFD.
    start : Position, optional
        Where to begin; what is before it is not read, except for the first rows of a file of rows.
    skip : callable, optional
        Is told of what cannot be read, which is then passed over.

    Returns
    -------
    documents : DocumentStream
        An iterator of :class:`Document`. Rows of CSV and TSV are counted as a spreadsheet does,
        where the header is row 1; those of JSON Lines by line, those of Parquet from 1. An empty
        file of rows gives none.

    Raises
    ------
    ConfigError
        There is no such encoding.
    DataError
        While iterating, without `skip`: a file cannot be read, is damaged, no text or not in the
        encoding, or a row cannot be understood.
    MissingExtraError
        While iterating: pyarrow is not installed, and a file is Parquet or Zstandard.
    """
    return DocumentStream(files, text_column, Decoding(encoding, errors), start or Position(), skip)


class DocumentStream(Iterator[Document]):
    """Documents as they are read; made by :func:`read_documents`."""

    def __init__(
        self,
        files: Sequence[str],
        text_column: str,
        decoding: Decoding,
        start: Position,
        skip: Callable[[Unreadable], None] | None,
    ) -> None:
        self._files = files
        self._text_column = text_column
        self._decoding = decoding
        self._position = start
        self._skip = skip
        self._n_bytes_behind = self._n_bytes_of_file = 0
        self._file: io.FileIO | None = None
        self._documents = self._read_all()

    def __next__(self) -> Document:
        return next(self._documents)

    @property
    def position(self) -> Position:
        """The place behind the last document that was read."""
        return self._position

    @property
    def n_bytes_read(self) -> int:
        """How many bytes of files, as they are on the disk, have been read."""
        file = self._file
        if file is None or file.closed or not file.seekable():
            return self._n_bytes_behind + self._n_bytes_of_file
        return self._n_bytes_behind + file.tell()

    def _read_all(self) -> Iterator[Document]:
        start = self._position
        for index, name in enumerate(self._files[start.n_files :], start.n_files):
            n_done = start.n_rows if index == start.n_files else 0
            try:
                yield from self._read(index, name, n_done)
            except DataError as error:
                self._pass_over(name, error)
            self._position = Position(index + 1)
            self._n_bytes_behind += self._n_bytes_of_file
            self._n_bytes_of_file = 0

    def _read(self, index: int, name: str, n_done: int) -> Iterator[Document]:
        try:
            if name == STDIN:
                if sys.stdin is None:
                    raise DataError("standard input is closed")
                yield self._whole(index, name, sys.stdin.buffer.read())
                return
            # Without a buffer, so that its place tells how much of it has been read.
            with io.FileIO(name) as file:
                self._file = file
                self._n_bytes_of_file = os.fstat(file.fileno()).st_size
                if not holds_rows(name):
                    with decompressed(name, file) as reader:
                        data = reader.read()
                    yield self._whole(index, name, data)
                    return
                for row in self._rows(name, file, n_done):
                    self._position = Position(index, row.number)
                    if row.problem:
                        self._pass_over(f"{name}:{row.number}", DataError(row.problem))
                    else:
                        yield Document(f"{name}:{row.number}", row.text)
        except OSError as error:
            raise DataError(f"{name}: cannot be read: {error.strerror}") from error

    def _whole(self, index: int, name: str, data: bytes) -> Document:
        text = self._decoding.text(name, data)
        self._position = Position(index + 1)
        return Document(name, text)

    def _rows(self, name: str, file: io.FileIO, n_done: int) -> Iterator[Row]:
        plain = without_compression(name)
        if plain.endswith(_PARQUET):
            return parquet_rows(name, file, self._text_column, n_done)
        reader = decompressed(name, file)
        # JSON escapes the line breaks of its strings, CSV has them as they are.
        if plain.endswith(("jsonl", "ndjson")):
            lines = self._decoding.lines(name, reader, newline="\n")
            return json_rows(name, lines, self._text_column, n_done)
        lines = self._decoding.lines(name, reader, newline="")
        return delimited_rows(name, lines, self._text_column, n_done)

    def _pass_over(self, document: str, error: DataError) -> None:
        if self._skip is None:
            raise error
        self._skip(Unreadable(document, str(error)))
