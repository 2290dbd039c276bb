"""Finds on dev the thresholds for a goal, how far they might move, and the bands to review.

A goal counts as reached where it would be even with one more mistake than dev shows: one more
wrong tag for precision, one more missed label for recall. The best of many thresholds owes
something to chance; with that one mistake, precision and recall on other documents are on average
those asked for, where there is little data too. For recall it is the correction of conformal risk
control [1]_, for precision it is akin to that of knockoffs and conformal selection [2]_ [3]_.

References
----------
.. [1] Angelopoulos, A. N. et al. (2024). Conformal risk control. ICLR.
.. [2] Barber, R. F. and Candès, E. J. (2015). Controlling the false discovery rate via knockoffs.
   Annals of Statistics 43 (5), 2055-2085.
.. [3] Jin, Y. and Candès, E. J. (2023). Selection by prediction with conformal p-values. Journal
   of Machine Learning Research 24 (244), 1-41.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diplomacy_nlp.bootstrap import Interval, bootstrap_scores, number_groups
from diplomacy_nlp.calibration import sigmoid, thresholds_between
from diplomacy_nlp.curves import log_odds
from diplomacy_nlp.metrics import check_binary, check_probabilities, check_same_shape
from diplomacy_nlp.operating_points import (
    GOALS,
    Band,
    DomainPoints,
    OperatingPoint,
    OperatingPoints,
)

__all__ = ["find_operating_points"]

# Fewer tags, or labels, than this say nothing of a precision, or a recall.
_FEWEST_SENTENCES = 10
_DIGITS = 4
# A determinant this small beside its terms is what rounding leaves.
_TINY = 1e-7

_Bools: TypeAlias = NDArray[np.bool_]
_Floats: TypeAlias = NDArray[np.float64]


def find_operating_points(
    probabilities: ArrayLike,
    labels: ArrayLike,
    thresholds: Sequence[float],
    domains: Sequence[str],
    *,
    groups: Sequence[str | None] | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> OperatingPoints:
    """Find the operating points of a model on dev.

    Parameters
    ----------
    probabilities : array_like of float, shape (n, d)
        In [0, 1], calibrated on the same sentences.
    labels : array_like of bool, shape (n, d)
        What is right.
    thresholds : sequence of float, length d
        The model's own.
    domains : sequence of str, length d
        The names of the columns.
    groups : sequence of str or None, length n, optional
        The document of each sentence. A sentence without one is a group of its own.
    n_bootstrap, seed : int
        How the spreads are drawn: the same seed and data give the same. A single group gives none.

    Returns
    -------
    OperatingPoints

    Raises
    ------
    ValueError
        There is no sentence, shapes or lengths disagree, a label is neither 0 nor 1, a probability
        lies outside [0, 1], or ``n_bootstrap`` is negative.
    """
    sure, right = check_probabilities(probabilities), check_binary(labels, "labels", 2)
    check_same_shape(probabilities=sure, labels=right)
    if not len(thresholds) == len(domains) == right.shape[1]:
        raise ValueError(
            f"{len(domains)} domains, {len(thresholds)} thresholds, {right.shape[1]} columns"
        )
    group_of_row = number_groups(groups, len(right))
    ranked = [_Ranked.of(sure[:, j], right[:, j]) for j in range(len(domains))]
    spreads = bootstrap_scores(
        lambda weights: {
            name: column.thresholds(weights) for name, column in zip(domains, ranked, strict=True)
        },
        group_of_row,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    found = {
        name: _domain_points(column, threshold, [score.interval for score in spreads[name]])
        for name, column, threshold in zip(domains, ranked, thresholds, strict=True)
    }
    n_documents = int(group_of_row.max()) + 1
    return OperatingPoints(found, len(right), n_documents, n_bootstrap, seed)


@dataclass(frozen=True, slots=True, eq=False)
class _Ranked:
    """One domain of n dev sentences, from the surest to the least sure.

    Parameters
    ----------
    order : ndarray of int, shape (n,)
        Where each stands among the n rows.
    probabilities : ndarray of float64, shape (n,)
        Falling.
    labels : ndarray of bool, shape (n,)
    cuts : ndarray of int, shape (k,)
        The last sentence that each threshold tags.
    candidates : ndarray of float64, shape (k,)
        The thresholds that differ in what they tag, falling.
    """

    order: NDArray[np.intp]
    probabilities: _Floats
    labels: _Bools
    cuts: NDArray[np.intp]
    candidates: _Floats

    @classmethod
    def of(cls, probabilities: _Floats, labels: _Bools) -> "_Ranked":
        """Rank the sentences."""
        order = np.argsort(-probabilities, kind="stable")
        falling = probabilities[order]
        # No probability is -1, so the last row always ends a run of equal ones.
        cuts = np.flatnonzero(np.diff(falling, append=-1.0))
        return cls(order, falling, labels[order], cuts, thresholds_between(falling[cuts]))

    def tallies(self, weights: _Floats) -> tuple[_Floats, _Floats]:
        """Count, under weights (b, n), the tags of each threshold and the right ones: (b, k)."""
        ranked = weights[:, self.order]
        n_tagged = ranked.cumsum(axis=1)[:, self.cuts]
        return n_tagged, (ranked * self.labels).cumsum(axis=1)[:, self.cuts]

    def thresholds(self, weights: _Floats) -> _Floats:
        """Return the thresholds that a search under weights (b, n) ends on.

        Returns
        -------
        ndarray of float64, shape (b, 1 + 2 * goals)
            The default one, then one a goal of precision, then one a goal of recall.
        """
        n_reaching, n_missing = _goal_positions(*self.tallies(weights))
        of_precision = np.append(1.0, self.candidates)[n_reaching]
        of_recall = np.append(self.candidates, 0.0)[n_missing]
        return np.hstack([self._default(weights), of_precision, of_recall])

    def _default(self, weights: _Floats) -> _Floats:
        """Return the threshold of the best expected F1, calibrated anew: (b, 1).

        Labels move that threshold through the calibration alone. One step of Newton's method from
        the curve that fits all of dev comes close to the curve that fits a replicate.
        """
        if self.labels.all() or not self.labels.any():
            return np.full((len(weights), 1), np.nan)
        ranked = weights[:, self.order]
        before = log_odds(self.probabilities)
        slopes, intercepts = _recalibrated(before, self.labels, ranked)
        with np.errstate(invalid="ignore"):
            refitted = sigmoid(slopes * before + intercepts)
            gained = (ranked * refitted).cumsum(axis=1)
            best = (gained / (ranked.cumsum(axis=1) + gained[:, -1:])).max(axis=1, keepdims=True)
            # What the shipped calibration calls this probability.
            return sigmoid((log_odds(best) - intercepts) / slopes)

    def bands(self) -> tuple[Band, ...]:
        """Return the band of each level: where dev, or the probability itself, falls under it.

        Dev reaches a level where isotonic regression of its right decisions does: up to the
        decision, from the surest one, at which the right ones have their largest surplus over it.
        """
        levels = np.array(GOALS)[:, None]
        # A boundary tags the sentences above it; the first tags none, the last tags all.
        boundaries = np.concatenate([[1.0], self.candidates[:-1], [0.0]])
        n_tagged = np.append(0, self.cuts + 1)
        n_hits = np.append(0, self.labels.cumsum()[self.cuts])
        n_left = len(self.labels) - n_tagged
        n_rightly_left = n_left - (n_hits[-1] - n_hits)
        surplus_of_tags = n_hits - levels * n_tagged
        surplus_of_others = (n_rightly_left - levels * n_left)[:, ::-1]
        # Rounded outwards, so that the band loses no sentence.
        highs = np.ceil(boundaries[surplus_of_tags.argmax(axis=1)] * 10**_DIGITS) / 10**_DIGITS
        lows = boundaries[::-1][surplus_of_others.argmax(axis=1)]
        lows = np.floor(lows * 10**_DIGITS) / 10**_DIGITS
        return tuple(
            Band(min(low, round(1 - level, _DIGITS)), max(high, level))
            for level, low, high in zip(GOALS, lows.tolist(), highs.tolist(), strict=True)
        )


def _goal_positions(
    n_tagged: _Floats, n_hits: _Floats
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return how many thresholds come before the one for each goal.

    Parameters
    ----------
    n_tagged, n_hits : ndarray of float64, shape (b, k)
        As of :meth:`_Ranked.tallies`.

    Returns
    -------
    n_reaching : ndarray of int, shape (b, goals)
        The thresholds down to the lowest with the precision; 0 where none has it.
    n_missing : ndarray of int, shape (b, goals)
        The thresholds above the highest with the recall; k where none has it.
    """
    n_positives = n_hits[:, -1:]
    precision = np.where(n_tagged < _FEWEST_SENTENCES, 0.0, n_hits / (n_tagged + 1))
    recall = np.where(n_positives < _FEWEST_SENTENCES, 0.0, n_hits / (n_positives + 1))
    # The best precision from each threshold down; rising with it.
    best_below = np.maximum.accumulate(precision[:, ::-1], axis=1)
    n_thresholds = n_hits.shape[1]
    n_reaching = n_thresholds - np.stack([np.searchsorted(row, GOALS) for row in best_below])
    return n_reaching, np.stack([np.searchsorted(row, GOALS) for row in recall])


