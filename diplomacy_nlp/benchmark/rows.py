"""The sentences of a benchmark: what systems learn from, and what they are scored on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import ConfigError, DataError
from diplomacy_nlp.splits import split_examples

__all__ = ["SIZES", "BenchmarkData", "draw_rows", "parse_sizes"]

#: How many training rows a learning curve has its points at; None is all of them.
SIZES: tuple[int | None, ...] = (100, 300, 1000, 3000, None)


@dataclass(frozen=True)
class BenchmarkData:
    """What systems are trained and scored on.

    Parameters
    ----------
    train, dev : Examples
        Rows to learn from, and those for calibration and thresholds.
    tests : mapping of str to Examples
        The sets to score, none of which a system sees before.

    Raises
    ------
    DataError
        A set is empty, or labelled with other domains than ``train``.
    """

    train: Examples
    dev: Examples
    tests: Mapping[str, Examples]

    def __post_init__(self) -> None:
        for name, examples in self.sets.items():
            if not examples:
                raise DataError(f"{examples.source or name}: there is no sentence in {name}")
            if examples.domains.names != self.train.domains.names:
                raise DataError(f"{name}: its domains are not those of train")
        if not self.tests:
            raise DataError("there is no set to score")

    @classmethod
    def of(cls, examples: Examples, *, seed: int = 0) -> "BenchmarkData":
        """Divide labelled sentences, or take the splits that they name.

        Sets are ``test`` and every split of another name than train and dev.

        Raises
        ------
        DataError
            As of :func:`diplomacy_nlp.split_examples`.
        """
        split = split_examples(examples, seed=seed)
        others = sorted(examples.splits - {"train", "dev", "test"})
        tests = {"test": split.test, **{name: examples.where_split(name) for name in others}}
        return cls(split.train, split.dev, {name: rows for name, rows in tests.items() if rows})

    @property
    def sets(self) -> dict[str, Examples]:
        """All sets by name, train and dev first."""
        return {"train": self.train, "dev": self.dev, **self.tests}

    def without_relations(self) -> "BenchmarkData":
        """Return the same without what no system but this library's own would learn from."""

        def plain(examples: Examples) -> Examples:
            rows = tuple(replace(row, relation=None) for row in examples)
            return Examples(examples.domains, rows, examples.source)

        tests = {name: plain(rows) for name, rows in self.tests.items()}
        return BenchmarkData(plain(self.train), plain(self.dev), tests)

    def describe(self) -> dict[str, Any]:
        """Return the hash of all sets, the domains, and how much each set holds."""
        content = "\n".join(f"{name} {rows.sha256}" for name, rows in self.sets.items())
        return {
            "sha256": hashlib.sha256(content.encode()).hexdigest(),
            "domains": list(self.train.domains.names),
            "sets": {
                name: {"n_sentences": len(rows), "n_labels": int(rows.labels.sum())}
                for name, rows in self.sets.items()
            },
        }


def draw_rows(train: Examples, size: int | None, seed: int) -> Examples:
    """Draw training rows at random, in their order; with the same seed the fewer lie in the more.

    Parameters
    ----------
    train : Examples
        What to draw from.
    size : int or None
        How many; None, or more than there are, for all.
    seed : int
        Of the order in which rows are drawn.
    """
    order = np.random.default_rng(seed).permutation(len(train))
    return train.select(np.sort(order[:size]))


def parse_sizes(text: str) -> tuple[int | None, ...]:
    """Read numbers of training rows as they stand on a command line.

    Raises
    ------
    ConfigError
        One is neither a number above 0 nor ``all``.

    Examples
    --------
    >>> parse_sizes("100,all")
    (100, None)
    """
    sizes: list[int | None] = []
    for part in (part.strip() for part in text.split(",")):
        if part != "all" and not (part.isdecimal() and int(part)):
            raise ConfigError(f"size {part!r} is neither a number of sentences nor 'all'")
        sizes.append(None if part == "all" else int(part))
    return tuple(sizes)
