"""How a tagger decides: thresholds for a goal, and probabilities that need a second look."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.operating_points import Band, Goal, OperatingPoint, OperatingPoints

__all__ = ["bands_around", "points_for", "within"]


def points_for(
    domains: Sequence[str],
    precision: Goal | None,
    recall: Goal | None,
    points: OperatingPoints | None,
) -> dict[str, OperatingPoint]:
    """Return the thresholds by which a goal is reached, none where there is no goal.

    Parameters
    ----------
    domains : sequence of str
        Those that a goal given as one number is for.
    precision, recall : float or mapping of str to float, optional
        At most one of them.
    points : OperatingPoints, optional
        Needed where there is a goal.

    Raises
    ------
    ConfigError
        There are two goals, or one without operating points, or one that cannot be had.
    """
    if precision is not None and recall is not None:
        raise ConfigError("precision and recall are both set; a threshold is chosen for one only")
    if precision is not None:
        return _known(points).reaching(domains, "precision", precision)
    if recall is not None:
        return _known(points).reaching(domains, "recall", recall)
    return {}


def bands_around(
    thresholds: Mapping[str, float], level: float | None, points: OperatingPoints | None
) -> dict[str, Band] | None:
    """Return the band of each domain in which a person should look, None without a level.

    Parameters
    ----------
    thresholds : mapping of str to float
        From where each domain is tagged.
    level : float, optional
        As of :meth:`diplomacy_nlp.operating_points.OperatingPoints.band`.
    points : OperatingPoints, optional
        Needed where there is a level.

    Raises
    ------
    ConfigError
        There is a level without operating points, or one without a meaning.
    """
    if level is None:
        return None
    known = _known(points)
    return {name: known.band(name, level, threshold) for name, threshold in thresholds.items()}


def within(bands: Mapping[str, Band], probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which probabilities (n, d) lie in the band of their column.

    Examples
    --------
    >>> within({"trade": Band(0.25, 0.75)}, np.array([[0.75], [0.875]], dtype=np.float32)).tolist()
    [[True], [False]]
    """
    lows = np.array([band.low for band in bands.values()])
    highs = np.array([band.high for band in bands.values()])
    return (probabilities >= lows) & (probabilities <= highs)


def _known(points: OperatingPoints | None) -> OperatingPoints:
    if points is None:
        raise ConfigError("precision, recall and review need the model's operating points")
    return points