def _recalibrated(before: _Floats, labels: _Bools, weights: _Floats) -> tuple[_Floats, _Floats]:
    """Return the Platt curves (b, 1) of weighted rows: one Newton step from slope 1, intercept 0.

    They are over the log odds from before.

    Undefined ones, and those that do not rise, are nan.
    """
    n_positives = int(labels.sum())
    # As in diplomacy_nlp.platt.
    positive, negative = (n_positives + 1) / (n_positives + 2), 1 / (len(labels) - n_positives + 2)
    probabilities = sigmoid(before)
    surplus = probabilities - np.where(labels, positive, negative)
    curvature = probabilities * (1 - probabilities)
    rows = np.stack(
        [surplus * before, surplus, curvature * before**2, curvature * before, curvature],
        axis=1,
    )
    by_slope, by_intercept, twice, mixed, flat = (weights @ rows).T[:, :, None]
    determinant = twice * flat - mixed**2
    # Log odds that are all alike leave the slope open.
    determinant = np.where(determinant > _TINY * twice * flat, determinant, np.nan)
    slopes = 1 - (flat * by_slope - mixed * by_intercept) / determinant
    intercepts = -(twice * by_intercept - mixed * by_slope) / determinant
    return np.where(slopes > 0, slopes, np.nan), intercepts


