"""Labelled sentences with what a tagger says of them: what every score is made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.tagger import Tagger

__all__ = ["TaggedExamples", "on_shared_domains", "tag_examples"]

_Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class TaggedExamples:
    """Labelled sentences with what a tagger says of them.

    Parameters
    ----------
    examples : Examples
        The n sentences, labelled with the d domains that are scored.
    probabilities : ndarray of float32, shape (n, d)
        In [0, 1].
    tags : ndarray of bool, shape (n, d)
        Where a probability reaches its threshold.
    thresholds : ndarray of float64, shape (d,)
        In [0, 1].
    relations : ndarray of int, shape (n,), or None
        The likeliest relation as an index into :data:`diplomacy_nlp.domains.RELATIONS`; None
        where the tagger does not tell them.
    """

    examples: Examples
    probabilities: NDArray[np.float32]
    tags: _Bools
    thresholds: NDArray[np.float64]
    relations: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def labels(self) -> _Bools:
        """What is right: bool (n, d)."""
        return self.examples.labels

    @property
    def is_wrong(self) -> _Bools:
        """Whether a sentence has any wrong tag or lacks a right one: bool (n,)."""
        return np.asarray((self.labels != self.tags).any(axis=1))

    @property
    def knows_relations(self) -> bool:
        """Whether there is a relation told and one to score it by."""
        return self.relations is not None and bool((self.examples.relations >= 0).any())

    def select(self, rows: NDArray[np.intp]) -> "TaggedExamples":
        """Return the sentences with these numbers, in the order given."""
        return TaggedExamples(
            self.examples.select(rows.tolist()),
            self.probabilities[rows],
            self.tags[rows],
            self.thresholds,
            None if self.relations is None else self.relations[rows],
        )

    def with_domains(self, names: Iterable[str]) -> "TaggedExamples":
        """Return the same with some of the domains only, in the order given."""
        domains = self.examples.domains.select(names)
        columns = [self.examples.domains.index(name) for name in domains.names]
        return TaggedExamples(
            self.examples.with_domains(domains),
            self.probabilities[:, columns],
            self.tags[:, columns],
            self.thresholds[columns],
            self.relations,
        )


def tag_examples(tagger: Tagger, examples: Examples) -> TaggedExamples:
    """Tag labelled sentences with the domains that both know, in the tagger's order.

    Raises
    ------
    DataError
        There is no example, or the tagger knows none of the examples' domains.
    """
    where = examples.source or "examples"
    if not len(examples):
        raise DataError(f"{where}: there is no sentence to evaluate")
    known = tagger.domains.names
    columns = [column for column, name in enumerate(known) if name in examples.domains]
    if not columns:
        raise DataError(
            f"{where}: the domains are {', '.join(examples.domains.names)}; "
            f"the tagger knows only {', '.join(known)}"
        )
    domains = tagger.domains.select(known[column] for column in columns)
    prediction = tagger.predict_all(examples.texts)
    relations = prediction.relation_probabilities
    return TaggedExamples(
        examples.with_domains(domains),
        prediction.probabilities[:, columns],
        prediction.tags[:, columns],
        np.array([tagger.thresholds[name] for name in domains.names]),
        None if relations is None else relations.argmax(axis=1),
    )


def on_shared_domains(
    tagged: TaggedExamples, other: TaggedExamples
) -> tuple[TaggedExamples, TaggedExamples]:
    """Return what two taggers say of the domains that both know, in the order of the first.

    Raises
    ------
    DataError
        They have no domain in common.
    """
    names, others = tagged.examples.domains.names, other.examples.domains.names
    shared = [name for name in names if name in others]
    if not shared:
        raise DataError(
            "the taggers have no domain in common: "
            f"one tells {', '.join(names)}, the other {', '.join(others)}"
        )
    return tagged.with_domains(shared), other.with_domains(shared)
