"""The command ``tag``: from files to tagged sentences in a file, a pipe or a terminal."""

import contextlib
import sys
from collections.abc import Iterator
from enum import StrEnum
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diplomacy_nlp.cli_options import (
    DomainNames,
    Encoding,
    PrecisionGoal,
    RecallGoal,
    ReviewLevel,
    domain_names,
    goal,
    numbers_by_domain,
)
from diplomacy_nlp.errors import ConfigError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from diplomacy_nlp.output import TaggedDocument
    from diplomacy_nlp.tagger import Tagger

__all__ = ["tag"]


class _Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    TABLE = "table"


class _Relation(StrEnum):
    COOPERATION = "cooperation"
    CONFLICT = "conflict"
    NEUTRAL = "neutral"


class _Errors(StrEnum):
    STRICT = "strict"
    REPLACE = "replace"


def tag(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUTS", help="Files, folders, or - for standard input."),
    ] = None,
    output_format: Annotated[
        _Format | None,
        typer.Option("--format", help="By default a table in a terminal, else JSON Lines."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to a file; one named .csv is CSV."
        ),
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Take each line as a sentence.")] = False,
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="A model folder, or default or baseline.")
    ] = "default",
    domains: DomainNames = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DOMAIN=P", help="Tag a domain from this probability on. May be repeated."
        ),
    ] = None,
    precision: PrecisionGoal = None,
    recall: RecallGoal = None,
    review: ReviewLevel = None,
    relation: Annotated[
        list[_Relation] | None,
        typer.Option(
            metavar="RELATION",
            help="Write only what is cooperation, conflict or neutral. May be repeated.",
        ),
    ] = None,
    text_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column or field that holds the text of a row.")
    ] = "text",
    encoding: Encoding = "utf-8",
    errors: Annotated[
        _Errors, typer.Option(help="What to do with bytes that are not in the encoding.")
    ] = _Errors.STRICT,
) -> None:
    """Tag every sentence of some texts.

    Reads plain text, and .csv, .tsv, .jsonl and .ndjson with a text in each row. A record has
    document (FILE, or FILE:ROW), index, start, end, text, domains and probabilities; start and
    end count the characters of the document. With --review it has the domains to look at too.

    Example: diplomacy-nlp tag articles/ --output tags.csv
    """
    from diplomacy_nlp.documents import STDIN, find_files, read_documents
    from diplomacy_nlp.output import check_output
    from diplomacy_nlp.sentences import split_lines, split_sentences
    from diplomacy_nlp.tagger import Tagger

    files = find_files(inputs or _only_stdin())
    documents = read_documents(
        files, text_column=text_column, encoding=encoding, errors=errors.value
    )
    output = None if output == Path(STDIN) else output  # - is standard output as well
    if output is not None:
        check_output(output, files)
    tagger = Tagger.load(
        model,
        domains=domain_names(domains),
        thresholds=numbers_by_domain("--threshold", threshold or []),
        precision=goal("--precision", precision),
        recall=goal("--recall", recall),
        review=review,
    )
    relations = [wanted.value for wanted in relation or []]
    if relations and not tagger.has_relation:
        raise ConfigError(f"--relation {relations[0]}: the model {model} does not tell relations")
    ahead, behind = tee(documents)
    tagged = tagger.tag_texts(
        (document.text for document in ahead), splitter=split_lines if lines else split_sentences
    )
    pairs = ((document.name, sentences) for document, sentences in zip(behind, tagged, strict=True))
    with _watched(pairs, files, output) as watched:
        _write(watched, tagger, relations, output, output_format or _default_format(output))


def _only_stdin() -> list[str]:
    from diplomacy_nlp.documents import STDIN
    from diplomacy_nlp.output import is_terminal

    if sys.stdin is None or is_terminal(sys.stdin):
        raise ConfigError("nothing to tag: name files or folders, or pipe a text in")
    return [STDIN]


def _default_format(output: Path | None) -> _Format:
    from diplomacy_nlp.output import is_terminal

    if output is not None:
        return _Format.CSV if output.suffix.lower() == ".csv" else _Format.JSONL
    return _Format.TABLE if is_terminal(sys.stdout) else _Format.JSONL


def _watched(
    documents: "Iterator[TaggedDocument]", files: list[str], output: Path | None
) -> "AbstractContextManager[Iterator[TaggedDocument]]":
    from diplomacy_nlp.documents import holds_rows
    from diplomacy_nlp.output import is_terminal

    n_documents = None if any(map(holds_rows, files)) else len(files)
    fills_terminal = output is None and is_terminal(sys.stdout)
    if n_documents == 1 or fills_terminal or not is_terminal(sys.stderr):
        return contextlib.nullcontext(documents)
    from diplomacy_nlp.display import tagging_progress

    return tagging_progress(documents, n_documents)


def _write(
    documents: "Iterator[TaggedDocument]",
    tagger: "Tagger",
    relations: list[str],
    path: Path | None,
    format_: _Format,
) -> None:
    from diplomacy_nlp.output import open_output, write_csv, write_json_lines

    # How lone surrogates are written, which UTF-8 lacks: \udc80 is also their escape in JSON.
    errors = "backslashreplace" if format_ is _Format.JSONL else "replace"
    with open_output(path, errors=errors) as file:
        if format_ is _Format.JSONL:
            write_json_lines(file, documents, relations=relations)
        elif format_ is _Format.CSV:
            write_csv(file, documents, tagger, relations=relations)
        else:
            from diplomacy_nlp.display import console_on, print_tagged

            print_tagged(documents, tagger, console_on(file), relations=relations)
