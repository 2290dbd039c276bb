"""How good tags and probabilities are, in single numbers.

Everything is plain numpy, so that a model can be evaluated where scikit-learn is not installed.
Scores of one domain need a sentence that has it: where the labels hold none, precision, recall,
F1 and average precision are undefined (nan) and the domain is left out of macro averages. Where
there is one, a score without a denominator is 0, as with scikit-learn's ``zero_division=0``.

What takes weights (b, n) scores b resamples of the n sentences at once; a weight says how often a
sentence stands in a resample.
"""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diplomacy_nlp.domains import RELATIONS

__all__ = [
    "average_precision",
    "calibration_error",
    "f1_score",
    "macro_f1",
    "relation_macro_f1",
]

_Bools: TypeAlias = NDArray[np.bool_]
_Floats: TypeAlias = NDArray[np.float64]


def f1_score(labels: ArrayLike, tags: ArrayLike) -> float:
    """Return the F1 of one domain.

    Parameters
    ----------
    labels, tags : array_like of bool, shape (n,)
        What is right and what was said; 0 and 1 do as well.

    Returns
    -------
    float
        In [0, 1]; nan without a positive label.

    Raises
    ------
    ValueError
        The shapes differ or a value is neither 0 nor 1.

    Examples
    --------
    >>> f1_score([1, 1, 0, 0], [1, 0, 0, 0])
    0.6666666666666666
    """
    right, said = check_binary(labels, "labels", 1), check_binary(tags, "tags", 1)
    check_same_shape(labels=right, tags=said)
    return float(Tallies.of(right[:, None], said[:, None], np.ones((1, len(right)))).f1()[0, 0])


def macro_f1(labels: ArrayLike, tags: ArrayLike) -> float:
    """Return the mean F1 of the domains that have a positive label.

    Parameters
    ----------
    labels, tags : array_like of bool, shape (n, d)
        What is right and what was said.

    Returns
    -------
    float
        In [0, 1]; nan without any positive label.

    Raises
    ------
    ValueError
        The shapes differ or a value is neither 0 nor 1.
    """
    right, said = check_binary(labels, "labels", 2), check_binary(tags, "tags", 2)
    check_same_shape(labels=right, tags=said)
    return float(mean_of_defined(Tallies.of(right, said, np.ones((1, len(right)))).f1())[0, 0])


def relation_macro_f1(relations: ArrayLike, predicted: ArrayLike) -> float:
    """Return the mean F1 of the relations that occur, over sentences whose relation is known.

    Parameters
    ----------
    relations : array_like of int, shape (n,)
        Index into :data:`diplomacy_nlp.domains.RELATIONS`, -1 where unknown.
    predicted : array_like of int, shape (n,)
        Index into the same.

    Returns
    -------
    float
        In [0, 1]; nan where every relation is unknown.

    Raises
    ------
    ValueError
        The shapes differ or a value is no such index.
    """
    right, said, _ = relation_columns(relations, predicted)
    return macro_f1(right, said)


