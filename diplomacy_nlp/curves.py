"""Curves that say how far probabilities can be trusted, and what it saves to leave out the unsure.

Everything is plain numpy; :mod:`diplomacy_nlp.charts` draws them.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diplomacy_nlp.metrics import (
    check_binary,
    check_probabilities,
    check_same_shape,
    equal_mass_bins,
)

__all__ = [
    "ReliabilityCurve",
    "RiskCoverage",
    "confidences",
    "log_losses",
    "log_odds",
    "reliability_curve",
    "risk_coverage",
    "wilson_interval",
]

_Floats: TypeAlias = NDArray[np.float64]

# Probabilities are float32, whose last step below 1 this is about; at 0 and 1 logits have no end.
_LEAST_PROBABILITY = 1e-7
# Of the standard normal distribution, for 95 %.
_NORMAL_QUANTILE = 1.959964


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityCurve:
    """What was said and what was so, in bins of probability.

    Parameters
    ----------
    mean_probabilities : ndarray of float64, shape (k,)
        Mean probability of each bin, rising.
    shares_positive : ndarray of float64, shape (k,)
        Share of the sentences of each bin that are labelled; equal to the former where
        calibration is perfect.
    low, high : ndarray of float64, shape (k,)
        The 95 % Wilson interval of the share [1]_, as if the sentences were independent.
    n_sentences : ndarray of int64, shape (k,)
        In each bin, at least 1.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
       inference. Journal of the American Statistical Association 22 (158), 209-212.
    """

    mean_probabilities: _Floats
    shares_positive: _Floats
    low: _Floats
    high: _Floats
    n_sentences: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """How many of the most confident sentences are tagged wrong.

    Parameters
    ----------
    coverages : ndarray of float64, shape (n,)
        Shares of the sentences that are kept, 1/n to 1, the most confident first.
    risks : ndarray of float64, shape (n,)
        Share of those kept that have any wrong tag, or lack a right one.
    """

    coverages: _Floats
    risks: _Floats

    @property
    def area(self) -> float:
        """The area under the curve, the mean of the risks: in [0, 1], small is good."""
        return float(self.risks.mean())

    @property
    def least_area(self) -> float:
        """The area if all the sentences tagged wrong had been the least confident."""
        n_wrong = round(self.risks[-1] * len(self.risks))
        ranks = np.arange(1, len(self.risks) + 1)
        return float((np.maximum(ranks - len(ranks) + n_wrong, 0) / ranks).mean())

    def risk_at(self, coverage: float) -> float:
        """Return the risk of the most confident share of the sentences.

        Raises
        ------
        ValueError
            The share is not in (0, 1].
        """
        if not 0 < coverage <= 1:
            raise ValueError(f"coverage must lie in (0, 1], not {coverage}")
        return float(self.risks[math.ceil(coverage * len(self.risks)) - 1])


def reliability_curve(
    labels: ArrayLike, probabilities: ArrayLike, n_bins: int = 15
) -> ReliabilityCurve:
    """Return the shares of positive labels over the probabilities of one domain.

    The bins are those of :func:`diplomacy_nlp.metrics.calibration_error`: each has about the same
    number of sentences, and equal probabilities share one. The mean distance of the curve from
    the diagonal, weighted by the sentences, is that error.

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
    ReliabilityCurve
        With `n_bins` points at most.

    Raises
    ------
    ValueError
        The shapes differ, a label is neither 0 nor 1, a probability lies outside [0, 1], or
        there is less than one bin.

    Examples
    --------
    >>> curve = reliability_curve([0, 0, 1, 1], [0.125, 0.375, 0.625, 0.875], n_bins=2)
    >>> curve.mean_probabilities.tolist(), curve.shares_positive.tolist()
    ([0.25, 0.75], [0.0, 1.0])
    """
    right, sure = check_binary(labels, "labels", 1), check_probabilities(probabilities)
    check_same_shape(labels=right, probabilities=sure)
    bin_of_row = equal_mass_bins(sure, n_bins)
    sizes = np.bincount(bin_of_row)
    kept = sizes > 0
    n = sizes[kept]
    shares = np.bincount(bin_of_row, weights=right)[kept] / n
    low, high = wilson_interval(shares, n)
    return ReliabilityCurve(
        mean_probabilities=np.bincount(bin_of_row, weights=sure)[kept] / n,
        shares_positive=shares,
        low=low,
        high=high,
        n_sentences=n,
    )


def wilson_interval(shares: _Floats, n: NDArray[np.int64]) -> tuple[_Floats, _Floats]:
    """Return the ends, (k,) in [0, 1], of Wilson's 95 % intervals of k shares of n each."""
    z = _NORMAL_QUANTILE
    middle = (shares + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(shares * (1 - shares) / n + z**2 / (4 * n**2))
    # Rounding must not push an end across the share.
    return np.minimum(middle - half, shares).clip(0), np.maximum(middle + half, shares).clip(max=1)


def risk_coverage(
    labels: ArrayLike, tags: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike
) -> RiskCoverage:
    """Return how the share of wrongly tagged sentences grows as less sure ones are kept.

    Sentences are sorted by :func:`confidences`. Those of equal confidence are each as wrong as
    they are on average, so that the order of the rows does not matter.

    Parameters
    ----------
    labels, tags : array_like of bool, shape (n, d)
        What is right and what was said.
    probabilities : array_like of float, shape (n, d)
        In [0, 1], calibrated.
    thresholds : array_like of float, shape (d,)
        In [0, 1].

    Raises
    ------
    ValueError
        There is no sentence, shapes disagree, or a value is out of range.

    References
    ----------
    El-Yaniv, R. and Wiener, Y. (2010). On the foundations of noise-free selective classification.
    Journal of Machine Learning Research 11, 1605-1641.

    Geifman, Y., Uziel, G. and El-Yaniv, R. (2019). Bias-reduced uncertainty estimation for deep
    neural classifiers. ICLR.

    Examples
    --------
    >>> labels, tags = [[1], [0], [1]], [[1], [0], [0]]
    >>> curve = risk_coverage(labels, tags, [[0.99], [0.01], [0.4]], thresholds=[0.5])
    >>> curve.risks.round(3).tolist()
    [0.0, 0.0, 0.333]
    """
    right, said = check_binary(labels, "labels", 2), check_binary(tags, "tags", 2)
    check_same_shape(labels=right, tags=said)
    if not len(right):
        raise ValueError("there is no sentence")
    confidence = confidences(probabilities, thresholds)
    check_same_shape(labels=right[:, 0], confidences=confidence)
    wrong = (right != said).any(axis=1)
    _, run, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)
    shares_wrong = np.bincount(run, weights=wrong) / sizes
    ranks = np.arange(1, len(wrong) + 1)
    return RiskCoverage(
        coverages=ranks / len(wrong), risks=np.repeat(shares_wrong, sizes).cumsum() / ranks
    )


