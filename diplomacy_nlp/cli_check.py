"""The commands ``check`` and ``agreement``, on the labels that people give."""

import json
from pathlib import Path
from typing import Annotated

import typer

from diplomacy_nlp.cli_options import (
    AsJson,
    DomainNames,
    Encoding,
    domain_names,
    warnings_as_lines,
)
from diplomacy_nlp.errors import ConfigError

__all__ = ["agreement", "check"]

_DOUBTS = ("label-error", "relation-error")


def check(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA", help="Labelled sentences: CSV, TSV, JSONL, Parquet."),
    ],
    as_json: AsJson = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write every suspicious row: .csv or .jsonl."
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="KINDS", help="Look for these alone, joined by commas.")
    ] = None,
    no_label_errors: Annotated[
        bool, typer.Option("--no-label-errors", help="Leave out what takes longest.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Doubt labels by this model, which must not have been trained on them.",
        ),
    ] = None,
    show: Annotated[int, typer.Option(metavar="N", min=0, help="Findings of a kind to print.")] = 3,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if there is an error.")
    ] = False,
    domains: DomainNames = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the cross-validation.")] = 0,
    encoding: Encoding = "utf-8",
) -> None:
    """Look for what is wrong with labelled sentences before training on them.

    Errors: label-conflict, leak, group-across-splits. Warnings and notes: few-positives,
    duplicate, near-duplicate, label-error, relation-error, language, length, several-sentences,
    heading, markup. Of several files, those without splits are splits named like the files.

    Example: diplomacy-nlp check labels.csv --output suspicious.csv
    """
    from diplomacy_nlp.checks.data_check import check as check_examples
    from diplomacy_nlp.display_check import checking, print_check
    from diplomacy_nlp.labelled_files import join_files, read_labelled_files
    from diplomacy_nlp.record_files import check_records_path, write_records

    if output is not None:
        check_records_path(output, map(str, data))
    kinds = _kinds(only, no_label_errors=no_label_errors)
    with warnings_as_lines():
        file = join_files(
            read_labelled_files(data, domains=domain_names(domains), encoding=encoding)
        )
        tagger = None
        if model is not None:
            from diplomacy_nlp.tagger import Tagger

            tagger = Tagger.load(model, domains=_known_domains(model))
        with checking():
            checked = check_examples(
                file.examples, kinds=kinds, tagger=tagger, seed=seed, places=file.places
            )
    if output is not None:
        write_records(output, checked.suspicious_rows())
    if as_json:
        typer.echo(json.dumps(checked.to_dict(), indent=2, ensure_ascii=False))
    else:
        print_check(checked, show)
    if strict and checked.n_of_severity["error"]:
        raise typer.Exit(1)


def _kinds(only: str | None, *, no_label_errors: bool) -> list[str]:
    from diplomacy_nlp.checks.findings import KINDS

    kinds = list(KINDS) if only is None else [name.strip() for name in only.split(",")]
    left = [name for name in kinds if not (no_label_errors and name in _DOUBTS)]
    if not left:
        raise ConfigError("--no-label-errors leaves nothing of --only to look for")
    return left


def _known_domains(model: str) -> tuple[str, ...]:
    """Return all domains that a model knows, not only those that it tags by default."""
    from diplomacy_nlp.model_files import find_model, read_model_config

    return read_model_config(find_model(model)).domains.names


def agreement(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES", help="The same sentences, labelled by each annotator."),
    ],
    as_json: AsJson = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the disagreements: .csv or .jsonl."
        ),
    ] = None,
    domains: DomainNames = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the intervals.")] = 0,
    encoding: Encoding = "utf-8",
) -> None:
    """Measure how far annotators of the same sentences agree.

    Cohen's kappa and Krippendorff's alpha for each domain, for its set of domains as a whole and
    for the relation, with 95 % bootstrap intervals that keep the sentences of a document together.
    Sentences are matched by id where all have one, else by text.

    Example: diplomacy-nlp agreement first.csv second.csv --output differences.csv
    """
    from diplomacy_nlp.annotators.measure import agreement as measure_agreement
    from diplomacy_nlp.labelled_files import read_labelled_files
    from diplomacy_nlp.record_files import check_records_path, write_records

    if len(files) < 2:
        raise ConfigError("agreement takes two files or more, one an annotator")
    if output is not None:
        check_records_path(output, map(str, files))
    with warnings_as_lines():
        read = read_labelled_files(files, domains=domain_names(domains), encoding=encoding)
    measured = measure_agreement(
        *(file.examples for file in read),
        names=_short_names(files),
        seed=seed,
        places=[file.places for file in read],
    )
    if output is not None:
        write_records(output, measured.disagreement_rows())
    if as_json:
        typer.echo(json.dumps(measured.to_dict(), indent=2, ensure_ascii=False))
    else:
        from diplomacy_nlp.display_check import print_agreement

        print_agreement(measured)


def _short_names(files: list[Path]) -> list[str]:
    stems = [path.stem for path in files]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in files]
