"""The command ``thresholds``: what the thresholds of a model reach on dev."""

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diplomacy_nlp.cli_options import (
    AsJson,
    DomainNames,
    PrecisionGoal,
    RecallGoal,
    ReviewLevel,
    domain_names,
    goal,
)

if TYPE_CHECKING:
    from diplomacy_nlp.operating_points import Band, OperatingPoint

__all__ = ["thresholds"]


def thresholds(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="A model folder, or default or baseline.")
    ] = "default",
    domains: DomainNames = None,
    precision: PrecisionGoal = None,
    recall: RecallGoal = None,
    review: ReviewLevel = None,
    as_json: AsJson = False,
) -> None:
    """Show what thresholds reach, on the sentences that they were chosen on.

    With a goal it is the thresholds that tag would use for it. The interval says where the
    threshold might have come to lie with other sentences of the kind, the band which
    probabilities --review would mark.

    Example: diplomacy-nlp thresholds --precision 0.9 --review 0.9
    """
    from diplomacy_nlp.decisions import bands_around, points_for
    from diplomacy_nlp.model_files import find_model, read_model_config
    from diplomacy_nlp.operating_points import read_operating_points

    folder = find_model(model)
    config = read_model_config(folder)
    known = read_operating_points(folder)
    names = config.domains.select(domain_names(domains) or config.default_domains).names
    reached = points_for(names, goal("--precision", precision), goal("--recall", recall), known)
    points = {name: reached.get(name, known.domains[name].default) for name in names}
    chosen = {name: point.threshold for name, point in points.items()}
    bands = bands_around(chosen, review, known)
    if as_json:
        typer.echo(json.dumps(_rows(points, bands), indent=2, ensure_ascii=False))
        return
    from diplomacy_nlp.display import print_thresholds

    print_thresholds(points, bands)
    typer.echo(f"\nOn {known.n_sentences:,} sentences of {known.n_documents:,} documents (dev)")


def _rows(
    points: "dict[str, OperatingPoint]", bands: "dict[str, Band] | None"
) -> list[dict[str, Any]]:
    rows = []
    for name, point in points.items():
        row: dict[str, Any] = {"domain": name} | _without_nan(asdict(point))
        if bands is not None:
            row["review"] = asdict(bands[name])
        rows.append(row)
    return rows


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_nan(value)
        if isinstance(value, dict)
        else (None if math.isnan(value) else value)
        for name, value in values.items()
    }
