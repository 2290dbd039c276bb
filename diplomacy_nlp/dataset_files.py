"""Labelled sentences from CSV, TSV, JSON Lines, Parquet and ``datasets.Dataset``.

Problems are gathered over the whole of the source and raised together.
"""

import difflib
import json
import math
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE, WIDE, DomainSet
from diplomacy_nlp.errors import ConfigError, DataError, DataWarning
from diplomacy_nlp.tables import RowSource, Table, read_table

__all__ = ["read_examples"]

_RESERVED = ("text", "domains", "relation", "split", "doc", "group", "id", "source")
_BINARY = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}


def read_examples(
    source: str | Path | RowSource,
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
    ``source``
        The kind of text it comes from; see :class:`Example`.

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
    table = read_table(source, encoding)
    labels = (_list_labels if "domains" in table.columns else _column_labels)(table, domains)
    rows = _examples(table, labels.rows)
    table.raise_problems()
    examples = Examples(labels.domains, rows, table.name)
    _warn_about(examples)
    return examples


@dataclass(frozen=True, slots=True)
class _Labels:
    domains: DomainSet
    rows: list[frozenset[str]]


def _list_labels(table: Table, domains: DomainSet | None) -> _Labels:
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


def _column_labels(table: Table, domains: DomainSet | None) -> _Labels:
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


def _label_columns(table: Table) -> DomainSet:
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


def _examples(table: Table, labels: list[frozenset[str]]) -> tuple[Example, ...]:
    """Read the other columns."""
    columns = {name: name for name in ("text", "relation", "split", "group", "id", "source")}
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