def average_precision(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the average precision of one domain.

    The sum of the precision at each distinct probability, weighted by the recall gained there.
    Equal probabilities count as one step, so the order of the rows does not matter.

    Parameters
    ----------
    labels : array_like of bool, shape (n,)
        What is right.
    probabilities : array_like of float, shape (n,)
        In [0, 1].

    Returns
    -------
    float
        In [0, 1]; nan without a positive label.

    Raises
    ------
    ValueError
        The shapes differ, a label is neither 0 nor 1, or a probability lies outside [0, 1].

    References
    ----------
    Zhu, M. (2004). Recall, precision and average precision. University of Waterloo.

    Examples
    --------
    >>> average_precision([1, 0, 1], [0.9, 0.8, 0.7])
    0.8333333333333333
    """
    right, sure = check_binary(labels, "labels", 1), check_probabilities(probabilities)
    check_same_shape(labels=right, probabilities=sure)
    if not right.any():
        return math.nan
    return float(average_precisions(right[:, None], sure[:, None], np.ones((1, len(right))))[0, 0])


def calibration_error(labels: ArrayLike, probabilities: ArrayLike, n_bins: int = 15) -> float:
    """Return how far the probabilities of one domain are from observed shares.

    The weighted mean, over bins with about the same number of sentences, of the distance between
    mean probability and share of positive labels. Bins of equal width would put nearly all
    sentences into the first, since a domain is rare. Equal probabilities share a bin.

    Parameters
    ----------
    labels : array_like of bool, shape (n,)
        What is right.
    probabilities : array_like of float, shape (n,)
        In [0, 1].
    n_bins : int, default 15
        At least 1.

    Returns
    -------
    float
        In [0, 1], 0 for perfect calibration; nan without sentences.

    Raises
    ------
    ValueError
        The shapes differ, a label is neither 0 nor 1, a probability lies outside [0, 1], or
        there is less than one bin.

    References
    ----------
    Nguyen, K. and O'Connor, B. (2015). Posterior calibration and exploratory analysis for
    natural language processing models. EMNLP, 1587-1598.

    Nixon, J. et al. (2019). Measuring calibration in deep learning. CVPR Workshops, 38-41.

    Examples
    --------
    >>> calibration_error([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25])
    0.0
    """
    right, sure = check_binary(labels, "labels", 1), check_probabilities(probabilities)
    check_same_shape(labels=right, probabilities=sure)
    bin_of_row = equal_mass_bins(sure, n_bins)
    if not len(right):
        return math.nan
    surplus = np.bincount(bin_of_row, weights=sure - right)
    return float(np.abs(surplus).sum() / len(right))


def equal_mass_bins(probabilities: _Floats, n_bins: int) -> NDArray[np.int64]:
    """Return the bin (n,) of each probability, some possibly empty; equal ones share a bin."""
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, not {n_bins}")
    ranks = np.searchsorted(np.sort(probabilities), probabilities)
    return ranks * n_bins // max(len(ranks), 1)


@dataclass(frozen=True, slots=True, eq=False)
class Tallies:
    """Weighted counts (b, d) of the sentences that were hit, tagged and labelled."""

    hits: _Floats
    tagged: _Floats
    positives: _Floats

    @classmethod
    def of(cls, labels: _Bools, tags: _Bools, weights: _Floats) -> "Tallies":
        """Count labels and tags (n, d) under weights (b, n)."""
        return cls(weights @ (labels & tags), weights @ tags, weights @ labels)

    def pooled(self) -> "Tallies":
        """Return the sums (b, 1) over the domains."""
        return Tallies(
            *(
                counts.sum(axis=1, keepdims=True)
                for counts in (self.hits, self.tagged, self.positives)
            )
        )

    def precision(self) -> _Floats:
        """Return the precision (b, d), nan without a positive label, 0 where nothing is tagged."""
        # Tallies are whole: where less than 1 is tagged, nothing is.
        precision = self.hits / np.maximum(self.tagged, 1.0)
        return np.where(self.positives > 0, precision, np.nan)

    def recall(self) -> _Floats:
        """Return the recall (b, d), nan without a positive label."""
        return _ratio(self.hits, self.positives)

    def f1(self) -> _Floats:
        """Return the F1 (b, d), nan without a positive label."""
        f1 = _ratio(2 * self.hits, self.tagged + self.positives)
        return np.where(self.positives > 0, f1, np.nan)


def average_precisions(labels: _Bools, probabilities: _Floats, weights: _Floats) -> _Floats:
    """Return the average precision (b, d) of each domain under whole weights."""
    scores = np.empty((len(weights), labels.shape[1]))
    for j in range(labels.shape[1]):
        order = np.argsort(-probabilities[:, j])
        # No probability is -1, so the last row always ends a run of equal ones.
        last_of_ties = np.flatnonzero(np.diff(probabilities[order, j], append=-1.0))
        ranked = weights[:, order]
        seen = ranked.cumsum(axis=1)[:, last_of_ties]
        found = (ranked * labels[order, j]).cumsum(axis=1)[:, last_of_ties]
        gained = np.diff(found, axis=1, prepend=0.0)
        # Weights are whole: less than 1 seen is nothing seen, and nothing gained.
        precision = found / np.maximum(seen, 1.0)
        scores[:, j] = _ratio((gained * precision).sum(axis=1), found[:, -1])
    return scores


def mean_of_defined(scores: _Floats) -> _Floats:
    """Return the mean (b, 1) of each row of (b, d) without its nans, nan if nothing is left."""
    defined = ~np.isnan(scores)
    return _ratio(
        scores.sum(axis=1, keepdims=True, where=defined), defined.sum(axis=1, keepdims=True)
    )


def _ratio(numerator: _Floats, denominator: _Floats) -> _Floats:
    """Divide, with nan where the denominator is 0."""
    ratio: _Floats = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def relation_columns(relations: ArrayLike, predicted: ArrayLike) -> tuple[_Bools, _Bools, _Bools]:
    """Return both as one column a relation, (m, 3), and which m of the n rows are known."""
    right, said = np.asarray(relations), np.asarray(predicted)
    check_same_shape(relations=right, predicted=said)
    last = len(RELATIONS) - 1
    for name, values, first in (("relations", right, -1), ("predicted", said, 0)):
        if values.ndim != 1 or not np.isin(values, range(first, last + 1)).all():
            raise ValueError(f"{name} must be one row of integers from {first} to {last}")
    known = right >= 0
    columns = np.arange(len(RELATIONS))
    return right[known, None] == columns, said[known, None] == columns, known


def check_binary(values: ArrayLike, name: str, n_dimensions: int) -> _Bools:
    """Return the values as bool, refusing another shape and anything but 0 and 1."""
    array = np.asarray(values)
    if array.ndim != n_dimensions:
        raise ValueError(f"{name} must have {n_dimensions} dimension(s), not shape {array.shape}")
    if not np.isin(array, (0, 1)).all():
        raise ValueError(f"{name} may hold only 0 and 1")
    return array.astype(np.bool_)


def check_probabilities(values: ArrayLike) -> _Floats:
    """Return the values as float64, refusing those outside [0, 1]."""
    array = np.asarray(values, dtype=np.float64)
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError("probabilities must lie in [0, 1]")
    return array


def check_same_shape(**arrays: NDArray[Any]) -> None:
    """Refuse arrays of different shapes, naming each."""
    if len({array.shape for array in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"shapes disagree: {shapes}")
