"""Files of labelled sentences that are read together, and where each sentence stands in them."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.dataset_files import read_examples
from diplomacy_nlp.domains import WIDE, DomainSet
from diplomacy_nlp.errors import DataWarning
from diplomacy_nlp.tables import read_table

__all__ = [
    "LabelledFile",
    "RowPlace",
    "count_places",
    "join_files",
    "read_labelled_files",
    "unite_domains",
]


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Where an example stands.

    Parameters
    ----------
    file : str
        The file, or what else the example came from.
    row : int
        Its number there, as in the messages of :func:`read_examples`.
    unit : str, default="row"
        What is counted: rows of a table, lines of JSON Lines, or examples.

    Examples
    --------
    >>> str(RowPlace("labels.csv", 12))
    'labels.csv row 12'
    """

    file: str
    row: int
    unit: str = "row"

    def __str__(self) -> str:
        return f"{self.file} {self.unit} {self.row}"


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """Labelled sentences and where each of them stands.

    Parameters
    ----------
    examples : Examples
        The n sentences.
    places : tuple of RowPlace, length n
        One for each.
    """

    examples: Examples
    places: tuple[RowPlace, ...]


def read_labelled_files(
    paths: Iterable[Path],
    *,
    domains: DomainSet | Sequence[str] | None = None,
    encoding: str = "utf-8",
) -> list[LabelledFile]:
    """Read files that are labelled with the same domains.

    Parameters
    ----------
    paths : iterable of Path
        The files, as of :func:`read_examples`.
    domains, encoding
        As of :func:`read_examples`. By default every file is read with the domains of all.

    Raises
    ------
    DataError
        A file cannot be read in full, or has 0/1 columns but none for a domain of another file.
    ConfigError
        `domains` or `encoding` means nothing.
    MissingExtraError
        A file is Parquet and pyarrow is not installed.
    """
    paths = list(paths)
    read = [read_examples(path, domains=domains, encoding=encoding) for path in paths]
    united = unite_domains(read)
    for number, examples in enumerate(read):
        if examples.domains != united:
            with warnings.catch_warnings():
                # What it has to say was said on the first reading.
                warnings.simplefilter("ignore", DataWarning)
                read[number] = read_examples(paths[number], domains=united, encoding=encoding)
    return [
        LabelledFile(examples, _read_places(path, encoding))
        for examples, path in zip(read, paths, strict=True)
    ]


def join_files(files: Sequence[LabelledFile]) -> LabelledFile:
    """Join files into one.

    Where there are several, one whose sentences have no split is a split named like the file:
    ``train.csv`` is "train".
    """
    if len(files) == 1:
        return files[0]
    rows = []
    for file in files:
        name = Path(file.examples.source).stem
        has_splits = bool(file.examples.splits)
        rows += [row if has_splits else replace(row, split=name) for row in file.examples]
    examples = Examples(
        unite_domains([file.examples for file in files]),
        tuple(rows),
        ", ".join(file.examples.source for file in files),
    )
    return LabelledFile(examples, tuple(place for file in files for place in file.places))


def unite_domains(sets: Sequence[Examples]) -> DomainSet:
    """Return the domains of all: those of the codebook in its order, before others."""
    names = dict.fromkeys(name for examples in sets for name in examples.domains.names)
    if len({examples.domains for examples in sets}) == 1:
        return sets[0].domains
    codebook = [name for name in WIDE.names if name in names]
    return DomainSet.of([*codebook, *(name for name in names if name not in WIDE)])


def count_places(examples: Examples) -> tuple[RowPlace, ...]:
    """Return places that count the examples from 1, for examples of unknown rows."""
    name = examples.source or "examples"
    return tuple(RowPlace(name, number, "example") for number in range(1, len(examples) + 1))


def _read_places(path: Path, encoding: str) -> tuple[RowPlace, ...]:
    # As read_examples does, which leaves no row out.
    table = read_table(path, encoding)
    return tuple(RowPlace(table.name, number, table.unit) for number, _ in table.rows)
