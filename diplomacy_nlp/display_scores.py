"""What a person reads of scores in a terminal, in tables of at most 80 characters."""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from diplomacy_nlp.display import console_on, counted, printable

if TYPE_CHECKING:
    from diplomacy_nlp.bootstrap import Interval, Score
    from diplomacy_nlp.breakdown import SubsetScores
    from diplomacy_nlp.comparison import Comparison, Difference
    from diplomacy_nlp.evaluation import Evaluation

__all__ = ["print_breakdown", "print_comparison", "print_evaluation"]

# More kinds than this of one sort are left to --json.
_MAX_SUBSETS = 20

# Cells by heading, of the same number in each column.
_Columns: TypeAlias = dict[str, list[str]]


def print_evaluation(
    title: str,
    evaluation: "Evaluation",
    baseline: "Evaluation | None" = None,
    console: Console | None = None,
) -> None:
    """Print scores per domain and over all, with the F1 of a baseline beside them."""
    console = console or console_on(sys.stdout)
    size = f"{counted(evaluation.n_sentences, 'sentence')}, {counted(evaluation.n_groups, 'group')}"
    console.print(Text.assemble((title, "bold"), f"  {size}"), end="\n\n", soft_wrap=True)
    for columns in (_domain_columns(evaluation, baseline), _overall_columns(evaluation, baseline)):
        _print_table(columns, console)


def print_comparison(
    name: str, other_name: str, comparison: "Comparison", console: Console | None = None
) -> None:
    """Print by how much a tagger does better than another."""
    console = console or console_on(sys.stdout)
    title = printable(f"{name} against {other_name}")
    console.print(Text(title, "bold"), end="\n\n", soft_wrap=True)
    rows = {
        "macro F1": comparison.macro_f1,
        "micro F1": comparison.micro_f1,
        "exact match": comparison.exact_match,
        "relation macro F1": comparison.relation_macro_f1,
        **{f"F1 of {domain}": row for domain, row in comparison.domains.items()},
    }
    found = {name: row for name, row in rows.items() if row is not None}
    columns: _Columns = {
        "": list(found),
        "score": [_number(row.score) for row in found.values()],
        "other\nscore": [_number(row.other_score) for row in found.values()],
        "differ-\nence": [_signed(row.value) for row in found.values()],
        "95 %\ninterval": [_signed_interval(row) for row in found.values()],
        "better in\nreplicates": [_percent(row.share_better) for row in found.values()],
    }
    _print_table(columns, console)


def print_breakdown(
    breakdown: "Mapping[str, Sequence[SubsetScores]]", console: Console | None = None
) -> None:
    """Print the scores of parts of the data, the 20 largest of each sort."""
    console = console or console_on(sys.stdout)
    for kind, subsets in breakdown.items():
        shown = subsets[:_MAX_SUBSETS]
        columns: _Columns = {
            kind: [subset.name for subset in shown],
            "sen-\ntences": [str(subset.n_sentences) for subset in shown],
            "labels": [str(subset.n_labels) for subset in shown],
            "macro\nF1": [_number(subset.macro_f1.value) for subset in shown],
            "95 %\nof macro": [_interval(subset.macro_f1.interval) for subset in shown],
            "micro\nF1": [_number(subset.micro_f1.value) for subset in shown],
            "95 %\nof micro": [_interval(subset.micro_f1.interval) for subset in shown],
        }
        _print_table(columns, console)
        if len(subsets) > len(shown):
            console.print(f"and {len(subsets) - len(shown)} smaller ones", end="\n\n")


def _domain_columns(evaluation: "Evaluation", baseline: "Evaluation | None") -> _Columns:
    scores = evaluation.domains
    columns: _Columns = {
        "domain": [row.domain for row in scores],
        "precision": [_number(row.precision) for row in scores],
        "recall": [_number(row.recall) for row in scores],
        "F1": [_number(row.f1) for row in scores],
        "95 %\ninterval": [_interval(row.f1_interval) for row in scores],
    }
    if baseline is not None:
        columns["baseline\nF1"] = [_number(row.f1) for row in baseline.domains]
    columns["average\nprecision"] = [_number(row.average_precision) for row in scores]
    if baseline is None:  # else the table would be too wide for a terminal
        columns["calib.\nerror"] = [_number(row.calibration_error) for row in scores]
    columns["support"] = [str(row.support) for row in scores]
    return columns


def _overall_columns(evaluation: "Evaluation", baseline: "Evaluation | None") -> _Columns:
    scores = _overall(evaluation)
    columns: _Columns = {
        "over all": list(scores),
        "score": [_number(score.value) for score in scores.values()],
        "95 %\ninterval": [_interval(score.interval) for score in scores.values()],
    }
    if baseline is not None:
        others = _overall(baseline)
        columns["baseline"] = [
            _number(others[name].value) if name in others else "" for name in scores
        ]
    return columns


def _overall(evaluation: "Evaluation") -> dict[str, "Score"]:
    scores = {
        "macro F1": evaluation.macro_f1,
        "micro F1": evaluation.micro_f1,
        "macro average precision": evaluation.macro_average_precision,
        "exact match": evaluation.exact_match,
        "relation macro F1": evaluation.relation_macro_f1,
    }
    return {name: score for name, score in scores.items() if score is not None}


def _print_table(columns: _Columns, console: Console) -> None:
    """Print names and numbers in a table that fits into 80 characters."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    for i, name in enumerate(columns):
        numbers = {"justify": "right", "no_wrap": True} if i else {"overflow": "fold"}
        table.add_column(Text(name), vertical="bottom", **numbers)
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)
    console.print()


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.3f}".replace("-", "−")


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}".replace("%", " %")


def _interval(interval: "Interval") -> str:
    return "" if math.isnan(interval.low) else f"{interval.low:.3f}–{interval.high:.3f}"


def _signed_interval(difference: "Difference") -> str:
    low, high = difference.interval.low, difference.interval.high
    return "" if math.isnan(low) else f"{_signed(low)} to {_signed(high)}"
