"""Files of labelled sentences: CSV, TSV, JSON Lines, Parquet and ``datasets.Dataset``.

A file is read in two steps: its format gives a table of rows that know their numbers, then the
columns of the table give the examples. Problems are gathered on the way and raised together.
"""

import codecs
import csv
import difflib
import io
import json
import math
import re
import secrets
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE, WIDE, DomainSet
from diplomacy_nlp.errors import ConfigError, DataError, DataWarning, MissingExtraError

__all__ = ["read_examples", "write_examples"]

_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_RESERVED = ("text", "domains", "relation", "split", "doc", "group", "id")
_BINARY = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}


class _Dataset(Protocol):
    """What is used of ``datasets.Dataset``."""

    @property
    def column_names(self) -> list[str]: ...

    def __iter__(self) -> Iterator[dict[str, Any]]: ...


def read_examples(
    source: str | Path | _Dataset,
    *,
    domains: DomainSet | Sequence[str] | None = None,
    encoding: str = "utf-8",
) -> Examples:
    """Read labelled sentences from a file or a ``datasets.Dataset``.

    The suffix says the format: ``.csv`` (separated by commas, semicolons or tabs, as the header
    shows), ``.tsv``, ``.jsonl`` or ``.ndjson``, ``.parquet``. These columns have a meaning:

    ``text``
        The sentence. Required.
    ``domains``
        Names joined by ``;``, a JSON list, or a list where the format has lists; empty for none.
        Where this column stands, columns not named here are not looked at.
    one column a domain
        Where there is no column ``domains``: 0 or 1, also ``true`` and ``false`` in any case or
        ``0.0`` and ``1.0``, and never blank. The label columns are those named in `domains`.
        Without `domains` they are the columns named like a domain of the codebook, ``WIDE``; if
        there is none, every column not named here that holds nothing but 0 and 1. One that does so
        in most rows but not in all is taken for a label column with slips in it, an error.
    ``relation``
        ``cooperation``, ``conflict``, ``neutral`` or blank.
    ``split``
        See :class:`Example`.
    ``doc`` or ``group``
        What the sentence was taken from; not both.
    ``id``
        A name that no other row has.

    Parameters
    ----------
    source : str, Path or datasets.Dataset
        The file, or the rows themselves.
    domains : DomainSet or sequence of str, optional
        The domains of the result, in this order. By default, for a column ``domains``, those of
        the codebook that occur, with the four core domains always among them; for 0/1 columns,
        the label columns, those of the codebook in its order.
    encoding : str, default="utf-8"
        Of a text file; a byte order mark is skipped.

    Returns
    -------
    examples : Examples
        In the order of the source; at least one.

    Raises
    ------
    DataError
        The source cannot be read in full; nothing is left out. Messages count the rows of CSV
        and TSV as a spreadsheet does, where the header is row 1 and a quoted line break starts
        no row; those of JSON Lines by line; all others from 1.
    ConfigError
        `domains` or `encoding` means nothing.
    MissingExtraError
        The file is Parquet and pyarrow is not installed.

    Warns
    -----
    DataWarning
        A domain has no sentence, the same sentence is labelled in two ways, or a 0/1 column
        beside those of the codebook is left out.
    """
    if isinstance(domains, str):
        raise ConfigError(f"domains={domains!r} is one string; give a list of names")
    if domains is not None and not isinstance(domains, DomainSet):
        domains = DomainSet.of(domains)
    if isinstance(source, str | Path):
        table = _read_file(Path(source), encoding)
    else:
        table = _read_dataset(source)
    table.check_columns()
    labels = (_list_labels if "domains" in table.columns else _column_labels)(table, domains)
    rows = _examples(table, labels.rows)
    table.raise_problems()
    examples = Examples(labels.domains, rows, table.name)
    _warn_about(examples)
    return examples


# --- From a format to a table ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows as they stand, with the numbers that messages call them by."""

    name: str
    unit: str = "row"
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def add_problem(self, number: int, message: str, column: str | None = None) -> None:
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
        return f"Columns found: {', '.join(map(repr, self.columns))}"

    def raise_problems(self) -> None:
        if self.problems:
            ordered = sorted(self.problems, key=lambda problem: problem[0])
            raise DataError([message for _, message in ordered])


def _read_file(path: Path, encoding: str) -> _Table:
    name = str(path)
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            raise DataError(f"{name}: is a folder; name a file in it")
        if suffix not in _SUFFIXES and path.exists():
            raise DataError(f"{name}: unknown format {suffix!r}. Readable: {', '.join(_SUFFIXES)}")
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


def _read_delimited(name: str, text: str, delimiters: str) -> _Table:
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]
    delimiter = next(
        (d for d in delimiters if "text" in (cell.strip(' "') for cell in header.split(d))),
        delimiters[0],
    )
    table = _Table(name)
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


