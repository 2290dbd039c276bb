"""Scores of parts of the data: by source, by length and by relation.

References
----------
Cameron, A. C., Gelbach, J. B. and Miller, D. L. (2008). Bootstrap-based improvements for inference
with clustered errors. Review of Economics and Statistics 90 (3), 414-427.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diplomacy_nlp.bootstrap import Score, bootstrap_scores, number_groups, plain_numbers
from diplomacy_nlp.dataset import Example
from diplomacy_nlp.domains import RELATIONS
from diplomacy_nlp.metrics import Tallies, mean_of_defined
from diplomacy_nlp.tagged_examples import TaggedExamples

__all__ = ["SubsetScores", "break_down"]

_UNKNOWN = "not given"
# Of fewer documents, resamples are too much alike to say how far a score might move.
_LEAST_GROUPS = 30
# By the length of the longest sentence in words.
_LENGTHS = {
    10: "1–10 words",
    20: "11–20 words",
    30: "21–30 words",
    40: "31–40 words",
    math.inf: "over 40 words",
}
_ORDERS = {"length": tuple(_LENGTHS.values()), "relation": (*RELATIONS, _UNKNOWN)}

_Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SubsetScores:
    """How well the sentences of one kind are tagged.

    Parameters
    ----------
    name : str
        What they have in common.
    n_sentences, n_groups : int
        How many there are, and of how many documents. Fewer than 30 documents give no intervals.
    n_labels : int
        Pairs of sentence and domain that are labelled.
    n_domains : int
        Domains with at least one label here.
    macro_f1 : Score
        The mean F1 of those domains; nan where there is none. Since they differ from subset to
        subset, so may this.
    micro_f1 : Score
        F1 over all pairs of sentence and domain; nan without a label.
    exact_match : Score
        Share of sentences with exactly the right domains.
    """

    name: str
    n_sentences: int
    n_groups: int
    n_labels: int
    n_domains: int
    macro_f1: Score
    micro_f1: Score
    exact_match: Score

    def to_dict(self) -> dict[str, Any]:
        """Return the same numbers for JSON: six digits, and None for nan."""
        return plain_numbers(self)


def break_down(
    tagged: TaggedExamples, *, n_bootstrap: int = 1000, seed: int = 0
) -> Mapping[str, tuple[SubsetScores, ...]]:
    """Measure how well sentences of each source, length and relation are tagged.

    Parameters
    ----------
    tagged : TaggedExamples
        The sentences.
    n_bootstrap, seed : int
        As of :func:`diplomacy_nlp.evaluate`.

    Returns
    -------
    mapping of str to tuple of SubsetScores
        By ``source`` (the most frequent first), ``length`` in words and the labelled
        ``relation``. A kind is left out where all sentences are alike in it.

    Raises
    ------
    ValueError
        ``n_bootstrap`` is negative.
    """
    kinds: dict[str, Callable[[Example], str]] = {
        "source": lambda example: example.source or _UNKNOWN,
        "length": _length,
        "relation": lambda example: example.relation or _UNKNOWN,
    }
    breakdown = {}
    for kind, name_of in kinds.items():
        names = [name_of(example) for example in tagged.examples]
        present = _in_order(kind, Counter(names))
        if len(present) > 1:
            rows_of = {name: np.flatnonzero(np.array(names) == name) for name in present}
            breakdown[kind] = tuple(
                _subset_scores(name, tagged.select(rows), n_bootstrap, seed)
                for name, rows in rows_of.items()
            )
    return breakdown


def _length(example: Example) -> str:
    n_words = len(example.text.split())
    return next(name for longest, name in _LENGTHS.items() if n_words <= longest)


def _in_order(kind: str, counts: Counter[str]) -> list[str]:
    if kind in _ORDERS:
        return [name for name in _ORDERS[kind] if name in counts]
    return sorted(counts, key=lambda name: (-counts[name], name))


def _subset_scores(name: str, subset: TaggedExamples, n_bootstrap: int, seed: int) -> SubsetScores:
    labels, tags = subset.labels, subset.tags
    group_of_row = number_groups(subset.examples.groups, len(subset))
    n_groups = int(group_of_row.max()) + 1
    if n_groups < _LEAST_GROUPS:
        n_bootstrap = 0
    exact = np.all(labels == tags, axis=1, keepdims=True)

    def statistics(weights: _Floats) -> dict[str, _Floats]:
        tallies = Tallies.of(labels, tags, weights)
        return {
            "macro_f1": mean_of_defined(tallies.f1()),
            "micro_f1": tallies.pooled().f1(),
            "exact_match": weights @ exact / weights.sum(axis=1, keepdims=True),
        }

    scores = bootstrap_scores(statistics, group_of_row, n_bootstrap=n_bootstrap, seed=seed)
    return SubsetScores(
        name=name,
        n_sentences=len(subset),
        n_groups=n_groups,
        n_labels=int(labels.sum()),
        n_domains=int(labels.any(axis=0).sum()),
        **{key: score for key, [score] in scores.items()},
    )