def _domain_points(ranked: _Ranked, threshold: float, spreads: Sequence[Interval]) -> DomainPoints:
    [n_reaching], [n_missing] = _goal_positions(*ranked.tallies(np.ones((1, len(ranked.labels)))))
    n_goals = len(GOALS)
    return DomainPoints(
        default=_point(ranked, threshold, spreads[0]),
        precision=tuple(
            _point(ranked, ranked.candidates[n - 1], spread) if n else None
            for n, spread in zip(n_reaching, spreads[1 : 1 + n_goals], strict=True)
        ),
        recall=tuple(
            _point(ranked, ranked.candidates[n], spread) if n < len(ranked.candidates) else None
            for n, spread in zip(n_missing, spreads[1 + n_goals :], strict=True)
        ),
        bands=ranked.bands(),
    )


def _point(ranked: _Ranked, threshold: float, spread: Interval) -> OperatingPoint:
    n_tagged = int((ranked.probabilities >= threshold).sum())
    n_hits, n_positives = int(ranked.labels[:n_tagged].sum()), int(ranked.labels.sum())
    return OperatingPoint(
        # Not rounded, so that it tags what it tagged here.
        threshold=float(threshold),
        precision=_rounded(n_hits / n_tagged) if n_tagged else math.nan,
        recall=_rounded(n_hits / n_positives) if n_positives else math.nan,
        spread=Interval(_rounded(spread.low), _rounded(spread.high)),
    )


def _rounded(value: float) -> float:
    # One nan, so that what is read equals what was written.
    return math.nan if math.isnan(value) else round(float(value), _DIGITS)
