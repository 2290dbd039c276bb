"""Texts to tag: found in files and folders, and read one at a time."""

import codecs
import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal

from diplomacy_nlp.errors import ConfigError, DataError

__all__ = ["STDIN", "Document", "find_files", "holds_rows", "read_documents"]

#: Stands for standard input among file names.
STDIN = "-"

_ROW_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
_SUFFIXES = (".txt", *_ROW_SUFFIXES)

# What files that are often taken for text begin with.
_SIGNATURES = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\xd0\xcf\x11\xe0", "an office document of an old format"),
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF87a", "an image"),
    (b"GIF89a", "an image"),
)
# The longer marks first, since UTF-32's begins with UTF-16's.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST_SIGNATURE_BYTES = 8


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
class _Reading:
    """How bytes become texts."""

    text_column: str
    encoding: str
    errors: Literal["strict", "replace"]


def find_files(inputs: Sequence[str]) -> list[str]:
    """Return the files that names stand for.

    Parameters
    ----------
    inputs : sequence of str
        Files, ``-`` for standard input, and folders, which stand for the ``.txt``, ``.csv``,
        ``.tsv``, ``.jsonl`` and ``.ndjson`` files in them and in their folders, in order of their
        paths. What is hidden (``.name``) is passed over.

    Raises
    ------
    DataError
        There is no such file, a folder holds none of them or cannot be listed.
    """
    problems = []
    files: list[str] = []
    for name in inputs:
        if name != STDIN and Path(name).is_dir():
            found = _files_in(name)
            if not found:
                problems.append(f"{name}: no text in this folder. Read are {', '.join(_SUFFIXES)}")
            files += found
        elif name == STDIN or Path(name).exists():
            files.append(name)
        else:
            problems.append(f"{name}: no such file")
    if problems:
        raise DataError(problems)
    return files


def _files_in(folder: str) -> list[str]:
    found = []
    for root, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(root, name)
            for name in names
            if not name.startswith(".") and name.lower().endswith(_SUFFIXES)
        ]
    return [str(path) for path in sorted(found)]