def _read_json_lines(name: str, text: str) -> _Table:
    table = _Table(name, unit="line")
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


def _read_parquet(name: str, data: bytes) -> _Table:
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
    return _Table(name, columns=content.column_names, rows=list(enumerate(rows, start=1)))


def _read_dataset(dataset: _Dataset) -> _Table:
    columns = getattr(dataset, "column_names", None)
    if isinstance(columns, Mapping):
        raise DataError(
            f"dataset: give one split of it, such as dataset[{next(iter(columns), 'train')!r}]"
        )
    if not isinstance(columns, list):
        raise DataError(f"{type(dataset).__name__} is neither a path nor a datasets.Dataset")
    # A dataset may be set to hand out arrays of another library.
    plain = dataset.with_format(None) if hasattr(dataset, "with_format") else dataset
    return _Table("dataset", columns=list(columns), rows=list(enumerate(plain, start=1)))


# --- From a table to examples ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Labels:
    domains: DomainSet
    rows: list[frozenset[str]]


def _list_labels(table: _Table, domains: DomainSet | None) -> _Labels:
    """Read the column ``domains``."""
    valid = (domains or WIDE).names
    rows = []
    for number, row in table.rows:
        names = frozenset[str]()
        try:
            names = _names(row.get("domains"))
        except ValueError as error:
            table.add_problem(number, str(error), "domains")
        if "domains" not in row:
            table.add_problem(number, "missing", "domains")
        for name in sorted(names.difference(valid)):
            message = (
                f"unknown domain {name!r}{_suggestion(name, valid)}. Valid: {', '.join(valid)}"
            )
            if domains is None:
                message += ". Domains of your own are named with domains=[…] (--domains a,b)"
            table.add_problem(number, message, "domains")
        rows.append(names.intersection(valid))
    if domains is None:
        found = frozenset[str]().union(*rows)
        domains = WIDE.select(name for name in WIDE.names if name in CORE or name in found)
    return _Labels(domains, rows)


def _names(value: object) -> frozenset[str]:
    if _is_blank(value):
        return frozenset()
    names = value
    if isinstance(value, str):
        if not value.lstrip().startswith("["):
            return frozenset(part.strip() for part in value.split(";") if part.strip())
        try:
            names = json.loads(value)
        except (ValueError, RecursionError):
            names = None
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return frozenset(names)
    raise ValueError(f"{value!r} is neither names joined by ';' nor a list of names")


def _column_labels(table: _Table, domains: DomainSet | None) -> _Labels:
    """Read one 0/1 column a domain."""
    if domains is None:
        domains = _label_columns(table)
    missing = [name for name in domains.names if name not in table.columns or name in _RESERVED]
    if missing:
        raise DataError(
            f"{table.name}: no column 'domains' and no 0/1 column "
            f"{', '.join(map(repr, missing))}. {table.columns_found}"
        )
    rows = []
    for number, row in table.rows:
        values = {name: _binary(row.get(name)) for name in domains.names}
        for name, value in values.items():
            if value is None:
                table.add_problem(number, f"{row.get(name)!r} where 0 or 1 belongs", name)
        rows.append(frozenset(name for name, value in values.items() if value))
    return _Labels(domains, rows)


def _label_columns(table: _Table) -> DomainSet:
    """Find the label columns that nobody has named."""
    n_binary = {
        name: sum(_binary(row.get(name)) is not None for _, row in table.rows)
        for name in table.columns
        if name and name not in _RESERVED
    }
    codebook = [name for name in WIDE.names if name in table.columns]
    if codebook:
        others = [n for n in n_binary if n not in codebook and n_binary[n] == len(table.rows)]
        if others:
            warnings.warn(
                f"{table.name}: {', '.join(map(repr, others))} may be labels, but are left out "
                "beside domains of the codebook. Name all that you want with domains=[…]",
                DataWarning,
                stacklevel=4,
            )
        return DomainSet.of(codebook)
    names = [name for name, count in n_binary.items() if count > len(table.rows) / 2]
    if not names:
        raise DataError(
            f"{table.name}: no labels, neither a column 'domains' nor one named like a domain "
            f"({', '.join(WIDE.names)}) nor another that holds only 0 and 1. {table.columns_found}"
        )
    try:
        return DomainSet.of(names)
    except ConfigError as error:
        raise DataError(f"{table.name}: {error}") from None


def _binary(value: object) -> bool | None:
    return _BINARY.get(str(value).strip().lower())


