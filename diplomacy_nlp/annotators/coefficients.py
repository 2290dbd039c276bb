"""Coefficients of agreement between annotators, beyond chance, over many resamples at once.

A column holds what m annotators answered for n sentences, as whole numbers from 0 that stand for
v answers. Weights (b, n) say how often each sentence stands in each of b resamples.

References
----------
Cohen, J. (1960). A coefficient of agreement for nominal scales. Educational and Psychological
Measurement 20 (1), 37-46.

Krippendorff, K. (2018). Content analysis: an introduction to its methodology, 4th edition,
chapter 12.

Light, R. J. (1971). Measures of response agreement for qualitative data. Psychological Bulletin
76 (5), 365-377.

Passonneau, R. (2006). Measuring agreement on set-valued items (MASI) for semantic and pragmatic
annotation. LREC, 831-836.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "cohen_kappa",
    "krippendorff_alpha",
    "masi_distances",
    "nominal_distances",
    "raw_agreement",
]

# Below this, a chance disagreement is 0 but for rounding.
_TINY = 1e-12

_Codes: TypeAlias = NDArray[np.int64]
_Floats: TypeAlias = NDArray[np.float64]


def raw_agreement(answers: _Codes, weights: _Floats) -> _Floats:
    """Return the share (b,) of sentences with equal answers (n, m), the mean over pairs."""
    pairs = combinations(answers.T, 2)
    equal = np.mean([one == other for one, other in pairs], axis=0)
    return np.asarray(weights @ equal / weights.sum(axis=1))


def cohen_kappa(answers: _Codes, n_values: int, weights: _Floats) -> _Floats:
    """Return Cohen's kappa (b,) of answers (n, m); of more than two annotators, Light's.

    It is nan where a pair of annotators always gives the same one answer.
    """
    shares = _shares(answers, n_values, weights)
    kappas = []
    for one, other in combinations(range(answers.shape[1]), 2):
        observed = raw_agreement(answers[:, [one, other]], weights)
        expected = (shares[one] * shares[other]).sum(axis=1)
        kappas.append(1 - _ratio(1 - observed, 1 - expected))
    return np.asarray(np.mean(kappas, axis=0))


def krippendorff_alpha(answers: _Codes, distances: _Floats, weights: _Floats) -> _Floats:
    """Return Krippendorff's alpha (b,) of answers (n, m) under distances (v, v) between them.

    It is nan where only one answer occurs.
    """
    n_annotators = answers.shape[1]
    pairs = combinations(answers.T, 2)
    of_row = np.mean([distances[one, other] for one, other in pairs], axis=0)
    observed = weights @ of_row / weights.sum(axis=1)
    shares = np.mean(_shares(answers, len(distances), weights), axis=0)
    n_answers = n_annotators * weights.sum(axis=1)
    # Drawn without replacement: an answer is not compared with itself.
    expected = ((shares @ distances) * shares).sum(axis=1) * n_answers / (n_answers - 1)
    return 1 - _ratio(observed, expected)


def nominal_distances(n_values: int) -> _Floats:
    """Return distances (v, v) of 1 between answers that differ."""
    return 1.0 - np.eye(n_values)


def masi_distances(sets: Sequence[frozenset[str]]) -> _Floats:
    """Return the distance MASI (v, v) between sets.

    1 - J M, where J is the Jaccard similarity and M is 1 for equal sets, 2/3 where one holds the
    other, 1/3 where they overlap otherwise and 0 where they have nothing in common.

    Examples
    --------
    >>> sets = [frozenset("a"), frozenset("ab"), frozenset()]
    >>> masi_distances(sets).round(3).tolist()
    [[0.0, 0.667, 1.0], [0.667, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """
    return np.array([[_masi_distance(one, other) for other in sets] for one in sets])


def _masi_distance(one: frozenset[str], other: frozenset[str]) -> float:
    if one == other:
        return 0.0
    monotonicity = 2 / 3 if one <= other or other <= one else 1 / 3
    return 1 - len(one & other) / len(one | other) * monotonicity


def _shares(answers: _Codes, n_values: int, weights: _Floats) -> list[_Floats]:
    """Return how often each annotator gives each answer: m shares (b, v)."""
    values = np.arange(n_values)
    totals = weights.sum(axis=1, keepdims=True)
    return [weights @ (given[:, None] == values) / totals for given in answers.T]


def _ratio(numerator: _Floats, denominator: _Floats) -> _Floats:
    ratio: _Floats = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > _TINY)
    return ratio
