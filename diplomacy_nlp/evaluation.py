"""How well a tagger does on labelled sentences, with intervals that respect documents."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diplomacy_nlp.bootstrap import (
    Interval,
    Score,
    bootstrap_scores,
    number_groups,
    plain_numbers,
)
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.domains import DomainSet
from diplomacy_nlp.metrics import (
    Tallies,
    average_precisions,
    calibration_error,
    check_binary,
    check_probabilities,
    check_same_shape,
    mean_of_defined,
    relation_columns,
)
from diplomacy_nlp.tagged_examples import TaggedExamples, tag_examples
from diplomacy_nlp.tagger import Tagger

__all__ = [
    "DomainScores",
    "Evaluation",
    "evaluate",
    "evaluate_relations",
    "evaluate_tagged",
    "evaluate_tags",
]

_Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DomainScores:
    """How well one domain is tagged.

    All but ``calibration_error`` and ``support`` are nan where ``support`` is 0.

    Parameters
    ----------
    domain : str
        Its name.
    precision, recall, f1, average_precision, calibration_error : float
        In [0, 1].
    precision_interval, recall_interval, f1_interval : Interval
        Of the first three.
    support : int
        Sentences labelled with the domain.
    """

    domain: str
    precision: float
    recall: float
    f1: float
    average_precision: float
    calibration_error: float
    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval
    support: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well the sentences of one data set are tagged.

    Parameters
    ----------
    domains : tuple of DomainScores
        In column order.
    macro_f1, macro_average_precision : Score
        The mean over the domains with support.
    micro_f1 : Score
        F1 over all pairs of sentence and domain.
    exact_match : Score
        Share of sentences with exactly the right domains.
    relation_macro_f1 : Score or None
        The mean F1 of the relations that occur, over sentences whose relation is known; None
        where there is none to score.
    n_sentences, n_groups : int
        How much data there was.
    n_bootstrap, seed : int
        How the intervals were drawn.
    """

    domains: tuple[DomainScores, ...]
    macro_f1: Score
    micro_f1: Score
    macro_average_precision: Score
    exact_match: Score
    relation_macro_f1: Score | None
    n_sentences: int
    n_groups: int
    n_bootstrap: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return the same numbers for JSON.

        Returns
        -------
        dict
            Numbers have six digits, nan is None, and ``domains`` goes by domain name.
        """
        plain = plain_numbers(self)
        plain["domains"] = {scores.pop("domain"): scores for scores in plain["domains"]}
        return plain


def evaluate(
    tagger: Tagger, examples: Examples, *, n_bootstrap: int = 1000, seed: int = 0
) -> Evaluation:
    """Tag examples and measure how well that went.

    Scored are the domains that both know, in the tagger's order, and the relation where the
    tagger tells it and an example names one.

    Parameters
    ----------
    tagger : Tagger
        What to evaluate, with its thresholds.
    examples : Examples
        Sentences that it was not trained on. Intervals respect their groups.
    n_bootstrap, seed : int
        As in :func:`evaluate_tags`.

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        There is no example, or the tagger knows none of the examples' domains.
    ValueError
        ``n_bootstrap`` is negative.
    """
    return evaluate_tagged(tag_examples(tagger, examples), n_bootstrap=n_bootstrap, seed=seed)


def evaluate_tagged(
    tagged: TaggedExamples, *, n_bootstrap: int = 1000, seed: int = 0
) -> Evaluation:
    """Measure how well sentences were tagged, as :func:`evaluate` does."""
    examples = tagged.examples
    evaluation = evaluate_tags(
        tagged.labels,
        tagged.probabilities,
        tagged.tags,
        examples.domains,
        groups=examples.groups,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    if tagged.relations is None or not tagged.knows_relations:
        return evaluation
    score = evaluate_relations(
        examples.relations,
        tagged.relations,
        groups=examples.groups,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    return replace(evaluation, relation_macro_f1=score)


def evaluate_tags(
    labels: ArrayLike,
    probabilities: ArrayLike,
    tags: ArrayLike,
    domains: DomainSet,
    *,
    groups: Sequence[str | None] | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Measure how well sentences are tagged.

    Parameters
    ----------
    labels, tags : array_like of bool, shape (n, d)
        What is right and what was said.
    probabilities : array_like of float, shape (n, d)
        In [0, 1].
    domains : DomainSet
        The d domains of the columns.
    groups : sequence of str or None, length n, optional
        The document of each sentence. A sentence without one is a group of its own.
    n_bootstrap : int, default 1000
        Replicates of the bootstrap; 0 for no intervals. A single group gives none either.
    seed : int, default 0
        The same seed and data give the same intervals.

    Returns
    -------
    Evaluation
        A domain that a replicate happens to lack is left out of that replicate.

    Raises
    ------
    ValueError
        There is no sentence, shapes or lengths disagree, a label or tag is neither 0 nor 1, or a
        probability lies outside [0, 1].
    """
    right, said = check_binary(labels, "labels", 2), check_binary(tags, "tags", 2)
    sure = check_probabilities(probabilities)
    check_same_shape(labels=right, tags=said, probabilities=sure)
    if right.shape[1] != len(domains):
        raise ValueError(f"labels have {right.shape[1]} columns for {len(domains)} domains")
    group_of_row = number_groups(groups, len(right))
    exact = np.all(right == said, axis=1, keepdims=True)

    def statistics(weights: _Floats) -> dict[str, _Floats]:
        tallies = Tallies.of(right, said, weights)
        f1 = tallies.f1()
        ranked = average_precisions(right, sure, weights)
        return {
            "precision": tallies.precision(),
            "recall": tallies.recall(),
            "f1": f1,
            "average_precision": ranked,
            "macro_f1": mean_of_defined(f1),
            "micro_f1": tallies.pooled().f1(),
            "macro_average_precision": mean_of_defined(ranked),
            "exact_match": weights @ exact / weights.sum(axis=1, keepdims=True),
        }

    scores = bootstrap_scores(statistics, group_of_row, n_bootstrap=n_bootstrap, seed=seed)
    return Evaluation(
        domains=tuple(
            DomainScores(
                domain=name,
                precision=precision.value,
                recall=recall.value,
                f1=f1.value,
                average_precision=ranked.value,
                calibration_error=calibration_error(labelled, probability),
                precision_interval=precision.interval,
                recall_interval=recall.interval,
                f1_interval=f1.interval,
                support=int(labelled.sum()),
            )
            for name, labelled, probability, precision, recall, f1, ranked in zip(
                domains.names,
                right.T,
                sure.T,
                *(scores[key] for key in ("precision", "recall", "f1", "average_precision")),
                strict=True,
            )
        ),
        macro_f1=scores["macro_f1"][0],
        micro_f1=scores["micro_f1"][0],
        macro_average_precision=scores["macro_average_precision"][0],
        exact_match=scores["exact_match"][0],
        relation_macro_f1=None,
        n_sentences=len(right),
        n_groups=int(group_of_row.max()) + 1,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )


def evaluate_relations(
    relations: ArrayLike,
    predicted: ArrayLike,
    *,
    groups: Sequence[str | None] | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Score:
    """Measure the macro F1 of the relation, with its interval.

    Parameters
    ----------
    relations : array_like of int, shape (n,)
        Index into :data:`diplomacy_nlp.domains.RELATIONS`, -1 where unknown.
    predicted : array_like of int, shape (n,)
        Index into the same.
    groups, n_bootstrap, seed
        As in :func:`evaluate_tags`.

    Raises
    ------
    ValueError
        No relation is known, shapes or lengths disagree, or a value is no such index.
    """
    right, said, known = relation_columns(relations, predicted)
    if not known.any():
        raise ValueError("no relation is known, so there is nothing to evaluate")
    _, group_of_row = np.unique(number_groups(groups, len(known))[known], return_inverse=True)

    def statistics(weights: _Floats) -> dict[str, _Floats]:
        return {"macro_f1": mean_of_defined(Tallies.of(right, said, weights).f1())}

    return bootstrap_scores(statistics, group_of_row, n_bootstrap=n_bootstrap, seed=seed)[
        "macro_f1"
    ][0]