def _raise(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be listed: {error.strerror}") from error


def holds_rows(file: str) -> bool:
    """Say whether each row of a file is a document of its own."""
    return file.lower().endswith(_ROW_SUFFIXES)


def read_documents(
    files: Iterable[str],
    *,
    text_column: str = "text",
    encoding: str = "utf-8",
    errors: Literal["strict", "replace"] = "strict",
) -> Iterator[Document]:
    """Read texts one at a time.

    A file of rows gives a document a row, the others are one document each. Rows are read as they
    are needed, so that memory stays flat however long the file.

    Parameters
    ----------
    files : iterable of str
        As of :func:`find_files`.
    text_column : str
        The column, or field of JSON objects, that holds the text.
    encoding : str
        Of all the files.
    errors : {"strict", "replace"}
        Whether bytes that are not of the encoding, and NUL characters, are an error or become
        U+FFFD.

    Yields
    ------
    Document
        Rows of CSV and TSV are counted as a spreadsheet does, where the header is row 1; those of
        JSON Lines by line. An empty file of rows gives none.

    Raises
    ------
    ConfigError
        There is no such encoding.
    DataError
        While iterating: a file cannot be read, is no text or not in the encoding, or a row cannot
        be understood.
    """
    try:
        "a".encode(encoding)
    except (LookupError, UnicodeError):
        raise ConfigError(f"unknown encoding {encoding!r}, such as utf-8 or cp1252") from None
    reading = _Reading(text_column, encoding, errors)
    return chain.from_iterable(_read(name, reading) for name in files)


def _read(name: str, reading: _Reading) -> Iterator[Document]:
    try:
        if name == STDIN:
            if sys.stdin is None:
                raise DataError("standard input is closed")
            yield Document(name, _read_text(name, sys.stdin.buffer, reading))
            return
        with Path(name).open("rb") as file:
            if not holds_rows(name):
                yield Document(name, _read_text(name, file, reading))
                return
            _check_signature(name, file.peek(_LONGEST_SIGNATURE_BYTES), reading.encoding)
            yield from _read_rows(name, file, reading)
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from error


def _read_text(name: str, file: BinaryIO, reading: _Reading) -> str:
    data = file.read()
    _check_signature(name, data, reading.encoding)
    try:
        text = data.decode(reading.encoding, reading.errors)
    except UnicodeDecodeError as error:
        raise _not_in_encoding(name, error, error.start) from None
    return _without_nul(name, text, reading)


def _check_signature(name: str, data: bytes, encoding: str) -> None:
    for signature, what in _SIGNATURES:
        if data.startswith(signature):
            raise DataError(f"{name}: {what}, where plain text is wanted; convert it to .txt first")
    right = next((right for mark, right in _BYTE_ORDER_MARKS if data.startswith(mark)), "")
    if not codecs.lookup(encoding).name.startswith(right):
        raise DataError(
            f"{name}: {right} by its first bytes, not {encoding}; read it with --encoding {right}"
        )


def _not_in_encoding(name: str, error: UnicodeDecodeError, offset: int) -> DataError:
    byte = error.object[error.start]
    return DataError(
        f"{name}: byte 0x{byte:02x} at offset {offset} is not {error.encoding}. Name the right "
        "encoding, such as --encoding cp1252, or go on with --errors replace"
    )


def _without_nul(name: str, text: str, reading: _Reading) -> str:
    if "\0" not in text:
        return text
    if reading.errors == "replace":
        return text.replace("\0", "\ufffd")
    raise DataError(
        f"{name}: a NUL character, so a binary file or another encoding than {reading.encoding}. "
        "Plain text is wanted; name its encoding, such as --encoding utf-16, or go on with "
        "--errors replace"
    )


# --- Files of rows --------------------------------------------------------------------------


def _read_rows(name: str, file: io.BufferedReader, reading: _Reading) -> Iterator[Document]:
    read = _read_json_lines if name.lower().endswith(("jsonl", "ndjson")) else _read_delimited
    # JSON escapes the line breaks of its strings, CSV has them as they are.
    newline = "\n" if read is _read_json_lines else ""
    with io.TextIOWrapper(file, reading.encoding, reading.errors, newline=newline) as lines:
        try:
            yield from read(name, _clean_lines(name, lines, reading), reading.text_column)
        except UnicodeDecodeError as error:
            # The error knows the bytes that the decoder was given last.
            offset = file.tell() - len(error.object) + error.start
            raise _not_in_encoding(name, error, offset) from None


def _clean_lines(name: str, lines: Iterable[str], reading: _Reading) -> Iterator[str]:
    mark = "\N{BYTE ORDER MARK}"
    for line in lines:
        yield _without_nul(name, line.removeprefix(mark), reading)
        mark = ""


def _read_delimited(name: str, lines: Iterator[str], text_column: str) -> Iterator[Document]:
    first = next(lines, "")
    delimiters = "\t" if name.lower().endswith(".tsv") else ",;\t"
    delimiter = max(delimiters, key=lambda sign: _has_column(first, sign, text_column))
    # Cells of any length, since articles pass the 131072 characters that the module allows.
    csv.field_size_limit(2**31 - 1)
    # Strict, since a quotation mark out of place would otherwise swallow rows without a word.
    rows = enumerate(csv.reader(chain([first], lines), delimiter=delimiter, strict=True), start=1)
    header: list[str] = []
    number = 0
    try:
        for number, cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                column = _column(name, header, text_column)
            elif len(cells) == len(header):
                yield Document(f"{name}:{number}", cells[column])
            else:
                raise DataError(
                    f"{name} row {number}: {len(cells)} cells under a header of {len(header)}"
                )
    except csv.Error as error:
        raise DataError(
            f"{name} row {number + 1}: {error}; is a quotation mark left open?"
        ) from None


def _has_column(header: str, delimiter: str, column: str) -> bool:
    return column in (cell.strip(' "\r\n') for cell in header.split(delimiter))


def _column(name: str, header: list[str], text_column: str) -> int:
    if header.count(text_column) == 1:
        return header.index(text_column)
    problem = "stands twice" if text_column in header else "is missing"
    raise DataError(
        f"{name}: column {text_column!r} {problem}. Columns found: "
        f"{', '.join(map(repr, header))}; choose one with --text-column"
    )


def _read_json_lines(name: str, lines: Iterator[str], text_column: str) -> Iterator[Document]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name} line {number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataError(f"{name} line {number}: not a JSON object")
        if text_column not in row:
            raise DataError(
                f"{name} line {number}: no {text_column!r}. Found: {', '.join(map(repr, row))}; "
                "choose one with --text-column"
            )
        text = row[text_column]
        if not isinstance(text, str | None):
            raise DataError(f"{name} line {number}: {text_column!r} is {text!r}, not text")
        yield Document(f"{name}:{number}", text or "")
