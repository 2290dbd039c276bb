"""What a person reads of a quality benchmark in a terminal."""

import sys
from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from diplomacy_nlp.benchmark.results import QualityResults, Spread, size_name
from diplomacy_nlp.display import console_on

__all__ = ["print_quality"]


def print_quality(results: QualityResults, console: Console | None = None) -> None:
    """Print a table of macro F1 for each set, then what was not run and why."""
    console = console or console_on(sys.stdout)
    sizes = results.sizes
    for name in results.sets:
        size = results.data["sets"][name]
        counts = f"{size['n_sentences']} sentences, {size['n_labels']} labels"
        console.print(Text.assemble((name, "bold"), f"  macro F1, {counts}"), end="\n\n")
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        table.add_column("system", overflow="fold")
        for rows in sizes:
            table.add_column(size_name(rows), justify="right")
        for system in results.systems:
            spreads = (results.spread(system, rows, name) for rows in sizes)
            table.add_row(system, *map(_cell, spreads))
        console.print(table)
        console.print()
        for model in results.models:
            console.print(f"{model.name}, as it is: {_value(model.scores[name])}")
    if any(run.cell.seed for run in results.runs):
        console.print("Means over the seeds, with the smallest and the largest.")
    for reason, systems in results.reasons.items():
        console.print(f"Not run: {', '.join(systems)}: {reason}", soft_wrap=True)


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    if spread.n == 1:
        return f"{spread.mean:.3f}"
    return f"{spread.mean:.3f}\n{spread.low:.3f}–{spread.high:.3f}"


def _value(scores: Mapping[str, Mapping[str, float | None]]) -> str:
    value = scores["macro_f1"]["value"]
    return "–" if value is None else f"{value:.3f}"
