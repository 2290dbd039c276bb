"""The command ``benchmark``: this library beside others, on labels of the user's own."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diplomacy_nlp.cli_options import (
    AsJson,
    DomainNames,
    Encoding,
    domain_names,
    warnings_as_lines,
)

if TYPE_CHECKING:
    from diplomacy_nlp.dataset import Examples

__all__ = ["benchmark"]

benchmark = typer.Typer(no_args_is_help=True)


@benchmark.callback()
def _benchmark() -> None:
    """Compare this library with others on your own labels.

    Example: diplomacy-nlp benchmark quality labels.csv --sizes 100,300,all
    """


@benchmark.command()
def quality(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Labelled sentences: CSV, TSV, JSONL, Parquet.")
    ],
    systems: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Of diplomacy_nlp, setfit, minilm-logreg, model2vec, spacy, baseline.",
        ),
    ] = None,
    sizes: Annotated[
        str, typer.Option(metavar="SIZES", help="Training sentences, joined by commas.")
    ] = "100,300,1000,3000,all",
    seeds: Annotated[
        int, typer.Option(min=1, metavar="N", help="How often each is trained, on other rows.")
    ] = 3,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="MODEL", help="Score this model too. Repeatable."),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Settings of this library's own training."),
    ] = None,
    domains: DomainNames = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE.json", help="Keep results here, and go on from them."
        ),
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg", help="Draw the learning curves."),
    ] = None,
    as_json: AsJson = False,
    encoding: Encoding = "utf-8",
) -> None:
    """Train this library and others on the same labelled sentences, and score them all.

    Every system learns from the same random rows of DATA, more and more of them, and is scored on
    the same sets at thresholds fitted on the same dev rows. One whose package is not installed is
    skipped: the same command in an environment that has it adds it to --output.

    Example: diplomacy-nlp benchmark quality labels.csv --systems diplomacy_nlp,baseline
    """
    from diplomacy_nlp.benchmark.quality import run_quality
    from diplomacy_nlp.benchmark.rows import BenchmarkData, parse_sizes
    from diplomacy_nlp.output import check_output
    from diplomacy_nlp.recipe import TrainConfig, read_recipe

    numbers = parse_sizes(sizes)
    settings = TrainConfig() if recipe is None else read_recipe(recipe)
    for path in (output, chart):
        if path is not None:
            check_output(path, [str(data)])
    with warnings_as_lines():
        rows = BenchmarkData.of(_read(data, domain_names(domains), encoding))
    results = run_quality(
        rows,
        systems=None if systems is None else [name.strip() for name in systems.split(",")],
        sizes=numbers,
        n_seeds=seeds,
        recipe=settings,
        models=models or (),
        output=output,
        progress=lambda line: typer.echo(line, err=True),
    )
    if chart is not None:
        from diplomacy_nlp.benchmark.chart import learning_curves

        chart.write_text(learning_curves(results, results.sets), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(results.to_dict(), indent=2, ensure_ascii=False))
    else:
        from diplomacy_nlp.benchmark.display import print_quality

        print_quality(results)


def _read(path: Path, names: Sequence[str] | None, encoding: str) -> "Examples":
    from diplomacy_nlp.dataset_files import read_examples
    from diplomacy_nlp.domains import WIDE

    # Data may be labelled with more of the codebook's domains than are compared here.
    of_codebook = names is not None and all(name in WIDE for name in names)
    examples = read_examples(path, domains=None if of_codebook else names, encoding=encoding)
    if names is None:
        return examples
    return examples.with_domains(examples.domains.select(names))
