"""Tagged sentences out: as JSON Lines or CSV, into files that are whole or not there."""

import contextlib
import csv
import json
import secrets
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from diplomacy_nlp.domains import RELATIONS
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.tagger import TaggedSentence, Tagger

__all__ = [
    "TaggedDocument",
    "check_output",
    "is_terminal",
    "of_relation",
    "open_output",
    "write_csv",
    "write_json_lines",
]

#: The name of a document and its sentences.
TaggedDocument = tuple[str, list[TaggedSentence]]

_PROBABILITY_DIGITS = 6


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
    part = path
    if path.is_file() or not path.exists():
        path = path.resolve()  # a link stays, and what it leads to is replaced
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with part.open("w", encoding="utf-8", errors=errors, newline="") as file:
            yield file
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
    columns = ["document", "index", "start", "end", "text", "domains"]
    columns += [f"probability_{name}" for name in tagger.domains.names]
    if tagger.has_relation:
        columns += ["relation", *(f"relation_probability_{name}" for name in RELATIONS)]
    if tagger.review_bands is not None:
        columns.append("review")
    writer = csv.writer(file)
    writer.writerow(columns)
    for name, sentences in documents:
        for index, sentence in of_relation(sentences, relations):
            record = _record(name, index, sentence)
            writer.writerow(chain.from_iterable(_cells(value) for value in record.values()))


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


def _cells(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        return [";".join(value)]
    return value.values() if isinstance(value, dict) else [value]
