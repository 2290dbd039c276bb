"""The command ``tag``: from files to tagged sentences in files, a pipe or a terminal."""

import sys
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import typer

from diplomacy_nlp.cli_options import (
    DomainNames,
    Encoding,
    PrecisionGoal,
    RecallGoal,
    ReviewLevel,
    Tier,
    TierName,
    domain_names,
    goal,
    numbers_by_domain,
)
from diplomacy_nlp.cli_tag_job import Job
from diplomacy_nlp.cli_tag_ray import refuse_cluster_options, tag_on_cluster
from diplomacy_nlp.cli_tag_target import Target, check_target, options_of
from diplomacy_nlp.errors import ConfigError

__all__ = ["tag"]


class _Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    TABLE = "table"


class _Relation(StrEnum):
    COOPERATION = "cooperation"
    CONFLICT = "conflict"
    NEUTRAL = "neutral"


class _Errors(StrEnum):
    STRICT = "strict"
    REPLACE = "replace"


class _Engine(StrEnum):
    PROCESS = "process"
    RAY = "ray"


def tag(
    context: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUTS", help="Files, folders, quoted patterns, or - for standard input."
        ),
    ] = None,
    output_format: Annotated[
        _Format | None,
        typer.Option("--format", help="By default a table in a terminal, else JSON Lines."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Write to a file, where .csv and .parquet say the format, or in parts to FOLDER/.",
        ),
    ] = None,
    part_sentences: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Sentences a part of a folder; 100000 by default."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was ended in its folder.")
    ] = False,
    skip_errors: Annotated[
        bool,
        typer.Option(
            "--skip-errors", help="Pass over what cannot be read, and list it beside the output."
        ),
    ] = False,
    lines: Annotated[bool, typer.Option("--lines", help="Take each line as a sentence.")] = False,
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="A model folder, or default or baseline.")
    ] = "default",
    tier: Tier = TierName.ACCURATE,
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
    engine: Annotated[
        _Engine, typer.Option(help="Tag in this process, or on a Ray cluster into a folder.")
    ] = _Engine.PROCESS,
    address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of a Ray cluster; by default this machine alone."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Processes that tag on Ray; by default one a core."),
    ] = None,
) -> None:
    """Tag every sentence of some texts.

    Reads .txt, and .csv, .tsv, .jsonl, .ndjson and .parquet with a text in each row; all but the
    last also as .gz and .zst. A record has document (FILE, or FILE:ROW), index, start, end, text,
    domains and probabilities; start and end count the characters of the document. With --review
    it has the domains to look at too. What is written to a folder can be gone on with by --resume.

    Example: diplomacy-nlp tag articles/ --output tags.csv
    """
    from diplomacy_nlp.documents import find_files, read_documents
    from diplomacy_nlp.sentences import split_lines, split_sentences
    from diplomacy_nlp.tagger import Tagger

    splitter = split_lines if lines else split_sentences
    relations = [wanted.value for wanted in relation or []]
    reading: dict[str, Any] = {
        "text_column": text_column,
        "encoding": encoding,
        "errors": errors.value,
    }
    tagging: dict[str, Any] = {
        "tier": tier.value,
        "domains": domain_names(domains),
        "thresholds": numbers_by_domain("--threshold", threshold or []),
        "precision": goal("--precision", precision),
        "recall": goal("--recall", recall),
        "review": review,
    }
    if engine is _Engine.RAY:
        tag_on_cluster(
            inputs or _only_stdin(),
            output,
            output_format.value if output_format else None,
            resume=resume,
            skip_errors=skip_errors,
            part_sentences=part_sentences,
            model=model,
            tagging=tagging,
            reading=reading,
            splitter=splitter,
            relations=relations,
            address=address,
            n_workers=workers,
        )
        return
    refuse_cluster_options(address, workers)
    files = find_files(inputs or _only_stdin())
    target = Target.of(
        output,
        output_format.value if output_format else None,
        part_sentences=part_sentences,
        resume=resume,
        skip_errors=skip_errors,
    )
    check_target(target, inputs or [], files)
    read = partial(read_documents, files, **reading)
    read()  # so that options without a meaning are told before a model is loaded
    tagger = Tagger.load(model, **tagging)
    if relations and not tagger.has_relation:
        raise ConfigError(f"--relation {relations[0]}: the model {model} does not tell relations")
    job = Job(tagger, files, read, splitter, relations, target)
    if target.in_parts:
        job.tag_into_parts(model, options_of(context))
    else:
        job.tag_into_one()


def _only_stdin() -> list[str]:
    from diplomacy_nlp.documents import STDIN
    from diplomacy_nlp.output import is_terminal

    if sys.stdin is None or is_terminal(sys.stdin):
        raise ConfigError("nothing to tag: name files or folders, or pipe a text in")
    return [STDIN]
