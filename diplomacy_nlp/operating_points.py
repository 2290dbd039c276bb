"""What thresholds reach on dev: those for a goal, and where decisions need a second look.

A model folder holds them as ``operating_points.json``, which is read only when a goal or a review
is asked for. :mod:`diplomacy_nlp.threshold_search` finds them.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Literal, TypeAlias

from diplomacy_nlp.bootstrap import Interval
from diplomacy_nlp.errors import ConfigError, ModelError, ModelFormatError

__all__ = [
    "FAST_OPERATING_POINTS_FILE",
    "GOALS",
    "OPERATING_POINTS_FILE",
    "Band",
    "DomainPoints",
    "Goal",
    "Measure",
    "OperatingPoint",
    "OperatingPoints",
    "read_operating_points",
]

#: The goals and the levels of review that can be asked for.
GOALS = tuple(percent / 100 for percent in range(50, 100))

OPERATING_POINTS_FILE = "operating_points.json"
#: Those of the fast tier, where there is one.
FAST_OPERATING_POINTS_FILE = "fast_operating_points.json"

_DIGITS = 9

#: What a goal is of.
Measure: TypeAlias = Literal["precision", "recall"]

#: One goal for every domain, or one for each of some.
Goal: TypeAlias = float | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a threshold reaches on dev.

    Parameters
    ----------
    threshold : float
        In [0, 1].
    precision, recall : float
        In [0, 1], on dev; nan where nothing is tagged, or nothing labelled.
    spread : Interval
        The 95 % bootstrap interval of the threshold, over documents: where the search would have
        ended on other dev data of the kind. Where it would have found no threshold it counts as 1
        for a goal of precision and as 0 for one of recall.
    """

    threshold: float
    precision: float
    recall: float
    spread: Interval


@dataclass(frozen=True, slots=True)
class Band:
    """Probabilities from ``low`` to ``high``, both included."""

    low: float
    high: float

    def around(self, threshold: float) -> "Band":
        """Return the band that reaches to a threshold as well.

        Examples
        --------
        >>> Band(0.2, 0.9).around(0.95)
        Band(low=0.2, high=0.95)
        """
        return Band(min(self.low, threshold), max(self.high, threshold))


