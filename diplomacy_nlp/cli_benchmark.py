"""The command ``benchmark``: this library beside others, on sentences of the user's own."""

import json
import warnings
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
from diplomacy_nlp.errors import ConfigError, DataWarning, MissingExtraError

if TYPE_CHECKING:
    from diplomacy_nlp.benchmark.results import QualityResults
    from diplomacy_nlp.benchmark.speed_results import SpeedResults
    from diplomacy_nlp.dataset import Examples

__all__ = ["benchmark"]

_RunningText = Annotated[
    Path | None,
    typer.Option(
        "--text",
        metavar="FILE",
        help="Sentences of whole documents to time: one a line, or JSON Lines with text; or .gz.",
    ),
]
_Sentences = Annotated[int, typer.Option(min=1, metavar="N", help="Sentences of each kind.")]
_Rounds = Annotated[int, typer.Option(min=1, metavar="R", help="Timed rounds.")]
_Model = Annotated[str, typer.Option(metavar="MODEL", help="The model whose tiers are timed.")]

benchmark = typer.Typer(no_args_is_help=True)


@benchmark.callback()
def _benchmark() -> None:
    """Compare this library with others on your own labels and sentences.

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
        systems=_names(systems),
        sizes=numbers,
        n_seeds=seeds,
        recipe=settings,
        models=models or (),
        output=output,
        progress=_progress,
    )
    if chart is not None:
        from diplomacy_nlp.benchmark.chart import learning_curves

        chart.write_text(learning_curves(results, results.sets), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(results.to_dict(), indent=2, ensure_ascii=False))
    else:
        from diplomacy_nlp.benchmark.display import print_quality

        print_quality(results)


@benchmark.command()
def speed(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Labelled sentences to time, and to train others on a few of."
        ),
    ] = None,
    text: _RunningText = None,
    systems: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Of accurate, fast, pipeline, torch, setfit, model2vec, spacy, baseline.",
        ),
    ] = None,
    sentences: _Sentences = 1000,
    rounds: _Rounds = 5,
    model: _Model = "default",
    domains: DomainNames = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.json", help="Add results to this file."),
    ] = None,
    as_json: AsJson = False,
    encoding: Encoding = "utf-8",
) -> None:
    """Time the tiers of a model and others on the same sentences, in turns.

    Each system runs in a process of its own: sentences and tokens a second, the latency of one
    sentence, the seconds from its start to the first answer, its peak memory; ratios are to the
    pipeline of transformers with the same weights in fp32. One whose package is not installed is
    skipped: the same command in an environment that has it adds it to --output. Systems that are
    named are timed anew. Take a machine that does nothing else.

    Example: diplomacy-nlp benchmark speed --data labels.csv --systems accurate,baseline
    """
    from diplomacy_nlp.benchmark.speed import run_speed
    from diplomacy_nlp.benchmark.timed_texts import read_sentences
    from diplomacy_nlp.output import check_output

    inputs = [path for path in (data, text) if path is not None]
    if not inputs:
        raise ConfigError("there is nothing to time: give --data, --text or both")
    if output is not None:
        check_output(output, map(str, inputs))
    with warnings_as_lines():
        labelled = None if data is None else _read(data, domain_names(domains), encoding)
    results = run_speed(
        labelled,
        () if text is None else read_sentences(text),
        model=model,
        systems=_names(systems),
        n_sentences=sentences,
        n_rounds=rounds,
        output=output,
        progress=_progress,
    )
    if as_json:
        typer.echo(json.dumps(results.to_dict(), indent=2, ensure_ascii=False))
    else:
        from diplomacy_nlp.benchmark.speed_display import print_speed

        print_speed(results)


@benchmark.command("all")
def speed_and_quality(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Labelled sentences: CSV, TSV, JSONL, Parquet.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where results are kept.")
    ],
    text: _RunningText = None,
    sentences: _Sentences = 1000,
    rounds: _Rounds = 5,
    seeds: Annotated[
        int, typer.Option(min=1, metavar="N", help="How often each system is trained.")
    ] = 1,
    model: _Model = "default",
    domains: DomainNames = None,
    encoding: Encoding = "utf-8",
) -> None:
    """Run both benchmarks, and draw speed against quality.

    FOLDER gets speed.json, quality.json and, with the extra "report", speed-quality.svg. Systems
    learn from all training rows; for learning curves go on with `benchmark quality` on the same
    file.

    Example: diplomacy-nlp benchmark all labels.csv --output results
    """
    from diplomacy_nlp.benchmark.results_file import read_results, read_speed

    output.mkdir(parents=True, exist_ok=True)
    speed_file, quality_file = output / "speed.json", output / "quality.json"
    speed(
        data,
        text,
        sentences=sentences,
        rounds=rounds,
        model=model,
        domains=domains,
        output=speed_file,
        encoding=encoding,
    )
    typer.echo()
    quality(
        data,
        sizes="all",
        seeds=seeds,
        models=[model] if _knows_domains(model, data, domains, encoding) else [],
        domains=domains,
        output=quality_file,
        encoding=encoding,
    )
    _draw(read_speed(speed_file), read_results(quality_file), output / "speed-quality.svg")


def _knows_domains(model: str, data: Path, names: str | None, encoding: str) -> bool:
    from diplomacy_nlp.model_files import find_model, read_model_config

    with warnings.catch_warnings(action="ignore", category=DataWarning):  # told already
        domains = _read(data, domain_names(names), encoding).domains
    return set(domains.names) <= set(read_model_config(find_model(model)).domains.names)


def _draw(speeds: "SpeedResults", scores: "QualityResults", path: Path) -> None:
    from diplomacy_nlp.benchmark.speed_quality import speed_quality
    from diplomacy_nlp.output import open_output

    try:
        from diplomacy_nlp.benchmark.speed_chart import speed_quality_chart
    except MissingExtraError as error:
        return _progress(f"no chart: {error}")
    kind, of_set = speeds.kinds[-1], scores.sets[0]
    points = speed_quality(speeds, scores, kind, of_set)
    if not points:
        return _progress("no chart: there is no system with both a speed and a score")
    with open_output(path) as file:
        file.write(speed_quality_chart(points, kind, of_set))
    return _progress(f"{path}: drawn")


def _names(systems: str | None) -> list[str] | None:
    return None if systems is None else [name.strip() for name in systems.split(",")]


def _progress(line: str) -> None:
    typer.echo(line, err=True)


def _read(path: Path, names: Sequence[str] | None, encoding: str) -> "Examples":
    from diplomacy_nlp.dataset_files import read_examples
    from diplomacy_nlp.domains import WIDE

    # Data may be labelled with more of the codebook's domains than are compared here.
    of_codebook = names is not None and all(name in WIDE for name in names)
    examples = read_examples(path, domains=None if of_codebook else names, encoding=encoding)
    if names is None:
        return examples
    return examples.with_domains(examples.domains.select(names))
