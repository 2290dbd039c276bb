"""What a person reads in a terminal: tagged texts, scores, domains and progress."""

import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from diplomacy_nlp.domains import DomainSet
from diplomacy_nlp.output import TaggedDocument, is_terminal
from diplomacy_nlp.tagger import TaggedSentence, Tagger

if TYPE_CHECKING:
    from diplomacy_nlp.bootstrap import Interval, Score
    from diplomacy_nlp.evaluation import Evaluation
    from diplomacy_nlp.finetune import Progress

__all__ = [
    "console_on",
    "print_domains",
    "print_evaluation",
    "print_tagged",
    "tagging_progress",
    "training_progress",
]

# The terminal's own colours, which its user has chosen to be readable; the core domains come first.
_DOMAIN_COLOURS = ("yellow", "cyan", "blue", "magenta", "green", "red")
_RELATION_MARKS = {"cooperation": ("+", "bold green"), "conflict": ("−", "bold red")}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Longer lines are hard to read.
_MAX_WIDTH = 110

# Cells by heading, of the same number in each column.
_Columns: TypeAlias = dict[str, list[str]]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # Not the exit that rich has ready: the command line has its own.
        raise BrokenPipeError


def console_on(file: TextIO) -> Console:
    """Return a console that colours what it is told to and nothing else."""
    return _Console(file=file, highlight=False)


def print_tagged(
    documents: Iterable[TaggedDocument], tagger: Tagger, console: Console | None = None
) -> None:
    """Print each sentence with its tags beside it, then how often each domain was tagged.

    Parameters
    ----------
    documents : iterable of (str, list of TaggedSentence)
        Printed as they come.
    tagger : Tagger
        What tagged them.
    console : Console, optional
        Where to; standard output by default.
    """
    console = console or console_on(sys.stdout)
    colours = {
        name: _DOMAIN_COLOURS[column % len(_DOMAIN_COLOURS)]
        for column, name in enumerate(tagger.domains.names)
    }
    counts = Counter[str]()
    n_sentences = n_tagged = 0
    for name, sentences in documents:
        console.print(Text(_printable(name), "bold"), end="\n\n", soft_wrap=True)
        for sentence in sentences:
            console.print(_sentence_grid(sentence, colours, console.width))
            console.print()
            counts.update(sentence.domains)
            n_tagged += bool(sentence.domains)
        n_sentences += len(sentences)
    console.print(f"{n_tagged} of {_count(n_sentences, 'sentence')} tagged", style="bold")
    legend = [
        Text.assemble((name, f"bold {colours[name]}"), f" {count}")
        for name, count in counts.most_common()
    ]
    if tagger.has_relation:
        legend += [Text.assemble(mark, f" {name}") for name, mark in _RELATION_MARKS.items()]
    console.print(Text("   ").join(legend))


def _sentence_grid(sentence: TaggedSentence, colours: dict[str, str], width: int) -> Table:
    name_width = max(map(len, colours))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.width = min(width, _MAX_WIDTH)
    grid.add_column(width=1)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_column(width=name_width + len("  0.00"))
    tags = [
        Text.assemble(
            (name.ljust(name_width), f"bold {colours[name]}"),
            f"  {sentence.probabilities[name]:.2f}",
        )
        for name in sentence.domains
    ]
    grid.add_row(
        Text(*_RELATION_MARKS.get(sentence.relation or "", (" ",))),
        Text(_printable(sentence.text), "" if tags else "dim"),
        Text("\n").join(tags),
    )
    return grid


def _printable(text: str) -> str:
    """Drop line breaks, and the controls with which a text could command the terminal."""
    return _CONTROLS.sub("\ufffd", " ".join(text.split()))


def print_evaluation(
    title: str,
    evaluation: "Evaluation",
    baseline: "Evaluation | None" = None,
    console: Console | None = None,
) -> None:
    """Print scores per domain and over all, with the F1 of a baseline beside them."""
    console = console or console_on(sys.stdout)
    size = f"{_count(evaluation.n_sentences, 'sentence')}, {_count(evaluation.n_groups, 'group')}"
    console.print(Text.assemble((title, "bold"), f"  {size}"), end="\n\n", soft_wrap=True)
    for columns in (_domain_columns(evaluation, baseline), _overall_columns(evaluation, baseline)):
        console.print(_numbers_table(columns))
        console.print()


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


def _numbers_table(columns: _Columns) -> Table:
    """Return a table of names and numbers that fits into 80 characters."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    for i, name in enumerate(columns):
        numbers = {"justify": "right", "no_wrap": True} if i else {"overflow": "fold"}
        table.add_column(Text(name), vertical="bottom", **numbers)
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, cells))
    return table


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _interval(interval: "Interval") -> str:
    return "" if math.isnan(interval.low) else f"{interval.low:.3f}–{interval.high:.3f}"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def print_domains(
    domains: DomainSet, thresholds: Sequence[float] = (), console: Console | None = None
) -> None:
    """Print names, definitions and references, with thresholds where there are any."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, leading=1)
    table.add_column("domain", no_wrap=True)
    if thresholds:
        table.add_column("threshold", justify="right")
    table.add_column("definition", ratio=1)
    table.add_column("references")
    for column, domain in enumerate(domains):
        threshold = [f"{thresholds[column]:.3f}"] if thresholds else []
        references = Text("\n".join(domain.references))
        table.add_row(Text(domain.name, "bold"), *threshold, Text(domain.definition), references)
    (console or console_on(sys.stdout)).print(table)


@contextmanager
def tagging_progress(
    documents: Iterator[TaggedDocument], n_documents: int | None
) -> Iterator[Iterator[TaggedDocument]]:
    """Show on standard error how many documents have passed.

    Parameters
    ----------
    documents : iterator of (str, list of TaggedSentence)
        What passes.
    n_documents : int or None
        How many there will be, if that is known.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.completed:.0f} documents"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("tagging", total=n_documents)

        def counted() -> Iterator[TaggedDocument]:
            for document in documents:
                yield document
                bar.advance(task)

        yield counted()


@contextmanager
def training_progress() -> Iterator[Callable[["Progress"], None]]:
    """Show on standard error how far training is: a bar in a terminal, else a line an epoch."""
    if not is_terminal(sys.stderr):
        yield _EpochLines()
        return
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as ProgressBar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[score]}"),
    )
    with ProgressBar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("preparing", total=None, score="")

        def show(progress: "Progress") -> None:
            trained = progress.step >= progress.n_steps
            bar.update(
                task,
                description="calibrating, evaluating" if trained else "training",
                completed=progress.step,
                total=progress.n_steps,
                score=_dev_score(progress),
            )

        yield show


class _EpochLines:
    """Writes a line once the dev score of another epoch is known."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._last_epoch = 0

    def __call__(self, progress: "Progress") -> None:
        # A step of epoch 3, (2, 3], brings the score of epoch 2.
        epoch = math.ceil(progress.epoch) - 1
        if epoch > self._last_epoch and progress.dev_macro_f1 is not None:
            self._last_epoch = epoch
            self._console.print(f"epoch {epoch}: {_dev_score(progress)}")
        if progress.step == progress.n_steps:
            self._console.print(f"{progress.n_steps} steps done; calibrating and evaluating")


def _dev_score(progress: "Progress") -> str:
    score = progress.dev_macro_f1
    return "" if score is None else f"macro F1 on dev {score:.3f}"