def _examples(table: _Table, labels: list[frozenset[str]]) -> tuple[Example, ...]:
    """Read the other columns."""
    columns = {name: name for name in ("text", "relation", "split", "group", "id")}
    if "doc" in table.columns:
        columns["group"] = "doc"
    examples = []
    number_of_id: dict[str, int] = {}
    for (number, row), names in zip(table.rows, labels, strict=True):
        fields = {name: _cell(row.get(column)) for name, column in columns.items()}
        fields["text"] = row.get("text")
        try:
            example = Example(domains=names, **fields)
        except DataError as error:
            for problem in error.problems:
                name, _, message = problem.partition(": ")
                table.add_problem(number, message, columns[name])
            continue
        examples.append(example)
        if example.id is not None:
            first = number_of_id.setdefault(example.id, number)
            if first != number:
                table.add_problem(number, f"{example.id!r} stands in {table.unit} {first}", "id")
    return tuple(examples)


def _cell(value: Any) -> Any:
    """Return what an optional column says: None for a blank, text for a whole number."""
    if _is_blank(value):
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return value


def _is_blank(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def _suggestion(name: str, valid: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, valid, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _warn_about(examples: Examples) -> None:
    used = frozenset[str]().union(*(example.domains for example in examples))
    unused = [name for name in examples.domains.names if name not in used]
    if unused:
        warnings.warn(
            f"{examples.source}: no sentence is labelled {', '.join(unused)}",
            DataWarning,
            stacklevel=3,
        )
    labels_of_text = defaultdict(set)
    for example in examples:
        labels_of_text[example.text].add((example.domains, example.relation))
    n_conflicts = sum(len(labels) > 1 for labels in labels_of_text.values())
    if n_conflicts:
        warnings.warn(
            f"{examples.source}: sentences that stand more than once, labelled in different ways: "
            f"{n_conflicts}",
            DataWarning,
            stacklevel=3,
        )


# --- From examples to a file ----------------------------------------------------------------


def write_examples(examples: Examples, path: str | Path) -> None:
    """Write labelled sentences as CSV, TSV, JSON Lines or Parquet, by the suffix of the path.

    The file is UTF-8 with the columns ``text``, ``domains``, ``relation``, ``split``, ``group``
    and ``id``, and is written whole or not at all. ``read_examples(path,
    domains=examples.domains)`` gives equal examples back.

    Raises
    ------
    DataError
        There are no examples, two have the same id, the suffix is unknown or the file cannot
        be written.
    MissingExtraError
        The file is Parquet and pyarrow is not installed.
    """
    path = Path(path)
    encode = _ENCODERS.get(path.suffix.lower())
    if encode is None:
        raise DataError(f"{path}: unknown format {path.suffix!r}. Writable: {', '.join(_SUFFIXES)}")
    if not examples:
        raise DataError(f"{path}: there are no examples to write")
    n_of_id = Counter(example.id for example in examples if example.id is not None)
    repeated = [f"{path}: id {name!r} stands {n} times" for name, n in n_of_id.items() if n > 1]
    if repeated:
        raise DataError(repeated)
    data = encode(examples)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _records(examples: Examples) -> Iterator[dict[str, Any]]:
    names = examples.domains.names
    for row in examples:
        yield {
            "text": row.text,
            "domains": [name for name in names if name in row.domains],
            "relation": row.relation,
            "split": row.split,
            "group": row.group,
            "id": row.id,
        }


def _encode_delimited(examples: Examples, delimiter: str) -> bytes:
    stream = io.StringIO(newline="")
    records = list(_records(examples))
    writer = csv.DictWriter(stream, records[0], delimiter=delimiter)
    writer.writeheader()
    for record in records:
        joined = ";".join(record["domains"])
        if joined.startswith("["):  # would be read as a JSON list
            joined = json.dumps(record["domains"])
        writer.writerow(record | {"domains": joined})
    return stream.getvalue().encode()


def _encode_json_lines(examples: Examples) -> bytes:
    lines = [
        json.dumps({k: v for k, v in record.items() if v is not None}, ensure_ascii=False)
        for record in _records(examples)
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _encode_parquet(examples: Examples) -> bytes:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("Writing Parquet", "parquet") from None
    schema = pa.schema(
        [
            (name, pa.list_(pa.string()) if name == "domains" else pa.string())
            for name in ("text", "domains", "relation", "split", "group", "id")
        ]
    )
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(list(_records(examples)), schema), sink)
    return bytes(sink.getvalue())


_ENCODERS: dict[str, Callable[[Examples], bytes]] = {
    ".csv": lambda examples: _encode_delimited(examples, ","),
    ".tsv": lambda examples: _encode_delimited(examples, "\t"),
    ".jsonl": _encode_json_lines,
    ".ndjson": _encode_json_lines,
    ".parquet": _encode_parquet,
}
