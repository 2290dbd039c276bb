"""From logits to probabilities to tags: the only sigmoid and the only threshold of the library."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diplomacy_nlp.domains import RELATIONS
from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.metrics import check_binary, check_probabilities, check_same_shape
from diplomacy_nlp.platt import fit_platt, fit_relations, log_softmax

__all__ = [
    "Calibration",
    "Logits",
    "best_f1_threshold",
    "expected_f1_threshold",
    "fit_calibration",
    "sigmoid",
    "thresholds_between",
]

_Bools: TypeAlias = NDArray[np.bool_]
_Float32s: TypeAlias = NDArray[np.float32]
_Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Logits:
    """What a model says of n sentences before calibration.

    Parameters
    ----------
    domains : ndarray of float32, shape (n, d)
        One column a domain.
    relations : ndarray of float32, shape (n, 3), optional
        One column a relation, as in :data:`diplomacy_nlp.domains.RELATIONS`; None where the model
        does not tell relations.

    Raises
    ------
    ValueError
        The shapes disagree.
    """

    domains: _Float32s
    relations: _Float32s | None = None

    def __post_init__(self) -> None:
        if self.domains.ndim != 2:
            raise ValueError(f"domain logits must be (n, d), not {self.domains.shape}")
        expected = (len(self.domains), len(RELATIONS))
        if self.relations is not None and self.relations.shape != expected:
            raise ValueError(f"relation logits must be {expected}, not {self.relations.shape}")

    def __len__(self) -> int:
        return len(self.domains)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns the logits of one model into probabilities and tags.

    The probability of a domain is ``sigmoid(slope * logit + intercept)``, and it is a tag where
    that reaches the threshold. Those of the relations are
    ``softmax(logits / relation_temperature + relation_biases)``.

    Parameters
    ----------
    slopes : tuple of float, length d
        Above 0, so that a larger logit never means a smaller probability.
    intercepts : tuple of float, length d
        Finite.
    thresholds : tuple of float, length d
        In [0, 1].
    relation_temperature : float, default 1.0
        Above 0.
    relation_biases : tuple of float, length 3
        Finite; 0 by default.

    Raises
    ------
    ConfigError
        A value is out of range or no number, or the lengths disagree.

    Examples
    --------
    >>> calibration = Calibration(slopes=(1.0, 2.0), intercepts=(0.0, 0.0), thresholds=(0.5, 0.9))
    >>> probabilities = calibration.probabilities([[0.0, 0.0]])
    >>> probabilities.tolist(), calibration.tags(probabilities).tolist()
    ([[0.5, 0.5]], [[True, False]])
    """

    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]
    thresholds: tuple[float, ...]
    relation_temperature: float = 1.0
    relation_biases: tuple[float, ...] = (0.0,) * len(RELATIONS)

    def __post_init__(self) -> None:
        for name in ("slopes", "intercepts", "thresholds", "relation_biases"):
            values = getattr(self, name)
            if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray):
                raise ConfigError(f"{name} must be a list of numbers, not {values!r}")
            object.__setattr__(self, name, tuple(_finite(name, value) for value in values))
        temperature = _finite("relation_temperature", self.relation_temperature)
        object.__setattr__(self, "relation_temperature", temperature)
        lengths = {len(self.slopes), len(self.intercepts), len(self.thresholds)}
        if len(lengths) > 1 or 0 in lengths:
            raise ConfigError(
                "slopes, intercepts and thresholds need one value a domain; there are "
                f"{len(self.slopes)}, {len(self.intercepts)} and {len(self.thresholds)}"
            )
        if min(self.slopes) <= 0:
            raise ConfigError(f"slopes must be above 0, not {min(self.slopes)}")
        if len(self.relation_biases) != len(RELATIONS):
            raise ConfigError(
                f"relation_biases needs {len(RELATIONS)} values, not {len(self.relation_biases)}"
            )
        if temperature <= 0:
            raise ConfigError(f"relation_temperature must be above 0, not {temperature}")
        for threshold in self.thresholds:
            if not 0 <= threshold <= 1:
                raise ConfigError(f"thresholds must lie in [0, 1], not {threshold}")

    @classmethod
    def identity(cls, n_domains: int) -> "Calibration":
        """Return the calibration that takes logits as they are, with thresholds of 0.5."""
        return cls((1.0,) * n_domains, (0.0,) * n_domains, (0.5,) * n_domains)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Calibration":
        """Return the calibration that :meth:`to_dict` described.

        Raises
        ------
        ConfigError
            A key is missing or unknown, or a value is wrong.
        """
        names = {field.name for field in fields(cls)}
        # Models made before there were biases have none.
        if wrong_names := names ^ (set(values) | {"relation_biases"}):
            wrong = ", ".join(sorted(wrong_names))
            raise ConfigError(f"calibration: missing or unknown keys: {wrong}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as lists and numbers; JSON carries them without loss."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    def __len__(self) -> int:
        return len(self.slopes)

    def select(self, columns: Sequence[int]) -> "Calibration":
        """Return the calibration of these columns, in the order given.

        Raises
        ------
        ConfigError
            There is no such column, or none is named.
        """
        self._check_columns(columns)
        return Calibration(
            slopes=tuple(self.slopes[column] for column in columns),
            intercepts=tuple(self.intercepts[column] for column in columns),
            thresholds=tuple(self.thresholds[column] for column in columns),
            relation_temperature=self.relation_temperature,
            relation_biases=self.relation_biases,
        )

    def with_thresholds(self, thresholds: Mapping[int, float]) -> "Calibration":
        """Return the same calibration with other thresholds for some columns.

        Raises
        ------
        ConfigError
            There is no such column, or a threshold lies outside [0, 1].
        """
        self._check_columns(thresholds)
        changed = tuple(thresholds.get(j, old) for j, old in enumerate(self.thresholds))
        return replace(self, thresholds=changed)

    def probabilities(self, logits: ArrayLike) -> _Float32s:
        """Return the probability of each domain.

        Parameters
        ----------
        logits : array_like of float, shape (n, d)

        Returns
        -------
        ndarray of float32, shape (n, d)
            In [0, 1]; within a column in the order of the logits.

        Raises
        ------
        ValueError
            The shape is wrong or a logit is not finite.
        """
        array = _finite_array(logits, "logits", len(self))
        return sigmoid(array * self.slopes + self.intercepts).astype(np.float32)

    def tags(self, probabilities: ArrayLike) -> _Bools:
        """Return which domains are tags.

        Parameters
        ----------
        probabilities : array_like of float, shape (n, d)

        Returns
        -------
        ndarray of bool, shape (n, d)

        Raises
        ------
        ValueError
            The shape is wrong or a probability is not finite.
        """
        # In float64: a threshold must not be rounded to the nearest float32.
        array = _finite_array(probabilities, "probabilities", len(self))
        return array >= np.asarray(self.thresholds)

    def relation_probabilities(self, logits: ArrayLike) -> _Float32s:
        """Return the probability of each relation.

        Parameters
        ----------
        logits : array_like of float, shape (n, 3)

        Returns
        -------
        ndarray of float32, shape (n, 3)
            In [0, 1]; each row sums to 1.

        Raises
        ------
        ValueError
            The shape is wrong or a logit is not finite.
        """
        array = _finite_array(logits, "relation logits", len(RELATIONS))
        scores = array / self.relation_temperature + np.asarray(self.relation_biases)
        return np.exp(log_softmax(scores)).astype(np.float32)

    def _check_columns(self, columns: Sequence[int] | Mapping[int, float]) -> None:
        for column in columns:
            if not 0 <= column < len(self):
                raise ConfigError(f"there is no column {column}, only 0 to {len(self) - 1}")


def fit_calibration(
    logits: Logits, labels: ArrayLike, relations: ArrayLike | None = None
) -> Calibration:
    """Fit slopes, intercepts, thresholds, temperature and biases on dev data.

    Each domain gets the curve of :func:`diplomacy_nlp.platt.fit_platt` and the threshold of
    :func:`expected_f1_threshold`, 0.5 where no label is positive; the relations get the temperature
    and biases of :func:`diplomacy_nlp.platt.fit_relations`. The threshold with the best F1 on dev
    itself rests on the few sentences about it, and does worse on sentences left out.

    Parameters
    ----------
    logits : Logits
        Of n sentences that the model was not trained on.
    labels : array_like of bool, shape (n, d)
        What is right.
    relations : array_like of int, shape (n,), optional
        Index into :data:`diplomacy_nlp.domains.RELATIONS`, -1 where unknown. Without it, or
        without relation logits, the temperature is 1 and the biases are 0.

    Raises
    ------
    ValueError
        Shapes disagree, a logit is not finite, or a label or relation has no meaning.
    """
    array = _finite_array(logits.domains, "logits", None)
    right = check_binary(labels, "labels", 2)
    check_same_shape(logits=array, labels=right)
    curves = [fit_platt(*column) for column in zip(array.T, right.T, strict=True)]
    untuned = Calibration(
        slopes=tuple(slope for slope, _ in curves),
        intercepts=tuple(intercept for _, intercept in curves),
        thresholds=(0.5,) * len(curves),
    )
    if logits.relations is not None and relations is not None:
        relation_logits = _finite_array(logits.relations, "relation logits", len(RELATIONS))
        temperature, biases = fit_relations(relation_logits, np.asarray(relations))
        untuned = replace(
            untuned, relation_temperature=temperature, relation_biases=tuple(biases.tolist())
        )
    probabilities = untuned.probabilities(array)
    thresholds = (
        expected_f1_threshold(column) if labelled.any() else 0.5
        for column, labelled in zip(probabilities.T, right.T, strict=True)
    )
    return replace(untuned, thresholds=tuple(thresholds))


def expected_f1_threshold(probabilities: ArrayLike) -> float:
    """Return the threshold with the best expected F1, for calibrated probabilities.

    That is half of the F1 it reaches [1]_.

    Parameters
    ----------
    probabilities : array_like of float, shape (n,)
        In [0, 1], calibrated; of sentences like those to be tagged.

    Returns
    -------
    float
        In [0, 0.5]; 0.5 without a probability above 0.

    Raises
    ------
    ValueError
        A probability lies outside [0, 1].

    References
    ----------
    .. [1] Lipton, Z. C., Elkan, C. and Naryanaswamy, B. (2014). Optimal thresholding of classifiers
       to maximize F1 measure. ECML PKDD, 225-239.

    Examples
    --------
    >>> expected_f1_threshold([1.0, 1.0, 0.0])
    0.5
    """
    descending = np.sort(check_probabilities(probabilities))[::-1]
    n_expected = descending.sum()
    if n_expected == 0:
        return 0.5
    n_tagged = np.arange(1, len(descending) + 1)
    return float((descending.cumsum() / (n_tagged + n_expected)).max())


def best_f1_threshold(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the threshold with the best F1.

    It lies half-way between two neighbouring probabilities (or between the smallest and 0), so
    that rounding cannot push one across. Among equally good ones the nearest to 0.5 wins.

    Parameters
    ----------
    labels : array_like of bool, shape (n,)
        What is right.
    probabilities : array_like of float, shape (n,)
        In [0, 1].

    Returns
    -------
    float
        In [0, 1]; 0.5 without a positive label.

    Raises
    ------
    ValueError
        The shapes differ, a label is neither 0 nor 1, or a probability lies outside [0, 1].

    Examples
    --------
    >>> best_f1_threshold([1, 1, 0, 0], [0.9, 0.75, 0.25, 0.1])
    0.5
    """
    right, sure = check_binary(labels, "labels", 1), check_probabilities(probabilities)
    check_same_shape(labels=right, probabilities=sure)
    if not right.any():
        return 0.5
    order = np.argsort(-sure)
    # No probability is -1, so the last row always ends a run of equal ones.
    last_of_ties = np.flatnonzero(np.diff(sure[order], append=-1.0))
    f1 = 2 * right[order].cumsum()[last_of_ties] / (last_of_ties + 1 + right.sum())
    best = thresholds_between(sure[order][last_of_ties])[f1 == f1.max()]
    return float(best[np.argmin(np.abs(best - 0.5))])


def thresholds_between(probabilities: _Floats) -> _Floats:
    """Return the thresholds that tag the first of some probabilities, the first two, and so on.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (k,)
        In [0, 1], falling, without equal ones.

    Returns
    -------
    ndarray of float64, shape (k,)
        Half-way to the next probability, the last half-way to 0.

    Examples
    --------
    >>> thresholds_between(np.array([0.75, 0.25])).tolist()
    [0.5, 0.125]
    """
    excluded = np.append(probabilities[1:], 0.0)
    midpoints = (probabilities + excluded) / 2
    # Two neighbouring floats have nothing between them.
    return np.where(midpoints > excluded, midpoints, probabilities)


def sigmoid(scores: _Floats) -> _Floats:
    """Return the probabilities, float64 in [0, 1], of which the scores are the log odds."""
    # exp(-log(1 + exp(-x))) overflows nowhere and keeps small probabilities exact.
    return np.asarray(np.exp(-np.logaddexp(0, -scores)))


def _finite_array(values: ArrayLike, name: str, n_columns: int | None) -> _Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or (n_columns is not None and array.shape[1] != n_columns):
        raise ValueError(f"{name} must be (n, {n_columns or 'd'}), not {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    return array


def _finite(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ConfigError(f"{name} must be finite, not {value!r}")
    return float(value)
