"""One tagger against another on the same sentences: how much better it is, and how sure that is.

The bootstrap is paired: both taggers are scored on the same resampled documents, and it is their
difference that has an interval. What makes a sample easy or hard for both cancels out, so that
smaller differences show than two intervals side by side would let see.

References
----------
Berg-Kirkpatrick, T., Burkett, D. and Klein, D. (2012). An empirical investigation of statistical
significance in NLP. EMNLP-CoNLL, 995-1005.

Efron, B. and Tibshirani, R. (1993). An Introduction to the Bootstrap, chapter 13.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diplomacy_nlp.bootstrap import Interval, Replicates, bootstrap, number_groups, plain_numbers
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.metrics import Tallies, mean_of_defined, relation_columns
from diplomacy_nlp.tagged_examples import TaggedExamples, on_shared_domains, tag_examples
from diplomacy_nlp.tagger import Tagger

__all__ = ["Comparison", "Difference", "compare", "compare_tagged"]

_Floats: TypeAlias = NDArray[np.float64]
_Statistics: TypeAlias = Callable[[_Floats], dict[str, _Floats]]


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better a tagger does than the other by one score.

    Parameters
    ----------
    value : float
        Its score minus the other's; nan where the score is undefined.
    interval : Interval
        Of that difference.
    share_better : float
        Share of the replicates in which it scores higher, where a draw counts half; nan without
        replicates.
    score, other_score : float
        In [0, 1], or nan.
    """

    value: float
    interval: Interval
    share_better: float
    score: float
    other_score: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one tagger does against another on the same sentences.

    Parameters
    ----------
    macro_f1, micro_f1, exact_match : Difference
        Over the domains that both know.
    relation_macro_f1 : Difference or None
        None where one of them tells no relations, or none is labelled.
    domains : mapping of str to Difference
        Of the F1 of each domain that both know.
    n_sentences, n_groups : int
        How much data there was.
    n_bootstrap, seed : int
        How the replicates were drawn.
    """

    macro_f1: Difference
    micro_f1: Difference
    exact_match: Difference
    relation_macro_f1: Difference | None
    domains: Mapping[str, Difference]
    n_sentences: int
    n_groups: int
    n_bootstrap: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return the same numbers for JSON: six digits, and None for nan."""
        return plain_numbers(self)


def compare(
    tagger: Tagger,
    other: Tagger,
    examples: Examples,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Tag examples with two taggers and measure by how much the first does better.

    Compared are the domains that both know and the examples are labelled with, each tagger at
    its own thresholds.

    Parameters
    ----------
    tagger, other : Tagger
        Neither was trained on the examples.
    examples : Examples
        Sentences; those of one group are resampled together.
    n_bootstrap : int
        Replicates; 0 for no intervals. A single group gives none either.
    seed : int
        The same seed and data give the same intervals.

    Returns
    -------
    Comparison
        Differences are above 0 where `tagger` does better.

    Raises
    ------
    DataError
        There is no example, or no domain that all three have.
    ValueError
        ``n_bootstrap`` is negative.

    Examples
    --------
    >>> from diplomacy_nlp import CORE, Example, Examples, Tagger
    >>> labelled = (Example("Gas will flow.", {"energy"}), Example("Arms will flow.", {"security"}))
    >>> tagger = Tagger.load()
    >>> compare(tagger, tagger, Examples(CORE, labelled)).macro_f1.value
    0.0
    """
    return compare_tagged(
        tag_examples(tagger, examples),
        tag_examples(other, examples),
        n_bootstrap=n_bootstrap,
        seed=seed,
    )


def compare_tagged(
    tagged: TaggedExamples, other: TaggedExamples, *, n_bootstrap: int = 1000, seed: int = 0
) -> Comparison:
    """Measure by how much one tagging of some sentences is better, as :func:`compare` does.

    Raises
    ------
    DataError
        The sentences are not the same, or there is no domain in common.
    ValueError
        ``n_bootstrap`` is negative.
    """
    tagged, other = on_shared_domains(tagged, other)
    if tagged.examples != other.examples:
        raise DataError("two taggings can be compared on the same sentences only")
    examples = tagged.examples
    group_of_row = number_groups(examples.groups, len(examples))
    replicates, others = (
        bootstrap(statistics, group_of_row, n_bootstrap=n_bootstrap, seed=seed)
        for statistics in (_statistics(tagged), _statistics(other))
    )
    differences = {
        name: _differences(replicates[name], others[name]) for name in replicates if name in others
    }
    return Comparison(
        macro_f1=differences["macro_f1"][0],
        micro_f1=differences["micro_f1"][0],
        exact_match=differences["exact_match"][0],
        relation_macro_f1=differences.get("relation_macro_f1", [None])[0],
        domains=dict(zip(examples.domains.names, differences["f1"], strict=True)),
        n_sentences=len(examples),
        n_groups=int(group_of_row.max()) + 1,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )


def _statistics(tagged: TaggedExamples) -> _Statistics:
    """Return what the bootstrap replicates; the same seed draws the same documents for both."""
    labels, tags = tagged.labels, tagged.tags
    exact = ~tagged.is_wrong[:, None]

    def statistics(weights: _Floats) -> dict[str, _Floats]:
        tallies = Tallies.of(labels, tags, weights)
        f1 = tallies.f1()
        scores = {
            "f1": f1,
            "macro_f1": mean_of_defined(f1),
            "micro_f1": tallies.pooled().f1(),
            "exact_match": weights @ exact / weights.sum(axis=1, keepdims=True),
        }
        if tagged.relations is not None and tagged.knows_relations:
            right, said, known = relation_columns(tagged.examples.relations, tagged.relations)
            of_relations = Tallies.of(right, said, weights[:, known]).f1()
            scores["relation_macro_f1"] = mean_of_defined(of_relations)
        return scores

    return statistics


def _differences(scores: Replicates, others: Replicates) -> list[Difference]:
    differences = scores - others
    return [
        Difference(score.value, score.interval, share, value, other)
        for score, share, value, other in zip(
            differences.scores,
            differences.shares_above_zero,
            scores.values.tolist(),
            others.values.tolist(),
            strict=True,
        )
    ]
