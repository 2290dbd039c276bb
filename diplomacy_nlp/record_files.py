"""Records of any kind to CSV or JSON Lines, by the suffix of the file."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diplomacy_nlp.errors import DataError
from diplomacy_nlp.output import check_output, open_output

__all__ = ["check_records_path", "write_records"]

_SUFFIXES = (".csv", ".jsonl", ".ndjson")


def check_records_path(path: Path, inputs: Iterable[str]) -> None:
    """Refuse a path at which no records should be written, before any work is done.

    Raises
    ------
    DataError
        The suffix is unknown, the path is a folder or one of the inputs, or there is no folder
        to hold it.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise DataError(f"{path}: unknown format {path.suffix!r}. Writable: {', '.join(_SUFFIXES)}")
    check_output(path, inputs)


def write_records(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write records in UTF-8, whole or not at all.

    In CSV a list of names is joined by ``;``, and a mapping is JSON.

    Parameters
    ----------
    path : Path
        As :func:`check_records_path` allows it.
    records : sequence of mapping
        All with the same keys. Without any the file is empty.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    with open_output(path) as file:
        if path.suffix.lower() == ".csv":
            writer = csv.writer(file)
            writer.writerows(records[:1])  # its keys, which are the header
            writer.writerows(map(_cell, record.values()) for record in records)
        else:
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return ";".join(map(str, value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