@dataclass(frozen=True, slots=True)
class DomainPoints:
    """What is known of the thresholds of one domain.

    Parameters
    ----------
    default : OperatingPoint
        Of the threshold that the model tags with unless told otherwise.
    precision, recall : tuple of (OperatingPoint or None)
        One a goal of :data:`GOALS`; None where dev does not show that it can be had.
    bands : tuple of Band
        One a level of :data:`GOALS`: the probabilities at which neither a tag nor its absence
        is right as often as that.
    """

    default: OperatingPoint
    precision: tuple[OperatingPoint | None, ...]
    recall: tuple[OperatingPoint | None, ...]
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """What is known of the thresholds of a model.

    Parameters
    ----------
    domains : mapping of str to DomainPoints
        By name.
    n_sentences, n_documents : int
        How much dev data they rest on.
    n_bootstrap, seed : int
        How the spreads were drawn.
    """

    domains: Mapping[str, DomainPoints]
    n_sentences: int
    n_documents: int
    n_bootstrap: int
    seed: int

    def reaching(
        self, domains: Sequence[str], measure: Measure, goal: Goal
    ) -> dict[str, OperatingPoint]:
        """Return the thresholds by which domains reach a goal.

        Parameters
        ----------
        domains : sequence of str
            Those that a goal given as one number is for.
        measure : {"precision", "recall"}
            What the goal is of.
        goal : float or mapping of str to float
            Of :data:`GOALS`.

        Raises
        ------
        ConfigError
            A goal has no meaning, or cannot be had; the message names each such domain.
        """
        goals = goal if isinstance(goal, Mapping) else dict.fromkeys(domains, goal)
        found, problems = {}, []
        for name, wanted in goals.items():
            points: tuple[OperatingPoint | None, ...] = getattr(self._domain(name), measure)
            point = points[_position(measure, wanted)]
            if point is None:
                reason = _best(measure, points)
                problems.append(f"{name}: {measure} {wanted:.2f} cannot be had; {reason}")
            else:
                found[name] = point
        if problems:
            raise ConfigError("\n".join(problems))
        return found

    def band(self, domain: str, level: float, threshold: float) -> Band:
        """Return the probabilities at which decisions are right less often than a level.

        Parameters
        ----------
        domain : str
            Its name.
        level : float
            Of :data:`GOALS`. A higher one never gives a narrower band.
        threshold : float
            From where the domain is tagged; it lies in the band.

        Raises
        ------
        ConfigError
            The level is none of :data:`GOALS`.
        """
        return self._domain(domain).bands[_position("review", level)].around(threshold)

    def _domain(self, name: str) -> DomainPoints:
        if name not in self.domains:
            raise ConfigError(f"no operating points of {name!r}, only of {', '.join(self.domains)}")
        return self.domains[name]

    def to_json(self) -> str:
        """Return the text of ``operating_points.json``."""
        fields = {
            "n_sentences": self.n_sentences,
            "n_documents": self.n_documents,
            "n_bootstrap": self.n_bootstrap,
            "seed": self.seed,
            "goals": GOALS,
            "domains": {
                name: {
                    "default": _columns([points.default]),
                    "precision": _columns(points.precision),
                    "recall": _columns(points.recall),
                    "review": {
                        "low": [band.low for band in points.bands],
                        "high": [band.high for band in points.bands],
                    },
                }
                for name, points in self.domains.items()
            },
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "OperatingPoints":
        """Read the text of ``operating_points.json``.

        Raises
        ------
        ValueError, KeyError, TypeError, AttributeError
            The text does not describe operating points; :func:`read_operating_points` says whose.
        """
        fields = json.loads(text)
        if tuple(fields["goals"]) != GOALS:
            raise ValueError(f"the goals are not those from {GOALS[0]} to {GOALS[-1]}")
        domains = {name: _domain_points(values) for name, values in fields["domains"].items()}
        counts = (fields[name] for name in ("n_sentences", "n_documents", "n_bootstrap", "seed"))
        return cls(domains, *map(int, counts))


def read_operating_points(folder: Path, tier: str = "accurate") -> OperatingPoints:
    """Read the operating points of a model folder.

    Parameters
    ----------
    folder : Path
        The model folder.
    tier : {"accurate", "fast"}
        Whose they are.

    Raises
    ------
    ModelError
        It holds none.
    ModelFormatError
        They cannot be read.
    """
    path = folder / (FAST_OPERATING_POINTS_FILE if tier == "fast" else OPERATING_POINTS_FILE)
    if not path.is_file():
        raise ModelError(
            f"{folder} has no {path.name}, without which there are no thresholds for a "
            "precision or a recall and no review. Train the model again, or set thresholds yourself"
        )
    try:
        return OperatingPoints.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFormatError(f"{path}: {type(error).__name__}: {error}") from error


def _position(name: str, goal: object) -> int:
    if isinstance(goal, Real) and not isinstance(goal, bool):
        nearest = round(float(goal), _DIGITS)  # 0.7 + 0.1 is not 0.8
        if nearest in GOALS:
            return GOALS.index(nearest)
    raise ConfigError(
        f"{name} is {goal!r}, not one of {GOALS[0]:.2f}, {GOALS[1]:.2f} … {GOALS[-1]:.2f}"
    )


def _best(measure: str, points: Iterable[OperatingPoint | None]) -> str:
    reached = [goal for goal, point in zip(GOALS, points, strict=True) if point is not None]
    if not reached:
        return f"dev has too few sentences of it, or too many mistakes, for a goal of {measure}"
    return f"the best that dev shows is {reached[-1]:.2f}"


def _columns(points: Sequence[OperatingPoint | None]) -> dict[str, list[float | None]]:
    """Return one list a number, which takes less room than one object a point."""
    nothing = OperatingPoint(math.nan, math.nan, math.nan, Interval(math.nan, math.nan))
    rows = [point or nothing for point in points]
    columns = {
        "threshold": [row.threshold for row in rows],
        "precision": [row.precision for row in rows],
        "recall": [row.recall for row in rows],
        "low": [row.spread.low for row in rows],
        "high": [row.spread.high for row in rows],
    }
    return {
        name: [None if math.isnan(value) else value for value in values]
        for name, values in columns.items()
    }


def _domain_points(fields: Mapping[str, Any]) -> DomainPoints:
    [default] = _points(fields["default"])
    precision, recall = _points(fields["precision"]), _points(fields["recall"])
    review = fields["review"]
    bands = tuple(
        Band(float(low), float(high))
        for low, high in zip(review["low"], review["high"], strict=True)
    )
    if default is None or {len(precision), len(recall), len(bands)} != {len(GOALS)}:
        raise ValueError("a domain lacks its default threshold, or has not one value a goal")
    return DomainPoints(default, precision, recall, bands)


def _points(columns: Mapping[str, Sequence[float | None]]) -> tuple[OperatingPoint | None, ...]:
    names = ("threshold", "precision", "recall", "low", "high")
    rows = zip(*(columns[name] for name in names), strict=True)
    return tuple(None if row[0] is None else _point(*map(_number, row)) for row in rows)


def _point(
    threshold: float, precision: float, recall: float, low: float, high: float
) -> OperatingPoint:
    return OperatingPoint(threshold, precision, recall, Interval(low, high))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
