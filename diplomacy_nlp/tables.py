"""Tables of rows that know their numbers, from CSV, TSV, JSON Lines, Parquet or a dataset."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from diplomacy_nlp.errors import ConfigError, DataError, MissingExtraError

__all__ = ["SUFFIXES", "RowSource", "Table", "read_table"]

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


class RowSource(Protocol):
    """What is used of ``datasets.Dataset``."""

    @property
    def column_names(self) -> list[str]:
        """The columns, in order."""
        ...

    def __iter__(self) -> Iterator[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as they stand, with the numbers that messages call them by."""

    name: str
    unit: str = "row"
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def add_problem(self, number: int, message: str, column: str | None = None) -> None:
        """Note what is wrong with a row."""
        where = f", column {column!r}" if column else ""
        self.problems.append((number, f"{self.name} {self.unit} {number}{where}: {message}"))

    def check_columns(self) -> None:
        """Fail where no row can be understood."""
        if not self.rows:
            self.raise_problems()
            raise DataError(f"{self.name}: there are no rows")
        twice = sorted({name for name in self.columns if name and self.columns.count(name) > 1})
        problems = [f"{self.name}: column {name!r} stands twice" for name in twice]
        if "text" not in self.columns:
            problems.append(f"{self.name}: no column 'text'. {self.columns_found}")
        if "doc" in self.columns and "group" in self.columns:
            problems.append(f"{self.name}: columns 'doc' and 'group' mean the same; keep one")
        if problems:
            raise DataError(problems)

    @property
    def columns_found(self) -> str:
        """A sentence that lists the columns, for messages."""
        return f"Columns found: {', '.join(map(repr, self.columns))}"

    def raise_problems(self) -> None:
        """Fail with all the problems noted, if any, in the order of the rows."""
        if self.problems:
            ordered = sorted(self.problems, key=lambda problem: problem[0])
            raise DataError([message for _, message in ordered])


def read_table(source: str | Path | RowSource, encoding: str) -> Table:
    """Read a file, whose suffix says its format, or a dataset.

    Raises
    ------
    DataError
        It cannot be read, or has no rows or not the columns that are needed. Problems of single
        rows are left in the table.
    ConfigError
        There is no such encoding.
    MissingExtraError
        The file is Parquet and pyarrow is not installed.
    """
    if isinstance(source, str | Path):
        table = _read_file(Path(source), encoding)
    else:
        table = _read_dataset(source)
    table.check_columns()
    return table


def _read_file(path: Path, encoding: str) -> Table:
    name = str(path)
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            raise DataError(f"{name}: is a folder; name a file in it")
        if suffix not in SUFFIXES and path.exists():
            raise DataError(f"{name}: unknown format {suffix!r}. Readable: {', '.join(SUFFIXES)}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{name}: no such file") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from error
    if suffix == ".parquet":
        return _read_parquet(name, data)
    text = _decode(name, data, encoding)
    if suffix == ".csv":
        return _read_delimited(name, text, ",;\t")
    if suffix == ".tsv":
        return _read_delimited(name, text, "\t")
    return _read_json_lines(name, text)


def _decode(name: str, data: bytes, encoding: str) -> str:
    hint = "Tell the right encoding with encoding= (--encoding on the command line)"
    try:
        text = data.decode(encoding)
    except LookupError as error:
        raise ConfigError(str(error)) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        guess = "utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "cp1252"
        raise DataError(
            f"{name} line {line}: byte 0x{data[error.start]:02x} at offset {error.start} is not "
            f"{encoding}. {hint}, such as {guess}"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{name} line {line}: a NUL character. {hint}, such as utf-16")
    return text.removeprefix("\N{BYTE ORDER MARK}")


def _read_delimited(name: str, text: str, delimiters: str) -> Table:
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]
    delimiter = next(
        (d for d in delimiters if "text" in (cell.strip(' "') for cell in header.split(d))),
        delimiters[0],
    )
    table = Table(name)
    number = 0
    # Strict, since a quotation mark out of place would otherwise swallow rows without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for number, cells in enumerate(reader, start=1):
            if number == 1:
                table.columns.extend(cell.strip() for cell in cells)
            elif len(cells) == len(table.columns):
                table.rows.append((number, dict(zip(table.columns, cells, strict=True))))
            elif cells:
                table.add_problem(
                    number, f"{len(cells)} cells under a header of {len(table.columns)}"
                )
    except csv.Error as error:
        table.add_problem(number + 1, f"{error}; is a quotation mark left open?")
    return table


def _read_json_lines(name: str, text: str) -> Table:
    table = Table(name, unit="line")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_object_without_repeats)
        except json.JSONDecodeError as error:
            table.add_problem(number, f"not JSON: {error.msg} at character {error.colno}")
        except (ValueError, RecursionError) as error:
            table.add_problem(number, str(error))
        else:
            if isinstance(row, dict):
                table.rows.append((number, row))
            else:
                table.add_problem(number, "not a JSON object")
    table.columns.extend(dict.fromkeys(key for _, row in table.rows for key in row))
    return table


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return row


def _read_parquet(name: str, data: bytes) -> Table:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("Reading Parquet", "parquet") from None
    try:
        # Not read_table: it takes folders named split=train for columns.
        content = parquet.ParquetFile(pa.BufferReader(data)).read()
        rows = content.to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{name}: not a whole Parquet file: {error}") from error
    return Table(name, columns=content.column_names, rows=list(enumerate(rows, start=1)))


def _read_dataset(dataset: RowSource) -> Table:
    columns = getattr(dataset, "column_names", None)
    if isinstance(columns, Mapping):
        raise DataError(
            f"dataset: give one split of it, such as dataset[{next(iter(columns), 'train')!r}]"
        )
    if not isinstance(columns, list):
        raise DataError(f"{type(dataset).__name__} is neither a path nor a datasets.Dataset")
    # A dataset may be set to hand out arrays of another library.
    plain = dataset.with_format(None) if hasattr(dataset, "with_format") else dataset
    return Table("dataset", columns=list(columns), rows=list(enumerate(plain, start=1)))
