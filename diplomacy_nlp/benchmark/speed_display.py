"""What a person reads of a speed benchmark in a terminal."""

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from diplomacy_nlp.benchmark.contestants import CONTESTANTS
from diplomacy_nlp.benchmark.speed_results import SpeedResults, SystemSpeed, Timing
from diplomacy_nlp.benchmark.timing import Spread
from diplomacy_nlp.display import console_on

__all__ = ["print_speed"]


def print_speed(results: SpeedResults, console: Console | None = None) -> None:
    """Print a table a kind of sentences, one of processes, the roofline, and what is missing."""
    console = console or console_on(sys.stdout)
    found = (results.find(name) for name in CONTESTANTS)
    systems = [system for system in found if system is not None]
    for kind, text in results.texts.items():
        counts = f"{text['n_sentences']:,} sentences, {text['n_tokens']:,} tokens"
        console.print(Text.assemble((f"{kind} sentences", "bold"), f"  {counts}"), end="\n\n")
        headings = ("sentences/s", "× pipeline", "tokens/s", "one: p50 ms", "p95 ms")
        table = _table(headings)
        for system in systems:
            table.add_row(_title(system), *_speed_cells(system.timings[kind]))
        console.print(table)
        console.print()
    table = _table(("start-up s", "peak MB"))
    for system in systems:
        peak = "–" if system.peak_mb is None else f"{system.peak_mb:,.0f}"
        table.add_row(_title(system), _cell(system.start_up_seconds, 2), peak)
    console.print(table)
    console.print()
    if (roofline := results.roofline) is not None:
        shares = ", ".join(
            f"{100 * share:.0f} % ({kind})" for kind, share in roofline.share.items()
        )
        console.print(
            f"{_title(systems[0])}: {shares} of what {roofline.n_threads} threads can "
            f"multiply and add: {roofline.int8_per_second / 1e9:,.0f}·10⁹ a second in int8, "
            f"{roofline.fp32_per_second / 1e9:,.0f}·10⁹ in fp32."
        )
    console.print("Medians of the rounds, with the smallest and the largest.")
    for name, reason in results.not_run.items():
        console.print(f"Not run: {name}: {reason}", soft_wrap=True)


def _title(system: SystemSpeed) -> str:
    return CONTESTANTS[system.name].title


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("system", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _speed_cells(timing: Timing) -> tuple[str, ...]:
    return (
        _cell(timing.sentences_per_second, 0),
        _cell(timing.ratio_to_pipeline, 1),
        f"{timing.tokens_per_second.median:,.0f}",
        f"{timing.latency.p50_ms:,.1f}",
        f"{timing.latency.p95_ms:,.1f}",
    )


def _cell(spread: Spread | None, n_digits: int) -> str:
    if spread is None:
        return "–"
    low, median, high = (
        f"{value:,.{n_digits}f}" for value in (spread.low, spread.median, spread.high)
    )
    return median if low == high else f"{median}\n{low}–{high}"