def confidences(probabilities: ArrayLike, thresholds: ArrayLike) -> _Floats:
    """Return how sure the least sure decision about each sentence is.

    That is the smallest distance of a probability from its threshold, in logits: 0 on the
    threshold, and about 2.2 from .5 to .9 as well as from .05 to .32.

    Parameters
    ----------
    probabilities : array_like of float, shape (n, d)
        In [0, 1], calibrated.
    thresholds : array_like of float, shape (d,)
        In [0, 1].

    Returns
    -------
    ndarray of float64, shape (n,)
        At least 0.

    Raises
    ------
    ValueError
        A value lies outside [0, 1], or the shapes disagree.

    Examples
    --------
    >>> confidences([[0.5, 0.9], [0.1, 0.9]], [0.5, 0.5]).round(2).tolist()
    [0.0, 2.2]
    """
    sure, least = check_probabilities(probabilities), check_probabilities(thresholds)
    if sure.ndim != 2 or not sure.shape[1] or least.shape != sure.shape[1:]:
        raise ValueError(f"shapes disagree: probabilities {sure.shape}, thresholds {least.shape}")
    return np.asarray(np.abs(log_odds(sure) - log_odds(least)).min(axis=1))


def log_losses(labels: ArrayLike, probabilities: ArrayLike) -> _Floats:
    """Return how wrong the probabilities of each sentence are: the sum of their log losses.

    Parameters
    ----------
    labels : array_like of bool, shape (n, d)
        What is right.
    probabilities : array_like of float, shape (n, d)
        In [0, 1].

    Returns
    -------
    ndarray of float64, shape (n,)
        In nats, at least 0. A probability counts as 1e-7 at least and as 1 - 1e-7 at most.

    Raises
    ------
    ValueError
        The shapes differ, a label is neither 0 nor 1, or a probability lies outside [0, 1].

    Examples
    --------
    >>> log_losses([[1, 0], [1, 0]], [[0.5, 0.5], [1.0, 0.0]]).round(3).tolist()
    [1.386, 0.0]
    """
    right, sure = check_binary(labels, "labels", 2), check_probabilities(probabilities)
    check_same_shape(labels=right, probabilities=sure)
    of_label = np.where(right, sure, 1 - sure)
    return np.asarray(-np.log(_clipped(of_label)).sum(axis=1))


def log_odds(probabilities: _Floats) -> _Floats:
    """Return the finite log odds, float64, of probabilities of any shape in [0, 1].

    A probability counts as 1e-7 at least and as 1 - 1e-7 at most.

    Examples
    --------
    >>> log_odds(np.array([0.5, 0.9])).round(2).tolist()
    [0.0, 2.2]
    """
    clipped = _clipped(probabilities)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _clipped(probabilities: _Floats) -> _Floats:
    return np.clip(probabilities, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
