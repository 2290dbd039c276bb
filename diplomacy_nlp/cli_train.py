"""The command ``train``: from labels to a model folder."""

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diplomacy_nlp.cli_options import (
    DomainNames,
    Encoding,
    domain_names,
    sentences_of,
    warnings_as_lines,
)
from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.processes import main_speaks

if TYPE_CHECKING:
    from diplomacy_nlp.recipe import TrainConfig
    from diplomacy_nlp.trainer import TrainedModel

__all__ = ["train"]


@main_speaks()
def train(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Labelled sentences: CSV, TSV, JSONL, Parquet.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="The model folder to write.")
    ],
    base_model: Annotated[
        str | None, typer.Option(metavar="ID_OR_FOLDER", help="The encoder to start from.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Settings of the run.")
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Train TF-IDF with logistic regression instead.")
    ] = False,
    domains: DomainNames = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Passes over the sentences at most.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of every random step.")
    ] = None,
    teachers: Annotated[
        list[str] | None,
        typer.Option("--teacher", metavar="MODEL", help="Learn from this model too. Repeatable."),
    ] = None,
    unlabelled: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Texts for the teachers to label. Repeatable."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    encoding: Encoding = "utf-8",
) -> None:
    """Train a model on your own labels.

    DATA has a column text, and a column domains (energy;trade) or a 0/1 column for each domain.
    With teachers, it learns from what they say of the sentences of unlabelled texts as well.

    Example: diplomacy-nlp train labels.csv --output my-model
    """
    from diplomacy_nlp.dataset_files import read_examples
    from diplomacy_nlp.display import training_progress
    from diplomacy_nlp.model_files import check_replaceable
    from diplomacy_nlp.tagger import Tagger
    from diplomacy_nlp.trainer import train as train_model

    settings = {"base_model": base_model, "n_epochs": epochs, "seed": seed}
    if epochs is not None:
        settings["min_steps"] = 0
    config = _train_config(recipe, settings, baseline=baseline)
    if config.architecture == "baseline" and (base_model or epochs is not None or resume):
        raise ConfigError("a baseline has no use for --base-model, --epochs or --resume")
    if bool(teachers) != bool(unlabelled):
        raise ConfigError("--teacher and --unlabelled go together")
    check_replaceable(output)
    with warnings_as_lines():
        examples = read_examples(data, domains=domain_names(domains), encoding=encoding)
        try:
            with training_progress() as progress:
                trained = train_model(
                    examples,
                    config,
                    output,
                    teachers=[
                        Tagger.load(name, domains=examples.domains.names) for name in teachers or ()
                    ],
                    unlabelled=sentences_of(unlabelled or (), encoding),
                    resume=resume,
                    progress=progress,
                )
        except KeyboardInterrupt:
            if config.architecture == "transformer":
                typer.echo("interrupted; the same command with --resume goes on", err=True)
            raise typer.Exit(130) from None
    _print_scores(trained)
    typer.echo(f"The model is in {output}. Use it:", err=True)
    typer.echo(f"  diplomacy-nlp tag --model {shlex.quote(str(output))} FILE", err=True)


def _train_config(
    recipe: Path | None, settings: dict[str, Any], *, baseline: bool
) -> "TrainConfig":
    from diplomacy_nlp.recipe import TrainConfig, read_recipe

    config = TrainConfig() if recipe is None else read_recipe(recipe)
    given = {name: value for name, value in settings.items() if value is not None}
    if baseline:
        given["architecture"] = "baseline"
    return dataclasses.replace(config, **given)


def _print_scores(trained: "TrainedModel") -> None:
    from diplomacy_nlp.display_scores import print_evaluation

    # Thresholds were fitted on dev: its scores say little beside others.
    names = [name for name in trained.evaluations if name != "dev"] or list(trained.evaluations)
    for name in names:
        print_evaluation(name, trained.evaluations[name], trained.baseline_evaluations.get(name))
