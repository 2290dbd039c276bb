"""Tagged sentences out: JSON Lines, CSV or Parquet, in files that are whole or not there."""

import contextlib
import csv
import json
import secrets
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO, TypeAlias

from diplomacy_nlp.domains import RELATIONS
from diplomacy_nlp.errors import DataError, MissingExtraError
from diplomacy_nlp.tagger import TaggedSentence, Tagger

__all__ = [
    "Format",
    "TaggedDocument",
    "check_output",
    "is_terminal",
    "of_relation",
    "open_binary_output",
    "open_output",
    "write_csv",
    "write_json_lines",
    "write_parquet",
    "write_tagged",
]

#: The name of a document and its sentences.
TaggedDocument = tuple[str, list[TaggedSentence]]
#: What a program can read, and by which suffix files of it are known.
Format: TypeAlias = Literal["jsonl", "csv", "parquet"]

_PROBABILITY_DIGITS = 6
_ROW_GROUP_SENTENCES = 10_000


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether a person sits at a standard stream, which is None where it was closed."""
    return stream is not None and stream.isatty()


def check_output(path: Path, inputs: Iterable[str]) -> None:
    """Refuse a path at which no file should be written, before any work is done.

    Raises
    ------
    DataError
        The path is a folder, or one of the inputs, or there is no folder to hold it.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file")
    if not path.absolute().parent.is_dir():
        raise DataError(f"{path}: there is no folder {path.parent}")
    # A folder that is tagged into a file of its own would otherwise be tagged twice next time.
    if path.is_file() and path.resolve() in (Path(name).resolve() for name in inputs):
        raise DataError(f"{path}: is one of the inputs; name another file")


@contextlib.contextmanager
def open_output(path: Path | None, *, errors: str = "strict") -> Iterator[TextIO]:
    """Open a file, in UTF-8, that appears whole when the block ends and not at all if it fails.

    Parameters
    ----------
    path : Path or None
        Where to; standard output for None. Devices and pipes are written to as they are.
    errors : str
        What becomes of lone surrogates, as for :meth:`str.encode`.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    if path is None:
        if sys.stdout is None:
            raise DataError("standard output is closed")
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors=errors, newline="")
        yield sys.stdout
        return
    with (
        _part_of(path) as part,
        part.open("w", encoding="utf-8", errors=errors, newline="") as file,
    ):
        yield file


@contextlib.contextmanager
def open_binary_output(path: Path) -> Iterator[BinaryIO]:
    """Open a file for bytes as :func:`open_output` does for text.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    with _part_of(path) as part, part.open("wb") as file:
        yield file


@contextlib.contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """Name a file to write to, which takes the place of `path` when the block ends."""
    part = path
    if path.is_file() or not path.exists():
        path = path.resolve()  # a link stays, and what it leads to is replaced
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield part
        if part != path:
            part.replace(path)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        if part != path:
            part.unlink(missing_ok=True)


def of_relation(
    sentences: Sequence[TaggedSentence], relations: Collection[str]
) -> list[tuple[int, TaggedSentence]]:
    """Return the sentences whose relation is one of some, with their places in the document.

    Without relations it is all sentences.
    """
    return [
        (index, sentence)
        for index, sentence in enumerate(sentences)
        if not relations or sentence.relation in relations
    ]


def write_tagged(
    path: Path | None,
    documents: Iterable[TaggedDocument],
    tagger: Tagger,
    format_: Format,
    *,
    relations: Collection[str] = (),
) -> None:
    """Write one record a sentence into a file, whole or not at all.

    Parameters
    ----------
    path : Path or None
        Where to; standard output for None, but not for Parquet.
    documents : iterable of (str, list of TaggedSentence)
        Written as they come.
    tagger : Tagger
        What tagged them.
    format_ : {"jsonl", "csv", "parquet"}
        As of :func:`write_json_lines`, :func:`write_csv` and :func:`write_parquet`.
    relations : collection of str
        If any, only sentences of these are written.

    Raises
    ------
    DataError
        The file cannot be written.
    MissingExtraError
        It is to be Parquet and pyarrow is not installed.
    """
    if format_ == "parquet" and path is not None:
        with open_binary_output(path) as file:
            write_parquet(file, documents, tagger, relations=relations)
    # How lone surrogates are written, which UTF-8 lacks: \udc80 is also their escape in JSON.
    elif format_ == "jsonl":
        with open_output(path, errors="backslashreplace") as lines:
            write_json_lines(lines, documents, relations=relations)
    else:
        with open_output(path, errors="replace") as table:
            write_csv(table, documents, tagger, relations=relations)


