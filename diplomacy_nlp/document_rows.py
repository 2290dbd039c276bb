"""The texts of files with a text in each row: CSV, TSV, JSON Lines and Parquet."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from diplomacy_nlp.compressed_files import without_compression
from diplomacy_nlp.errors import DataError, MissingExtraError

__all__ = ["ROW_SUFFIXES", "Row", "delimited_rows", "json_rows", "parquet_rows"]

#: Of the files whose rows are documents of their own.
ROW_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

# Articles may be long, and a row group may hold a million of them.
_BATCH_ROWS = 256
_BUFFER_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file.

    Parameters
    ----------
    number : int
        Where it stands: as a spreadsheet counts rows of CSV and TSV, where the header is row 1;
        by line in JSON Lines; from 1 in Parquet.
    text : str
        Its text.
    problem : str
        Why it cannot be understood; empty where it can.
    """

    number: int
    text: str
    problem: str = ""


def delimited_rows(
    name: str, lines: Iterator[str], text_column: str, n_done: int = 0
) -> Iterator[Row]:
    """Yield the rows of CSV or TSV after row `n_done`.

    Raises
    ------
    DataError
        While iterating: the header lacks the column, or has it twice.
    """
    first = next(lines, "")
    delimiters = "\t" if without_compression(name).endswith(".tsv") else ",;\t"
    delimiter = max(delimiters, key=lambda sign: _has_column(first, sign, text_column))
    # Cells of any length, since articles pass the 131072 characters that the module allows.
    csv.field_size_limit(2**31 - 1)
    # Strict, since a quotation mark out of place would otherwise swallow rows without a word.
    rows = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    header: list[str] = []
    column = number = 0
    while True:
        number += 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            problem = f"{name} row {number}: {error}; is a quotation mark left open?"
            if not header:
                raise DataError(problem) from None
            if number > n_done:
                yield Row(number, "", problem)
            continue
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            header = [cell.strip() for cell in cells]
            column = _column(name, header, text_column)
        elif number > n_done:
            yield _delimited_row(name, number, cells, header, column)


def _delimited_row(name: str, number: int, cells: list[str], header: list[str], column: int) -> Row:
    if len(cells) == len(header):
        return Row(number, cells[column])
    problem = f"{name} row {number}: {len(cells)} cells under a header of {len(header)}"
    return Row(number, "", problem)


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


def json_rows(name: str, lines: Iterable[str], text_column: str, n_done: int = 0) -> Iterator[Row]:
    """Yield the objects of JSON Lines after line `n_done`."""
    for number, line in enumerate(lines, start=1):
        if number > n_done and line.strip():
            try:
                yield Row(number, _text_of_json(line, text_column))
            except ValueError as error:
                yield Row(number, "", f"{name} line {number}: {error}")


def _text_of_json(line: str, text_column: str) -> str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    if text_column not in row:
        raise ValueError(
            f"no {text_column!r}. Found: {', '.join(map(repr, row))}; choose one with --text-column"
        )
    text = row[text_column]
    if not isinstance(text, str | None):
        raise ValueError(f"{text_column!r} is {text!r}, not text")
    return text or ""


def parquet_rows(name: str, file: io.RawIOBase, text_column: str, n_done: int = 0) -> Iterator[Row]:
    """Yield the rows of Parquet after row `n_done`.

    Raises
    ------
    DataError
        While iterating: the file is damaged, or its column holds no text or is missing.
    MissingExtraError
        pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("Reading Parquet", "parquet") from None
    try:
        # Column chunks are read a buffer at a time, not whole.
        table = parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        _check_type(name, table.schema_arrow, text_column)
        groups, number = _groups_after(table.metadata, n_done)
        batches = table.iter_batches(
            _BATCH_ROWS, row_groups=groups, columns=[text_column], use_threads=False
        )
        for batch in batches:
            for value in batch.column(0):
                number += 1
                if number > n_done:
                    yield _parquet_row(name, number, value)
    except (pa.ArrowException, OSError) as error:
        what = str(error).partition("\n")[0]
        raise DataError(f"{name}: damaged or cut off, or no Parquet: {what}") from error


def _check_type(name: str, schema: Any, text_column: str) -> None:
    import pyarrow as pa

    kind = schema.types[_column(name, schema.names, text_column)]
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(is_text(kind) for is_text in (*texts, pa.types.is_null)):
        raise DataError(f"{name}: column {text_column!r} holds {kind}, not text")


def _groups_after(metadata: Any, n_done: int) -> tuple[list[int], int]:
    """Return the row groups that are not done as a whole, and how many rows are before them."""
    first = n_before = 0
    while first < metadata.num_row_groups:
        n_after = n_before + metadata.row_group(first).num_rows
        if n_after > n_done:
            break
        first, n_before = first + 1, n_after
    return list(range(first, metadata.num_row_groups)), n_before


def _parquet_row(name: str, number: int, value: Any) -> Row:
    try:
        return Row(number, value.as_py() or "")
    except UnicodeDecodeError as error:
        return Row(number, "", f"{name} row {number}: not UTF-8: {error.reason}")
