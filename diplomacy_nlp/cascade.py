"""The fast tier: a quick first stage, and the encoder for what that is unsure of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.calibration import Calibration, Logits
from diplomacy_nlp.curves import log_odds
from diplomacy_nlp.errors import ModelFormatError
from diplomacy_nlp.model_files import FIRST_STAGE_FILE, FirstStage, ModelConfig
from diplomacy_nlp.onnx_backend import OnnxBackend

__all__ = ["Cascade", "open_cascade", "sure_band", "sure_bands"]

_Bools: TypeAlias = npt.NDArray[np.bool_]
_Floats: TypeAlias = npt.NDArray[np.floating[Any]]


class Cascade:
    """Two backends, of which the second reads only what the first passes on [1]_.

    A sentence is passed on where the first stage is unsure of one of the domains wanted: where
    its logit lies in that domain's band.

    Parameters
    ----------
    first, second : OnnxBackend
        With the same outputs, on the same scale.
    bands : FirstStage
        Between which logits the first stage is unsure.
    columns : sequence of int
        The domains wanted.

    References
    ----------
    .. [1] Viola, P. and Jones, M. (2001). Rapid object detection using a boosted cascade of simple
       features. CVPR.
    """

    def __init__(
        self,
        first: OnnxBackend,
        second: OnnxBackend,
        bands: FirstStage,
        columns: Sequence[int],
    ) -> None:
        self._first, self._second = first, second
        self._columns = list(columns)
        self._low = np.array(bands.low)[self._columns]
        self._high = np.array(bands.high)[self._columns]

    def passed_on(self, logits: Logits) -> npt.NDArray[np.intp]:
        """Return the rows, of the first stage's logits, that the second stage has to read."""
        wanted = logits.domains[:, self._columns]
        return np.flatnonzero(((wanted >= self._low) & (wanted <= self._high)).any(axis=1))

    def logits(self, sentences: Sequence[str]) -> Logits:
        """Return the logits of ``n`` sentences: (n, d) and, with a relation, (n, 3)."""
        quick = self._first.logits(sentences)
        rows = self.passed_on(quick)
        thorough = self._second.logits([sentences[row] for row in rows])
        for answers, better in (
            (quick.domains, thorough.domains),
            (quick.relations, thorough.relations),
        ):
            if answers is not None:
                answers[rows] = better
        return quick


def open_cascade(folder: Path, config: ModelConfig, domains: Sequence[str]) -> Cascade:
    """Load the fast tier of a model folder.

    Parameters
    ----------
    folder : Path
        A model folder with both stages.
    config : ModelConfig
        Its configuration.
    domains : sequence of str
        The domains that the first stage must be sure of.

    Raises
    ------
    ConfigError
        The model lacks a domain.
    ModelFormatError
        The folder has no fast tier.
    ModelDamagedError
        The weights or the tokenizer cannot be loaded.
    """
    if config.first_stage is None:
        raise ModelFormatError(f"{folder} has no first stage for a fast tier")
    return Cascade(
        OnnxBackend(folder, config, FIRST_STAGE_FILE),
        OnnxBackend(folder, config),
        config.first_stage,
        [config.domains.index(name) for name in domains],
    )


def sure_bands(
    quick: Logits, thorough: _Floats, calibration: Calibration, max_error_share: float
) -> FirstStage:
    """Return where the first stage errs too often, measured by the encoder's own tags.

    Parameters
    ----------
    quick : Logits
        Of ``n`` sentences by the first stage.
    thorough : ndarray of float, (n, d)
        Logits of the same by the encoder.
    calibration : Calibration
        Of both.
    max_error_share : float
        As of :func:`sure_band`.
    """
    tags = calibration.tags(calibration.probabilities(thorough))
    cuts = (log_odds(np.array(calibration.thresholds)) - calibration.intercepts) / (
        np.array(calibration.slopes)
    )
    bands = [
        sure_band(logits, is_tagged, cut, max_error_share)
        for logits, is_tagged, cut in zip(quick.domains.T, tags.T, cuts, strict=True)
    ]
    return FirstStage(tuple(low for low, _ in bands), tuple(high for _, high in bands))


def sure_band(
    logits: _Floats, is_tagged: _Bools, cut: float, max_error_share: float
) -> tuple[float, float]:
    """Return the band, about the cut between tag and none, outside which errors are few enough.

    Below it lie at most ``max_error_share`` of the tagged, and above it at most as many of the
    others.

    Parameters
    ----------
    logits : ndarray of float, (n,)
        Of the first stage.
    is_tagged : ndarray of bool, (n,)
        By the encoder.
    cut : float
        The logit from which a sentence is tagged.
    max_error_share : float
        In (0, 1).

    Examples
    --------
    >>> logits = np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0])
    >>> sure_band(logits, np.array([0, 0, 1, 0, 1, 1], dtype=bool), 0.5, 0.01)
    (-1.0, 0.5)
    """
    n_errors = int(max_error_share * is_tagged.sum())
    missed, wrong = np.sort(logits[is_tagged]), np.sort(logits[~is_tagged])[::-1]
    low = missed[n_errors] if n_errors < len(missed) else cut
    high = wrong[n_errors] if n_errors < len(wrong) else cut
    return min(float(low), cut), max(float(high), cut)