def write_json_lines(
    file: TextIO, documents: Iterable[TaggedDocument], *, relations: Collection[str] = ()
) -> None:
    """Write one JSON object a sentence and line; with relations, only sentences of these."""
    for name, sentences in documents:
        records = (_record(name, *kept) for kept in of_relation(sentences, relations))
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def write_csv(
    file: TextIO,
    documents: Iterable[TaggedDocument],
    tagger: Tagger,
    *,
    relations: Collection[str] = (),
) -> None:
    """Write one row a sentence, under a header that the tagger decides.

    Domains are joined by ``;``. There is a column ``probability_DOMAIN`` a domain; where the
    tagger tells the relation, ``relation`` and a column ``relation_probability_RELATION`` each;
    and where it marks what to review, ``review``. Lines end in CR LF, as RFC 4180 has it.

    Parameters
    ----------
    file : file of text
        Where to.
    documents : iterable of (str, list of TaggedSentence)
        Written as they come.
    tagger : Tagger
        What tagged them.
    relations : collection of str
        If any, only sentences of these are written.
    """
    writer = csv.writer(file)
    writer.writerow(_columns(tagger))
    for name, sentences in documents:
        for index, sentence in of_relation(sentences, relations):
            record = _record(name, index, sentence)
            cells = chain.from_iterable(_flat(value) for value in record.values())
            writer.writerow(";".join(c) if isinstance(c, list) else c for c in cells)


def write_parquet(
    file: BinaryIO,
    documents: Iterable[TaggedDocument],
    tagger: Tagger,
    *,
    relations: Collection[str] = (),
) -> None:
    """Write one row a sentence as Parquet, with the columns and values of :func:`write_csv`.

    ``domains`` and ``review`` are lists, numbers are int64 and float32. Rows are written in
    groups, so that memory stays flat.

    Parameters
    ----------
    file : binary file
        Where to.
    documents, tagger, relations
        As of :func:`write_csv`.

    Raises
    ------
    MissingExtraError
        pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("Writing Parquet", "parquet") from None
    names = _columns(tagger)
    schema = pa.schema([(name, _parquet_type(name)) for name in names])
    rows = (
        _utf8(chain.from_iterable(_flat(value) for value in _record(name, *kept).values()))
        for name, sentences in documents
        for kept in of_relation(sentences, relations)
    )
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while group := list(islice(rows, _ROW_GROUP_SENTENCES)):
            columns = dict(zip(names, zip(*group, strict=True), strict=True))
            writer.write_table(pa.table(columns, schema))


def _parquet_type(column: str) -> Any:
    import pyarrow as pa

    if column in ("index", "start", "end"):
        return pa.int64()
    if column in ("domains", "review"):
        return pa.list_(pa.string())
    is_probability = column.startswith(("probability_", "relation_probability_"))
    return pa.float32() if is_probability else pa.string()


def _utf8(row: Iterable[Any]) -> list[Any]:
    return [
        cell.encode("utf-8", "replace").decode() if isinstance(cell, str) else cell for cell in row
    ]


def _record(document: str, index: int, sentence: TaggedSentence) -> dict[str, Any]:
    record: dict[str, Any] = {
        "document": document,
        "index": index,
        "start": sentence.start,
        "end": sentence.end,
        "text": sentence.text,
        "domains": list(sentence.domains),
        "probabilities": _rounded(sentence.probabilities),
    }
    if sentence.relation is not None:
        record["relation"] = sentence.relation
        record["relation_probabilities"] = _rounded(sentence.relation_probabilities)
    if sentence.review is not None:
        record["review"] = list(sentence.review)
    return record


def _rounded(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, _PROBABILITY_DIGITS) for name, value in probabilities.items()}


def _columns(tagger: Tagger) -> list[str]:
    columns = ["document", "index", "start", "end", "text", "domains"]
    columns += [f"probability_{name}" for name in tagger.domains.names]
    if tagger.has_relation:
        columns += ["relation", *(f"relation_probability_{name}" for name in RELATIONS)]
    if tagger.review_bands is not None:
        columns.append("review")
    return columns


def _flat(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else [value]
