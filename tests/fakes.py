"""A tagger without a model, for tests of what stands around it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from diplomacy_nlp.bootstrap import Interval
from diplomacy_nlp.calibration import Calibration, Logits
from diplomacy_nlp.domains import CORE, RELATIONS, WIDE
from diplomacy_nlp.model_files import ModelConfig
from diplomacy_nlp.operating_points import (
    GOALS,
    Band,
    DomainPoints,
    Goal,
    OperatingPoint,
    OperatingPoints,
)
from diplomacy_nlp.tagger import Tagger

_KEYWORDS = {
    "energy": ("gas", "oil", "nuclear", "solar"),
    "trade": ("trade", "tariff", "wheat", "export"),
    "security": ("defence", "armies", "military", "officers"),
    "counter-terrorism": ("terror", "extremist"),
    "cooperation": ("agree", "pledge", "offered", "joint"),
    "conflict": ("criticised", "accused", "condemned"),
}


class KeywordBackend:
    """Names a domain of ``WIDE``, or a relation, where one of its words stands."""

    def logits(self, sentences: Sequence[str]) -> Logits:
        def column(name: str) -> list[float]:
            words = _KEYWORDS.get(name, ())
            return [3.0 if any(w in text.lower() for w in words) else -3.0 for text in sentences]

        columns = [column(name) for name in (*WIDE.names, *RELATIONS)]
        logits = np.array(columns, dtype=np.float32).T
        relations = logits[:, len(WIDE) :].copy()
        relations[:, RELATIONS.index("neutral")] = 0.0
        return Logits(logits[:, : len(WIDE)], relations)


FAKE_CONFIG = ModelConfig(
    backend="onnx",
    domains=WIDE,
    default_domains=CORE.names,
    has_relation=True,
    calibration=Calibration.identity(len(WIDE)),
    max_length_tokens=128,
)


def _point(threshold: float, precision: float, recall: float) -> OperatingPoint:
    low, high = max(threshold - 0.0625, 0.0), threshold + 0.03125
    spread = Interval(round(low, 4), round(high, 4))
    return OperatingPoint(threshold, precision, recall, spread)


# A precision of up to 0.9 can be had, and any recall. Probabilities are taken at their word.
FAKE_POINTS = OperatingPoints(
    {
        name: DomainPoints(
            default=_point(0.5, 0.875, 0.75),
            precision=tuple(_point(g, g, 0.625) if g <= 0.9 else None for g in GOALS),
            recall=tuple(_point(round(1 - g, 2), 0.5625, g) for g in GOALS),
            bands=tuple(Band(round(1 - g, 2), g) for g in GOALS),
        )
        for name in WIDE.names
    },
    n_sentences=1200,
    n_documents=300,
    n_bootstrap=100,
    seed=0,
)


def load_fake_tagger(
    model: str | Path = "default",
    *,
    tier: Literal["accurate", "fast"] = "accurate",
    domains: Literal["core", "wide"] | Sequence[str] | None = None,
    thresholds: Mapping[str, float] | None = None,
    precision: Goal | None = None,
    recall: Goal | None = None,
    review: float | None = None,
) -> Tagger:
    """Stand in for ``Tagger.load``."""
    return Tagger(
        KeywordBackend(),
        FAKE_CONFIG,
        domains=domains,
        thresholds=thresholds,
        precision=precision,
        recall=recall,
        review=review,
        operating_points=FAKE_POINTS,
    )
