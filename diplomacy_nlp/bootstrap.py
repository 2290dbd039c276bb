"""How far a score might move on other data of the kind: the bootstrap over groups.

Intervals are 95 % percentile intervals. Groups are usually documents: sentences of one document
resemble one another, so resampling sentences would promise too much.

References
----------
Efron, B. and Tibshirani, R. (1993). An Introduction to the Bootstrap, chapters 8 and 13.

Field, C. A. and Welsh, A. H. (2007). Bootstrapping clustered data. Journal of the Royal
Statistical Society B 69 (3), 369-390.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "Score", "bootstrap_scores", "number_groups"]

_CONFIDENCE_PERCENTILES = (2.5, 97.5)
# Replicates are drawn in blocks of about this many weights (8 MB), whatever the data's size.
_WEIGHTS_PER_BLOCK = 2**20

_Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval; both ends are nan where there is none."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Score:
    """A number measured on data, and how far other data of the kind might move it."""

    value: float
    interval: Interval


def number_groups(groups: Sequence[str | None] | None, n_rows: int) -> NDArray[np.int64]:
    """Give each group a number from 0, in order of appearance.

    Parameters
    ----------
    groups : sequence of str or None, length n, or None
        The document of each sentence. A sentence without one is a group of its own.
    n_rows : int
        The number n of sentences.

    Returns
    -------
    ndarray of int64, shape (n,)

    Raises
    ------
    ValueError
        There is no sentence, or the lengths disagree.

    Examples
    --------
    >>> number_groups(["a", "b", "a", None], 4).tolist()
    [0, 1, 0, 2]
    """
    if not n_rows:
        raise ValueError("there is no sentence to evaluate")
    if groups is None:
        return np.arange(n_rows)
    if len(groups) != n_rows:
        raise ValueError(f"there are {len(groups)} groups for {n_rows} sentences")
    numbers: dict[str | int, int] = {}
    keys = (row if group is None else group for row, group in enumerate(groups))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys])


def bootstrap_scores(
    statistics: Callable[[_Floats], dict[str, _Floats]],
    group_of_row: NDArray[np.int64],
    *,
    n_bootstrap: int,
    seed: int,
) -> dict[str, tuple[Score, ...]]:
    """Return statistics of data, with their intervals over resampled groups.

    Parameters
    ----------
    statistics : callable
        From weights (b, n), which say how often each of n sentences stands in each of b
        resamples, to named statistics (b, k). Where a resample leaves one undefined it is nan,
        and does not count.
    group_of_row : ndarray of int64, shape (n,)
        As from :func:`number_groups`.
    n_bootstrap : int
        How many resamples; 0 for no intervals. A single group gives none either.
    seed : int
        The same seed and data give the same intervals.

    Returns
    -------
    dict of str to tuple of Score
        The k scores under each name.

    Raises
    ------
    ValueError
        ``n_bootstrap`` is negative.

    Examples
    --------
    >>> heights = np.array([[1.0], [2.0], [6.0]])
    >>> [mean] = bootstrap_scores(
    ...     lambda weights: {"mean": weights @ heights / weights.sum(axis=1, keepdims=True)},
    ...     number_groups(None, 3),
    ...     n_bootstrap=200,
    ...     seed=0,
    ... )["mean"]
    >>> mean.value, mean.interval.low <= mean.value <= mean.interval.high
    (3.0, True)
    """
    if n_bootstrap < 0:
        raise ValueError(f"n_bootstrap must be at least 0, not {n_bootstrap}")
    once = statistics(np.ones((1, len(group_of_row))))
    drawn = [statistics(weights) for weights in _resampled_weights(group_of_row, n_bootstrap, seed)]
    scores = {}
    for name, values in once.items():
        replicates = np.concatenate([values[:0], *(block[name] for block in drawn)])
        scores[name] = tuple(
            Score(float(value), _interval(column))
            for value, column in zip(values[0], replicates.T, strict=True)
        )
    return scores


def _resampled_weights(
    group_of_row: NDArray[np.int64], n_bootstrap: int, seed: int
) -> Iterator[_Floats]:
    """Yield blocks (b, n) that say how often each sentence stands in each replicate."""
    n_groups = int(group_of_row.max()) + 1
    if n_groups < 2:
        return
    rng = np.random.default_rng(seed)
    rows_per_block = max(1, _WEIGHTS_PER_BLOCK // len(group_of_row))
    for start in range(0, n_bootstrap, rows_per_block):
        n_rows = min(rows_per_block, n_bootstrap - start)
        drawn = rng.integers(n_groups, size=(n_rows, n_groups))
        drawn += n_groups * np.arange(n_rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=n_rows * n_groups)
        yield times.reshape(n_rows, n_groups)[:, group_of_row].astype(np.float64)


def _interval(replicates: _Floats) -> Interval:
    defined = replicates[~np.isnan(replicates)]
    if not len(defined):
        return Interval(math.nan, math.nan)
    low, high = np.percentile(defined, _CONFIDENCE_PERCENTILES)
    return Interval(float(low), float(high))
