"""Labelled sentences: one example, and many of them with the domains they are labelled with."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.domains import RELATIONS, DomainSet
from diplomacy_nlp.errors import DataError

__all__ = ["Example", "Examples"]

_OPTIONAL = ("relation", "split", "group", "id", "source")
_SPLIT_NAMES = {
    "train": "train",
    "dev": "dev",
    "validation": "dev",
    "valid": "dev",
    "val": "dev",
    "test": "test",
}


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled sentence.

    The text is kept as it is; blanks around the optional fields are dropped.

    Parameters
    ----------
    text : str
        The sentence, as it stands; not blank.
    domains : frozenset of str
        Names of its domains; empty where it has none. Other iterables of names are converted.
    relation : {"cooperation", "conflict", "neutral"}, optional
        How the international actors of the sentence stand to one another.
    split : str, optional
        "train", "dev", "test" in any case, or a name of your own; "validation", "valid" and
        "val" become "dev".
    group : str, optional
        What the sentence was taken from, such as a document. A group stays on one side of a split.
    id : str, optional
        A name of the example's own.
    source : str, optional
        The kind of text it comes from, such as a newspaper or an archive; scores are broken down
        by it.

    Raises
    ------
    DataError
        A field is not text, blank, or holds a NUL or a lone surrogate, which files cannot carry;
        or the relation is unknown.

    Examples
    --------
    >>> Example("They signed a gas deal.", frozenset({"trade", "energy"}), split="validation").split
    'dev'
    """

    text: str
    domains: frozenset[str] = frozenset()
    relation: str | None = None
    split: str | None = None
    group: str | None = None
    id: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.domains, str):
            raise DataError(f"domains: {self.domains!r} is one string; give a set of names")
        object.__setattr__(self, "domains", frozenset(self.domains))
        for name in _OPTIONAL:
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, value.strip())
        problems = [f"{name}: {problem}" for name, problem in _problems(self)]
        if problems:
            raise DataError(problems)
        if self.split is not None:
            object.__setattr__(self, "split", _SPLIT_NAMES.get(self.split.lower(), self.split))


def _problems(example: Example) -> Iterator[tuple[str, str]]:
    """Yield the fields that cannot be used, each with the reason."""
    fields: list[tuple[str, object]] = [("text", example.text)]
    fields += [("domains", name) for name in example.domains]
    for name in _OPTIONAL:
        if getattr(example, name) is not None:
            fields.append((name, getattr(example, name)))
    for name, value in fields:
        problem = _text_problem(value)
        if problem:
            yield name, problem
        elif name == "relation" and value not in RELATIONS:
            yield name, f"unknown relation {value!r}. Valid: {', '.join(RELATIONS)}"


def _text_problem(value: object) -> str | None:
    """Say why a value cannot stand in a file of text, or None where it can."""
    if value is None:
        return "missing"
    if not isinstance(value, str):
        return f"{value!r} is not text"
    if not value.strip():
        return "empty text"
    if "\0" in value:
        return "a NUL character in the text"
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return f"a lone surrogate at character {error.start}, which UTF-8 cannot write"
    return None


@dataclass(frozen=True, slots=True)
class Examples(Sequence[Example]):
    """Labelled sentences and the domain set that they are labelled with.

    A sequence of :class:`Example`: it has a length, and slices give ``Examples``.

    Parameters
    ----------
    domains : DomainSet
        What was looked for in every sentence. A domain that an example does not name is one
        that it does not have.
    rows : tuple of Example
        The examples, possibly none.
    source : str
        Where they came from, for messages; takes no part in comparisons.

    Raises
    ------
    DataError
        An example names a domain outside the set.

    Examples
    --------
    >>> from diplomacy_nlp.domains import CORE
    >>> gas = Example("They agreed on gas supplies.", frozenset({"energy", "trade"}))
    >>> examples = Examples(CORE, (gas, Example("It rained.")))
    >>> examples.labels.astype(int)
    array([[1, 1, 0, 0],
           [0, 0, 0, 0]])
    >>> len(examples[1:]), examples.select([1, 1]).texts
    (1, ['It rained.', 'It rained.'])
    """

    domains: DomainSet
    rows: tuple[Example, ...]
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        known = frozenset(self.domains.names)
        problems = [
            f"example {number}: unknown domain {name!r}. Valid: {', '.join(self.domains.names)}"
            for number, example in enumerate(self.rows, start=1)
            for name in sorted(example.domains - known)
        ]
        if problems:
            raise DataError(problems)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> "Examples": ...
    def __getitem__(self, index: int | slice) -> "Example | Examples":
        if isinstance(index, slice):
            return Examples(self.domains, self.rows[index], self.source)
        return self.rows[index]

    @property
    def texts(self) -> list[str]:
        """The n sentences."""
        return [example.text for example in self.rows]

    @property
    def labels(self) -> npt.NDArray[np.bool_]:
        """Which domains each sentence has: bool (n, d), columns in the order of the set."""
        columns = {name: column for column, name in enumerate(self.domains.names)}
        labels = np.zeros((len(self.rows), len(columns)), dtype=np.bool_)
        for row, example in enumerate(self.rows):
            labels[row, [columns[name] for name in example.domains]] = True
        return labels

    @property
    def relations(self) -> npt.NDArray[np.int8]:
        """Index of each relation in ``RELATIONS``: int8 (n,), -1 where it is unknown."""
        numbers = [RELATIONS.index(row.relation) if row.relation else -1 for row in self.rows]
        return np.array(numbers, dtype=np.int8)

    @property
    def groups(self) -> list[str]:
        """The n groups; an example without one stands under a name that no other has."""
        return [
            f"\0{number}" if example.group is None else example.group
            for number, example in enumerate(self.rows)
        ]

    @property
    def splits(self) -> frozenset[str]:
        """Names of the splits that occur."""
        return frozenset(example.split for example in self.rows if example.split is not None)

    @property
    def sha256(self) -> str:
        """Hexadecimal hash of the examples, their order and the names of the domains.

        The same for the same content, whatever file it was read from. The sources of sentences
        take no part, since nothing is learned or scored by them.
        """
        digest = hashlib.sha256(json.dumps(self.domains.names).encode())
        for row in self.rows:
            fields = (row.text, sorted(row.domains), row.relation, row.split, row.group, row.id)
            digest.update(b"\n" + json.dumps(fields).encode())
        return digest.hexdigest()

    def select(self, indices: Iterable[int]) -> "Examples":
        """Return the examples with these indices, in the order given."""
        return Examples(self.domains, tuple(self.rows[index] for index in indices), self.source)

    def where_split(self, name: str) -> "Examples":
        """Return the examples of one split, which may be none."""
        return Examples(
            self.domains, tuple(row for row in self.rows if row.split == name), self.source
        )

    def with_domains(self, domains: DomainSet) -> "Examples":
        """Return the same sentences labelled with another domain set.

        Labels outside the new set are left out, and a domain that is new gets no sentence, so
        add only such domains as were looked for when the sentences were labelled.
        """
        names = frozenset(domains.names)
        rows = tuple(replace(row, domains=row.domains & names) for row in self.rows)
        return Examples(domains, rows, self.source)
