"""Labels that are likely to be wrong, by what a model makes of the other sentences.

Confident learning counts a label as doubtful where the model, which did not see it, is surer of
the opposite than it is on average of sentences labelled so.

References
----------
Northcutt, C., Jiang, L. and Chuang, I. (2021). Confident learning: estimating uncertainty in
dataset labels. Journal of Artificial Intelligence Research 70, 1373-1411.

Thyagarajan, A., Snorrason, E., Northcutt, C. and Mueller, J. (2023). Identifying incorrect
annotations in multi-label classification data. ICLR workshop on trustworthy machine learning.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.baseline import BaselineClassifier
from diplomacy_nlp.checks.findings import Finding
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.domains import RELATIONS
from diplomacy_nlp.errors import DataError, MissingExtraError
from diplomacy_nlp.tagger import Tagger

try:
    from cleanlab.filter import find_label_issues
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
    from cleanlab.rank import get_label_quality_scores
    from sklearn.model_selection import GroupKFold
    from threadpoolctl import threadpool_limits
except ImportError as error:
    raise MissingExtraError("Finding label errors", "check") from error

__all__ = [
    "FEWEST_LABELS",
    "Opinion",
    "ask_tagger",
    "cross_validate",
    "find_label_errors",
    "find_relation_errors",
]

#: Labels of which there are fewer are not judged: no model can be sure of them.
FEWEST_LABELS = 10
# Of cleanlab's ways to decide, the one that was right most often in trials with labels flipped on
# purpose.
_FILTER = "confident_learning"
_DIGITS = 3
_TINY = 1e-9

_Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """What a model makes of n sentences whose labels it did not see.

    Parameters
    ----------
    names : tuple of str
        The k domains that it judges.
    probabilities : ndarray of float64, shape (n, k)
        In [0, 1].
    relation_probabilities : ndarray of float64, shape (n, 3), or None
        Rows sum to 1; None where it does not judge relations.
    """

    names: tuple[str, ...]
    probabilities: _Floats
    relation_probabilities: _Floats | None


def cross_validate(
    examples: Examples, units: npt.NDArray[np.int64], *, n_folds: int, seed: int
) -> Opinion:
    """Let the baseline judge sentences that it was not fitted on.

    Parameters
    ----------
    examples : Examples
        The n sentences.
    units : ndarray of int64, shape (n,)
        Sentences of one unit, such as a document, stay in one fold.
    n_folds : int
        At least 2.
    seed : int
        The same seed and data give the same folds.

    Raises
    ------
    DataError
        There are too few sentences or units.
    """
    names = _names_to_judge(examples, examples.domains.names)
    relations = examples.relations
    columns = [examples.labels[:, [examples.domains.index(name) for name in names]]]
    judges_relations = len(_relations_to_judge(relations)) > 1
    if judges_relations:
        columns.append(relations[:, None] == np.arange(len(RELATIONS)))
    labels = np.hstack(columns)
    if not labels.shape[1]:
        return Opinion((), np.empty(labels.shape), None)
    n_units = len(np.unique(units))
    if n_units < n_folds:
        raise DataError(f"{n_units} independent documents cannot be divided into {n_folds} folds")
    probabilities = _out_of_fold(examples.texts, labels, units, n_folds, seed)
    of_relations = probabilities[:, len(names) :]
    return Opinion(
        names,
        probabilities[:, : len(names)],
        of_relations / of_relations.sum(axis=1, keepdims=True) if judges_relations else None,
    )


def _out_of_fold(
    texts: Sequence[str],
    labels: npt.NDArray[np.bool_],
    units: npt.NDArray[np.int64],
    n_folds: int,
    seed: int,
) -> _Floats:
    """Return probabilities (n, k) of labels (n, k)."""
    probabilities = np.empty(labels.shape)
    sentences = np.array(texts, dtype=object)
    folds = GroupKFold(n_folds, shuffle=True, random_state=seed)
    # Threads of the linear algebra wait for one another longer than they work here.
    with threadpool_limits(1, "blas"):
        for others, held_out in folds.split(sentences, groups=units):
            # Weights would make rare labels seem likelier than they are, and pairs of words take
            # twice the time and find no more of the labels flipped in trials.
            model = BaselineClassifier(max_ngram_words=1, class_weight=None)
            try:
                model.fit(sentences[others], labels[others])
            except ValueError as error:
                raise DataError(f"{len(others)} sentences are too few: {error}") from error
            probabilities[held_out] = model.predict_proba(sentences[held_out])
    return probabilities


def ask_tagger(examples: Examples, tagger: Tagger) -> Opinion:
    """Let a model judge sentences that it was not trained on."""
    known = [name for name in tagger.domains.names if name in examples.domains]
    names = _names_to_judge(examples, known)
    prediction = tagger.predict_all(examples.texts)
    of_relations = prediction.relation_probabilities
    return Opinion(
        names,
        prediction.probabilities[:, [tagger.domains.index(name) for name in names]].astype(float),
        None if of_relations is None else of_relations.astype(float),
    )


def _names_to_judge(examples: Examples, names: Sequence[str]) -> tuple[str, ...]:
    n_of_name = dict(zip(examples.domains.names, examples.labels.sum(axis=0), strict=True))
    most = len(examples) - FEWEST_LABELS
    return tuple(name for name in names if FEWEST_LABELS <= n_of_name[name] <= most)


def _relations_to_judge(relations: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    counts = np.bincount(relations[relations >= 0], minlength=len(RELATIONS))
    return np.flatnonzero(counts >= FEWEST_LABELS)


def find_label_errors(examples: Examples, opinion: Opinion) -> Iterator[Finding]:
    """Find sentences whose domains are likely to be wrong, the likeliest first.

    Raises
    ------
    DataError
        There is no domain to judge.
    """
    names, probabilities = opinion.names, opinion.probabilities
    if not names:
        raise DataError(f"no domain to judge with {FEWEST_LABELS} sentences and as many without")
    labels = examples.labels[:, [examples.domains.index(name) for name in names]]
    lists = [np.flatnonzero(row).tolist() for row in labels]
    doubtful = find_multilabel_issues_per_class(lists, probabilities, filter_by=_FILTER, n_jobs=1)
    # A sentence is as doubtful as the most doubtful of its labels.
    quality_of_row = np.where(doubtful, _qualities(labels, probabilities), np.inf).min(axis=1)
    n_doubtful = int(doubtful.any(axis=1).sum())
    for row in np.argsort(quality_of_row, kind="stable")[:n_doubtful].tolist():
        said = _said(names, probabilities[row])
        doubted = [name for name, doubt in zip(names, doubtful[row], strict=True) if doubt]
        missing = {name: said[name] for name in doubted if name not in examples[row].domains}
        wrong = {name: said[name] for name in doubted if name in examples[row].domains}
        parts = [f"{name} may be missing ({p:.2f})" for name, p in missing.items()]
        parts += [f"{name} may be wrong ({p:.2f})" for name, p in wrong.items()]
        details = {
            "quality": round(float(quality_of_row[row]), _DIGITS),
            "missing": missing,
            "wrong": wrong,
            "probabilities": said,
        }
        yield Finding("label-error", "warning", ", ".join(parts), (row,), details)


def _qualities(labels: npt.NDArray[np.bool_], probabilities: _Floats) -> _Floats:
    """Return how sure the model is of each label (n, k), as a share of the mean for its like.

    By the probability alone, nearly all of the first would be labels of rare domains: a model is
    seldom sure of them.
    """
    sure = np.where(labels, probabilities, 1 - probabilities)
    means = np.where(
        labels,
        np.mean(sure, axis=0, where=labels),
        np.mean(sure, axis=0, where=~labels),
    )
    return np.asarray(sure / np.maximum(means, _TINY))


def find_relation_errors(examples: Examples, opinion: Opinion) -> Iterator[Finding]:
    """Find sentences whose relation is likely to be wrong, the likeliest first.

    Raises
    ------
    DataError
        There are not two relations to judge.
    """
    relations = examples.relations
    judged = _relations_to_judge(relations)
    if opinion.relation_probabilities is None or len(judged) < 2:
        raise DataError(f"no two relations to judge with {FEWEST_LABELS} sentences each")
    rows = np.flatnonzero(np.isin(relations, judged))
    given = np.searchsorted(judged, relations[rows])
    shares = opinion.relation_probabilities[np.ix_(rows, judged)]
    shares = shares / shares.sum(axis=1, keepdims=True)
    doubtful = find_label_issues(given, shares, filter_by=_FILTER, n_jobs=1)
    qualities = get_label_quality_scores(given, shares)
    for index in filter(doubtful.__getitem__, np.argsort(qualities, kind="stable").tolist()):
        row = int(rows[index])
        said = _said([RELATIONS[relation] for relation in judged], shares[index])
        likeliest = max(said, key=lambda name: said[name])
        yield Finding(
            "relation-error",
            "warning",
            f"may be {likeliest} ({said[likeliest]:.2f}), not {examples[row].relation}",
            (row,),
            {"quality": round(float(qualities[index]), _DIGITS), "probabilities": said},
        )


def _said(names: Sequence[str], probabilities: _Floats) -> dict[str, float]:
    return dict(zip(names, probabilities.round(_DIGITS).tolist(), strict=True))
