"""Labelled sentences to CSV, TSV, JSON Lines and Parquet."""

import csv
import io
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import DataError, MissingExtraError

__all__ = ["write_examples"]


def write_examples(examples: Examples, path: str | Path) -> None:
    """Write labelled sentences as CSV, TSV, JSON Lines or Parquet, by the suffix of the path.

    The file is UTF-8 with the columns ``text``, ``domains``, ``relation``, ``split``, ``group``,
    ``id`` and ``source``, and is written whole or not at all. ``read_examples(path,
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
        raise DataError(f"{path}: unknown format {path.suffix!r}. Writable: {', '.join(_ENCODERS)}")
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
            "source": row.source,
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
            for name in ("text", "domains", "relation", "split", "group", "id", "source")
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
