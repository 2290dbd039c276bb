"""Fits the curves that turn logits into probabilities.

The curves themselves, and the thresholds after them, are those of
:class:`diplomacy_nlp.calibration.Calibration`.

References
----------
Platt, J. (1999). Probabilistic outputs for support vector machines and comparisons to
regularized likelihood methods. Advances in Large Margin Classifiers, 61-74.

Lin, H.-T., Lin, C.-J. and Weng, R. C. (2007). A note on Platt's probabilistic outputs for support
vector machines. Machine Learning 68, 267-276.

Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q. (2017). On calibration of modern neural
networks. ICML, 1321-1330.

Alexandari, A., Kundaje, A. and Shrikumar, A. (2020). Maximum likelihood with bias-corrected
calibration is hard-to-beat at label shift adaptation. ICML, 222-232.

Darroch, J. N. and Ratcliff, D. (1972). Generalized iterative scaling for log-linear models. Annals
of Mathematical Statistics 43, 1470-1480.
"""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_platt", "fit_relations", "log_softmax"]

_MAX_ITERATIONS = 100
_TINY = 1e-12
# Of standardised logits. A flatter curve says that dev saw no use in the logits; it would press
# them into float32 ties and lose their order.
_SMALLEST_SLOPE = 1e-3
# Dev data without a mistake would have a temperature of 0.
_TEMPERATURES = (0.1, 10.0)
_BIAS_TOLERANCE = 1e-5

_Bools: TypeAlias = NDArray[np.bool_]
_Floats: TypeAlias = NDArray[np.float64]


def fit_platt(logits: _Floats, labels: _Bools) -> tuple[float, float]:
    """Fit ``sigmoid(slope * logit + intercept)`` to the labels of one domain.

    The least log loss of Platt's smoothed targets, which keep the curve finite where the logits
    separate the labels; by Newton's method with backtracking (Lin et al., algorithm 1).

    Parameters
    ----------
    logits : ndarray of float64, shape (n,)
        Finite.
    labels : ndarray of bool, shape (n,)

    Returns
    -------
    slope, intercept : float
        1 and 0 where the labels are all alike or the logits do not rise with them.

    Examples
    --------
    >>> slope, intercept = fit_platt(np.array([-2.0, -1.0, 1.0, 2.0]), np.arange(4) > 1)
    >>> round(slope, 2), round(intercept, 2)
    (0.67, 0.0)
    """
    n_positives = int(labels.sum())
    n_negatives = len(labels) - n_positives
    spread = float(logits.std()) if len(logits) else 0.0
    if not n_positives or not n_negatives or spread < _TINY:
        return 1.0, 0.0
    targets = np.where(labels, (n_positives + 1) / (n_positives + 2), 1 / (n_negatives + 2))
    centre = float(logits.mean())
    design = np.stack([(logits - centre) / spread, np.ones(len(logits))], axis=1)

    def loss(curve: _Floats) -> float:
        scores = design @ curve
        return float((np.logaddexp(0, scores) - targets * scores).sum())

    curve = np.array([0.0, math.log((n_positives + 1) / (n_negatives + 1))])
    for _ in range(_MAX_ITERATIONS):
        scores = design @ curve
        # The derivative of log(1 + exp(score)).
        fitted = np.exp(scores - np.logaddexp(0, scores))
        gradient = design.T @ (fitted - targets)
        curvature = (design.T * (fitted * (1 - fitted))) @ design + _TINY * np.eye(2)
        direction = -np.linalg.solve(curvature, gradient)
        promised = float(gradient @ direction)
        if promised > -1e-10:
            break
        step, before = 1.0, loss(curve)
        while loss(curve + step * direction) > before + 1e-4 * step * promised and step > _TINY:
            step /= 2
        curve = curve + step * direction
    slope, intercept = float(curve[0]), float(curve[1])
    if slope < _SMALLEST_SLOPE:
        return 1.0, 0.0
    return slope / spread, intercept - slope * centre / spread


def fit_relations(logits: _Floats, relations: NDArray[Any]) -> tuple[float, _Floats]:
    """Fit ``softmax(logits / temperature + biases)`` to the relations (Alexandari et al.).

    The least log loss. In turns, the biases take steps of iterative scaling (Darroch and Ratcliff)
    towards the shares of the relations, and the temperature is found by golden-section search in
    its logarithm. One more sentence, shared out as the logits have it, keeps the biases finite.

    Parameters
    ----------
    logits : ndarray of float64, shape (n, 3)
        Finite.
    relations : ndarray of int, shape (n,)
        Column of the right relation, -1 where unknown.

    Returns
    -------
    temperature : float
        In [0.1, 10]; 1 where no relation is known.
    biases : ndarray of float64, shape (3,)
        Their sum is 0; all are where no relation is known.

    Raises
    ------
    ValueError
        The lengths disagree, or a relation is no such column.
    """
    n_rows, n_relations = logits.shape
    if relations.shape != (n_rows,) or not np.isin(relations, range(-1, n_relations)).all():
        raise ValueError(f"relations must be {n_rows} integers from -1 to {n_relations - 1}")
    biases = np.zeros(n_relations)
    known = relations >= 0
    if not known.any():
        return 1.0, biases
    known_logits, right = logits[known], relations[known].astype(np.int64)

    def shares() -> _Floats:
        probabilities = np.exp(log_softmax(known_logits / temperature + biases))
        return np.asarray(np.maximum(probabilities.mean(axis=0), _TINY))

    temperature = _fit_temperature(known_logits, right, biases)
    wanted = np.bincount(right, minlength=n_relations) + shares()
    for _ in range(_MAX_ITERATIONS):
        step = np.log(wanted) - np.log(shares())
        step -= step.mean()
        biases = biases + step
        temperature = _fit_temperature(known_logits, right, biases)
        if np.abs(step).max() < _BIAS_TOLERANCE:
            break
    return temperature, biases


def _fit_temperature(logits: _Floats, right: NDArray[np.int64], biases: _Floats) -> float:
    def loss(log_temperature: float) -> float:
        scores = log_softmax(logits / math.exp(log_temperature) + biases)
        return -float(scores[np.arange(len(right)), right].mean())

    low, high = (math.log(bound) for bound in _TEMPERATURES)
    golden = (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        lower, upper = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, upper) if loss(lower) <= loss(upper) else (lower, high)
    return math.exp((low + high) / 2)


def log_softmax(scores: _Floats) -> _Floats:
    """Return the logarithm of each row's softmax, (n, k) like the scores."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
