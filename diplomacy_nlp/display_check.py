"""What a person reads of a check of data, and of the agreement of annotators, in a terminal."""

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from diplomacy_nlp.checks.findings import KINDS, Finding
from diplomacy_nlp.display import console_on, counted, printable

if TYPE_CHECKING:
    from diplomacy_nlp.annotators.results import Agreement, LabelAgreement
    from diplomacy_nlp.bootstrap import Score
    from diplomacy_nlp.checks.data_check import DataCheck

__all__ = ["checking", "print_agreement", "print_check"]

_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold"}
# Of the rows of one finding, such as a document that crosses splits.
_MAX_ROWS = 4


@contextmanager
def checking() -> Iterator[None]:
    """Show on standard error, where it is a terminal, that a check takes its time."""
    with Console(stderr=True).status("checking"):
        yield


def print_check(checked: "DataCheck", n_shown: int = 3, console: Console | None = None) -> None:
    """Print counts, how many findings there are of each kind, and the first few of each.

    Parameters
    ----------
    checked : DataCheck
        What to print.
    n_shown : int, default=3
        Findings of a kind to print.
    console : Console, optional
        Where to; standard output by default.
    """
    console = console or console_on(sys.stdout)
    n_sentences = counted(len(checked.examples), "sentence")
    title = printable(checked.examples.source or "examples")
    console.print(Text.assemble((title, "bold"), f"  {n_sentences}"), end="\n\n", soft_wrap=True)
    console.print(_counts_table(checked))
    console.print()
    console.print(_kinds_table(checked))
    for kind in KINDS:
        found = checked.of_kind(kind)
        if found and n_shown:
            console.print()
            console.print(Text(kind, "bold"), f"({min(n_shown, len(found))} of {len(found)})")
            for finding in found[:n_shown]:
                _print_finding(finding, checked, console)
    if checked.skipped:
        console.print()
    for kind, reason in checked.skipped.items():
        console.print(Text(f"{kind} was not looked for: {printable(reason)}"))
    n_of_severity = checked.n_of_severity.items()
    total = ", ".join(counted(count, severity) for severity, count in n_of_severity)
    console.print(f"\n{total}", style="bold")


def _counts_table(checked: "DataCheck") -> Table:
    counts = checked.counts
    table = _table("", *(of_split.split or "no split" for of_split in counts))
    lines: dict[str, list[int]] = {
        "sentences": [of_split.n_sentences for of_split in counts],
        "groups": [of_split.n_groups for of_split in counts],
    }
    for name in checked.examples.domains.names:
        lines[name] = [of_split.domains[name] for of_split in counts]
    lines["no domain"] = [of_split.n_without_domain for of_split in counts]
    if any(any(of_split.relations.values()) for of_split in counts):
        for relation in counts[0].relations:
            lines[relation] = [of_split.relations[relation] for of_split in counts]
        if any(of_split.n_without_relation for of_split in counts):
            lines["no relation"] = [of_split.n_without_relation for of_split in counts]
    for name, numbers in lines.items():
        table.add_row(Text(printable(name)), *(f"{number:,}" for number in numbers))
    return table


def _kinds_table(checked: "DataCheck") -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("found", no_wrap=True)
    table.add_column("", justify="right")
    table.add_column("", ratio=1)
    for kind, question in KINDS.items():
        if found := checked.of_kind(kind):
            gravest = next(s for s in _STYLES if any(f.severity == s for f in found))
            table.add_row(Text(kind, _STYLES[gravest]), f"{len(found):,}", Text(question))
    if not checked.findings:
        table.add_row("nothing", "", "")
    return table


def _print_finding(finding: Finding, checked: "DataCheck", console: Console) -> None:
    severity = (finding.severity, _STYLES[finding.severity])
    message = Text.assemble(severity, ": ", printable(finding.message))
    console.print(Padding(message, (0, 0, 0, 2), expand=False))
    is_one_file = len({place.file for place in checked.places}) == 1
    for row in finding.rows[:_MAX_ROWS]:
        example, place = checked.examples[row], checked.places[row]
        where = f"{place.unit} {place.row}" if is_one_file else str(place)
        labels = [name for name in checked.examples.domains.names if name in example.domains]
        facts = (where, example.id, example.split, ";".join(labels), example.relation)
        line = Text(printable(", ".join(filter(None, facts))), "dim")
        for text in (line, Text(printable(example.text))):
            indented = Padding(text, (0, 0, 0, 4), expand=False)
            console.print(indented, no_wrap=True, overflow="ellipsis")
    if len(finding.rows) > _MAX_ROWS:
        n_more = counted(len(finding.rows) - _MAX_ROWS, "more row")
        console.print(Padding(Text(f"and {n_more}", "dim"), (0, 0, 0, 4), expand=False))


def print_agreement(measured: "Agreement", console: Console | None = None) -> None:
    """Print agreement by label, what could not be compared, and how many sentences differ."""
    console = console or console_on(sys.stdout)
    matching, names = measured.matching, measured.annotators
    size = f"{counted(len(matching.rows[0]), 'sentence')}, {counted(measured.n_groups, 'group')}"
    title = printable(" and ".join(names))
    console.print(
        Text.assemble((title, "bold"), f"  {size}, matched by {matching.by}"),
        end="\n\n",
        soft_wrap=True,
    )
    letters = [chr(ord("A") + number) for number in range(len(names))]
    intervals = "95 %\ninterval"
    table = _table("", *letters, "agree", "kappa", intervals, "alpha", intervals)
    rows = [*measured.domains, measured.sets]
    if measured.relation is not None:
        rows.append(measured.relation)
    for row in rows:
        table.add_row(*_agreement_cells(row, len(names)))
    console.print(table)
    console.print()
    for letter, name, unmatched in zip(letters, names, matching.unmatched, strict=True):
        lone = f"; {counted(len(unmatched), 'sentence')} without a counterpart" if unmatched else ""
        console.print(Text(f"{letter}: {printable(name)}{lone}"), soft_wrap=True)
    for line in _remarks(measured, rows):
        console.print(line)


def _agreement_cells(row: "LabelAgreement", n_annotators: int) -> list[Text]:
    positives = map(str, row.n_positives or [""] * n_annotators)
    scores = (cell for score in (row.kappa, row.alpha) for cell in _score_cells(score))
    return [Text(cell) for cell in (row.label, *positives, _number(row.raw.value), *scores)]


def _score_cells(score: "Score") -> tuple[str, str]:
    low, high = score.interval.low, score.interval.high
    return _number(score.value), "" if math.isnan(low) else f"{low:.3f}–{high:.3f}"


def _remarks(measured: "Agreement", rows: Sequence["LabelAgreement"]) -> list[str]:
    n_sentences = len(measured.matching.rows[0])
    remarks = [f"Labelled in different ways: {len(measured.disagreements)} of {n_sentences}."]
    if any(math.isnan(row.alpha.value) or math.isnan(row.kappa.value) for row in rows):
        remarks.append("–: undefined, since all answers are the same.")
    if measured.relation is not None and measured.relation.n_sentences < n_sentences:
        n_known = counted(measured.relation.n_sentences, "sentence")
        remarks.append(f"The relation is compared over the {n_known} of which all give it.")
    if n_differing := measured.matching.n_texts_differing:
        remarks.append(f"Of the same id but of another text: {counted(n_differing, 'sentence')}.")
    return remarks


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold", vertical="bottom")
    for name in numbers:
        table.add_column(
            Text(printable(name) if "\n" not in name else name),
            justify="right",
            vertical="bottom",
            no_wrap=True,
        )
    return table


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
