"""The command ``evaluate``: from a model and labelled sentences to scores and a report."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diplomacy_nlp.cli_options import (
    AsJson,
    DomainNames,
    Encoding,
    PrecisionGoal,
    RecallGoal,
    Tier,
    TierName,
    domain_names,
    goal,
    warnings_as_lines,
)
from diplomacy_nlp.errors import ConfigError, DataError

if TYPE_CHECKING:
    from diplomacy_nlp.assessment import Assessment
    from diplomacy_nlp.dataset import Examples
    from diplomacy_nlp.domains import DomainSet

__all__ = ["evaluate"]


def evaluate(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model folder, or default or baseline.")
    ],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Labelled sentences: CSV, TSV, JSONL, Parquet.")
    ],
    against: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Compare with this model.")
    ] = None,
    as_json: AsJson = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write a page with charts to FOLDER/index.html."),
    ] = None,
    tier: Tier = TierName.ACCURATE,
    domains: DomainNames = None,
    precision: PrecisionGoal = None,
    recall: RecallGoal = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only the sentences of this split.")
    ] = None,
    n_bootstrap: Annotated[
        int, typer.Option("--bootstrap", min=0, metavar="N", help="Replicates; 0 for no intervals.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the replicates.")] = 0,
    encoding: Encoding = "utf-8",
) -> None:
    """Measure how well a model tags labelled sentences.

    Intervals are 95 % bootstrap intervals that keep the sentences of a document together. With
    --against, both models are scored on the same resampled documents and domains, and --precision
    and --recall set the thresholds of MODEL alone.

    Example: diplomacy-nlp evaluate default labels.csv --against baseline
    """
    from diplomacy_nlp.assessment import assess
    from diplomacy_nlp.tagger import Tagger

    if report is not None:
        from diplomacy_nlp.report import check_report_folder

        check_report_folder(report)
    name, other_name = _names(model, against, tier)
    tagger = Tagger.load(
        model,
        tier=tier.value,
        domains=domain_names(domains),
        precision=goal("--precision", precision),
        recall=goal("--recall", recall),
    )
    other = None if against is None else Tagger.load(against, domains=domain_names(domains))
    assessment = assess(
        tagger,
        _read(data, split, tagger.domains, encoding),
        name=name,
        other=other,
        other_name=other_name,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    if as_json:
        typer.echo(json.dumps(assessment.to_dict(), indent=2, ensure_ascii=False))
    else:
        _print(str(data), assessment)
    if report is not None:
        from diplomacy_nlp.report import write_report

        typer.echo(f"The report is {write_report(assessment, report)}", err=True)


def _names(model: str, against: str | None, tier: TierName) -> tuple[str, str]:
    """Return what the models are called: the names of their folders, where these differ."""
    of_tier = " (fast)" if tier is TierName.FAST else ""
    if against is None:
        return Path(model).name + of_tier, ""
    if model == against and not of_tier:
        raise ConfigError(f"--against {against}: that is the model itself; name another")
    name, other_name = Path(model).name + of_tier, Path(against).name
    return (model, against) if name == other_name else (name, other_name)


def _read(data: Path, split: str | None, domains: "DomainSet", encoding: str) -> "Examples":
    from diplomacy_nlp.dataset_files import read_examples
    from diplomacy_nlp.domains import WIDE

    # Data may be labelled with more of the codebook's domains than are evaluated here.
    is_codebook = all(name in WIDE for name in domains.names)
    with warnings_as_lines():
        examples = read_examples(data, domains=None if is_codebook else domains, encoding=encoding)
    if split is None:
        return examples
    if split not in examples.splits:
        found = ", ".join(sorted(examples.splits)) or "none"
        raise DataError(f"{data}: no split {split!r}. Splits found: {found}")
    return examples.where_split(split)


def _print(title: str, assessment: "Assessment") -> None:
    from diplomacy_nlp.display_scores import print_breakdown, print_comparison, print_evaluation

    print_evaluation(title, assessment.tagger.evaluation)
    if assessment.other is not None and assessment.comparison is not None:
        print_comparison(assessment.tagger.name, assessment.other.name, assessment.comparison)
    print_breakdown(assessment.breakdown)
