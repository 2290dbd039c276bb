"""The command ``distil``: a fast tier for a model folder."""

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from diplomacy_nlp.cli_options import Encoding, sentences_of, warnings_as_lines

__all__ = ["distil"]


def distil(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a trained model.")],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="The labelled sentences it was trained on.")
    ],
    unlabelled: Annotated[
        list[str],
        typer.Option(metavar="FILE", help="Texts like those to be tagged. Repeatable."),
    ],
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Passes over the sentences.")
    ] = None,
    max_error_share: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Errors allowed to the first stage; less is slower."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of every random step.")
    ] = None,
    encoding: Encoding = "utf-8",
) -> None:
    """Add a fast tier to a model of your own.

    A small network learns what the model says of unlabelled texts, many thousands of sentences if
    you can. It then answers what it is sure of, and leaves the rest to the model.

    Example: diplomacy-nlp distil my-model labels.csv --unlabelled archive/
    """
    from diplomacy_nlp.dataset_files import read_examples
    from diplomacy_nlp.display import training_progress
    from diplomacy_nlp.display_scores import print_evaluation
    from diplomacy_nlp.distillation import distil as add_fast_tier
    from diplomacy_nlp.first_stage import DistilConfig
    from diplomacy_nlp.model_files import find_model, read_model_config

    given: dict[str, Any] = {"n_epochs": epochs, "max_error_share": max_error_share, "seed": seed}
    config = dataclasses.replace(
        DistilConfig(), **{name: value for name, value in given.items() if value is not None}
    )
    domains = read_model_config(find_model(model)).domains
    with warnings_as_lines():
        examples = read_examples(data, domains=domains, encoding=encoding)
        with training_progress() as progress:
            tier = add_fast_tier(
                model,
                examples,
                sentences_of(unlabelled, encoding),
                config,
                progress=progress,
            )
    for name, evaluation in tier.evaluations.items():
        if name != "dev" or len(tier.evaluations) == 1:
            print_evaluation(name, evaluation, None)
    typer.echo(
        f"{model} has a fast tier. The encoder still reads {tier.passed_on_share:.1%} of sentences "
        "like the unlabelled ones. Use it:",
        err=True,
    )
    typer.echo(f"  diplomacy-nlp tag --tier fast --model {shlex.quote(str(model))} FILE", err=True)
