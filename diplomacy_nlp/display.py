"""What a person reads in a terminal: tagged texts, domains and progress."""

import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from diplomacy_nlp.documents import DocumentStream
from diplomacy_nlp.domains import DomainSet
from diplomacy_nlp.output import TaggedDocument, is_terminal, of_relation
from diplomacy_nlp.tagger import TaggedSentence, Tagger

if TYPE_CHECKING:
    from diplomacy_nlp.bootstrap import Interval
    from diplomacy_nlp.operating_points import Band, OperatingPoint
    from diplomacy_nlp.progress import Progress

__all__ = [
    "console_on",
    "counted",
    "print_domains",
    "print_tagged",
    "print_thresholds",
    "printable",
    "tagging_progress",
    "training_progress",
]

# The terminal's own colours, which its user has chosen to be readable; the core domains come first.
_DOMAIN_COLOURS = ("yellow", "cyan", "blue", "magenta", "green", "red")
_REVIEW_MARK = ("?", "bold")
_RELATION_MARKS = {"cooperation": ("+", "bold green"), "conflict": ("−", "bold red")}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Longer lines are hard to read.
_MAX_WIDTH = 110
# How long a number stands before the next one is shown.
_SECONDS_SHOWN = 0.2


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # Not the exit that rich has ready: the command line has its own.
        raise BrokenPipeError


def console_on(file: TextIO) -> Console:
    """Return a console that colours what it is told to and nothing else."""
    return _Console(file=file, highlight=False)


def print_tagged(
    documents: Iterable[TaggedDocument],
    tagger: Tagger,
    console: Console | None = None,
    *,
    relations: Collection[str] = (),
) -> None:
    """Print each sentence with its tags beside it, then how often each domain was tagged.

    Where the tagger marks what to review, the domains to look at end in a question mark, and
    those of them that are not tagged are dim.

    Parameters
    ----------
    documents : iterable of (str, list of TaggedSentence)
        Printed as they come.
    tagger : Tagger
        What tagged them.
    console : Console, optional
        Where to; standard output by default.
    relations : collection of str
        If any, only sentences of these are printed, and only documents with one.
    """
    console = console or console_on(sys.stdout)
    colours = {
        name: _DOMAIN_COLOURS[column % len(_DOMAIN_COLOURS)]
        for column, name in enumerate(tagger.domains.names)
    }
    counts = Counter[str]()
    n_sentences = n_tagged = n_marked = 0
    for name, all_sentences in documents:
        sentences = [sentence for _, sentence in of_relation(all_sentences, relations)]
        if relations and not sentences:
            continue
        console.print(Text(printable(name), "bold"), end="\n\n", soft_wrap=True)
        for sentence in sentences:
            console.print(_sentence_grid(sentence, colours, console.width))
            console.print()
            counts.update(sentence.domains)
            n_tagged += bool(sentence.domains)
            n_marked += bool(sentence.review)
        n_sentences += len(sentences)
    marked = "" if tagger.review_bands is None else f", {n_marked} to review"
    console.print(f"{n_tagged} of {counted(n_sentences, 'sentence')} tagged{marked}", style="bold")
    legend = [
        Text.assemble((name, f"bold {colours[name]}"), f" {count}")
        for name, count in counts.most_common()
    ]
    if tagger.has_relation:
        legend += [Text.assemble(mark, f" {name}") for name, mark in _RELATION_MARKS.items()]
    if tagger.review_bands is not None:
        legend.append(Text.assemble(_REVIEW_MARK, " to review"))
    console.print(Text("   ").join(legend))


def _sentence_grid(sentence: TaggedSentence, colours: dict[str, str], width: int) -> Table:
    name_width = max(map(len, colours))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.width = min(width, _MAX_WIDTH)
    grid.add_column(width=1)
    grid.add_column(ratio=1, overflow="fold")
    review = sentence.review or ()
    grid.add_column(width=name_width + len("  0.00" if sentence.review is None else "  0.00 ?"))
    tags = [
        Text.assemble(
            (name.ljust(name_width), f"bold {colour}" if name in sentence.domains else "dim"),
            f"  {sentence.probabilities[name]:.2f}",
            *((" ", _REVIEW_MARK) if name in review else ()),
        )
        for name, colour in colours.items()
        if name in sentence.domains or name in review
    ]
    grid.add_row(
        Text(*_RELATION_MARKS.get(sentence.relation or "", (" ",))),
        Text(printable(sentence.text), "" if tags else "dim"),
        Text("\n").join(tags),
    )
    return grid


def printable(text: str) -> str:
    """Drop line breaks, and the controls with which a text could command the terminal."""
    return _CONTROLS.sub("\ufffd", " ".join(text.split()))


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is not 1."""
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


def print_thresholds(
    points: "Mapping[str, OperatingPoint]",
    bands: "Mapping[str, Band] | None" = None,
    console: Console | None = None,
) -> None:
    """Print what the thresholds of some domains reach, with the bands to review if there are any.

    Parameters
    ----------
    points : mapping of str to OperatingPoint
        By domain.
    bands : mapping of str to Band, optional
        Of the same domains.
    console : Console, optional
        Where to; standard output by default.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("domain", overflow="fold")
    headings = ["threshold", "95 % interval", "precision", "recall"]
    for heading in headings if bands is None else [*headings, "to review"]:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, point in points.items():
        numbers = (point.threshold, point.precision, point.recall)
        threshold, precision, recall = ("–" if math.isnan(n) else f"{n:.3f}" for n in numbers)
        band = [] if bands is None else [_range(bands[name])]
        table.add_row(Text(name), threshold, _range(point.spread), precision, recall, *band)
    (console or console_on(sys.stdout)).print(table)


def _range(ends: "Interval | Band") -> str:
    return "–" if math.isnan(ends.low) else f"{ends.low:.3f}–{ends.high:.3f}"


@contextmanager
def tagging_progress(
    stream: DocumentStream, n_files: int, n_bytes: int | None, n_sentences: int = 0
) -> Iterator[Callable[[Iterable[TaggedDocument]], Iterator[TaggedDocument]]]:
    """Show on standard error how many sentences have passed, how fast, and how long it will take.

    Parameters
    ----------
    stream : DocumentStream
        What the documents are read from; the bytes read tell how much is left.
    n_files : int
        How many files there are in all.
    n_bytes : int or None
        How many bytes the stream will read, if that is known.
    n_sentences : int
        How many sentences an earlier run has done.

    Yields
    ------
    watch : callable
        Passes tagged documents on and counts them.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        started = time.monotonic()
        shown = -math.inf
        n_passed = 0
        task = bar.add_task("reading", total=n_bytes)

        def watch(documents: Iterable[TaggedDocument]) -> Iterator[TaggedDocument]:
            nonlocal shown, n_passed
            for document in documents:
                yield document
                n_passed += len(document[1])
                now = time.monotonic()
                # Showing it for each of some thousand documents a second would slow them down.
                if now - shown >= _SECONDS_SHOWN:
                    shown = now
                    rate = n_passed / max(now - started, _SECONDS_SHOWN)
                    file = min(stream.position.n_files + 1, n_files)
                    bar.update(
                        task,
                        description=f"{n_sentences + n_passed:,} sentences, {rate:,.0f} a second, "
                        f"file {file:,} of {n_files:,}",
                        completed=stream.n_bytes_read,
                    )

        yield watch


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
