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
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "Interval",
    "Replicates",
    "Score",
    "bootstrap",
    "bootstrap_scores",
    "number_groups",
    "plain_numbers",
]

_CONFIDENCE_PERCENTILES = (2.5, 97.5)
# Replicates are drawn in blocks of about this many weights (8 MB), whatever the data's size.
_WEIGHTS_PER_BLOCK = 2**20
_DIGITS = 6

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


@dataclass(frozen=True, slots=True, eq=False)
class Replicates:
    """Statistics of data, and the same of its resamples.

    Parameters
    ----------
    values : ndarray of float64, shape (k,)
        Of the data; nan where undefined.
    resampled : ndarray of float64, shape (b, k)
        Of each of b resamples.
    """

    values: _Floats
    resampled: _Floats

    def __sub__(self, other: "Replicates") -> "Replicates":
        """Return the differences, resample by resample."""
        return Replicates(self.values - other.values, self.resampled - other.resampled)

    @property
    def scores(self) -> tuple[Score, ...]:
        """The k values with their intervals."""
        columns = zip(self.values, self.resampled.T, strict=True)
        return tuple(Score(float(value), _interval(column)) for value, column in columns)

    @property
    def shares_above_zero(self) -> tuple[float, ...]:
        """The share of the resamples above 0, where 0 counts half; nan where none is defined."""
        above = (np.sign(self.resampled) + 1) / 2
        defined = ~np.isnan(above)
        counts = defined.sum(axis=0)
        sums = above.sum(axis=0, where=defined)
        return tuple(float(s / n) if n else math.nan for s, n in zip(sums, counts, strict=True))


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
    statistics, group_of_row, n_bootstrap, seed
        As of :func:`bootstrap`.

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
    replicates = bootstrap(statistics, group_of_row, n_bootstrap=n_bootstrap, seed=seed)
    return {name: of_name.scores for name, of_name in replicates.items()}


def bootstrap(
    statistics: Callable[[_Floats], dict[str, _Floats]],
    group_of_row: NDArray[np.int64],
    *,
    n_bootstrap: int,
    seed: int,
) -> dict[str, Replicates]:
    """Return statistics of data and of data whose groups are resampled with replacement.

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
    dict of str to Replicates
        The k statistics under each name.

    Raises
    ------
    ValueError
        ``n_bootstrap`` is negative.
    """
    if n_bootstrap < 0:
        raise ValueError(f"n_bootstrap must be at least 0, not {n_bootstrap}")
    once = statistics(np.ones((1, len(group_of_row))))
    drawn = [statistics(weights) for weights in _resampled_weights(group_of_row, n_bootstrap, seed)]
    return {
        name: Replicates(values[0], np.concatenate([values[:0], *(block[name] for block in drawn)]))
        for name, values in once.items()
    }


def plain_numbers(result: "DataclassInstance") -> dict[str, Any]:
    """Return a result's fields for JSON: numbers have six digits, nan is None."""
    rounded: dict[str, Any] = _rounded(asdict(result))
    return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, _DIGITS)
    return value


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
